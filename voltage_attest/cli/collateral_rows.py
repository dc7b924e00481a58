"""One line for one document: of what kind, in which state, from when to when, and from where."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from voltage_attest.report.plain import printable

if TYPE_CHECKING:
    from voltage_attest.collateral.cache_upkeep import CacheEntry
    from voltage_attest.collateral.nvidia_fetched import NvidiaSource
    from voltage_attest.collateral.pursuit import DocumentSource

__all__ = ["entry_row", "is_current", "missing_row", "source_row"]

_KIND_WIDTH: Final = 14
_LONGEST_ORIGIN: Final = 120
"""Characters of an address that are shown: that of an OCSP answer is the whole question."""


def is_current(source: DocumentSource | NvidiaSource, now: datetime) -> bool:
    """Whether ``now`` lies in the window that the document names."""
    return source.issued is not None and source.next_update is not None and source.issued <= now <= source.next_update


def source_row(source: DocumentSource | NvidiaSource, now: datetime) -> str:
    """A document that was found."""
    state = "NOT CURRENT" if not is_current(source, now) else "cached" if source.from_cache else "fetched"
    return _row(source.kind, state, _window(source.issued, source.next_update), source.url)


def entry_row(entry: CacheEntry) -> str:
    """A file of the cache."""
    return _row(entry.kind or "?", entry.state, _window(entry.issued, entry.next_update), entry.url or entry.path.name)


def missing_row(kind: str, reason: str) -> str:
    """A document that could not be had."""
    return f"{kind:{_KIND_WIDTH}}  MISSING      {printable(reason)}\n"


def _window(issued: datetime | None, next_update: datetime | None) -> str:
    if issued is None or next_update is None:
        return ""
    return f"{issued:%Y-%m-%d %H:%M} to {next_update:%Y-%m-%d %H:%M}Z"


def _row(kind: str, state: str, window: str, origin: str) -> str:
    shown = origin if len(origin) <= _LONGEST_ORIGIN else f"{origin[: _LONGEST_ORIGIN - 20]}...{origin[-17:]}"
    return f"{kind:{_KIND_WIDTH}}  {state:13}{window:37}  {printable(shown)}\n"
