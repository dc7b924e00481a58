"""Every event stream that an HTTP client receives is watched for its terminator, by the client's own response hooks.

Works on ``Client`` and ``AsyncClient`` of httpx and httpx2 alike, below whatever reads the answer: events, lines or raw bytes.
"""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, MutableMapping
from contextvars import ContextVar
from functools import cache
from typing import Any, Final, Protocol

from voltage_attest.errors import StreamTruncated
from voltage_attest.gate.stream import EventWatch, Truncated, guard_async_stream, guard_stream, watch_for

__all__ = ["EXPECTS_EVENTS", "guard_streams"]

EXPECTS_EVENTS: ContextVar[bool] = ContextVar("voltage_attest_expects_events", default=False)
"""Whether the request that is being sent asked for a stream, as the client above knows: its answer is one under any label."""

_EVENTS: Final = "text/event-stream"
_PLAIN: Final = frozenset({"", "identity"})


class _Hooked(Protocol):
    """What httpx and httpx2 have in common."""

    @property
    def event_hooks(self) -> dict[str, list[Callable[..., Any]]]: ...
    @event_hooks.setter
    def event_hooks(self, hooks: dict[str, list[Callable[..., Any]]], /) -> None: ...
    @property
    def headers(self) -> MutableMapping[str, str]: ...


class _Url(Protocol):
    @property
    def path(self) -> str: ...


class _Request(Protocol):
    @property
    def url(self) -> _Url: ...


class _Response(Protocol):
    status_code: int
    stream: Any

    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def request(self) -> _Request: ...


class _Guarded:
    """An answer's body that is watched while it is read; of either library's stream classes by inheritance."""

    def __init__(self, inner: Any, watch: EventWatch, error: Truncated | None) -> None:
        self._inner = inner
        self._watch = watch
        self._error = error

    def __iter__(self) -> Iterator[bytes]:
        return guard_stream(self._inner, self._watch, self._error)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return guard_async_stream(self._inner, self._watch, self._error)

    def close(self) -> None:
        """Close the answer; leaving before its end is the caller's right."""
        self._inner.close()

    async def aclose(self) -> None:
        """As :meth:`close`."""
        await self._inner.aclose()


def guard_streams(client: _Hooked, *, error: Truncated | None = None) -> None:
    """Let the client raise StreamTruncated, or what ``error`` makes of it, where an event stream ends without terminator."""
    library = next(base.__module__.partition(".")[0] for base in reversed(type(client).__mro__) if base is not object)

    def watch(response: _Response) -> None:
        if not 200 <= response.status_code < 300 or not (EXPECTS_EVENTS.get() or _is_events(response)):
            return
        encoding = response.headers.get("content-encoding", "").strip().lower()
        if encoding not in _PLAIN:
            unseen = _unseen(encoding)
            raise unseen if error is None else error(unseen)
        guarded = _guarded_class(library, "AsyncByteStream" if is_async else "SyncByteStream")
        response.stream = guarded(response.stream, watch_for(response.request.url.path), error)

    async def watch_async(response: _Response) -> None:
        watch(response)

    is_async = hasattr(client, "aclose")
    client.headers["Accept-Encoding"] = "identity"  # an end must be seen to be watched for
    hooks = client.event_hooks
    client.event_hooks = {**hooks, "response": [*hooks.get("response", []), watch_async if is_async else watch]}


@cache
def _guarded_class(library: str, base: str) -> Callable[[object, EventWatch, Truncated | None], object]:
    return type("GuardedStream", (_Guarded, getattr(importlib.import_module(library), base)), {})


def _is_events(response: _Response) -> bool:
    return response.headers.get("content-type", "").partition(";")[0].strip().lower() == _EVENTS


def _unseen(encoding: str) -> StreamTruncated:
    known = encoding if encoding in {"gzip", "deflate", "br", "zstd"} else "unknown"
    return StreamTruncated(
        "the streamed answer",
        happened=f"it is compressed ({known}), so that its end cannot be watched for",
        remedy="Send `Accept-Encoding: identity`, and let no proxy compress event streams.",
    )
