"""Each fault does what it says and nothing else: which check stops it, or what the client meets on the wire."""

from __future__ import annotations

import http.client
import json
import ssl
from datetime import UTC, datetime

import pytest

from tests.simulated_pod.client import NONCE, ask, attestation_path, chat, connected, get, peer_spki, post
from tests.support.outcomes import failed_ids
from voltage_attest.pods.voltagegpu import parse_voltagegpu
from voltage_attest.policy import parse_policy
from voltage_attest.result import AttestationResult
from voltage_attest.testing import (
    ATTESTATION,
    COLLATERAL,
    INFERENCE,
    Answers,
    CutConnection,
    Disturbance,
    Fault,
    HostileTwin,
    HtmlPage,
    OversizedBody,
    Redirects,
    SimulatedPod,
    Slow,
    Trickle,
    WrongContentType,
)
from voltage_attest.verifier import Verifier

STOPPED_BY = {
    Fault.STALE_NONCE: {"binding.nonce"},
    Fault.REPLAYED_QUOTE: {"binding.report_data"},
    Fault.WRONG_KEY: {"binding.report_data"},
    Fault.RELAYED_EVIDENCE: set[str](),  # flawless: only the key of the connection gives it away
    Fault.OTHER_MRTD: {"tdx.policy.mrtd"},
    Fault.DEBUG_TD: {"tdx.td.debug"},
    Fault.OUT_OF_DATE_TCB: {"tdx.policy.tcb"},
    Fault.REVOKED_PCK: {"tdx.pck.revocation"},
    Fault.NO_QUOTE: {"evidence.quote_present"},
    Fault.MEASUREMENT_INVALID: {"evidence.provider_opinion"},
    Fault.MR_TD_LIE: {"evidence.provider_opinion"},
    Fault.TRUNCATED_STREAM: set[str](),
}


def judge(pod: SimulatedPod) -> AttestationResult:
    """Judge what the pod answers at this moment, under the policy that accepts it when well."""
    evidence = parse_voltagegpu(get(pod, attestation_path(pod)).body, pod_id=pod.pod_id)
    verifier = Verifier(parse_policy(pod.policy_toml()), roots=pod.roots)
    return verifier.examine(evidence, pod.collateral().to_json(), at=datetime.now(UTC), nonce=NONCE, fresh=True)


@pytest.mark.parametrize("fault", STOPPED_BY)
def test_fault_is_stopped_by_its_own_checks(pod: SimulatedPod, fault: Fault) -> None:
    with pod.faulty(fault):
        result = judge(pod)
    assert failed_ids(result) == STOPPED_BY[fault]
    assert failed_ids(judge(pod)) == set(), "the pod is well again afterwards"


def test_every_fault_has_its_checks_here_or_where_pods_have_gpus() -> None:
    missing = {fault for fault in Fault if fault not in STOPPED_BY}
    assert {fault.name.split("_")[0] for fault in missing} == {"GPU", "SWITCH", "OCSP"}


def test_faults_combine(pod: SimulatedPod) -> None:
    with pod.faulty(Fault.DEBUG_TD, Fault.OTHER_MRTD), pod.faulty(Fault.REVOKED_PCK, Fault.OUT_OF_DATE_TCB):
        expected = {"tdx.td.debug", "tdx.policy.mrtd", "tdx.pck.revocation", "tdx.policy.tcb"}
        failed = failed_ids(judge(pod))
    assert expected & failed, failed


def test_relayed_evidence_names_a_key_that_the_connection_does_not_have(pod: SimulatedPod) -> None:
    with pod.faulty(Fault.RELAYED_EVIDENCE):
        evidence = parse_voltagegpu(get(pod, attestation_path(pod)).body)
    assert evidence.tls_spki_sha256 != peer_spki(pod) == pod.spki_sha256


def test_set_faults_replaces_all_that_was_wrong(pod: SimulatedPod) -> None:
    pod.set_faults(Fault.DEBUG_TD, Answers(status=500))
    assert get(pod, attestation_path(pod)).status == 500
    pod.set_faults(Fault.NO_QUOTE)
    assert "quote" not in get(pod, attestation_path(pod)).json()
    pod.set_faults()
    assert failed_ids(judge(pod)) == set()


def test_errors_last_as_many_times_as_said(pod: SimulatedPod) -> None:
    with pod.faulty(Answers(status=503, times=2)), connected(pod) as connection:
        statuses = [ask(connection, attestation_path(pod)).status for _ in range(4)]
    assert statuses == [503, 503, 200, 200]


def test_what_is_left_of_a_disturbance_outlives_an_inner_one(pod: SimulatedPod) -> None:
    pod.set_faults(Answers(status=503, times=2))
    assert get(pod, attestation_path(pod)).status == 503
    with pod.faulty(Fault.NO_QUOTE):
        pass
    assert [get(pod, attestation_path(pod)).status for _ in range(2)] == [503, 200]


def test_too_many_requests_says_when_to_come_back(pod: SimulatedPod) -> None:
    with pod.faulty(Answers(status=429, retry_after="7")):
        response = get(pod, attestation_path(pod))
    assert (response.status, response.headers["retry-after"]) == (429, "7")


def test_a_disturbance_keeps_to_its_paths(pod: SimulatedPod) -> None:
    with pod.faulty(Answers(status=404, on=COLLATERAL), Answers(status=502, on=INFERENCE)):
        assert get(pod, attestation_path(pod)).status == 200
        assert get(pod, "/tdx/certification/v4/qe/identity").status == 404
        assert get(pod, "/IntelSGXRootCA.der").status == 404
        assert get(pod, "/v1/confidential/models").status == 502
    with pod.faulty(Answers(status=404, on=("/tdx/certification/v4/tcb",))):
        assert get(pod, "/tdx/certification/v4/qe/identity").status == 200
        assert get(pod, "/tdx/certification/v4/tcb?fmspc=B0C06F000000").status == 404


def test_html_comes_in_place_of_json(pod: SimulatedPod) -> None:
    with pod.faulty(HtmlPage(on=ATTESTATION)):
        response = get(pod, attestation_path(pod))
    assert (response.status, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert response.body.startswith(b"<!DOCTYPE html>")


def test_wrong_content_type_leaves_the_body_alone(pod: SimulatedPod) -> None:
    with pod.faulty(WrongContentType(content_type="application/octet-stream")):
        response = get(pod, attestation_path(pod))
    assert response.headers["content-type"] == "application/octet-stream"
    assert response.json()["nonce"] == NONCE.hex()


def test_oversized_body_is_valid_json_of_that_size(pod: SimulatedPod) -> None:
    with pod.faulty(OversizedBody(size=5_000_000)):
        response = get(pod, attestation_path(pod))
    assert len(response.body) == 5_000_000
    assert response.json()["nonce"] == NONCE.hex()


def test_redirect_leads_to_the_same_path_elsewhere(pod: SimulatedPod) -> None:
    with HostileTwin(pod) as twin, pod.faulty(Redirects(to=twin.base)):
        response = get(pod, attestation_path(pod))
        assert response.status == 307
        assert response.headers["location"] == twin.base + attestation_path(pod)
        assert twin.traffic.connections == 0


def test_connection_is_cut_in_mid_body(pod: SimulatedPod) -> None:
    with pod.faulty(CutConnection()), pytest.raises((http.client.IncompleteRead, ssl.SSLError)):
        get(pod, attestation_path(pod))


def test_connection_is_cut_before_the_status_line(pod: SimulatedPod) -> None:
    with pod.faulty(CutConnection(after=-1)), pytest.raises((http.client.RemoteDisconnected, ssl.SSLError)):
        get(pod, attestation_path(pod))


def test_a_stream_is_cut_without_its_last_chunk(pod: SimulatedPod) -> None:
    with pod.faulty(CutConnection(on=INFERENCE)), pytest.raises((http.client.IncompleteRead, ssl.SSLError)):
        post(pod, "/v1/confidential/chat/completions", chat(stream=True))


def test_truncated_stream_is_whole_http_without_its_end(pod: SimulatedPod) -> None:
    with pod.faulty(Fault.TRUNCATED_STREAM):
        body = post(pod, "/v1/confidential/chat/completions", chat(stream=True)).body
    events = [json.loads(line.removeprefix("data: ")) for line in body.decode().split("\n\n") if line]
    said = "".join(event["choices"][0]["delta"]["content"] for event in events)
    assert said == "The dose is safe to increase"
    assert all(event["choices"][0]["finish_reason"] is None for event in events)


@pytest.mark.parametrize("disturbance", [Slow(seconds=600), Trickle(seconds=600)])
def test_a_slow_pod_closes_at_once(disturbance: Disturbance) -> None:
    with SimulatedPod() as pod, connected(pod) as connection:
        pod.set_faults(disturbance)
        connection.request("GET", "/v1/confidential/models", headers={"Authorization": "Bearer simulated-key"})
        assert pod.wait_for_requests(1, below=INFERENCE)
        pod.close()
        assert pod.open_connections == 0


def test_a_slow_pod_answers_in_the_end(pod: SimulatedPod) -> None:
    with pod.faulty(Slow(seconds=0.01), Trickle(seconds=0.001)):
        assert get(pod, attestation_path(pod)).json()["nonce"] == NONCE.hex()
        assert post(pod, "/v1/confidential/chat/completions", chat(stream=True)).body.endswith(b"data: [DONE]\n\n")
