"""One request on its way through the gate: announced before its first byte, followed to its end, and ended if it must be.

Without I/O of its own: the shells (:mod:`voltage_attest.gate.shell`) move the bytes and tell what happens.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from voltage_attest.errors import GateRefused
from voltage_attest.gate.core import RequestFacts, judge_answer, judge_request
from voltage_attest.gate.engine import Engine
from voltage_attest.gate.model import (
    EventKind,
    Open,
    Outcome,
    Refusal,
    RequestEnd,
    RequestHook,
    RequestRecord,
    RequestWatch,
)
from voltage_attest.gate.pin import NetworkStream, key_met

__all__ = ["MOST_ATTEMPTS", "AsyncExchange", "Desk", "Exchange", "Visit"]

MOST_ATTEMPTS: Final = 4
"""Of one request, before any of its bytes was sent: each begins anew because the epoch had changed meanwhile."""

_LOG: Final = logging.getLogger("voltage_attest.gate")
_BEFORE_HEADERS: Final = "http11.send_request_headers.started"

_OUTLIVED: Final = Refusal(
    "the answer outlived its proof: the key it comes from is no longer attested",
    "an attestation that is renewed while answers are under way",
    "Discard the answer, and ask again when the pod is attested.",
)
_UNPINNED: Final = Refusal(
    "the answer came over a connection that was not made under the pin",
    "the TLS of Python's standard library",
    "Use a supported version of httpx, and report this.",
)


@dataclass(frozen=True, slots=True)
class Desk:
    """Where requests are received: whose pod it is, the engine, and who is told before anything is sent."""

    pod_id: str
    engine: Engine
    audit: RequestHook | None = None

    def receive(self, facts: RequestFacts, path: str, content_type: str | None, content: bytes | None) -> Visit:
        """Judge what can be judged of a request without attestation; raises :class:`GateRefused`."""
        refusal = judge_request(facts, self.engine.core.origin)
        if refusal is not None:
            raise refusal.error()
        self.engine.check_guards()
        return Visit(self, facts.method, path, content_type, content)


@dataclass(slots=True)
class Visit:
    """One request and its attempts."""

    desk: Desk
    method: str
    path: str
    content_type: str | None
    content: bytes | None = field(repr=False)
    request_id: str = ""
    attempts: int = 0

    def record(self, admitted: Open) -> RequestRecord:
        """What is known before the next attempt's first byte."""
        self.attempts += 1
        self.request_id = self.request_id or uuid.uuid4().hex
        return RequestRecord(
            self.request_id,
            self.attempts,
            self.now(),
            self.desk.pod_id,
            admitted.generations[0].number,
            admitted.keys,
            admitted.result,
            self.method,
            self.path,
            self.content_type,
            self.content,
        )

    def now(self) -> datetime:
        """The time in UTC."""
        return datetime.fromtimestamp(self.desk.engine.pace.wall(), UTC)

    def announce(self, admitted: Open) -> RequestWatch | None:
        """Have the record written; :class:`GateRefused` if it cannot be, and nothing is sent."""
        if self.desk.audit is None:
            self.attempts += 1
            return None
        try:
            return self.desk.audit.announce(self.record(admitted))
        except GateRefused:
            raise
        except Exception as error:
            raise GateRefused(
                f"the request could not be written to the audit log ({type(error).__name__})",
                expected="a durable record before the first byte",
                remedy="Mend the log: see that its disk has room and its folder can be written.",
            ) from error


class Exchange:
    """One attempt of one request: a flight that takes off when it is made. ``is_cut`` once it outlived its proof."""

    def __init__(self, visit: Visit, admitted: Open, watch: RequestWatch | None) -> None:
        self.keys = frozenset(admitted.keys)
        self.is_cut = False
        self._visit = visit
        self._engine = visit.desk.engine
        self._epoch = admitted.epoch
        self._watch = watch
        self._may_send = self._is_over = False
        self._status: int | None = None
        self._key: str | None = None
        self._sent = self._received = 0
        self._engine.take_off(self)

    def cut(self) -> None:
        """It outlived its proof. The connections of threads are shut by :class:`~voltage_attest.gate.pin.Pinned`."""
        self.is_cut = True

    def trace(self, event: str, _info: Mapping[str, object] | None = None) -> None:
        """The ``trace`` extension of httpx: however long a connection was waited for, an old one carries nothing."""
        if event == _BEFORE_HEADERS:
            self._engine.require_epoch(self._epoch)
            self._may_send = True

    def sending(self, chunk: bytes) -> None:
        """A part of the body is about to go out."""
        if not self._may_send:  # the library did not say that headers go out: late, but before any of the body
            self.trace(_BEFORE_HEADERS)
        self._sent += len(chunk)
        if self._watch is not None:
            self._watch.sent(chunk)

    def answered(self, status: int, stream: NetworkStream | None) -> None:
        """The head of an answer came; raises :class:`GateRefused` unless it may reach the caller."""
        self._status = status
        self._key = None if stream is None else key_met(stream)
        refusal = _UNPINNED if self._key is None else judge_answer(status)
        if refusal is not None:
            raise refusal.error()
        if self._key is not None:
            self.keys = frozenset((self._key,))

    def received(self, chunk: bytes) -> None:
        """A part of the answer's body came."""
        self.require_proof()
        self._received += len(chunk)
        if self._watch is not None:
            self._watch.received(chunk)

    def require_proof(self) -> None:
        """Raise if the answer outlived its proof."""
        if self.is_cut:
            raise _OUTLIVED.error()

    def reason(self, error: BaseException) -> BaseException:
        """The exception to raise for one that came up: an answer that was ended breaks off like any other."""
        return _OUTLIVED.error() if self.is_cut and not isinstance(error, GateRefused) else error

    def end(self, outcome: Outcome, error: BaseException | None = None) -> None:
        """It is over. What the watch raises is told to the listener only; nothing happens the second time."""
        if self._is_over:
            return
        self._is_over = True
        self._engine.flights.land(self)
        self._engine.tell(EventKind.REQUEST_ENDED, outcome.value)
        if self._watch is not None:
            try:
                self._watch.ended(self._record_of(outcome, error))
            except Exception as failure:  # noqa: BLE001 - what was said before the first byte stands; the next request is refused
                _LOG.error("the end of a request could not be written to the audit log (%s)", type(failure).__name__)
                self._engine.tell(EventKind.AUDIT_FAILED, type(failure).__name__)

    def _record_of(self, outcome: Outcome, error: BaseException | None) -> RequestEnd:
        visit = self._visit
        return RequestEnd(
            visit.request_id,
            visit.attempts,
            visit.now(),
            outcome,
            self._status,
            self._key,
            self._sent,
            self._received,
            None if error is None else type(error).__name__,
        )

    def failed(self, error: BaseException) -> None:
        """It ended with an exception."""
        self.end(Outcome.REFUSED if isinstance(error, GateRefused) else Outcome.FAILED, error)

    @property
    def is_watched(self) -> bool:
        """Whether its end is written down, which may take a moment."""
        return self._watch is not None and not self._is_over


class AsyncExchange(Exchange):
    """As :class:`Exchange`, for asyncio: waiting for the pod is ended by the loop itself."""

    def __init__(self, visit: Visit, admitted: Open, watch: RequestWatch | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Timeout | None = None
        super().__init__(visit, admitted, watch)

    def cut(self) -> None:
        """Have the loop end it."""
        self.is_cut = True
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop_waiting)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.reschedule(self._loop.time())

    async def trace_async(self, event: str, info: Mapping[str, object] | None = None) -> None:
        """As :meth:`trace`."""
        self.trace(event, info)

    def waiting(self) -> _Waiting:
        """A context in which the pod is waited for: TimeoutError if the exchange is cut."""
        return _Waiting(self)


class _Waiting:
    """Lends the exchange a time-out that has no time yet."""

    def __init__(self, exchange: AsyncExchange) -> None:
        self._exchange = exchange
        self._timeout = asyncio.timeout(None)

    async def __aenter__(self) -> None:
        self._exchange.require_proof()
        await self._timeout.__aenter__()
        self._exchange._waiting = self._timeout  # noqa: SLF001 - two halves of one thing

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._exchange._waiting = None  # noqa: SLF001
        await self._timeout.__aexit__(kind, error, trace)  # type: ignore[arg-type]
