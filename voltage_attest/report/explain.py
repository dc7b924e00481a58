"""Checks, TCB statuses and advisories in words: what each means, what to do, and who must act."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from voltage_attest.checks import Check
from voltage_attest.report.meaning import ADVISORIES, TCB_MEANINGS, Meaning
from voltage_attest.report.plain import Paint, clipped, hanging, printable
from voltage_attest.report.rows import grouped

__all__ = ["render_check_list", "render_explanation", "render_meaning", "render_meanings_list"]

_COLUMN: Final = 17


def render_explanation(check: Check, *, width: int = 100, color: bool = False) -> str:
    """Render all that the registry knows of one check."""
    paint = Paint(color)
    entries = (
        ("proves", check.proves),
        ("does not prove", check.does_not_prove),
        ("when it fails", check.remedy),
        ("who can mend it", check.actor.value),
        ("requires", ", ".join(check.requires) or "nothing: it always runs"),
        ("source", check.spec),
    )
    lines = [paint.strong(check.id), *hanging("", check.title, 0, width), ""]
    for label, text in entries:
        lines += hanging(label, text, _COLUMN, width)
    return "\n".join(lines) + "\n"


def render_check_list(checks: Iterable[Check], *, width: int = 100, color: bool = False) -> str:
    """Render id and title of each check, in groups."""
    paint = Paint(color)
    checks = tuple(checks)
    column = max(len(check.id) for check in checks) + 4
    blocks = [
        "\n".join([paint.strong(title), *[_line(check, column, width) for check in members]])
        for title, members in grouped(checks)
    ]
    return "\n\n".join(blocks) + "\n"


def render_meaning(meaning: Meaning, *, width: int = 100, color: bool = False) -> str:
    """Render what a TCB status or an advisory means."""
    entries = (("means", meaning.means), ("what to do", meaning.what_to_do), ("who must act", meaning.actor.value))
    lines = [Paint(color).strong(printable(meaning.name)), *hanging("", meaning.title, 0, width), ""]
    for label, text in entries:
        lines += hanging(label, text, _COLUMN, width)
    return "\n".join(lines) + "\n"


def render_meanings_list(*, width: int = 100, color: bool = False) -> str:
    """Render every TCB status, and the advisories that are described, in a line each."""
    paint = Paint(color)
    names = {"TCB statuses": {name: meaning.title for name, meaning in TCB_MEANINGS.items()}, "Advisories": ADVISORIES}
    column = max(len(name) for group in names.values() for name in group) + 4
    blocks = []
    for title, group in names.items():
        lines = [f"{'  ' + name:<{column}}{clipped(text, width - column)}" for name, text in group.items()]
        blocks.append("\n".join([paint.strong(title), *lines]))
    return "\n\n".join(blocks) + "\n"


def _line(check: Check, column: int, width: int) -> str:
    return f"{'  ' + check.id:<{column}}{clipped(check.title, width - column)}"
