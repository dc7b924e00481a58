"""What NVIDIA's service really signed: the vendor's own nodes, recorded sessions of others, and NVIDIA's samples."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from functools import cache
from typing import Final

import pytest
from cryptography import x509

from tests.gpu.real_devices import VECTORS, chutes_nodes, near_node, needs_vectors
from tests.nras.judging import only_failure, resent, run
from tests.nras.service import b64url
from tests.support.real_evidence import VOLTAGE_VERIFY
from voltage_attest.collateral.jwks import parse_jwks
from voltage_attest.collateral.nvidia import NrasAnswer
from voltage_attest.crypto.nras_keys import load_nras_key, nras_spki_sha256, why_nras_key_fails
from voltage_attest.evidence.eat import parse_detached_eat
from voltage_attest.evidence.nras_request import DeviceItem, nras_request, parse_nras_request
from voltage_attest.result import Status
from voltage_attest.trust.nvidia_nras import NRAS_INTERMEDIATES, nras_intermediates
from voltage_attest.verify.nras_case import NrasCase, NrasKeySets
from voltage_attest.verify.nras_claims import why_claims_fail

PPCIE: Final = (VOLTAGE_VERIFY / "nras_ppcie_8xh100_2026-09-10.json").read_bytes()
PPCIE_NONCE: Final = bytes.fromhex("211b20f54486162c3a447c8a88e4a6f9f6416e4c0b10d96e59d9f7fefad1c99d")
H200: Final = (VOLTAGE_VERIFY / "nras_h200_2026-09-04.json").read_bytes()
JWKS_SEPTEMBER: Final = (VOLTAGE_VERIFY / "nras_jwks_2026-09-12.json").read_bytes()
JWKS_OCTOBER: Final = (VOLTAGE_VERIFY / "nras_jwks_2026-10-22_two_intermediates.json").read_bytes()
NOW: Final = datetime(2026, 11, 24, tzinfo=UTC)

_NEAR: Final = "teep-nearcloud_qwen_qwen3.5-122b-a10b_20260424_020614"
_CHUTES: Final = "teep-chutes_zai-org_glm-5-tee_20260520_021819"


def copy(body: bytes, *jwks: bytes, nonce: bytes | None = None, ueids: frozenset[str] | None = None) -> NrasCase:
    """A kept answer, judged today at its own issue."""
    return NrasCase(NrasAnswer(body), NrasKeySets(jwks), nras_intermediates(), NOW, nonce, ueids, judged_at_issue=True)


@cache
def near_request() -> bytes:
    """What the recorded client of NEAR's node sent to NRAS."""
    sent = json.loads(recorded(_NEAR, "0006", "v3_attest_gpu.json"))
    return base64.b64decode(sent["req_body_base64"])


@cache
def recorded(folder: str, number: str, name: str) -> bytes:
    return (VECTORS / folder / f"{number}_nras.attestation.nvidia.com_{name}").read_bytes()


def ueids(items: tuple[DeviceItem, ...]) -> frozenset[str]:
    """The serial numbers of the devices' leaf certificates, in decimal."""
    return frozenset(str(x509.load_pem_x509_certificates(item.certificate_chain)[0].serial_number) for item in items)


@pytest.mark.parametrize("document", [JWKS_SEPTEMBER, JWKS_OCTOBER], ids=["september", "october"])
def test_every_published_key_leads_to_a_pinned_intermediate(document: bytes) -> None:
    for kid, jwk in parse_jwks(document).keys.items():
        key = load_nras_key(jwk.x, jwk.y, jwk.x5c, kid)
        assert why_nras_key_fails(key, nras_intermediates()) is None
        assert "not pinned" in str(why_nras_key_fails(key, frozenset()))


def test_the_pinned_keys_are_those_of_the_published_certificates() -> None:
    found = {
        (key.intermediate.common_name, key.intermediate.spki_sha256.hex(), nras_spki_sha256(jwk.x5c[1], "CA").hex())
        for jwk in parse_jwks(JWKS_OCTOBER).keys.values()
        for key in (load_nras_key(jwk.x, jwk.y, jwk.x5c, jwk.kid),)
    }
    assert found == {(pinned.name, pinned.spki_sha256, pinned.spki_sha256) for pinned in NRAS_INTERMEDIATES}


class TestTheVendorsNodes:
    def test_eight_gpus_in_protected_pcie_mode_verify_with_the_set_of_those_days(self) -> None:
        devices = frozenset(str(token.claims.members["ueid"].value) for token in parse_detached_eat(PPCIE).devices)
        assert len(devices) == 8
        findings = run(copy(PPCIE, JWKS_SEPTEMBER, nonce=PPCIE_NONCE, ueids=devices))
        assert {found.status for found in findings.values()} == {Status.PASSED}
        assert findings["nras.token"].actual == "9 signatures"

    def test_they_verify_live_within_their_hour_and_not_a_second_longer(self) -> None:
        case = NrasCase(
            NrasAnswer(PPCIE),
            NrasKeySets((JWKS_SEPTEMBER,)),
            nras_intermediates(),
            datetime(2026, 9, 10, 19, 18, 21, tzinfo=UTC),
        )
        assert not any(found.status.closes_gate for found in run(case).values())
        only_failure(
            NrasCase(case.answer, case.key_sets, case.intermediates, datetime(2026, 9, 10, 19, 18, 22, tzinfo=UTC)),
            "nras.validity",
        )

    def test_with_the_set_of_another_month_they_end_undecided(self) -> None:
        finding = only_failure(copy(PPCIE, JWKS_OCTOBER), "nras.key", Status.ERROR)
        assert "nv-eat-kid-prod-20260910113606820-5cfa2f1f-440b-47c2-ab81-ad885c5f78c5" in str(finding.reason)

    def test_the_key_of_the_h200_is_in_no_set_at_hand(self) -> None:
        finding = only_failure(copy(H200, JWKS_SEPTEMBER, JWKS_OCTOBER), "nras.key", Status.ERROR)
        assert "nv-eat-kid-prod-20260904060302992-4f2f78d8-3134-483e-a832-5d5330b2d3cf is in no JWKS" in str(finding.reason)

    def test_its_claims_are_good_all_the_same(self) -> None:
        """What they would be worth with the key."""
        assert [why_claims_fail(token, "2.0") for token in parse_detached_eat(H200).devices] == [None]

    def test_refuses_their_tokens_when_two_changed_places(self) -> None:
        inner = json.loads(PPCIE)[1]["REMOTE_GPU_CLAIMS"]
        swapped = {**inner[1], "GPU-0": inner[1]["GPU-1"], "GPU-1": inner[1]["GPU-0"]}
        finding = only_failure(copy(resent(inner[0][1], swapped).body, JWKS_SEPTEMBER), "nras.submods")
        assert "(GPU-0, GPU-1)" in str(finding.reason)

    def test_refuses_one_of_their_gpus_shown_twice(self) -> None:
        inner = json.loads(PPCIE)[1]["REMOTE_GPU_CLAIMS"]
        findings = run(copy(resent(inner[0][1], {**inner[1], "GPU-0": inner[1]["GPU-1"]}).body, JWKS_SEPTEMBER))
        assert {name for name, found in findings.items() if found.status.closes_gate} == {"nras.submods", "nras.ueids"}

    @pytest.mark.parametrize("position", range(0, 2400, 97))
    def test_refuses_every_changed_character_of_the_overall_token(self, position: int) -> None:
        inner = json.loads(PPCIE)[1]["REMOTE_GPU_CLAIMS"]
        text: str = inner[0][1]
        at = position % len(text)
        altered = text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]
        closed = {
            check
            for check, found in run(copy(resent(altered, inner[1]).body, JWKS_SEPTEMBER)).items()
            if found.status.closes_gate
        }
        assert closed
        assert closed <= {"nras.parse", "nras.header", "nras.key", "nras.token"}

    @pytest.mark.parametrize("algorithm", ["none", "HS256", "ES256"])
    def test_refuses_their_tokens_under_another_algorithm(self, algorithm: str) -> None:
        inner = json.loads(PPCIE)[1]["REMOTE_GPU_CLAIMS"]
        _, claims, signature = inner[0][1].split(".")
        kid = next(iter(parse_jwks(JWKS_SEPTEMBER).keys))
        header = b64url(json.dumps({"kid": kid, "alg": algorithm}).encode())
        only_failure(copy(resent(f"{header}.{claims}.{signature}", inner[1]).body, JWKS_SEPTEMBER), "nras.header")

    def test_refuses_the_sdks_own_token_in_place_of_nvidias(self) -> None:
        document = json.loads(PPCIE)
        inner = document[1]["REMOTE_GPU_CLAIMS"]
        finding = only_failure(copy(resent(document[0][1], inner[1]).body, JWKS_SEPTEMBER), "nras.header")
        assert finding.actual == "overall: the token overall, header has no 'kid' (it holds 'alg', 'typ')"

    def test_refuses_a_published_key_exchanged_for_another(self) -> None:
        """The attacker's point under a genuine kid, with the genuine certificates beside it."""
        document = json.loads(JWKS_SEPTEMBER)
        kid = parse_detached_eat(PPCIE).overall.header.members["kid"].value
        first, other = (next(key for key in document["keys"] if (key["kid"] == kid) is same) for same in (True, False))
        first |= {"x": other["x"], "y": other["y"]}
        finding = only_failure(copy(PPCIE, json.dumps(document).encode()), "nras.key")
        assert "not that of its certificate" in str(finding.actual)


@needs_vectors
class TestRecordedSessions:
    def test_the_tokens_of_near_verify_and_are_of_the_devices_in_its_answer(self) -> None:
        body, jwks = recorded(_NEAR, "0006", "v3_attest_gpu.body"), recorded(_NEAR, "0007", ".well-known_jwks.json.body")
        nonce = parse_nras_request(near_request()).claimed_nonce
        findings = run(copy(body, jwks, nonce=nonce, ueids=ueids(near_node())))
        assert {found.status for found in findings.values()} == {Status.PASSED}

    def test_the_error_that_nras_signed_for_chutes_is_recognised(self) -> None:
        body, jwks = recorded(_CHUTES, "0007", "v3_attest_gpu.body"), recorded(_CHUTES, "0008", ".well-known_jwks.json.body")
        findings = run(copy(body, jwks))
        assert {name for name, found in findings.items() if found.status.closes_gate} == {"nras.result", "nras.devices"}
        assert str(findings["nras.devices"].actual).startswith("GPU-0: error 4010 'NONCE_NOT_MATCHING'")
        assert "nras.ueids" not in findings

    def test_what_is_written_for_nras_is_what_the_recorded_client_sent(self) -> None:
        sent, read = json.loads(near_request()), parse_nras_request(near_request())
        assert read.claimed_nonce is not None
        written = json.loads(nras_request(read.items, read.claimed_nonce))
        assert (written["nonce"], written["arch"]) == (sent["nonce"], sent["arch"])
        for ours, theirs in zip(written["evidence_list"], sent["evidence_list"], strict=True):
            assert ours == {name: theirs[name] for name in ("evidence", "certificate")}

    def test_tokens_of_one_session_are_not_of_another_ones_devices(self) -> None:
        body, jwks = recorded(_NEAR, "0006", "v3_attest_gpu.body"), recorded(_NEAR, "0007", ".well-known_jwks.json.body")
        only_failure(copy(body, jwks, ueids=ueids(chutes_nodes()[0])), "nras.ueids")


@needs_vectors
class TestNvidiasSamples:
    @pytest.mark.parametrize("name", ["hopper", "switch"])
    def test_claims_of_version_3_are_good_and_their_keys_in_no_set_at_hand(self, name: str) -> None:
        body = (VECTORS / "asdk-nras-eat-v3" / f"{name}_detached_eat.json").read_bytes()
        devices = parse_detached_eat(body).devices
        assert [why_claims_fail(token, "3.0") for token in devices] == [None]
        assert [token.is_switch for token in devices] == [name == "switch"]
        only_failure(copy(body, JWKS_SEPTEMBER), "nras.key", Status.ERROR)

    def test_claims_of_version_3_are_not_good_as_those_of_version_2(self) -> None:
        body = (VECTORS / "asdk-nras-eat-v3" / "hopper_detached_eat.json").read_bytes()
        assert why_claims_fail(parse_detached_eat(body).devices[0], "2.0") is not None
