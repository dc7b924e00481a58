"""Detached EATs and key sets: the model, or the one documented error, whatever the bytes; and the request for them."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gpu.real_devices import H100, H100_NONCE
from tests.nras.service import Answer, SigningKey, b64url
from tests.support.mutations import mutated_bytes, mutated_json
from tests.support.parsers import assert_read_or_refused
from tests.support.real_evidence import VOLTAGE_VERIFY
from voltage_attest.collateral.jwks import MAX_JWKS_SIZE, parse_jwks
from voltage_attest.crypto.nras_keys import load_nras_key
from voltage_attest.errors import CollateralFormatError, EvidenceFormatError
from voltage_attest.evidence.eat import MAX_EAT_SIZE, parse_detached_eat, strict_base64url
from voltage_attest.evidence.gpu_report import Architecture
from voltage_attest.evidence.nras_request import DeviceItem, nras_path, nras_request, parse_nras_request

REAL_EAT = (VOLTAGE_VERIFY / "nras_ppcie_8xh100_2026-09-10.json").read_bytes()
REAL_JWKS = (VOLTAGE_VERIFY / "nras_jwks_2026-10-22_two_intermediates.json").read_bytes()
OVERALL, DEVICES = Answer().tokens
HEADER, CLAIMS, SIGNATURE = OVERALL.split(".")
ISSUER_TWICE = b64url(b'{"iss":1,"iss":2}')
ALGORITHM_TWICE = b64url(b'{"kid":"k","alg":"ES384","alg":"none"}')


def bare(overall: object = OVERALL, devices: object = DEVICES) -> list[object]:
    return [["JWT", overall], devices]


def encoded(document: object) -> bytes:
    return json.dumps(document).encode()


class TestEat:
    def test_reads_the_services_own_form(self) -> None:
        eat = parse_detached_eat(encoded(bare()))
        assert [token.name for token in eat.tokens] == ["overall", "GPU-0", "GPU-1"]
        assert eat.overall.text == OVERALL
        assert not any(token.is_switch for token in eat.devices)

    @pytest.mark.parametrize("name", ["REMOTE_GPU_CLAIMS", "REMOTE_SWITCH_CLAIMS"])
    def test_reads_what_the_python_sdk_wraps(self, name: str) -> None:
        assert parse_detached_eat(encoded(bare("anything", {name: bare()}))).overall.text == OVERALL

    @pytest.mark.parametrize("name", ["LOCAL_GPU_CLAIMS", "LOCAL_SWITCH_CLAIMS"])
    def test_refuses_claims_that_the_sdk_made_itself(self, name: str) -> None:
        with pytest.raises(EvidenceFormatError, match="local verifier"):
            parse_detached_eat(encoded(bare("anything", {name: bare()})))

    @pytest.mark.parametrize(
        "document",
        [
            [],
            {},
            "JWT",
            bare()[:1],
            [*bare(), {}],
            [["JWS", OVERALL], DEVICES],
            [["JWT"], DEVICES],
            [["JWT", OVERALL, OVERALL], DEVICES],
            bare(overall=7),
            bare(devices=[]),
            bare(devices={}),
            bare(devices={"GPU-0": 7}),
            bare(devices={"GPU-00": OVERALL}),
            bare(devices={"GPU-100": OVERALL}),
            bare(devices={"CPU-0": OVERALL}),
            bare(devices={"gpu-0": OVERALL}),
            bare(devices={"GPU-0": OVERALL, "SWITCH-0": OVERALL}),
            bare(devices={f"GPU-{number}": OVERALL for number in range(65)}),
            bare("x", {"REMOTE_GPU_CLAIMS": bare(), "GPU-0": OVERALL}),
            bare("x", {"REMOTE_GPU_CLAIMS": bare(), "REMOTE_SWITCH_CLAIMS": bare()}),
            bare("x", {"REMOTE_GPU_CLAIMS": bare("x", {"REMOTE_GPU_CLAIMS": bare()})}),
        ],
    )
    def test_refuses_every_other_shape(self, document: object) -> None:
        with pytest.raises(EvidenceFormatError):
            parse_detached_eat(encoded(document))

    def test_refuses_a_device_that_is_named_twice(self) -> None:
        text = encoded(bare()).decode().replace('"GPU-1"', '"GPU-0"')
        with pytest.raises(EvidenceFormatError, match="twice"):
            parse_detached_eat(text.encode())

    @pytest.mark.parametrize(
        "token",
        [
            "",
            "..",
            f"{HEADER}.{CLAIMS}",
            f"{HEADER}.{CLAIMS}.{SIGNATURE}.",
            f"{HEADER}.{CLAIMS}.{SIGNATURE}==",
            f" {OVERALL}",
            f"{OVERALL}\n",
            f"{HEADER}.{CLAIMS}.+{SIGNATURE[1:]}",
            f"{HEADER}.{b64url(b'[]')}.{SIGNATURE}",
            f"{b64url(b'[]')}.{CLAIMS}.{SIGNATURE}",
            f"{HEADER}.{b64url(b'{')}.{SIGNATURE}",
            f"{HEADER}.{ISSUER_TWICE}.{SIGNATURE}",
            f"{ALGORITHM_TWICE}.{CLAIMS}.{SIGNATURE}",
            f"{HEADER}.{CLAIMS}.{'A' * 24 * 1024}",
        ],
    )
    def test_refuses_a_token_that_is_not_in_its_one_form(self, token: str) -> None:
        with pytest.raises(EvidenceFormatError):
            parse_detached_eat(encoded(bare(overall=token)))
        with pytest.raises(EvidenceFormatError):
            parse_detached_eat(encoded(bare(devices={"GPU-0": token})))

    def test_refuses_more_than_the_limit(self) -> None:
        with pytest.raises(EvidenceFormatError, match="at most"):
            parse_detached_eat(encoded(bare()) + b" " * MAX_EAT_SIZE)

    @given(st.binary(max_size=64))
    def test_base64url_has_one_text_for_the_same_bytes(self, octets: bytes) -> None:
        text = b64url(octets)
        assert strict_base64url(text, "it") == octets
        for other in {text + "=", text + "A", text[:-1] + "_" if text else "*"} - {text}:
            try:
                assert strict_base64url(other, "it") != octets
            except EvidenceFormatError:
                continue

    @given(mutated_bytes((REAL_EAT, encoded(bare()))))
    def test_bytes_are_read_or_refused(self, data: bytes) -> None:
        assert_read_or_refused(parse_detached_eat, data, EvidenceFormatError)

    @given(mutated_json(bare()))
    def test_documents_are_read_or_refused(self, document: object) -> None:
        assert_read_or_refused(parse_detached_eat, encoded(document), EvidenceFormatError)


def key_set(**changes: object) -> bytes:
    """One key with members replaced; None removes one."""
    member = {**SigningKey().jwk, **changes}
    return encoded({"keys": [{name: value for name, value in member.items() if value is not None}]})


X5C = SigningKey().x5c


class TestJwks:
    def test_reads_a_real_set(self) -> None:
        found = parse_jwks(REAL_JWKS)
        assert len(found.keys) == 2
        assert {len(key.x5c) for key in found.keys.values()} == {2}

    def test_keys_of_other_types_are_named_and_no_more(self) -> None:
        others = ({"kty": "RSA", "kid": "r"}, {"kty": "EC", "crv": "P-256", "kid": "p"}, {"kty": "OKP", "crv": "X", "kid": "o"})
        found = parse_jwks(encoded({"keys": [*others, SigningKey().jwk]}))
        assert found.foreign == frozenset({"r", "p", "o"})
        assert set(found.keys) == {SigningKey().kid}

    @pytest.mark.parametrize("other", [{}, {"kty": "RSA"}, {"crv": "P-256"}])
    def test_refuses_two_keys_of_one_name_whatever_their_types(self, other: dict[str, object]) -> None:
        for keys in ([SigningKey().jwk, {**SigningKey().jwk, **other}], [{**SigningKey().jwk, **other}, SigningKey().jwk]):
            with pytest.raises(CollateralFormatError, match="two keys named"):
                parse_jwks(encoded({"keys": keys}))

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"[]",
            b"{}",
            b"<html>",
            b'{"keys": {}}',
            b'{"keys": [1]}',
            b'{"keys": [], "keys": []}',
            key_set(kid=None),
            key_set(kid=""),
            key_set(kid="a\nb"),
            key_set(kid="k" * 257),
            key_set(kty=None),
            key_set(kty=7),
            key_set(x=None),
            key_set(x="AAAA"),
            key_set(y="A" * 63 + "="),
            key_set(x5c=None),
            key_set(x5c=[]),
            key_set(x5c=X5C[:1]),
            key_set(x5c=X5C * 3),
            key_set(x5c=[X5C[0], "not base64"]),
            key_set(x5c=[X5C[0], X5C[1] + "\n"]),
            key_set(x5c=[X5C[0], "A" * 8 * 1025]),
            encoded({"keys": [{"kty": "RSA", "kid": f"key {number}"} for number in range(257)]}),
            REAL_JWKS + b" " * MAX_JWKS_SIZE,
        ],
    )
    def test_refuses_everything_else(self, data: bytes) -> None:
        with pytest.raises(CollateralFormatError):
            parse_jwks(data)

    @given(mutated_bytes((REAL_JWKS, key_set())))
    def test_bytes_are_read_or_refused(self, data: bytes) -> None:
        assert_read_or_refused(parse_jwks, data, CollateralFormatError)

    @given(mutated_json(json.loads(REAL_JWKS)))
    def test_documents_are_read_or_refused(self, document: object) -> None:
        assert_read_or_refused(parse_jwks, encoded(document), CollateralFormatError)

    @given(mutated_bytes(tuple(base64.b64decode(text) for text in X5C)))
    def test_certificates_are_read_or_refused(self, der: bytes) -> None:
        issuer = base64.b64decode(X5C[1])
        assert_read_or_refused(lambda data: load_nras_key(b"", b"", (data, issuer), "key"), der, EvidenceFormatError)


class TestRequest:
    @pytest.mark.parametrize("version", [None, "2.0", "3.0"])
    def test_what_is_written_reads_back(self, version: str | None) -> None:
        body = nras_request([H100, H100], H100_NONCE, version)
        found = parse_nras_request(body)
        assert found.items == (H100, H100)
        assert found.claimed_nonce == H100_NONCE
        assert not found.warnings
        assert json.loads(body).get("claims_version") == version

    def test_each_class_has_a_path_and_versions_are_asked_of_v4(self) -> None:
        assert nras_path(Architecture.HOPPER) == "/v3/attest/gpu"
        assert nras_path(Architecture.BLACKWELL, "3.0") == "/v4/attest/gpu"
        assert nras_path(Architecture.LS10) == "/v3/attest/switch"
        assert nras_path(Architecture.LS10, "2.0") == "/v4/attest/switch"

    def test_refuses_to_write_what_nras_does_not_take(self) -> None:
        switch = DeviceItem(Architecture.LS10, H100.report, H100.certificate_chain)
        for items in ([], [H100, switch], [H100] * 65):
            with pytest.raises(ValueError, match="one architecture"):
                nras_request(items, H100_NONCE)
        with pytest.raises(ValueError, match="32 bytes"):
            nras_request([H100], H100_NONCE[:31])
