"""Where NVIDIA's documents come from, as :class:`~voltage_attest.attest.Attester` asks for them: one question, one answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from voltage_attest.collateral.nvidia import NvidiaCollateral
from voltage_attest.collateral.nvidia_fetched import FetchedNvidia
from voltage_attest.nvidia_course import AskKeys, AskManifests, AskNras, NvidiaQuestion

if TYPE_CHECKING:
    from voltage_attest.attest_course import Progress
    from voltage_attest.collateral.nvidia_service import NvidiaService, OcspMode

__all__ = ["NvidiaAtHand", "NvidiaNetwork", "NvidiaOrigin"]


class NvidiaOrigin(Protocol):
    """Answers questions; what cannot be had is an absence with its reason, never an exception."""

    def answer(self, question: NvidiaQuestion, progress: Progress | None = None) -> FetchedNvidia:
        """Get what is asked for."""

    async def answer_async(self, question: NvidiaQuestion, progress: Progress | None = None) -> FetchedNvidia:
        """The same, awaited."""


@dataclass(frozen=True, slots=True)
class NvidiaNetwork:
    """NVIDIA's services, or the cache. ``mode`` says how revocation is asked for."""

    service: NvidiaService
    mode: OcspMode = "online"

    def answer(self, question: NvidiaQuestion, progress: Progress | None = None) -> FetchedNvidia:
        """Get what is asked for."""
        service, now = self.service, question.now
        if isinstance(question, AskManifests):
            return service.fetch_rims(question.ids, now=now, refresh=question.refresh, progress=progress)
        if isinstance(question, AskNras):
            return service.request_nras(question.kind, question.body, now=now, progress=progress)
        if isinstance(question, AskKeys):
            return service.fetch_jwks(now=now, kids=question.kids, refresh=question.refresh, progress=progress)
        return service.fetch_revocation(
            question.questions, now=now, mode=self.mode, refresh=question.refresh, progress=progress
        )

    async def answer_async(self, question: NvidiaQuestion, progress: Progress | None = None) -> FetchedNvidia:
        """The same, awaited."""
        service, now = self.service, question.now
        if isinstance(question, AskManifests):
            return await service.fetch_rims_async(question.ids, now=now, refresh=question.refresh, progress=progress)
        if isinstance(question, AskNras):
            return await service.request_nras_async(question.kind, question.body, now=now, progress=progress)
        if isinstance(question, AskKeys):
            return await service.fetch_jwks_async(now=now, kids=question.kids, refresh=question.refresh, progress=progress)
        return await service.fetch_revocation_async(
            question.questions, now=now, mode=self.mode, refresh=question.refresh, progress=progress
        )


class NvidiaAtHand:
    """An origin that has nothing beside what is at hand."""

    def answer(self, question: NvidiaQuestion, progress: Progress | None = None) -> FetchedNvidia:
        """Nothing."""
        del question, progress
        return FetchedNvidia(NvidiaCollateral())

    async def answer_async(self, question: NvidiaQuestion, progress: Progress | None = None) -> FetchedNvidia:
        """Nothing."""
        return self.answer(question, progress)
