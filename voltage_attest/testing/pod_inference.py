"""The simulated pod's inference: an OpenAI-compatible API that answers at once and shows what reached it.

Every JSON answer has one member more than OpenAI's, ``simulated``: the connection's number, the headers without the API key's
value, and the request. In a stream its first event has it. The answer's text is always :data:`ANSWER`, one word an event, which
is chosen so that a stream which loses its end reads as the opposite.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import HTTP
from hashlib import sha256
from http import HTTPStatus
from itertools import pairwise
from typing import Final
from urllib.parse import unquote

from voltage_attest.testing.pod_faults import Fault
from voltage_attest.testing.pod_wire import Json, Reply, Request, event_stream, json_reply

__all__ = ["ANSWER", "MODELS", "answer_inference"]

ANSWER: Final = "The dose is safe to increase in no patient with renal failure."
"""What the simulated model says to everything."""

MODELS: Final = (
    "meta-llama/Llama-3.1-70B-Instruct-TEE",
    "BAAI/bge-m3-TEE",
    "openai/whisper-large-v3-TEE",
)
"""What ``/models`` lists; requests may name any."""

_BASE: Final = "/v1/confidential"
_CREATED: Final = 1793836800
_DIMENSIONS: Final = 8

_Object = dict[str, Json]


@dataclass(frozen=True, slots=True)
class _Call:
    """A request's JSON object, what its answer shows of it, and whether a streamed answer loses its end."""

    body: _Object
    seen: _Object
    truncated: bool


def answer_inference(request: Request, faults: frozenset[Fault]) -> Reply:
    """Answer a request below ``/v1/confidential/``; 400 if its body is not what the path takes, 404 for a path unknown."""
    path = request.path.removeprefix(_BASE)
    if request.method == "GET":
        return _answer_get(path)
    if path in {"/audio/transcriptions", "/audio/translations", "/files"}:
        return _answer_form(path, request, faults)
    answer = _BY_PATH.get(path)
    if answer is None:
        return _error(HTTPStatus.NOT_FOUND, f"no {path}")
    try:
        body = request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return _error(HTTPStatus.BAD_REQUEST, "the body is not a JSON object")
    return answer(_Call(body, _seen(request, body), Fault.TRUNCATED_STREAM in faults))


def _seen(request: Request, content: Json) -> _Object:
    return {"connection": request.connection, "headers": {**request.headers}, "request": content}


def _error(status: HTTPStatus, message: str) -> Reply:
    return json_reply(
        {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}}, status=status
    )


def _answer_get(path: str) -> Reply:
    models: list[Json] = [{"id": name, "object": "model", "created": _CREATED, "owned_by": "simulation"} for name in MODELS]
    if path == "/models":
        return json_reply({"object": "list", "data": models})
    name = unquote(path.removeprefix("/models/"))
    if name in MODELS:
        return json_reply(models[MODELS.index(name)])
    return _error(HTTPStatus.NOT_FOUND, f"no {path}")


def _stream(first: _Object, words: list[_Object], *last: _Object, truncated: bool) -> Reply:
    """A stream that loses its last words and its end where it is truncated, and is well-formed HTTP even then."""
    if truncated:
        return event_stream(first, *words[: len(words) // 2], done=False)
    return event_stream(first, *words, *last)


def _words() -> list[str]:
    starts = [0, *[index for index, letter in enumerate(ANSWER) if letter == " "], len(ANSWER)]
    return [ANSWER[start:end] for start, end in pairwise(starts)]


def _usage(prompt: str, completion: str) -> _Object:
    return {prompt: 12, completion: len(_words()), "total_tokens": 12 + len(_words())}


def _chat(call: _Call) -> Reply:
    head: _Object = {"id": "chatcmpl-simulated", "created": _CREATED, "model": call.body.get("model")}
    usage = _usage("prompt_tokens", "completion_tokens")
    if not call.body.get("stream"):
        message: Json = {"role": "assistant", "content": ANSWER}
        choice: Json = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        return json_reply({**head, "object": "chat.completion", "choices": [choice], "usage": usage, "simulated": call.seen})

    def event(delta: Json, reason: Json = None) -> _Object:
        choices: Json = [{"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}]
        return {**head, "object": "chat.completion.chunk", "choices": choices}

    options = call.body.get("stream_options")
    wants_usage = isinstance(options, dict) and bool(options.get("include_usage"))
    last: list[_Object] = [event({}, "stop")]
    if wants_usage:
        last.append({**event({}), "choices": [], "usage": usage})
    first = {**event({"role": "assistant", "content": ""}), "simulated": call.seen}
    return _stream(first, [event({"content": word}) for word in _words()], *last, truncated=call.truncated)


def _completion(call: _Call) -> Reply:
    head: _Object = {"id": "cmpl-simulated", "object": "text_completion", "created": _CREATED, "model": call.body.get("model")}

    def event(text: str, reason: Json = None) -> _Object:
        return {**head, "choices": [{"index": 0, "text": text, "finish_reason": reason, "logprobs": None}]}

    if not call.body.get("stream"):
        return json_reply(
            {**event(ANSWER, "stop"), "usage": _usage("prompt_tokens", "completion_tokens"), "simulated": call.seen}
        )
    words = [event(word) for word in _words()]
    return _stream({**event(""), "simulated": call.seen}, words, event("", "stop"), truncated=call.truncated)


def _response(call: _Call) -> Reply:
    """The Responses API."""
    text: _Object = {"type": "output_text", "text": ANSWER, "annotations": []}
    message: _Object = {"id": "msg_simulated", "type": "message", "role": "assistant", "status": "completed", "content": [text]}
    response: _Object = {
        "id": "resp_simulated",
        "object": "response",
        "created_at": _CREATED,
        "model": call.body.get("model"),
        "parallel_tool_calls": False,
        "tool_choice": "auto",
        "tools": [],
        "simulated": call.seen,
    }
    complete: _Object = {**response, "status": "completed", "output": [message], "usage": _response_usage()}
    if not call.body.get("stream"):
        return json_reply(complete)
    return _response_stream(response, complete, message, truncated=call.truncated)


def _response_stream(response: _Object, complete: _Object, message: _Object, *, truncated: bool) -> Reply:
    """Named events that end with ``response.completed``. As with OpenAI no ``[DONE]`` follows."""
    text: _Object = {"type": "output_text", "text": ANSWER, "annotations": []}
    place: _Object = {"item_id": "msg_simulated", "output_index": 0, "content_index": 0}
    opening: list[_Object] = [
        {"type": "response.created", "response": {**response, "status": "in_progress", "output": []}},
        {"type": "response.output_item.added", **place, "item": {**message, "status": "in_progress", "content": []}},
        {"type": "response.content_part.added", **place, "part": {**text, "text": ""}},
    ]
    words: list[_Object] = [{"type": "response.output_text.delta", "delta": word, "logprobs": [], **place} for word in _words()]
    closing: list[_Object] = [
        {"type": "response.output_text.done", "text": ANSWER, "logprobs": [], **place},
        {"type": "response.content_part.done", "part": text, **place},
        {"type": "response.output_item.done", "item": message, **place},
        {"type": "response.completed", "response": complete},
    ]
    shown = words[: len(words) // 2] if truncated else [*words, *closing]
    numbered: list[_Object] = [{**event, "sequence_number": number} for number, event in enumerate([*opening, *shown])]
    return event_stream(*numbered, done=False, named=True)


def _response_usage() -> _Object:
    return {
        **_usage("input_tokens", "output_tokens"),
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    }


def _embeddings(call: _Call) -> Reply:
    given = call.body.get("input")
    inputs = given if isinstance(given, list) else [given]
    data: list[Json] = []
    for index, text in enumerate(inputs):
        digest = sha256(str(text).encode()).digest()[:_DIMENSIONS]
        vector = [octet / 256 - 0.5 for octet in digest]
        packed = base64.b64encode(struct.pack(f"<{_DIMENSIONS}f", *vector)).decode("ascii")
        embedding: Json = packed if call.body.get("encoding_format") == "base64" else [*vector]
        data.append({"object": "embedding", "index": index, "embedding": embedding})
    usage: Json = {"prompt_tokens": len(inputs), "total_tokens": len(inputs)}
    return json_reply({"object": "list", "data": data, "model": call.body.get("model"), "usage": usage, "simulated": call.seen})


def _image(call: _Call) -> Reply:
    image: Json = {"b64_json": base64.b64encode(b"\x89PNG\r\n\x1a\n").decode("ascii")}
    return json_reply({"created": _CREATED, "data": [image], "simulated": call.seen})


def _speech(_call: _Call) -> Reply:
    return Reply(body=b"ID3" + bytes(61), content_type="audio/mpeg")


_BY_PATH: Final[dict[str, Callable[[_Call], Reply]]] = {
    "/chat/completions": _chat,
    "/completions": _completion,
    "/responses": _response,
    "/embeddings": _embeddings,
    "/images/generations": _image,
    "/audio/speech": _speech,
}


def _answer_form(path: str, request: Request, faults: frozenset[Fault]) -> Reply:
    form = _read_form(request)
    if form is None or "file" not in form:
        return _error(HTTPStatus.BAD_REQUEST, "the body is not multipart/form-data with a file")
    seen = _seen(request, form)
    if path == "/files":
        file: _Object = {"id": "file-simulated", "object": "file", "created_at": _CREATED, "status": "processed"}
        upload = form["file"]
        size, name = (upload["bytes"], upload["filename"]) if isinstance(upload, dict) else (0, "")
        return json_reply({**file, "bytes": size, "filename": name, "purpose": form.get("purpose"), "simulated": seen})
    if form.get("stream") != "true":
        return json_reply({"text": ANSWER, "simulated": seen})
    words: list[_Object] = [{"type": "transcript.text.delta", "delta": word} for word in _words()]
    done: _Object = {"type": "transcript.text.done", "text": ANSWER}
    return _stream({**words[0], "simulated": seen}, words[1:], done, truncated=Fault.TRUNCATED_STREAM in faults)


def _read_form(request: Request) -> _Object | None:
    """The fields of multipart/form-data (RFC 7578); of a file its name, size and SHA-256. None if the body is no form."""
    head = _headers(f"Content-Type: {request.headers.get('content-type', '')}\r\n".encode("latin-1"))
    boundary = head.get_boundary()
    if head.get_content_type() != "multipart/form-data" or boundary is None:
        return None
    form: _Object = {}
    for part in (b"\r\n" + request.body).split(b"\r\n--" + boundary.encode("latin-1"))[1:-1]:
        fields, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        headers = _headers(fields)
        name, filename = headers.get_param("name", header="content-disposition"), headers.get_filename()
        if not isinstance(name, str):
            continue
        if filename is None:
            form[name] = content.decode("utf-8", "replace")
        else:
            form[name] = {"filename": filename, "bytes": len(content), "sha256": sha256(content).hexdigest()}
    return form


def _headers(fields: bytes) -> EmailMessage:
    return BytesParser(policy=HTTP).parsebytes(fields, headersonly=True)
