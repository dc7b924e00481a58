"""The simulated pod attests: the quote is genuine, and its REPORTDATA holds the caller's nonce and the connection's key."""

from __future__ import annotations

import base64
import inspect
from datetime import UTC, datetime
from hashlib import sha256, sha512

import pytest
from cryptography import x509

from tests.simulated_pod.client import NONCE, ask, attestation_path, connected, get, post, spki_of
from voltage_attest.evidence.quote import parse_quote
from voltage_attest.evidence.td_report import TdReport15
from voltage_attest.pods.voltagegpu import parse_voltagegpu
from voltage_attest.policy import parse_policy
from voltage_attest.result import Verdict
from voltage_attest.testing import PodOptions, QuoteShape, SimulatedPod, TdReportFields
from voltage_attest.testing.tls import spki_sha256
from voltage_attest.verifier import Verifier


def report_data_of(quote: bytes) -> bytes:
    return parse_quote(quote).td_report.report_data


def test_report_data_commits_to_nonce_and_both_keys(pod: SimulatedPod) -> None:
    answer = get(pod, attestation_path(pod)).json()
    certificate = x509.load_pem_x509_certificate(str(answer["tls_certificate"]).encode())
    e2ee_key = base64.b64decode(str(answer["e2ee_public_key"]), validate=True)
    assert len(e2ee_key) == 32
    hashed = b"voltage-attest/1\x00" + NONCE + spki_sha256(certificate) + sha256(e2ee_key).digest()
    assert report_data_of(base64.b64decode(str(answer["quote"]))) == sha512(hashed).digest()


def test_the_key_in_the_answer_is_the_key_of_the_connection(pod: SimulatedPod) -> None:
    with connected(pod) as connection:
        connection.connect()
        met = spki_of(connection.sock)
        answer = ask(connection, attestation_path(pod)).json()
    certificate = x509.load_pem_x509_certificate(str(answer["tls_certificate"]).encode())
    assert met == spki_sha256(certificate) == pod.spki_sha256


def test_without_an_e2ee_key_its_place_is_zero() -> None:
    with SimulatedPod(e2ee=False) as pod:
        answer = get(pod, attestation_path(pod)).json()
        assert "e2ee_public_key" not in answer
        assert pod.e2ee_public_key is None
        hashed = b"voltage-attest/1\x00" + NONCE + pod.spki_sha256 + bytes(32)
        assert report_data_of(base64.b64decode(str(answer["quote"]))) == sha512(hashed).digest()


def test_the_operators_opinion_agrees_with_the_quote(pod: SimulatedPod) -> None:
    answer = get(pod, attestation_path(pod)).json()
    assert answer["measurement_valid"] is True
    assert answer["nonce"] == NONCE.hex()
    assert answer["tdx_version"] == "1.5"
    assert answer["mr_td"] == TdReportFields().mrtd.hex()


def test_verifier_accepts_a_pod_under_its_own_policy_at_the_present(pod: SimulatedPod) -> None:
    verifier = Verifier(parse_policy(pod.policy_toml()), roots=pod.roots)
    evidence = parse_voltagegpu(get(pod, attestation_path(pod)).body, pod_id=pod.pod_id)
    result = verifier.examine(evidence, pod.collateral().to_json(), at=datetime.now(UTC), nonce=NONCE, fresh=True)
    assert result.verdict is Verdict.VERIFIED, [row for row in result.checks if row.status.closes_gate]
    assert result.freshness.fresh
    assert result.channel.spki_sha256 == pod.spki_sha256.hex()
    assert any("replaced" in warning for warning in result.warnings)


def test_policy_without_a_channel_loads() -> None:
    assert parse_policy(SimulatedPod().policy_toml(channel=None)).channel is None


def test_policy_can_be_extended() -> None:
    text = SimulatedPod().policy_toml(name="ours", more='\n[tdx.tcb]\naccept = ["UpToDate"]\n')
    assert parse_policy(text).name == "ours"


@pytest.mark.parametrize("key", [None, "", "wrong"])
def test_a_missing_or_wrong_key_is_answered_with_401(pod: SimulatedPod, key: str | None) -> None:
    response = get(pod, attestation_path(pod), api_key=key)
    assert response.status == 401
    assert b"quote" not in response.body


def test_another_pod_is_not_found(pod: SimulatedPod) -> None:
    assert get(pod, attestation_path(pod).replace(pod.pod_id, "pod_other")).status == 404


@pytest.mark.parametrize("nonce", ["", "00", "g" * 64, "0" * 63, "0" * 66])
def test_a_nonce_of_another_shape_is_refused(pod: SimulatedPod, nonce: str) -> None:
    assert get(pod, f"/v1/pods/{pod.pod_id}/attestation?nonce={nonce}").status == 400


def test_only_get_attests(pod: SimulatedPod) -> None:
    assert post(pod, attestation_path(pod), {}).status == 405


def test_the_td_that_is_described_is_the_td_that_is_quoted() -> None:
    td = TdReportFields(mrtd=b"\x42" * 48, rtmr3=bytes(48))
    with SimulatedPod(pod_id="pod_mine", api_key="mine", td=td, shape=QuoteShape.V5_TD15) as pod:
        answer = parse_voltagegpu(get(pod, attestation_path(pod), api_key="mine").body)
        assert f'mrtd = ["{td.mrtd.hex()}"]' in pod.policy_toml()
    assert answer.quote is not None
    report = parse_quote(answer.quote).td_report
    assert isinstance(report, TdReport15)
    assert (report.mrtd, report.rtmr3) == (td.mrtd, td.rtmr3)


def test_more_evidence_can_be_carried() -> None:
    gpu = {"nonce": "00", "arch": "HOPPER", "evidence_list": [{"evidence": "AAAA", "certificate": "AAAA"}]}
    with SimulatedPod(attestation_extra={"event_log": [{"imr": 3}], "gpu_evidence": [gpu]}) as pod:  # type: ignore[list-item]
        evidence = parse_voltagegpu(get(pod, attestation_path(pod)).body)
    assert evidence.event_log == '[{"imr": 3}]'
    assert len(evidence.gpu_evidence) == 1


def test_the_named_options_are_those_of_the_pod() -> None:
    parameters = inspect.signature(SimulatedPod.__init__).parameters
    assert set(PodOptions.__annotations__) == set(parameters) - {"self"}
