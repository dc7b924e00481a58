"""Intel's collateral for one platform: from the cache, else from Intel PCS or the PCCS named; what is missing, with its reason.

>>> service = CollateralService(cache=CollateralCache.for_user())                                   # doctest: +SKIP
>>> fetched = service.fetch(CollateralRequest(fmspc, "platform"), now=datetime.now(UTC))            # doctest: +SKIP
>>> result = verifier.examine(evidence, fetched.collateral, at=now)                                 # doctest: +SKIP

A first run takes four requests, one for each dated document, at the same time; a run with a warm cache takes none. Nothing is
believed here, from the network or from the cache: signatures, windows and what belongs to what are judged by the Verifier, at
every use. What is read of a document here (its window, its FMSPC) only decides whether to ask on.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from voltage_attest.collateral.asking import DEFAULT_DEADLINE, Asker
from voltage_attest.collateral.cache import CollateralCache, decode_entry
from voltage_attest.collateral.http_core import Limits
from voltage_attest.collateral.intel import IntelCollateral
from voltage_attest.collateral.pcs import (
    INTEL_PCS,
    KEYS_OF,
    CollateralRequest,
    DocumentKind,
    PcsEndpoint,
    describe,
    document_url,
    pccs_endpoint,
)
from voltage_attest.collateral.pcs_answers import PcsDocument, parse_answer, why_not_asked_for
from voltage_attest.collateral.pursuit import DocumentSource, Found, Missing, Outcome, Progress, Pursuit, pursue
from voltage_attest.errors import CollateralFormatError, InputError, OfflineError, TransportError

if TYPE_CHECKING:
    import httpx

    from voltage_attest.collateral.http import Pace

__all__ = [
    "INTEL_PCS",
    "CollateralRequest",
    "CollateralService",
    "DocumentFailure",
    "DocumentKind",
    "DocumentSource",
    "FetchedCollateral",
    "PcsEndpoint",
    "Progress",
    "pccs_endpoint",
]

_KEPT: Final = 256


@dataclass(frozen=True, slots=True)
class DocumentFailure:
    """Why one document could not be had; of several endpoints, the error of the last."""

    kind: DocumentKind
    error: TransportError | InputError


@dataclass(frozen=True, slots=True)
class FetchedCollateral:
    """What was found: documents (absent ones with their reason), where each came from, and what the user should know."""

    collateral: IntelCollateral
    sources: tuple[DocumentSource, ...]
    failures: tuple[DocumentFailure, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether every mandatory document was found, whatever it is worth."""
        return not self.collateral.missing()


@dataclass(slots=True)
class _Run:
    """One fetch: what is asked, for when, and what has been found and said on the way."""

    request: CollateralRequest
    now: datetime
    progress: Progress
    ends: float
    outcomes: list[Outcome] = field(default_factory=list)
    wanted: list[DocumentKind] = field(default_factory=list)
    warnings: dict[str, None] = field(default_factory=dict)

    def warn(self, text: str) -> None:
        """Take a warning, once."""
        self.warnings[text] = None


class CollateralService:
    """Fetches and keeps collateral. Safe to share between threads.

    ``endpoints`` are asked in order. Without ``cache`` nothing is kept. ``offline`` never touches the network. ``max_age``
    makes cached TCB info and QE identities that were issued longer ago count as absent. ``deadline`` bounds one fetch in
    seconds. ``proxy``, ``tls_ca``, ``limits``, ``pace`` and the transports are those of
    :class:`~voltage_attest.collateral.http.BoundedClient`.
    """

    def __init__(
        self,
        endpoints: Sequence[PcsEndpoint] = (INTEL_PCS,),
        *,
        cache: CollateralCache | None = None,
        offline: bool = False,
        max_age: timedelta | None = None,
        deadline: float = DEFAULT_DEADLINE,
        proxy: str | None = None,
        tls_ca: Path | str | None = None,
        limits: Limits | None = None,
        pace: Pace | None = None,
        transport: httpx.BaseTransport | None = None,
        async_transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.endpoints = tuple(endpoints) or (INTEL_PCS,)
        self.cache = cache
        self.offline = offline
        self._max_age = max_age
        self._deadline = deadline
        self._asker = Asker(proxy, tls_ca, limits, pace, transport, async_transport)
        self._parsed: dict[tuple[str, bytes], PcsDocument] = {}

    def fetch(
        self, request: CollateralRequest, *, now: datetime, refresh: bool = False, progress: Progress | None = None
    ) -> FetchedCollateral:
        """Return the documents for a platform, current at ``now`` (aware) where such can be had.

        ``refresh`` does without what the cache holds, and replaces it: for when a cached document failed verification.
        Offline it has no effect. What cannot be had is an absence with its reason, never an exception; only an unusable
        ``tls_ca`` or ``proxy`` raises, as in the client.
        """
        run = self._begin(request, now, progress, refresh=refresh)
        if run.wanted:
            run.outcomes += self._asker.follow(self._pursuits(run), ends=run.ends)
            self._keep(run)
        return _assemble(run)

    async def fetch_async(
        self, request: CollateralRequest, *, now: datetime, refresh: bool = False, progress: Progress | None = None
    ) -> FetchedCollateral:
        """As :meth:`fetch`, for asyncio; the cache's files are read and written in a thread."""
        import asyncio

        run = await asyncio.to_thread(self._begin, request, now, progress, refresh=refresh)
        if run.wanted:
            run.outcomes += await self._asker.follow_async(self._pursuits(run), ends=run.ends)
            await asyncio.to_thread(self._keep, run)
        return _assemble(run)

    def evict(self, sources: Sequence[DocumentSource]) -> None:
        """Forget these documents, where they came from the cache."""
        if self.cache is not None:
            self.cache.evict(source.url for source in sources if source.from_cache)

    def _begin(self, request: CollateralRequest, now: datetime, progress: Progress | None, *, refresh: bool) -> _Run:
        """See what the cache holds, and which documents are to be fetched."""
        if now.tzinfo is None:
            raise ValueError("now has no time zone: pass an aware datetime, such as datetime.now(UTC)")
        run = _Run(request, now, progress or (lambda _kind, _words: None), time.monotonic() + self._deadline)
        for kind in DocumentKind:
            cached = None if refresh and not self.offline else self._from_cache(kind, run)
            if cached is not None:
                run.progress(kind, "from the cache")
                run.outcomes.append(cached)
            elif self.offline:
                run.outcomes.append(_offline(kind, request))
            else:
                run.wanted.append(kind)
        return run

    def _pursuits(self, run: _Run) -> list[Pursuit]:
        return [pursue(kind, self.endpoints, run.request, now=run.now, progress=run.progress) for kind in run.wanted]

    def _from_cache(self, kind: DocumentKind, run: _Run) -> Found | None:
        """The document from the first endpoint of which a current one is kept."""
        if self.cache is None:
            return None
        for endpoint in self.endpoints:
            url = document_url(kind, endpoint, run.request)
            content = self.cache.read(url, run.warn)
            document = None if content is None else self._read_entry(content, kind, url, run)
            if document is not None and self._is_usable(document, run):
                return Found(document, DocumentSource.of(document, url, from_cache=True))
        return None

    def _read_entry(self, content: bytes, kind: DocumentKind, url: str, run: _Run) -> PcsDocument | None:
        """The document in a file's content; what these very bytes hold is read once."""
        document = self._parsed.get((url, content))
        if document is not None:
            return document
        entry = decode_entry(content, url)
        try:
            document = None if entry is None or entry.kind != kind else parse_answer(kind, entry.body, entry.headers)
        except CollateralFormatError:
            document = None
        if document is None:
            run.warn(f"The cached {describe(kind, run.request)} was ignored: its file is damaged or of another address.")
            return None
        if len(self._parsed) >= _KEPT:
            self._parsed.clear()
        self._parsed[url, content] = document
        return document

    def _is_usable(self, document: PcsDocument, run: _Run) -> bool:
        too_old = (
            self._max_age is not None
            and document.tcb_evaluation_data_number is not None
            and run.now - document.issued > self._max_age
        )
        return document.is_current(run.now) and not too_old and why_not_asked_for(document, run.request) is None

    def _keep(self, run: _Run) -> None:
        for outcome in run.outcomes:
            if self.cache is not None and isinstance(outcome, Found) and outcome.answer is not None:
                self.cache.write(outcome.answer, run.warn)


def _offline(kind: DocumentKind, request: CollateralRequest) -> Missing:
    error = OfflineError(
        f"the {describe(kind, request)}",
        happened="a current one is not in the cache and --offline was given",
        remedy="Run `voltage-attest collateral fetch` where there is a network, or pass --collateral.",
    )
    return Missing(kind, str(error), error)


def _assemble(run: _Run) -> FetchedCollateral:
    texts: dict[str, str] = {}
    absences: list[tuple[str, str]] = []
    sources: list[DocumentSource] = []
    failures: list[DocumentFailure] = []
    for outcome in run.outcomes:
        if isinstance(outcome, Found):
            texts.update(outcome.document.texts)
            sources.append(outcome.source)
        else:
            absences += [(key, outcome.reason) for key in KEYS_OF[outcome.kind]]
            failures.append(DocumentFailure(outcome.kind, outcome.error))
    collateral = IntelCollateral(**texts, absences=tuple(absences))
    return FetchedCollateral(collateral, tuple(sources), tuple(failures), tuple(run.warnings))
