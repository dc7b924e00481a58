"""Markdown for a pull request's comment or a step's summary: the verdict, what is to be done, and the rest folded away."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from voltage_attest.report.entries import WORST_FIRST, Brief, Named, counted, values_of, worst
from voltage_attest.report.header import header_entries
from voltage_attest.report.plain import one_or_many, printable
from voltage_attest.report.rows import grouped
from voltage_attest.report.verdict import render_headline, row_name
from voltage_attest.result import AttestationResult, CheckResult, Status, Verdict

__all__ = ["code", "escaped", "markdown_entry", "markdown_frame"]

SIGNS: Final = {Verdict.VERIFIED: "✅", Verdict.REFUSED: "❌", Verdict.UNDECIDED: "❔"}

_WORDS: Final = {
    Status.FAILED: "failed",
    Status.ERROR: "undecided",
    Status.NOT_RUN: "not run",
    Status.SKIPPED: "skipped",
    Status.PASSED: "passed",
}
_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]()<>#+!|~:&$-]|(?<=www)\.)")
_BACKTICKS: Final = re.compile(r"`+")
_MOST_LISTED: Final = 200


def escaped(text: str) -> str:
    """Text as it is, whatever it says: no link, image, mention, HTML or emphasis comes of it."""
    # A backslash keeps nobody from being mentioned on GitHub; a comment behind the sign does.
    return _SPECIAL.sub(r"\\\1", printable(text)).replace("@", "@<!-- -->")


def code(text: str) -> str:
    """A code span, longer in backticks than any run of them within."""
    plain = printable(text)
    fence = "`" * (max((len(run) for run in _BACKTICKS.findall(plain)), default=0) + 1)
    pad = " " if plain[:1] in {"", "`", " "} or plain[-1:] in {"`", " "} else ""
    return f"{fence}{pad}{plain}{pad}{fence}"


def markdown_frame(briefs: Sequence[Brief]) -> tuple[str, str]:
    """The heading; of several results a table of them, the worst first."""
    if len(briefs) == 1:
        return "## voltage-attest\n\n", ""
    lines = [f"## {SIGNS[worst(brief.verdict for brief in briefs)]} voltage-attest: {counted(briefs)}", ""]
    ordered = [brief for verdict in WORST_FIRST for brief in briefs if brief.verdict is verdict]
    lines += ["| | name | why |", "|---|---|---|"]
    lines += [
        f"| {_sign(brief)} {brief.verdict.value} | {_cell(code(brief.name))} | {_cell(escaped(brief.why))} |"
        for brief in ordered[:_MOST_LISTED]
    ]
    if len(ordered) > _MOST_LISTED:
        lines += ["", f"and {len(ordered) - _MOST_LISTED} more, none worse than the last of these."]
    return "\n".join(lines) + "\n\n", ""


def markdown_entry(named: Named, total: int) -> str:
    """One result; of many, what is verified without reservation stands in the table alone."""
    name, result = named
    loud = [row for row in result.checks if row.status.closes_gate or row.finding.unsafe]
    if total > 1 and result.verdict is Verdict.VERIFIED and not loud and not result.warnings:
        return ""
    lines = [f"### {SIGNS[result.verdict]} {escaped(name)}", "", _headline(result), ""]
    lines += [f"> **Warning:** {escaped(warning)}\n" for warning in result.warnings]
    lines += [line for row in loud for line in _row(row)]
    lines += ["<details><summary>What was judged</summary>", "", "| | |", "|---|---|"]
    lines += [f"| {_cell(escaped(label))} | {_cell(escaped(text))} |" for label, text in header_entries(result)]
    lines += ["", "</details>", "", f"<details><summary>{_summary(result)}</summary>", ""]
    lines += ["| check | | status |", "|---|---|---|"]
    lines += [
        f"| {_cell(code(row_name(row)))} | {_cell(escaped(row.check.title))} | {_WORDS[row.status]} |"
        for _, rows in grouped(result.checks)
        for row in rows
    ]
    return "\n".join([*lines, "", "</details>", ""]) + "\n"


def _headline(result: AttestationResult) -> str:
    verdict, _, rest = render_headline(result).partition(": ")
    return f"**{verdict}:** {escaped(rest)}"


def _row(row: CheckResult) -> list[str]:
    word = {Status.FAILED: "Failed", Status.ERROR: "Undecided"}.get(row.status, "Unsafe")
    lines = [f"**{word}:** {code(row_name(row))} {escaped(row.check.title)}", "", "| | |", "|---|---|"]
    for label, text in values_of(row):
        parts = text.split(" or ") if label == "expected" else [text]
        shown = "<br>or ".join(code(part) for part in parts) if label in {"expected", "actual"} else escaped(text)
        lines.append(f"| {label} | {_cell(shown)} |")
    return [*lines, ""]


def _summary(result: AttestationResult) -> str:
    rows = result.by_status()
    counts = ", ".join(f"{len(rows[status])} {word}" for status, word in _WORDS.items() if rows[status])
    return f"{one_or_many(len(result.checks), 'check')}: {counts or 'none'}"


def _sign(brief: Brief) -> str:
    return "⚠️" if brief.verdict is Verdict.VERIFIED and brief.reserved else SIGNS[brief.verdict]


def _cell(text: str) -> str:
    """A bar ends a cell even within a code span, unless it is escaped; one that is, stays so."""
    return re.sub(r"(?<!\\)((?:\\\\)*)\|", r"\1\\|", text)
