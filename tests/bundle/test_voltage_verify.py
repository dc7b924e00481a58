"""The vendor's bundle: commitments, challenge, quote, and Intel's documents cut out as they were signed."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pods.answers import JsonDict, b64, encode, quote_over
from tests.support.mutations import mutated_bytes, mutated_json
from tests.support.outcomes import failed_ids, ids_with, policy_text
from tests.support.parsers import assert_read_or_refused
from tests.support.real_evidence import VOLTAGE_VERIFY
from tests.support.sampling import examples
from voltage_attest.collateral.intel import IntelCollateral, parse_intel_collateral
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.bundle import (
    EvidenceBundle,
    dump_bundle,
    parse_any_bundle,
    parse_bundle,
    parse_voltage_verify_bundle,
)
from voltage_attest.evidence.bundle_voltage_verify import canonical_manifest
from voltage_attest.evidence.json_text import parse_json
from voltage_attest.policy import parse_policy
from voltage_attest.result import Status
from voltage_attest.testing import APPRAISED_AT, FakeIntel
from voltage_attest.trust import TrustRoots
from voltage_attest.verifier import Verifier

CHALLENGE = hashlib.sha256(b"a challenge").hexdigest()
INTEL = FakeIntel()


def manifest() -> JsonDict:
    return {
        "format": "voltage-verify-manifest/1",
        "created_at": "2026-09-12T01:02:03+00:00",
        "challenge": CHALLENGE,
        "workload": {"image": {"reference": "exämple/app:1", "digest": f"sha256:{'ab' * 32}"}, "artifacts": [], "extra": {}},
        "statement": None,
    }


def canonical(document: object) -> bytes:
    """Written down here again, from RFC 8785, not from the package."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


@cache
def nine() -> dict[str, str]:
    documents: dict[str, str] = json.loads(INTEL.collateral(INTEL.platform()).to_json())
    return documents


def pem(label: str, der: bytes) -> str:
    text = b64(der)
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join((f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""))


def intel_section() -> JsonDict:
    """The fake Intel's documents in the vendor's layout, bodies as PCS sends them."""

    def signed(kind: str, member: str) -> JsonDict:
        body = f'{{"{member}":{nine()[kind]},"signature":"{nine()[f"{kind}_signature"]}"}}'
        return {"kind": kind, "body": body, "issuer_chain_pem": nine()[f"{kind}_issuer_chain"]}

    return {
        "tcb_info": signed("tcb_info", "tcbInfo"),
        "qe_identity": signed("qe_identity", "enclaveIdentity"),
        "pck_crl_pem": pem("X509 CRL", bytes.fromhex(nine()["pck_crl"])),
        "root_crl_der_b64": b64(bytes.fromhex(nine()["root_ca_crl"])),
        "fetched_at": "2026-09-12T01:02:03+00:00",
    }


def with_manifest(document: JsonDict) -> JsonDict:
    """A bundle that commits to this manifest throughout."""
    committed = canonical(document)
    report_data = hashlib.sha512(committed).digest()
    return {
        "format": "voltage-verify-bundle/1",
        "tool": {"name": "voltage-verify", "version": "0.2.3"},
        "created_at": "2026-09-12T01:02:03+00:00",
        "manifest": document,
        "commitments": {"sha256": hashlib.sha256(committed).hexdigest(), "sha512": report_data.hex()},
        "tdx": {"quote_b64": b64(quote_over(report_data)), "report_data_hex": report_data.hex()},
        "nvidia": {"mode": "single-gpu", "nras": [["JWT", "e30"]], "jwks": {"keys": []}},
        "collateral": {"intel": intel_section()},
        "environment": {"kernel": "6.8"},
    }


def good() -> JsonDict:
    return with_manifest(manifest())


def part(document: JsonDict, *path: str) -> JsonDict:
    """An object inside the document, to be changed in place."""
    for step in path:
        document = cast("JsonDict", document[step])
    return document


def read(document: object) -> EvidenceBundle:
    return parse_voltage_verify_bundle(encode(document))


def refusal(document: object) -> EvidenceFormatError:
    with pytest.raises(EvidenceFormatError) as refused:
        read(document)
    return refused.value


def intel_collateral(bundle: EvidenceBundle) -> IntelCollateral:
    collateral = parse_intel_collateral(encode(dict(bundle.collateral.documents)))
    return replace(collateral, absences=bundle.collateral.absences)


def test_the_canonical_manifest_is_sorted_dense_and_unescaped() -> None:
    """Known answer: keys by code point, so upper case before lower, and U+20AC before U+1F600."""
    text = '{ "b": [1, true, null], "\\u20ac": "\\u00e4\\n", "B": {}, "\\ud83d\\ude00": -7, "a": "" }'
    expected = '{"B":{},"a":"","b":[1,true,null],"€":"ä\\n","\N{GRINNING FACE}":-7}'
    assert canonical_manifest(parse_json(text.encode(), "manifest", limit=1000)) == expected.encode("utf-8")


def test_every_part_is_read() -> None:
    bundle = read(good())
    assert bundle.binding == "voltage-verify/1"
    assert bundle.created_at == datetime(2026, 9, 12, 1, 2, 3, tzinfo=UTC)
    assert bundle.evidence.nonce == bytes.fromhex(CHALLENGE)
    assert bundle.evidence.binding_input("manifest") == canonical(manifest())
    assert bundle.evidence.warnings == ()
    kinds = {document.kind: json.loads(document.content) for document in bundle.documents}
    assert kinds == {"voltage-verify-nvidia": good()["nvidia"], "voltage-verify-environment": {"kernel": "6.8"}}


def test_the_file_cannot_say_what_the_verifier_drew() -> None:
    assert read(good()).nonce is None


def test_intels_documents_come_out_as_they_went_in() -> None:
    """The nine keys, signed text and all; the CRL's issuer chain is the quote's."""
    documents = dict(read(good()).collateral.documents)
    chain = documents.pop("pck_crl_issuer_chain")
    assert documents == {key: text for key, text in nine().items() if key in documents}
    assert len(documents) == 8
    assert chain.split() == nine()["pck_crl_issuer_chain"].split()
    assert read(good()).collateral.absences == ()


def test_it_verifies_with_its_own_collateral() -> None:
    policy = parse_policy(f'{policy_text()}\n[channel]\nbinding = "voltage-verify/1"\n')
    verifier = Verifier(policy, roots=TrustRoots.from_pem(intel=INTEL.root_pem))
    bundle = read(good())
    result = verifier.examine(bundle.evidence, intel_collateral(bundle), at=APPRAISED_AT, nonce=bytes.fromhex(CHALLENGE))
    assert result.verdict.value == "verified"
    other = verifier.examine(bundle.evidence, intel_collateral(bundle), at=APPRAISED_AT, nonce=bytes(32))
    assert failed_ids(other) == {"binding.nonce"}


def test_it_can_be_kept_as_a_bundle_of_ours() -> None:
    bundle = read(good())
    assert parse_bundle(dump_bundle(bundle).encode()) == bundle


def test_the_format_is_recognised() -> None:
    assert parse_any_bundle(encode(good())) == read(good())


def test_a_manifest_changed_afterwards_no_longer_has_its_commitments() -> None:
    document = good()
    part(document, "manifest", "workload", "image")["digest"] = f"sha256:{'cd' * 32}"
    error = refusal(document)
    assert "commitments: sha256 is" in error.found
    assert "changed after it was committed to" in error.remedy


def test_commitments_changed_with_the_manifest_no_longer_have_the_quote() -> None:
    """The vendor's own mutation: consistent in itself, and refused by the binding."""
    document = with_manifest({**manifest(), "statement": "another"})
    document["tdx"] = good()["tdx"]
    bundle = read(document)
    policy = parse_policy(f'{policy_text()}\n[channel]\nbinding = "voltage-verify/1"\n')
    verifier = Verifier(policy, roots=TrustRoots.from_pem(intel=INTEL.root_pem))
    result = verifier.examine(bundle.evidence, intel_collateral(bundle), at=APPRAISED_AT, nonce=bytes.fromhex(CHALLENGE))
    assert failed_ids(result) == {"binding.report_data"}


@pytest.mark.parametrize("name", ["sha256", "sha512"])
def test_each_commitment_is_compared(name: str) -> None:
    document = good()
    part(document, "commitments")[name] = "00" * (32 if name == "sha256" else 64)
    assert f"commitments: {name} is" in refusal(document).found


@pytest.mark.parametrize(
    "challenge", [None, "", CHALLENGE.upper(), CHALLENGE[:-2], f"{CHALLENGE}00", f"{CHALLENGE[:-1]}g", 7, f"{CHALLENGE}\n"]
)
def test_a_challenge_is_required_and_is_64_lower_case_hex_digits(challenge: object) -> None:
    assert "challenge" in refusal(with_manifest({**manifest(), "challenge": challenge})).found


@pytest.mark.parametrize("number", [1.0, -0.5, 1e300])
def test_a_fraction_in_the_manifest_is_refused(number: float) -> None:
    document = with_manifest({**manifest(), "statement": {"deep": [number]}})
    assert f"holds the number {number}" in refusal(document).found


def test_report_data_beside_the_quote_must_be_the_quotes() -> None:
    document = good()
    part(document, "tdx")["report_data_hex"] = "00" * 64
    assert "report_data_hex is" in refusal(document).found


def test_a_quote_that_cannot_be_read_is_left_to_its_own_check() -> None:
    document = good()
    part(document, "tdx")["quote_b64"] = b64(b"\x04\x00 no quote")
    bundle = read(document)
    assert "pck_crl_issuer_chain" in dict(bundle.collateral.absences)
    result = Verifier(parse_policy(policy_text())).examine(bundle.evidence, intel_collateral(bundle), at=APPRAISED_AT)
    assert "tdx.quote.parse" in failed_ids(result)


@pytest.mark.parametrize("collateral", [None, {}, {"intel": None}])
def test_without_collateral_every_document_is_absent_with_its_reason(collateral: object) -> None:
    bundle = read({**good(), "collateral": collateral})
    assert bundle.collateral.documents == ()
    assert dict(bundle.collateral.absences) == dict.fromkeys(nine(), "the voltage-verify bundle holds none")


def test_crls_may_be_absent_and_end_undecided() -> None:
    document = good()
    part(document, "collateral", "intel").update(pck_crl_pem=None, root_crl_der_b64=None)
    bundle = read(document)
    assert {key for key, _ in bundle.collateral.absences} == {"pck_crl", "root_ca_crl", "pck_crl_issuer_chain"}
    verifier = Verifier(parse_policy(policy_text()), roots=TrustRoots.from_pem(intel=INTEL.root_pem))
    result = verifier.examine(bundle.evidence, intel_collateral(bundle), at=APPRAISED_AT)
    assert result.verdict.value == "undecided"


def test_real_collateral_in_the_vendors_layout_keeps_its_signatures() -> None:
    """Published by the vendor on 2026-09-12, for the platform of its real quote; it holds no CRLs."""
    document = good()
    text = (VOLTAGE_VERIFY / "intel_collateral_90c06f000000_2026-09-12.json").read_text("utf-8")
    part(document, "collateral")["intel"] = json.loads(text)
    bundle = read(document)
    quote = (VOLTAGE_VERIFY / "quote_h200_2026-09-04.bin").read_bytes()
    evidence = replace(bundle.evidence, quote=quote)
    at = datetime(2026, 9, 12, 1, 0, tzinfo=UTC)
    result = Verifier(parse_policy(policy_text())).examine(evidence, intel_collateral(bundle), at=at)
    assert {"tdx.tcb_info.signature", "tdx.qe_identity.signature", "tdx.tcb_info.chain"} <= ids_with(result, Status.PASSED)
    assert failed_ids(result) == frozenset()


@pytest.mark.parametrize(
    ("path", "value", "found"),
    [
        (("format",), "voltage-verify-bundle/2", "format is the text"),
        (("manifest",), [], "manifest is a list"),
        (("manifest", "format"), "x", "manifest: format is the text 'x'"),
        (("commitments",), None, "no 'commitments'"),
        (("commitments", "sha256"), 5, "sha256 is 5"),
        (("tdx", "quote_b64"), "zz", "quote_b64 is the text 'zz'"),
        (("tdx", "report_data_hex"), "00", "report_data_hex is the text '00'"),
        (("created_at",), "yesterday", "created_at is the text 'yesterday'"),
        (("created_at",), "2026-09-12T01:02:03", "created_at is the text"),
        (("created_at",), "0001-01-01T00:00:00+14:00", "created_at is the text"),
        (("collateral",), [], "collateral is a list"),
        (("collateral", "intel", "tcb_info"), None, "no 'tcb_info'"),
        (("collateral", "intel", "tcb_info", "body"), "{}", "no 'tcbInfo'"),
        (("collateral", "intel", "tcb_info", "body"), "{", "body is not JSON"),
        (("collateral", "intel", "qe_identity", "body"), '{"enclaveIdentity": {}, "signature": 5}', "signature is 5"),
        (("collateral", "intel", "qe_identity", "body"), '{"a": 1, "a": 2}', "occurs twice"),
        (("collateral", "intel", "qe_identity", "issuer_chain_pem"), 5, "issuer_chain_pem is 5"),
        (("collateral", "intel", "pck_crl_pem"), "MIIB", "pck_crl_pem is the text 'MIIB'"),
        (("collateral", "intel", "pck_crl_pem"), "-----BEGIN X509 CRL-----\n*\n-----END X509 CRL-----", "pck_crl_pem is"),
        (("collateral", "intel", "pck_crl_pem"), "-----BEGIN X509 CRL----------END X509 CRL-----ä", "pck_crl_pem is"),
        (("collateral", "intel", "root_crl_der_b64"), "*", "root_crl_der_b64 is"),
    ],
)
def test_a_malformed_member_is_refused_by_name(path: tuple[str, ...], value: object, found: str) -> None:
    document = good()
    part(document, *path[:-1])[path[-1]] = value
    assert found in refusal(document).found


def test_unknown_keys_are_named() -> None:
    assert "'extra'" in read({**good(), "extra": 1}).evidence.warnings[0]


def test_the_quotes_chain_is_taken_without_its_leaf() -> None:
    chain = dict(read(good()).collateral.documents)["pck_crl_issuer_chain"]
    assert chain.count("-----BEGIN CERTIFICATE-----") == chain.count("-----END CERTIFICATE-----") == 2


def test_bodies_are_cut_not_written_again() -> None:
    """A body with spacing of its own stays as it is: the signature covers exactly that."""
    document = good()
    info = part(document, "collateral", "intel", "tcb_info")
    info["body"] = '{ "signature" :"00", "tcbInfo": { "id" : "TDX" } }'
    assert dict(read(document).collateral.documents)["tcb_info"] == '{ "id" : "TDX" }'


@settings(max_examples=examples(60))
@given(data=st.data())
def test_bundles_of_almost_the_right_shape_are_read_or_refused(data: st.DataObject) -> None:
    document = data.draw(mutated_json(good(), edits=2))
    assert_read_or_refused(parse_any_bundle, encode(document), EvidenceFormatError)


@settings(max_examples=examples(60))
@given(data=st.data())
def test_manifests_of_almost_the_right_shape_are_read_or_refused(data: st.DataObject) -> None:
    document = data.draw(mutated_json(manifest(), edits=2))
    if isinstance(document, dict) and not has_surrogates(document):
        assert_read_or_refused(parse_any_bundle, encode(with_manifest(document)), EvidenceFormatError)


def has_surrogates(document: object) -> bool:
    try:
        canonical(document)
    except UnicodeEncodeError:
        return True
    return False


@settings(max_examples=examples(60))
@given(data=st.data())
def test_mutated_bytes_are_read_or_refused(data: st.DataObject) -> None:
    assert_read_or_refused(parse_any_bundle, data.draw(mutated_bytes([encode(good())])), EvidenceFormatError)


def test_base64_of_the_quote_is_its_only_text() -> None:
    document = good()
    text = str(part(document, "tdx")["quote_b64"])
    part(document, "tdx")["quote_b64"] = "\n".join(text[start : start + 76] for start in range(0, len(text), 76))
    assert base64.b64decode(str(part(document, "tdx")["quote_b64"])) == base64.b64decode(text)
    assert "quote_b64 is a text" in refusal(document).found
