"""The simulated pod infers as an OpenAI-compatible server does, and shows what reached it; the official client agrees."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterator
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from tests.simulated_pod.client import Response, chat, get, post
from voltage_attest.testing import ANSWER, MODELS, Fault, SimulatedPod

if TYPE_CHECKING:
    import openai
else:
    openai = pytest.importorskip("openai")

BASE = "/v1/confidential"
CHAT = f"{BASE}/chat/completions"
EVERY_BYTE = bytes(range(256)) * 2 + b"\r\n--\r\n\n\r--boundary\r\n"


@pytest.fixture
def client(pod: SimulatedPod) -> Iterator[openai.OpenAI]:
    """The official client, with nothing but its base URL and its trust in the pod's CA changed."""
    http_client = openai.DefaultHttpxClient(verify=pod.client_context())
    with openai.OpenAI(base_url=pod.openai_base, api_key=pod.api_key, http_client=http_client, max_retries=0) as official:
        yield official


def events(response: Response) -> list[str]:
    return [line.removeprefix("data: ") for line in response.body.decode().split("\n\n") if line]


def test_an_answer_shows_the_request_and_its_connection(pod: SimulatedPod) -> None:
    sent = chat("a note")
    shown = post(pod, CHAT, sent, headers={"X-Test": "1"}).json()["simulated"]
    assert isinstance(shown, dict)
    assert shown["request"] == sent
    assert shown["request"]["confidential"] is shown["request"]["no_log"] is True
    assert shown["connection"] == 1
    assert (shown["headers"]["x-test"], shown["headers"]["authorization"]) == ("1", "Bearer (withheld)")


def test_a_stream_is_events_and_ends_with_done(pod: SimulatedPod) -> None:
    response = post(pod, CHAT, chat(stream=True))
    assert response.headers["content-type"] == "text/event-stream"
    *chunks, last = events(response)
    assert last == "[DONE]"
    parsed = [json.loads(chunk) for chunk in chunks]
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in parsed) == ANSWER
    assert parsed[0]["simulated"]["request"]["stream"] is True
    assert parsed[-1]["choices"][0]["finish_reason"] == "stop"


def test_a_stream_ends_with_usage_if_that_is_asked_for(pod: SimulatedPod) -> None:
    sent = {**chat(stream=True), "stream_options": {"include_usage": True}}
    usage = json.loads(events(post(pod, CHAT, sent))[-2])
    assert usage["choices"] == []
    assert usage["usage"]["completion_tokens"] == len(ANSWER.split())


@pytest.mark.parametrize("path", ["/chat/completions", "/completions", "/responses", "/embeddings"])
@pytest.mark.parametrize("body", [b"", b"not json", b"[]"])
def test_a_body_that_is_no_object_is_refused(pod: SimulatedPod, path: str, body: bytes) -> None:
    assert post(pod, BASE + path, body).status == 400


@pytest.mark.parametrize("path", ["/realtime", "/models/unknown"])
def test_unknown_paths_are_not_found(pod: SimulatedPod, path: str) -> None:
    assert get(pod, BASE + path).status == 404
    assert post(pod, BASE + "/unknown", {}).status == 404


def test_inference_needs_the_key(pod: SimulatedPod) -> None:
    assert get(pod, f"{BASE}/models", api_key="wrong").status == 401


def test_a_chunked_request_body_is_read_whole(pod: SimulatedPod) -> None:
    body = json.dumps(chat()).encode()
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:7], body[7:]))
    response = post(pod, CHAT, chunks + b"0\r\n\r\n", headers={"Transfer-Encoding": "chunked"})
    assert response.status == 200
    assert pod.received[0].body == body


def test_official_client_chats(client: openai.OpenAI) -> None:
    completion = client.chat.completions.create(
        model=MODELS[0], messages=[{"role": "user", "content": "hello"}], extra_body={"confidential": True}
    )
    assert completion.choices[0].message.content == ANSWER
    assert completion.model == MODELS[0]
    assert completion.model_extra is not None
    assert completion.model_extra["simulated"]["request"]["confidential"] is True


def test_official_client_streams(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hello"}], stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == ANSWER


def test_official_client_completes(client: openai.OpenAI) -> None:
    assert client.completions.create(model="m", prompt="hello").choices[0].text == ANSWER
    stream = client.completions.create(model="m", prompt="hello", stream=True)
    assert "".join(chunk.choices[0].text for chunk in stream) == ANSWER


def test_official_client_uses_responses(client: openai.OpenAI) -> None:
    assert client.responses.create(model="m", input="hello").output_text == ANSWER
    with client.responses.stream(model="m", input="hello") as stream:
        kinds = [event.type for event in stream]
        assert stream.get_final_response().output_text == ANSWER
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")


def test_a_stream_of_responses_ends_with_its_own_event(pod: SimulatedPod) -> None:
    sent = {"model": "m", "input": "hello", "stream": True}
    *_, last = events(post(pod, f"{BASE}/responses", sent))
    assert last.startswith("event: response.completed\ndata: {")
    with pod.faulty(Fault.TRUNCATED_STREAM):
        *_, last = events(post(pod, f"{BASE}/responses", sent))
    assert last.startswith("event: response.output_text.delta\ndata: {")


def test_official_client_embeds(client: openai.OpenAI) -> None:
    packed = client.embeddings.create(model="m", input=["a", "b"])
    plain = client.embeddings.create(model="m", input=["a", "b"], encoding_format="float")
    assert [item.embedding for item in packed.data] == [item.embedding for item in plain.data]
    assert packed.data[0].embedding != packed.data[1].embedding


def test_embeddings_in_base64_are_little_endian_floats(pod: SimulatedPod) -> None:
    data = post(pod, f"{BASE}/embeddings", {"input": "a", "encoding_format": "base64"}).json()["data"]
    assert isinstance(data, list)
    assert len(struct.unpack("<8f", base64.b64decode(data[0]["embedding"]))) == 8


def test_official_client_lists_models(client: openai.OpenAI) -> None:
    assert tuple(model.id for model in client.models.list()) == MODELS
    assert client.models.retrieve(MODELS[0]).id == MODELS[0]


def test_official_client_transcribes_every_byte(client: openai.OpenAI) -> None:
    answer = client.audio.transcriptions.create(model="m", file=("note.wav", EVERY_BYTE), language="en")
    assert answer.text == ANSWER
    assert answer.model_extra is not None
    shown = answer.model_extra["simulated"]["request"]
    digest = sha256(EVERY_BYTE).hexdigest()
    assert shown["file"] == {"filename": "note.wav", "bytes": len(EVERY_BYTE), "sha256": digest}
    assert (shown["model"], shown["language"]) == ("m", "en")


def test_official_client_streams_a_transcription(client: openai.OpenAI) -> None:
    stream = client.audio.transcriptions.create(model="m", file=("note.wav", b"RIFF"), stream=True)
    assert [event.type for event in stream][-1] == "transcript.text.done"


def test_official_client_uploads_speaks_and_draws(client: openai.OpenAI) -> None:
    assert client.files.create(file=("a.jsonl", b"{}"), purpose="batch").bytes == 2
    assert client.audio.speech.create(model="m", voice="alloy", input="hello").content.startswith(b"ID3")
    images = client.images.generate(model="m", prompt="a lung").data
    assert images is not None
    assert images[0].b64_json


def test_a_form_without_a_file_is_refused(pod: SimulatedPod) -> None:
    assert post(pod, f"{BASE}/audio/transcriptions", {"model": "m"}).status == 400
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    assert post(pod, f"{BASE}/audio/transcriptions", b"--b--\r\n", headers=headers).status == 400
