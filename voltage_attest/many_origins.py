"""Documents that several pods share, asked for once: whoever comes while they are being fetched waits for them.

Intel's are one set a platform family, NVIDIA's manifests one a driver and firmware. Revocation that is asked with a nonce is
not shared: its answer is to one question. What was found incomplete is asked for again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from voltage_attest.collateral.nvidia_fetched import FetchedNvidia
from voltage_attest.collateral.service import CollateralRequest, FetchedCollateral
from voltage_attest.nvidia_course import AskKeys, AskManifests, NvidiaQuestion
from voltage_attest.nvidia_origin import NvidiaOrigin

if TYPE_CHECKING:
    from voltage_attest.attest import CollateralOrigin, Progress

__all__ = ["SharedCollateral", "SharedNvidia"]

_SECONDS: Final = 600.0
"""How long what was fetched is handed on: longer than a run takes, and no run judges by documents of yesterday."""

Found = TypeVar("Found")


@dataclass(slots=True)
class _Shelf(Generic[Found]):
    """One set of documents, and the lock that lets one thread fetch it."""

    lock: Lock = field(default_factory=Lock)
    found: Found | None = None
    since: float = 0.0


class _Shared(Generic[Found]):
    def __init__(self) -> None:
        self._shelves: dict[Hashable, _Shelf[Found]] = {}
        self._lock = Lock()

    def take(self, key: Hashable, fetch: Callable[[], Found], will_do: Callable[[Found], bool]) -> Found:
        """What lies there if it will do, else what is fetched now."""
        with self._lock:
            shelf = self._shelves.setdefault(key, _Shelf())
        with shelf.lock:
            if shelf.found is None or time.monotonic() - shelf.since > _SECONDS or not will_do(shelf.found):
                shelf.found, shelf.since = fetch(), time.monotonic()
            return shelf.found


class SharedCollateral:
    """Intel's documents, once a platform family."""

    def __init__(self, origin: CollateralOrigin) -> None:
        self._origin = origin
        self._shared: _Shared[FetchedCollateral] = _Shared()

    def fetch(
        self, request: CollateralRequest, *, now: datetime, refresh: bool = False, progress: Progress | None = None
    ) -> FetchedCollateral:
        """As the origin does; with ``refresh``, whatever did not come from the cache is fresh enough."""

        def will_do(found: FetchedCollateral) -> bool:
            return found.is_complete and not (refresh and any(source.from_cache for source in found.sources))

        def fetch() -> FetchedCollateral:
            return self._origin.fetch(request, now=now, refresh=refresh, progress=progress)

        return self._shared.take(request, fetch, will_do)


class SharedNvidia:
    """NVIDIA's manifests and keys, once; everything else is asked each time."""

    def __init__(self, origin: NvidiaOrigin) -> None:
        self._origin = origin
        self._shared: _Shared[FetchedNvidia] = _Shared()

    def answer(self, question: NvidiaQuestion, progress: Progress | None = None) -> FetchedNvidia:
        """As the origin does."""
        if isinstance(question, AskManifests):
            key: Hashable = ("manifests", tuple(question.ids))
        elif isinstance(question, AskKeys):
            key = ("keys", tuple(question.kids))
        else:
            return self._origin.answer(question, progress)
        refresh = question.refresh

        def will_do(found: FetchedNvidia) -> bool:
            return not found.collateral.absences and not (refresh and any(source.from_cache for source in found.sources))

        return self._shared.take(key, lambda: self._origin.answer(question, progress), will_do)

    async def answer_async(self, question: NvidiaQuestion, progress: Progress | None = None) -> FetchedNvidia:
        """As the origin does, each time."""
        return await self._origin.answer_async(question, progress)
