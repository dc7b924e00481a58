"""What NVIDIA's attestation service really signed, and a provider's whole answer, through the verifier."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Final

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.cases.devices import device_policy
from tests.cases.model import NVIDIA
from tests.devices.real import UNCOMPARED, closing, evidence_of, examine
from tests.gpu.real_devices import chutes_nodes, near_node, needs_vectors
from tests.nras.test_real_tokens import H200, JWKS_OCTOBER, JWKS_SEPTEMBER, PPCIE, recorded
from tests.pods.test_real_answers import NEAR_AT, NEAR_NONCE, near
from tests.support.outcomes import ids_with, policy_text
from voltage_attest.collateral.intel import IntelCollateral
from voltage_attest.collateral.nvidia import NrasAnswer, NvidiaCollateral
from voltage_attest.evidence.model import Evidence
from voltage_attest.policy import parse_policy
from voltage_attest.result import AttestationResult, CheckResult, Status, Verdict
from voltage_attest.testing import TokenFields
from voltage_attest.verifier import Verifier

NOW: Final = datetime(2026, 11, 24, tzinfo=UTC)
ACCEPT: Final = {"nras": '"accept"'}
NEAR: Final = "teep-nearcloud_qwen_qwen3.5-122b-a10b_20260424_020614"


def told(body: bytes, *jwks: bytes) -> AttestationResult:
    """The answer judged as a kept copy. Its devices' own reports are not at hand, so only its rows say anything."""
    verifier = Verifier(parse_policy(device_policy({"count": "8", **ACCEPT})))
    return verifier.examine(Evidence(), b"", at=NOW, nvidia=NvidiaCollateral(nras=(NrasAnswer(body),), jwks=jwks))


def rows(result: AttestationResult) -> dict[str, CheckResult]:
    """The rows about the first answer."""
    return {row.id: row for row in result.checks if row.device == "nras[0]"}


def refused_by(body: bytes, *jwks: bytes) -> set[str]:
    """The rows about the answer that close the gate."""
    return {name for name, row in rows(told(body, *(jwks or (JWKS_SEPTEMBER,)))).items() if row.status.closes_gate}


class TestTheVendorsTokens:
    """Of VoltageGPU's own nodes, as the vendor's package ships them."""

    def test_eight_gpus_in_protected_pcie_verify_with_the_keys_of_those_days(self) -> None:
        found = rows(told(PPCIE, JWKS_SEPTEMBER))
        left_open = {name for name, row in found.items() if row.status is Status.SKIPPED}
        assert left_open == {"nras.nonce", "nras.ueids"}
        assert {row.status for name, row in found.items() if name not in left_open} == {Status.PASSED}
        assert found["nras.token"].finding.actual == "9 signatures"

    def test_tokens_stand_in_for_no_report(self) -> None:
        result = told(PPCIE, JWKS_SEPTEMBER)
        assert closing(result) == {"evidence.gpu_present"}
        assert result.gpus == ()

    def test_the_key_of_the_h200_is_in_no_set_at_hand(self) -> None:
        found = rows(told(H200, JWKS_SEPTEMBER, JWKS_OCTOBER))
        assert found["nras.key"].status is Status.ERROR
        assert "nv-eat-kid-prod-20260904060302992-4f2f78d8-3134-483e-a832-5d5330b2d3cf is in no JWKS" in str(
            found["nras.key"].reason
        )
        assert {row.status for name, row in found.items() if name not in {"nras.parse", "nras.header", "nras.jwks"}} == {
            Status.ERROR,
            Status.NOT_RUN,
        }

    def test_they_are_of_other_devices_than_those_beside_them(self) -> None:
        nvidia = NvidiaCollateral(nras=(NrasAnswer(PPCIE),), jwks=(JWKS_SEPTEMBER,))
        assert closing(examine(keys=ACCEPT, skips=UNCOMPARED, nvidia=nvidia, at=NOW)) == {"nras.nonce", "nras.ueids"}

    def test_where_the_policy_is_off_they_are_not_even_shown(self) -> None:
        nvidia = NvidiaCollateral(nras=(NrasAnswer(PPCIE),), jwks=(JWKS_SEPTEMBER,))
        assert not any(row.id.startswith("nras.") for row in examine(skips=UNCOMPARED, nvidia=nvidia).checks)


@cache
def taken_apart() -> tuple[str, dict[str, str]]:
    """The overall token of the eight GPUs, and each device's."""
    (_, overall), tokens = json.loads(PPCIE)[1]["REMOTE_GPU_CLAIMS"]
    return overall, tokens


def put_together(overall: str, tokens: dict[str, str]) -> bytes:
    return json.dumps([["JWT", overall], tokens]).encode()


def claims_of(token: str) -> dict[str, object]:
    claims: dict[str, object] = jwt.decode(token, options={"verify_signature": False})
    return claims


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


def resigned() -> bytes:
    """Every claim as NVIDIA made it, signed by an attacker's key under NVIDIA's name for its own."""
    key, (overall, tokens) = ec.generate_private_key(ec.SECP384R1()), taken_apart()
    return put_together(jwt.encode(claims_of(overall), key, "ES384", {"kid": kid_of(overall)}), tokens)


def symmetric() -> bytes:
    """Signed with the public key set as a shared secret."""
    overall, tokens = taken_apart()
    forged = jwt.encode(claims_of(overall), JWKS_SEPTEMBER.hex(), "HS256", {"kid": kid_of(overall)})
    return put_together(forged, tokens)


def unsigned() -> bytes:
    overall, tokens = taken_apart()
    header = base64.urlsafe_b64encode(json.dumps({"alg": "none", "kid": kid_of(overall)}).encode()).rstrip(b"=").decode()
    return put_together(f"{header}.{overall.split('.')[1]}.", tokens)


def repeated_kid() -> bytes:
    """The key set with the attacker's key in front of NVIDIA's, under the same name."""
    document = json.loads(JWKS_SEPTEMBER)
    kid = kid_of(taken_apart()[0])
    forged = next(key for key in document["keys"] if key["kid"] != kid) | {"kid": kid}
    return json.dumps({"keys": [forged, *document["keys"]]}).encode()


def rekeyed() -> bytes:
    """Another published key under the name of the one that signed."""
    document = json.loads(JWKS_SEPTEMBER)
    kid = kid_of(taken_apart()[0])
    others = [key for key in document["keys"] if key["kid"] != kid]
    return json.dumps({"keys": [*others[1:], others[0] | {"kid": kid}]}).encode()


def uncertified() -> bytes:
    """The attacker's own key under NVIDIA's name and certificates."""
    document = json.loads(JWKS_SEPTEMBER)
    kid, numbers = kid_of(taken_apart()[0]), ec.generate_private_key(ec.SECP384R1()).public_key().public_numbers()
    for key in document["keys"]:
        if key["kid"] == kid:
            for name, number in (("x", numbers.x), ("y", numbers.y)):
                key[name] = base64.urlsafe_b64encode(number.to_bytes(48, "big")).rstrip(b"=").decode()
    return json.dumps(document).encode()


FORGED: Final[dict[str, tuple[Callable[[], bytes], str]]] = {
    "re-signed": (resigned, "nras.token"),
    "HS256": (symmetric, "nras.header"),
    "alg none": (unsigned, "nras.header"),
}


@pytest.mark.parametrize("how", FORGED)
def test_d10_a_forged_token_of_the_vendors_is_refused(how: str) -> None:
    make, check = FORGED[how]
    assert refused_by(make()) == {check}


def test_d10_a_key_that_is_named_twice_is_refused() -> None:
    assert refused_by(PPCIE, repeated_kid()) == {"nras.jwks"}


def test_d10_another_published_key_under_the_name_is_refused() -> None:
    assert refused_by(PPCIE, rekeyed()) == {"nras.token"}


def test_d10_an_attackers_key_under_nvidias_certificates_is_refused() -> None:
    assert refused_by(PPCIE, uncertified()) == {"nras.key"}


def test_d10_keys_of_another_authority_are_refused_and_the_intermediate_is_named() -> None:
    """The fake NVIDIA's, equal in every name: what it signs is worth nothing under NVIDIA's pins."""
    body, jwks = NVIDIA.token([NVIDIA.gpu()], bytes(32)).encode(), NVIDIA.jwks().encode()
    assert refused_by(body, jwks) == {"nras.key"}
    assert NVIDIA.nras_spki_sha256 in str(rows(told(body, jwks))["nras.key"].finding.actual)


def test_d10_a_token_of_the_staging_service_is_refused_even_if_its_key_is_pinned() -> None:
    fields = TokenFields(issuer="https://nras.attestation-stg.nvidia.com")
    pinned = {"count": "1", **ACCEPT, "nras_intermediates": f'["{NVIDIA.nras_spki_sha256}"]'}
    answer = NrasAnswer(NVIDIA.token([NVIDIA.gpu()], bytes(32), fields).encode())
    nvidia = NvidiaCollateral(nras=(answer,), jwks=(NVIDIA.jwks().encode(),))
    result = Verifier(parse_policy(device_policy(pinned))).examine(Evidence(), b"", at=NOW, nvidia=nvidia)
    assert {name for name, row in rows(result).items() if row.status.closes_gate} == {"nras.issuer"}


@needs_vectors
class TestNearsNode:
    """Eight H200 GPUs behind a TDX quote, with the tokens of the same session (2026-04-24)."""

    def judged(self, *, binding: str = "near", evidence: Evidence | None = None) -> AttestationResult:
        keys = {"count": "8", "modes": '["ppcie"]', "boards": '["G520_0280_895"]', "nras": '"require"', **UNCOMPARED}
        section = "\n".join([f"{key} = {value}" for key, value in keys.items()])
        policy = parse_policy(f'{policy_text()}\n[gpu]\n{section}\n\n[channel]\nbinding = "{binding}"\n')
        answer = NrasAnswer(recorded(NEAR, "0006", "v3_attest_gpu.body"))
        nvidia = NvidiaCollateral(nras=(answer,), jwks=(recorded(NEAR, "0007", ".well-known_jwks.json.body"),))
        return Verifier(policy).examine(evidence or near()[1], IntelCollateral(), at=NEAR_AT, nonce=NEAR_NONCE, nvidia=nvidia)

    def test_every_gpu_and_token_is_genuine_and_only_intels_documents_are_missing(self) -> None:
        result = self.judged()
        assert result.verdict is Verdict.UNDECIDED
        assert ids_with(result, Status.FAILED) == frozenset()
        assert {name.split(".")[0] for name in ids_with(result, Status.ERROR)} == {"tdx"}
        assert [gpu.board for gpu in result.gpus] == ["G520_0280_895"] * 8
        assert {gpu.nonce for gpu in result.gpus} == {NEAR_NONCE.hex()}
        assert {row.status for row in rows(result).values()} == {Status.PASSED}
        assert result.check("gpu.topology.links").status is Status.PASSED

    def test_what_binds_gpus_to_the_quote_is_not_claimed_before_the_quote_verifies(self) -> None:
        result = self.judged()
        assert result.check("binding.nonce").status is Status.PASSED
        assert result.check("binding.gpu_nonce").status is Status.NOT_RUN

    def test_d14_gpus_of_another_providers_node_are_told_apart_by_tokens_and_nonce(self) -> None:
        spliced = replace(near()[1], gpu_evidence=evidence_of(chutes_nodes()[0]))
        assert {"nras.nonce", "nras.ueids"} == ids_with(self.judged(evidence=spliced), Status.FAILED)

    def test_d14_one_gpu_of_another_node_is_one_too_many(self) -> None:
        spliced = replace(near()[1], gpu_evidence=evidence_of([*near_node()[:7], chutes_nodes()[0][7]]))
        failed = ids_with(self.judged(evidence=spliced), Status.FAILED)
        assert failed == {"gpu.node.nonce", "gpu.topology.links", "nras.ueids"}
