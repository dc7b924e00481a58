"""What is asked of NVIDIA in the course of an attestation, as a conversation without I/O; a part of :mod:`.attest_course`.

First the manifests that the reports name, then the status of every certificate, of devices and manifests; and where the policy
requires it, the attestation service's own answer with its keys. Nothing is asked where the policy expects no GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from voltage_attest.collateral.nvidia import NrasAnswer, NvidiaCollateral
from voltage_attest.collateral.nvidia_fetched import FetchedNvidia, combined
from voltage_attest.collateral.nvidia_questions import RevocationQuestion
from voltage_attest.collateral.nvidia_requests import NrasKind
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.eat import parse_detached_eat

if TYPE_CHECKING:
    from voltage_attest.evidence.model import Evidence
    from voltage_attest.verifier_devices import DeviceJudge

__all__ = ["AskKeys", "AskManifests", "AskNras", "AskStatuses", "NvidiaConversation", "NvidiaQuestion", "converse_with_nvidia"]


@dataclass(frozen=True, slots=True)
class AskManifests:
    """The reference integrity manifests with these ids."""

    ids: tuple[str, ...]
    now: datetime
    refresh: bool = False


@dataclass(frozen=True, slots=True)
class AskStatuses:
    """Whether these certificates are revoked."""

    questions: tuple[RevocationQuestion, ...]
    now: datetime
    refresh: bool = False


@dataclass(frozen=True, slots=True)
class AskNras:
    """NRAS's answer about devices of one class; ``body`` is its request."""

    kind: NrasKind
    body: bytes
    now: datetime


@dataclass(frozen=True, slots=True)
class AskKeys:
    """The keys that NRAS signs with; ``kids`` are those that the tokens at hand name."""

    kids: tuple[str, ...]
    now: datetime
    refresh: bool = False


NvidiaQuestion = AskManifests | AskStatuses | AskNras | AskKeys
NvidiaConversation = Generator[NvidiaQuestion, FetchedNvidia, FetchedNvidia]


def converse_with_nvidia(
    devices: DeviceJudge,
    evidence: Evidence,
    at_hand: NvidiaCollateral,
    *,
    now: datetime,
    draw_nonce: Callable[[], bytes] | None,
    refresh: bool = False,
) -> NvidiaConversation:
    """Get what is missing of ``at_hand``; the answer holds both.

    Each kind of document is asked for only where none of it is at hand. ``draw_nonce`` draws a nonce for each status that is
    asked for; None where answers without one are wanted, which may be kept.
    """
    parts = [FetchedNvidia(at_hand)]
    if not at_hand.rims:
        ids = devices.wanted_manifests(evidence)
        if ids:
            parts.append((yield AskManifests(ids, now, refresh)))
    if not at_hand.ocsp and not at_hand.crls:
        questions = devices.status_questions(evidence, combined(*parts).collateral, draw_nonce)
        if questions:
            parts.append((yield AskStatuses(questions, now, refresh)))
    if not at_hand.nras:
        for kind, body in devices.nras_requests(evidence):
            parts.append((yield AskNras(kind, body, now)))
    if not at_hand.jwks and combined(*parts).collateral.nras and devices.wants_nras:
        kids = [kid for answer in combined(*parts).collateral.nras for kid in _key_ids(answer)]
        parts.append((yield AskKeys(tuple(dict.fromkeys(kids)), now, refresh)))
    return combined(*parts)


def _key_ids(answer: NrasAnswer) -> list[str]:
    """The keys that an answer's tokens name, unproven; none where it cannot be read."""
    try:
        return [token.header.required("kid").as_text() for token in parse_detached_eat(answer.body).tokens]
    except EvidenceFormatError:
        return []
