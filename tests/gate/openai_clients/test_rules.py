"""What a policy asks of each request, seen through the clients: allowed models, an agreement in force, a record before it."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.gate.openai_clients.conftest import MESSAGES, MODEL, PHI, Clinic, Run, chat
from voltage_attest.gate.audit_record import AuditKeys, AuditRecord
from voltage_attest.gate.audit_verify import audit_records, verify_audit_log
from voltage_attest.openai import AttestedOpenAI, GateRefused
from voltage_attest.testing import ANSWER, Fault

TODAY = datetime.now(UTC).date()
ALLOW = f'[models]\nallow = ["{MODEL}"]\n'


@pytest.fixture
def log(clinic: Clinic) -> Path:
    """The audit log that the policy names; not there yet."""
    path = clinic.folder / "audit" / "log.jsonl"
    clinic.write_policy(f'[audit]\npath = "{path}"\n')
    return path


def kinds(log: Path) -> list[str]:
    return [record.kind.value for record in audit_records(log)]


def requests(log: Path) -> list[AuditRecord]:
    return [record for record in audit_records(log) if record.kind == "request"]


# [models]

CALLS: dict[str, Any] = {
    "chat": lambda client, model: client.chat.completions.create(model=model, messages=MESSAGES),
    "stream": lambda client, model: client.chat.completions.create(model=model, messages=MESSAGES, stream=True),
    "responses": lambda client, model: client.responses.create(model=model, input=PHI),
    "embeddings": lambda client, model: client.embeddings.create(model=model, input=PHI),
    "speech": lambda client, model: client.audio.speech.create(model=model, voice="alloy", input=PHI),
    "transcription": lambda client, model: client.audio.transcriptions.create(model=model, file=("a.wav", b"RIFF")),
}


@pytest.mark.parametrize("name", CALLS)
def test_only_models_of_the_list_are_asked(run: Run, clinic: Clinic, name: str) -> None:
    clinic.write_policy(ALLOW)
    run(lambda client: CALLS[name](client, MODEL))
    before = clinic.inference_requests
    with pytest.raises(GateRefused, match=r"a model that \[models\] does not allow") as raised:
        run(lambda client: CALLS[name](client, "another-model"))
    assert isinstance(raised.value, openai.OpenAIError)
    assert MODEL in raised.value.expected
    assert clinic.inference_requests == before


def test_a_model_cannot_be_exchanged_by_extra_body(run: Run, clinic: Clinic) -> None:
    clinic.write_policy(ALLOW)
    with pytest.raises(GateRefused):
        run(lambda client: chat(client, extra_body={"model": "another-model"}))
    assert clinic.inference_requests == 0


def test_a_request_that_names_no_model_is_refused(run: Run, clinic: Clinic) -> None:
    clinic.write_policy(ALLOW)
    with pytest.raises(GateRefused, match="shows no model"):
        run(lambda client: client.post("/chat/completions", body={"messages": MESSAGES}, cast_to=openai.BaseModel))
    assert clinic.inference_requests == 0


def test_requests_that_need_no_model_pass(run: Run, clinic: Clinic) -> None:
    clinic.write_policy(ALLOW)
    assert run(lambda client: client.models.retrieve(MODEL)).id == MODEL
    assert run(lambda client: client.files.create(file=("a.jsonl", b"{}"), purpose="batch")).bytes == 2


# [compliance]


def compliance(until: str | None, *, reference: str | None = "BAA-2026-014") -> str:
    lines = ["[compliance]", "require_baa = true"]
    lines += [f'baa_reference = "{reference}"'] if reference else []
    lines += [f"baa_valid_until = {until}"] if until else []
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("until", [None, TODAY.isoformat(), (TODAY + timedelta(days=1)).isoformat()])
def test_an_agreement_in_force_lets_pass(run: Run, clinic: Clinic, until: str | None) -> None:
    clinic.write_policy(compliance(until))
    assert run(chat).choices


@pytest.mark.parametrize(
    ("section", "words"),
    [
        (compliance((TODAY - timedelta(days=1)).isoformat()), "the agreement BAA-2026-014 ended on"),
        (compliance(None, reference=None), "requires an agreement and names none"),
    ],
    ids=["ended", "absent"],
)
def test_without_an_agreement_in_force_the_gate_stays_shut(run: Run, clinic: Clinic, section: str, words: str) -> None:
    clinic.write_policy(section)
    with pytest.raises(GateRefused, match=words) as raised:
        run(chat)
    assert "Until then no request is sent" in raised.value.remedy
    assert clinic.inference_requests == 0


def test_a_policy_that_requires_none_asks_for_none(run: Run, clinic: Clinic) -> None:
    clinic.write_policy("[compliance]\nrequire_baa = false\n")
    assert run(chat).choices


# [audit]


def test_each_request_leaves_a_record_before_and_one_after(run: Run, clinic: Clinic, log: Path) -> None:
    run(chat)
    request, outcome = list(audit_records(log))[-2:]
    says = request.says
    assert request.kind == "request"
    assert (says["pod"], says["method"], says["path"]) == (clinic.pod.pod_id, "POST", "/v1/confidential/chat/completions")
    assert (says["model"], says["verdict"], says["generation"], says["attempt"]) == (MODEL, "verified", 1, 1)
    assert says["spki_sha256"] == [clinic.pod.spki_sha256.hex()]
    assert len(str(says["policy_sha256"])) == len(str(says["evidence_sha256"])[2:-2]) == 64
    assert outcome.kind == "outcome"
    assert outcome.says["request_seq"] == request.seq
    assert outcome.says["request"] == says["request"]
    assert (outcome.says["outcome"], outcome.says["status"]) == ("complete", 200)
    assert outcome.says["spki_sha256"] == [clinic.pod.spki_sha256.hex()]
    assert says["request_bytes"] == outcome.says["request_bytes"] == len(clinic.pod.received[-1].body)
    assert int(str(outcome.says["response_bytes"])) > len(ANSWER)
    assert verify_audit_log(log).is_intact


def test_digests_are_those_of_the_bodies_under_the_logs_key(run: Run, clinic: Clinic, log: Path) -> None:
    run(chat)
    run(lambda client: CALLS["transcription"](client, MODEL))
    secret = bytes.fromhex(log.with_name("log.jsonl.key").read_text())
    digests = []
    for request in (request for request in clinic.pod.received if request.path.startswith("/v1/confidential/")):
        digest = AuditKeys(secret).digest()
        digest.update(request.body)
        digests.append(digest.hexdigest())
    told = [record.says["request_hmac"] for record in audit_records(log) if "request_hmac" in record.says]
    assert told == digests


def test_no_content_is_in_the_log(run: Run, log: Path) -> None:
    run(lambda client: chat(client, extra_query={"note": PHI}, extra_headers={"X-Note": PHI}, user=PHI))
    text = log.read_text()
    assert PHI not in text
    assert "renal" not in text
    assert all(len(str(value)) <= 200 for record in audit_records(log) for value in record.says.values())


def test_what_cannot_be_written_is_not_sent(run: Run, clinic: Clinic, log: Path) -> None:
    log.parent.mkdir()
    log.mkdir()
    with pytest.raises(GateRefused, match="audit log") as raised:
        run(chat)
    assert isinstance(raised.value, openai.OpenAIError)
    assert clinic.inference_requests == 0


def test_an_altered_log_lets_nothing_pass(run: Run, clinic: Clinic, log: Path) -> None:
    run(chat)
    sent = clinic.inference_requests
    log.write_bytes(log.read_bytes().replace(b'"kind":"request"', b'"kind":"outcome"'))
    with pytest.raises(GateRefused, match="audit log"):
        run(chat)
    assert clinic.inference_requests == sent


def test_a_record_is_on_the_disk_before_the_pod_sees_a_byte(clinic: Clinic, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    answer = type(clinic.pod)._answer_well

    def look(pod: Any, request: Any) -> Any:
        if request.path.startswith("/v1/confidential/"):
            seen.append(bool(requests(log)))
        return answer(pod, request)

    monkeypatch.setattr(type(clinic.pod), "_answer_well", look)
    chat(clinic.client())
    assert seen == [True]


def test_a_refusal_is_in_the_log(run: Run, clinic: Clinic, log: Path) -> None:
    run(chat)
    with clinic.pod.faulty(Fault.DEBUG_TD), pytest.raises(GateRefused):
        run(chat)
    told = [record.says.get("outcome") for record in audit_records(log) if record.kind == "gate"]
    assert {"opened", "refused"} <= set(told)


def test_a_truncated_stream_is_no_complete_one(clinic: Clinic, log: Path) -> None:
    with chat(clinic.client(), stream=True) as stream:
        next(stream)
    assert list(audit_records(log))[-1].says["outcome"] == "abandoned"


def test_fifty_threads_write_one_log(clinic: Clinic, log: Path) -> None:
    client = clinic.client()
    started = threading.Barrier(25)

    def ask(_: int) -> str:
        started.wait(20)
        return str(chat(client).choices[0].message.content)

    with ThreadPoolExecutor(25) as pool:
        assert list(pool.map(ask, range(25))) == [ANSWER] * 25
    assert kinds(log).count("request") == kinds(log).count("outcome") == 25
    assert verify_audit_log(log).is_intact


def test_two_clients_share_one_log(clinic: Clinic, log: Path) -> None:
    with AttestedOpenAI(**clinic.gate_options) as first, AttestedOpenAI(**clinic.gate_options) as second:
        for client in (first, second, first):
            chat(client)
    assert len(requests(log)) == 3
    assert verify_audit_log(log).is_intact
    assert all(json.loads(line) for line in log.read_text().splitlines())
