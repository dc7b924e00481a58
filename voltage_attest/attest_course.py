"""The course of one attestation, as a conversation without I/O: ask the pod, ask Intel, judge; perhaps ask Intel again.

:mod:`voltage_attest.attest` carries its questions to the network, for threads and for asyncio.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from voltage_attest.attestation import Attestation
from voltage_attest.collateral.intel import IntelCollateral
from voltage_attest.collateral.pcs import KEYS_OF
from voltage_attest.collateral.service import CollateralRequest, FetchedCollateral
from voltage_attest.errors import FetchError, InputError, TransportError
from voltage_attest.evidence.encoding import decode_quote_bytes
from voltage_attest.evidence.model import Evidence
from voltage_attest.evidence.quote import parse_quote
from voltage_attest.result import CollateralSource, Finding, failed, passed, undecided
from voltage_attest.verifier import Verifier
from voltage_attest.verify.platform import name_platform

__all__ = [
    "ANSWERED",
    "Answer",
    "AskIntel",
    "AskPod",
    "Conversation",
    "Course",
    "Given",
    "Progress",
    "Question",
    "converse",
    "converse_with_intel",
    "finished",
    "why_not_fetched",
]

ANSWERED: Final = passed("answered")
"""What is recorded of evidence that was fetched."""

Progress = Callable[[str, str], None]
"""Told what is being fetched (``pod``, or a kind of document) and what is happening with it; from any thread."""


@dataclass(frozen=True, slots=True)
class AskPod:
    """The pod is to be asked for evidence made for this nonce."""

    pod_id: str
    nonce: bytes


@dataclass(frozen=True, slots=True)
class AskIntel:
    """Collateral that is current at ``now`` is to be had; ``refresh``: not from the cache."""

    request: CollateralRequest
    now: datetime
    refresh: bool = False


@dataclass(frozen=True, slots=True)
class Course:
    """What an attestation is run by: who judges, what clock, and who is told of its progress."""

    verifier: Verifier
    clock: Callable[[], datetime]
    progress: Progress | None

    def at(self, time: datetime | None) -> Course:
        """The same with a clock that stands still, where a time is given."""
        return self if time is None else replace(self, clock=lambda: time)

    def request_for(self, evidence: Evidence) -> CollateralRequest | None:
        """Which documents to ask for; None where the quote is absent or cannot be read, which its checks will say."""
        try:
            platform = None if evidence.quote is None else name_platform(parse_quote(decode_quote_bytes(evidence.quote)))
        except InputError:
            return None
        rules = self.verifier.policy.tdx.collateral
        if platform is None:
            return None
        return CollateralRequest(platform.fmspc, platform.ca, rules.update, rules.tcb_evaluation_data_number)

    def tell(self, what: str, words: str) -> None:
        """Report progress."""
        if self.progress is not None:
            self.progress(what, words)


@dataclass(frozen=True, slots=True)
class Given:
    """Evidence as it lies before us: for which nonce, whether that was drawn just now, and how the evidence was come by."""

    evidence: Evidence
    nonce: bytes | None
    fresh: bool = False
    fetched: Finding | None = None


Question = AskPod | AskIntel
Answer = Evidence | FetchedCollateral | TransportError | InputError
Conversation = Generator[Question, Answer, Attestation]

_NOT_ASKED_FOR: Final = FetchedCollateral(
    IntelCollateral(
        absences=tuple(
            (key, "it was not asked for: no readable quote says which platform this is")
            for keys in KEYS_OF.values()
            for key in keys
        )
    ),
    (),
)


def converse(course: Course, pod_id: str, nonce: bytes) -> Conversation:
    """The course of one attestation, with a nonce drawn for it: ask the pod, judge what it says."""
    course.tell("pod", "asking for evidence")
    answer = yield AskPod(pod_id, nonce)
    if isinstance(answer, Evidence):
        course.tell("pod", "answered")
        given = Given(answer, nonce, fresh=True, fetched=ANSWERED)
    else:
        given = Given(Evidence(pod_id=pod_id), nonce, fetched=why_not_fetched(answer))
    return (yield from converse_with_intel(course, given))


def converse_with_intel(course: Course, given: Given) -> Conversation:
    """Ask Intel and judge; once more without the cache if its documents fail."""
    request = course.request_for(given.evidence)
    if request is None:
        return _judge(course, given, _NOT_ASKED_FOR)
    attestation = _judge(course, given, _collateral((yield AskIntel(request, course.clock()))))
    if _blames_cache(attestation):
        again = _collateral((yield AskIntel(request, course.clock(), refresh=True)))
        attestation = _judge(course, given, replace(again, warnings=(*attestation.warnings, *again.warnings)))
    return attestation


def _judge(course: Course, given: Given, fetched: FetchedCollateral) -> Attestation:
    result = course.verifier.examine(
        given.evidence,
        fetched.collateral,
        at=course.clock(),
        fetched=given.fetched,
        nonce=given.nonce,
        fresh=given.fresh,
        sources={source.kind: CollateralSource(source.url, source.from_cache) for source in fetched.sources},
    )
    warnings = tuple(dict.fromkeys(fetched.warnings))
    return Attestation(result, given.evidence, fetched.collateral, given.nonce, fetched.sources, warnings)


def _collateral(answer: Answer) -> FetchedCollateral:
    if isinstance(answer, FetchedCollateral):
        return answer
    raise RuntimeError("collateral was asked for and something else came")


_COLLATERAL_ROWS: Final = ("tdx.crl.", "tdx.tcb_info.", "tdx.qe_identity.", "tdx.policy.tcb_evaluation")


def _blames_cache(attestation: Attestation) -> bool:
    """Whether a document from the cache failed a check: altered there, or older than the policy allows."""
    if not any(source.from_cache for source in attestation.sources):
        return False
    return any(row.status.closes_gate and row.id.startswith(_COLLATERAL_ROWS) for row in attestation.result.checks)


def why_not_fetched(error: TransportError | InputError | object) -> Finding:
    """The finding of ``evidence.fetch`` for a failure: refused where the answer is unacceptable, else undecided."""
    if isinstance(error, FetchError) and error.refused:
        return failed(expected=error.wanted, actual=error.happened, reason=error.remedy)
    if isinstance(error, InputError):
        return failed(expected=error.expected, actual=error.found, reason=error.remedy)
    return undecided(str(error).removesuffix("."), expected="the pod's evidence", actual="none")


def finished(end: StopIteration) -> Attestation:
    """What a conversation that has ended came to."""
    attestation = end.value
    if not isinstance(attestation, Attestation):
        raise TypeError("an attestation ended without a result")
    return attestation
