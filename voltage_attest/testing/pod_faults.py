"""What can be wrong with a simulated pod: lies in what it says (:class:`Fault`), trouble on the way (:class:`Disturbance`).

Both are values, combine freely and can be set at any time::

    with pod.faulty(Fault.DEBUG_TD, Slow(seconds=0.2)):
        ...
    with pod.faulty(Answers(status=503, times=2, on=COLLATERAL)):   # twice, then well again
        ...
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from enum import Enum
from threading import Lock
from typing import Final

from voltage_attest.testing.pod_wire import Reply, Request, json_reply

__all__ = [
    "ATTESTATION",
    "COLLATERAL",
    "EVERYTHING",
    "INFERENCE",
    "NVIDIA",
    "Answers",
    "CutConnection",
    "Disturbance",
    "Fault",
    "FaultBoard",
    "HtmlPage",
    "OversizedBody",
    "Redirects",
    "Slow",
    "Trickle",
    "WrongContentType",
]

ATTESTATION: Final = ("/v1/pods/",)
"""The attestation API."""

INFERENCE: Final = ("/v1/confidential/",)
"""The OpenAI-compatible API."""

COLLATERAL: Final = ("/sgx/", "/tdx/", "/IntelSGXRootCA.der")
"""The endpoints of Intel PCS."""

NVIDIA: Final = ("/v1/rim/", "/ocsp", "/crl", "/.well-known/", "/v3/attest/", "/v4/attest/")
"""The endpoints of NVIDIA's services. A client that takes the origin for the OCSP responder posts to ``/``: not among them."""

EVERYTHING: Final = ("/",)
"""All paths."""


class Fault(Enum):
    """A lie or a weakness in what the pod says; the value tells what is wrong. Everything is still genuinely signed.

    Those of GPUs and switches show where the pod has such, and where NVIDIA's services are asked.
    """

    STALE_NONCE = "the answer is an older one, made for another nonce, and says so"
    REPLAYED_QUOTE = "the answer names the caller's nonce, its quote is bound to an older one"
    WRONG_KEY = "the quote is bound to another TLS key than the certificate beside it"
    RELAYED_EVIDENCE = "flawless evidence of another machine with another TLS key, passed on"
    OTHER_MRTD = "another image was launched: MRTD differs"
    DEBUG_TD = "the TD runs in debug mode: the host reads its memory"
    OUT_OF_DATE_TCB = "the platform's microcode is two releases old"
    REVOKED_PCK = "Intel has revoked the platform's PCK certificate"
    NO_QUOTE = "an opinion without evidence: there is no quote in the answer"
    MEASUREMENT_INVALID = "the operator itself says measurement_valid: false"
    MR_TD_LIE = "the operator's mr_td is not the MRTD in the quote"
    TRUNCATED_STREAM = "a streamed answer ends early, in good HTTP form, without its terminator"
    GPU_WRONG_NONCE = "the GPUs' and switches' reports are genuine, and were made for another quote"
    GPU_DUPLICATE = "the first GPU's evidence stands in the place of the last one's too"
    GPU_WRONG_CHIP = "the GPUs are labelled as another architecture than NVIDIA certified"
    GPU_MEASUREMENT_CHANGED = "the first GPU runs other firmware than NVIDIA's manifest for its driver says"
    GPU_REVOKED = "NVIDIA has revoked the certificate under which the GPUs were provisioned"
    GPU_HOLD = "NVIDIA has put the certificate under which the GPUs were provisioned on hold"
    GPU_RIM_MISSING = "NVIDIA's service has no manifest for the GPUs' driver"
    SWITCH_FOREIGN = "the last switch is genuine, and wired into another machine"
    SWITCH_UNLOCKED = "the first switch is not locked: its routes can be changed"
    OCSP_DOWN = "NVIDIA's OCSP responder answers with status 503"
    OCSP_STALE = "NVIDIA's OCSP responder gives answers of two days ago"


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbance(ABC):
    """Trouble on the way to the client.

    ``on`` holds the path prefixes it applies to: everything, or :data:`ATTESTATION`, :data:`COLLATERAL`, :data:`INFERENCE`, or
    your own, such as ``("/tdx/certification/v4/tcb",)``. After ``times`` replies (None: without end) it is over.
    """

    on: tuple[str, ...] = EVERYTHING
    times: int | None = None

    @abstractmethod
    def disturb(self, request: Request, reply: Reply) -> Reply:
        """What is sent in place of the reply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slow(Disturbance):
    """The reply begins ``seconds`` late."""

    seconds: float

    def disturb(self, request: Request, reply: Reply) -> Reply:  # noqa: ARG002 - the signature is the base class's
        """Delay the reply."""
        return replace(reply, delay=reply.delay + self.seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trickle(Disturbance):
    """The reply comes in pieces (head, then body or event by event), each followed by a pause of ``seconds``."""

    seconds: float

    def disturb(self, request: Request, reply: Reply) -> Reply:  # noqa: ARG002
        """Space the pieces out."""
        return replace(reply, pause=self.seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class CutConnection(Disturbance):
    """The connection ends after ``after`` bytes of the body; None: after half of it, -1: before the status line."""

    after: int | None = None

    def disturb(self, request: Request, reply: Reply) -> Reply:  # noqa: ARG002
        """Say where to cut."""
        size = len(reply.body) if reply.events is None else sum(map(len, reply.events))
        return replace(reply, cut_after=size // 2 if self.after is None else self.after)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers(Disturbance):
    """The answer is an error: ``status``, with ``Retry-After: retry_after`` where given (seconds or an HTTP date)."""

    status: int = 500
    retry_after: str | None = None

    def disturb(self, request: Request, reply: Reply) -> Reply:  # noqa: ARG002
        """Answer with the error."""
        headers = () if self.retry_after is None else (("Retry-After", self.retry_after),)
        error = {"message": f"simulated status {self.status}", "type": "simulated", "code": None, "param": None}
        return json_reply({"error": {**error}}, status=self.status, headers=headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class HtmlPage(Disturbance):
    """The answer is a web page with status 200, as captive portals and maintenance pages are."""

    def disturb(self, request: Request, reply: Reply) -> Reply:  # noqa: ARG002
        """Answer with the page."""
        page = b"<!DOCTYPE html><html><title>Maintenance</title><p>We will be back soon.</html>"
        return Reply(body=page, content_type="text/html; charset=utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongContentType(Disturbance):
    """The right body under another content type."""

    content_type: str = "text/plain"

    def disturb(self, request: Request, reply: Reply) -> Reply:  # noqa: ARG002
        """Relabel the reply."""
        return replace(reply, content_type=self.content_type)


@dataclass(frozen=True, slots=True, kw_only=True)
class OversizedBody(Disturbance):
    """The right body followed by spaces, ``size`` bytes in all: still valid JSON to whoever reads without limit."""

    size: int = 16 * 1024 * 1024

    def disturb(self, request: Request, reply: Reply) -> Reply:  # noqa: ARG002
        """Pad the body."""
        return replace(reply, body=reply.body.ljust(self.size))


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirects(Disturbance):
    """The client is sent to the same path of another origin, such as ``HostileTwin.base``."""

    to: str
    status: int = 307

    def disturb(self, request: Request, reply: Reply) -> Reply:  # noqa: ARG002
        """Answer with the redirect."""
        return Reply(self.status, headers=(("Location", self.to + request.target),))


class FaultBoard:
    """What is wrong at this moment; safe to change while the pod answers."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._faults: frozenset[Fault] = frozenset()
        self._disturbances: list[tuple[Disturbance, int | None]] = []

    @property
    def faults(self) -> frozenset[Fault]:
        """The faults in force."""
        return self._faults

    @property
    def current(self) -> tuple[Fault | Disturbance, ...]:
        """All in force, as :meth:`set` takes it; of a disturbance with ``times``, as many as are left."""
        with self._lock:
            left = [replace(disturbance, times=times) for disturbance, times in self._disturbances]
            return (*self._faults, *left)

    def set(self, troubles: tuple[Fault | Disturbance, ...]) -> None:
        """Replace all that was wrong by these."""
        with self._lock:
            self._faults = frozenset(trouble for trouble in troubles if isinstance(trouble, Fault))
            self._disturbances = [(trouble, trouble.times) for trouble in troubles if isinstance(trouble, Disturbance)]

    def disturb(self, request: Request, reply: Reply) -> Reply:
        """Let every disturbance that applies to the request change the reply, in the order in which they were set."""
        for disturbance in self._take(request.path):
            reply = disturbance.disturb(request, reply)
        return reply

    def _take(self, path: str) -> list[Disturbance]:
        with self._lock:
            taken: list[Disturbance] = []
            remaining: list[tuple[Disturbance, int | None]] = []
            for disturbance, times in self._disturbances:
                if path.startswith(disturbance.on):
                    taken.append(disturbance)
                    times = None if times is None else times - 1  # noqa: PLW2901
                if times != 0:
                    remaining.append((disturbance, times))
            self._disturbances = remaining
            return taken
