"""The table of formats: suffixes, reports of several results, and the published schema of a run."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest
from referencing import Registry, Resource

import voltage_attest.report
from tests.report.hostile import ATTACKS, hostile
from tests.report.samples import REFUSED, SAMPLES, UNDECIDED, UNSAFE, VERIFIED
from voltage_attest.report import parse_result
from voltage_attest.report.entries import Named, brief_of, counted, name_of, worst
from voltage_attest.report.expiring import expiring_of
from voltage_attest.report.formats import FORMATS, format_of_suffix, render_report
from voltage_attest.result import AttestationResult, Subject, Verdict

SCHEMAS: Final = Path(voltage_attest.report.__file__).parent / "schema"
RESULT, RUN = (json.loads((SCHEMAS / name).read_text("utf-8")) for name in ("result-1.json", "run-1.json"))
VALIDATOR: Final = jsonschema.Draft202012Validator(
    RUN, registry=Registry().with_resource(RESULT["$id"], Resource.from_contents(RESULT))
)
ALL: Final = tuple(Named(name, result) for name, result in SAMPLES.items())


def read(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    return found


def test_the_schema_of_a_run_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(RUN)


def test_a_run_meets_its_schema_and_its_results_read_back_equal() -> None:
    document = read(render_report("json", ALL))
    VALIDATOR.validate(document)
    assert document["verdict"] == "refused"
    assert [parse_result(json.dumps(found["result"])) for found in document["results"]] == list(SAMPLES.values())


def test_a_run_of_nothing_is_undecided_in_every_format() -> None:
    VALIDATOR.validate(read(render_report("json", [])))
    assert worst([]) is Verdict.UNDECIDED
    for form in FORMATS:
        assert render_report(form, []) is not None


def test_no_suffix_belongs_to_two_formats() -> None:
    suffixes = [suffix for form in FORMATS.values() for suffix in form.suffixes]
    assert len(suffixes) == len(set(suffixes))
    assert all(format_of_suffix(suffix.upper()) == form.name for form in FORMATS.values() for suffix in form.suffixes)
    assert format_of_suffix(".docx") is None


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_result_gives_the_same_bytes(form: str) -> None:
    assert render_report(form, ALL) == render_report(form, ALL)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("attack", range(len(ATTACKS)))
def test_every_report_can_be_written_as_utf_8(form: str, attack: int) -> None:
    text = render_report(form, [hostile(ATTACKS[attack])])
    text.encode("utf-8")
    assert "\x1b" not in text


def test_the_worst_verdict_speaks_for_all() -> None:
    assert worst([Verdict.VERIFIED, Verdict.UNDECIDED]) is Verdict.UNDECIDED
    assert worst([Verdict.UNDECIDED, Verdict.REFUSED, Verdict.VERIFIED]) is Verdict.REFUSED
    assert counted(map(brief_of, ALL)) == "4 results: 2 verified, 1 undecided, 1 refused"


@pytest.mark.parametrize(
    ("result", "why"),
    [
        (VERIFIED, "holds until 2026-12-01 10:00:35 UTC"),
        (REFUSED, "tdx.crl.pck: not the PCK CA's"),
        (UNDECIDED, "tdx.crl.root: root_ca_crl is not in the collateral"),
    ],
    ids=["verified", "refused", "undecided"],
)
def test_a_brief_says_why(result: AttestationResult, why: str) -> None:
    assert brief_of(Named("x", result)).why == why


def test_reservations_are_kept_in_the_brief() -> None:
    assert brief_of(Named("x", UNSAFE)).reserved
    assert not brief_of(Named("x", VERIFIED)).reserved


def test_a_result_without_a_name_is_named_by_its_subject() -> None:
    assert name_of(VERIFIED) == "pod_7 at example"
    assert name_of(REFUSED) == "evidence from a file"
    assert REFUSED.subject == Subject()


def test_what_ends_soon_is_told_but_not_what_is_fetched_anew_each_time() -> None:
    def told(result: AttestationResult, days: int) -> list[str]:
        return list(expiring_of(result, timedelta(days=days)))

    assert told(VERIFIED, 2) == []
    (text,) = told(VERIFIED, 20)
    assert text == "a certificate or a rule of the policy ends 2026-12-01 10:00:35 UTC, in 15 days"
    assert told(VERIFIED, 200) == ["root-ca-crl from file ends 2027-04-03 00:00:00 UTC, in 138 days"]
    assert told(VERIFIED, 2000) == [], "a document that lasts less than that altogether is fetched anew"
