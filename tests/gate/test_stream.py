"""A stream that lost its end is found out however its bytes are cut; a whole one passes unchanged."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voltage_attest.errors import StreamTruncated
from voltage_attest.gate.stream import guard_async_stream, guard_stream, watch_for
from voltage_attest.gate.stream_hooks import EXPECTS_EVENTS, guard_streams

CHAT = "/v1/confidential/chat/completions"
RESPONSES = "/v1/confidential/responses"
TRANSCRIPTIONS = "/v1/confidential/audio/transcriptions"


def event(name: str | None = None, **data: object) -> str:
    head = "" if name is None else f"event: {name}\n"
    return f"{head}data: {json.dumps(data)}\n\n"


CHAT_STREAM = event(choices=[{"delta": {"content": "in no"}}]) + event(choices=[]) + "data: [DONE]\n\n"
RESPONSES_STREAM = "".join(
    event(kind, type=kind, n=number) for number, kind in enumerate(("response.created", "response.output_text.delta"))
) + event("response.completed", type="response.completed", response={"id": "r", "output": ["x" * 300]})
TRANSCRIPT_STREAM = event(type="transcript.text.delta", delta="a") + event(type="transcript.text.done", text="a")
WHOLE = {CHAT: CHAT_STREAM, RESPONSES: RESPONSES_STREAM, TRANSCRIPTIONS: TRANSCRIPT_STREAM}


def passes(path: str, *chunks: str | bytes) -> bool:
    sent = [chunk.encode() if isinstance(chunk, str) else chunk for chunk in chunks]
    received: list[bytes] = []
    try:
        received.extend(guard_stream(sent, watch_for(path)))
    except StreamTruncated:
        return False
    assert received == sent
    return True


@pytest.mark.parametrize("path", WHOLE)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
def test_a_whole_stream_passes_however_it_is_cut(path: str, end: str) -> None:
    stream = WHOLE[path].replace("\n", end).encode()
    assert passes(path, stream)
    assert passes(path, *[stream[at : at + 1] for at in range(len(stream))])
    for cut in range(len(stream)):
        assert passes(path, stream[:cut], stream[cut:])


@pytest.mark.parametrize("path", WHOLE)
def test_a_stream_cut_anywhere_before_its_end_is_truncated(path: str) -> None:
    stream = WHOLE[path].rstrip("\n").encode()
    for cut in range(len(stream)):
        assert not passes(path, stream[:cut])
    assert passes(path, stream)


@given(data=st.data())
@pytest.mark.parametrize("path", WHOLE)
def test_any_cutting_of_whole_and_truncated_streams_is_told_apart(path: str, data: st.DataObject) -> None:
    stream = WHOLE[path].encode()
    end = data.draw(st.sampled_from([len(stream), data.draw(st.integers(0, len(stream.rstrip()) - 1))]))
    cuts = sorted(data.draw(st.sets(st.integers(0, end), max_size=8)) | {0, end})
    chunks = [stream[start:stop] for start, stop in itertools.pairwise(cuts)]
    assert passes(path, *chunks) == (end == len(stream))


@pytest.mark.parametrize(
    "chunk",
    [
        event(choices=[{"delta": {"content": "data: [DONE]"}}]),
        event(choices=[{"delta": {"content": "\n\ndata: [DONE]\n\n"}}]),
        "data: [DONE] not\n\n",
        ": [DONE]\n\n",
        "event: [DONE]\n\n",
        "id: 7\ndata: \n\n",
        "[DONE]\n\n",
    ],
)
def test_a_model_that_says_done_ends_no_stream(chunk: str) -> None:
    assert not passes(CHAT, chunk)


@pytest.mark.parametrize(
    "chunk",
    [
        event("response.output_text.delta", type="response.output_text.delta", delta='{"type":"response.completed"}'),
        event(type="response.output_text.delta", delta="event: response.completed\n\n"),
        event(type="response.in_progress", nested={"type": "response.completed"}),
        event("response.output_text.delta", delta="x", named="response.completed"),
        "event: response.completed\n\n",
        'event: response.completed\ndata: {"type": "response.compl',
        "data: [DONE]\n\n",
        'data: ["response.completed"]\n\n',
        'data: {"type": {"response.completed": 1}}\n\n',
    ],
)
def test_a_model_that_says_completed_ends_no_response(chunk: str) -> None:
    assert not passes(RESPONSES, event("response.created", type="response.created"), chunk)


@pytest.mark.parametrize("kind", ["response.failed", "response.incomplete", "response.cancelled", "error"])
def test_a_response_may_end_badly_and_say_so(kind: str) -> None:
    assert passes(RESPONSES, event(kind, type=kind))
    assert passes(RESPONSES, event(type=kind))
    assert passes(RESPONSES, event(kind, message="no type of its own"))
    assert passes(RESPONSES, f"event: {kind}\ndata: two\ndata: lines\n\n")


@pytest.mark.parametrize(
    ("path", "last"),
    [
        ("/v1/audio/speech", "speech.audio.done"),
        ("/v1/images/generations", "image_generation.completed"),
        ("/v1/images/edits", "image_edit.completed"),
        ("/v1/messages", "message_stop"),
        ("/v1/responses/resp_1", "response.completed"),
        ("/v1/something/new", "response.completed"),
    ],
)
def test_each_path_has_its_own_terminator(path: str, last: str) -> None:
    assert passes(path, event(last, type=last))
    assert not passes(path, event("other", type="other"))


def test_a_path_unknown_may_end_with_done() -> None:
    assert passes("/v1/something/new", "data: [DONE]\n\n")
    assert not passes("/v1/something/new", "data: {}\n\n")
    assert not passes("/v1/something/new")


def test_what_comes_after_the_end_passes() -> None:
    assert passes(CHAT, CHAT_STREAM, ": keep-alive\n", "data: {}\n\n")


def test_leaving_early_is_no_error() -> None:
    stream = guard_stream(iter([b"data: 1\n\n", b"data: 2\n\n"]), watch_for(CHAT))
    assert next(stream) == b"data: 1\n\n"
    stream.close()  # type: ignore[attr-defined]


def test_the_error_says_what_to_do_and_holds_nothing_of_the_answer() -> None:
    with pytest.raises(StreamTruncated, match="Discard what was received") as raised:
        list(guard_stream([b"data: PHI"], watch_for(CHAT)))
    assert "PHI" not in f"{raised.value!r} {raised.value}"


# In an HTTP client.

HTML = {"content-type": "text/html"}
EVENTS = {"content-type": "text/event-stream; charset=utf-8"}


class Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A streamed body of httpx."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        yield self.text.encode()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.text.encode()

    def close(self) -> None:
        self.closed += 1

    async def aclose(self) -> None:
        self.closed += 1


class Body2(Body, httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """The same of httpx2."""


LIBRARIES = pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])


def read(library: Any, text: str, headers: dict[str, str], status: int = 200, path: str = CHAT) -> object:
    """The answer as a synchronous and an asynchronous client read it, or the error's text; both agree, and close it once."""
    bodies = [Body2(text), Body2(text)]

    def answer(_: object) -> Any:
        return library.Response(status, headers=headers, stream=bodies[0])

    async def answer_async(_: object) -> Any:
        return library.Response(status, headers=headers, stream=bodies[1])

    async def read_async() -> object:
        async with library.AsyncClient(transport=library.MockTransport(answer_async)) as client:
            guard_streams(client)
            try:
                return (await client.get(f"https://pod{path}")).content
            except StreamTruncated as error:
                return str(error)

    found = asyncio.run(read_async())
    with library.Client(transport=library.MockTransport(answer)) as client:
        guard_streams(client)
        try:
            content = client.get(f"https://pod{path}").content
        except StreamTruncated as error:
            content = str(error)
    assert content == found
    assert bodies[0].closed == bodies[1].closed == 1
    return content


@LIBRARIES
def test_a_client_reads_whole_streams_and_closes_them(library: Any) -> None:
    assert read(library, CHAT_STREAM, EVENTS) == CHAT_STREAM.encode()


@LIBRARIES
def test_a_client_raises_where_a_stream_lost_its_end(library: Any) -> None:
    assert "without its terminator" in str(read(library, CHAT_STREAM[:-20], EVENTS))


@LIBRARIES
def test_other_answers_are_not_watched(library: Any) -> None:
    assert read(library, "<html>", HTML) == b"<html>"
    assert read(library, "data: {}", EVENTS, status=500) == b"data: {}"


@LIBRARIES
def test_an_answer_to_a_request_for_a_stream_is_watched_under_any_label(library: Any) -> None:
    token = EXPECTS_EVENTS.set(True)
    try:
        assert "without its terminator" in str(read(library, "data: {}", HTML))
    finally:
        EXPECTS_EVENTS.reset(token)


@LIBRARIES
def test_a_compressed_stream_is_refused(library: Any) -> None:
    assert "compressed (gzip)" in str(read(library, "", {**EVENTS, "content-encoding": "gzip"}))


def test_an_error_of_the_callers_kind_is_raised() -> None:
    body = Body("data: 1\n\n")
    transport = httpx.MockTransport(lambda _: httpx.Response(200, headers=EVENTS, stream=body))
    with httpx.Client(transport=transport) as client:
        guard_streams(client, error=lambda truncated: LookupError(truncated.remedy))
        with pytest.raises(LookupError, match="Discard"):
            client.get(f"https://pod{CHAT}")


def test_hooks_that_are_there_stay() -> None:
    seen: list[int] = []
    with httpx.Client(
        transport=httpx.MockTransport(lambda _: httpx.Response(200, text="x")),
        event_hooks={"response": [lambda response: seen.append(response.status_code)]},
    ) as client:
        guard_streams(client)
        client.get("https://pod/")
    assert seen == [200]


def test_asynchronous_streams_are_guarded_alike() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"data: "
        yield b"[DONE]"

    async def read_all(path: str) -> list[bytes]:
        return [chunk async for chunk in guard_async_stream(chunks(), watch_for(path))]

    assert asyncio.run(read_all(CHAT)) == [b"data: ", b"[DONE]"]
    with pytest.raises(StreamTruncated):
        asyncio.run(read_all(RESPONSES))
