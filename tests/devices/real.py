"""Real GPUs and switches through the whole verifier, under NVIDIA's own roots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Final

from tests.cases.devices import device_policy
from tests.gpu.real_devices import H100, H100_NONCE, VECTORS
from voltage_attest.collateral.nvidia import NvidiaCollateral
from voltage_attest.collateral.rim import RimDocument, parse_rim_file
from voltage_attest.evidence.model import DeviceEvidence, Evidence
from voltage_attest.evidence.nras_request import DeviceItem, nras_request
from voltage_attest.policy import parse_policy
from voltage_attest.result import AttestationResult
from voltage_attest.verifier import Verifier

__all__ = ["H100_RIMS", "IN_WINDOW", "NO_QUESTIONS", "UNCOMPARED", "closing", "evidence_of", "examine", "h100_manifests", "rim"]

IN_WINDOW: Final = datetime(2026, 3, 1, tzinfo=UTC)
"""When both of the H100's manifests have signers in date."""
NO_QUESTIONS: Final = {"unsafe_skip_revocation": '"nobody is asked"'}
"""Recorded evidence comes without answers about revocation."""
UNCOMPARED: Final = NO_QUESTIONS | {"unsafe_skip_rim": '"no manifest is at hand"'}
H100_RIMS: Final = ("NV_GPU_DRIVER_GH100_550.90.07", "NV_GPU_VBIOS_1010_0200_882_96009F0001")


@cache
def rim(folder: str, name: str, rim_id: str | None = None) -> RimDocument:
    """A manifest of the vectors: as a file, or as if NVIDIA's service had answered with it when asked for ``rim_id``."""
    return RimDocument(parse_rim_file((VECTORS / folder / name).read_bytes()).data, rim_id)


def h100_manifests() -> tuple[RimDocument, ...]:
    """The two that NVIDIA's service has for the sample H100, as files."""
    return tuple([rim("museop-rims", f"{rim_id}.swidtag") for rim_id in H100_RIMS])


def evidence_of(items: Sequence[DeviceItem]) -> tuple[DeviceEvidence, ...]:
    """The devices in NRAS's frame; its nonce is the sender's word."""
    return (DeviceEvidence(nras_request(items, bytes(32)).decode()),) if items else ()


def examine(
    gpus: Sequence[DeviceItem] = (H100,),
    switches: Sequence[DeviceItem] = (),
    *,
    keys: Mapping[str, str] | None = None,
    skips: Mapping[str, str] = NO_QUESTIONS,
    nvidia: NvidiaCollateral | None = None,
    rims: Iterable[RimDocument] = (),
    at: datetime = IN_WINDOW,
    nonce: bytes | None = H100_NONCE,
) -> AttestationResult:
    """Judge them by a policy that counts the GPUs; ``keys`` (TOML) join it, ``skips`` are the safeguards that it leaves out."""
    policy = parse_policy(device_policy({"count": str(len(gpus)), **skips, **(keys or {})}))
    evidence = Evidence(gpu_evidence=evidence_of(gpus), switch_evidence=evidence_of(switches))
    documents = nvidia or NvidiaCollateral(rims=tuple(rims))
    return Verifier(policy).examine(evidence, b"", at=at, nonce=nonce, nvidia=documents)


def closing(result: AttestationResult) -> set[str]:
    """The ids of the rows that close the gate."""
    return {row.id for row in result.checks if row.status.closes_gate}
