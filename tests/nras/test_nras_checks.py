"""Answers, headers, keys and signatures: each check fails alone on what it is for, and says what it expected and found."""

from __future__ import annotations

import base64
import hmac
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.nras.judging import only_failure, resent, run
from tests.nras.service import AT, NONCE, STAGING, Answer, Authority, SigningKey, b64url, p384, rsa_key, signed
from voltage_attest.checks.nras import NRAS_CHECKS
from voltage_attest.collateral.nvidia import NrasAnswer
from voltage_attest.result import Status
from voltage_attest.testing.keys import derive_key
from voltage_attest.verify.nras import NRAS_FUNCTIONS
from voltage_attest.verify.nras_case import NrasKeySets, absent_nras_answer

ANSWER = Answer()


def test_every_check_has_a_function_and_stands_after_what_it_requires() -> None:
    assert [check.id for check in NRAS_CHECKS] == list(NRAS_FUNCTIONS)
    known: set[str] = set()
    for check in NRAS_CHECKS:
        assert set(check.requires) <= known
        known.add(check.id)


@pytest.mark.parametrize("version", ["2.0", "3.0", "4.0"])
@pytest.mark.parametrize("rsa_bits", [2048, 0], ids=["RSA", "EC"])
def test_an_answer_of_the_service_passes_all(version: str, rsa_bits: int) -> None:
    answer = Answer(version=version, key=SigningKey(authority=Authority(rsa_bits=rsa_bits)))
    findings = run(answer.case())
    assert {name: found.status for name, found in findings.items()} == dict.fromkeys(NRAS_FUNCTIONS, Status.PASSED)
    assert findings["nras.claims_version"].actual == version


def test_what_nobody_here_knows_is_skipped_and_shown() -> None:
    findings = run(ANSWER.case(nonce=None, ueids=None))
    assert {name for name, found in findings.items() if found.status is Status.SKIPPED} == {"nras.nonce", "nras.ueids"}
    assert findings["nras.nonce"].actual == NONCE.hex()


class TestDocuments:
    def test_an_absent_answer_leaves_it_undecided(self) -> None:
        finding = only_failure(ANSWER.case(answer=absent_nras_answer("NRAS answered 503")), "nras.parse", Status.ERROR)
        assert finding.reason == "NRAS answered 503"

    def test_a_malformed_answer_is_refused(self) -> None:
        only_failure(ANSWER.case(answer=NrasAnswer(b"[]")), "nras.parse")

    def test_absent_key_sets_leave_it_undecided(self) -> None:
        finding = only_failure(ANSWER.case(key_sets=NrasKeySets((), "offline")), "nras.jwks", Status.ERROR)
        assert finding.reason == "offline"

    def test_refuses_a_malformed_key_set_beside_a_good_one(self) -> None:
        only_failure(ANSWER.case(ANSWER.jwks, b"{}"), "nras.jwks")

    def test_refuses_a_kid_that_occurs_twice(self) -> None:
        document = json.dumps({"keys": [ANSWER.key.jwk, ANSWER.key.jwk]}).encode()
        assert "two keys named" in str(only_failure(ANSWER.case(document), "nras.jwks").actual)

    def test_refuses_key_sets_that_contradict_each_other(self) -> None:
        other = json.dumps({"keys": [replace(ANSWER.key, key_name="other", stated="other").jwk]}).encode()
        finding = only_failure(ANSWER.case(ANSWER.jwks, other), "nras.jwks")
        assert finding.actual == f"two keys named {ANSWER.key.kid}"

    def test_the_same_key_may_stand_in_several_sets(self) -> None:
        assert not any(found.status.closes_gate for found in run(ANSWER.case(ANSWER.jwks, ANSWER.jwks)).values())


class TestHeader:
    @pytest.mark.parametrize("algorithm", ["none", "NONE", "HS256", "HS384", "ES256", "ES512", "RS256", "es384", ""])
    def test_refuses_every_algorithm_but_es384(self, algorithm: str) -> None:
        answer = Answer(header={"kid": ANSWER.key.kid, "alg": algorithm})
        assert algorithm in str(only_failure(answer.case(), "nras.header").actual)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("crit", ["exp"]),
            ("crit", None),
            ("b64", False),
            ("jwk", {}),
            ("jku", "https://example.org"),
            ("x5c", []),
            ("x5u", "https://example.org"),
            ("zip", "DEF"),
            ("typ", "at+jwt"),
            ("typ", 7),
        ],
    )
    def test_refuses_a_header_that_asks_for_more(self, name: str, value: object) -> None:
        answer = Answer(header={"kid": ANSWER.key.kid, "alg": "ES384", name: value})
        only_failure(answer.case(), "nras.header")

    @pytest.mark.parametrize(
        "header",
        [{"alg": "ES384"}, {"kid": "k"}, {"alg": "ES384", "kid": 7}, {"alg": "ES384", "kid": "a\nb"}, {"alg": 1, "kid": "k"}],
    )
    def test_refuses_a_header_without_a_plain_name_and_algorithm(self, header: dict[str, object]) -> None:
        only_failure(Answer(header=header).case(), "nras.header")

    def test_accepts_the_type_that_a_jwt_may_state(self) -> None:
        answer = Answer(header={"kid": ANSWER.key.kid, "alg": "ES384", "typ": "JWT"})
        assert not any(found.status.closes_gate for found in run(answer.case()).values())

    def test_refuses_an_unsigned_token(self) -> None:
        whole, devices = ANSWER.tokens
        unsigned = ".".join((b64url(b'{"kid":"nv-eat-kid-test-1","alg":"none"}'), whole.split(".")[1], ""))
        only_failure(ANSWER.case(answer=resent(unsigned, devices)), "nras.header")

    def test_refuses_the_public_key_used_as_a_shared_secret(self) -> None:
        """Key confusion: HMAC with what everybody knows."""
        whole, devices = ANSWER.tokens
        secret = p384("signing").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        text = f"{b64url(json.dumps({'kid': ANSWER.key.kid, 'alg': 'HS256'}).encode())}.{whole.split('.')[1]}"
        forged = f"{text}.{b64url(hmac.digest(secret, text.encode(), 'sha256'))}"
        only_failure(ANSWER.case(answer=resent(forged, devices)), "nras.header")


class TestKey:
    def test_a_key_in_no_set_at_hand_leaves_it_undecided_and_is_named(self) -> None:
        stranger = replace(ANSWER.key, kid="nv-eat-kid-prod-of-other-days")
        finding = only_failure(replace(ANSWER, key=stranger).case(ANSWER.jwks), "nras.key", Status.ERROR)
        assert "nv-eat-kid-prod-of-other-days" in str(finding.reason)

    def test_a_refused_key_outweighs_an_unknown_one(self) -> None:
        unknown = replace(ANSWER.key, kid="unknown")
        for answer in (Answer(key=unknown, device_key=ANSWER.key), Answer(device_key=unknown)):
            only_failure(answer.case(ANSWER.jwks, intermediates=frozenset()), "nras.key")

    def test_refuses_an_intermediate_that_is_not_pinned_and_names_its_key(self) -> None:
        other = Authority(name="NVIDIA Attestation Service GPU Intermediate 006", key_name="006")
        case = replace(ANSWER, key=SigningKey(authority=other)).case(intermediates=ANSWER.case().intermediates)
        finding = only_failure(case, "nras.key")
        assert other.pin.hex() in str(finding.actual)
        assert other.name in str(finding.actual)
        assert ANSWER.key.authority.pin.hex() in str(finding.expected)
        assert not any(
            found.status.closes_gate for found in run(replace(case, intermediates=case.intermediates | {other.pin})).values()
        )

    def test_refuses_a_key_of_another_type(self) -> None:
        document = json.dumps({"keys": [{"kty": "RSA", "kid": ANSWER.key.kid, "n": "AQAB", "e": "AQAB"}]}).encode()
        only_failure(ANSWER.case(document), "nras.key")

    @pytest.mark.parametrize(
        ("key", "why"),
        [
            (SigningKey(stated="attacker"), "not that of its certificate"),
            (SigningKey(authority=Authority(name="Somebody Else CA"), shown_authority=Authority()), "not signed by"),
            (SigningKey(authority=Authority(key_name="forger"), shown_authority=Authority()), "not signed by"),
            (SigningKey(digest=hashes.SHA224), "not signed by"),
            (SigningKey(authority=Authority(is_ca=False)), "is no CA"),
            (SigningKey(authority=Authority(may_certify=False)), "is no CA"),
            (SigningKey(is_ca=True), "is a CA, or may not sign"),
            (SigningKey(may_certify=True), "is a CA, or may not sign"),
            (SigningKey(may_sign=False, may_agree=True), "is a CA, or may not sign"),
            (SigningKey(name="www.example.org"), "is not the attestation service"),
            (SigningKey(name="NVIDIA Attestation Service A+NVIDIA Attestation Service B"), "2 common names"),
            (SigningKey(certified=derive_key("P-256").public_key()), "its key is not P-384"),
            (SigningKey(certified=rsa_key(2048).public_key()), "its key is not P-384"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_refuses_a_key_that_the_pinned_intermediate_did_not_certify_for_this(self, key: SigningKey, why: str) -> None:
        finding = only_failure(Answer(key=key).case(intermediates=frozenset({Authority().pin})), "nras.key")
        assert why in str(finding.actual)

    @pytest.mark.parametrize("authority", [Authority(rsa_bits=1024), Authority(curve=ec.SECP521R1)], ids=["RSA-1024", "P-521"])
    def test_refuses_an_intermediate_with_a_key_of_no_use_today_even_if_it_is_pinned(self, authority: Authority) -> None:
        assert "not signed by" in str(only_failure(Answer(key=SigningKey(authority=authority)).case(), "nras.key").actual)

    def test_refuses_certificates_that_cannot_be_read(self) -> None:
        jwk = {**ANSWER.key.jwk, "x5c": [base64.b64encode(b"no certificate").decode()] * 2}
        only_failure(ANSWER.case(json.dumps({"keys": [jwk]}).encode()), "nras.key")

    @pytest.mark.parametrize("which", ["leaf", "intermediate"])
    def test_refuses_a_token_issued_when_its_key_was_not_certified(self, which: str) -> None:
        past = AT - timedelta(hours=1)
        key = SigningKey(not_after=past) if which == "leaf" else SigningKey(authority=Authority(not_after=past))
        finding = only_failure(Answer(key=key).case(), "nras.key_validity")
        assert "2026-11-24T11:55:00Z" in str(finding.actual)

    def test_a_key_that_expired_after_the_token_was_issued_does_no_harm(self) -> None:
        key = SigningKey(not_after=AT - timedelta(minutes=1))
        assert not any(found.status.closes_gate for found in run(Answer(key=key).case()).values())


class TestSignature:
    def test_refuses_a_token_signed_anew_by_somebody_else(self) -> None:
        forger = replace(ANSWER.key, key_name="forger")
        case = Answer(key=forger).case(ANSWER.jwks)
        assert "overall, GPU-0, GPU-1" in str(only_failure(case, "nras.token").reason)

    def test_refuses_one_device_token_signed_by_somebody_else(self) -> None:
        case = Answer(device_key=replace(ANSWER.key, key_name="forger")).case()
        assert "(GPU-0, GPU-1)" in str(only_failure(case, "nras.token").reason)

    @pytest.mark.parametrize("name", ["overall", "GPU-1"])
    def test_refuses_a_token_with_another_claim(self, name: str) -> None:
        whole, devices = ANSWER.tokens
        tokens = {"overall": whole, **devices}
        head, claims, signature = tokens[name].split(".")
        altered = base64.urlsafe_b64decode(claims + "==").replace(b"00000000", b"00000001")
        tokens[name] = f"{head}.{b64url(altered)}.{signature}"
        finding = only_failure(ANSWER.case(answer=resent(tokens.pop("overall"), tokens)), "nras.token")
        assert f"({name})" in str(finding.reason)

    @pytest.mark.parametrize("position", [0, 47, 48, 95])
    def test_refuses_a_signature_with_one_bit_changed(self, position: int) -> None:
        whole, devices = ANSWER.tokens
        head, claims, signature = whole.split(".")
        octets = bytearray(base64.urlsafe_b64decode(signature))
        octets[position] ^= 1
        only_failure(ANSWER.case(answer=resent(f"{head}.{claims}.{b64url(bytes(octets))}", devices)), "nras.token")

    @pytest.mark.parametrize("size", [0, 95, 97, 104])
    def test_refuses_a_signature_of_another_size(self, size: int) -> None:
        whole, devices = ANSWER.tokens
        head, claims, signature = whole.split(".")
        octets = (base64.urlsafe_b64decode(signature) + bytes(8))[:size]
        only_failure(ANSWER.case(answer=resent(f"{head}.{claims}.{b64url(octets)}", devices)), "nras.token")


def test_no_finding_holds_a_token() -> None:
    whole, devices = ANSWER.tokens
    case = ANSWER.case(answer=resent(whole[:-2], devices))
    texts = repr([run(case), case.eat, case])
    assert not any(part[:40] in texts for token in (whole, *devices.values()) for part in token.split(".")[1:])


def test_a_token_of_the_sdks_wrapping_is_never_read() -> None:
    """Any text may stand there, even one that is no token."""
    whole, devices = ANSWER.tokens
    for text in ("", "not a token", signed({"iss": STAGING}, replace(ANSWER.key, key_name="forger"))):
        body = json.dumps([["JWT", text], {"REMOTE_GPU_CLAIMS": [["JWT", whole], devices]}]).encode()
        findings = run(ANSWER.case(answer=NrasAnswer(body)))
        assert {found.status for found in findings.values()} == {Status.PASSED}
