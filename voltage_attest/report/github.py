"""GitHub workflow commands: an annotation for each row that closes the gate, at the policy's line where a rule decided.

https://docs.github.com/actions/reference/workflow-commands-for-github-actions: data escapes ``%``, CR and LF, properties also
``:`` and ``,``. What evidence says is printable already, so no value can begin a command of its own. The summary of the step
is Markdown (:mod:`voltage_attest.report.markdown`).
"""

from __future__ import annotations

from collections.abc import Sequence

from voltage_attest.report.entries import Brief, Named, counted, values_of
from voltage_attest.report.plain import printable
from voltage_attest.report.verdict import row_name
from voltage_attest.result import CheckResult, Status, Verdict

__all__ = ["github_entry", "github_frame"]


def github_frame(briefs: Sequence[Brief]) -> tuple[str, str]:
    """Nothing before the annotations; behind them a notice with the count."""
    good = all(brief.verdict is Verdict.VERIFIED for brief in briefs) and briefs
    return "", f"::{'notice' if good else 'error'} title=voltage-attest::{_data(counted(briefs))}\n"


def github_entry(named: Named, _total: int) -> str:
    """The annotations of one result."""
    name, result = named
    rows = [row for row in result.checks if row.status.closes_gate or row.finding.unsafe]
    lines = [_annotation(name, row) for row in rows]
    lines += [f"::warning title={_property(f'{name}: voltage-attest')}::{_data(warning)}\n" for warning in result.warnings]
    return "".join(lines)


def _annotation(name: str, row: CheckResult) -> str:
    word = {Status.FAILED: "failed", Status.ERROR: "undecided"}.get(row.status, "unsafe")
    properties = {"title": f"{name}: {row_name(row)} {word}"}
    location = row.finding.location
    if location is not None:
        properties["file"] = location.file.removeprefix("./")
        if location.line is not None:
            properties["line"] = str(location.line)
    told = [printable(row.check.title), *[f"{label}: {text}" for label, text in values_of(row)]]
    command = "error" if row.status.closes_gate else "warning"
    return f"::{command} {','.join(f'{key}={_property(text)}' for key, text in properties.items())}::{_escaped(told)}\n"


def _escaped(lines: list[str]) -> str:
    return "%0A".join(map(_data, lines))


def _data(text: str) -> str:
    return printable(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
