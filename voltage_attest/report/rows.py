"""The rows of the table: failures in full, the rest as short as it can be without hiding anything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from voltage_attest.checks import REGISTRY, Check
from voltage_attest.report.plain import Paint, clipped, hanging, one_or_many, shortened
from voltage_attest.report.verdict import row_name
from voltage_attest.result import CheckResult, Finding, Status

__all__ = ["GROUPS", "Table", "grouped"]

GROUPS: Final = {
    "Evidence": ("evidence.", "tdx.quote.", "tdx.qe."),
    "Intel chain": ("tdx.pck.",),
    "Collateral": ("tdx.collateral.", "tdx.crl.", "tdx.tcb_info.", "tdx.qe_identity."),
    "TCB": ("tdx.module.", "tdx.tcb."),
    "TD": ("tdx.td.",),
    "Boot": ("tdx.event_log.", "workload."),
    "Policy": ("policy.", "tdx.policy."),
    "NVIDIA node": ("gpu.evidence.", "gpu.node.", "gpu.topology"),
    "NVIDIA service": ("nras.",),
    "NVIDIA devices": ("gpu.",),
    "Binding": ("binding.",),
}
"""Title of a group to the beginnings of its checks' ids. What begins otherwise is shown last, under ``Other``."""

_INDENT: Final = "  "
_LABEL: Final = 11
_DETAIL: Final = len(_INDENT) + _LABEL
_FIELD: Final = _DETAIL + 12
_LONG_WORD: Final = 60


Row = TypeVar("Row", Check, CheckResult)


def grouped(rows: Iterable[Row]) -> Iterator[tuple[str, list[Row]]]:
    """Each group that has rows (or checks), in order, with its rows in theirs."""
    left = list(rows)
    for title, prefixes in GROUPS.items():
        members = [row for row in left if row.id.startswith(prefixes)]
        left = [row for row in left if not row.id.startswith(prefixes)]
        if members:
            yield title, members
    if left:
        yield "Other", left


@dataclass(frozen=True, slots=True)
class Table:
    """How rows are drawn: width in columns, colours, and whether passed values and skipped rows are shown in full."""

    paint: Paint
    width: int
    verbose: bool
    statuses: Mapping[tuple[str, str | None], Status]
    """Status by check id and device, to tell why a row was not run."""

    def line(self, label: str, text: str) -> Iterator[str]:
        """One line of its own, coloured by its label."""
        head, *rest = hanging(f"{_INDENT}{label:<{_LABEL}}", text, _DETAIL, self.width)
        paints = {"ok": self.paint.good, "UNSAFE": self.paint.loud, "skipped": self.paint.faint, "not run": self.paint.strong}
        yield head.replace(label, paints.get(label, self.paint.bad)(label), 1)
        yield from rest

    def lines(self, rows: list[CheckResult]) -> Iterator[str]:
        """The lines of one group."""
        column = _DETAIL + max([len(row_name(row)) for row in rows], default=0) + 2
        for row in rows:
            if row.status.closes_gate or row.finding.unsafe:
                yield from self._in_full(row)
            elif row.status is Status.PASSED:
                yield from self._passed(row, column)
            elif self.verbose:
                yield from self._left_out_in_full(row)
        if not self.verbose:
            yield from self._skipped([row for row in rows if row.status is Status.SKIPPED and not row.finding.unsafe])
            yield from self._not_run([row for row in rows if row.status is Status.NOT_RUN])

    def _passed(self, row: CheckResult, column: int) -> Iterator[str]:
        head = f"{_INDENT}{'ok':<{_LABEL}}{row_name(row)}"
        line = f"{head:<{column}}{clipped(row.check.title, self.width - column)}"
        yield line.replace("ok", self.paint.good("ok"), 1)
        if row.finding.expected is not None:
            yield from self._field("because", row.finding.expected)
        if self.verbose and row.finding.actual is not None:
            yield f"{' ' * _DETAIL}{'actual':<{_FIELD - _DETAIL}}{shortened(row.finding.actual, self.width - _FIELD)}"

    def _in_full(self, row: CheckResult) -> Iterator[str]:
        label, paint = _loud_label(row)
        head, *rest = hanging(f"{_INDENT}{label:<{_LABEL}}", f"{row_name(row)}  {row.check.title}", _DETAIL, self.width)
        yield head.replace(label, self.paint.loud(label) if paint == "loud" else self.paint.bad(label), 1)
        yield from rest
        yield from self._field("expected", row.finding.expected)
        yield from self._field("actual", row.finding.actual)
        yield from self._field("reason", row.finding.reason)
        yield from self._field("rule", _rule(row.finding))
        if row.status.closes_gate:
            yield from self._field("what to do", row.check.remedy)
            yield from self._field("by", row.check.actor.value if row.id in REGISTRY else None)

    def _left_out_in_full(self, row: CheckResult) -> Iterator[str]:
        label = "skipped" if row.status is Status.SKIPPED else "not run"
        yield from hanging(f"{_INDENT}{label:<{_LABEL}}", f"{row_name(row)}  {row.check.title}", _DETAIL, self.width)
        yield from self._field("reason", row.finding.reason)
        yield from self._field("actual", row.finding.actual)
        yield from self._field("rule", _rule(row.finding))

    def _field(self, label: str, text: str | None) -> Iterator[str]:
        if text is None:
            return
        for number, part in enumerate(_one_value_a_line(text) if label == "expected" else [text]):
            yield from hanging(f"{' ' * _DETAIL}{'or' if number else label}", part, _FIELD, self.width)

    def _skipped(self, rows: list[CheckResult]) -> Iterator[str]:
        by_reason: dict[str, list[str]] = {}
        for row in rows:
            by_reason.setdefault(row.reason or "no reason given", []).append(row_name(row))
        for reason, names in by_reason.items():
            text = f"{', '.join(names)}: {reason}"
            yield from map(self.paint.faint, hanging(f"{_INDENT}{'skipped':<{_LABEL}}", text, _DETAIL, self.width))

    def _not_run(self, rows: list[CheckResult]) -> Iterator[str]:
        by_cause: dict[str, int] = {}
        for row in rows:
            cause = self._cause(row)
            by_cause[cause] = by_cause.get(cause, 0) + 1
        for cause, count in by_cause.items():
            text = f"{one_or_many(count, 'check')}: {cause}"
            yield from hanging(f"{_INDENT}{'not run':<{_LABEL}}", text, _DETAIL, self.width)

    def _cause(self, row: CheckResult) -> str:
        """The first failed or undecided check that this one rests on, through any number of checks between them."""
        required = list(row.check.requires)
        seen: set[str] = set()
        while required:
            check_id = required.pop(0)
            closing = self._closing(check_id, row.device)
            if closing is not None:
                return closing
            if check_id not in seen and check_id in REGISTRY:
                seen.add(check_id)
                required += REGISTRY[check_id].requires
        return row.reason or "no reason given"

    def _closing(self, check_id: str, device: str | None) -> str | None:
        """That the check failed or is undecided, of this device, or for a row about no device of whichever it is."""
        for (found_id, found_device), status in self.statuses.items():
            if found_id == check_id and status.closes_gate and (device is None or found_device in {device, None}):
                where = "" if found_device in {device, None} else f" ({found_device})"
                return f"{check_id}{where} {'failed' if status is Status.FAILED else 'is undecided'}"
        return None


def _loud_label(row: CheckResult) -> tuple[str, str]:
    if row.status is Status.FAILED:
        return "FAILED", "bad"
    return ("UNDECIDED", "bad") if row.status is Status.ERROR else ("UNSAFE", "loud")


def _rule(finding: Finding) -> str | None:
    if finding.location is None:
        return None
    line = "" if finding.location.line is None else f":{finding.location.line}"
    return f"{finding.location.file}{line}"


def _one_value_a_line(text: str) -> list[str]:
    """Accepted values side by side are told apart only when each stands on its own line."""
    parts = text.split(" or ")
    return [text] if max(map(len, parts)) < _LONG_WORD else parts
