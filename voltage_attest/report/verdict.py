"""The verdict in one line: what it is, what it means, and what to do next."""

from __future__ import annotations

from voltage_attest.report.plain import Paint, one_or_many, printable, utc
from voltage_attest.result import AttestationResult, CheckResult, Status, Verdict

__all__ = ["render_headline", "render_verdict", "row_name"]


def render_verdict(result: AttestationResult, *, color: bool = False) -> str:
    """The headline, and behind it every warning: this line stands alone where nothing else is shown."""
    warnings = [Paint(color).loud(f"WARNING: {printable(warning)}") for warning in result.warnings]
    return " ".join([render_headline(result, color=color), *warnings])


def render_headline(result: AttestationResult, *, color: bool = False) -> str:
    """The verdict, its meaning and the next step, without the warnings."""
    paint = Paint(color)
    if result.verdict is Verdict.VERIFIED:
        unsafe = sum(row.finding.unsafe for row in result.checks)
        if unsafe or result.warnings:
            return f"{paint.loud('VERIFIED, WITH RESERVATIONS:')} {_accepted(result)} {_what_it_leaves_open(result)}"
        return f"{paint.good('VERIFIED:')} {_accepted(result)} {_what_it_leaves_open(result)}"
    if result.verdict is Verdict.REFUSED:
        return f"{paint.bad('REFUSED:')} {_named(result, Status.FAILED)} failed. Send nothing to this machine.{_hint(result)}"
    return f"{paint.bad('UNDECIDED:')} {_undecided(result)} As closed as a refusal: send nothing. {_retry(result)}"


def row_name(row: CheckResult) -> str:
    """The check's id, and the device where there are several."""
    return printable(row.id if row.device is None else f"{row.id} ({row.device})")


def _accepted(result: AttestationResult) -> str:
    policy = "the policy" if result.policy is None else f"policy '{printable(result.policy.name)}'"
    until = "" if result.valid_until is None else f" until {utc(result.valid_until)}"
    return f"genuine evidence that {policy} accepts{until}."


def _what_it_leaves_open(result: AttestationResult) -> str:
    """A recorded quote verifies as well as a fresh one: whoever sends data must know which this was."""
    if not result.freshness.fresh:
        return "It does not say when the evidence was made: before you send data, bind it to a nonce and to your connection."
    if result.channel.binding is None:
        return "It is fresh, but bound to no connection: it does not say who answers you."
    return "It is fresh and bound to the connection's key: you may send to that key."


def _named(result: AttestationResult, status: Status) -> str:
    names = [row_name(row) for row in result.checks if row.status is status]
    rest = len(names) - 1
    return names[0] + (f" and {one_or_many(rest, 'other check')}" if rest else "")


def _hint(result: AttestationResult) -> str:
    row = next(row for row in result.checks if row.status is Status.FAILED)
    return f" What to do: voltage-attest explain {printable(row.id)}"


def _undecided(result: AttestationResult) -> str:
    if any(row.status is Status.ERROR for row in result.checks):
        return f"{_named(result, Status.ERROR)} could not be decided."
    return "no check passed." if result.checks else "nothing was checked."


def _retry(result: AttestationResult) -> str:
    reasons = [row.reason for row in result.checks if row.status is Status.ERROR and row.reason]
    first = f" First: {printable(reasons[0].rstrip('.'))}." if reasons else ""
    return f"Supply what is missing and verify again.{first}"
