"""A streamed answer that ends early must not look complete: "safe to increase in no patient" without its end is the opposite.

Server-sent events end with a terminator: ``data: [DONE]``, or an event whose type says that it is the last. HTTP's own end
proves nothing, because a worker that died, or a proxy with a time limit, may still end the message politely.

:class:`EventWatch` follows the raw bytes beside their consumer, keeps no more than one unfinished line, and looks into a line
only if it holds a terminator's name.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from typing import Final

from voltage_attest.errors import StreamTruncated

__all__ = ["EventWatch", "Truncated", "guard_async_stream", "guard_stream", "watch_for"]

Truncated = Callable[[StreamTruncated], Exception]
"""Makes the exception that a caller meets of ours."""

_DONE: Final = b"[DONE]"
_RESPONSES: Final = ("response.completed", "response.failed", "response.incomplete", "response.cancelled", "error")
_TRANSCRIPT: Final = ("transcript.text.done",)
_SPEECH: Final = ("speech.audio.done",)
_IMAGES: Final = ("image_generation.completed", "image_edit.completed")
_MESSAGES: Final = ("message_stop", "error")
_TERMINATORS: Final[dict[str, tuple[str, ...]]] = {
    "completions": (),
    "responses": _RESPONSES,
    "transcriptions": _TRANSCRIPT,
    "translations": _TRANSCRIPT,
    "speech": _SPEECH,
    "images": _IMAGES,
    "messages": _MESSAGES,
}
_ANY: Final = tuple(dict.fromkeys((*_RESPONSES, *_TRANSCRIPT, *_SPEECH, *_IMAGES, *_MESSAGES)))
_LINE_END: Final = re.compile(rb"\r\n|\r|\n")


class EventWatch:
    """Watches one stream for its terminator: ``[DONE]`` where ``done``, and the events named in ``last``."""

    __slots__ = ("_done", "_event", "_has_data", "_last", "_marks", "_pieces", "ended")

    def __init__(self, *, done: bool, last: tuple[str, ...] = ()) -> None:
        self.ended = False
        """Whether the terminator has come."""
        self._done = done
        self._last = frozenset(last)
        self._marks = (*((_DONE,) if done else ()), *(name.encode("ascii") for name in last))
        self._pieces: list[bytes] = []
        self._event = ""
        self._has_data = False

    def feed(self, chunk: bytes) -> None:
        """The next bytes, cut anywhere."""
        if self.ended:
            return
        end = max(chunk.rfind(b"\n"), chunk.rfind(b"\r", 0, -1)) + 1  # a CR at the end may be half of a line's end
        if end == 0:
            self._pieces.append(chunk)
            return
        lines = b"".join([*self._pieces, chunk[:end]]) if self._pieces else chunk[:end]
        self._pieces = [chunk[end:]] if end < len(chunk) else []
        if self._event or any(mark in lines for mark in self._marks):
            for line in _LINE_END.split(lines)[:-1]:
                self._take(line)

    def finish(self) -> None:
        """The stream is over: StreamTruncated if its terminator has not come, a last line without its end counted."""
        if not self.ended:
            for line in _LINE_END.split(b"".join(self._pieces)):
                self._take(line)
        if not self.ended:
            raise StreamTruncated(
                "the streamed answer",
                happened="it ended without its terminator, so its last words are missing",
                remedy="Discard what was received, for it may mean the opposite of the whole, and ask again.",
            )

    def _take(self, line: bytes) -> None:
        if not line:
            self.ended = self.ended or (self._has_data and self._event in self._last)
            self._event, self._has_data = "", False
        elif line.startswith(b"event:"):
            self._event = line[6:].strip().decode("utf-8", "replace")
        elif line.startswith(b"data:"):
            self._has_data = True
            content = line[5:].strip()
            if self._done and content == _DONE:
                self.ended = True
            elif self._last and (self._event in self._last or any(mark in content for mark in self._marks)):
                self.ended = self.ended or _type_of(content, self._event) in self._last


def watch_for(path: str) -> EventWatch:
    """The watch for an event stream that answers a request to this path; for a path unknown, any terminator will do."""
    for segment in reversed(path.split("/")):
        last = _TERMINATORS.get(segment)
        if last is not None:
            return EventWatch(done=not last, last=last)
    return EventWatch(done=True, last=_ANY)


def guard_stream(chunks: Iterable[bytes], watch: EventWatch, error: Truncated | None = None) -> Iterator[bytes]:
    """The same chunks; StreamTruncated, or what ``error`` makes of it, in place of an end that came too soon."""
    for chunk in chunks:
        watch.feed(chunk)
        yield chunk
    _finish(watch, error)


async def guard_async_stream(
    chunks: AsyncIterable[bytes], watch: EventWatch, error: Truncated | None = None
) -> AsyncIterator[bytes]:
    """:func:`guard_stream` for asynchronous streams."""
    async for chunk in chunks:
        watch.feed(chunk)
        yield chunk
    _finish(watch, error)


def _finish(watch: EventWatch, error: Truncated | None) -> None:
    try:
        watch.finish()
    except StreamTruncated as truncated:
        if error is None:
            raise
        raise error(truncated) from None


def _type_of(content: bytes, event: str) -> str:
    """The event's type: the data's own, else the name it was sent under; empty if the data is no whole JSON object."""
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        return ""
    found = data.get("type", event) if isinstance(data, dict) else ""
    return found if isinstance(found, str) else ""
