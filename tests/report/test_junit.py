"""JUnit XML: what CI servers count, and what no evidence can put into it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from tests.report.hostile import ATTACKS, hostile
from tests.report.samples import REFUSED, SAMPLES, UNDECIDED, VERIFIED, check_golden, real_result
from voltage_attest.report.entries import Named
from voltage_attest.report.formats import render_report
from voltage_attest.result import Status

XSD: Final = etree.XMLSchema(etree.parse(Path(__file__).parent / "schema" / "junit-10.xsd"))
PARSER: Final = etree.XMLParser(resolve_entities=False, no_network=True)
RESULTS: Final = {**SAMPLES, "real": real_result()}
MANY: Final = tuple(Named(name, result) for name, result in RESULTS.items())


def parsed(*named: Named) -> etree._Element:
    root = etree.fromstring(render_report("junit", named).encode(), PARSER)
    XSD.assertValid(root)
    return root


@pytest.mark.parametrize("name", RESULTS)
def test_junit_is_what_it_was_and_meets_its_schema(name: str) -> None:
    parsed(Named(name, RESULTS[name]))
    check_golden(f"{name}.junit.xml", render_report("junit", [Named(name, RESULTS[name])]))


def test_every_check_is_a_case_and_every_result_a_suite() -> None:
    root = parsed(*MANY)
    assert [suite.get("name") for suite in root] == list(RESULTS)
    for suite, result in zip(root, RESULTS.values(), strict=True):
        assert len(suite.findall("testcase")) == len(result.checks) == int(suite.get("tests") or "")


def test_statuses_become_what_ci_servers_count() -> None:
    suite = parsed(Named("pod", REFUSED))[0]
    rows = REFUSED.by_status()
    assert len(suite.findall(".//failure")) == len(rows[Status.FAILED]) == int(suite.get("failures") or "")
    assert len(suite.findall(".//error")) == len(rows[Status.ERROR]) == int(suite.get("errors") or "")
    skipped = len(rows[Status.SKIPPED]) + len(rows[Status.NOT_RUN])
    assert len(suite.findall(".//skipped")) == skipped == int(suite.get("skipped") or "")


def test_the_totals_are_those_of_all_suites() -> None:
    root = parsed(*MANY)
    for total in ("tests", "failures", "errors"):
        assert int(root.get(total) or "") == sum(int(suite.get(total) or "") for suite in root)


def test_a_failure_tells_values_rule_and_what_to_do() -> None:
    failure = next(case for case in parsed(Named("pod", REFUSED)).iter("testcase") if case.get("name") == "tdx.policy.mrtd")[0]
    text = failure.text or ""
    for part in ("expected: 91eb", "actual: deaddead", "rule: voltage-attest.toml:5", "what to do: ", "by: you"):
        assert part in text
    assert failure.get("message") == "mrtd is not one of the 2 pinned values"


def test_a_verified_result_has_neither_failure_nor_error() -> None:
    root = parsed(Named("pod", VERIFIED))
    assert (root.get("failures"), root.get("errors")) == ("0", "0")
    assert parsed(Named("pod", UNDECIDED)).get("errors") == "1"


@pytest.mark.parametrize("attack", ATTACKS)
def test_evidence_adds_no_element(attack: str) -> None:
    tags = [element.tag for element in parsed(hostile(attack)).iter()]
    assert tags == [element.tag for element in parsed(hostile("benign")).iter()]


@given(st.text(st.characters(), max_size=30))
def test_any_text_is_valid_xml(text: str) -> None:
    parsed(hostile(text))
