"""The rules of a policy hold for whatever HTTP client is made from the gate, not only for the OpenAI clients."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.gate.openai_clients.conftest import MODEL, PHI, Clinic
from voltage_attest import gate as gates
from voltage_attest.errors import GateRefused, StreamTruncated
from voltage_attest.gate import AttestationGate
from voltage_attest.gate.audit_verify import audit_records
from voltage_attest.gate.model import EventKind, GateEvent, RequestEnd, RequestRecord
from voltage_attest.testing import Fault

NAMES = ["attested_http_client", "attested_async_http_client", "attested_httpx2_client", "attested_async_httpx2_client"]
ALLOW = f'[models]\nallow = ["{MODEL}"]\n'
JSON = {"content-type": "application/json"}


@pytest.fixture(params=NAMES)
def post(request: pytest.FixtureRequest, clinic: Clinic) -> Any:
    """``post(path, body, **options)``: the answer's text, by a client of a fresh gate."""
    if "httpx2" in request.param:
        pytest.importorskip("httpx2")

    def send(
        path: str, body: bytes, headers: dict[str, str] = JSON, *, gate: dict[str, Any] | None = None, **options: Any
    ) -> str:
        with AttestationGate(**clinic.gate_options, **(gate or {})) as opened:
            client = getattr(gates, request.param)(opened, **options)
            url = f"{opened.base_url}{path}"
            sent = {**headers, "Authorization": f"Bearer {clinic.pod.api_key}"}
            if "async" not in request.param:
                with client:
                    return str(client.post(url, content=body, headers=sent).text)

            async def main() -> str:
                async with client:
                    return str((await client.post(url, content=body, headers=sent)).text)

            return asyncio.run(main())

    return send


def chat(**members: Any) -> bytes:
    return json.dumps({"messages": [], **members}).encode()


def test_a_model_of_the_list_passes(post: Any, clinic: Clinic) -> None:
    clinic.write_policy(ALLOW)
    assert MODEL in post("/chat/completions", chat(model=MODEL))


@pytest.mark.parametrize(
    "body",
    [
        chat(model="another"),
        chat(model=[MODEL]),
        chat(nested={"model": MODEL}),
        chat(),
        b'{"model": "%s", "model": "another"}' % MODEL.encode(),
        b'{"model": "another", "model": "%s"}' % MODEL.encode(),
        b'{"model": "%s"' % MODEL.encode(),
        b"",
        b"\xff",
    ],
    ids=["another", "list", "nested", "none", "second", "first", "broken", "empty", "no text"],
)
def test_any_other_is_refused(post: Any, clinic: Clinic, body: bytes) -> None:
    clinic.write_policy(ALLOW)
    with pytest.raises(GateRefused, match="model"):
        post("/chat/completions", body)
    assert clinic.inference_requests == 0


def test_a_form_that_nobody_has_read_is_refused(post: Any, clinic: Clinic) -> None:
    clinic.write_policy(ALLOW)
    form = b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nanother\r\n--b--\r\n'
    with pytest.raises(GateRefused, match="shows no model"):
        post("/audio/transcriptions", form, {"content-type": "multipart/form-data; boundary=b"})
    assert clinic.inference_requests == 0


def test_a_truncated_stream_raises_unless_it_is_loudly_accepted(post: Any, clinic: Clinic) -> None:
    body = chat(model=MODEL, stream=True)
    assert "[DONE]" in post("/chat/completions", body)
    with clinic.pod.faulty(Fault.TRUNCATED_STREAM):
        with pytest.raises(StreamTruncated):
            post("/chat/completions", body)
        assert "[DONE]" not in post("/chat/completions", body, unsafe_accept_truncated_streams=True)


class Hook:
    """Takes note of what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def announce(self, record: RequestRecord) -> Hook:
        self.told.append(record.path)
        return self

    def sent(self, chunk: bytes) -> None:
        self.told.append(len(chunk))

    def received(self, chunk: bytes) -> None:
        self.told.append(chunk[:1])

    def ended(self, end: RequestEnd) -> None:
        self.told.append(end.outcome.value)


def test_hooks_guards_and_listeners_of_ones_own_go_beside_the_policys(post: Any, clinic: Clinic) -> None:
    log = clinic.folder / "log.jsonl"
    clinic.write_policy(f'{ALLOW}[compliance]\nrequire_baa = true\nbaa_reference = "BAA-1"\n[audit]\npath = "{log}"\n')
    hook, events = Hook(), list[GateEvent]()
    mine: dict[str, Any] = {"audit": hook, "listener": events.append, "guards": [lambda _: None]}
    body = chat(model=MODEL)
    post("/chat/completions", body, gate=mine)
    assert hook.told == ["/v1/confidential/chat/completions", len(body), b"{", "complete"]
    assert EventKind.OPENED in {event.kind for event in events}
    records = list(audit_records(log))
    assert [record.kind.value for record in records] == ["opened", "gate", "request", "outcome"]
    assert records[2].says["baa_reference"] == "BAA-1"


def test_an_event_that_cannot_be_written_is_told_and_stops_nothing_but_requests(clinic: Clinic) -> None:
    log = clinic.folder / "log.jsonl"
    log.mkdir()
    clinic.write_policy(f'[audit]\npath = "{log}"\n')
    events: list[GateEvent] = []
    with AttestationGate(**clinic.gate_options, listener=events.append) as gate:
        assert gate.open().verdict.value == "verified"
        assert [event.kind for event in events].count(EventKind.AUDIT_FAILED) == 1
        with gates.attested_http_client(gate) as client, pytest.raises(GateRefused, match="audit log"):
            client.post(f"{gate.base_url}/embeddings", json={"model": MODEL, "input": PHI})
    assert clinic.inference_requests == 0


def test_a_guard_is_given_the_time(clinic: Clinic) -> None:
    times: list[datetime] = []

    def guard(now: datetime) -> None:
        times.append(now)

    with AttestationGate(**clinic.gate_options, guards=[guard]) as gate:
        gate.open()
        assert isinstance(gates.attested_http_client(gate), httpx.Client)
    assert times[0].tzinfo is UTC
