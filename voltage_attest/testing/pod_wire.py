"""The simulated pod's HTTP/1.1: requests and replies as data, and the conversation of one TLS connection.

Written for tests, not for the internet: requests are read whole, replies are known before the first byte is sent, and a reply
may say that it is to be sent slowly, in part, or not at all.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from threading import Event
from typing import Final, Protocol, TypeAlias
from urllib.parse import parse_qsl, urlsplit

__all__ = ["Answer", "Json", "Meter", "Reply", "Request", "converse", "event_stream", "json_reply"]

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"

_MAX_LINE: Final = 65536
_MAX_BODY: Final = 64 * 1024 * 1024
_LAST: Final = (("Connection", "close"),)


@dataclass(frozen=True, slots=True)
class Request:
    """One request, as received.

    ``connection`` counts the server's connections from 1. ``headers`` are by lower-case name; the API key's value is replaced,
    so that a request can be kept, shown and echoed; ``api_key`` holds it.
    """

    connection: int
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = field(default=b"", repr=False)
    api_key: str | None = field(default=None, repr=False)

    @property
    def path(self) -> str:
        """The target without its query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters; the last of each name counts."""
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    def json(self) -> Json:
        """The body as JSON; ValueError if it is none."""
        parsed: Json = json.loads(self.body)
        return parsed


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply, and how it is to be sent.

    ``events`` are sent one by one in place of ``body``, in chunked encoding, ``pause`` seconds apart. ``delay`` is in seconds
    before the first byte. The connection is cut after ``cut_after`` bytes of the body; -1: before the status line.
    """

    status: int = 200
    body: bytes = field(default=b"", repr=False)
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    events: tuple[bytes, ...] | None = field(default=None, repr=False)
    delay: float = 0.0
    pause: float = 0.0
    cut_after: int | None = None


Answer: TypeAlias = Callable[[Request], Reply]


def json_reply(document: Json, *, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    """Answer with a JSON document."""
    return Reply(status, json.dumps(document).encode(), headers=headers)


def event_stream(*documents: dict[str, Json], done: bool = True, named: bool = False) -> Reply:
    """Answer with server-sent events, one a document, ended by ``data: [DONE]`` if ``done``.

    ``named`` gives each event its document's ``type`` as its name.
    """
    events: list[bytes] = []
    for document in documents:
        name = f"event: {document['type']}\n" if named else ""
        events.append(f"{name}data: {json.dumps(document)}\n\n".encode())
    return Reply(content_type="text/event-stream", events=(*events, b"data: [DONE]\n\n") if done else tuple(events))


class Meter(Protocol):
    """Who counts what arrives."""

    def count_bytes(self, number: int) -> None:
        """Application bytes (inside TLS) have been received."""

    def count_request(self, request: Request) -> None:
        """A request has been received whole."""


class _MeteredReader(io.RawIOBase):
    """The receiving half of a connection; every application byte is counted when it is taken out of TLS."""

    def __init__(self, connection: ssl.SSLSocket, meter: Meter) -> None:
        self._connection = connection
        self._meter = meter

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        received = self._connection.recv_into(buffer)
        self._meter.count_bytes(received)
        return received


class _BadRequestError(Exception):
    """Not HTTP/1.1 as clients speak it."""


def converse(connection: ssl.SSLSocket, number: int, meter: Meter, answer: Answer, stopping: Event) -> None:
    """Serve requests until the client is done, a reply cuts it, or the server stops. OSError if the peer is gone."""
    with io.BufferedReader(_MeteredReader(connection, meter)) as reader:
        while True:
            try:
                request = _read_request(reader, number, connection)
            except (_BadRequestError, ValueError, http.client.HTTPException) as error:
                _send(connection, json_reply({"error": str(error)}, status=400, headers=_LAST), stopping)
                return
            if request is None:
                return
            meter.count_request(request)
            reply = answer(request)
            is_last = request.headers.get("connection", "").lower() == "close"
            if is_last:
                reply = replace(reply, headers=(*reply.headers, *_LAST))
            if not _send(connection, reply, stopping) or is_last:
                return


def _read_request(reader: io.BufferedIOBase, number: int, connection: ssl.SSLSocket) -> Request | None:
    line = reader.readline(_MAX_LINE)
    if not line:
        return None
    words = line.decode("latin-1").split()
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise _BadRequestError("no HTTP/1.1 request line")
    headers = {name.lower(): value for name, value in http.client.parse_headers(reader).items()}
    if headers.get("expect", "").lower() == "100-continue":
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = _read_body(reader, headers)
    if body is None:
        return None
    api_key = None
    if "authorization" in headers:
        scheme, _, api_key = headers["authorization"].partition(" ")
        headers["authorization"] = f"{scheme} (withheld)"
    return Request(number, words[0], words[1], headers, body, api_key)


def _read_body(reader: io.BufferedIOBase, headers: Mapping[str, str]) -> bytes | None:
    """The body, or None if the client left before its end."""
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return _read_chunks(reader)
    size = int(headers.get("content-length", "0"))
    if not 0 <= size <= _MAX_BODY:
        raise _BadRequestError(f"a body of {size} bytes")
    body = reader.read(size)
    return body if len(body) == size else None


def _read_chunks(reader: io.BufferedIOBase) -> bytes | None:
    body = bytearray()
    while True:
        line = reader.readline(_MAX_LINE)
        if not line:
            return None
        size = int(line.split(b";")[0], 16)
        if not 0 <= size <= _MAX_BODY - len(body):
            raise _BadRequestError(f"a chunk of {size} bytes")
        if size == 0:
            http.client.parse_headers(reader)
            return bytes(body)
        chunk = reader.read(size + 2)
        if len(chunk) != size + 2:
            return None
        body += chunk[:-2]


def _send(connection: ssl.SSLSocket, reply: Reply, stopping: Event) -> bool:
    """Send the reply; False if the connection is of no further use."""
    if stopping.wait(reply.delay) if reply.delay else stopping.is_set():
        return False
    if reply.cut_after == -1:
        return False
    pieces = _pieces(reply)
    if reply.pause:
        for piece in pieces:
            connection.sendall(piece)
            if stopping.wait(reply.pause):
                return False
    elif reply.events is None:
        connection.sendall(b"".join(pieces))
    else:
        for piece in pieces:
            connection.sendall(piece)
    return reply.cut_after is None


def _pieces(reply: Reply) -> Iterator[bytes]:
    """Head and body as they go out; with ``cut_after``, only so much of the body."""
    framing = f"Content-Length: {len(reply.body)}" if reply.events is None else "Transfer-Encoding: chunked"
    lines = [
        f"HTTP/1.1 {reply.status} {_phrase(reply.status)}",
        f"Content-Type: {reply.content_type}",
        *[f"{name}: {value}" for name, value in reply.headers],
        framing,
    ]
    yield "\r\n".join((*lines, "", "")).encode("latin-1")
    left = reply.cut_after
    for event in (reply.body,) if reply.events is None else reply.events:
        part = event if left is None else event[:left]
        if part:
            yield part if reply.events is None else b"%x\r\n%b\r\n" % (len(part), part)
        if left is not None:
            left -= len(part)
            if left <= 0:
                return
    if reply.events is not None:
        yield b"0\r\n\r\n"


def _phrase(status: int) -> str:
    with contextlib.suppress(ValueError):
        return HTTPStatus(status).phrase
    return "Unknown"
