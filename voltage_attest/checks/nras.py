"""Checks of what NVIDIA's attestation service (NRAS) says of a node's devices, where the policy accepts or requires it.

Each judges all tokens of one answer: the overall one and one for each device.
"""

from __future__ import annotations

from typing import Final

from voltage_attest.checks.model import Actor, Check

__all__ = ["NRAS_CHECKS"]

_JWT = "RFC 7519 (JWT); RFC 7515 (JWS)"
_EAT = "RFC 9711 (EAT); NVIDIA Remote Attestation Service API v3 and v4"
_SUSPECT = "Do not rely on this answer. Ask NRAS, or the provider, for a new one; if it fails again, treat the pod as hostile."
_ASK_AGAIN = "Ask NRAS again with evidence that was collected for a new nonce."

_SIGNED: Final = ("nras.token",)

NRAS_CHECKS: tuple[Check, ...] = (
    Check(
        "nras.parse",
        "An answer of NVIDIA's attestation service is at hand and well formed",
        "It holds an overall token and a token for each device, all GPUs or all switches, each in its one canonical form. The "
        "token that NVIDIA's Python SDK wraps around them is never read.",
        "That NVIDIA made any of them.",
        _EAT,
        "If it is absent, let the policy ask NRAS (nras), or pass the answer with the evidence. Pass its bytes unchanged.",
        Actor.YOU,
    ),
    Check(
        "nras.header",
        "Every token says ES384, names its key, and asks for nothing else",
        "No token can choose another algorithm, bring its own key, or demand extensions: none and HS256 are refused here.",
        "That it is signed: nras.token proves that.",
        "RFC 7515, section 4.1; RFC 8725, section 3.1",
        _SUSPECT,
        Actor.PROVIDER,
        ("nras.parse",),
    ),
    Check(
        "nras.jwks",
        "Key sets of NVIDIA's attestation service are at hand and well formed",
        "Each names every key once, and no two name different keys alike.",
        "That any of these keys is NVIDIA's: nras.key proves that.",
        "RFC 7517 (JWK)",
        "Fetch /.well-known/jwks.json from nras.attestation.nvidia.com, or pass the set that was saved with the tokens.",
        Actor.YOU,
    ),
    Check(
        "nras.key",
        "Every token's key is certified by a pinned CA of NVIDIA's attestation service",
        "The key is that of its certificate, which an intermediate CA with a pinned key has signed. Where the key came from "
        "does not matter.",
        "That no certificate was revoked: the keys live for two days. A key that is in no key set at hand leaves it undecided.",
        "RFC 7517, section 4.7; RFC 5280, section 6.1",
        "If the key is in no key set, fetch one from the days of the token. If NVIDIA has a new intermediate CA, the reason "
        "names its key: check it with NVIDIA, then pin it in the policy (nras_intermediates).",
        Actor.NVIDIA,
        ("nras.header", "nras.jwks"),
    ),
    Check(
        "nras.token",
        "Every token is signed by the attestation service, and unaltered",
        "ECDSA P-384 with SHA-384 over header and claims of each, with the proven key and no other.",
        "When, of which devices and for whom it was issued: separate checks do.",
        "RFC 7515, section 5.2; RFC 7518, section 3.4",
        _SUSPECT,
        Actor.PROVIDER,
        ("nras.key",),
    ),
    Check(
        "nras.key_validity",
        "The keys were certified when the tokens were issued",
        "Each token's iat lies in the windows of its key's certificate and of the intermediate CA's.",
        "That the token is still current: nras.validity proves that.",
        "RFC 5280, section 4.1.2.5",
        _ASK_AGAIN,
        Actor.NVIDIA,
        _SIGNED,
    ),
    Check(
        "nras.issuer",
        "The tokens are of NVIDIA's production service",
        "The iss of each is https://nras.attestation.nvidia.com, exactly.",
        "Nothing else: the staging service signs the same claims.",
        f"{_JWT}, section 4.1.1",
        "Ask the production service. A token of the staging service is no evidence.",
        Actor.PROVIDER,
        _SIGNED,
    ),
    Check(
        "nras.validity",
        "The tokens are of the time they are judged at",
        "None was issued in the future; the appraisal time lies between nbf and exp. A signed copy kept beside archived "
        "evidence is judged at its own iat instead.",
        "That the devices are still as they were: a token lives for one hour.",
        f"{_JWT}, section 4.1",
        f"{_ASK_AGAIN} Compare your clock first.",
        Actor.YOU,
        _SIGNED,
    ),
    Check(
        "nras.nonce",
        "The answer is to this question",
        "The eat_nonce of every token is the one that the devices' reports had to carry.",
        "That the devices are in this pod: NRAS judges evidence wherever it comes from.",
        "RFC 9711, section 4.1",
        _ASK_AGAIN,
        Actor.PROVIDER,
        _SIGNED,
    ),
    Check(
        "nras.submods",
        "The overall token is about exactly these device tokens",
        "It names each by its SHA-256, and there is none beside those it names.",
        "What they say.",
        "RFC 9711, sections 4.2.18 and 5",
        _SUSPECT,
        Actor.PROVIDER,
        _SIGNED,
    ),
    Check(
        "nras.result",
        "NVIDIA's attestation service vouches for all devices",
        "The overall result is true: neither a text nor a number that looks like it.",
        "More than NRAS looks at: see nras.devices.",
        _EAT,
        "See nras.devices for the device and the claim that NRAS refuses.",
        Actor.PROVIDER,
        _SIGNED,
    ),
    Check(
        "nras.claims_version",
        "The claims are of a version that is understood here",
        "Every device's claims are of version 2.0, 3.0 or 4.0.",
        "That they are good.",
        _EAT,
        "Update voltage-attest, or ask NRAS for claims of one of these versions.",
        Actor.YOU,
        _SIGNED,
    ),
    Check(
        "nras.devices",
        "NVIDIA's attestation service found nothing wrong with any device",
        "Measurements, secure boot, debug status, report, certificate chains and reference values are as they must be, each "
        "claim by itself, and none is a signed error (4003, 4007, 4010, 4013, 4014, 4015, 5013).",
        "More than NVIDIA's word: secboot and dbgstat follow from the measurements and are not read from the device.",
        _EAT,
        "Error 4010 means that NRAS was asked with another nonce than the report carries. For others, ask the provider.",
        Actor.PROVIDER,
        ("nras.claims_version",),
    ),
    Check(
        "nras.ueids",
        "NVIDIA's attestation service judged the devices that were verified here",
        "The devices it names are all different, and are those whose reports were verified locally, no more and no fewer.",
        "Where the devices are. It is skipped where none was verified locally.",
        "RFC 9711, section 4.2.1",
        _SUSPECT,
        Actor.PROVIDER,
        ("nras.devices",),
    ),
)
"""In order; a prerequisite always stands earlier."""
