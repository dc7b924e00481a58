"""The fake attestation service's tokens: verified by PyJWT, judged by the checks of NRAS, and the same bytes every time."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from tests.testing.nvidia_judging import NONCE, closing, judge
from voltage_attest.collateral.nvidia import NrasAnswer
from voltage_attest.testing import (
    APPRAISED_AT,
    NVIDIA_ISSUED_AT,
    FakeNvidia,
    NvidiaSigner,
    TokenFields,
    derive_p384_key,
    jwks_of,
    sign_jwt,
)

NVIDIA = FakeNvidia()
NODE = NVIDIA.node()

# Written down, so that a library version, machine or year that changes a byte is noticed.
ANSWER_SHA256 = "95c9c1d92500ed18fe1200742d82250237c45c22c41c47fb0c5f3aa8954c87e4"


def key_set() -> dict[str, jwt.PyJWK]:
    return {str(key["kid"]): jwt.PyJWK(key) for key in json.loads(NVIDIA.jwks())["keys"]}


def decoded(token: str) -> dict[str, object]:
    """The claims, by PyJWT, at the time of issue."""
    key = key_set()[jwt.get_unverified_header(token)["kid"]]
    claims: dict[str, object] = jwt.decode(
        token,
        key.key,
        algorithms=["ES384"],
        issuer="https://nras.attestation.nvidia.com",
        options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
    )
    return claims


@pytest.mark.parametrize("version", ["2.0", "3.0", "4.0"])
def test_pyjwt_verifies_every_token(version: str) -> None:
    for devices, kind in ((NODE.gpus, "GPU"), (NODE.switches, "SWITCH")):
        (mark, overall), tokens = json.loads(NVIDIA.token(devices, NONCE, TokenFields(claims_version=version)))
        claims = decoded(overall)
        assert (mark, claims["x-nvidia-ver"], claims["x-nvidia-overall-att-result"]) == ("JWT", version, True)
        assert claims["exp"] == int((NVIDIA_ISSUED_AT + timedelta(hours=1)).timestamp())
        assert claims["submods"] == {
            name: ["DIGEST", ["SHA-256", sha256(token.encode()).hexdigest()]] for name, token in tokens.items()
        }
        for number, device in enumerate(devices):
            found = decoded(tokens[f"{kind}-{number}"])
            assert (found["ueid"], found["eat_nonce"], found["measres"]) == (device.ueid, NONCE.hex(), "success")


def test_jwks_carries_the_chain_to_the_pinned_intermediate() -> None:
    (key,) = json.loads(NVIDIA.jwks())["keys"]
    leaf, intermediate = [x509.load_der_x509_certificate(base64.b64decode(text)) for text in key["x5c"]]
    leaf.verify_directly_issued_by(intermediate)
    spki = intermediate.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert sha256(spki).hexdigest() == NVIDIA.nras_spki_sha256
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc == timedelta(days=2)
    assert jwt.PyJWK(key).key.public_numbers() == NVIDIA.nras_signer.key.public_key().public_numbers()


def judged(answer: str, *, jwks: str | None = None, gpus: int = 2) -> set[str]:
    """What closes the gate where the policy requires NRAS's word on so many GPUs."""
    node = NVIDIA.node(gpus=gpus, switches=0)
    collateral = replace(
        NVIDIA.collateral(node.gpus), nras=(NrasAnswer(answer.encode()),), jwks=((jwks or NVIDIA.jwks()).encode(),)
    )
    return closing(judge(NVIDIA, node.gpus, collateral=collateral, policy='nras = "require"'))


def answered(fields: TokenFields | None = None, **signed_by: NvidiaSigner) -> str:
    return NVIDIA.token(NVIDIA.node(gpus=2, switches=0).gpus, NONCE, fields, **signed_by)


@pytest.mark.parametrize("version", ["2.0", "3.0", "4.0"])
def test_token_satisfies_a_policy_that_requires_it(version: str) -> None:
    assert judged(answered(TokenFields(claims_version=version))) == set()


ATTACKER = replace(NVIDIA.nras_signer, key=derive_p384_key("attacker"))
LOOK_ALIKE = FakeNvidia("look-alike")
TOKENS: Mapping[str, Callable[[], set[str]]] = {
    "an error": lambda: judged(answered(TokenFields(errors={"GPU-1": 4010}))),
    "a failure": lambda: judged(answered(TokenFields(claims={"GPU-0": {"measres": "fail"}}))),
    "the staging service's": lambda: judged(answered(TokenFields(issuer="https://nras.attestation-stg.nvidia.com"))),
    "expired": lambda: judged(answered(TokenFields(issued_at=APPRAISED_AT - timedelta(hours=2)))),
    "overall true as text": lambda: judged(answered(TokenFields(overall={"x-nvidia-overall-att-result": "true"}))),
    "signed with another key": lambda: judged(answered(signer=ATTACKER)),
    "of a look-alike's keys": lambda: judged(answered(signer=LOOK_ALIKE.nras_signer), jwks=LOOK_ALIKE.jwks()),
    "of a key that is not published": lambda: judged(answered(signer=LOOK_ALIKE.nras_signer)),
    "alg none": lambda: judged(json.dumps([["JWT", sign_jwt({}, ATTACKER, header={"alg": "none"})], {}])),
    "of fewer GPUs": lambda: judged(NVIDIA.token(NVIDIA.node(gpus=1, switches=0).gpus, NONCE)),
}


@pytest.mark.parametrize("judge_token", TOKENS.values(), ids=TOKENS.keys())
def test_token_that_differs_is_refused_or_undecided(judge_token: Callable[[], set[str]]) -> None:
    closed = judge_token()
    assert closed
    assert all(check.startswith("nras.") for check in closed), closed


def test_attackers_token_does_not_verify_by_library() -> None:
    with pytest.raises(jwt.InvalidSignatureError):
        decoded(sign_jwt({"iss": "https://nras.attestation.nvidia.com"}, ATTACKER))


def test_key_set_can_hold_several_keys() -> None:
    keys = json.loads(jwks_of(NVIDIA.nras_signer, LOOK_ALIKE.nras_signer))["keys"]
    assert len({key["kid"] for key in keys}) == 2


def test_unknown_claims_version_is_not_written() -> None:
    with pytest.raises(ValueError, match=r"claims version '5\.0'"):
        NVIDIA.token(NODE.gpus, NONCE, TokenFields(claims_version="5.0"))


def test_answer_is_equal_to_the_byte() -> None:
    nvidia = FakeNvidia("fake nvidia")
    answer = nvidia.token(nvidia.node().gpus, NONCE) + nvidia.jwks()
    assert sha256(answer.encode()).hexdigest() == ANSWER_SHA256
