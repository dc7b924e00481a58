"""What ``ci`` says at its end: what is not verified and why, how many of what, the next step; and what ends soon."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from voltage_attest.cli.exits import CannotUse
from voltage_attest.report.entries import WORST_FIRST, Brief, counted, worst
from voltage_attest.report.markdown import escaped, markdown_frame
from voltage_attest.report.plain import Paint, hanging, printable
from voltage_attest.result import Verdict

if TYPE_CHECKING:
    from voltage_attest.policy.model import Policy

__all__ = ["ending_rules", "summary_lines", "write_step_summary"]

_MOST_VERIFIED: Final = 20
_MOST_CLOSED: Final = 50
_COLUMN: Final = 14
_NEXT: Final = {
    Verdict.VERIFIED: "All of them are what the policy says.",
    Verdict.REFUSED: "Send nothing to what is refused. What a check means and who can mend it: voltage-attest explain CHECK",
    Verdict.UNDECIDED: "As closed as a refusal: send nothing. Supply what is missing, or run again with --retry-undecided 3.",
}


def summary_lines(briefs: Sequence[Brief], *, width: int, color: bool, quiet: bool) -> Iterator[str]:
    """A line for each that is not verified, few or no lines for the others, then the count and the next step."""
    paint = Paint(color)
    verdict = worst(brief.verdict for brief in briefs)
    if not quiet:
        for wanted in WORST_FIRST:
            most = _MOST_VERIFIED if wanted is Verdict.VERIFIED else _MOST_CLOSED
            found = [brief for brief in briefs if brief.verdict is wanted]
            if wanted is Verdict.VERIFIED and len(found) > most:
                found = [brief for brief in found if brief.reserved]
            for brief in found[:most]:
                word, painted = _word(brief, paint)
                first, *rest = hanging(word, f"{brief.name}  {brief.why}", _COLUMN, width)
                yield first.replace(word, painted, 1)
                yield from rest
            if len(found) > most:
                yield f"{'':{_COLUMN}}and {len(found) - most} more {wanted.value}"
    yield f"{counted(briefs)}. {_painted(verdict, paint)}"
    if not quiet:
        yield _NEXT[verdict]


def _word(brief: Brief, paint: Paint) -> tuple[str, str]:
    if brief.verdict is not Verdict.VERIFIED:
        return brief.verdict.value.upper(), paint.bad(brief.verdict.value.upper())
    return ("reservations", paint.loud("reservations")) if brief.reserved else ("verified", paint.good("verified"))


def _painted(verdict: Verdict, paint: Paint) -> str:
    word = verdict.value.upper()
    return paint.good(word) if verdict is Verdict.VERIFIED else paint.bad(word)


def ending_rules(policy: Policy, today: date, within: timedelta) -> Iterator[str]:
    """A sentence for the policy, each exception and the agreement, if it ends within ``within`` or has ended."""
    rules = [("the policy", policy.valid_until)]
    if policy.tdx is not None:
        rules += [(f"the exception for {found.status} ({found.reason})", found.until) for found in policy.tdx.tcb.exceptions]
    if policy.compliance is not None:
        rules.append((f"the agreement {policy.compliance.baa_reference}", policy.compliance.baa_valid_until))
    for what, until in rules:
        if until is not None and until - today <= within:
            yield f"{what} {'ended' if until < today else 'ends'} on {until}"


def write_step_summary(file: str | None, briefs: Sequence[Brief], ending: Iterable[str]) -> None:
    """Append the table and what ends soon to the summary of a step on GitHub; nothing elsewhere."""
    if not file:
        return
    head, tail = markdown_frame(briefs)
    if len(briefs) == 1:
        head += f"**{briefs[0].verdict.value.upper()}** {escaped(briefs[0].name)}: {escaped(briefs[0].why)}\n\n"
    text = head + tail + "".join(f"- ends soon: {escaped(found)}\n" for found in ending)
    try:
        with Path(file).open("a", encoding="utf-8") as opened:
            opened.write(f"{text}\n")
    except OSError as error:
        raise CannotUse(f"the step's summary, {printable(file)}, cannot be written ({error.strerror}).") from None
