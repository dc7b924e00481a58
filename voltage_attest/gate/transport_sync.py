"""The transport of a gated client for threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from voltage_attest.errors import GateRefused
from voltage_attest.gate.courses import drive
from voltage_attest.gate.engine import _NotAdmitted
from voltage_attest.gate.exchange import Exchange, Visit
from voltage_attest.gate.model import Open
from voltage_attest.gate.shelf import Pool, Shelf
from voltage_attest.gate.transport import Shell, Wiring, conclude, is_final

if TYPE_CHECKING:
    import httpx

__all__ = ["GatedTransport"]

Trace = Callable[[str, dict[str, object]], None]


class GatedTransport(Shell):
    """Asks the gate before each request; safe to share among threads."""

    def __init__(self, wiring: Wiring, limits: object = None) -> None:
        self._shelf: Shelf[httpx.HTTPTransport] = Shelf(lambda: self.make_inner("HTTPTransport"))  # type: ignore[arg-type, return-value]
        self._body = type("GatedBody", (_Body, self.library.SyncByteStream), {})
        super().__init__(wiring, limits)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, if and when the gate is open to it."""
        try:
            return self._pass(request, self.receive(request))
        except GateRefused as error:
            refused = self.refused(error)
            if refused is error:
                raise
            raise refused from error.__cause__

    def _pass(self, request: httpx.Request, visit: Visit) -> httpx.Response:
        has_proved = False
        while True:
            admitted = drive(self.engine.admission())
            exchange = Exchange(visit, admitted, visit.announce(admitted))
            try:
                return self._send(request, exchange, admitted)
            except _NotAdmitted as error:
                if is_final(visit, error, has_proved=has_proved) or not drive(self.engine.proof(error)):
                    raise
                has_proved = has_proved or error.key is not None

    def _send(self, request: httpx.Request, exchange: Exchange, admitted: Open) -> httpx.Response:
        pool, idle = self._shelf.lease(admitted.epoch)
        try:
            if idle is not None:
                idle.inner.close()
            with self.prepared(request, self._body(request.stream, exchange.sending), _chained(exchange.trace, request)):
                response = pool.inner.handle_request(request)
        except BaseException as error:
            self.put_back(pool)
            reason = exchange.reason(error)
            exchange.failed(reason)
            if reason is error:
                raise
            raise reason from error
        answer = _Answer(self, exchange, pool, response.stream)  # type: ignore[arg-type]
        try:
            exchange.answered(response.status_code, response.extensions.get("network_stream"))
        except GateRefused as error:
            answer.close(error)
            raise
        response.stream = self._body(answer)
        return response

    def put_back(self, pool: Pool[httpx.HTTPTransport]) -> None:
        """A request is done with its pool."""
        if self._shelf.release(pool):
            pool.inner.close()

    def retire(self, epoch: int | None) -> None:
        """As :class:`~voltage_attest.gate.shelf.Pools` says; None: every pool."""
        idle = self._shelf.retire(epoch)
        if idle is not None:
            idle.inner.close()

    def abandon(self) -> None:
        """As :class:`~voltage_attest.gate.shelf.Pools` says."""
        self._shelf.forget()

    def close(self) -> None:
        """Close the connections; the gate stays open."""
        self.retire(None)


class _Body:
    """A body that is passed on piece by piece, and told of before; the library's own stream class is its second base."""

    def __init__(self, body: httpx.SyncByteStream | _Answer, tell: Callable[[bytes], None] | None = None) -> None:
        self._content = body
        self._tell = tell

    def __iter__(self) -> Iterator[bytes]:
        if self._tell is None:
            yield from self._content
            return
        for chunk in self._content:
            self._tell(chunk)
            yield chunk

    def close(self) -> None:
        self._content.close()


class _Answer:
    """The body of an answer, for as long as it is proven whose it is."""

    def __init__(
        self, shell: GatedTransport, exchange: Exchange, pool: Pool[httpx.HTTPTransport], body: httpx.SyncByteStream
    ) -> None:
        self._shell = shell
        self._exchange = exchange
        self._pool: Pool[httpx.HTTPTransport] | None = pool
        self._content = body
        self._is_complete = False

    def __iter__(self) -> Iterator[bytes]:
        try:
            for chunk in self._content:
                self._exchange.received(chunk)
                yield chunk
            self._exchange.require_proof()
            self._is_complete = True
        except Exception as error:
            reason = self._exchange.reason(error)
            self.close(reason)
            if isinstance(reason, GateRefused):
                raise self._shell.refused(reason) from None
            raise

    def close(self, error: BaseException | None = None) -> None:
        """Let the connection go, and end the exchange; nothing happens the second time."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            self._content.close()
        finally:
            self._shell.put_back(pool)
            conclude(self._exchange, error, is_complete=self._is_complete)


def _chained(ours: Trace, request: httpx.Request) -> Trace:
    """Our trace before the caller's, if there is one."""
    theirs: Trace | None = request.extensions.get("trace")
    if theirs is None:
        return ours

    def both(event: str, info: dict[str, object]) -> None:
        ours(event, info)
        theirs(event, info)

    return both
