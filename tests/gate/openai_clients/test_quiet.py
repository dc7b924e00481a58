"""No content in a log, an exception or a repr: at every level, of every library, whatever goes wrong."""

from __future__ import annotations

import logging
import os
import pickle
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pydantic
import pytest

from tests.gate.openai_clients.conftest import MESSAGES, MODEL, PHI, Clinic, Run, chat
from tests.support.sampling import every
from voltage_attest.attested_openai import logs
from voltage_attest.attested_openai.logs import LOGGERS, keep_content_out_of_logs
from voltage_attest.gate.audit_verify import audit_records
from voltage_attest.openai import AttestedOpenAI, GateRefused, StreamTruncated
from voltage_attest.testing import ANSWER, INFERENCE, Answers, CutConnection, Fault, HtmlPage, Reply, Slow
from voltage_attest.testing.pod_faults import Disturbance

ANSWERED = "no patient with renal failure"
FINGERPRINT = "5f3c0ffee5f3c0ffee"
SECRETS = (PHI, ANSWERED, FINGERPRINT, "key-that-nobody-may-see")
"""What the patient, the model and the clinic's administrator would not like to read in a log."""


class Says(Disturbance):
    """The pod repeats the prompt: in an error, in headers, in a broken event."""

    __slots__ = ()

    status = 200

    def disturb(self, request: Any, reply: Reply) -> Reply:
        raise NotImplementedError


class SaysInError(Says):
    """An error message that quotes what was sent, as OpenAI's own do."""

    def disturb(self, request: Any, reply: Reply) -> Reply:  # noqa: ARG002
        body = f'{{"error": {{"message": "Invalid value: {PHI}", "type": "{PHI}", "code": "invalid_value", "param": "{PHI}"}}}}'
        return Reply(400, body=body.encode(), headers=(("x-prompt-sha256", FINGERPRINT), ("x-request-id", PHI)))


class SaysInEvent(Says):
    """An error within a stream."""

    def disturb(self, request: Any, reply: Reply) -> Reply:  # noqa: ARG002
        event = f'data: {{"error": {{"message": "{PHI}", "type": "server_error"}}}}\n\n'
        return Reply(body=event.encode(), content_type="text/event-stream", headers=(("x-prompt-sha256", FINGERPRINT),))


class SaysNoJson(Says):
    """An answer that is no JSON, under JSON's name."""

    def disturb(self, request: Any, reply: Reply) -> Reply:  # noqa: ARG002
        return Reply(body=f"{PHI} {{".encode())


class SaysBrokenEvent(Says):
    """An event that is no JSON."""

    def disturb(self, request: Any, reply: Reply) -> Reply:  # noqa: ARG002
        return Reply(body=f"data: {{{PHI}\n\ndata: [DONE]\n\n".encode(), content_type="text/event-stream")


class Dose(pydantic.BaseModel):
    """What a program would like the model to answer."""

    milligrams: int


@pytest.fixture
def everything(caplog: pytest.LogCaptureFixture) -> Iterator[Any]:
    """All that any logger says at any level; yields a function that returns it, formatted as handlers do."""
    names = [*LOGGERS, *logging.root.manager.loggerDict]
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(1)
    caplog.set_level(1)
    formatter = logging.Formatter("%(name)s %(levelname)s %(message)s")
    yield lambda: "\n".join([*map(formatter.format, caplog.records), *[repr(vars(record)) for record in caplog.records]])
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


def assert_clean(text: str) -> None:
    for secret in SECRETS:
        assert secret not in text


def texts_of(error: BaseException) -> str:
    """Whatever a program might print of an exception."""
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain:
        chain.append(current)
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return "\n".join([*(f"{item} {item!r} {item.args}" for item in chain), *traceback.format_exception(error)])


ACTS: dict[str, Any] = {
    "chat": chat,
    "stream": lambda client: chat(client, stream=True),
    "responses": lambda client: client.responses.create(model=MODEL, input=PHI),
    "embeddings": lambda client: client.embeddings.create(model=MODEL, input=[PHI]),
    "transcription": lambda client: client.audio.transcriptions.create(
        model=MODEL, file=(f"{PHI}.wav", PHI.encode()), prompt=PHI
    ),
    "raw": lambda client: client.chat.completions.with_raw_response.create(model=MODEL, messages=MESSAGES),
    "query": lambda client: chat(client, extra_query={"note": PHI}),
    "header": lambda client: chat(client, extra_headers={"X-Note": PHI}),
    "path": lambda client: client.post(f"/embeddings?{PHI}", body={"input": PHI}, cast_to=openai.BaseModel),
}


@pytest.mark.parametrize("name", ACTS)
def test_logs_hold_no_content_at_any_level(run: Run, clinic: Clinic, everything: Any, name: str) -> None:
    clinic.write_policy(f'[audit]\npath = "{clinic.folder / "audit.jsonl"}"\n')
    run(ACTS[name])
    written = everything()
    assert "openai._base_client" in written
    assert "httpcore" in written
    assert_clean(written)
    assert_clean((clinic.folder / "audit.jsonl").read_text())
    assert [record.kind.value for record in audit_records(clinic.folder / "audit.jsonl")][-2:] == ["request", "outcome"]


TROUBLES: dict[str, Any] = {
    "error": SaysInError(),
    "error twice": Answers(status=500, retry_after="0.01"),
    "no JSON": SaysNoJson(),
    "page": HtmlPage(),
    "cut": CutConnection(),
    "cut early": CutConnection(after=-1),
    "slow": Slow(seconds=0.3),
}


@pytest.mark.parametrize("name", every(3, TROUBLES))
@pytest.mark.parametrize("act", ["chat", "transcription"])
def test_whatever_goes_wrong_repeats_no_content(run: Run, clinic: Clinic, everything: Any, name: str, act: str) -> None:
    trouble = type(TROUBLES[name])(
        **{**{k: getattr(TROUBLES[name], k) for k in ("times",)}, "on": INFERENCE, **_own(TROUBLES[name])}
    )
    with clinic.pod.faulty(trouble):
        try:
            run(ACTS[act], max_retries=1, timeout=0.25 if name == "slow" else 20)
        except Exception as error:  # noqa: BLE001 - that is what is looked at
            assert_clean(texts_of(error))
    assert_clean(everything())


def _own(trouble: Any) -> dict[str, Any]:
    return {
        name: getattr(trouble, name)
        for name in ("status", "retry_after", "after", "seconds")
        if name in getattr(type(trouble), "__slots__", ())
    }


@pytest.mark.parametrize("trouble", [SaysInEvent, SaysBrokenEvent])
def test_errors_within_a_stream_repeat_no_content(run: Run, clinic: Clinic, everything: Any, trouble: Any) -> None:
    with clinic.pod.faulty(trouble(on=INFERENCE)), pytest.raises(Exception) as raised:
        run(ACTS["stream"])
    assert_clean(texts_of(raised.value))
    assert_clean(everything())


def test_a_program_can_still_read_what_the_pod_said(run: Run, clinic: Clinic) -> None:
    with clinic.pod.faulty(SaysInError(on=INFERENCE)), pytest.raises(openai.BadRequestError) as raised:
        run(chat)
    assert str(raised.value) == (
        "Error code: 400 (invalid_value). What the server says may repeat the prompt; it is in `.body`, and not shown."
    )
    assert raised.value.status_code == 400
    assert raised.value.body == {"message": f"Invalid value: {PHI}", "type": PHI, "code": "invalid_value", "param": PHI}


def test_an_answer_that_does_not_fit_is_not_shown(run: Run, everything: Any) -> None:
    def parse(client: Any) -> Any:
        return client.chat.completions.parse(model=MODEL, messages=MESSAGES, response_format=Dose)

    with pytest.raises(pydantic.ValidationError, match="Dose") as raised:
        run(parse)
    assert_clean(texts_of(raised.value))
    assert "input_value" not in str(raised.value)
    assert_clean(everything())


def test_refusals_and_truncations_repeat_no_content(run: Run, clinic: Clinic, everything: Any) -> None:
    with clinic.pod.faulty(Fault.DEBUG_TD), pytest.raises(GateRefused) as refused:
        run(chat)
    with clinic.pod.faulty(Fault.TRUNCATED_STREAM), pytest.raises(StreamTruncated) as truncated:
        run(ACTS["stream"])
    assert_clean(texts_of(refused.value))
    assert_clean(texts_of(truncated.value))
    assert_clean(everything())


def test_clients_gates_and_logs_show_nothing(clinic: Clinic) -> None:
    client = clinic.client()
    answer = chat(client)
    assert ANSWERED in ANSWER == answer.choices[0].message.content
    for thing in (client, client.gate, client.gate.status(), client.chat, client.copy()):
        assert_clean(repr(thing))
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
        pickle.dumps(client)


def test_what_is_logged_still_says_what_happens(clinic: Clinic, everything: Any) -> None:
    chat(clinic.client())
    written = everything()
    assert "200" in written
    assert "httpcore" in written
    assert "send_request_body.started" in written


def test_a_filter_keeps_numbers_and_names_of_methods() -> None:
    keep_content_out_of_logs()
    record = logging.makeLogRecord(
        {"name": "httpx", "msg": 'HTTP Request: %s %s "%s %d %s"', "args": ("POST", "https://pod/x", "HTTP/1.1", 200, PHI)}
    )
    assert logging.getLogger("httpx").filter(record)
    assert record.getMessage() == 'HTTP Request: POST (withheld) "HTTP/1.1 200 (withheld)"'


def test_a_filter_reduces_named_arguments_and_exceptions() -> None:
    try:
        raise ValueError(PHI)
    except ValueError:
        record = logging.makeLogRecord({"msg": "%(a)s %(b)d", "args": {"a": PHI, "b": 7}, "exc_info": sys.exc_info()})
    assert logs._WITHOUT_CONTENT.filter(record)
    assert logging.Formatter().format(record) == "(withheld) 7 (ValueError)"


def test_openai_log_debug_prints_no_content(clinic: Clinic) -> None:
    """As a user switches it on: by the variable, in a process of its own, with handlers that the SDK installs."""
    program = f"""
import logging, sys
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
import openai
from pathlib import Path
from voltage_attest.openai import AttestedOpenAI, GateRefused
from voltage_attest.trust import TrustRoots
for name in ("", "httpx", "httpx2", "httpcore", "httpcore2", "voltage_attest"):
    logging.getLogger(name).setLevel(1)
client = AttestedOpenAI(pod_id={clinic.pod.pod_id!r}, policy={str(clinic.policy)!r}, api_base={clinic.pod.api_base!r},
    pccs={clinic.pod.pccs_base!r}, roots=TrustRoots.from_pem(intel=Path("root.pem").read_bytes()), tls_ca="ca.pem")
messages = [{{"role": "user", "content": {PHI!r}}}]
client.chat.completions.create(model="m", messages=messages)
list(client.chat.completions.create(model="m", messages=messages, stream=True))
try:
    client.with_options(api_key="wrong").chat.completions.create(model="m", messages=messages)
except openai.AuthenticationError:
    logging.exception("it failed")
"""
    (clinic.folder / "root.pem").write_bytes(clinic.pod.root_pem)
    environment = {**os.environ, "OPENAI_LOG": "debug", "VOLTAGEGPU_API_KEY": clinic.pod.api_key}
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=clinic.folder, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert "openai._base_client" in ran.stderr
    assert "it failed" in ran.stderr
    assert_clean(ran.stdout + ran.stderr)


def test_the_sdk_alone_would_have_logged_it(clinic: Clinic) -> None:
    """That the tests above can fail: without the filters and with a plain client of openai 2 the prompt is in the log."""
    if not openai.__version__.startswith("2."):
        pytest.skip("openai 3 logs no options")
    assert issubclass(AttestedOpenAI, openai.OpenAI)
    program = f"""
import openai
try:
    openai.OpenAI(api_key="x", base_url="https://127.0.0.1:1", max_retries=0).completions.create(model="m", prompt={PHI!r})
except openai.APIConnectionError:
    pass
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "OPENAI_LOG": "debug"}, capture_output=True, text=True, check=True
    )
    assert clinic.inference_requests == 0
    assert PHI in ran.stderr
