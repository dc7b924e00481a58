"""A server on 127.0.0.1 that does to each connection what a script says: properly, or as badly as a test needs."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

__all__ = ["Loopback", "Received", "Script", "answer", "serving", "serving_requests"]

Script = Callable[[socket.socket, str], None]
"""Given a connection on which a request has been read, and the request's target."""


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it arrived; ``head`` is all before the body."""

    method: str
    target: str
    head: str
    body: bytes


@dataclass(slots=True)
class Loopback:
    """A running server: its port, whether it speaks TLS, and what was asked, in order of arrival."""

    port: int
    tls: bool
    targets: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)

    @property
    def base(self) -> str:
        """Scheme, host and port."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"


def answer(
    body: bytes,
    *headers: tuple[str, str],
    status: str = "200 OK",
    content_type: str = "application/json",
    length: int | None = None,
) -> bytes:
    """The bytes of an HTTP answer; ``length`` lies about the body's."""
    head = [
        f"HTTP/1.1 {status}",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(body) if length is None else length}",
        *(f"{name}: {value}" for name, value in headers),
    ]
    return "\r\n".join([*head, "", ""]).encode("latin-1") + body


def serving(script: Script, context: ssl.SSLContext | None = None) -> contextlib.AbstractContextManager[Loopback]:
    """Serve while the block runs, one thread a connection."""
    return serving_requests(lambda connection, request: script(connection, request.target), context)


@contextlib.contextmanager
def serving_requests(
    script: Callable[[socket.socket, Received], None], context: ssl.SSLContext | None = None
) -> Iterator[Loopback]:
    """As :func:`serving`, for a script that wants to know more of a request than its target."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    server = Loopback(listener.getsockname()[1], context is not None)
    stopping = threading.Event()

    def converse(raw: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            connection = stack.enter_context(raw if context is None else context.wrap_socket(raw, server_side=True))
            connection.settimeout(20)
            request = _receive(connection)
            if request is None:
                return
            server.targets.append(request.target)
            server.requests.append(request.head)
            server.received.append(request)
            script(connection, request)

    def accept() -> None:
        while not stopping.is_set():
            try:
                raw, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=converse, args=(raw,), daemon=True).start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield server
    finally:
        stopping.set()
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join()


def _receive(connection: socket.socket) -> Received | None:
    """Read a request with its body; None where it breaks off."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return None
        data += piece
    end = data.index(b"\r\n\r\n") + 4
    head, body = data[:end].decode("latin-1"), data[end:]
    declared = re.search(r"^content-length: (\d+)", head, re.IGNORECASE | re.MULTILINE)
    while len(body) < (int(declared[1]) if declared else 0):
        piece = connection.recv(65536)
        if not piece:
            return None
        body += piece
    method, target, _ = head.split(" ", 2)
    return Received(method, target, head, body)
