"""Workflow commands: one annotation a line, and no line that evidence wrote."""

from __future__ import annotations

import re
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.report.hostile import ATTACKS, hostile
from tests.report.samples import REFUSED, SAMPLES, UNSAFE, VERIFIED, check_golden
from voltage_attest.report.entries import Named
from voltage_attest.report.formats import render_report
from voltage_attest.result import Status

COMMAND: Final = re.compile(r"::(error|warning|notice) (?:[a-z]+=[^:,]*,?)+::[ -~\u00a0-\U0010ffff]*")


@pytest.mark.parametrize("name", SAMPLES)
def test_annotations_are_what_they_were(name: str) -> None:
    check_golden(f"{name}.github.txt", render_report("github", [Named("pod_7", SAMPLES[name])]))


def test_a_failed_pin_is_annotated_at_its_line() -> None:
    text = render_report("github", [Named("pod_7", REFUSED)])
    assert "::error title=pod_7%3A tdx.policy.mrtd failed,file=voltage-attest.toml,line=5::" in text
    assert "%0Aactual: deaddead" in text


def test_every_row_that_closes_the_gate_is_an_error_and_what_is_unsafe_a_warning() -> None:
    lines = render_report("github", [Named("pod_7", REFUSED)]).splitlines()
    closing = sum(row.status.closes_gate for row in REFUSED.checks)
    assert sum(line.startswith("::error title=pod_7") for line in lines) == closing
    unsafe = render_report("github", [Named("pod_7", UNSAFE)]).splitlines()
    assert [line.split(" ", 1)[0] for line in unsafe] == ["::warning", "::warning", "::notice"]


def test_the_last_line_counts() -> None:
    named = [Named("a", VERIFIED), Named("b", REFUSED)]
    assert render_report("github", named).endswith("::error title=voltage-attest::2 results: 1 verified, 1 refused\n")
    assert render_report("github", named[:1]).endswith("::notice title=voltage-attest::1 result: 1 verified\n")
    assert render_report("github", []).startswith("::error ")


@pytest.mark.parametrize("attack", ATTACKS)
def test_evidence_writes_no_command(attack: str) -> None:
    lines = render_report("github", [hostile(attack)]).split("\n")[:-1]
    assert all(COMMAND.fullmatch(line) for line in lines)
    assert len(lines) == len(render_report("github", [hostile("benign")]).split("\n")) - 1


@given(st.text(st.characters(), max_size=30))
def test_any_text_stays_on_its_line(text: str) -> None:
    rows = [row for row in hostile(text).result.checks if row.status.closes_gate or row.status is Status.SKIPPED]
    assert render_report("github", [hostile(text)]).count("\n") == len(rows) + 2
