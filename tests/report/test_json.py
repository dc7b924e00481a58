"""JSON of a result: the published schema, the way back, and what is refused on it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

import voltage_attest.report
from tests.cases.all_cases import CASES
from tests.cases.model import INTEL
from tests.report.samples import REFUSED, SAMPLES, UNKNOWN_CHECK, VERIFIED, check_golden, real_result
from tests.support.mutations import mutated_bytes, mutated_json
from tests.support.sampling import every
from voltage_attest.errors import InputError
from voltage_attest.policy import parse_policy
from voltage_attest.report import parse_result, render_json
from voltage_attest.report.json import MAX_RESULT_SIZE
from voltage_attest.result import AttestationResult, CheckResult, Finding, Status, Verdict
from voltage_attest.trust import TrustRoots
from voltage_attest.verifier import Verifier

Document = dict[str, Any]

SCHEMA: Final = json.loads((Path(voltage_attest.report.__file__).parent / "schema" / "result-1.json").read_text("utf-8"))
VALIDATOR: Final = jsonschema.Draft202012Validator(SCHEMA)
RESULTS: Final = {**SAMPLES, "real": real_result()}


@cache
def judged(name: str) -> AttestationResult:
    """The result of a case of ``tests.cases``."""
    case = CASES[name]()
    verifier = Verifier(parse_policy(case.policy), roots=TrustRoots.from_pem(intel=INTEL.root_pem))
    return case.examined_by(verifier)


def document_of(result: AttestationResult) -> Document:
    document: Document = json.loads(render_json(result))
    return document


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", RESULTS)
def test_rendered_results_meet_the_schema_and_read_back_equal(name: str) -> None:
    result = RESULTS[name]
    VALIDATOR.validate(document_of(result))
    assert parse_result(render_json(result)) == result
    assert parse_result(render_json(result).encode()) == result


@pytest.mark.parametrize("name", every(5, CASES))
def test_every_case_meets_the_schema_and_reads_back_equal(name: str) -> None:
    result = judged(name)
    VALIDATOR.validate(document_of(result))
    assert parse_result(render_json(result)) == result


@pytest.mark.parametrize("name", RESULTS)
def test_json_is_what_it_was(name: str) -> None:
    check_golden(f"{name}.json", render_json(RESULTS[name]))


def test_every_verdict_is_rendered() -> None:
    assert {document_of(result)["verdict"] for result in SAMPLES.values()} == {verdict.value for verdict in Verdict}


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("stated", Verdict)
def test_the_verdict_in_the_file_is_never_believed(name: str, stated: Verdict) -> None:
    document = document_of(SAMPLES[name]) | {"verdict": stated.value}
    assert parse_result(json.dumps(document)).verdict is SAMPLES[name].verdict


def test_the_verdict_follows_tampered_rows() -> None:
    document = document_of(VERIFIED)
    document["checks"][0]["status"] = "failed"
    assert parse_result(json.dumps(document)).verdict is Verdict.REFUSED


def test_a_result_without_rows_reads_back_undecided() -> None:
    document = document_of(VERIFIED) | {"checks": [], "verdict": "verified"}
    assert parse_result(json.dumps(document)).verdict is Verdict.UNDECIDED


def test_a_check_of_another_version_keeps_the_texts_found() -> None:
    kept = parse_result(render_json(REFUSED)).check("gpu.of_a_later_version", "gpu[0]")
    assert kept.check == UNKNOWN_CHECK


def test_texts_of_a_known_check_come_from_the_registry_not_from_the_file() -> None:
    document = document_of(REFUSED)
    document["checks"][1]["remedy"] = "Send it anyway."
    assert parse_result(json.dumps(document)) == REFUSED


def test_json_is_ascii_whatever_is_said_in_it() -> None:
    row = CheckResult(UNKNOWN_CHECK, Finding(Status.FAILED, "\x1b[2J\u202e", "ü", "\x9b\x07"))
    text = render_json(replace(REFUSED, checks=(row,)))
    assert all(" " <= character <= "~" or character == "\n" for character in text)
    assert parse_result(text).checks == (row,)


Change = Callable[[Document], object]

MALFORMED: Final[dict[str, Change]] = {
    "another schema": lambda top: top.update(schema="voltage-attest/result/2"),
    "an unknown verdict": lambda top: top.update(verdict="fine"),
    "another verifier": lambda top: top["verifier"].update(name="somebody"),
    "an unknown key": lambda top: top.update(signature="00"),
    "an absent key": lambda top: top.pop("warnings"),
    "an absent key in a row": lambda top: top["checks"][0].pop("device"),
    "an unknown key in a row": lambda top: top["checks"][0].update(severity="low"),
    "an unknown status": lambda top: top["checks"][0].update(status="ok"),
    "a status that is no text": lambda top: top["checks"][0].update(status=["passed"]),
    "unsafe as a number": lambda top: top["checks"][0].update(unsafe=0),
    "checks as an object": lambda top: top.update(checks={}),
    "a row that is no object": lambda top: top.update(checks=["passed"]),
    "a warning that is no text": lambda top: top.update(warnings=[None]),
    "line 0": lambda top: top["checks"][1].update(location={"file": "f", "line": 0}),
    "a line that is true": lambda top: top["checks"][1].update(location={"file": "f", "line": True}),
    "a negative size": lambda top: top["evidence"][0].update(size=-1),
    "a fractional size": lambda top: top["evidence"][0].update(size=1.5),
    "upper-case hex": lambda top: top["evidence"][0].update(sha256="AB" * 32),
    "short hex": lambda top: top["claims"]["tdx"].update(mrtd="00" * 47),
    "an unknown TCB status": lambda top: top["claims"]["tdx"].update(tcb_status="Fine"),
    "an unknown TD report": lambda top: top["claims"]["tdx"].update(td_report="TD_REPORT_99"),
    "claims of a GPU": lambda top: top["claims"].update(gpus=[{}]),
    "a time without zone": lambda top: top.update(appraised_at="2026-11-15T12:00:00"),
    "a time with an offset": lambda top: top.update(appraised_at="2026-11-15T12:00:00+01:00"),
    "no time of appraisal": lambda top: top.update(appraised_at=None),
    "a time with other digits": lambda top: top.update(appraised_at="\u0662\u0660\u0662\u0666-11-15T12:00:00Z"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_refuses_what_the_schema_refuses(name: str) -> None:
    document = document_of(VERIFIED)
    MALFORMED[name](document)
    assert not VALIDATOR.is_valid(document)
    with pytest.raises(InputError, match=r"result: .+; expected .+"):
        parse_result(json.dumps(document))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("[]", "a list at the top"),
        ("null", "null at the top"),
        ("[" * 100_000, "nested too deeply"),
        ('{"schema": NaN}', "the number NaN"),
        ('{"schema": 1, "schema": 1}', "occurs twice"),
        ("9" * 5000, "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b" " * (MAX_RESULT_SIZE + 1), "at most"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_refuses_what_is_no_rendered_result(text: str | bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_result(text)


def test_refuses_an_integer_written_as_a_fraction() -> None:
    document = document_of(VERIFIED)
    document["evidence"][0]["size"] = 4936.0
    assert VALIDATOR.is_valid(document)
    with pytest.raises(InputError, match="an integer from 0 on"):
        parse_result(json.dumps(document))


def test_refuses_a_time_that_does_not_exist() -> None:
    with pytest.raises(InputError, match="a time that exists"):
        parse_result(json.dumps(document_of(VERIFIED) | {"appraised_at": "2026-02-30T00:00:00Z"}))


@given(st.text() | st.binary())
def test_any_input_raises_the_documented_error_or_nothing(text: str | bytes) -> None:
    with pytest.raises(InputError):
        parse_result(text)


@given(mutated_bytes([render_json(result).encode() for result in SAMPLES.values()]))
def test_mutated_text_raises_the_documented_error_or_nothing(text: bytes) -> None:
    try:
        result = parse_result(text)
    except InputError:
        return
    assert parse_result(render_json(result)) == result


@given(st.sampled_from([document_of(result) for result in SAMPLES.values()]).flatmap(mutated_json))
def test_what_is_accepted_meets_the_schema(document: object) -> None:
    try:
        result = parse_result(json.dumps(document))
    except InputError as error:
        # Stricter than a schema can be: days that do not exist, and 17.0, which JSON Schema calls an integer.
        beyond_schema = "a time that exists", "an integer from 0 on", "an integer from 1 on"
        assert error.expected in beyond_schema or not VALIDATOR.is_valid(document)  # noqa: PT017 - both ways are right
    else:
        VALIDATOR.validate(document)
        assert document_of(result).keys() == SCHEMA["properties"].keys()
