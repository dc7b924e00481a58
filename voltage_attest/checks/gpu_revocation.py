"""Checks of revocation: has NVIDIA withdrawn a certificate that a device or a manifest stands on?"""

from __future__ import annotations

from typing import Final

from voltage_attest.checks.model import Actor, Check

__all__ = ["REVOCATION_CHECKS"]

_SPEC: Final = "RFC 6960, sections 3.2 and 4.2; RFC 5280, section 6.3; NVIDIA nvtrust, cc_admin_utils.py"
_HOW: Final = (
    "Every OCSP answer at hand is about the certificate that was asked for, signed by its issuer or by a responder that the "
    "issuer certified for OCSP signing, echoes the nonce if one was sent, is in its window, and says good. Every CRL of the "
    "issuer at hand is the issuer's, in its window, and does not name the certificate. One of the two is there."
)
_ACT: Final = (
    "If an answer is missing or old, ask again: NVIDIA's responder (ocsp.ndis.nvidia.com) must be reachable, or the cache hold "
    "answers of the last day; CRLs alone do not reach every certificate. If a certificate is revoked, do not send anything: "
)

REVOCATION_CHECKS: Final = (
    Check(
        "gpu.revocation",
        "NVIDIA has revoked no certificate between the device's leaf and root",
        f"For BROM, provisioner and family certificate: {_HOW}",
        "That the leaf is not revoked: NVIDIA answers for no leaf, it falls with its BROM certificate. That the certificate of "
        "the responder is not revoked: NVIDIA marks it as not to be asked about. That nothing was revoked since the answer.",
        _SPEC,
        f"{_ACT}the device, or all of its kind, has lost NVIDIA's trust. One on hold may come back: gpu.certificate_hold says "
        "whether it is accepted meanwhile.",
        Actor.NVIDIA,
        ("gpu.chain",),
    ),
    Check(
        "gpu.rim.revocation",
        "NVIDIA has revoked no certificate that its manifests are signed with",
        f"For signer and both CAs of each manifest: {_HOW}",
        "That the responder's own certificate is not revoked, or that nothing was revoked since the answer.",
        _SPEC,
        f"{_ACT}fetch the manifests again, since NVIDIA signs them anew. Signers of driver branches with known faults are on "
        "hold or revoked; then the provider must install another driver. gpu.certificate_hold says whether hold is accepted.",
        Actor.NVIDIA,
        ("gpu.rim.chain",),
    ),
)
"""In order. Whoever registers them adds what must have passed first."""
