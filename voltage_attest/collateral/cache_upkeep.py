"""What is in the cache, and throwing out what is of no use any more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from voltage_attest.collateral.cache import CachedAnswer, CollateralCache, Warn, decode_entry
from voltage_attest.collateral.nvidia_answers import read_kept_window
from voltage_attest.collateral.nvidia_requests import NvidiaKind
from voltage_attest.collateral.pcs import DocumentKind
from voltage_attest.collateral.pcs_answers import parse_answer
from voltage_attest.collateral.windows import Window
from voltage_attest.errors import CollateralFormatError, EvidenceFormatError

__all__ = ["CacheEntry", "EntryState", "Pruned", "list_cache", "prune_cache"]


class EntryState(StrEnum):
    """What a file of the cache is good for, before any signature is looked at."""

    CURRENT = "current"
    EXPIRED = "expired"
    NOT_YET = "not yet valid"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """One file of the cache. The other fields are None where the file is unreadable; ``issued`` and ``next_update`` are UTC."""

    path: Path
    state: EntryState
    kind: DocumentKind | NvidiaKind | None = None
    url: str | None = None
    issued: datetime | None = None
    next_update: datetime | None = None


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was removed: entries, and how many unfinished files of killed writers."""

    entries: tuple[CacheEntry, ...]
    leftovers: int


def list_cache(cache: CollateralCache, *, now: datetime, warn: Warn) -> tuple[CacheEntry, ...]:
    """Every entry, by file name; nothing is changed."""
    return tuple([_entry(cache, path, now, warn) for path in cache.files(warn)])


def prune_cache(cache: CollateralCache, *, now: datetime, warn: Warn) -> Pruned:
    """Remove what has expired at ``now``, what cannot be read, and what writers killed over a minute ago left behind."""
    useless = {EntryState.EXPIRED, EntryState.UNREADABLE}
    # What is distrusted is removed, and said in the list of what was removed: no further warning is due.
    entries = list_cache(cache, now=now, warn=lambda _text: None)
    removed = [entry for entry in entries if entry.state in useless and cache.remove(entry.path)]
    return Pruned(tuple(removed), cache.sweep(warn, now=now.timestamp()))


def _entry(cache: CollateralCache, path: Path, now: datetime, warn: Warn) -> CacheEntry:
    content = cache.read_file(path, warn)
    answer = None if content is None else decode_entry(content)
    found = None if answer is None or cache.path_of(answer.url) != path else _kind_and_window(answer)
    if answer is None or found is None:
        return CacheEntry(path, EntryState.UNREADABLE)
    kind, (issued, next_update) = found
    state = EntryState.CURRENT
    if now > next_update:
        state = EntryState.EXPIRED
    elif now < issued:
        state = EntryState.NOT_YET
    return CacheEntry(path, state, kind, answer.url, issued, next_update)


def _kind_and_window(answer: CachedAnswer) -> tuple[DocumentKind | NvidiaKind, Window] | None:
    """None where the kind is unknown here, or the document damaged or without dates."""
    try:
        if answer.kind in set(NvidiaKind):
            kind = NvidiaKind(answer.kind)
            window = read_kept_window(kind, answer.body)
            return None if window is None else (kind, window)
        document = parse_answer(DocumentKind(answer.kind), answer.body, answer.headers)
    except (ValueError, CollateralFormatError, EvidenceFormatError):
        return None
    return document.kind, Window(document.issued, document.next_update)
