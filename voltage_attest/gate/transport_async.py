"""The transport of a gated client for asyncio: as that for threads, awaited."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

from voltage_attest.errors import GateRefused
from voltage_attest.gate.courses import drive_async
from voltage_attest.gate.engine import _NotAdmitted
from voltage_attest.gate.exchange import AsyncExchange, Visit
from voltage_attest.gate.model import Open
from voltage_attest.gate.shelf import Pool, Shelf
from voltage_attest.gate.transport import Shell, Wiring, conclude, is_final

if TYPE_CHECKING:
    import httpx

__all__ = ["AsyncGatedTransport"]

Trace = Callable[[str, dict[str, object]], Awaitable[None]]


class AsyncGatedTransport(Shell):
    """Asks the gate before each request."""

    def __init__(self, wiring: Wiring, limits: object = None) -> None:
        self._shelf: Shelf[httpx.AsyncHTTPTransport] = Shelf(lambda: self.make_inner("AsyncHTTPTransport"))  # type: ignore[arg-type, return-value]
        self._body = type("AsyncGatedBody", (_Body, self.library.AsyncByteStream), {})
        self._closing: set[asyncio.Task[None]] = set()
        super().__init__(wiring, limits)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, if and when the gate is open to it."""
        try:
            return await self._pass(request, self.receive(request))
        except GateRefused as error:
            refused = self.refused(error)
            if refused is error:
                raise
            raise refused from error.__cause__

    async def _pass(self, request: httpx.Request, visit: Visit) -> httpx.Response:
        has_proved = False
        while True:
            admitted = await drive_async(self.engine.admission())
            # Writing to a disk may take its time: not on the loop.
            is_audited = self.wiring.desk.audit is not None
            watch = await asyncio.to_thread(visit.announce, admitted) if is_audited else visit.announce(admitted)
            exchange = AsyncExchange(visit, admitted, watch)
            try:
                return await self._send(request, exchange, admitted)
            except _NotAdmitted as error:
                if is_final(visit, error, has_proved=has_proved) or not await drive_async(self.engine.proof(error)):
                    raise
                has_proved = has_proved or error.key is not None

    async def _send(self, request: httpx.Request, exchange: AsyncExchange, admitted: Open) -> httpx.Response:
        pool, idle = self._shelf.lease(admitted.epoch, asyncio.get_running_loop())
        try:
            if idle is not None:
                self._close_soon(idle)
            body, trace = self._body(request.stream, exchange.sending), _chained(exchange.trace_async, request)
            async with exchange.waiting():
                with self.prepared(request, body, trace):
                    response = await pool.inner.handle_async_request(request)
        except BaseException as error:
            await self.put_back(pool)
            reason = exchange.reason(error)
            await recorded(exchange, lambda: exchange.failed(reason))
            if reason is error:
                raise
            raise reason from error
        answer = _Answer(self, exchange, pool, response.stream)  # type: ignore[arg-type]
        try:
            exchange.answered(response.status_code, response.extensions.get("network_stream"))
        except GateRefused as error:
            await answer.aclose(error)
            raise
        response.stream = self._body(answer)
        return response

    async def put_back(self, pool: Pool[httpx.AsyncHTTPTransport]) -> None:
        """A request is done with its pool."""
        if self._shelf.release(pool):
            await asyncio.shield(asyncio.ensure_future(pool.inner.aclose()))

    def _close_soon(self, pool: Pool[httpx.AsyncHTTPTransport]) -> None:
        """Close a pool in its own loop, from any thread; a loop that has ended took its connections with it."""
        loop = pool.place
        if isinstance(loop, asyncio.AbstractEventLoop):
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._start_closing, loop, pool)

    def _start_closing(self, loop: asyncio.AbstractEventLoop, pool: Pool[httpx.AsyncHTTPTransport]) -> None:
        task = loop.create_task(pool.inner.aclose())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def retire(self, epoch: int | None) -> None:
        """As :class:`~voltage_attest.gate.shelf.Pools` says; None: every pool."""
        idle = self._shelf.retire(epoch)
        if idle is not None:
            self._close_soon(idle)

    def abandon(self) -> None:
        """As :class:`~voltage_attest.gate.shelf.Pools` says."""
        self._shelf.forget()
        self._closing = set()

    async def aclose(self) -> None:
        """Close the connections; the gate stays open."""
        idle = self._shelf.retire(None)
        if idle is not None:
            await idle.inner.aclose()
        await asyncio.sleep(0)  # lets a closing begin that another thread has asked for
        if self._closing:
            await asyncio.wait(set(self._closing))


class _Body:
    """A body that is passed on piece by piece, and told of before; the library's own stream class is its second base."""

    def __init__(self, body: httpx.AsyncByteStream | _Answer, tell: Callable[[bytes], None] | None = None) -> None:
        self._content = body
        self._tell = tell

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._content:
            if self._tell is not None:
                self._tell(chunk)
            yield chunk

    async def aclose(self) -> None:
        await self._content.aclose()


class _Answer:
    """The body of an answer, for as long as it is proven whose it is."""

    def __init__(
        self,
        shell: AsyncGatedTransport,
        exchange: AsyncExchange,
        pool: Pool[httpx.AsyncHTTPTransport],
        body: httpx.AsyncByteStream,
    ) -> None:
        self._shell = shell
        self._exchange = exchange
        self._pool: Pool[httpx.AsyncHTTPTransport] | None = pool
        self._content = body
        self._is_complete = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunks = aiter(self._content)
        try:
            while True:
                async with self._exchange.waiting():
                    chunk = await anext(chunks, None)
                if chunk is None:
                    break
                self._exchange.received(chunk)
                yield chunk
            self._exchange.require_proof()
            self._is_complete = True
        except Exception as error:
            reason = self._exchange.reason(error)
            await self.aclose(reason)
            if isinstance(reason, GateRefused):
                raise self._shell.refused(reason) from None
            raise

    async def aclose(self, error: BaseException | None = None) -> None:
        """Let the connection go, and end the exchange; nothing happens the second time."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            await self._content.aclose()
        finally:
            await self._shell.put_back(pool)
            await recorded(self._exchange, lambda: conclude(self._exchange, error, is_complete=self._is_complete))


async def recorded(exchange: AsyncExchange, end: Callable[[], None]) -> None:
    """End an exchange; in a thread if that writes to the log, and to its end even if the task is cancelled."""
    if exchange.is_watched:
        await asyncio.shield(asyncio.ensure_future(asyncio.to_thread(end)))
    else:
        end()


def _chained(ours: Trace, request: httpx.Request) -> Trace:
    """Our trace before the caller's, if there is one."""
    theirs: Trace | None = request.extensions.get("trace")
    if theirs is None:
        return ours

    async def both(event: str, info: dict[str, object]) -> None:
        await ours(event, info)
        await theirs(event, info)

    return both
