"""Chutes: two documents that must fit, and Redpill's one."""

from __future__ import annotations

import hashlib
import json

import pytest

from tests.pods.answers import (
    E2EE_KEY,
    NONCE,
    SPKI_SHA256,
    JsonDict,
    b64,
    chutes_evidence,
    chutes_instances,
    encode,
    relayed_chutes,
)
from voltage_attest.appraise.binding import BINDINGS
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.model import Evidence
from voltage_attest.evidence.quote import parse_quote
from voltage_attest.pods import parse_answer


def read(evidence: object, instances: object | None = None, nonce: bytes | None = NONCE) -> tuple[Evidence, ...]:
    companion = None if instances is None else encode(instances)
    return parse_answer("chutes", encode(evidence), companion=companion, nonce=nonce)


def refusal(evidence: object, instances: object | None = None) -> EvidenceFormatError:
    with pytest.raises(EvidenceFormatError) as refused:
        read(evidence, instances)
    return refused.value


def test_both_documents_together_are_bound() -> None:
    found = read(chutes_evidence(), chutes_instances())
    assert [evidence.pod_id for evidence in found] == ["instance-1", "instance-2"]
    for evidence in found:
        assert evidence.quote is not None
        bound = parse_quote(evidence.quote).td_report.report_data
        assert bound == hashlib.sha256((NONCE.hex() + b64(E2EE_KEY)).encode()).digest() + SPKI_SHA256
        assert bound == BINDINGS["chutes"](evidence, NONCE)
        assert (evidence.e2ee_public_key, evidence.tls_spki_sha256) == (E2EE_KEY, SPKI_SHA256)
        assert evidence.warnings == ()


def test_bare_lists_of_gpus_are_framed_with_their_own_text() -> None:
    text = json.dumps(chutes_evidence()).replace('"arch": "HOPPER"}, {', '"arch":"HOPPER" } ,{', 1)
    evidence = parse_answer("chutes", text.encode())[0]
    framed = json.loads(evidence.gpu_evidence[0].json)
    assert (framed["arch"], len(framed["evidence_list"])) == ("HOPPER", 8)
    assert '"arch":"HOPPER" } ,{' in evidence.gpu_evidence[0].json


def test_an_instance_without_gpus_has_no_gpu_evidence() -> None:
    document = chutes_evidence()
    entries = document["evidence"]
    assert isinstance(entries, list)
    found = read({"evidence": [{**entries[0], "gpu_evidence": []}]}, chutes_instances())
    assert found[0].gpu_evidence == ()


def test_an_instance_whose_key_is_not_listed_says_so() -> None:
    instances = {"instances": [{"instance_id": "instance-2", "e2e_pubkey": b64(E2EE_KEY)}]}
    first, second = read(chutes_evidence(), instances)
    assert first.e2ee_public_key is None
    assert "no e2e_pubkey for this instance" in first.warnings[0]
    assert second.e2ee_public_key == E2EE_KEY


def test_instances_that_gave_no_evidence_are_counted() -> None:
    found = read({**chutes_evidence(), "failed_instance_ids": ["a", "b"]}, chutes_instances())
    assert found[0].warnings == ("the Chutes answer: 2 instances gave no evidence",)


def test_redpill_hands_it_on_as_one_document() -> None:
    (evidence,) = read(relayed_chutes(), nonce=None)
    assert evidence.nonce == NONCE
    assert evidence.binding_input("nonce_hex") == NONCE.hex().encode()
    assert evidence.binding_input("e2e_pubkey_b64") == b64(E2EE_KEY).encode()
    assert evidence.tls_spki_sha256 is None


@pytest.mark.parametrize(
    ("instances", "found"),
    [
        ({}, "no 'instances'"),
        ({"instances": {}}, "instances is an object"),
        ({"instances": [{"instance_id": "a"}]}, "no 'e2e_pubkey'"),
        ({"instances": [{"instance_id": "a", "e2e_pubkey": "AB"}]}, "e2e_pubkey is the text 'AB'"),
        ({"instances": [{"instance_id": "a", "e2e_pubkey": "QUI="}] * 2}, "name 'a' twice"),
        ({"instances": [{"instance_id": "a", "e2e_pubkey": "QUJ="}]}, "e2e_pubkey is the text 'QUJ='"),
    ],
)
def test_malformed_keys_are_refused(instances: JsonDict, found: str) -> None:
    """The last of them is base64 with stray bits: another text for the same bytes, and it is the text that is hashed."""
    assert found in refusal(chutes_evidence(), instances).found


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"instance_id": None}, "no 'instance_id'"),
        ({"quote": "zz zz"}, "quote is the text 'zz zz'"),
        ({"certificate": "AAAA"}, "certificate: "),
        ({"certificate": "-"}, "certificate is the text '-'"),
        ({"gpu_evidence": {}}, "gpu_evidence is an object"),
        ({"gpu_evidence": [{}]}, "gpu_evidence[0] has no 'evidence'"),
        ({"gpu_evidence": [{"evidence": "", "certificate": ""}]}, "has no 'arch'"),
    ],
)
def test_malformed_evidence_is_refused_by_name(changes: JsonDict, found: str) -> None:
    entries = chutes_evidence()["evidence"]
    assert isinstance(entries, list)
    assert found in refusal({"evidence": [{**entries[0], **changes}]}, chutes_instances()).found


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ({"evidence": []}, "has no evidence"),
        ({"detail": "Not found"}, "no 'evidence' (it holds 'detail')"),
        ({"attestation_type": "chutes", "all_attestations": []}, "has no evidence"),
        ({"attestation_type": "chutes", "nonce": "00"}, "nonce"),
        (chutes_instances(), "holds instances, which are keys"),
    ],
)
def test_an_empty_or_foreign_answer_is_refused(document: JsonDict, found: str) -> None:
    assert found in refusal(document).found
