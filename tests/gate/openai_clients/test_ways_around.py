"""Whatever of the SDK, the caller or the environment would lead past the gate is refused or ignored, and no byte gets out."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import httpx
import openai
import pytest

from tests.gate.openai_clients.conftest import MESSAGES, MODEL, Clinic, Run, chat
from voltage_attest import errors
from voltage_attest.gate import AttestationGate
from voltage_attest.openai import AsyncAttestedOpenAI, AttestedOpenAI, GateRefused
from voltage_attest.testing import Fault, HostileTwin, Redirects

CLASSES = pytest.mark.parametrize("kind", [AttestedOpenAI, AsyncAttestedOpenAI], ids=["sync", "async"])


# Refusals reach the caller as they are.


def test_a_refused_pod_gets_no_byte_and_the_error_says_why(run: Run, clinic: Clinic) -> None:
    with clinic.pod.faulty(Fault.DEBUG_TD), pytest.raises(GateRefused) as raised:
        run(chat)
    refusal = raised.value
    assert isinstance(refusal, openai.OpenAIError)
    assert isinstance(refusal, errors.GateRefused)
    assert not isinstance(refusal, openai.APIError)
    assert refusal.result is not None
    assert "tdx.td.debug" in refusal.failed_checks
    assert "tdx.td.debug" in str(refusal)
    assert refusal.remedy in str(refusal)
    assert clinic.inference_requests == 0


def test_a_refusal_is_not_retried_by_the_sdk(run: Run, clinic: Clinic) -> None:
    with clinic.pod.faulty(Fault.OTHER_MRTD), pytest.raises(GateRefused):
        run(chat, max_retries=5)
    assert clinic.pod.traffic.requests_below("/v1/pods/") == 1


def test_a_refusal_within_a_stream_arrives_as_it_is(run: Run, clinic: Clinic) -> None:
    with clinic.pod.faulty(Fault.DEBUG_TD), pytest.raises(GateRefused):
        run(lambda client: chat(client, stream=True))


def test_the_twin_at_the_pods_port_gets_no_byte(run: Run, clinic: Clinic) -> None:
    with HostileTwin(clinic.pod) as twin:

        def swap_and_chat(client: Any) -> Any:
            clinic.pod.divert_to(twin)
            return chat(client)

        gate = AttestationGate(**clinic.gate_options)
        gate.open()
        with gate, pytest.raises(GateRefused):
            run(swap_and_chat, **dict.fromkeys(("pod_id", "policy", "api_base", "pccs", "roots", "tls_ca")), gate=gate)
        clinic.pod.divert_to(None)
        assert twin.traffic.requests_below("/v1/confidential/") == 0
        assert clinic.inference_requests == 0


def test_a_redirect_to_the_twin_is_not_followed(run: Run, clinic: Clinic) -> None:
    with HostileTwin(clinic.pod) as twin, clinic.pod.faulty(Redirects(to=twin.base, on=("/v1/confidential/",))):
        with pytest.raises(GateRefused, match="redirect"):
            run(chat)
        assert twin.traffic.application_bytes == 0


def test_redirects_cannot_be_switched_on(clinic: Clinic) -> None:
    client = clinic.client()
    with HostileTwin(clinic.pod) as twin, clinic.pod.faulty(Redirects(to=twin.base, on=("/v1/confidential/",))):
        with pytest.raises(GateRefused, match="redirect"):
            client.post("/embeddings", body={}, cast_to=openai.BaseModel, options={"follow_redirects": True})
        assert twin.traffic.application_bytes == 0


# Other addresses.


def test_a_base_url_of_another_origin_is_refused(run: Run, clinic: Clinic) -> None:
    gate = AttestationGate(**clinic.gate_options)
    only = dict.fromkeys(("pod_id", "policy", "api_base", "pccs", "roots", "tls_ca"))
    for url in (
        "https://elsewhere.example/v1",
        "http://localhost/v1",
        clinic.pod.openai_base.replace("localhost", "127.0.0.1"),
    ):
        with pytest.raises(GateRefused, match=r"origin|no https"):
            run(chat, **only, gate=gate, base_url=url)
        with pytest.raises(GateRefused, match=r"origin|no https"):
            run(lambda client, url=url: chat(client.with_options(base_url=url)))
    gate.close()
    assert clinic.inference_requests == 0


def test_a_base_url_of_the_gates_origin_is_taken(run: Run, clinic: Clinic) -> None:
    assert run(chat, base_url=clinic.pod.openai_base).choices
    assert run(lambda client: chat(client.copy(base_url=f"{clinic.pod.openai_base}/"))).choices


def test_an_explicit_base_url_decides_which_origin_is_gated(clinic: Clinic) -> None:
    client = clinic.client(base_url=clinic.pod.openai_base, api_base=clinic.pod.api_base.replace("localhost", "127.0.0.1"))
    assert chat(client).choices


def test_a_base_url_that_is_set_later_is_refused_when_used(clinic: Clinic) -> None:
    client = clinic.client()
    client.base_url = "https://elsewhere.example/v1"
    with pytest.raises(GateRefused, match="another origin"):
        chat(client)


def test_an_absolute_address_elsewhere_is_refused(run: Run, clinic: Clinic) -> None:
    with HostileTwin(clinic.pod) as twin:
        for url in (
            f"{twin.base}/v1/confidential/embeddings",
            f"{twin.base}/v1/confidential/embeddings".replace("https", "http"),
        ):
            with pytest.raises(GateRefused):
                run(lambda client, url=url: client.post(url, body={"input": "x"}, cast_to=openai.BaseModel))
        assert twin.traffic.connections == 0


# The environment.


def test_the_environment_of_openai_is_ignored(run: Run, clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    with HostileTwin(clinic.pod) as twin:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{twin.base}/v1/confidential")
        monkeypatch.setenv("OPENAI_API_KEY", "key-of-openai")
        monkeypatch.setenv("OPENAI_ADMIN_KEY", "admin-key-of-openai")
        monkeypatch.setenv("OPENAI_ORG_ID", "org-of-openai")
        monkeypatch.setenv("OPENAI_PROJECT_ID", "project-of-openai")
        custom = (
            "X-Evil: 1\nuser-agent: evil\nContent-Type: text/evil\nAuthorization: Bearer evil\nHost: evil\nAccept: evil\nodd"
        )
        monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", custom)
        monkeypatch.setenv("HTTPS_PROXY", twin.base)
        for act in (chat, lambda client: chat(client.with_options(timeout=5)), lambda client: chat(client.copy().copy())):
            headers = run(act).model_extra["simulated"]["headers"]
            assert not [name for name, value in headers.items() if "evil" in f"{name} {value}" or "of-openai" in value]
            assert headers["content-type"] == headers["accept"] == "application/json"
            assert "AttestedOpenAI/Python" in headers["user-agent"]
        assert clinic.pod.received[-1].api_key == clinic.pod.api_key
        assert twin.traffic.connections == 0


def test_an_admin_key_of_the_environment_is_not_sent(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "admin-key-of-openai")
    client = clinic.client()
    assert client.admin_api_key is None
    assert client.copy().admin_api_key is None
    options: Any = {"security": {"admin_api_key_auth": True}, "headers": {"Authorization": openai.omit}}
    with pytest.raises(openai.AuthenticationError):
        client.get("/organization/projects", cast_to=openai.BaseModel, options=options)
    assert clinic.pod.received[-1].api_key is None


def test_headers_of_the_caller_are_sent(run: Run) -> None:
    answer = run(
        lambda client: chat(client.copy(default_headers={"X-Two": "2"})), default_headers={"X-One": "1", "User-Agent": "clinic"}
    )
    headers = answer.model_extra["simulated"]["headers"]
    assert (headers["x-one"], headers["x-two"], headers["user-agent"]) == ("1", "2", "clinic")


def test_an_organization_of_the_caller_is_sent(run: Run) -> None:
    headers = run(lambda client: chat(client.copy()), organization="clinic").model_extra["simulated"]["headers"]
    assert headers["openai-organization"] == "clinic"


def test_the_key_comes_from_the_environment_of_the_pod(run: Run, clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOLTAGEGPU_API_KEY", clinic.pod.api_key)
    assert run(chat, api_key=None).choices


@CLASSES
def test_without_a_key_nothing_is_made(clinic: Clinic, kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "key-of-openai")
    with pytest.raises(ValueError, match="VOLTAGEGPU_API_KEY"):
        kind(**{**clinic.gate_options, "api_key": None})


def test_a_key_may_be_drawn_for_each_request(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOLTAGEGPU_API_KEY", clinic.pod.api_key)
    drawn: list[str] = []

    def draw() -> str:
        drawn.append(clinic.pod.api_key)
        return drawn[-1]

    client = clinic.client(api_key=draw)
    chat(client)
    chat(client.with_options(timeout=5))
    assert len(drawn) == 2


# Arguments.


@CLASSES
@pytest.mark.parametrize(
    "name", ["http_client", "provider", "data_residency", "workload_identity", "admin_api_key", "websocket_base_url"]
)
def test_what_leads_past_the_gate_is_refused(clinic: Clinic, kind: Any, name: str) -> None:
    with pytest.raises(GateRefused, match=f"the argument {name}"):
        kind(**clinic.gate_options, **{name: httpx.Client()})
    client = kind(**clinic.gate_options)
    for copied in (client.copy, client.with_options):
        with pytest.raises(GateRefused, match=f"the argument {name}"):
            copied(**{name: httpx.Client()})
    client.gate.close()


@CLASSES
def test_none_stands_for_not_given(clinic: Clinic, kind: Any) -> None:
    client = kind(**clinic.gate_options, http_client=None)
    assert client.copy(http_client=None, provider=openai.not_given).gate is client.gate
    client.gate.close()


@CLASSES
def test_copies_keep_class_gate_and_connections(clinic: Clinic, kind: Any) -> None:
    client = kind(**clinic.gate_options)
    for made in (client.copy(), client.with_options(max_retries=7), client.copy().with_options(timeout=3.0, api_key="another")):
        assert type(made) is kind
        assert made.gate is client.gate
    assert client.with_options(max_retries=7).max_retries == 7
    client.gate.close()


@CLASSES
def test_a_class_of_ones_own_stays_it(clinic: Clinic, kind: Any) -> None:
    mine = type("Mine", (kind,), {})
    client = mine(**clinic.gate_options)
    assert type(client.with_options(timeout=1)) is mine
    client.gate.close()


def test_a_shallow_copy_is_behind_the_gate_as_well(clinic: Clinic) -> None:
    client = copy.copy(clinic.client())
    client.gate.close()
    with pytest.raises(GateRefused):
        chat(client)


@CLASSES
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "pass a gate, or pod_id and policy"),
        ({"pod_id": "pod_7"}, "pass a gate, or pod_id and policy"),
        ({"nonsense": 1}, "pass a gate, or pod_id and policy"),
    ],
)
def test_half_of_what_is_needed_is_a_type_error(kind: Any, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(TypeError, match=words):
        kind(api_key="x", **arguments)


@CLASSES
def test_a_gate_and_what_makes_one_exclude_each_other(clinic: Clinic, kind: Any) -> None:
    with AttestationGate(**clinic.gate_options) as gate, pytest.raises(TypeError, match="has been made already"):
        kind(gate=gate, **clinic.gate_options)


@CLASSES
def test_an_argument_that_nobody_knows_is_a_type_error(clinic: Clinic, kind: Any) -> None:
    with AttestationGate(**clinic.gate_options) as gate, pytest.raises(TypeError, match="nonsense"):
        kind(gate=gate, api_key="x", nonsense=1)


def test_a_policy_that_opens_no_gate_is_said_at_once(clinic: Clinic) -> None:
    clinic.policy.write_text(clinic.pod.policy_toml(channel=None))
    with pytest.raises(errors.PolicyError, match="channel"):
        AttestedOpenAI(**clinic.gate_options)


def test_a_closed_gate_refuses(run: Run) -> None:
    def close_and_chat(client: Any) -> Any:
        client.gate.close()
        return chat(client)

    with pytest.raises(GateRefused, match="closed"):
        run(close_and_chat)


def test_tasks_share_one_attestation(clinic: Clinic) -> None:
    async def main() -> None:
        async with AsyncAttestedOpenAI(**clinic.gate_options) as client:
            await asyncio.gather(*[client.chat.completions.create(model=MODEL, messages=MESSAGES) for _ in range(20)])

    asyncio.run(main())
    assert clinic.pod.traffic.requests_below("/v1/pods/") == 1
    assert clinic.inference_requests >= 1
