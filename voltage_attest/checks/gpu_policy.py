"""Checks of a verified GPU against the pins of ``[gpu]``: which chip, which board, which one device, and extra measurements."""

from __future__ import annotations

from typing import Final

from voltage_attest.checks.gpu import AUTHENTIC_DEVICE
from voltage_attest.checks.model import Actor, Check

__all__ = ["GPU_POLICY_CHECKS"]

_PROMISED: Final = (
    "If this is the kind of device that was rented, change the policy after a review. Otherwise ask the provider why it serves "
    "this one, and do not use the pod."
)

GPU_POLICY_CHECKS: Final = (
    Check(
        "gpu.policy.chip",
        "The GPU's chip is one that the policy names",
        "The chip in the device's certificates is among gpu.chips.",
        "Which product it is: the H100 and the H200 are both GH100. gpu.boards tells them apart.",
        "NVIDIA attestation-sdk, gpu/evidence.cpp",
        _PROMISED,
        Actor.PROVIDER,
        AUTHENTIC_DEVICE,
    ),
    Check(
        "gpu.policy.board",
        "The GPU's board is one that the policy names",
        "Project, project SKU and chip SKU of the signed report, joined by underscores, are among gpu.boards.",
        "What the numbers stand for: NVIDIA publishes no list. A report without them is refused where boards are pinned.",
        "NVIDIA attestation-sdk, gpu/verify.cpp (the id of the VBIOS RIM)",
        _PROMISED,
        Actor.PROVIDER,
        AUTHENTIC_DEVICE,
    ),
    Check(
        "gpu.policy.ueid",
        "The GPU is one of the single devices that the policy names",
        "The serial number of the device's leaf certificate, in decimal, is among gpu.ueids.",
        "Where the device is, or which machine it sits in.",
        "NVIDIA attestation-sdk, claims (ueid)",
        "If the provider replaced a GPU, note which and why, and add the new one after a review. Otherwise do not use the pod.",
        Actor.PROVIDER,
        AUTHENTIC_DEVICE,
    ),
    Check(
        "gpu.policy.measurements",
        "The GPU measured what the policy pins",
        "Every RIM index of gpu.measurements was measured with one of the values pinned for it.",
        "The other indexes: gpu.measurements compares those that NVIDIA's manifests list.",
        "NVIDIA nvtrust, verifier.py: RIM index = SPDM index - 1",
        "If driver or VBIOS were updated, review and pin the new values. Otherwise do not use the pod.",
        Actor.YOU,
        AUTHENTIC_DEVICE,
    ),
)
"""In order; they follow the checks of ``checks/gpu.py``."""
