"""The gate's words: moments, origins, generations, decisions, and what is told of each request. Data only.

A **generation** is one attestation and the TLS key it proved; it opens the gate until its end. An **epoch** is the time in
which the same generations stand: whenever one is opened, ends or is withdrawn, the next epoch begins, and no connection of
an earlier one carries another request.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple, Protocol, Self
from urllib.parse import urlsplit

from voltage_attest.errors import GateRefused
from voltage_attest.result import AttestationResult

__all__ = [
    "HTTPS_PORT",
    "Decision",
    "EventKind",
    "GateEvent",
    "GateStatus",
    "Generation",
    "Guard",
    "Lifecycle",
    "Listener",
    "Moment",
    "Open",
    "Origin",
    "Outcome",
    "Refusal",
    "RequestEnd",
    "RequestHook",
    "RequestRecord",
    "RequestWatch",
]

HTTPS_PORT: Final = 443


class Moment(NamedTuple):
    """A point in time by two clocks, in seconds: ``wall`` since 1970 UTC, ``steady`` monotonic.

    Whichever is later counts: a wall clock that is set back prolongs nothing, nor does a machine that slept.
    """

    wall: float
    steady: float

    def after(self, seconds: float) -> Moment:
        """The moment so many seconds later."""
        return Moment(self.wall + seconds, self.steady + seconds)

    def has_come(self, now: Moment) -> bool:
        """Whether it is this moment or later, by either clock."""
        return now.wall >= self.wall or now.steady >= self.steady

    def seconds_from(self, now: Moment) -> float:
        """Seconds until either clock says so; negative if it has passed."""
        return min(self.wall - now.wall, self.steady - now.steady)

    def or_sooner(self, other: Moment) -> Moment:
        """The earlier of both, clock by clock."""
        return Moment(min(self.wall, other.wall), min(self.steady, other.steady))


class Origin(NamedTuple):
    """Scheme, host and port (RFC 6454), in lower case."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Self:
        """The origin of an https URL; ValueError on any other."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            parts, host, port = urlsplit(""), None, None
        if parts.scheme != "https" or not host or "@" in parts.netloc:
            raise ValueError("the gated address cannot be used; expected https://host without credentials. Correct it.")
        try:
            return cls("https", host.rstrip(".").encode("idna").decode("ascii").lower(), port or HTTPS_PORT)
        except UnicodeError:
            raise ValueError("the gated address cannot be used: its host is no name. Correct it.") from None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == HTTPS_PORT else f":{self.port}")


@dataclass(frozen=True, slots=True)
class Generation:
    """One attestation that opens the gate: the key it proved (SHA-256 of the SPKI, lower-case hex), from when and until when.

    ``asked`` is when the evidence was asked for, which is what its age counts from.
    """

    number: int
    key: str
    result: AttestationResult
    asked: Moment
    until: Moment


@dataclass(frozen=True, slots=True)
class Open:
    """The gate is open: in which epoch, and by which attestations, the newest first."""

    epoch: int
    generations: tuple[Generation, ...]

    @property
    def result(self) -> AttestationResult:
        """The newest attestation's."""
        return self.generations[0].result

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that connections may meet."""
        return tuple(generation.key for generation in self.generations)


@dataclass(frozen=True, slots=True)
class Refusal:
    """No, in three parts. ``curable``: a fresh attestation may turn it around. ``result``: the attestation to blame."""

    found: str
    expected: str
    remedy: str
    curable: bool = False
    result: AttestationResult | None = None

    def error(self) -> GateRefused:
        """The exception that says so."""
        return GateRefused(self.found, expected=self.expected, remedy=self.remedy, result=self.result)


Decision = Open | Refusal

Guard = Callable[[datetime], Refusal | None]
"""A rule beside attestation, such as a contract's last day: given the time (UTC), None lets pass. Asked before each request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifecycle:
    """When an attestation is renewed, and how long an answer that is under way may outlive it.

    ``refresh_ahead`` is the share of an attestation's life that is left when it is renewed, and ``jitter`` the share of that by
    which chance brings it forward. ``drain`` bounds how long an answer may go on after its key is no longer proven. After a
    failure nothing is asked again for ``hold``, doubled with each further failure up to ``max_hold``, chance taking off up to
    half.
    """

    refresh_ahead: float = 0.2
    jitter: float = 0.5
    drain: timedelta = timedelta(seconds=30)
    hold: timedelta = timedelta(seconds=1)
    max_hold: timedelta = timedelta(minutes=1)

    def __post_init__(self) -> None:
        if not (0 < self.refresh_ahead < 0.5 and 0 <= self.jitter <= 1):
            raise ValueError("refresh_ahead must lie between 0 and 0.5, and jitter between 0 and 1.")
        if min(self.drain, self.hold, self.max_hold) < timedelta(0):
            raise ValueError("drain, hold and max_hold cannot be negative.")


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """What is known of a request before its first byte: written to the audit log, or nothing is sent.

    ``attempt`` counts from 1; a second one follows when a connection met a key that a fresh attestation then proved.
    ``keys`` are those that the connection may meet, ``content`` the whole body where it is at hand: PHI, never to be logged.
    """

    request_id: str
    attempt: int
    at: datetime
    pod_id: str
    generation: int
    keys: tuple[str, ...]
    result: AttestationResult
    method: str
    path: str
    content_type: str | None = None
    content: bytes | None = field(default=None, repr=False, compare=False)


class Outcome(StrEnum):
    """How a request ended."""

    COMPLETE = "complete"
    """The answer was read to its end."""

    ABANDONED = "abandoned"
    """The caller closed the answer before its end."""

    FAILED = "failed"
    """The network or the pod broke it off, before or within the answer."""

    REFUSED = "refused"
    """The gate let it go no further: a wrong peer, a redirect, or an answer that outlived its proof."""


@dataclass(frozen=True, slots=True)
class RequestEnd:
    """What became of a request: ``key`` is the one its connection met, None where none was made.

    ``bytes_sent`` and ``bytes_received`` count bodies, as transferred. ``error`` is the kind of exception, never its text.
    """

    request_id: str
    attempt: int
    at: datetime
    outcome: Outcome
    status: int | None = None
    key: str | None = None
    bytes_sent: int = 0
    bytes_received: int = 0
    error: str | None = None


class RequestWatch(Protocol):
    """Follows one request. What it is handed is PHI."""

    def sent(self, chunk: bytes) -> None:
        """A part of the request's body goes out."""

    def received(self, chunk: bytes) -> None:
        """A part of the answer's body came in."""

    def ended(self, end: RequestEnd) -> None:
        """The request is over; called once. What it raises is told to the gate's listener, not to the caller."""


class RequestHook(Protocol):
    """Announced of each request before its first byte: the audit log."""

    def announce(self, record: RequestRecord) -> RequestWatch:
        """Take note, durably; whatever it raises, nothing is sent."""


class EventKind(StrEnum):
    """What can happen to a gate; for metrics."""

    ATTESTING = "attesting"
    OPENED = "opened"
    REFUSED = "refused"
    UNDECIDED = "undecided"
    LAPSED = "lapsed"
    STRANGER = "stranger"
    """A connection met a key that is not attested."""

    REQUEST_PASSED = "request_passed"
    REQUEST_REFUSED = "request_refused"
    REQUEST_ENDED = "request_ended"
    CUT = "cut"
    """Answers under way were ended: their key is no longer proven."""

    AUDIT_FAILED = "audit_failed"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class GateEvent:
    """One event: in which epoch, and a sentence or a name without PHI."""

    kind: EventKind
    epoch: int
    detail: str = ""


Listener = Callable[[GateEvent], None]
"""Told of every event, from whichever thread it happens in; what it raises is ignored."""


@dataclass(frozen=True, slots=True)
class GateStatus:
    """A gate at one moment, for health checks and metrics.

    ``open_until`` and ``refresh_at`` are UTC; None while shut. ``last_refusal`` is the newest reason why no attestation
    opened it, None once one has.
    """

    is_open: bool
    is_closed: bool
    is_attesting: bool
    epoch: int
    keys: tuple[str, ...]
    open_until: datetime | None
    refresh_at: datetime | None
    last_refusal: str | None
    attestations: int
    refusals: int
    requests_passed: int
    requests_refused: int
    in_flight: int
