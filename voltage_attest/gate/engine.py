"""The gate's engine: attests once for all who wait, renews ahead of time, and ends what is no longer proven.

Whoever needs an attestation joins the one under way or starts it. It runs in a thread of its own, so that threads and tasks can
wait for it alike (:mod:`voltage_attest.gate.courses`). A second thread, the keeper, only watches the time.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from voltage_attest.errors import GateRefused
from voltage_attest.gate.core import CLOSED, NOT_OPEN, Backoff, GateCore, why_not_asked
from voltage_attest.gate.courses import Course, Waiting, settled
from voltage_attest.gate.flights import Flight, Flights
from voltage_attest.gate.keeper import start_keeper
from voltage_attest.gate.model import (
    Decision,
    EventKind,
    GateEvent,
    GateStatus,
    Guard,
    Lifecycle,
    Listener,
    Moment,
    Open,
    Refusal,
)
from voltage_attest.gate.pace import Pace
from voltage_attest.gate.shelf import Pools
from voltage_attest.result import AttestationResult, Verdict

__all__ = ["Ask", "Engine"]

_LOG: Final = logging.getLogger("voltage_attest.gate")
_MOST_ROUNDS: Final = 3
"""Attestations in a row that end before they can be used."""

_RENEWED: Final = Refusal(
    "the attestation was renewed while the request waited for a connection",
    "a connection made since",
    "Try again.",
    curable=True,
)

Ask = Callable[[], AttestationResult]
"""Asks the pod for fresh evidence and judges it; may take its time, and may raise."""


class _NotAdmitted(GateRefused):
    """A connection was not admitted: ``key`` is the one it met, None where its epoch had ended.

    ``met`` is the number of the newest attestation that had been begun: what a later one says is fresher than the meeting.
    """

    def __init__(self, refusal: Refusal, key: str | None, met: int) -> None:
        super().__init__(refusal.found, expected=refusal.expected, remedy=refusal.remedy, result=refusal.result)
        self.curable = refusal.curable
        self.key = key
        self.met = met


@dataclass(slots=True, eq=False)
class _Asking:
    """An attestation under way: its number, since when, and what those who wait for it will learn."""

    number: int
    asked: Moment
    future: Waiting = field(default_factory=Future)

    def tell(self, refusal: Refusal | None) -> None:
        """Let them learn it; only the first time counts."""
        with contextlib.suppress(InvalidStateError):
            self.future.set_result(refusal)


class Engine:
    """One gate's engine. Thread-safe. ``guards`` are asked before each request."""

    def __init__(
        self,
        core: GateCore,
        ask: Ask,
        *,
        lifecycle: Lifecycle,
        pace: Pace,
        guards: Sequence[Guard] = (),
        listener: Listener | None = None,
    ) -> None:
        self.core = core
        self.pace = pace
        self.flights = Flights(lifecycle.drain.total_seconds())
        self._ask = ask
        self._guards = tuple(guards)
        self._listener = listener
        self._after_refusal = Backoff(lifecycle.hold, lifecycle.max_hold, pace.draw)
        self._after_stranger = Backoff(lifecycle.hold, lifecycle.max_hold, pace.draw)
        self._pools: weakref.WeakSet[Pools] = weakref.WeakSet()
        self._last_refusal: Refusal | None = None
        self._attestations = self._refusals = self._passed = self._refused = 0
        self._begin_process()

    def _begin_process(self) -> None:
        self._lock = threading.Lock()
        self._wake: threading.Event | None = None
        self._asking: _Asking | None = None
        self._begun = self._answered = self._counted = 0

    # What requests and connections ask.

    def decide(self, key: str | None = None) -> Decision:
        """The decision of this moment; an epoch that has ended makes way for the next."""
        core, now = self.core, self.pace.now()
        decision = core.decide(core.origin, key, now)
        if isinstance(decision, Refusal) and core.generations:
            self._lapse(now)
            decision = core.decide(core.origin, key, now)
        return decision

    def check_guards(self) -> None:
        """Raise the first guard's refusal, if there is one."""
        if self._guards:
            now = datetime.fromtimestamp(self.pace.wall(), UTC)
            for guard in self._guards:
                refusal = guard(now)
                if refusal is not None:
                    raise refusal.error()

    def judge(self, key: str) -> None:
        """Raise :class:`_NotAdmitted` unless a connection to this key may be used: what the pin asks in each handshake."""
        decision = self.decide(key)
        if isinstance(decision, Refusal):
            self.tell(EventKind.STRANGER, key)
            raise _NotAdmitted(decision, key, self._begun)

    def require_epoch(self, epoch: int) -> None:
        """Raise :class:`_NotAdmitted` if another epoch has begun since a request was admitted."""
        decision = self.decide()
        if isinstance(decision, Refusal):
            raise _NotAdmitted(decision, None, self._begun)
        if decision.epoch != epoch:
            raise _NotAdmitted(_RENEWED, None, self._begun)

    def admission(self) -> Course[Open]:
        """Wait until the gate is open; raises :class:`GateRefused` if it will not be."""
        for _ in range(_MOST_ROUNDS):
            decision = self.decide()
            if isinstance(decision, Open):
                return decision
            waiting = self._join(None, self._after_refusal) if decision.curable else decision
            refusal = waiting if isinstance(waiting, Refusal) else (yield waiting)
            if refusal is not None:
                raise refusal.error()
        raise NOT_OPEN.error()

    def proof(self, unknown: _NotAdmitted) -> Course[bool]:
        """Wait for evidence asked for after an unknown key was met; True if that key, or the new epoch, is open now.

        Fresh evidence is asked for once, however many met the key. Where evidence of the last moments did not prove a key that
        was met, none is asked for again so soon.
        """
        while unknown.curable and unknown.key is not None:
            if isinstance(self.decide(unknown.key), Open):
                with self._lock:
                    self._after_stranger.succeeded()
                return True
            if self._has_asked_since(unknown.met):
                return False
            waiting = self._join(unknown.key, self._after_stranger)
            if isinstance(waiting, Refusal):
                return False
            refusal = yield waiting
            if refusal is not None and isinstance(self.decide(), Refusal):
                raise refusal.error()
        return unknown.curable

    def _has_asked_since(self, met: int) -> bool:
        with self._lock:
            if self._asking is not None or self._answered <= met:
                return False
            if self._counted != self._answered:  # one failure, however many met a stranger
                self._counted = self._answered
                self._after_stranger.failed(self.pace.now())
            return True

    def _join(self, key: str | None, hold: Backoff) -> Waiting | Refusal:
        """The attestation under way, or one started now; why not, if it is too early to ask again."""
        with self._lock:
            if self._asking is not None:
                return self._asking.future
            now = self.pace.now()
            decision = self.core.decide(self.core.origin, key, now)
            if isinstance(decision, Open):  # somebody else's attestation has just come in
                return settled()
            if not decision.curable:
                return decision
            if hold.seconds_left(now) or self._after_refusal.seconds_left(now):
                return self._last_refusal or decision
            asking = self._begin(now)
        self._run(asking)
        return asking.future

    # Attestation.

    def _begin(self, now: Moment) -> _Asking:
        self._begun += 1
        asking = _Asking(self._begun, now)
        asking.future.set_running_or_notify_cancel()  # from here on, no waiter that is cancelled cancels it for the others
        self._asking = asking
        return asking

    def _run(self, asking: _Asking) -> None:
        self.tell(EventKind.ATTESTING)
        self.pace.spawn(lambda: self._attest(asking))

    def _attest(self, asking: _Asking) -> None:
        refusal: Refusal | None = CLOSED
        try:
            try:
                answer: AttestationResult | Refusal = self._ask()
            except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must learn of it; the gate stays shut
                answer = why_not_asked(error)
            refusal = self._settle(asking, answer)
        finally:
            with self._lock:
                if self._asking is asking:
                    self._asking = None
            asking.tell(refusal)

    def _settle(self, asking: _Asking, answer: AttestationResult | Refusal) -> Refusal | None:
        with self._lock:
            if self._asking is not asking:
                return CLOSED
            now, before = self.pace.now(), self.core.epoch
            refusal = answer if isinstance(answer, Refusal) else self.core.admit(answer, asking.asked, now)
            self._attestations += 1
            self._answered, self._last_refusal, self._asking = asking.number, refusal, None
            if refusal is None:
                self._after_refusal.succeeded()
            else:
                self._refusals += 1
                self._after_refusal.failed(now)
            has_changed = self.core.epoch != before
        self._tell_settled(refusal)
        if has_changed:
            self._retire()
        self._wake_keeper()
        return refusal

    def _tell_settled(self, refusal: Refusal | None) -> None:
        if refusal is None:
            _LOG.info("the pod is attested, the gate is open")
            self.tell(EventKind.OPENED)
            return
        _LOG.warning("the pod is not attested: %s", refusal.found)
        is_undecided = refusal.result is None or refusal.result.verdict is Verdict.UNDECIDED
        self.tell(EventKind.UNDECIDED if is_undecided else EventKind.REFUSED, refusal.found)

    # What happens by itself.

    @property
    def is_over(self) -> bool:
        """Whether it was closed."""
        return self.core.is_closed

    def tend(self) -> float | None:
        """Do what is due: lapse, renew, end what outlived its proof. Seconds until there is more; None: none known."""
        now = self.pace.now()
        self._lapse(now)
        asking: _Asking | None = None
        with self._lock:
            refresh = self.core.refresh
            is_due = refresh is not None and refresh.has_come(now) and not self._after_refusal.seconds_left(now)
            if is_due and self._asking is None:
                asking = self._begin(now)
        if asking is not None:
            self._run(asking)
        ended = self.flights.end_unproven({generation.key for generation in self.core.generations}, now)
        if ended:
            _LOG.warning("answers that outlived their proof were ended: %d", ended)
            self.tell(EventKind.CUT, str(ended))
        return self._seconds_until_next(self.pace.now())

    def _seconds_until_next(self, now: Moment) -> float | None:
        first = self.flights.seconds_until_next(now)
        waits = [] if first is None else [first]
        with self._lock:
            end, refresh = self.core.end, self.core.refresh
            if end is not None and refresh is not None:
                waits.append(end.seconds_from(now))
                if self._asking is None:
                    waits.append(max(refresh.seconds_from(now), self._after_refusal.seconds_left(now)))
        return max(min(waits), 0.0) if waits else None

    def _lapse(self, now: Moment) -> None:
        with self._lock:
            has_lapsed = self.core.lapse(now)
        if has_lapsed:
            _LOG.info("an attestation has ended")
            self.tell(EventKind.LAPSED)
            self._retire()

    def _retire(self) -> None:
        """Whatever belongs to an earlier epoch carries no further request."""
        for pools in tuple(self._pools):
            try:
                pools.retire(self.core.epoch)
            except Exception as error:  # noqa: BLE001 - it is used no more; that it cannot be closed must not keep the others
                _LOG.warning("connections could not be closed: %s", type(error).__name__)
        self._wake_keeper()

    def _wake_keeper(self) -> None:
        with self._lock:
            if self._wake is None and self.pace.background and not self.core.is_closed:
                self._wake = start_keeper(self)
            elif self._wake is not None:
                self._wake.set()

    # Bookkeeping.

    def register(self, pools: Pools) -> None:
        """Tell these pools of new epochs."""
        self._pools.add(pools)

    def take_off(self, flight: Flight) -> None:
        """A request is under way."""
        self.flights.take_off(flight)
        with self._lock:
            self._passed += 1
        self.tell(EventKind.REQUEST_PASSED)

    def count_refused(self, why: GateRefused) -> None:
        """A request was not let through."""
        with self._lock:
            self._refused += 1
        self.tell(EventKind.REQUEST_REFUSED, why.found)

    def tell(self, kind: EventKind, detail: str = "") -> None:
        """Tell the listener."""
        if self._listener is not None:
            with contextlib.suppress(Exception):  # metrics never decide
                self._listener(GateEvent(kind, self.core.epoch, detail))

    def status(self) -> GateStatus:
        """The state of this moment."""
        decision, now = self.decide(), self.pace.now()
        with self._lock:
            return GateStatus(
                is_open=isinstance(decision, Open),
                is_closed=self.core.is_closed,
                is_attesting=self._asking is not None,
                epoch=self.core.epoch,
                keys=decision.keys if isinstance(decision, Open) else (),
                open_until=_utc(self.core.end, now),
                refresh_at=_utc(self.core.refresh, now),
                last_refusal=None if self._last_refusal is None else self._last_refusal.found,
                attestations=self._attestations,
                refusals=self._refusals,
                requests_passed=self._passed,
                requests_refused=self._refused,
                in_flight=len(self.flights),
            )

    def close(self) -> None:
        """Shut for good: pools are closed, and what is under way ends at once."""
        with self._lock:
            if self.core.is_closed:
                return
            self.core.close(self.pace.now())
            asking, self._asking = self._asking, None
        if asking is not None:
            asking.tell(CLOSED)
        self._retire()
        self.flights.end_all()
        self.tell(EventKind.CLOSED)

    def after_fork(self) -> None:
        """In the child: nothing of the parent's is used again. The next request attests anew."""
        self._begin_process()
        self.core.withdraw(self.pace.now())
        for pools in tuple(self._pools):
            pools.abandon()
        self.flights.after_fork()


def _utc(moment: Moment | None, now: Moment) -> datetime | None:
    return None if moment is None else datetime.fromtimestamp(now.wall + moment.seconds_from(now), UTC)
