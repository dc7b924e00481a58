"""From a POD_ID to a verdict: the one place where fetching and judging meet.

A nonce is drawn here and nowhere else, the pod is asked for evidence made for it, Intel's collateral for the platform that
the evidence names is fetched or taken from the cache, and :class:`~voltage_attest.verifier.Verifier` judges. What could not be
had ends undecided, what should not have been answered ends refused; both are results like any other, never an exception.

The course of an attestation is written once, as a conversation without I/O (:mod:`voltage_attest.attest_course`);
:class:`Attester` and :class:`AsyncAttester` only carry its questions to the network. :func:`open_attester` and its twin connect
them to it.

>>> with open_attester(policy, api_key=key) as attester:                      # doctest: +SKIP
...     attester.attest("pod_...").result.require()
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Final, Protocol, Unpack

from voltage_attest.attest_course import (
    ANSWERED,
    Answer,
    AskIntel,
    AskPod,
    Conversation,
    Course,
    Given,
    Progress,
    Question,
    converse,
    converse_with_vendors,
    finished,
    why_not_fetched,
)
from voltage_attest.attest_origins import (
    NONCE_SIZE,
    Connections,
    collateral_origin,
    draw_nonce,
    nvidia_arguments,
    proxy_of,
)
from voltage_attest.attestation import Attestation
from voltage_attest.collateral.nvidia import NvidiaCollateral
from voltage_attest.collateral.service import CollateralRequest, FetchedCollateral
from voltage_attest.errors import InputError, TransportError
from voltage_attest.evidence.model import Evidence
from voltage_attest.nvidia_origin import NvidiaAtHand, NvidiaOrigin
from voltage_attest.pods.credentials import ENVIRONMENT_NAMES, ApiKey, find_api_key
from voltage_attest.pods.voltagegpu import DEFAULT_BASE
from voltage_attest.policy.model import Policy
from voltage_attest.result import Finding
from voltage_attest.verifier import Verifier

__all__ = [
    "ANSWERED",
    "NONCE_SIZE",
    "AsyncAttester",
    "AsyncCollateralOrigin",
    "AsyncPodSource",
    "Attestation",
    "Attester",
    "CollateralOrigin",
    "Connections",
    "PodSource",
    "Progress",
    "draw_nonce",
    "open_attester",
    "open_attester_async",
    "why_not_fetched",
]

_NO_KEY: Final = f"there is no API key to ask the pod with: pass api_key, or set {' or '.join(ENVIRONMENT_NAMES)}"


def _present() -> datetime:
    """The present in whole seconds, as bundles keep it: judged again for that time, nothing differs."""
    return datetime.now(UTC).replace(microsecond=0)


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

    def fetch(
        self, request: CollateralRequest, *, now: datetime, refresh: bool = False, progress: Progress | None = None
    ) -> FetchedCollateral:
        """Get the documents for a platform; ``refresh`` does without the cache."""


class AsyncCollateralOrigin(Protocol):
    """As :class:`CollateralOrigin`, awaited."""

    async def fetch_async(
        self, request: CollateralRequest, *, now: datetime, refresh: bool = False, progress: Progress | None = None
    ) -> FetchedCollateral:
        """Get the documents for a platform; ``refresh`` does without the cache."""


class Attester:
    """Attests pods, one after another or from several threads. ``pods`` and ``collateral`` do the fetching.

    Without ``pods`` it judges evidence that is at hand, and no more.
    """

    def __init__(
        self,
        verifier: Verifier,
        pods: PodSource | None,
        collateral: CollateralOrigin,
        *,
        nvidia: NvidiaOrigin | None = None,
        nvidia_at_hand: NvidiaCollateral | None = None,
        draw_ocsp_nonce: Callable[[], bytes] | None = draw_nonce,
        clock: Callable[[], datetime] = _present,
        progress: Progress | None = None,
    ) -> None:
        at_hand = nvidia_at_hand or NvidiaCollateral()
        self._course = Course(verifier, clock, progress, at_hand, draw_ocsp_nonce)
        self._pods, self._collateral, self._nvidia = pods, collateral, nvidia or NvidiaAtHand()

    def attest(self, pod_id: str) -> Attestation:
        """Draw a nonce, fetch, judge; the result says what came of it. ValueError where there is no key to ask with."""
        if self._pods is None:
            raise ValueError(_NO_KEY)
        return self._run(converse(self._course, pod_id, draw_nonce()))

    def examine(
        self,
        evidence: Evidence,
        *,
        nonce: bytes | None = None,
        fresh: bool = False,
        fetched: Finding | None = None,
        at: datetime | None = None,
    ) -> Attestation:
        """Fetch collateral for evidence at hand and judge it, for now or for ``at``; the rest as :meth:`Verifier.examine`."""
        return self._run(converse_with_vendors(self._course.at(at), Given(evidence, nonce, fresh, fetched)))

    def _run(self, conversation: Conversation) -> Attestation:
        try:
            question = next(conversation)
            while True:
                question = conversation.send(self._answer(question))
        except StopIteration as end:
            return finished(end)

    def _answer(self, question: Question) -> Answer:
        if isinstance(question, AskIntel):
            return self._collateral.fetch(
                question.request, now=question.now, refresh=question.refresh, progress=self._course.progress
            )
        if not isinstance(question, AskPod):
            return self._nvidia.answer(question, self._course.progress)
        if self._pods is None:
            raise ValueError(_NO_KEY)
        try:
            return self._pods.fetch(question.pod_id, question.nonce)
        except (TransportError, InputError) as error:
            return error


class AsyncAttester:
    """As :class:`Attester`, awaited."""

    def __init__(
        self,
        verifier: Verifier,
        pods: AsyncPodSource | None,
        collateral: AsyncCollateralOrigin,
        *,
        nvidia: NvidiaOrigin | None = None,
        nvidia_at_hand: NvidiaCollateral | None = None,
        draw_ocsp_nonce: Callable[[], bytes] | None = draw_nonce,
        clock: Callable[[], datetime] = _present,
        progress: Progress | None = None,
    ) -> None:
        at_hand = nvidia_at_hand or NvidiaCollateral()
        self._course = Course(verifier, clock, progress, at_hand, draw_ocsp_nonce)
        self._pods, self._collateral, self._nvidia = pods, collateral, nvidia or NvidiaAtHand()

    async def attest(self, pod_id: str) -> Attestation:
        """As :meth:`Attester.attest`."""
        if self._pods is None:
            raise ValueError(_NO_KEY)
        return await self._run(converse(self._course, pod_id, draw_nonce()))

    async def examine(
        self,
        evidence: Evidence,
        *,
        nonce: bytes | None = None,
        fresh: bool = False,
        fetched: Finding | None = None,
        at: datetime | None = None,
    ) -> Attestation:
        """As :meth:`Attester.examine`."""
        return await self._run(converse_with_vendors(self._course.at(at), Given(evidence, nonce, fresh, fetched)))

    async def _run(self, conversation: Conversation) -> Attestation:
        try:
            question = next(conversation)
            while True:
                question = conversation.send(await self._answer(question))
        except StopIteration as end:
            return finished(end)

    async def _answer(self, question: Question) -> Answer:
        if isinstance(question, AskIntel):
            return await self._collateral.fetch_async(
                question.request, now=question.now, refresh=question.refresh, progress=self._course.progress
            )
        if not isinstance(question, AskPod):
            return await self._nvidia.answer_async(question, self._course.progress)
        if self._pods is None:
            raise ValueError(_NO_KEY)
        try:
            return await self._pods.fetch(question.pod_id, question.nonce)
        except (TransportError, InputError) as error:
            return error


@contextmanager
def open_attester(policy: Policy, **how: Unpack[Connections]) -> Iterator[Attester]:
    """Open an attester over the network.

    Without a key, or offline, it judges evidence at hand only. ValueError (of ``tls_ca``: its kind TrustRootError) where an
    address, a key or a file cannot be used.
    """
    from voltage_attest.collateral.http import BoundedClient
    from voltage_attest.pods.client import POD_LIMITS, PodClient

    verifier, collateral, key = Verifier(policy, roots=how.get("roots")), collateral_origin(policy, how), _api_key(how)
    progress = how.get("progress")
    if how.get("offline"):
        yield Attester(verifier, None, collateral, progress=progress, **nvidia_arguments(policy, how))
        return
    with BoundedClient(proxy=proxy_of(policy, how), tls_ca=how.get("tls_ca"), limits=POD_LIMITS) as client:
        pods = None if key is None else PodClient(client, key, base=how.get("api_base") or DEFAULT_BASE)
        yield Attester(verifier, pods, collateral, progress=progress, **nvidia_arguments(policy, how))


@asynccontextmanager
async def open_attester_async(policy: Policy, **how: Unpack[Connections]) -> AsyncIterator[AsyncAttester]:
    """As :func:`open_attester`, for asyncio."""
    from voltage_attest.collateral.http import AsyncBoundedClient
    from voltage_attest.pods.client import POD_LIMITS, AsyncPodClient

    verifier, collateral, key = Verifier(policy, roots=how.get("roots")), collateral_origin(policy, how), _api_key(how)
    progress = how.get("progress")
    if how.get("offline"):
        yield AsyncAttester(verifier, None, collateral, progress=progress, **nvidia_arguments(policy, how))
        return
    async with AsyncBoundedClient(proxy=proxy_of(policy, how), tls_ca=how.get("tls_ca"), limits=POD_LIMITS) as client:
        pods = None if key is None else AsyncPodClient(client, key, base=how.get("api_base") or DEFAULT_BASE)
        yield AsyncAttester(verifier, pods, collateral, progress=progress, **nvidia_arguments(policy, how))


def _api_key(how: Connections) -> ApiKey | None:
    if "api_key" not in how:
        return find_api_key(None, os.environ)
    key = how["api_key"]
    return ApiKey(key) if isinstance(key, str) else key
