"""NVIDIA's documents for the devices of one node: from the cache, else from NVIDIA; what is missing, with its reason.

>>> service = NvidiaService(cache=CollateralCache.for_user())                                       # doctest: +SKIP
>>> rims = service.fetch_rims(ids, now=now)                                                         # doctest: +SKIP
>>> status = service.fetch_revocation(questions, now=now, mode="cached")                            # doctest: +SKIP
>>> fetched = combined(rims, status)                                                                # doctest: +SKIP

Each distinct document is asked for once, however many devices need it, and several at the same time. Nothing is believed here,
from the network or from the cache: signatures, windows, and what belongs to what are judged at every use. What is read of a
document here only decides whether to ask on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from voltage_attest.collateral.asking import DEFAULT_DEADLINE, Asker, Question, Reply
from voltage_attest.collateral.cache import CachedAnswer, CollateralCache, decode_entry
from voltage_attest.collateral.http_core import Limits
from voltage_attest.collateral.nvidia_answers import NvidiaDocument, read_answer
from voltage_attest.collateral.nvidia_fetched import FetchedNvidia, NvidiaFailure, NvidiaSource, combined
from voltage_attest.collateral.nvidia_questions import RevocationQuestion
from voltage_attest.collateral.nvidia_requests import (
    NVIDIA,
    NrasApi,
    NrasKind,
    NvidiaEndpoints,
    NvidiaKind,
    Wanted,
    explain_failure,
    want_crl,
    want_jwks,
    want_nras,
    want_ocsp,
    want_rim,
)
from voltage_attest.errors import CollateralFormatError, FetchError, OfflineError

if TYPE_CHECKING:
    import httpx

    from voltage_attest.collateral.http import Pace

__all__ = [
    "NVIDIA",
    "FetchedNvidia",
    "NvidiaEndpoints",
    "NvidiaFailure",
    "NvidiaKind",
    "NvidiaProgress",
    "NvidiaService",
    "NvidiaSource",
    "OcspMode",
    "combined",
]

OcspMode = Literal["online", "cached", "off"]
"""``online``: OCSP with its nonce, asked each time, and CRLs for what it does not answer. ``cached``: answers without nonce and
CRLs, taken from the cache while they are current, else fetched and kept. ``off``: CRLs alone."""

NvidiaProgress = Callable[[NvidiaKind, str], None]
"""Told of each kind of document what is happening, in a few words; called from the threads that fetch."""


@dataclass(frozen=True, slots=True)
class _Found:
    wanted: Wanted
    document: NvidiaDocument
    body: bytes
    from_cache: bool = False


_Outcome = _Found | NvidiaFailure
_Pursuit = Generator[Question, Reply, _Outcome]
_Work = Generator[list[_Pursuit], list[_Outcome], FetchedNvidia]
"""Does all but the network: reads and writes the cache, yields what is to be pursued together, and is sent what came of it."""


@dataclass(slots=True)
class _Run:
    """One fetch: for when, and what has been found and said on the way."""

    now: datetime
    refresh: bool
    progress: NvidiaProgress
    ends: float
    outcomes: list[_Outcome] = field(default_factory=list)
    warnings: dict[str, None] = field(default_factory=dict)

    def warn(self, text: str) -> None:
        """Take a warning, once."""
        self.warnings[text] = None


class NvidiaService:
    """Fetches and keeps what NVIDIA publishes. Safe to share between threads.

    ``endpoints`` say where. ``api_key`` is sent to the RIM and NRAS services alone, which do not need one. The others are those
    of :class:`~voltage_attest.collateral.service.CollateralService`. What cannot be had is an absence with its reason, never an
    exception, whatever the evidence says; only ``now`` without time zone, a malformed key, and an unusable ``tls_ca`` or
    ``proxy`` raise.
    """

    def __init__(
        self,
        endpoints: NvidiaEndpoints = NVIDIA,
        *,
        cache: CollateralCache | None = None,
        offline: bool = False,
        api_key: str | None = None,
        deadline: float = DEFAULT_DEADLINE,
        proxy: str | None = None,
        tls_ca: Path | str | None = None,
        limits: Limits | None = None,
        pace: Pace | None = None,
        transport: httpx.BaseTransport | None = None,
        async_transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.endpoints = endpoints
        self.cache = cache
        self.offline = offline
        self._api_key = api_key
        self._deadline = deadline
        self._asker = Asker(proxy, tls_ca, limits, pace, transport, async_transport)

    def fetch_rims(
        self, ids: Iterable[str], *, now: datetime, refresh: bool = False, progress: NvidiaProgress | None = None
    ) -> FetchedNvidia:
        """The manifests of these ids; absences are named by id.

        ``refresh`` does without what the cache holds, and replaces it: for when a cached document failed verification. Offline
        it has no effect.
        """
        run = self._run(now, progress, refresh=refresh)
        return self._fetch(self._rims(ids, run), run)

    async def fetch_rims_async(
        self, ids: Iterable[str], *, now: datetime, refresh: bool = False, progress: NvidiaProgress | None = None
    ) -> FetchedNvidia:
        """As :meth:`fetch_rims`, for asyncio; the cache's files are read and written in a thread."""
        run = self._run(now, progress, refresh=refresh)
        return await self._fetch_async(self._rims(ids, run), run)

    def fetch_revocation(
        self,
        questions: Iterable[RevocationQuestion],
        *,
        now: datetime,
        mode: OcspMode,
        refresh: bool = False,
        progress: NvidiaProgress | None = None,
    ) -> FetchedNvidia:
        """What can be had about the revocation of these certificates, as ``mode`` says; each is asked about once."""
        run = self._run(now, progress, refresh=refresh)
        return self._fetch(self._revocation(questions, mode, run), run)

    async def fetch_revocation_async(
        self,
        questions: Iterable[RevocationQuestion],
        *,
        now: datetime,
        mode: OcspMode,
        refresh: bool = False,
        progress: NvidiaProgress | None = None,
    ) -> FetchedNvidia:
        """As :meth:`fetch_revocation`, for asyncio."""
        run = self._run(now, progress, refresh=refresh)
        return await self._fetch_async(self._revocation(questions, mode, run), run)

    def fetch_jwks(
        self, *, now: datetime, kids: Iterable[str] = (), refresh: bool = False, progress: NvidiaProgress | None = None
    ) -> FetchedNvidia:
        """The keys of NRAS. ``kids`` are the ids of keys that tokens at hand name: a cached set that holds them will do."""
        run = self._run(now, progress, refresh=refresh)
        return self._fetch(self._one(want_jwks(kids, self.endpoints), run), run)

    async def fetch_jwks_async(
        self, *, now: datetime, kids: Iterable[str] = (), refresh: bool = False, progress: NvidiaProgress | None = None
    ) -> FetchedNvidia:
        """As :meth:`fetch_jwks`, for asyncio."""
        run = self._run(now, progress, refresh=refresh)
        return await self._fetch_async(self._one(want_jwks(kids, self.endpoints), run), run)

    def request_nras(
        self, kind: NrasKind, body: bytes, *, now: datetime, api: NrasApi = "v4", progress: NvidiaProgress | None = None
    ) -> FetchedNvidia:
        """Send evidence to NVIDIA and get its tokens; ``body`` is NRAS's request in JSON, for that version of its interface.

        Never kept, never from the cache. NVIDIA learns from it who verifies which devices, and when.
        """
        run = self._run(now, progress, refresh=False)
        return self._fetch(self._one(want_nras(kind, body, self.endpoints, api, self._api_key), run), run)

    async def request_nras_async(
        self, kind: NrasKind, body: bytes, *, now: datetime, api: NrasApi = "v4", progress: NvidiaProgress | None = None
    ) -> FetchedNvidia:
        """As :meth:`request_nras`, for asyncio."""
        run = self._run(now, progress, refresh=False)
        return await self._fetch_async(self._one(want_nras(kind, body, self.endpoints, api, self._api_key), run), run)

    def evict(self, sources: Iterable[NvidiaSource]) -> None:
        """Forget these documents, where they came from the cache."""
        if self.cache is not None:
            self.cache.evict(source.url for source in sources if source.from_cache)

    def _run(self, now: datetime, progress: NvidiaProgress | None, *, refresh: bool) -> _Run:
        if now.tzinfo is None:
            raise ValueError("now has no time zone: pass an aware datetime, such as datetime.now(UTC)")
        said = progress or (lambda _kind, _words: None)
        return _Run(now, refresh and not self.offline, said, time.monotonic() + self._deadline)

    def _rims(self, ids: Iterable[str], run: _Run) -> _Work:
        wanted: list[Wanted] = []
        for rim_id in dict.fromkeys(ids):
            rim = want_rim(rim_id, self.endpoints, self._api_key)
            if isinstance(rim, Wanted):
                wanted.append(rim)
            else:
                run.outcomes.append(NvidiaFailure(NvidiaKind.RIM, rim_id, str(rim), rim))
        yield from self._obtain(wanted, run)
        return _assemble(run)

    def _one(self, wanted: Wanted, run: _Run) -> _Work:
        yield from self._obtain([wanted], run)
        return _assemble(run)

    def _revocation(self, questions: Iterable[RevocationQuestion], mode: OcspMode, run: _Run) -> _Work:
        distinct: dict[bytes, RevocationQuestion] = {}
        for question in questions:
            distinct.setdefault(question.certificate_sha256, question)
        by_ocsp = [question for question in distinct.values() if question.ocsp_url is not None and mode != "off"]
        ocsp = [want_ocsp(question, self.endpoints, keep=mode == "cached") for question in by_ocsp]
        if mode == "online":
            answered = {found.wanted.question for found in (yield from self._obtain(ocsp, run)) if isinstance(found, _Found)}
            yield from self._obtain(self._crls([each for each in distinct.values() if each not in answered], run), run)
        else:
            yield from self._obtain([*ocsp, *self._crls(list(distinct.values()), run)], run)
        return _assemble(run)

    def _crls(self, questions: Sequence[RevocationQuestion], run: _Run) -> list[Wanted]:
        """Each distinct CRL of these certificates; an address that is not followed is a failure."""
        wanted: list[Wanted] = []
        for url in dict.fromkeys([url for question in questions for url in question.crl_urls]):
            crl = want_crl(url, self.endpoints)
            if isinstance(crl, Wanted):
                wanted.append(crl)
            else:
                run.outcomes.append(NvidiaFailure(NvidiaKind.CRL, f"crl:{url}", str(crl), crl))
        return wanted

    def _obtain(self, wanted: Sequence[Wanted], run: _Run) -> Generator[list[_Pursuit], list[_Outcome], list[_Outcome]]:
        """Take from the cache what will do, have the rest pursued, and keep what may be kept."""
        at_hand = [self._at_hand(each, run) for each in wanted]
        outcomes = [outcome for outcome in at_hand if outcome is not None]
        missing = [each for each, outcome in zip(wanted, at_hand, strict=True) if outcome is None]
        if missing:
            pursued = yield [_pursue(each, run) for each in missing]
            self._keep(pursued, run)
            outcomes += pursued
        run.outcomes += outcomes
        return outcomes

    def _fetch(self, work: _Work, run: _Run) -> FetchedNvidia:
        step = _advance(work, None)
        while not isinstance(step, FetchedNvidia):
            step = _advance(work, self._asker.follow(step, ends=run.ends))
        return step

    async def _fetch_async(self, work: _Work, run: _Run) -> FetchedNvidia:
        import asyncio

        step = await asyncio.to_thread(_advance, work, None)
        while not isinstance(step, FetchedNvidia):
            outcomes = await self._asker.follow_async(step, ends=run.ends)
            step = await asyncio.to_thread(_advance, work, outcomes)
        return step

    def _at_hand(self, wanted: Wanted, run: _Run) -> _Outcome | None:
        """The document from the cache if it will do; offline, why it is missing; None where it is to be fetched."""
        found = None if run.refresh else self._from_cache(wanted, run)
        if found is not None:
            run.progress(wanted.kind, f"{wanted.label}: from the cache")
            return found
        if not self.offline:
            return None
        happened = "a current one is not in the cache" if wanted.kept_as else "it is asked for anew each time"
        error = OfflineError(
            wanted.request.what,
            happened=f"{happened} and --offline was given",
            remedy="Run `voltage-attest collateral fetch` where there is a network, or pass a bundle.",
        )
        return NvidiaFailure(wanted.kind, wanted.name, f"{wanted.request.what}: {error.happened}", error)

    def _from_cache(self, wanted: Wanted, run: _Run) -> _Found | None:
        if self.cache is None or wanted.kept_as is None:
            return None
        content = self.cache.read(wanted.kept_as, run.warn)
        if content is None:
            return None
        entry = decode_entry(content, wanted.kept_as)
        try:
            document = None if entry is None or entry.kind != wanted.kind else read_answer(wanted, entry.body)
        except CollateralFormatError:
            document = None
        if document is None or entry is None:
            run.warn(f"The cached {wanted.request.what} was ignored: its file is damaged or of another address.")
            return None
        return _Found(wanted, document, entry.body, from_cache=True) if _will_do(wanted, document, run.now) else None

    def _keep(self, outcomes: Sequence[_Outcome], run: _Run) -> None:
        for outcome in outcomes:
            if self.cache is None or not isinstance(outcome, _Found) or outcome.wanted.kept_as is None:
                continue
            window = outcome.document.window
            if window is not None and run.now <= window.next_update:  # its beginning is by NVIDIA's clock, ours may be behind
                answer = CachedAnswer(outcome.wanted.kind, outcome.wanted.kept_as, {}, outcome.body)
                self.cache.write(answer, run.warn)


def _advance(work: _Work, outcomes: list[_Outcome] | None) -> list[_Pursuit] | FetchedNvidia:
    """Let the work go on: what is to be pursued next, or the end."""
    try:
        return next(work) if outcomes is None else work.send(outcomes)
    except StopIteration as end:
        fetched: FetchedNvidia = end.value
        return fetched


def _pursue(wanted: Wanted, run: _Run) -> _Pursuit:
    run.progress(wanted.kind, f"{wanted.label}: asking")
    reply = yield Question(wanted.request, 1 + wanted.alternatives)
    if isinstance(reply, FetchError):
        run.progress(wanted.kind, f"{wanted.label}: not available")
        return NvidiaFailure(wanted.kind, wanted.name, explain_failure(wanted, reply), reply)
    try:
        document = read_answer(wanted, reply.body)
    except CollateralFormatError as error:
        run.progress(wanted.kind, f"{wanted.label}: not available")
        reason = f"{wanted.request.place} sent no usable answer for {wanted.request.what}: {error}"
        return NvidiaFailure(wanted.kind, wanted.name, reason, error)
    run.progress(wanted.kind, f"{wanted.label}: fetched")
    return _Found(wanted, document, reply.body)


def _will_do(wanted: Wanted, document: NvidiaDocument, now: datetime) -> bool:
    """Whether a cached document makes asking needless. A key that a token names is the right one, however old."""
    if wanted.kids:
        return wanted.kids <= document.kids
    return document.window is not None and document.window.holds(now)


def _assemble(run: _Run) -> FetchedNvidia:
    found = [outcome for outcome in run.outcomes if isinstance(outcome, _Found)]
    failures = tuple([outcome for outcome in run.outcomes if isinstance(outcome, NvidiaFailure)])
    held = combined(*[FetchedNvidia(outcome.document.part) for outcome in found]).collateral
    return FetchedNvidia(
        replace(held, absences=tuple([(failure.name, failure.reason) for failure in failures])),
        tuple([_source(outcome) for outcome in found]),
        failures,
        tuple(run.warnings),
    )


def _source(found: _Found) -> NvidiaSource:
    wanted, document = found.wanted, found.document
    issued, next_update = document.window or (None, None)
    url = wanted.kept_as or wanted.request.url
    return NvidiaSource(wanted.kind, wanted.name, document.sha256, url, found.from_cache, issued, next_update)
