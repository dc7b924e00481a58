"""The HTTP client for everything that is fetched: bounded in bytes and time, deaf to the environment, silent about secrets.

>>> request = HttpRequest("https://api.example.org/v1/evidence", "the evidence", 1 << 20, ("application/json",))
>>> with BoundedClient() as client:                           # doctest: +SKIP
...     answer = client.get(request, deadline=20.0)

* https only, but for http to a literal loopback host; redirects are reported, never followed.
* GET, or POST where the request has a body; a POST is sent once, unless it says that it may be repeated.
* A total deadline for all attempts, besides the time-outs of each; backoff with full jitter; ``Retry-After`` is honoured.
* A body is counted as it arrives; compressed answers are refused, so that what is counted is what is kept.
* ``HTTP_PROXY``, ``SSL_CERT_FILE``, ``.netrc`` and their like are ignored: a proxy or a company's CA is named explicitly.
* Every failure is a :class:`~voltage_attest.errors.FetchError` without key, header, query or body in it.

All decisions are taken in :mod:`voltage_attest.collateral.http_core`; the two clients below move bytes and wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom
from types import TracebackType
from typing import Final, Self

import httpx

from voltage_attest._version import __version__
from voltage_attest.collateral.http_core import (
    OUT_OF_TIME,
    Accept,
    Exchange,
    Failure,
    GiveUp,
    HttpAnswer,
    HttpRequest,
    Intake,
    Limits,
    Post,
    cut_off,
    why_unusable_url,
)
from voltage_attest.collateral.tls import tls_context
from voltage_attest.errors import FetchError

__all__ = [
    "AsyncBoundedClient",
    "BoundedClient",
    "FetchError",
    "HttpAnswer",
    "HttpRequest",
    "Limits",
    "Pace",
    "Post",
    "why_unusable_url",
]

_CONNECTIONS: Final = httpx.Limits(max_connections=16, max_keepalive_connections=0)
"""No connection is kept: four requests run at once, and the watchdog must have seen the socket that it shuts."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Clocks, sleep and chance; tests bring their own. ``draw`` yields numbers from 0 to 1."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    sleep_async: Callable[[float], Awaitable[None]] = asyncio.sleep
    draw: Callable[[], float] = SystemRandom().random


class BoundedClient:
    """The client for threads; may be shared between them. Close it, or use it as a context manager.

    ``proxy`` is the URL of an HTTP proxy. ``tls_ca`` names a PEM file of CA certificates trusted besides the public ones;
    :class:`~voltage_attest.errors.TrustRootError` if it cannot be used. ``transport`` replaces the network.
    """

    def __init__(
        self,
        *,
        proxy: str | None = None,
        tls_ca: Path | str | None = None,
        limits: Limits | None = None,
        pace: Pace | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._limits = limits or Limits()
        self._pace = pace or Pace()
        self._client = httpx.Client(
            verify=tls_context(tls_ca, ssl.TLSVersion.TLSv1_2, server="server"),
            trust_env=False,
            proxy=_checked_proxy(proxy),
            limits=_CONNECTIONS,
            follow_redirects=False,
            transport=transport,
        )

    def get(self, request: HttpRequest, *, deadline: float) -> HttpAnswer:
        """As :meth:`send`, for a request without a body."""
        return self.send(request, deadline=deadline)

    def send(self, request: HttpRequest, *, deadline: float) -> HttpAnswer:
        """Send the request, and return the complete answer with status 200, or raise FetchError.

        All attempts and waits together take at most ``deadline`` seconds. Only the operating system's name resolution may
        exceed it: that cannot be interrupted.
        """
        pace = self._pace
        exchange = Exchange(request, self._limits, deadline=deadline, now=pace.monotonic(), draw=pace.draw)
        while True:
            decision = exchange.decide(self._attempt(exchange), pace.monotonic())
            if isinstance(decision, Accept):
                return decision.answer
            if isinstance(decision, GiveUp):
                raise decision.error
            pace.sleep(decision.seconds)

    def _attempt(self, exchange: Exchange) -> HttpAnswer | Failure:
        started = self._pace.monotonic()
        with _Watchdog(exchange.time_left(started)) as watchdog:
            try:
                outcome = self._exchange_bytes(exchange, started, watchdog)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                outcome = _failure_of(error)
        # A socket that was shut looks like the end of a body that has no declared length.
        return OUT_OF_TIME if watchdog.has_bitten else outcome

    def _exchange_bytes(self, exchange: Exchange, started: float, watchdog: _Watchdog) -> HttpAnswer | Failure:
        pace, request = self._pace, exchange.request
        with self._client.stream(
            request.method,
            request.url,
            headers=_headers(request),
            content=_content(request),
            timeout=_timeout(exchange, started),
            extensions={"trace": watchdog.trace},
        ) as response:
            intake = Intake(request, response.status_code, response.headers.multi_items(), wall=pace.wall())
            if intake.wants_more:
                for chunk in response.iter_bytes():
                    if not intake.feed(chunk):
                        break
                    if exchange.time_left(pace.monotonic()) <= 0:
                        return OUT_OF_TIME
            return intake.finish(pace.monotonic() - started)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class AsyncBoundedClient:
    """The client for asyncio; arguments and answers are those of :class:`BoundedClient`."""

    def __init__(
        self,
        *,
        proxy: str | None = None,
        tls_ca: Path | str | None = None,
        limits: Limits | None = None,
        pace: Pace | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._limits = limits or Limits()
        self._pace = pace or Pace()
        self._client = httpx.AsyncClient(
            verify=tls_context(tls_ca, ssl.TLSVersion.TLSv1_2, server="server"),
            trust_env=False,
            proxy=_checked_proxy(proxy),
            limits=_CONNECTIONS,
            follow_redirects=False,
            transport=transport,
        )

    async def get(self, request: HttpRequest, *, deadline: float) -> HttpAnswer:
        """As :meth:`send`, for a request without a body."""
        return await self.send(request, deadline=deadline)

    async def send(self, request: HttpRequest, *, deadline: float) -> HttpAnswer:
        """As :meth:`BoundedClient.send`; a cancelled task stops at once."""
        pace = self._pace
        exchange = Exchange(request, self._limits, deadline=deadline, now=pace.monotonic(), draw=pace.draw)
        while True:
            decision = exchange.decide(await self._attempt(exchange), pace.monotonic())
            if isinstance(decision, Accept):
                return decision.answer
            if isinstance(decision, GiveUp):
                raise decision.error
            await pace.sleep_async(decision.seconds)

    async def _attempt(self, exchange: Exchange) -> HttpAnswer | Failure:
        started = self._pace.monotonic()
        try:
            async with asyncio.timeout(exchange.time_left(started)):
                return await self._exchange_bytes(exchange, started)
        except TimeoutError:
            return OUT_OF_TIME
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return _failure_of(error)

    async def _exchange_bytes(self, exchange: Exchange, started: float) -> HttpAnswer | Failure:
        pace, request = self._pace, exchange.request
        async with self._client.stream(
            request.method,
            request.url,
            headers=_headers(request),
            content=_content(request),
            timeout=_timeout(exchange, started),
        ) as response:
            intake = Intake(request, response.status_code, response.headers.multi_items(), wall=pace.wall())
            if intake.wants_more:
                async for chunk in response.aiter_bytes():
                    if not intake.feed(chunk):
                        break
            return intake.finish(pace.monotonic() - started)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class _Watchdog:
    """Shuts the socket of an attempt when the time is up.

    A read time-out starts anew with each byte: a peer that sends one now and then could hold a thread for hours. The
    ``trace`` extension of httpx tells of the socket as soon as there is one.
    """

    def __init__(self, seconds: float) -> None:
        self.has_bitten = False
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._bite)
        self._timer.daemon = True

    def trace(self, event: str, info: Mapping[str, object]) -> None:
        """Remember the newest socket: TLS wraps that of TCP in another one."""
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            stream = info["return_value"]
            found = stream.get_extra_info("socket") if hasattr(stream, "get_extra_info") else None
            with self._lock:
                self._socket = found if isinstance(found, socket.socket) else None
                if self.has_bitten:
                    self._shut()

    def _bite(self) -> None:
        with self._lock:
            self.has_bitten = True
            self._shut()

    def _shut(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):  # it may be closed already
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # not SSLSocket's own: that would go on in plain text

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._timer.cancel()


def _headers(request: HttpRequest) -> dict[str, str]:
    return {
        "User-Agent": f"voltage-attest/{__version__}",
        "Accept": ", ".join(request.content_types) or "*/*",
        "Accept-Encoding": "identity",
        **({} if request.post is None else {"Content-Type": request.post.content_type}),
        **dict(request.headers),
    }


def _content(request: HttpRequest) -> bytes | None:
    return None if request.post is None else request.post.body


def _timeout(exchange: Exchange, now: float) -> httpx.Timeout:
    connect, read = exchange.timeouts(now)
    return httpx.Timeout(read, connect=connect)


def _checked_proxy(proxy: str | None) -> str | None:
    """The proxy's address; it may hold a password, so no error repeats it."""
    if proxy is not None and not proxy.startswith(("http://", "https://")):
        raise ValueError("the proxy's address cannot be used; expected http://host:port. Correct the address.")
    return proxy


def _failure_of(error: httpx.HTTPError | httpx.InvalidURL) -> Failure:
    """What happened, told from kinds of exceptions: their texts may hold headers."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Failure(
                "has a certificate that no trusted CA issued for it",
                "If a CA of your own issued it, name its PEM file as extra TLS CA; else somebody stands in between.",
            )
        if isinstance(cause, socket.gaierror):
            return Failure("could not be found by its name", "Check the address and name resolution.", transient=True)
        cause = cause.__cause__ or cause.__context__
    for kind, failure in _FAILURES:
        if isinstance(error, kind):
            return failure
    return Failure("could not be asked", "Check the address.")


_NETWORK: Final = "Check the network, the address, and any firewall in between."
_FAILURES: Final[tuple[tuple[type[Exception], Failure], ...]] = (
    (httpx.ConnectTimeout, Failure("did not accept a connection in time", _NETWORK, transient=True)),
    (httpx.TimeoutException, Failure("accepted the connection and fell silent", "Try again later.", transient=True)),
    (httpx.ProxyError, Failure("could not be reached: the proxy refused", "Check the proxy.", transient=True)),
    (httpx.ConnectError, Failure("could not be reached", _NETWORK, transient=True)),
    (httpx.RemoteProtocolError, cut_off()),
    (httpx.NetworkError, Failure("broke the connection off", "Try again later.", transient=True)),
)
