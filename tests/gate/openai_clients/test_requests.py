"""The gated clients do what the SDK's do; each JSON body says that it is confidential and not to be kept."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from typing import Any

import openai
import pytest

from tests.gate.openai_clients.conftest import MESSAGES, MODEL, PHI, Clinic, Run, chat, settled
from voltage_attest.openai import AsyncAttestedOpenAI, AttestedOpenAI, GateRefused, StreamTruncated
from voltage_attest.testing import ANSWER, MODELS, Answers, Fault

WAVE = b"RIFF" + bytes(range(256))


def shown(answer: Any) -> dict[str, Any]:
    """What the pod saw of the request."""
    found = answer.model_extra["simulated"]
    assert isinstance(found, dict)
    return found


def test_they_are_the_sdks_own_clients(clinic: Clinic) -> None:
    assert isinstance(clinic.client(), openai.OpenAI)
    assert issubclass(AsyncAttestedOpenAI, openai.AsyncOpenAI)


def test_a_chat_is_answered_over_the_attested_connection(run: Run, clinic: Clinic) -> None:
    answer = run(chat)
    assert answer.choices[0].message.content == ANSWER
    assert shown(answer)["request"]["messages"] == MESSAGES
    assert clinic.pod.traffic.requests_below("/v1/pods/") == 1


def test_a_chat_is_streamed(run: Run) -> None:
    chunks = run(lambda client: chat(client, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == ANSWER
    assert isinstance(chunks[0], openai.types.chat.ChatCompletionChunk)


def test_the_context_manager_for_streams_works(clinic: Clinic) -> None:
    with clinic.client().chat.completions.stream(model=MODEL, messages=MESSAGES) as stream:
        assert stream.get_final_completion().choices[0].message.content == ANSWER
    with clinic.client().responses.stream(model=MODEL, input=PHI) as events:
        assert events.get_final_response().output_text == ANSWER


@pytest.mark.parametrize(
    "act",
    [
        chat,
        lambda client: chat(client, extra_body={"top_k": 3}),
        lambda client: client.completions.create(model=MODEL, prompt=PHI),
        lambda client: client.responses.create(model=MODEL, input=PHI),
        lambda client: client.embeddings.create(model=MODEL, input=[PHI]),
        lambda client: client.images.generate(model=MODEL, prompt=PHI),
        lambda client: client.post("/chat/completions", body={"model": MODEL, "messages": MESSAGES}, cast_to=openai.BaseModel),
        lambda client: client.with_options(timeout=9.0).responses.create(model=MODEL, input=PHI),
    ],
    ids=["chat", "chat with extra_body", "completions", "responses", "embeddings", "images", "post", "with_options"],
)
def test_every_json_body_is_confidential_and_not_kept(run: Run, act: Any) -> None:
    request = shown(run(act))["request"]
    assert request["confidential"] is request["no_log"] is True


def test_streamed_requests_are_confidential_too(run: Run) -> None:
    request = shown(run(lambda client: chat(client, stream=True))[0])["request"]
    assert request["confidential"] is request["no_log"] is True


def test_speech_is_confidential_and_bytes_come_back(run: Run, clinic: Clinic) -> None:
    answer = run(lambda client: client.audio.speech.create(model=MODEL, voice="alloy", input=PHI))
    assert answer.content.startswith(b"ID3")
    assert b'"confidential":true' in clinic.pod.received[-1].body.replace(b" ", b"")


@pytest.mark.parametrize("name", ["confidential", "no_log"])
@pytest.mark.parametrize("value", [False, None, 0, "false"])
def test_neither_can_be_switched_off(run: Run, clinic: Clinic, name: str, value: object) -> None:
    with pytest.raises(GateRefused, match=f"sets {name} to something else"):
        run(lambda client: chat(client, extra_body={name: value}))
    with pytest.raises(GateRefused):
        run(lambda client: client.post("/chat/completions", body={name: value}, cast_to=openai.BaseModel))
    assert clinic.inference_requests == 0


def test_saying_it_oneself_is_no_error(run: Run) -> None:
    request = shown(run(lambda client: chat(client, extra_body={"confidential": True})))["request"]
    assert request["confidential"] is request["no_log"] is True


def test_options_of_the_caller_are_left_as_they_are(clinic: Clinic) -> None:
    extra = {"top_k": 3}
    chat(clinic.client(), extra_body=extra)
    assert extra == {"top_k": 3}


def test_a_body_that_cannot_carry_them_is_refused(clinic: Clinic) -> None:
    body: Any = ["a list"]
    with pytest.raises(GateRefused, match="no object"):
        clinic.client().post("/chat/completions", body=body, cast_to=openai.BaseModel)
    assert clinic.inference_requests == 0


def test_bytes_that_are_no_json_pass_if_they_say_so(clinic: Clinic) -> None:
    client = clinic.client()
    with pytest.raises(GateRefused, match="not declared"):
        client.post("/files", content=WAVE, cast_to=openai.BaseModel)
    with pytest.raises(openai.BadRequestError):
        client.post(
            "/files", content=WAVE, cast_to=openai.BaseModel, options={"headers": {"content-type": "application/octet-stream"}}
        )
    assert clinic.pod.received[-1].body == WAVE


def test_audio_is_transcribed(run: Run) -> None:
    answer = run(lambda client: client.audio.transcriptions.create(model=MODEL, file=("visit.wav", WAVE)))
    assert answer.text == ANSWER
    request = shown(answer)["request"]
    assert request["file"] == {"filename": "visit.wav", "bytes": len(WAVE), "sha256": sha256(WAVE).hexdigest()}
    assert "confidential" not in request


def test_a_transcription_is_streamed(run: Run) -> None:
    events = run(lambda client: client.audio.transcriptions.create(model=MODEL, file=("visit.wav", WAVE), stream=True))
    assert events[-1].type == "transcript.text.done"


def test_files_are_uploaded_and_models_listed(run: Run) -> None:
    assert run(lambda client: client.files.create(file=("a.jsonl", b"{}"), purpose="batch")).bytes == 2
    assert run(lambda client: client.models.retrieve(MODEL)).id == MODEL


def test_pages_are_iterated(clinic: Clinic) -> None:
    assert [model.id for model in clinic.client().models.list()] == list(MODELS)

    async def list_all() -> list[str]:
        async with AsyncAttestedOpenAI(**clinic.gate_options) as client:
            return [model.id async for model in client.models.list()]

    assert asyncio.run(list_all()) == list(MODELS)


def test_raw_responses_are_had(run: Run) -> None:
    raw = run(lambda client: client.chat.completions.with_raw_response.create(model=MODEL, messages=MESSAGES))
    assert raw.status_code == 200
    assert raw.parse().choices[0].message.content == ANSWER


def test_streaming_responses_are_had(clinic: Clinic) -> None:
    client = clinic.client()
    with client.chat.completions.with_streaming_response.create(model=MODEL, messages=MESSAGES, stream=True) as response:
        lines = list(response.iter_lines())
    assert lines[-2:] == ["data: [DONE]", ""] or "data: [DONE]" in lines
    with client.audio.speech.with_streaming_response.create(model=MODEL, voice="alloy", input=PHI) as speech:
        assert b"".join(speech.iter_bytes()).startswith(b"ID3")


def test_streaming_responses_are_had_by_tasks(clinic: Clinic) -> None:
    async def main() -> list[str]:
        async with AsyncAttestedOpenAI(**clinic.gate_options) as client:
            streaming = client.chat.completions.with_streaming_response
            async with streaming.create(model=MODEL, messages=MESSAGES, stream=True) as response:
                return [line async for line in response.iter_lines()]

    assert "data: [DONE]" in asyncio.run(main())


# Truncation.

STREAMS: dict[str, Any] = {
    "chat": lambda client: chat(client, stream=True),
    "completions": lambda client: client.completions.create(model=MODEL, prompt=PHI, stream=True),
    "responses": lambda client: client.responses.create(model=MODEL, input=PHI, stream=True),
    "transcriptions": lambda client: client.audio.transcriptions.create(model=MODEL, file=("v.wav", WAVE), stream=True),
}


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_that_lost_its_end_raises(run: Run, clinic: Clinic, name: str) -> None:
    assert run(STREAMS[name])
    with clinic.pod.faulty(Fault.TRUNCATED_STREAM):
        with pytest.raises(StreamTruncated, match="Discard what was received") as raised:
            run(STREAMS[name])
        assert run(STREAMS[name], unsafe_accept_truncated_streams=True)
    assert isinstance(raised.value, openai.OpenAIError)


def test_copies_watch_streams_too(clinic: Clinic) -> None:
    client = clinic.client().with_options(max_retries=0)
    with clinic.pod.faulty(Fault.TRUNCATED_STREAM), pytest.raises(StreamTruncated):
        list(chat(client, stream=True))


def test_raw_bytes_of_a_stream_are_watched(clinic: Clinic) -> None:
    client = clinic.client()

    def read() -> bytes:
        streaming = client.chat.completions.with_streaming_response
        with streaming.create(model=MODEL, messages=MESSAGES, stream=True) as response:
            return b"".join(response.iter_bytes())

    assert read().endswith(b"data: [DONE]\n\n")
    with clinic.pod.faulty(Fault.TRUNCATED_STREAM), pytest.raises(StreamTruncated):
        read()


def test_leaving_a_stream_early_is_no_error(clinic: Clinic) -> None:
    with chat(clinic.client(), stream=True) as stream:
        assert next(stream).choices[0].delta.role == "assistant"


# Errors of the pod are the SDK's.


def test_errors_of_the_pod_are_those_of_the_sdk(run: Run, clinic: Clinic) -> None:
    with clinic.pod.faulty(Answers(status=429, on=("/v1/confidential/",))), pytest.raises(openai.RateLimitError):
        run(chat, max_retries=0)
    with pytest.raises(openai.AuthenticationError):
        run(lambda client: chat(client.with_options(api_key="another")))


def test_what_the_pod_answers_once_badly_is_tried_again_by_the_sdk(run: Run, clinic: Clinic) -> None:
    with clinic.pod.faulty(Answers(status=500, times=1, retry_after="0.01", on=("/v1/confidential/",))):
        assert run(chat).choices[0].message.content == ANSWER


def test_one_gate_serves_clients_of_both_kinds(clinic: Clinic) -> None:
    from voltage_attest.gate import AttestationGate

    with AttestationGate(**clinic.gate_options) as gate:
        with AttestedOpenAI(gate=gate, api_key=clinic.pod.api_key) as client:
            chat(client)

        async def main() -> None:
            async with AsyncAttestedOpenAI(gate=gate, api_key=clinic.pod.api_key) as client:
                await settled(chat(client))

        asyncio.run(main())
        assert gate.status().is_open
        assert gate.result is not None
    assert clinic.pod.traffic.requests_below("/v1/pods/") == 1


def test_a_client_that_made_its_gate_closes_it(clinic: Clinic) -> None:
    with AttestedOpenAI(**clinic.gate_options) as client:
        chat(client)
    assert client.gate.status().is_closed

    async def main() -> bool:
        async with AsyncAttestedOpenAI(**clinic.gate_options) as client:
            await settled(chat(client))
        return client.gate.status().is_closed

    assert asyncio.run(main())
