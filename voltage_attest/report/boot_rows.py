"""The boot log as a table: what was extended into which register, what it means, and whether that is proven or only said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from voltage_attest.report.plain import hanging
from voltage_attest.result import BootEventClaims

__all__ = ["boot_lines"]

_COLUMN: Final = 14


def boot_lines(events: Iterable[BootEventClaims], width: int) -> Iterator[str]:
    """One entry an event, in the log's order."""
    for event in events:
        head = f"  {event.register} {event.number:>4}  "
        yield from hanging(head, f"{event.meaning} [{event.binding}]", _COLUMN, width)
