"""Recorded answers of NEAR AI (2026-04-24) and Chutes (2026-05-20): read in full, bindings recomputed, signatures verified."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime

import pytest

from tests.pods.answers import vector
from tests.support.outcomes import ids_with, policy_text
from voltage_attest.appraise.binding import BINDINGS
from voltage_attest.collateral.intel import IntelCollateral
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.encoding import decode_quote_bytes
from voltage_attest.evidence.model import Evidence
from voltage_attest.evidence.quote import parse_quote
from voltage_attest.pods import parse_answer
from voltage_attest.policy import parse_policy
from voltage_attest.result import Status
from voltage_attest.verifier import Verifier

NEAR_NONCE = bytes.fromhex("7c4b89c7c794886908702155bc671b6214269ed4a4bffaaf751449dba01e27da")
NEAR_AT = datetime(2026, 4, 24, 2, 6, 3, tzinfo=UTC)
CHUTES_NONCE = bytes.fromhex("cda7576dbb7d1ea2852e4a70502723f8d1678fb1ecdb69d6b3224620ac368379")
CHUTES_AT = datetime(2026, 5, 20, 2, 18, 5, tzinfo=UTC)
GENUINE = frozenset(
    {
        *("evidence.quote_present", "tdx.quote.parse", "tdx.quote.header", "tdx.pck.parse", "tdx.pck.chain", "tdx.pck.roles"),
        *("tdx.pck.validity", "tdx.qe.report_signature", "tdx.qe.binds_key", "tdx.qe.debug", "tdx.quote.signature"),
    }
)
"""What a quote shows of itself, without any collateral."""


def near() -> tuple[Evidence, ...]:
    return parse_answer("near", vector("teep-near*/0001_*.body"))


def chutes() -> tuple[Evidence, ...]:
    keys = vector("teep-chutes*/0001_*.body")
    return parse_answer("chutes", vector("teep-chutes*/0002_*.body"), companion=keys, nonce=CHUTES_NONCE)


def report_data(evidence: Evidence) -> bytes:
    return parse_quote(decode_quote_bytes(evidence.quote or b"")).td_report.report_data


def needed(evidence: Evidence, name: str) -> bytes:
    value = evidence.binding_input(name)
    assert value is not None
    return value


def test_near_answers_for_its_gateway_and_its_model() -> None:
    gateway, model = near()
    assert (gateway.pod_id, model.pod_id) == ("gateway", "Qwen/Qwen3.5-122B-A10B")
    assert gateway.nonce == model.nonce == NEAR_NONCE
    assert (len(gateway.gpu_evidence), len(model.gpu_evidence)) == (0, 1)
    assert len(json.loads(model.gpu_evidence[0].json)["evidence_list"]) == 8
    assert {evidence.provider for evidence in near()} == {"near"}
    assert [evidence.warnings for evidence in near()] == [(), ()]


def test_near_event_logs_are_handed_on_as_json_text() -> None:
    lengths = [len(json.loads(evidence.event_log or "")) for evidence in near()]
    assert lengths == [29, 30]


def test_near_keeps_what_measured_boot_needs() -> None:
    for evidence in near():
        info = json.loads(needed(evidence, "dstack_info"))
        assert hashlib.sha256(info["tcb_info"]["app_compose"].encode()).hexdigest() == info["compose_hash"]


def test_near_report_data_is_the_hash_of_address_and_tls_key_and_the_nonce() -> None:
    for evidence in near():
        identity = hashlib.sha256(needed(evidence, "signing_address") + (evidence.tls_spki_sha256 or b"")).digest()
        assert report_data(evidence) == identity + NEAR_NONCE
        assert report_data(evidence) == BINDINGS["near"](evidence, NEAR_NONCE)


def test_near_gateway_certificate_has_the_attested_key() -> None:
    """Known answer by ``openssl``: the fingerprint is the SHA-256 of the SubjectPublicKeyInfo, not of the certificate."""
    gateway, model = near()
    spki_sha256 = "9133446030e5dd73e3f3c151315bf431508991ebc108f37fc01b36836af009fe"
    assert gateway.tls_spki_sha256 == bytes.fromhex(spki_sha256)
    assert gateway.binding_input("tls_certificate") is not None
    assert model.binding_input("tls_certificate") is None


def test_chutes_answers_for_four_instances_of_eight_gpus() -> None:
    found = chutes()
    assert len({evidence.pod_id for evidence in found}) == len(found) == 4
    for evidence in found:
        assert len(json.loads(evidence.gpu_evidence[0].json)["evidence_list"]) == 8
        assert len(evidence.e2ee_public_key or b"") == 1184
        assert evidence.warnings == ()


def test_chutes_report_data_is_the_hash_of_nonce_and_key_as_text_and_of_the_tls_key() -> None:
    for evidence in chutes():
        bound = hashlib.sha256(needed(evidence, "nonce_hex") + needed(evidence, "e2e_pubkey_b64")).digest()
        assert report_data(evidence) == bound + (evidence.tls_spki_sha256 or b"")
        assert report_data(evidence) == BINDINGS["chutes"](evidence, CHUTES_NONCE)


def test_chutes_gpus_sign_the_first_half_of_report_data() -> None:
    """The nonce of an SPDM request stands at offset 4 of the evidence."""
    for evidence in chutes():
        for device in json.loads(evidence.gpu_evidence[0].json)["evidence_list"]:
            assert base64.b64decode(device["evidence"])[4:36] == report_data(evidence)[:32]


def test_chutes_without_the_keys_says_what_is_missing() -> None:
    found = parse_answer("chutes", vector("teep-chutes*/0002_*.body"))
    assert all("pass the answer of /e2e/instances" in evidence.warnings[-1] for evidence in found)
    assert all(evidence.e2ee_public_key is None and evidence.nonce is None for evidence in found)


def test_chutes_keys_in_place_of_evidence_are_recognised() -> None:
    with pytest.raises(EvidenceFormatError, match="holds instances") as refusal:
        parse_answer("chutes", vector("teep-chutes*/0001_*.body"))
    assert "companion" in refusal.value.remedy


@pytest.mark.parametrize(("provider", "at"), [("near", NEAR_AT), ("chutes", CHUTES_AT)])
def test_the_signatures_of_recorded_quotes_verify(provider: str, at: datetime) -> None:
    found, nonce = (near(), NEAR_NONCE) if provider == "near" else (chutes(), CHUTES_NONCE)
    verifier = Verifier(parse_policy(f'{policy_text()}\n[channel]\nbinding = "{provider}"\n'))
    for evidence in found:
        result = verifier.examine(evidence, IntelCollateral(), at=at, nonce=nonce)
        assert ids_with(result, Status.PASSED) >= GENUINE
        assert ids_with(result, Status.FAILED) == frozenset()
