"""What the gate decides, without I/O, clock or lock: may this connection, this request, this answer go on?

:meth:`GateCore.decide` reads one immutable snapshot and may be called from any thread. The transitions (``admit``, ``lapse``,
``withdraw``, ``close``) replace it; their caller holds a lock. Time and chance are arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from voltage_attest.errors import InputError, TransportError, TrustError
from voltage_attest.gate.model import HTTPS_PORT, Decision, Generation, Lifecycle, Moment, Open, Origin, Refusal
from voltage_attest.result import AttestationResult, Verdict

__all__ = [
    "CLOSED",
    "NOT_OPEN",
    "Backoff",
    "GateCore",
    "RequestFacts",
    "judge_answer",
    "judge_request",
    "why_not_asked",
    "why_shut",
]

NOT_OPEN: Final = Refusal(
    "no attestation holds it open",
    "a fresh attestation that the policy accepts",
    "Ask again: the pod is attested first.",
    curable=True,
)
CLOSED: Final = Refusal("it was closed", "an open gate", "Make a new AttestationGate.")


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """What of a request is judged: where it goes, and whether it asks for something else than HTTP.

    ``host`` is the value of the Host header, ``upgrade`` whether the headers ask for another protocol, ``detour`` whether
    the caller asks TLS for another name than the URL's.
    """

    scheme: str
    hostname: str
    port: int | None
    method: str
    host: str | None
    upgrade: bool = False
    detour: bool = False


@dataclass(frozen=True, slots=True)
class _Standing:
    """One epoch: what stands in it, its first end, and when to renew; ``decision`` is given until then."""

    epoch: int
    decision: Decision
    end: Moment
    refresh: Moment


class Backoff:
    """How long nothing is asked again after failures; the caller holds a lock."""

    def __init__(self, hold: timedelta, longest: timedelta, draw: Callable[[], float]) -> None:
        self._hold = hold.total_seconds()
        self._longest = longest.total_seconds()
        self._draw = draw
        self._failures = 0
        self.until: Moment | None = None

    def failed(self, now: Moment) -> None:
        """One more failure."""
        seconds = min(self._hold * 2 ** min(self._failures, 20), self._longest)
        self._failures += 1
        self.until = now.after(seconds * (1 - self._draw() / 2))

    def succeeded(self) -> None:
        """All is well."""
        self._failures, self.until = 0, None

    def seconds_left(self, now: Moment) -> float:
        """Seconds to wait yet; 0 if there are none."""
        return 0.0 if self.until is None else max(0.0, self.until.seconds_from(now))


class GateCore:
    """The state of one gate: what origin it guards, and which attestations hold it open.

    ``max_age`` is the policy's; ``draw`` yields numbers from 0 to 1.
    """

    def __init__(self, origin: Origin, max_age: timedelta, lifecycle: Lifecycle, draw: Callable[[], float]) -> None:
        self.origin = origin
        self._max_age = max_age.total_seconds()
        self._lifecycle = lifecycle
        self._draw = draw
        self._number = 0
        self._standing = _shut(0, NOT_OPEN)
        self._is_closed = False

    def decide(self, origin: Origin, peer_key: str | None, now: Moment) -> Decision:
        """May a request go to this origin, over a connection to this key (SHA-256 of the SPKI in hex; None: yet to be made)?

        When the first of an epoch's generations has ended the answer is no, until :meth:`lapse` has begun the next epoch.
        """
        if origin != self.origin:
            return _other_origin(str(origin), self.origin)
        standing = self._standing
        decision = standing.decision
        if isinstance(decision, Refusal):
            return decision
        if standing.end.has_come(now):
            return NOT_OPEN
        if peer_key is not None and peer_key not in decision.keys:
            return _stranger(peer_key, decision)
        return decision

    @property
    def epoch(self) -> int:
        """The number of the epoch."""
        return self._standing.epoch

    @property
    def generations(self) -> tuple[Generation, ...]:
        """What stood when this epoch began, the newest first."""
        decision = self._standing.decision
        return decision.generations if isinstance(decision, Open) else ()

    @property
    def is_closed(self) -> bool:
        """Whether it was closed for good."""
        return self._is_closed

    @property
    def end(self) -> Moment | None:
        """When the first of the generations ends; None while shut."""
        return self._standing.end if self.generations else None

    @property
    def refresh(self) -> Moment | None:
        """When the newest attestation is to be renewed; None while shut."""
        return self._standing.refresh if self.generations else None

    def admit(self, result: AttestationResult, asked: Moment, now: Moment) -> Refusal | None:
        """Open a generation by this result of evidence asked for then; or shut the gate, if the result is a refusal.

        A verdict that is only undecided withdraws nothing: what was proven stays so until its end.
        """
        if self._is_closed:
            return CLOSED
        refusal = why_shut(result)
        if refusal is not None:
            if result.verdict is not Verdict.UNDECIDED:
                self._stand((), now, refusal)
            return refusal
        until = asked.after(self._max_age)
        if result.valid_until is not None:
            until = until.or_sooner(now.after(result.valid_until.timestamp() - now.wall))
        if until.has_come(now):
            return _too_late(result)
        self._number += 1
        generation = Generation(self._number, result.channel.spki_sha256 or "", result, asked, until)
        others = (other for other in _live(self.generations, now) if other.key != generation.key)
        self._stand((generation, *others), now, NOT_OPEN)
        return None

    def lapse(self, now: Moment) -> bool:
        """Drop the generations that have ended; True if any had, and the next epoch begins."""
        generations = self.generations
        live = tuple(_live(generations, now))
        if len(live) == len(generations):
            return False
        self._stand(live, now, NOT_OPEN)
        return True

    def withdraw(self, now: Moment) -> None:
        """Shut until a fresh attestation, as a forked child must."""
        if not self._is_closed:
            self._stand((), now, NOT_OPEN)

    def close(self, now: Moment) -> None:
        """Shut for good."""
        self._is_closed = True
        self._stand((), now, CLOSED)

    def _stand(self, generations: tuple[Generation, ...], now: Moment, why_not: Refusal) -> None:
        epoch = self._standing.epoch + 1
        if not generations:
            self._standing = _shut(epoch, why_not)
            return
        end = generations[0].until
        for generation in generations[1:]:
            end = end.or_sooner(generation.until)
        refresh = self._standing.refresh
        if generations[0] not in self.generations:
            newest = generations[0].until
            lead = newest.seconds_from(now) * self._lifecycle.refresh_ahead * (1 + self._lifecycle.jitter * self._draw())
            refresh = newest.after(-lead)
        self._standing = _Standing(epoch, Open(epoch, generations), end, refresh)


def why_shut(result: AttestationResult) -> Refusal | None:
    """Why this result opens no gate; None if it does: verified, fresh, and bound to a TLS key."""
    rows = [row for row in result.checks if row.status.closes_gate]
    if result.verdict is not Verdict.VERIFIED:
        named = "; ".join(f"{row.id}: {row.reason}" for row in rows[:3])
        more = f" (and {len(rows) - 3} more)" if len(rows) > 3 else ""
        remedy = rows[0].check.remedy if rows else "Ask for evidence again."
        found = f"the attestation is {result.verdict.value}: {named or 'no check passed'}{more}"
        return Refusal(found, "a verified attestation", remedy, curable=True, result=result)
    if not result.freshness.fresh or result.channel.spki_sha256 is None:
        return Refusal(
            "the attestation proves no TLS key, or not to this verifier",
            "evidence made for a fresh nonce and bound to the pod's TLS key",
            "Choose a binding in [channel] that commits to nonce and TLS key, such as voltage-attest/1.",
            result=result,
        )
    return None


def why_not_asked(error: Exception) -> Refusal:
    """What an attestation comes to that raised. Texts of our own errors hold no secrets; of others only the kind is told."""
    is_ours = isinstance(error, InputError | TransportError | TrustError)
    what = str(error).removesuffix(".") if is_ours else f"{type(error).__name__} was raised"
    found = f"the pod could not be attested: {what}"
    return Refusal(found, "a verified attestation", "Mend that, and try again.", curable=True)


def judge_request(facts: RequestFacts, origin: Origin) -> Refusal | None:
    """Whether this request may be sent to this origin at all, attested or not."""
    port = facts.port or (HTTPS_PORT if facts.scheme == "https" else 80)
    if facts.scheme in ("ws", "wss") or facts.upgrade or facts.method == "CONNECT":
        return Refusal(
            "a connection that leaves HTTP (a websocket, an upgrade, a tunnel)",
            "plain HTTP requests",
            "Use the streaming HTTP interface: what goes over a websocket is not audited request by request.",
        )
    if facts.scheme == "http":
        return Refusal("a request in plain text", "https", "Write https in the base address.")
    if (facts.scheme, facts.hostname, port) != origin:
        return _other_origin(str(Origin(facts.scheme, facts.hostname, port)), origin)
    if facts.detour or (facts.host is not None and not _names(facts.host, origin)):
        return Refusal(
            "a request that names another host than its address",
            f"Host and TLS server name of {origin}",
            "Remove the Host header and the sni_hostname extension.",
        )
    return None


def judge_answer(status: int) -> Refusal | None:
    """Whether an answer may reach the caller: every one but a redirect."""
    if status not in (301, 302, 303, 307, 308):
        return None
    return Refusal(
        f"the pod answered with a redirect (status {status})",
        "an answer from the attested pod itself",
        "Correct the base address, and tell the provider: nothing is sent where the pod points to.",
    )


def _shut(epoch: int, why: Refusal) -> _Standing:
    never = Moment(0.0, 0.0)
    return _Standing(epoch, why, never, never)


def _live(generations: Iterable[Generation], now: Moment) -> Iterable[Generation]:
    return (generation for generation in generations if not generation.until.has_come(now))


def _names(host: str, origin: Origin) -> bool:
    if host in (f"{origin.host}:{origin.port}", origin.host):
        return host != origin.host or origin.port == HTTPS_PORT
    try:
        return Origin.of(f"https://{host}") == origin
    except ValueError:
        return False


def _other_origin(found: str, origin: Origin) -> Refusal:
    return Refusal(
        f"a request to another origin ({found})",
        f"requests to {origin} alone",
        "Correct the base address, or make a gate for that pod.",
    )


def _stranger(key: str, decision: Open) -> Refusal:
    return Refusal(
        f"the connection met the TLS key {key}, which no attestation proves",
        f"a key out of {', '.join(decision.keys)}",
        "If the pod was restarted or has several instances, try again; if it goes on, somebody stands in between.",
        curable=True,
        result=decision.result,
    )


def _too_late(result: AttestationResult) -> Refusal:
    until = "" if result.valid_until is None else f" and for documents that are valid beyond {result.valid_until}"
    return Refusal(
        "the attestation had ended before it was judged",
        f"one that is younger than the policy's max_age{until}",
        "Raise max_age in [channel], or ask why the evidence takes so long.",
        result=result,
    )
