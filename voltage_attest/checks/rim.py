"""Checks of NVIDIA's reference integrity manifests (RIM), and of a device's measurements against them."""

from __future__ import annotations

from voltage_attest.checks.gpu import AUTHENTIC_DEVICE
from voltage_attest.checks.model import Actor, Check

__all__ = ["RIM_CHECKS"]

_SWID = "TCG Reference Integrity Manifest Information Model; ISO/IEC 19770-2:2015"
_REFETCH = "Fetch the manifests again from NVIDIA's RIM service, or pass newer files with --rim, and verify once more."
_SUSPECT = "Do not send anything to this pod. Ask the provider for fresh evidence; if it fails again, treat the pod as hostile."

RIM_CHECKS: tuple[Check, ...] = (
    Check(
        "gpu.rim.parse",
        "The manifests of driver and firmware are at hand and well formed",
        "Each is one signed SWID tag of exactly the shape NVIDIA publishes: one signature, nothing around or beside what is "
        "signed, no document type, entity or processing instruction.",
        "That any of its content is true.",
        f"{_SWID}; W3C XML Signature 1.1, section 8",
        "If a manifest is absent, the reason names its id: fetch it, or pass the file with --rim. NVIDIA publishes none for "
        "some driver and VBIOS versions; then the provider must install one that has a manifest.",
        Actor.PROVIDER,
        AUTHENTIC_DEVICE,
    ),
    Check(
        "gpu.rim.chain",
        "The manifests' signers lead to NVIDIA's pinned root for reference values",
        "Four certificates with P-384 keys, each signed by the next in its proper role; the last equals the pinned NVIDIA "
        "CoRIM signing Root CA byte for byte.",
        "That they were in date or not revoked: separate checks do.",
        "NVIDIA attestation-sdk, rim.cpp and nv_x509.cpp",
        f"{_REFETCH} A manifest under NVIDIA's debug root is for no production device.",
        Actor.PROVIDER,
        ("gpu.rim.parse",),
    ),
    Check(
        "gpu.rim.chain_validity",
        "Every certificate of the manifests' chains is in date",
        "The appraisal time lies in the window of each.",
        "That none was revoked.",
        "RFC 5280, section 4.1.2.5",
        f"{_REFETCH} NVIDIA signs its manifests anew before their signers expire, so an old file ages out.",
        Actor.YOU,
        ("gpu.rim.chain",),
    ),
    Check(
        "gpu.rim.signature",
        "The manifests are signed by their signers, and unaltered",
        "ECDSA P-384 with SHA-384 over the whole document, with the key of the proven chain's leaf and no other; only what "
        "was signed is read.",
        "That it is for this device: gpu.rim.driver and gpu.rim.vbios prove that.",
        "W3C XML Signature 1.1; NVIDIA attestation-sdk, rim.cpp",
        _REFETCH,
        Actor.YOU,
        ("gpu.rim.chain",),
    ),
    Check(
        "gpu.rim.driver",
        "The driver's manifest is for this chip and driver version",
        "The product, edition and version that NVIDIA signed are those of the report.",
        "That this driver runs: gpu.measurements compares it. For a switch, which has no driver, it is skipped.",
        "NVIDIA attestation-sdk, gpu/verify.cpp (driver RIM version match)",
        f"{_REFETCH} If the right manifest was asked for, the service answered with another product's.",
        Actor.YOU,
        ("gpu.rim.signature",),
    ),
    Check(
        "gpu.rim.vbios",
        "The firmware's manifest is for this chip and firmware version",
        "The product, edition and version that NVIDIA signed are those of the report: a GPU's VBIOS, a switch's BIOS.",
        "The board: manifests do not name it. Versions of two boards differ.",
        "NVIDIA attestation-sdk, gpu/verify.cpp (VBIOS RIM version match) and switch/verify.cpp",
        f"{_REFETCH} If the right manifest was asked for, the service answered with another product's.",
        Actor.YOU,
        ("gpu.rim.signature",),
    ),
    Check(
        "gpu.measurements",
        "What the device measured is what NVIDIA's manifests list",
        "Every active index of both manifests was measured with a listed value, none is claimed by both, and security versions "
        "in opaque data reach their floors.",
        "Measurements that no manifest lists. That no newer driver or VBIOS mends a known fault: the policy pins minimum "
        "versions. Developer mode of confidential computing is not visible as such.",
        "NVIDIA nvtrust, verifier.py; attestation-sdk, gpu/verify.cpp; NVIDIA Opaque Data RIM Attributes",
        f"{_SUSPECT} A mismatch right after confidential computing was switched on may end with a reset of the GPU.",
        Actor.PROVIDER,
        ("gpu.rim.signature", "gpu.rim.driver", "gpu.rim.vbios"),
    ),
)
"""In order; a prerequisite always stands earlier."""
