"""The simulated pod's listener: TLS on loopback, one thread a connection, and everything counted.

What counts is what reaches the application: TCP connections, finished TLS handshakes, and bytes that came out of TLS. A server
that a client abandons in the handshake, as a gate abandons a wrong peer, has handshakes and 0 application bytes.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from threading import Condition, Event, Thread
from types import MappingProxyType
from typing import Final

from voltage_attest.testing.pod_wire import Answer, Request, converse
from voltage_attest.testing.tls import TlsIdentity

__all__ = ["Endpoint", "Listener", "Traffic", "TrafficMeter"]

_KEPT_REQUESTS: Final = 10_000
_IN_FLIGHT: Final = 0.06
"""Seconds that bytes may wait in a client that has not switched off Nagle's algorithm: until the delayed ACK, 40 ms."""

_PATIENCE: Final = 2.0
"""Seconds that a connection gets to end by itself when the server stops."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a server has received so far.

    ``connections`` counts TCP connections accepted, ``handshakes`` the TLS handshakes among them that were completed,
    ``application_bytes`` what arrived inside TLS. ``requests`` counts whole requests by path, without the query.
    """

    connections: int = 0
    handshakes: int = 0
    application_bytes: int = 0
    requests: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    def requests_below(self, prefix: str | tuple[str, ...]) -> int:
        """How many requests had a path that begins so."""
        return sum(number for path, number in self.requests.items() if path.startswith(prefix))


class TrafficMeter:
    """Counts for one server, whichever thread or port the traffic comes through."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._connections = self._handshakes = self._bytes = 0
        self._paths: Counter[str] = Counter()
        self._received: deque[Request] = deque(maxlen=_KEPT_REQUESTS)

    def count_connection(self) -> None:
        """A TCP connection was accepted."""
        with self._changed:
            self._connections += 1

    def count_handshake(self) -> None:
        """A TLS handshake was completed."""
        with self._changed:
            self._handshakes += 1

    def count_bytes(self, number: int) -> None:
        """Application bytes (inside TLS) have been received."""
        with self._changed:
            self._bytes += number

    def count_request(self, request: Request) -> None:
        """A request has been received whole."""
        with self._changed:
            self._paths[request.path] += 1
            self._received.append(request)
            self._changed.notify_all()

    def wait_for(self, number: int, below: str | tuple[str, ...], seconds: float) -> bool:
        """Wait until so many requests below that path prefix have come, at most that long."""
        with self._changed:
            return self._changed.wait_for(lambda: self._below(below) >= number, seconds)

    def _below(self, prefix: str | tuple[str, ...]) -> int:
        return sum(number for path, number in self._paths.items() if path.startswith(prefix))

    def traffic(self) -> Traffic:
        """All counts at this moment."""
        with self._changed:
            return Traffic(self._connections, self._handshakes, self._bytes, MappingProxyType(dict(self._paths)))

    def received(self) -> tuple[Request, ...]:
        """The latest 10,000 requests, oldest first."""
        with self._changed:
            return tuple(self._received)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Who answers a connection: with which key, with what, and who counts."""

    identity: TlsIdentity
    answer: Answer
    meter: TrafficMeter


class Listener:
    """A port on 127.0.0.1, chosen by the system. Every new connection is given to the endpoint of that moment."""

    def __init__(self, endpoint: Callable[[], Endpoint]) -> None:
        self._endpoint = endpoint
        self._changed = Condition()
        self._open: dict[int, ssl.SSLSocket] = {}
        self._threads: list[Thread] = []
        self._accepted = 0
        self._stopping = Event()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self._socket.getsockname()[1]
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._acceptor = Thread(target=self._accept_all, name="simulated pod", daemon=True)
        self._acceptor.start()

    @property
    def open_connections(self) -> int:
        """How many connections are open at this moment, also those still in their handshake."""
        with self._changed:
            return len(self._open)

    def wait_until_idle(self, seconds: float) -> bool:
        """Wait until no connection is open, at most that long; False if one still is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._open, seconds)

    def drop_connections(self) -> None:
        """Close every open connection, without a word."""
        with self._changed:
            connections = tuple(self._open.values())
        _shut(connections, socket.SHUT_RDWR)

    def close(self) -> None:
        """Stop: no new connection; what has already arrived on the open ones is still counted; no thread remains."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._wake_writer.send(b"\0")
        self._acceptor.join()
        for end in (self._socket, self._wake_reader, self._wake_writer):
            end.close()
        with self._changed:
            connections, threads = tuple(self._open.values()), tuple(self._threads)
        # What a client has written may still be in its own kernel.
        self.wait_until_idle(_IN_FLIGHT)
        # Reading ends, after what the kernel already holds; a thread that is stuck in sending is torn off later.
        _shut(connections, socket.SHUT_RD)
        if not self.wait_until_idle(_PATIENCE):
            _shut(connections, socket.SHUT_RDWR)
        for thread in threads:
            thread.join()

    def _accept_all(self) -> None:
        with selectors.DefaultSelector() as selector:
            for end in (self._socket, self._wake_reader):
                selector.register(end, selectors.EVENT_READ)
            while True:
                ready = [key.fileobj for key, _ in selector.select()]
                if self._stopping.is_set():
                    return
                if self._socket in ready:
                    with contextlib.suppress(OSError):
                        self._accept()

    def _accept(self) -> None:
        raw, _ = self._socket.accept()
        endpoint = self._endpoint()
        endpoint.meter.count_connection()
        with contextlib.ExitStack() as on_failure:
            on_failure.enter_context(raw)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # Without input or output: the handshake is the connection's own thread's.
            connection = endpoint.identity.context.wrap_socket(raw, server_side=True, do_handshake_on_connect=False)
            on_failure.pop_all()
        self._accepted += 1
        number = self._accepted
        thread = Thread(target=self._serve, args=(connection, number, endpoint), name=f"simulated pod {number}", daemon=True)
        with self._changed:
            self._open[number] = connection
            self._threads = [earlier for earlier in self._threads if earlier.is_alive()]
            thread.start()
            self._threads.append(thread)

    def _serve(self, connection: ssl.SSLSocket, number: int, endpoint: Endpoint) -> None:
        try:
            # An OSError is a client that left, or one that will not have this certificate: its right, and no news here.
            with contextlib.suppress(OSError), connection:
                connection.do_handshake()
                endpoint.meter.count_handshake()
                converse(connection, number, endpoint.meter, endpoint.answer, self._stopping)
        finally:
            connection.close()
            with self._changed:
                del self._open[number]
                self._changed.notify_all()


def _shut(connections: Iterable[ssl.SSLSocket], how: int) -> None:
    """Shut the TCP connection below TLS. ``SSLSocket.shutdown`` would also drop the TLS state under the reader's feet."""
    for connection in connections:
        with contextlib.suppress(OSError):
            super(ssl.SSLSocket, connection).shutdown(how)
