"""What the 64 bytes of REPORTDATA commit to, by provider, and whether they commit to our nonce and channel.

A quote proves what a machine is; its REPORTDATA proves for whom and over which key it was made. Each function recomputes one
provider's rule over the full length; comparison takes constant time. Nothing named beside the quote (a nonce, a certificate,
a key) is believed unless its hash is found in REPORTDATA.

None of these rules proves that CPU and GPU stand in one machine (there is no TDISP on Hopper), and all of them rest on the
TLS key never leaving the TD: pin images that generate it inside.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.bundle_voltage_verify import manifest_for
from voltage_attest.evidence.model import Evidence
from voltage_attest.evidence.td_report import BodyType
from voltage_attest.ledger import CheckTable
from voltage_attest.limits import NONCE_SIZE
from voltage_attest.policy.model import ChannelPolicy
from voltage_attest.result import Finding, failed, passed, skipped, undecided
from voltage_attest.verify.types import VerifiedQuote

__all__ = [
    "BINDINGS",
    "BINDING_CHECKS",
    "WITHOUT_KEY",
    "ClaimsCase",
    "binding_followed",
    "chutes_report_data",
    "near_report_data",
    "secretvm_report_data",
    "tinfoil_v3_report_data",
    "tinfoil_v3_sections_report_data",
    "voltage_attest_gpu_nonce",
    "voltage_attest_report_data",
    "voltage_verify_report_data",
]

_DOMAIN: Final = b"voltage-attest/1\0"
_GPU_DOMAIN: Final = b"voltage-attest/1/gpu\0"
_ABSENT: Final = bytes(32)


def voltage_attest_report_data(nonce: bytes, tls_spki_sha256: bytes, e2ee_public_key: bytes | None) -> bytes:
    """SHA-512("voltage-attest/1" 00 || nonce[32] || SHA-256(TLS SPKI)[32] || SHA-256(E2EE key) or 32 zero bytes): 64 bytes."""
    e2ee = _ABSENT if e2ee_public_key is None else hashlib.sha256(e2ee_public_key).digest()
    return hashlib.sha512(_DOMAIN + nonce + tls_spki_sha256 + e2ee).digest()


def voltage_attest_gpu_nonce(report_data: bytes) -> bytes:
    """SHA-256("voltage-attest/1/gpu" 00 || REPORTDATA[64]): the 32 bytes that the GPU's own report must carry as its nonce."""
    return hashlib.sha256(_GPU_DOMAIN + report_data).digest()


def near_report_data(signing_address: bytes, tls_spki_sha256: bytes | None, nonce: bytes) -> bytes:
    """NEAR AI and dstack proxies: [0:32] SHA-256(address || SPKI hash), or the address padded to 32; [32:64] nonce."""
    if tls_spki_sha256 is None:
        return signing_address.ljust(32, b"\0") + nonce
    return hashlib.sha256(signing_address + tls_spki_sha256).digest() + nonce


def chutes_report_data(nonce_hex: bytes, e2e_pubkey_b64: bytes, tls_spki_sha256: bytes) -> bytes:
    """Chutes: [0:32] SHA-256(nonce as hex text || E2EE key as base64 text), also the GPUs' nonce; [32:64] SPKI hash."""
    return hashlib.sha256(nonce_hex + e2e_pubkey_b64).digest() + tls_spki_sha256


def tinfoil_v3_report_data(
    tls_spki_sha256: bytes, hpke_public_key: bytes, nonce: bytes, gpu_evidence_hash: bytes, nvswitch_evidence_hash: bytes | None
) -> bytes:
    """Tinfoil v3: [0:32] SHA-256(SPKI hash || HPKE key || nonce || GPU evidence hash [|| switch evidence hash]); rest zero."""
    hashed = tls_spki_sha256 + hpke_public_key + nonce + gpu_evidence_hash + (nvswitch_evidence_hash or b"")
    return hashlib.sha256(hashed).digest() + _ABSENT


def tinfoil_v3_sections_report_data(algorithm: bytes, nonce: bytes, crypto_material: bytes, device_evidence: bytes) -> bytes:
    """Tinfoil v3, sections: [0:32] SHA-256(algorithm || nonce || SHA-256(crypto material) || SHA-256(devices)); rest zero."""
    sections = hashlib.sha256(crypto_material).digest() + hashlib.sha256(device_evidence).digest()
    return hashlib.sha256(algorithm + nonce + sections).digest() + _ABSENT


def secretvm_report_data(tls_spki_sha256: bytes, gpu_nonce: bytes) -> bytes:
    """SecretVM: [0:32] SPKI hash; [32:64] the GPU report's nonce. Carries no nonce of the verifier's: never fresh."""
    return tls_spki_sha256 + gpu_nonce


def voltage_verify_report_data(canonical_manifest: bytes) -> bytes:
    """voltage-verify/1: SHA-512 of the canonical manifest, with the verifier's nonce as its challenge."""
    return hashlib.sha512(canonical_manifest).digest()


class _MissingInputError(Exception):
    """What a rule needs and the answer does not hold."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(name)


def _needed(evidence: Evidence, name: str) -> bytes:
    value = {"tls_spki_sha256": evidence.tls_spki_sha256}.get(name) or evidence.binding_input(name)
    if value is None:
        raise _MissingInputError(name)
    return value


def _tinfoil_v3(evidence: Evidence, nonce: bytes) -> bytes:
    """Either form; both name the TLS key, in the sections form inside the crypto material that is hashed."""
    tls_spki_sha256 = _needed(evidence, "tls_spki_sha256")
    algorithm = evidence.binding_input("report_data_algorithm")
    if algorithm is not None:
        material, devices = _needed(evidence, "crypto_material"), _needed(evidence, "device_evidence")
        return tinfoil_v3_sections_report_data(algorithm, nonce, material, devices)
    return tinfoil_v3_report_data(
        tls_spki_sha256,
        _needed(evidence, "hpke_public_key"),
        nonce,
        _needed(evidence, "gpu_evidence_hash"),
        evidence.binding_input("nvswitch_evidence_hash"),
    )


_Rule = Callable[[Evidence, bytes], bytes]

WITHOUT_KEY: Final = frozenset({"voltage-verify/1"})
"""Bindings that commit to no TLS key: whatever key came with the evidence, nothing vouches for it."""

BINDINGS: Final[Mapping[str, _Rule]] = {
    "voltage-attest/1": lambda evidence, nonce: voltage_attest_report_data(
        nonce, _needed(evidence, "tls_spki_sha256"), evidence.e2ee_public_key
    ),
    "near": lambda evidence, nonce: near_report_data(
        _needed(evidence, "signing_address"), _needed(evidence, "tls_spki_sha256"), nonce
    ),
    "chutes": lambda evidence, nonce: chutes_report_data(
        nonce.hex().encode("ascii"), _needed(evidence, "e2e_pubkey_b64"), _needed(evidence, "tls_spki_sha256")
    ),
    "tinfoil-v3": _tinfoil_v3,
    "voltage-verify/1": lambda evidence, nonce: voltage_verify_report_data(manifest_for(nonce, _needed(evidence, "manifest"))),
}
"""Binding name to what REPORTDATA must be for this evidence and our nonce; all but :data:`WITHOUT_KEY` bind the TLS key too.

``secretvm`` is not among them: nothing in it is drawn by the verifier, so a policy cannot ask for it as proof of freshness.
"""


def binding_followed(evidence: Evidence, nonce: bytes, report_data: bytes) -> str | None:
    """The binding by which REPORTDATA commits to this nonce, where a policy names none; None if it does so by none of them."""
    for name, rule in BINDINGS.items():
        try:
            expected = rule(evidence, nonce)
        except (_MissingInputError, EvidenceFormatError):
            continue
        if hmac.compare_digest(expected, report_data):
            return name
    return None


@dataclass(frozen=True, slots=True)
class ClaimsCase:
    """What came with a quote, and what we asked for: judged once the quote's own content may be believed.

    ``nonce`` is the one the verifier drew (32 bytes); None where nobody drew one.
    """

    evidence: Evidence
    verified: VerifiedQuote | None
    channel: ChannelPolicy | None
    nonce: bytes | None


def provider_opinion(case: ClaimsCase) -> Finding:
    """evidence.provider_opinion."""
    opinion, verified = case.evidence.opinion, case.verified
    if opinion is None or verified is None:
        return skipped("no operator stated an opinion of this quote")
    report = verified.quote.td_report
    said = f"measurement_valid {opinion.measurement_valid}, mr_td {opinion.mr_td}, tdx_version {opinion.tdx_version}"
    if opinion.mr_td is not None and opinion.mr_td.lower() != report.mrtd.hex():
        reason = "the operator names another MRTD than the hardware does"
    elif opinion.measurement_valid is False:
        reason = "the operator itself calls this measurement invalid"
    elif opinion.tdx_version == "1.0" and verified.quote.body_type is not BodyType.TD_REPORT_10:
        reason = "the operator names an older TDX than the hardware reports"
    else:
        return passed(f"{said} (an opinion, not relied upon)")
    return failed(expected=f"what the quote says: mr_td {report.mrtd.hex()}", actual=said, reason=reason)


def nonce(case: ClaimsCase) -> Finding:
    """binding.nonce."""
    if case.channel is None:
        return skipped("the policy has no [channel]: nothing is bound to a nonce or key")
    if case.nonce is None:
        return undecided("nobody drew a nonce for this evidence", expected="the verifier's nonce (--nonce)", actual="none")
    claimed = case.evidence.nonce
    if claimed is None:
        return undecided("the answer does not say which nonce it was made for", expected=case.nonce.hex(), actual="none")
    if len(case.nonce) == NONCE_SIZE and hmac.compare_digest(claimed, case.nonce):
        return passed(case.nonce.hex())
    return failed(
        expected=case.nonce.hex(),
        actual=claimed.hex(),
        reason="this evidence was made for another request: it is old, or somebody else's",
    )


def report_data(case: ClaimsCase) -> Finding:
    """binding.report_data."""
    if case.channel is None:
        return skipped("the policy has no [channel]: REPORTDATA is not judged")
    if case.verified is None or case.nonce is None:
        raise RuntimeError("the binding was judged before quote and nonce")
    try:
        expected = BINDINGS[case.channel.binding](case.evidence, case.nonce)
    except _MissingInputError as error:
        return undecided(f"the answer holds no {error.name}, which {case.channel.binding} binds")
    except EvidenceFormatError as error:
        return failed(expected=error.expected, actual=error.found, reason="what the binding hashes cannot be read")
    actual = case.verified.quote.td_report.report_data
    if hmac.compare_digest(expected, actual):
        return passed(f"{case.channel.binding}: {actual.hex()}")
    return failed(
        expected=expected.hex(),
        actual=actual.hex(),
        reason=f"the quote is not bound to this nonce and key by {case.channel.binding}: it may have been relayed",
        location=case.channel.locations.get("binding"),
    )


BINDING_CHECKS: Final = CheckTable[ClaimsCase](
    {
        "evidence.provider_opinion": provider_opinion,
        "binding.nonce": nonce,
        "binding.report_data": report_data,
    }
)
"""Check id to function, in order; they follow verification."""
