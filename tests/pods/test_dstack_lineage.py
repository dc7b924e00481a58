"""dstack's reports: flat, in NEAR's wrapping, and through Phala's gateway."""

from __future__ import annotations

import hashlib
import json

import pytest

from tests.pods.answers import (
    HPKE_KEY,
    NONCE,
    SPKI_SHA256,
    JsonDict,
    dstack_report,
    encode,
    near_gateway,
    relayed_chutes,
)
from voltage_attest.appraise.binding import near_report_data
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.encoding import decode_quote_bytes
from voltage_attest.evidence.model import Evidence
from voltage_attest.evidence.quote import parse_quote
from voltage_attest.pods import parse_answer

ETHEREUM = hashlib.sha256(b"an address").digest()[:20]


def is_bound(evidence: Evidence) -> bool:
    quote = parse_quote(decode_quote_bytes(evidence.quote or b""))
    address = evidence.binding_input("signing_address") or b""
    return quote.td_report.report_data == near_report_data(address, evidence.tls_spki_sha256, NONCE)


def refusal(provider: str, document: JsonDict) -> EvidenceFormatError:
    with pytest.raises(EvidenceFormatError) as refused:
        parse_answer(provider, encode(document))
    return refused.value


@pytest.mark.parametrize("provider", ["dstack", "near", "phala"])
@pytest.mark.parametrize("tls", [SPKI_SHA256, None], ids=["tls", "no-tls"])
@pytest.mark.parametrize("address", [HPKE_KEY, ETHEREUM], ids=["ed25519", "ecdsa"])
def test_a_flat_report_is_read_and_bound(provider: str, tls: bytes | None, address: bytes) -> None:
    (evidence,) = parse_answer(provider, encode(dstack_report(address, tls=tls)))
    assert (evidence.provider, evidence.pod_id, evidence.nonce) == (provider, "example/model", NONCE)
    assert evidence.binding_input("signing_address") == address
    assert evidence.tls_spki_sha256 == tls
    assert evidence.warnings == ()
    assert is_bound(evidence)


def test_only_an_ed25519_address_is_an_end_to_end_key() -> None:
    """An Ethereum address is a hash that this package cannot compute: the public key beside it is bound by nothing."""
    keys = [parse_answer("dstack", encode(dstack_report(address)))[0].e2ee_public_key for address in (HPKE_KEY, ETHEREUM)]
    assert keys == [HPKE_KEY, None]


def test_another_public_key_beside_an_ed25519_address_is_refused() -> None:
    error = refusal("dstack", {**dstack_report(), "signing_public_key": "11" * 32})
    assert "signing_public_key and signing_address differ" in error.found
    assert "Do not send" in error.remedy


def test_the_list_of_nodes_is_read_and_the_report_above_it_counted_once() -> None:
    first, second = dstack_report(), dstack_report(hashlib.sha256(b"another node").digest())
    found = parse_answer("dstack", encode({**first, "all_attestations": [first, second]}))
    assert [evidence.binding_input("signing_address") == HPKE_KEY for evidence in found] == [True, False]


def test_a_report_above_the_list_that_is_not_in_it_is_not_lost() -> None:
    router, node = dstack_report(), dstack_report(hashlib.sha256(b"another node").digest())
    found = parse_answer("phala", encode({**router, "all_attestations": [node]}))
    assert [evidence.binding_input("signing_address") == HPKE_KEY for evidence in found] == [True, False]


def test_near_wraps_by_role_gateway_first() -> None:
    gateway, model = parse_answer("near", encode(near_gateway()))
    assert (gateway.pod_id, model.pod_id) == ("gateway", "example/model")
    assert is_bound(gateway)
    assert is_bound(model)
    assert gateway.binding_input("tls_certificate") is not None
    assert gateway.warnings == model.warnings == ()


@pytest.mark.parametrize("provider", ["near", "phala"])
@pytest.mark.parametrize("absent", ["gateway_attestation", "model_attestations"])
def test_either_half_of_the_wrapping_may_be_absent(provider: str, absent: str) -> None:
    document = near_gateway()
    del document[absent]
    assert len(parse_answer(provider, encode(document))) == 1


def test_a_certificate_of_another_key_than_the_fingerprint_is_said() -> None:
    document = near_gateway()
    gateway = dstack_report(tls=bytes(32))
    found = parse_answer("near", encode({**document, "gateway_attestation": gateway}))
    assert found[0].tls_spki_sha256 == bytes(32)
    assert found[0].warnings == (
        "the gateway's tls_certificate has another key than its tls_cert_fingerprint: the fingerprint counts",
    )


def test_the_certificate_never_takes_the_place_of_a_fingerprint() -> None:
    """Without a fingerprint the address alone is bound; a certificate beside it must not pretend to be."""
    document = {**near_gateway(), "gateway_attestation": dstack_report(tls=None)}
    gateway = parse_answer("near", encode(document))[0]
    assert gateway.tls_spki_sha256 is None
    assert is_bound(gateway)


def test_unknown_keys_are_named_at_every_level() -> None:
    document = near_gateway()
    model = {**dstack_report(), "quota": 1}
    found = parse_answer("near", encode({**document, "model_attestations": [model], "region": "eu"}))
    assert ["region" in found[0].warnings[0], "model_attestations[0]: the unknown key 'quota'" in found[1].warnings[0]] == [
        True,
        True,
    ]


def test_phala_passes_chutes_on() -> None:
    (evidence,) = parse_answer("phala", encode(relayed_chutes()))
    assert (evidence.provider, evidence.pod_id) == ("phala", "instance-1")
    assert evidence.nonce == NONCE


@pytest.mark.parametrize(
    ("changes", "found", "expected"),
    [
        ({"signing_address": None}, "no 'signing_address'", "a member"),
        ({"signing_address": "0x00"}, "signing_address", "40 or 64 hex digits"),
        ({"signing_algo": "ecdsa"}, "signing_algo", "ed25519, since the address has 32 bytes"),
        ({"signing_algo": "rsa"}, "signing_algo", "ed25519"),
        ({"request_nonce": "00"}, "request_nonce", "64 hex digits"),
        ({"intel_quote": "zz"}, "the quote is neither", "one of them"),
        ({"intel_quote": 5}, "intel_quote", "a string"),
        ({"tls_cert_fingerprint": "AB"}, "tls_cert_fingerprint", "64 hex digits"),
        ({"event_log": 5}, "event_log", "JSON in a string"),
        ({"nvidia_payload": "[}"}, "nvidia_payload", "one JSON value"),
        ({"nvidia_payload": '{"evidence_list": [], "evidence_list": []}'}, "occurs twice", "every key once"),
        ({"info": True}, "info", "JSON in a string"),
        ({"all_attestations": {}}, "all_attestations", "a list of at most 64 members"),
        ({"all_attestations": [[]]}, "all_attestations[0]", "an object"),
    ],
)
def test_a_malformed_report_is_refused_by_name(changes: JsonDict, found: str, expected: str) -> None:
    error = refusal("dstack", {**dstack_report(), **changes})
    assert found in error.found
    assert expected in error.expected


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ({"gateway_attestation": []}, "gateway_attestation is a list of 0 members"),
        ({"model_attestations": []}, "holds no report"),
        ({"model_attestations": [{}] * 65}, "model_attestations is a list of 65 members"),
        ({"model_attestations": "none"}, "model_attestations is the text 'none'"),
        ({}, "has no 'signing_address' (it holds nothing)"),
        ({"error": "no such model"}, "(it holds 'error')"),
    ],
)
def test_a_malformed_wrapping_is_refused(document: JsonDict, found: str) -> None:
    assert found in refusal("near", document).found


def test_phala_knows_one_backend_that_names_itself() -> None:
    error = refusal("phala", {"attestation_type": "nitro"})
    assert "chutes" in error.expected


def test_a_quote_in_the_dstack_answer_is_handed_on_raw() -> None:
    quote = bytes.fromhex(str(dstack_report()["intel_quote"]))
    assert parse_answer("dstack", encode(dstack_report()))[0].quote == quote


def test_json_of_the_report_is_handed_on_as_received() -> None:
    text = json.dumps(dstack_report()).replace('"app_compose": "{}"', '"app_compose" :  "{}"')
    (evidence,) = parse_answer("dstack", text.encode())
    assert evidence.binding_input("dstack_info") == b'{"app_compose" :  "{}", "vm_config": "{}"}'
