"""The table for people: what it shows, in which order, and what it never lets through to a terminal."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.report.samples import (
    CLAIMS,
    REFUSED,
    SAMPLES,
    UNDECIDED,
    UNKNOWN_CHECK,
    UNSAFE,
    VERIFIED,
    check_golden,
    real_result,
    row,
)
from voltage_attest.checks import REGISTRY
from voltage_attest.report import render_text, render_verdict
from voltage_attest.report.plain import clipped, printable, shortened
from voltage_attest.report.rows import GROUPS, grouped
from voltage_attest.result import (
    CheckResult,
    CollateralRecord,
    EvidenceRecord,
    Finding,
    Location,
    PolicyRecord,
    Status,
    Subject,
    failed,
    passed,
)
from voltage_attest.tcb_status import TcbStatus

ANSI = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("form", ["", ".verbose"], ids=["plain", "verbose"])
def test_text_is_what_it_was(name: str, form: str) -> None:
    check_golden(f"{name}{form}.txt", render_text(SAMPLES[name], verbose=form == ".verbose"))


def test_text_of_the_real_example_is_what_it_was() -> None:
    check_golden("real.txt", render_text(real_result()))


@pytest.mark.parametrize("name", SAMPLES)
def test_the_verdict_is_the_first_line_and_the_last_word(name: str) -> None:
    lines = render_text(SAMPLES[name]).splitlines()
    verdict = SAMPLES[name].verdict.value.upper()
    assert lines[0].startswith(verdict)
    assert lines[-1].endswith(verdict)


def test_every_check_of_a_result_is_named_or_counted() -> None:
    result = real_result()
    text = render_text(result)
    assert [row.id for row in result.checks if row.id not in text] == []


def test_failed_values_are_shown_whole_however_narrow_the_screen() -> None:
    text = render_text(REFUSED, width=60)
    for value in ("91eb" * 24, "c0de" * 24, "dead" * 24):
        assert value in text


def test_a_failed_row_says_where_the_rule_is_what_to_do_and_who_must() -> None:
    text = render_text(REFUSED)
    assert "voltage-attest.toml:5" in text
    assert REGISTRY["tdx.crl.pck"].remedy in text
    assert "by          you" in text


def test_it_does_not_say_who_must_mend_a_check_it_does_not_know() -> None:
    text = render_text(replace(REFUSED, checks=(CheckResult(UNKNOWN_CHECK, failed(expected="a", actual="b", reason="c")),)))
    assert "what to do  Update." in text
    assert "  by  " not in text


def test_passed_values_are_shortened_and_only_shown_when_asked_for() -> None:
    assert "91eb91eb91eb91eb91eb" not in render_text(VERIFIED)
    verbose = render_text(VERIFIED, verbose=True)
    assert "91eb91eb91eb91eb91eb" in verbose
    assert "91eb" * 24 not in verbose


def test_an_exception_that_let_a_row_pass_is_always_shown() -> None:
    assert "SWHardeningNeeded, excepted until 2027-01-31: vendor ticket 4711" in render_text(VERIFIED)


def test_rows_that_did_not_run_are_counted_with_the_first_cause() -> None:
    text = render_text(REFUSED)
    assert "not run    1 check: tdx.crl.pck failed" in text
    assert "not run    1 check: tdx.tcb_info.parse is undecided" in text
    assert "tdx.crl.pck_validity" not in text
    assert "tdx.crl.pck_validity" in render_text(REFUSED, verbose=True)


def test_skipped_rows_stand_together_by_reason() -> None:
    assert "skipped    tdx.policy.mr_seam, tdx.policy.xfam: not pinned by the policy" in render_text(VERIFIED)


def test_what_is_unsafe_is_loud() -> None:
    text = render_text(UNSAFE)
    assert text.startswith("VERIFIED, WITH RESERVATIONS:")
    assert "UNSAFE     tdx.td.debug" in text
    assert "WARNING       Root of trust 'intel' was replaced" in text


def test_the_verdict_alone_carries_the_warnings() -> None:
    line = render_verdict(UNSAFE)
    assert "\n" not in line
    assert "WARNING: Root of trust 'intel' was replaced: this result says nothing about real hardware." in line


@pytest.mark.parametrize(
    ("name", "next_step"),
    [
        ("verified", "you may send to that key."),
        ("unsafe", "before you send data, bind it"),
        ("refused", "Send nothing to this machine. What to do: voltage-attest explain tdx.crl.pck"),
        ("undecided", "send nothing. Supply what is missing and verify again. First: root_ca_crl is not in the collateral."),
    ],
)
def test_the_verdict_says_what_to_do_next(name: str, next_step: str) -> None:
    assert next_step in render_verdict(SAMPLES[name])


def test_windows_that_miss_the_appraisal_are_pointed_out() -> None:
    text = render_text(REFUSED, width=200)
    assert "2026-10-01 00:00:00 UTC: ENDED before the appraisal" in text
    assert "2027-01-01 00:00:00 UTC: BEGINS after the appraisal" in text
    assert "td-qe-identity from file, unreadable" in text


def test_a_result_without_evidence_policy_or_rows_still_renders() -> None:
    text = render_text(replace(UNDECIDED, checks=()))
    assert text.startswith("UNDECIDED: nothing was checked.")
    assert "policy        none" in text
    only_not_run = replace(UNDECIDED, checks=(row("tdx.crl.root", Finding(Status.NOT_RUN)),))
    assert render_text(only_not_run).startswith("UNDECIDED: no check passed.")


@pytest.mark.parametrize("status", TcbStatus)
def test_every_tcb_status_is_told_in_words(status: TcbStatus) -> None:
    text = render_text(replace(VERIFIED, tdx=replace(CLAIMS, tcb_status=status.value)))
    assert f"{status.value} (level of 2024-03-13): " in text
    assert "does not know" not in text


def test_a_tcb_status_that_was_not_determined_is_not_made_up() -> None:
    text = render_text(replace(VERIFIED, tdx=replace(CLAIMS, tcb_status=None, tcb_date=None)))
    assert "TCB           not known: no level could be determined" in text


@pytest.mark.parametrize("name", SAMPLES)
def test_colour_changes_nothing_but_colour(name: str) -> None:
    plain, coloured = render_text(SAMPLES[name]), render_text(SAMPLES[name], color=True)
    assert "\x1b" not in plain
    assert coloured != plain
    assert ANSI.sub("", coloured) == plain


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_prose_keeps_to_the_width(width: int) -> None:
    checks = [row(check.id, passed("yes")) for check in REGISTRY.values()]
    checks += [row(check.id, failed(expected="e " * 99, actual="a", reason="r " * 99)) for check in REGISTRY.values()]
    lines = render_text(replace(UNDECIDED, checks=tuple(checks)), width=max(width, 80)).splitlines()
    assert max(map(len, lines[1:])) <= max(width, 80)


HOSTILE = "\x1b[2J\x1b]0;owned\x07\r\nVERIFIED\x9b1m\u202e\u2028\ud800\x7f\x00"


def hostile_everywhere(text: str) -> list[str]:
    """Renderings of a result in which every string that evidence, collateral or policy choose is ``text``."""
    finding = Finding(Status.FAILED, text, text, text, location=Location(text, 1))
    unknown = replace(UNKNOWN_CHECK, id=text, title=text, remedy=text, spec=text)
    checks = [CheckResult(unknown, replace_status(finding, status), text) for status in Status]
    result = replace(
        REFUSED,
        verifier_version=text,
        subject=Subject(text, text),
        policy=PolicyRecord(text, text, text),
        evidence=(EvidenceRecord(text, 4, text, 1),),
        collateral=(CollateralRecord(text, text, text),),
        tdx=replace(CLAIMS, mrtd=text, fmspc=text, td_report=text, tcb_status=text, advisory_ids=(text,)),
        checks=tuple(checks),
        warnings=(text,),
    )
    open_gate = replace(result, checks=tuple(row for row in checks if not row.status.closes_gate and row.status != "not_run"))
    undecided = replace(result, checks=tuple(row for row in checks if row.status is not Status.FAILED))
    results = (result, open_gate, undecided)
    return [
        *[render_text(result, verbose=verbose) for result in results for verbose in (False, True)],
        *[render_verdict(result) for result in results],
    ]


def replace_status(finding: Finding, status: Status) -> Finding:
    return finding._replace(status=status, unsafe=status is Status.SKIPPED)


def test_escape_sequences_in_evidence_reach_no_terminal() -> None:
    for text in hostile_everywhere(HOSTILE):
        assert all(line.isprintable() for line in text.split("\n"))
        assert "\\x1b[2J" in text
        assert "\nVERIFIED" not in text


@given(st.text(st.characters(), max_size=30))
def test_no_text_in_evidence_puts_a_control_character_on_the_screen(hostile: str) -> None:
    for text in hostile_everywhere(hostile):
        assert all(line.isprintable() for line in text.split("\n"))


def test_a_value_of_a_megabyte_does_not_fill_the_screen() -> None:
    finding = failed(expected="short", actual="x" * 1_000_000, reason="long")
    assert len(render_text(replace(REFUSED, checks=(row("tdx.crl.root", finding),)))) < 10_000


@given(st.text(max_size=200), st.integers(0, 120))
def test_shortening_keeps_to_its_width_and_both_ends(text: str, width: int) -> None:
    for cut in (clipped(text, width), shortened(text, width)):
        assert len(cut) <= max(width, 24)
        assert cut.isprintable()
    assert shortened(text, width)[-1:] == printable(text)[-1:]


def test_every_registered_check_has_its_group() -> None:
    assert [title for title, _ in grouped(REGISTRY.values())] == list(GROUPS)
