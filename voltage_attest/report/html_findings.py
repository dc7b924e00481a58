"""What to look at first: every row that closes the gate, told in full, with expected and actual side by side."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby
from typing import Final

from voltage_attest.report.chain import Tone, tone_of
from voltage_attest.report.entries import actor_of, rule_of
from voltage_attest.report.html_markup import Content, Markup, join, tag
from voltage_attest.report.plain import one_or_many, printable
from voltage_attest.report.verdict import row_name
from voltage_attest.result import AttestationResult, CheckResult, Status

__all__ = ["LABELS", "findings_section", "measurements_section", "pill", "side_by_side"]

LABELS: Final = {
    Status.FAILED: "failed",
    Status.ERROR: "undecided",
    Status.NOT_RUN: "not run",
    Status.SKIPPED: "skipped",
    Status.PASSED: "passed",
}

_HEX: Final = re.compile(r"[0-9a-f]{16,}")
_MEASURED: Final = ("tdx.policy.", "gpu.policy.", "workload.", "binding.")
_MOST_VALUES: Final = 12


def pill(row: CheckResult) -> Markup:
    """The status as a label in its colour."""
    unsafe = row.finding.unsafe
    return tag("span", "unsafe" if unsafe else LABELS[row.status], class_=f"pill {tone_of(row.status, unsafe=unsafe)}")


def findings_section(result: AttestationResult) -> Markup:
    """Failed, undecided and unsafe rows; nothing where there are none."""
    loud = [row for row in result.checks if row.status.closes_gate or row.finding.unsafe]
    if not loud:
        return Markup()
    loud.sort(key=lambda row: (row.status is not Status.FAILED, row.status is not Status.ERROR))
    waiting = sum(row.status is Status.NOT_RUN for row in result.checks)
    behind = f"{one_or_many(waiting, 'further check')} could not run because of these." if waiting else None
    return join(
        tag("h2", "What to look at"),
        [_card(rows) for rows in _of_one_cause(loud)],
        None if behind is None else tag("p", behind, class_="soft small behind"),
    )


def _of_one_cause(rows: Iterable[CheckResult]) -> Iterable[list[CheckResult]]:
    """Rows with the same reason and remedy stand together: twelve devices, or six documents of one server that is down."""
    causes: dict[tuple[Status, str | None, str], list[CheckResult]] = {}
    for row in rows:
        causes.setdefault((row.status, row.reason, row.check.remedy), []).append(row)
    return causes.values()


def _card(rows: list[CheckResult]) -> Markup:
    """The first row in full; of those that share its cause, what they expected."""
    row, *others = rows
    rule, actor = rule_of(row), actor_of(row)
    todo: list[Content] = []
    if row.status.closes_gate:
        by = f" ({actor} can mend it)" if actor else ""
        todo = [tag("div", tag("b", "What to do: "), row.check.remedy, tag("span", by, class_="soft"), class_="todo")]
    return tag(
        "section",
        tag("header", pill(row), tag("h3", row.check.title), tag("code", row_name(row), class_="soft")),
        None if row.reason is None else tag("p", row.reason, class_="about"),
        side_by_side(row),
        _others(others),
        None if rule is None else tag("p", "Rule: ", tag("code", rule), class_="soft small about"),
        todo,
        class_=f"card edge {tone_of(row.status, unsafe=row.finding.unsafe)}",
    )


def _others(rows: list[CheckResult]) -> Markup:
    if not rows:
        return Markup()
    names = [tag("li", row.check.title, " ", tag("code", row_name(row), class_="soft")) for row in rows]
    return tag(
        "div", tag("p", "For the same reason:", class_="label"), tag("ul", names, class_="others small"), class_="behind"
    )


def side_by_side(row: CheckResult) -> Markup:
    """Expected and actual in two columns; digits that differ from what was expected are marked."""
    expected, actual = row.finding.expected, row.finding.actual
    if expected is None and actual is None:
        return Markup()
    accepted = [] if expected is None else printable(expected).split(" or ")
    found = None if actual is None else printable(actual)
    columns = []
    if accepted:
        shown = [tag("span", value, class_="hex") for value in accepted[:_MOST_VALUES]]
        left = len(accepted) - len(shown)
        more = tag("p", f"and {left} more", class_="soft small") if left > 0 else None
        label = "expected" if len(accepted) == 1 else f"expected, one of {len(accepted)}"
        columns.append(tag("div", tag("p", label, class_="label"), shown, more))
    if found is not None:
        marked = _marked(accepted, found) if row.status is Status.FAILED else found
        columns.append(tag("div", tag("p", "actual", class_="label"), tag("span", marked, class_="hex")))
    return tag("div", columns, class_="pair")


def _marked(accepted: list[str], found: str) -> Content:
    """The value with what differs from the nearest accepted one marked, where both are hex of one length."""
    alike = [value for value in accepted if len(value) == len(found) and _HEX.fullmatch(value)]
    if not alike or not _HEX.fullmatch(found):
        return found
    nearest = min(alike, key=lambda value: sum(a != b for a, b in zip(value, found, strict=True)))
    runs = groupby(zip(nearest, found, strict=True), key=lambda pair: pair[0] != pair[1])
    return [tag("mark", _of(pairs)) if differs else _of(pairs) for differs, pairs in runs]


def _of(pairs: Iterable[tuple[str, str]]) -> str:
    return "".join(actual for _, actual in pairs)


def measurements_section(result: AttestationResult) -> Markup:
    """Every pinned value beside the one found; below, what the policy leaves open, with the value all the same."""
    rows = [row for row in result.checks if row.id.startswith(_MEASURED) and row.device is None and _is_measured(row)]
    if not rows:
        return Markup()
    left_open = [row for row in rows if row.status is Status.SKIPPED]
    body = [_pinned(row) for row in rows if row.status is not Status.SKIPPED]
    if left_open:
        head = tag(
            "header", tag("span", "skipped", class_=f"pill {Tone.NONE}"), tag("h3", "Found, and not pinned by the policy")
        )
        body.append(tag("section", head, [_left_open(row) for row in left_open], class_="card long"))
    return join(tag("h2", "Measurements, expected and actual"), tag("div", body, class_="measures"))


def _is_measured(row: CheckResult) -> bool:
    return row.finding.actual is not None and _HEX.fullmatch(row.finding.actual) is not None


def _pinned(row: CheckResult) -> Markup:
    head = tag("header", pill(row), tag("h3", row.check.title), tag("code", row.id, class_="soft"))
    if row.status is not Status.PASSED or row.finding.expected is not None:
        return tag("section", head, side_by_side(row), class_="card")
    label = tag("p", "expected and actual are the same", class_="label")
    return tag(
        "section", head, tag("div", label, tag("span", row.finding.actual, class_="hex"), class_="pair one"), class_="card"
    )


def _left_open(row: CheckResult) -> Markup:
    value = tag("span", row.finding.actual, class_="hex")
    name = tag("p", tag("code", row.id), f" {row.reason or 'not pinned'}", class_="label")
    return tag("div", name, value, class_="open")
