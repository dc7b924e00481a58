"""The course of one attestation, as a conversation without I/O: ask the pod, ask Intel and NVIDIA, judge; perhaps ask again.

:mod:`voltage_attest.attest` carries its questions to the network, for threads and for asyncio.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from voltage_attest.attestation import Attestation
from voltage_attest.collateral.intel import IntelCollateral
from voltage_attest.collateral.nvidia import NvidiaCollateral
from voltage_attest.collateral.nvidia_fetched import FetchedNvidia
from voltage_attest.collateral.nvidia_requests import NvidiaKind
from voltage_attest.collateral.pcs import KEYS_OF, DocumentKind
from voltage_attest.collateral.service import CollateralRequest, FetchedCollateral
from voltage_attest.errors import FetchError, InputError, TransportError
from voltage_attest.evidence.encoding import decode_quote_bytes
from voltage_attest.evidence.model import Evidence
from voltage_attest.evidence.quote import parse_quote
from voltage_attest.nvidia_course import NvidiaConversation, NvidiaQuestion, converse_with_nvidia
from voltage_attest.result import CollateralRecord, CollateralSource, Finding, Status, failed, passed, undecided
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
    "converse_with_vendors",
    "finished",
    "nvidia_records",
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
    """What an attestation is run by: who judges, what clock, and who is told of its progress.

    ``nvidia`` are documents of NVIDIA's at hand. ``draw_ocsp_nonce`` draws a nonce for each status asked of it; None where
    answers without one will do.
    """

    verifier: Verifier
    clock: Callable[[], datetime]
    progress: Progress | None
    nvidia: NvidiaCollateral = field(default_factory=NvidiaCollateral)
    draw_ocsp_nonce: Callable[[], bytes] | None = None

    def at(self, time: datetime | None) -> Course:
        """The same with a clock that stands still, where a time is given."""
        return self if time is None else replace(self, clock=lambda: time)

    def request_for(self, evidence: Evidence) -> CollateralRequest | None:
        """Which documents of Intel's to ask for; None where no quote is expected, or none can be read: its checks say so."""
        rules = self.verifier.policy.tdx
        if rules is None:
            return None
        try:
            platform = None if evidence.quote is None else name_platform(parse_quote(decode_quote_bytes(evidence.quote)))
        except InputError:
            return None
        if platform is None:
            return None
        which = rules.collateral
        return CollateralRequest(platform.fmspc, platform.ca, which.update, which.tcb_evaluation_data_number)

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


Question = AskPod | AskIntel | NvidiaQuestion
Answer = Evidence | FetchedCollateral | FetchedNvidia | TransportError | InputError
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
    return (yield from converse_with_vendors(course, given))


def converse_with_vendors(course: Course, given: Given) -> Conversation:
    """Ask Intel and NVIDIA, and judge; once more without the cache if its documents fail."""
    attestation = _judge(course, given, *(yield from _ask_vendors(course, given)))
    if _blames_cache(attestation):
        intel, nvidia = yield from _ask_vendors(course, given, refresh=True)
        intel = replace(intel, warnings=(*attestation.warnings, *intel.warnings))
        attestation = _judge(course, given, intel, nvidia)
    return attestation


_Asking = Generator[Question, Answer, tuple[FetchedCollateral, FetchedNvidia | None]]


def _ask_vendors(course: Course, given: Given, *, refresh: bool = False) -> _Asking:
    request, devices = course.request_for(given.evidence), course.verifier.devices
    intel, nvidia = _NOT_ASKED_FOR, None
    if request is not None:
        intel = _collateral((yield AskIntel(request, course.clock(), refresh=refresh)))
    if devices is not None:
        asking = converse_with_nvidia(
            devices, given.evidence, course.nvidia, now=course.clock(), draw_nonce=course.draw_ocsp_nonce, refresh=refresh
        )
        nvidia = yield from _relayed(asking)
    return intel, nvidia


def _relayed(asking: NvidiaConversation) -> Generator[Question, Answer, FetchedNvidia]:
    """The conversation with NVIDIA as a part of this one."""
    try:
        question = next(asking)
        while True:
            question = asking.send(_nvidia((yield question)))
    except StopIteration as end:
        return _nvidia(end.value)


def _judge(course: Course, given: Given, fetched: FetchedCollateral, nvidia: FetchedNvidia | None) -> Attestation:
    result = course.verifier.examine(
        given.evidence,
        fetched.collateral,
        at=course.clock(),
        fetched=given.fetched,
        nonce=given.nonce,
        fresh=given.fresh,
        sources={source.kind: CollateralSource(source.url, source.from_cache) for source in fetched.sources},
        nvidia=None if nvidia is None else nvidia.collateral,
        nvidia_records=nvidia_records(nvidia),
    )
    warnings = tuple(dict.fromkeys((*fetched.warnings, *(() if nvidia is None else nvidia.warnings))))
    return Attestation(result, given.evidence, fetched.collateral, given.nonce, fetched.sources, warnings, nvidia=nvidia)


def nvidia_records(fetched: FetchedNvidia | None) -> tuple[CollateralRecord, ...]:
    """What a result records of NVIDIA's documents, for :meth:`Verifier.examine`."""
    return tuple(
        [
            CollateralRecord(source.kind.value, source.url, source.sha256, source.issued, source.next_update, source.from_cache)
            for source in ([] if fetched is None else fetched.sources)
        ]
    )


def _nvidia(answer: Answer) -> FetchedNvidia:
    if isinstance(answer, FetchedNvidia):
        return answer
    raise RuntimeError("NVIDIA was asked and something else came")


def _collateral(answer: Answer) -> FetchedCollateral:
    if isinstance(answer, FetchedCollateral):
        return answer
    raise RuntimeError("collateral was asked for and something else came")


_BLAMED: Final[Mapping[str, tuple[str, ...]]] = {
    DocumentKind.ROOT_CA_CRL: ("tdx.crl.",),
    DocumentKind.PCK_CRL: ("tdx.crl.",),
    DocumentKind.TCB_INFO: ("tdx.tcb_info.", "tdx.policy.tcb_evaluation"),
    DocumentKind.QE_IDENTITY: ("tdx.qe_identity.", "tdx.policy.tcb_evaluation"),
    NvidiaKind.RIM: ("gpu.rim.", "gpu.measurements"),
    NvidiaKind.OCSP: ("gpu.revocation", "gpu.rim.revocation"),
    NvidiaKind.CRL: ("gpu.revocation", "gpu.rim.revocation"),
    NvidiaKind.JWKS: ("nras.key", "nras.jwks"),
}
"""By kind of document, how the ids of the rows begin that another document of that kind could turn."""


def _blames_cache(attestation: Attestation) -> bool:
    """Whether a document from the cache failed a check: altered there, or replaced at its source since.

    A row that is undecided lacks something: no document that is there is to blame for it.
    """
    nvidia = () if attestation.nvidia is None else attestation.nvidia.sources
    kinds = {str(source.kind) for source in attestation.sources if source.from_cache}
    kinds |= {str(source.kind) for source in nvidia if source.from_cache}
    blamed = tuple([begin for kind in kinds for begin in _BLAMED.get(kind, ())])
    return any(row.status is Status.FAILED and row.id.startswith(blamed) for row in attestation.result.checks)


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
