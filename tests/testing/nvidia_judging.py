"""Judges the fake NVIDIA's devices by the verifier itself, as users do, under the fake's roots."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from voltage_attest.collateral.nvidia import NvidiaCollateral
from voltage_attest.evidence.model import DeviceEvidence, Evidence
from voltage_attest.policy import parse_policy
from voltage_attest.result import AttestationResult
from voltage_attest.testing import APPRAISED_AT, FakeNvidia, NvidiaDevice, evidence_json
from voltage_attest.trust import TrustRoots
from voltage_attest.verifier import Verifier

__all__ = ["NONCE", "closing", "judge", "roots_of"]

NONCE: Final = bytes(range(32))


def roots_of(nvidia: FakeNvidia) -> TrustRoots:
    """The fake's roots in place of NVIDIA's."""
    return TrustRoots.from_pem(nvidia_device=nvidia.root_pem, nvidia_rim=nvidia.rim_root_pem, nras=nvidia.nras_pem)


def judge(
    nvidia: FakeNvidia,
    gpus: Sequence[NvidiaDevice],
    switches: Sequence[NvidiaDevice] = (),
    *,
    collateral: NvidiaCollateral | None = None,
    policy: str = "",
    at: datetime = APPRAISED_AT,
) -> AttestationResult:
    """Judge the devices' evidence; ``policy`` holds more lines of ``[gpu]``."""
    count = f"count = {len(gpus)}\nswitches = {len(switches)}"
    rules = parse_policy(f'schema = "voltage-attest/policy/1"\nname = "test"\n\n[gpu]\n{count}\n{policy}\n')
    shown = [DeviceEvidence(evidence_json(devices, NONCE)) for devices in (gpus, switches) if devices]
    evidence = Evidence(gpu_evidence=tuple(shown[:1]), switch_evidence=tuple(shown[1:]))
    documents = nvidia.collateral((*gpus, *switches)) if collateral is None else collateral
    return Verifier(rules, roots=roots_of(nvidia)).examine(evidence, b"", at=at, nvidia=documents)


def closing(result: AttestationResult) -> set[str]:
    """The ids of the rows that close the gate."""
    return {row.id for row in result.checks if row.status.closes_gate}
