"""One result among several: under which name it is shown, and what the head of a report says of it.

A report of a thousand results is written one result at a time. What its head needs to know of all of them is kept as
:class:`Brief`, a few hundred bytes each; the results themselves are let go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from voltage_attest.report.plain import clipped, one_or_many, printable, utc
from voltage_attest.report.verdict import row_name
from voltage_attest.result import AttestationResult, CheckResult, Status, Verdict

__all__ = ["WORST_FIRST", "Brief", "Named", "actor_of", "brief_of", "counted", "name_of", "rule_of", "values_of", "worst"]

WORST_FIRST: Final = (Verdict.REFUSED, Verdict.UNDECIDED, Verdict.VERIFIED)

_WHY: Final = 160


class Named(NamedTuple):
    """A result, and the name that its reader knows it by: a pod's id, a bundle's file."""

    name: str
    result: AttestationResult


class Brief(NamedTuple):
    """What is remembered of a result once it is written: its verdict, its rows by status, and why it is not verified."""

    name: str
    verdict: Verdict
    reserved: bool
    counts: Mapping[Status, int]
    why: str


def name_of(result: AttestationResult) -> str:
    """The name of a result that was given none: whom it is about."""
    named = [part for part in (result.subject.pod_id, result.subject.provider) if part is not None]
    return " at ".join(named) or "evidence from a file"


def brief_of(named: Named) -> Brief:
    """What is to be remembered of it."""
    name, result = named
    counts = dict.fromkeys(Status, 0)
    for row in result.checks:
        counts[row.status] += 1
    reserved = bool(result.warnings) or any(row.finding.unsafe for row in result.checks)
    return Brief(name, result.verdict, reserved, counts, _why(result))


def _why(result: AttestationResult) -> str:
    """The first check that closes the gate, with its reason; for what is verified, until when it holds."""
    if result.verdict is Verdict.VERIFIED:
        return "no end known" if result.valid_until is None else f"holds until {utc(result.valid_until)}"
    wanted = Status.FAILED if result.verdict is Verdict.REFUSED else Status.ERROR
    row = next((row for row in result.checks if row.status is wanted), None)
    if row is None:
        return "no check passed" if result.checks else "nothing was checked"
    return f"{row_name(row)}: {clipped(row.reason or row.check.title, _WHY)}"


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict on several: one that is refused refuses them all. None at all is undecided."""
    found = set(verdicts) or {Verdict.UNDECIDED}
    return next(verdict for verdict in WORST_FIRST if verdict in found)


def counted(briefs: Iterable[Brief]) -> str:
    """How many of what: ``3 verified, 1 refused``."""
    verdicts = [brief.verdict for brief in briefs]
    counts = {verdict: verdicts.count(verdict) for verdict in reversed(WORST_FIRST)}
    parts = [f"{count} {verdict.value}" for verdict, count in counts.items() if count]
    return f"{one_or_many(len(verdicts), 'result')}: {', '.join(parts) or 'none'}"


def rule_of(row: CheckResult) -> str | None:
    """Where in the policy the rule stands, ``file:line``."""
    location = row.finding.location
    if location is None:
        return None
    return printable(location.file) if location.line is None else f"{printable(location.file)}:{location.line}"


def actor_of(row: CheckResult) -> str | None:
    """Who can mend it; None of a check that this version does not know."""
    return row.check.actor.value if row.check.proves else None


def values_of(row: CheckResult) -> list[tuple[str, str]]:
    """What a reader needs of a row that did not pass, labelled and printable, in the order of the text report."""
    finding = row.finding
    found = [
        ("expected", finding.expected),
        ("actual", finding.actual),
        ("reason", finding.reason),
        ("rule", rule_of(row)),
    ]
    if row.status.closes_gate:
        found += [("what to do", row.check.remedy), ("by", actor_of(row))]
    return [(label, printable(text)) for label, text in found if text is not None]
