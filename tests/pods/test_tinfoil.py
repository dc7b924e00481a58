"""Tinfoil v2 and both forms of v3; synthetic answers (none was recorded), around quotes of the fake Intel."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import tracemalloc
import zlib

import pytest

from tests.pods.answers import (
    CERTIFICATE_PEM,
    HPKE_KEY,
    NONCE,
    SPKI_SHA256,
    JsonDict,
    b64,
    encode,
    quote_over,
    tinfoil_v2,
    tinfoil_v3_flat,
    tinfoil_v3_sections,
)
from voltage_attest.appraise.binding import BINDINGS
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.model import Evidence
from voltage_attest.evidence.quote import parse_quote
from voltage_attest.pods import parse_answer

PACKED = gzip.compress(b"quote", mtime=0)


def read(document: object) -> Evidence:
    (evidence,) = parse_answer("tinfoil", document if isinstance(document, bytes) else encode(document))
    return evidence


def refusal(document: object) -> EvidenceFormatError:
    with pytest.raises(EvidenceFormatError) as refused:
        read(document)
    return refused.value


def report_data(evidence: Evidence) -> bytes:
    assert evidence.quote is not None
    return parse_quote(evidence.quote).td_report.report_data


def with_body(octets: bytes) -> JsonDict:
    return {**tinfoil_v2(), "body": b64(octets)}


def changed(document: JsonDict, section: str, **changes: object) -> JsonDict:
    """The document with other members in one of its objects."""
    inner = document[section]
    assert isinstance(inner, dict)
    return {**document, section: {**inner, **changes}}


def flat() -> JsonDict:
    document: JsonDict = json.loads(tinfoil_v3_flat())
    return document


def section(name: str, change: dict[str, object]) -> JsonDict:
    """The sections form with one section written anew."""
    document = tinfoil_v3_sections()
    inner = json.loads(base64.b64decode(str(document[name])))
    return {**document, name: b64(json.dumps({**inner, **change}).encode())}


class TestV2:
    def test_the_quote_is_unpacked_and_its_age_unknown(self) -> None:
        evidence = read(tinfoil_v2())
        assert report_data(evidence) == SPKI_SHA256 + HPKE_KEY
        assert evidence.nonce is None
        assert "no nonce" in evidence.warnings[0]

    def test_a_bundle_of_an_atc_server_names_domain_and_certificate(self) -> None:
        evidence = read({"domain": "e.example", "enclaveAttestationReport": tinfoil_v2(), "enclaveCert": CERTIFICATE_PEM})
        assert (evidence.pod_id, evidence.tls_spki_sha256) == ("e.example", SPKI_SHA256)

    def test_amd_evidence_is_refused_and_named(self) -> None:
        error = refusal({**tinfoil_v2(), "format": "https://tinfoil.sh/predicate/sev-snp-guest/v2"})
        assert "sev-snp-guest" in error.found
        assert "tdx-guest/v2" in error.expected

    def test_a_gzip_bomb_is_never_unpacked(self) -> None:
        """64 MiB of zeros in 64 KiB; one byte more than a quote may have is unpacked at most."""
        document = encode(with_body(gzip.compress(bytes(64 << 20), mtime=0)))
        tracemalloc.start()
        try:
            assert "opens to more than 65536 bytes" in refusal(document).found
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 4 << 20

    @pytest.mark.parametrize(
        ("octets", "found"),
        [
            pytest.param(b"", "cut off", id="empty"),
            pytest.param(b"not gzip", "is not gzip", id="text"),
            pytest.param(zlib.compress(b"quote"), "is not gzip", id="zlib"),
            pytest.param(PACKED[:-8] + bytes(8), "is not gzip", id="wrong checksum"),
            pytest.param(PACKED[:-1], "cut off", id="cut"),
            pytest.param(PACKED + b"\0", "goes on after its end", id="trailing byte"),
            pytest.param(PACKED * 2, "goes on after its end", id="two members"),
            pytest.param(gzip.compress(bytes(65537), mtime=0), "more than 65536 bytes", id="one byte too many"),
        ],
    )
    def test_anything_but_one_whole_gzip_member_is_refused(self, octets: bytes, found: str) -> None:
        assert found in refusal(with_body(octets)).found

    @pytest.mark.parametrize("missing", ["format", "body"])
    def test_a_member_missing_is_named(self, missing: str) -> None:
        document = tinfoil_v2()
        del document[missing]
        assert f"no {missing!r}" in refusal(document).found


class TestV3Flat:
    def test_it_is_bound_over_the_json_as_it_stands(self) -> None:
        evidence = read(tinfoil_v3_flat())
        assert (evidence.nonce, evidence.tls_spki_sha256, evidence.e2ee_public_key) == (NONCE, SPKI_SHA256, HPKE_KEY)
        assert evidence.warnings == ()
        raw = b'{"evidences": [  {"arch":"HOPPER","certificate":"LS0tLQ==","evidence":"EeAB","nonce":"00"} ]}'
        assert evidence.binding_input("gpu_evidence_json") == raw
        assert evidence.binding_input("gpu_evidence_hash") == hashlib.sha256(raw).digest()
        assert report_data(evidence) == BINDINGS["tinfoil-v3"](evidence, NONCE)

    def test_devices_come_out_in_nras_shape(self) -> None:
        evidence = read(tinfoil_v3_flat())
        frames = [json.loads(evidence.gpu_evidence[0].json), json.loads(evidence.switch_evidence[0].json)]
        assert [(frame["arch"], len(frame["evidence_list"])) for frame in frames] == [("HOPPER", 1), ("LS10", 1)]

    def test_json_written_again_is_bound_no_more(self) -> None:
        evidence = read(flat())
        assert "gpu_evidence_hash is not the hash of the evidence beside it" in evidence.warnings[0]
        assert report_data(evidence) != BINDINGS["tinfoil-v3"](evidence, NONCE)

    def test_a_hash_that_is_named_never_replaces_the_one_computed(self) -> None:
        """The hash in the document may be the one that REPORTDATA holds and the evidence another machine's."""
        text = tinfoil_v3_flat().replace(b'"arch":"HOPPER"', b'"arch":"hopper"')
        evidence = read(text)
        assert len(evidence.warnings) == 1
        assert report_data(evidence) != BINDINGS["tinfoil-v3"](evidence, NONCE)

    def test_an_enclave_without_gpu_is_bound_without(self) -> None:
        bound = hashlib.sha256(SPKI_SHA256 + HPKE_KEY + NONCE).digest()
        document = changed(flat(), "cpu", report=b64(quote_over(bound)))
        document = changed(document, "report_data", gpu_evidence_hash="", nvswitch_evidence_hash="")
        evidence = read({key: value for key, value in document.items() if key not in {"gpu", "nvswitch"}})
        assert evidence.warnings == ()
        assert report_data(evidence) == BINDINGS["tinfoil-v3"](evidence, NONCE)

    def test_evidence_taken_away_is_noticed(self) -> None:
        document = flat()
        del document["gpu"]
        evidence = read(document)
        assert "gpu_evidence_hash" in evidence.warnings[0]
        assert report_data(evidence) != BINDINGS["tinfoil-v3"](evidence, NONCE)

    def test_a_certificate_of_another_key_is_said(self) -> None:
        evidence = read(changed(flat(), "report_data", tls_key_fp="00" * 32))
        assert any("another key than tls_key_fp" in warning for warning in evidence.warnings)

    @pytest.mark.parametrize(
        ("part", "changes", "found"),
        [
            ("cpu", {"platform": "sev-snp"}, "platform is the text 'sev-snp'"),
            ("cpu", {"report": "*"}, "report is the text '*'"),
            ("cpu", {"report": None}, "no 'report'"),
            ("report_data", {"nonce": "00"}, "nonce is the text '00'"),
            ("report_data", {"hpke_key": None}, "no 'hpke_key'"),
            ("report_data", {"gpu_evidence_hash": "zz"}, "gpu_evidence_hash is the text 'zz'"),
            ("gpu", {"evidences": 5}, "evidences is 5"),
            ("gpu", {"evidences": [{}]}, "evidences[0] has no 'evidence'"),
        ],
    )
    def test_a_malformed_member_is_refused_by_name(self, part: str, changes: JsonDict, found: str) -> None:
        assert found in refusal(changed(flat(), part, **changes)).found


class TestV3Sections:
    def test_it_is_read_and_its_inputs_hash_to_report_data(self) -> None:
        """No rule of ``appraise`` binds this form yet; the inputs that one needs are all there."""
        evidence = read(tinfoil_v3_sections())
        assert (evidence.nonce, evidence.tls_spki_sha256, evidence.e2ee_public_key) == (NONCE, SPKI_SHA256, HPKE_KEY)
        names = ("report_data_algorithm", "crypto_material", "device_evidence")
        algorithm, material, devices = (evidence.binding_input(name) or b"" for name in names)
        hashed = algorithm + NONCE + hashlib.sha256(material).digest() + hashlib.sha256(devices).digest()
        assert report_data(evidence) == hashlib.sha256(hashed).digest() + bytes(32)
        assert evidence.warnings == ()

    def test_gpus_come_out_in_nras_shape(self) -> None:
        evidence = read(tinfoil_v3_sections())
        frame = json.loads(evidence.gpu_evidence[0].json)
        assert (frame["arch"], len(frame["evidence_list"])) == ("HOPPER", 2)

    def test_evidence_of_other_kinds_is_named(self) -> None:
        items = [{"id": "x", "kind": "dpu", "vendor": "acme", "format": "f", "evidence": {}}]
        evidence = read(section("device_evidence", {"items": items}))
        assert "evidence of kind 'dpu' is not judged" in evidence.warnings[0]
        assert evidence.gpu_evidence == ()

    def test_an_enclave_that_endorses_no_keys_has_none(self) -> None:
        evidence = read(section("crypto_material", {"items": []}))
        assert (evidence.tls_spki_sha256, evidence.e2ee_public_key) == (None, None)

    @pytest.mark.parametrize(
        ("document", "found"),
        [
            (changed(tinfoil_v3_sections(), "challenge", report_data_algorithm="x"), "report_data_algorithm is the text 'x'"),
            (changed(tinfoil_v3_sections(), "cpu_evidence", format="x"), "cpu_evidence: format is the text 'x'"),
            ({**tinfoil_v3_sections(), "crypto_material": "e30="}, "crypto_material has no 'format'"),
            ({**tinfoil_v3_sections(), "device_evidence": {}}, "device_evidence is an object"),
            (section("crypto_material", {"format": "x"}), "crypto_material: format is the text 'x'"),
            (section("crypto_material", {"items": [{"id": "tls", "format": "f", "data": "00"}]}), "format is the text 'f'"),
            (section("crypto_material", {"items": [{"id": "a"}] * 2}), "items[1]: id is the text 'a'"),
            (section("device_evidence", {"items": [{"id": "a"}]}), "no 'kind'"),
        ],
    )
    def test_a_malformed_section_is_refused_by_name(self, document: JsonDict, found: str) -> None:
        assert found in refusal(document).found
