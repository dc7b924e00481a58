"""Asking over the network: what is sent, what helps when it fails, and that the key is in no text."""

from __future__ import annotations

import asyncio
import secrets
import traceback
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.pods.answers import (
    NONCE,
    chutes_evidence,
    chutes_instances,
    dstack_report,
    encode,
    gpu_evidence,
    near_gateway,
    quote_over,
    tinfoil_v3_flat,
    voltagegpu,
)
from voltage_attest.collateral.http import AsyncBoundedClient, BoundedClient
from voltage_attest.collateral.http_core import Limits
from voltage_attest.errors import EvidenceFormatError, FetchError
from voltage_attest.evidence.model import Evidence
from voltage_attest.pods import PROVIDERS, ApiKey
from voltage_attest.pods.client import (
    POD_LIMITS,
    AsyncPodClient,
    PodClient,
    _pod_request,
    fetch_answer,
    fetch_answer_async,
)
from voltage_attest.testing import SimulatedPod

SECRET = "vk_live_abcdef0123456789"  # noqa: S105 - made up
KEY = ApiKey(SECRET, source="VOLT_API_KEY")
ONCE = Limits(attempts=1)
Handler = Callable[[httpx.Request], httpx.Response]


def answering(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Handler:
    sent = {"content-type": "application/json", **(headers or {})}
    return lambda _: httpx.Response(status, content=body, headers=sent)


def fetch_both(handler: Handler, pod_id: str = "pod_1") -> list[Evidence]:
    """The answer as the client for threads and the one for asyncio read it."""

    async def fetch() -> Evidence:
        async with AsyncBoundedClient(limits=ONCE, transport=httpx.MockTransport(handler)) as client:
            return await AsyncPodClient(client, KEY).fetch(pod_id, NONCE)

    with BoundedClient(limits=ONCE, transport=httpx.MockTransport(handler)) as client:
        return [PodClient(client, KEY).fetch(pod_id, NONCE), asyncio.run(fetch())]


def failure_of(handler: Handler) -> FetchError:
    """The failure, the same from both clients."""

    async def fetch() -> None:
        async with AsyncBoundedClient(limits=ONCE, transport=httpx.MockTransport(handler)) as client:
            await AsyncPodClient(client, KEY).fetch("pod_1", NONCE)

    with BoundedClient(limits=ONCE, transport=httpx.MockTransport(handler)) as client:
        with pytest.raises(FetchError) as refused:
            PodClient(client, KEY).fetch("pod_1", NONCE)
        with pytest.raises(FetchError) as refused_async:
            asyncio.run(fetch())
    assert str(refused.value) == str(refused_async.value)
    told = "".join(traceback.format_exception(refused.value))
    assert SECRET not in told
    assert NONCE.hex() not in told
    return refused.value


def test_the_request_is_the_documented_one() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return answering(encode(voltagegpu()))(request)

    for evidence in fetch_both(handler, "pod_aB-9"):
        assert (evidence.pod_id, evidence.nonce) == ("pod_aB-9", NONCE)
    for request in seen:
        assert str(request.url) == f"https://api.voltagegpu.com/v1/pods/pod_aB-9/attestation?nonce={NONCE.hex()}"
        assert request.headers["authorization"] == f"Bearer {SECRET}"
    assert len(seen) == 2


@pytest.mark.parametrize(
    ("status", "refused", "remedy"),
    [
        (401, False, "The API key from VOLT_API_KEY was not accepted: check VOLTAGEGPU_API_KEY or --api-key-file."),
        (403, False, "The API key from VOLT_API_KEY may not see this"),
        (404, False, "There is no pod id 'pod_1' at this address, or the key may not see it"),
        (429, False, "Try again later"),
        (500, False, "Try again later"),
        (503, False, "Try again later"),
        (301, True, "Give the address to which it leads"),
        (307, True, "Give the address to which it leads"),
        (204, True, "Check the address"),
    ],
)
def test_each_status_says_what_to_do(status: int, *, refused: bool, remedy: str) -> None:
    error = failure_of(answering(b"{}", status, {"location": "https://elsewhere.example/"}))
    assert (error.status, error.refused) == (status, refused)
    assert error.wanted == "the evidence of pod pod_1"
    assert remedy in error.remedy


def test_a_server_that_names_a_time_is_quoted() -> None:
    assert failure_of(answering(b"{}", 429, {"retry-after": "7"})).retry_after == 7.0


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (answering(b"<html>Sign in</html>", 200, {"content-type": "text/html"}), "an HTML page instead of JSON"),
        (answering(b"  <!doctype html>"), "an HTML page instead of JSON"),
        (answering(b"{}", 200, {"content-type": "text/plain"}), "content of type text/plain; expected application/json"),
        (answering(b" " * (4 * 1024 * 1024 + 1)), "more than 4194304 bytes"),
    ],
    ids=["html", "html called json", "text", "too long"],
)
def test_an_unacceptable_answer_is_refused_for_good(handler: Handler, words: str) -> None:
    error = failure_of(handler)
    assert error.refused
    assert words in error.happened


def test_a_silent_server_may_be_asked_again() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("", request=request)

    assert not failure_of(handler).refused


@pytest.mark.parametrize("body", [b'{"quote": ', b'{"nonce": "00"}', b"[]"])
def test_an_answer_that_cannot_be_read_is_malformed_evidence(body: bytes) -> None:
    with pytest.raises(EvidenceFormatError, match="the pod's answer"):
        fetch_both(answering(body))


@pytest.mark.parametrize("pod_id", ["../users", "a/../b", "a?nonce=00", ""])
def test_nothing_is_sent_for_a_pod_id_that_is_none(pod_id: str) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise AssertionError(f"sent {request.url}")

    with pytest.raises(EvidenceFormatError, match="the pod id"):
        fetch_both(handler, pod_id)


@pytest.mark.parametrize(
    "base",
    [
        "http://api.voltagegpu.com",
        "ftp://api.voltagegpu.com",
        "api.voltagegpu.com",
        "https://user:password@api.voltagegpu.com",
        "https://api.voltagegpu.com/?x=",
        "https://api.voltagegpu.com/#",
        "https://",
        "http://localhost.example",
        "",
    ],
)
def test_a_base_address_that_would_give_the_key_away_is_refused(base: str) -> None:
    with BoundedClient() as client, pytest.raises(ValueError, match="address") as refused:
        PodClient(client, KEY, base=base)
    assert "password" not in str(refused.value).replace("a user name or password", "")


@pytest.mark.parametrize(
    "base", ["https://pods.example/", "https://pods.example/eu", "http://127.0.0.1:8000", "http://[::1]:1"]
)
def test_a_base_address_may_have_a_path_or_be_this_machine(base: str) -> None:
    seen: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        return answering(b"{}")(request)

    with BoundedClient(transport=httpx.MockTransport(handler)) as client:
        PodClient(client, KEY, base=base).fetch("p", NONCE)
    assert seen == [f"{base.rstrip('/')}/v1/pods/p/attestation?nonce={NONCE.hex()}"]


def by_path(answers: dict[str, bytes | int], seen: list[httpx.Request]) -> Handler:
    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        answer = answers[request.url.path]
        return httpx.Response(answer, content=b"{}") if isinstance(answer, int) else answering(answer)(request)

    return handler


def live(provider: str, answers: dict[str, bytes | int], *, base: str | None, target: str | None) -> list[httpx.Request]:
    """Ask with both clients; return the requests of one of them, which were those of the other."""
    seen: list[httpx.Request] = []
    transport = httpx.MockTransport(by_path(answers, seen))

    async def fetch() -> tuple[Evidence, ...]:
        async with AsyncBoundedClient(limits=ONCE, transport=transport) as client:
            return await fetch_answer_async(provider, base, client, nonce=NONCE, target=target, api_key=KEY)

    with BoundedClient(limits=ONCE, transport=transport) as client:
        found = fetch_answer(provider, base, client, nonce=NONCE, target=target, api_key=KEY)
    assert found == asyncio.run(fetch())
    assert found
    half = len(seen) // 2
    assert [str(request.url) for request in seen[:half]] == [str(request.url) for request in seen[half:]]
    return seen[:half]


ED25519 = "&signing_algo=ed25519&include_tls_fingerprint=true"
LIVE: dict[str, tuple[dict[str, bytes | int], str | None, str | None, list[str]]] = {
    "voltagegpu": (
        {"/v1/pods/p/attestation": encode(voltagegpu())},
        None,
        "p",
        [f"https://api.voltagegpu.com/v1/pods/p/attestation?nonce={NONCE.hex()}"],
    ),
    "near": (
        {"/v1/attestation/report": encode(near_gateway())},
        None,
        "Qwen/Qwen3",
        [f"https://cloud-api.near.ai/v1/attestation/report?model=Qwen%2FQwen3&nonce={NONCE.hex()}{ED25519}"],
    ),
    "phala": (
        {"/v1/attestation/report": encode(dstack_report(tls=None))},
        None,
        "a&b",
        [f"https://api.redpill.ai/v1/attestation/report?model=a%26b&nonce={NONCE.hex()}"],
    ),
    "dstack": (
        {"/v1/attestation/report": encode(dstack_report())},
        "https://node.example",
        None,
        [f"https://node.example/v1/attestation/report?nonce={NONCE.hex()}{ED25519}"],
    ),
    "chutes": (
        {"/chutes/a/b/evidence": encode(chutes_evidence()), "/e2e/instances/a/b": encode(chutes_instances())},
        None,
        "a/b",
        [
            f"https://api.chutes.ai/chutes/a%2Fb/evidence?nonce={NONCE.hex()}",
            "https://api.chutes.ai/e2e/instances/a%2Fb",
        ],
    ),
    "tinfoil": (
        {"/.well-known/tinfoil-attestation": tinfoil_v3_flat()},
        "https://enclave.example",
        None,
        [f"https://enclave.example/.well-known/tinfoil-attestation?nonce={NONCE.hex()}"],
    ),
    "secretvm": (
        {"/cpu": quote_over(NONCE).hex().encode(), "/gpu": encode(gpu_evidence())},
        "https://vm.example:29343",
        None,
        ["https://vm.example:29343/cpu", "https://vm.example:29343/gpu"],
    ),
}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_provider_is_asked_as_documented(provider: str) -> None:
    answers, base, target, urls = LIVE[provider]
    requests = live(provider, answers, base=base, target=target)
    assert [str(request.url) for request in requests] == urls
    sent = {request.headers.get("authorization") for request in requests}
    assert sent == ({f"Bearer {SECRET}"} if PROVIDERS[provider].takes_key else {None})


def test_a_secretvm_that_has_no_gpu_to_show_is_read_without() -> None:
    answers: dict[str, bytes | int] = {"/cpu": quote_over(NONCE).hex().encode(), "/gpu": 404}
    transport = httpx.MockTransport(by_path(answers, []))
    with BoundedClient(limits=ONCE, transport=transport) as client:
        (evidence,) = fetch_answer("secretvm", "https://vm.example", client, nonce=NONCE)
    assert evidence.warnings[-1] == "the SecretVM has no GPU evidence to give"


def test_a_secretvm_that_falls_silent_is_not_taken_for_one_without_gpu() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/gpu":
            raise httpx.ConnectError("", request=request)
        return answering(quote_over(NONCE).hex().encode())(request)

    with BoundedClient(limits=ONCE, transport=httpx.MockTransport(handler)) as client, pytest.raises(FetchError):
        fetch_answer("secretvm", "https://vm.example", client, nonce=NONCE)


@pytest.mark.parametrize(
    ("provider", "base", "target", "nonce", "words"),
    [
        ("acme", None, None, NONCE, "'acme' is unknown"),
        ("near", None, None, NONCE, "near was given no target; expected a model"),
        ("tinfoil", "https://e.example", "x", NONCE, "tinfoil was given a target; expected no target"),
        ("tinfoil", None, None, NONCE, "tinfoil was given no address"),
        ("dstack", "http://node.example", None, NONCE, "it is http, not https"),
        ("near", None, "m", NONCE[:8], "a nonce of 8 bytes"),
    ],
)
def test_what_cannot_be_asked_is_a_mistake_of_the_caller(
    provider: str, base: str | None, target: str | None, nonce: bytes, words: str
) -> None:
    with BoundedClient() as client, pytest.raises(ValueError, match=words):
        fetch_answer(provider, base, client, nonce=nonce, target=target)


@pytest.mark.parametrize(
    ("status", "words"), [(401, "Near did not accept the API key, or it needs one"), (404, "no model 'm'")]
)
def test_other_providers_failures_speak_of_them(status: int, words: str) -> None:
    transport = httpx.MockTransport(answering(b"{}", status))
    with BoundedClient(limits=ONCE, transport=transport) as client, pytest.raises(FetchError, match=words):
        fetch_answer("near", None, client, nonce=NONCE, target="m")


def test_a_simulated_pod_is_asked_over_real_tls(tmp_path: Path) -> None:
    nonce = secrets.token_bytes(32)
    with SimulatedPod() as pod:
        ca = tmp_path / "ca.pem"
        ca.write_bytes(pod.ca_pem)
        with BoundedClient(tls_ca=ca, limits=POD_LIMITS) as client:
            evidence = PodClient(client, ApiKey(pod.api_key), base=pod.api_base).fetch(pod.pod_id, nonce)
            assert (evidence.nonce, evidence.tls_spki_sha256) == (nonce, pod.spki_sha256)
            assert evidence.e2ee_public_key == pod.e2ee_public_key
            assert evidence.warnings == ()
            with pytest.raises(FetchError, match="was not accepted"):
                PodClient(client, ApiKey("wrong"), base=pod.api_base).fetch(pod.pod_id, nonce)
            with pytest.raises(FetchError, match="no pod id 'pod_other'"):
                PodClient(client, ApiKey(pod.api_key), base=pod.api_base).fetch("pod_other", nonce)


def test_the_request_shows_no_secret() -> None:
    request = _pod_request("https://pods.example", "p", NONCE, KEY)
    assert SECRET not in repr(request)
    assert request.place == "https://pods.example/v1/pods/p/attestation"
