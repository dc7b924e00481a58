"""From a POD_ID to a verdict: the one place where fetching and judging meet.

A nonce is drawn here and nowhere else, the pod is asked for evidence made for it, Intel's collateral for the platform that
the evidence names is fetched or taken from the cache, and :class:`~voltage_attest.verifier.Verifier` judges. What could not be
had ends undecided, what should not have been answered ends refused; both are results like any other, never an exception.

The course of an attestation is written once, as a conversation without I/O (:func:`_converse`); :class:`Attester` and
:class:`AsyncAttester` only carry its questions to the network.

>>> with open_attester(policy, api_key=key) as attester:                      # doctest: +SKIP
...     attester.attest("pod_...").result.require()
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from voltage_attest.collateral.intel import IntelCollateral
from voltage_attest.collateral.service import CollateralRequest, DocumentSource, FetchedCollateral
from voltage_attest.errors import FetchError, InputError, TransportError
from voltage_attest.evidence.encoding import decode_quote_bytes
from voltage_attest.evidence.model import Evidence
from voltage_attest.evidence.quote import parse_quote
from voltage_attest.result import AttestationResult, CollateralSource, Finding, failed, passed, undecided
from voltage_attest.verifier import Verifier
from voltage_attest.verify.platform import name_platform

__all__ = [
    "NONCE_SIZE",
    "AsyncAttester",
    "AsyncCollateralOrigin",
    "AsyncPodSource",
    "Attestation",
    "Attester",
    "CollateralOrigin",
    "PodSource",
]

NONCE_SIZE: Final = 32
"""Bytes of the nonce drawn for each attestation."""


class PodSource(Protocol):
    """Where evidence comes from; raises :class:`TransportError` or :class:`InputError`."""

    def fetch(self, pod_id: str, nonce: bytes) -> Evidence:
        """Ask the pod for evidence made for this nonce."""


class AsyncPodSource(Protocol):
    """As :class:`PodSource`, awaited."""

    async def fetch(self, pod_id: str, nonce: bytes) -> Evidence:
        """Ask the pod for evidence made for this nonce."""


class CollateralOrigin(Protocol):
    """Where collateral comes from; what cannot be had is an absence in what is returned, with its reason."""

    def fetch(self, request: CollateralRequest, *, now: datetime, refresh: bool = False) -> FetchedCollateral:
        """Get the documents for a platform; ``refresh`` does without the cache."""


class AsyncCollateralOrigin(Protocol):
    """As :class:`CollateralOrigin`, awaited."""

    async def fetch_async(self, request: CollateralRequest, *, now: datetime, refresh: bool = False) -> FetchedCollateral:
        """Get the documents for a platform; ``refresh`` does without the cache."""


@dataclass(frozen=True, slots=True)
class Attestation:
    """One attestation: its result, and all that is needed to judge it again."""

    result: AttestationResult
    evidence: Evidence
    collateral: IntelCollateral
    nonce: bytes
    sources: tuple[DocumentSource, ...] = ()


@dataclass(frozen=True, slots=True)
class _AskPod:
    pod_id: str
    nonce: bytes


@dataclass(frozen=True, slots=True)
class _AskIntel:
    request: CollateralRequest
    now: datetime
    refresh: bool = False


@dataclass(frozen=True, slots=True)
class _Course:
    """What an attestation is run by: who judges, what clock, and how collateral is asked for."""

    verifier: Verifier
    clock: Callable[[], datetime]
    draw_nonce: Callable[[], bytes]

    def request_for(self, quote: bytes) -> CollateralRequest | None:
        """Which documents to ask for; None where the quote cannot be read, which its checks will say."""
        try:
            platform = name_platform(parse_quote(decode_quote_bytes(quote)))
        except InputError:
            return None
        rules = self.verifier.policy.tdx.collateral
        if platform is None:
            return None
        return CollateralRequest(platform.fmspc, platform.ca, rules.update, rules.tcb_evaluation_data_number)


_Question = _AskPod | _AskIntel
_Answer = Evidence | FetchedCollateral | TransportError | InputError
_Conversation = Generator[_Question, _Answer, Attestation]


def _converse(course: _Course, pod_id: str) -> _Conversation:
    """The course of one attestation: ask the pod, ask Intel, judge; once more without the cache if its documents fail."""
    nonce = course.draw_nonce()
    answer = yield _AskPod(pod_id, nonce)
    if not isinstance(answer, Evidence):
        result = course.verifier.examine(
            Evidence(pod_id=pod_id), IntelCollateral(), at=course.clock(), fetched=_not_fetched(answer), nonce=nonce
        )
        return Attestation(result, Evidence(pod_id=pod_id), IntelCollateral(), nonce)
    fetched = FetchedCollateral(IntelCollateral(), ())
    request = None if answer.quote is None else course.request_for(answer.quote)
    if request is not None:
        fetched = _collateral((yield _AskIntel(request, course.clock())))
    attestation = _judge(course, answer, fetched, nonce)
    if request is not None and _blames_cache(attestation):
        fetched = _collateral((yield _AskIntel(request, course.clock(), refresh=True)))
        attestation = _judge(course, answer, fetched, nonce)
    return attestation


def _judge(course: _Course, evidence: Evidence, fetched: FetchedCollateral, nonce: bytes) -> Attestation:
    result = course.verifier.examine(
        evidence,
        fetched.collateral,
        at=course.clock(),
        fetched=passed("answered"),
        nonce=nonce,
        fresh=True,
        sources={source.kind: CollateralSource(source.url, source.from_cache) for source in fetched.sources},
    )
    return Attestation(result, evidence, fetched.collateral, nonce, fetched.sources)


def _collateral(answer: _Answer) -> FetchedCollateral:
    if isinstance(answer, FetchedCollateral):
        return answer
    raise RuntimeError("collateral was asked for and something else came")


_COLLATERAL_ROWS: Final = ("tdx.crl.", "tdx.tcb_info.", "tdx.qe_identity.")


def _blames_cache(attestation: Attestation) -> bool:
    """Whether a document from the cache failed a check: it may have been altered there, so Intel is asked once more."""
    if not any(source.from_cache for source in attestation.sources):
        return False
    return any(row.status.closes_gate and row.id.startswith(_COLLATERAL_ROWS) for row in attestation.result.checks)


def _not_fetched(error: object) -> Finding:
    if isinstance(error, FetchError) and error.refused:
        return failed(expected=error.wanted, actual=error.happened, reason=error.remedy)
    if isinstance(error, InputError):
        return failed(expected=error.expected, actual=error.found, reason=error.remedy)
    return undecided(str(error), expected="the pod's evidence", actual="none")


def _now() -> datetime:
    return datetime.now(UTC)


def _draw_nonce() -> bytes:
    return secrets.token_bytes(NONCE_SIZE)


class Attester:
    """Attests pods, one after another or from several threads. ``pods`` and ``collateral`` do the fetching."""

    def __init__(
        self, verifier: Verifier, pods: PodSource, collateral: CollateralOrigin, *, clock: Callable[[], datetime] = _now
    ) -> None:
        self._course = _Course(verifier, clock, _draw_nonce)
        self._pods = pods
        self._collateral = collateral

    def attest(self, pod_id: str) -> Attestation:
        """Draw a nonce, fetch, judge; the result says what came of it."""
        conversation = _converse(self._course, pod_id)
        question = next(conversation)
        while True:
            try:
                question = conversation.send(self._answer(question))
            except StopIteration as end:
                return _finished(end)

    def _answer(self, question: _Question) -> _Answer:
        if isinstance(question, _AskIntel):
            return self._collateral.fetch(question.request, now=question.now, refresh=question.refresh)
        try:
            return self._pods.fetch(question.pod_id, question.nonce)
        except (TransportError, InputError) as error:
            return error


class AsyncAttester:
    """As :class:`Attester`, awaited."""

    def __init__(
        self,
        verifier: Verifier,
        pods: AsyncPodSource,
        collateral: AsyncCollateralOrigin,
        *,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self._course = _Course(verifier, clock, _draw_nonce)
        self._pods = pods
        self._collateral = collateral

    async def attest(self, pod_id: str) -> Attestation:
        """Draw a nonce, fetch, judge; the result says what came of it."""
        conversation = _converse(self._course, pod_id)
        question = next(conversation)
        while True:
            try:
                question = conversation.send(await self._answer(question))
            except StopIteration as end:
                return _finished(end)

    async def _answer(self, question: _Question) -> _Answer:
        if isinstance(question, _AskIntel):
            return await self._collateral.fetch_async(question.request, now=question.now, refresh=question.refresh)
        try:
            return await self._pods.fetch(question.pod_id, question.nonce)
        except (TransportError, InputError) as error:
            return error


def _finished(end: StopIteration) -> Attestation:
    attestation = end.value
    if not isinstance(attestation, Attestation):
        raise TypeError("an attestation ended without a result")
    return attestation
