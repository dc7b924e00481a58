"""Real reports with their chains: one in the fixtures, the others beside the repository."""

from __future__ import annotations

import json
from functools import cache
from typing import Final

import pytest

from tests.support.real_evidence import REPOSITORY
from voltage_attest.evidence.gpu_report import Architecture, decode_report_bytes
from voltage_attest.evidence.nras_request import DeviceItem, parse_nras_request

__all__ = ["H100", "H100_NONCE", "VECTORS", "chutes_nodes", "near_node", "needs_vectors", "nvattest_items", "vector_item"]

VECTORS: Final = REPOSITORY.parent / "shared" / "vectors" / "gpu"
"""Evidence beside the repository, no part of it."""

needs_vectors: Final = pytest.mark.skipif(not VECTORS.is_dir(), reason="../shared/vectors is not beside this repository")

_SAMPLES: Final = REPOSITORY / "fixtures" / "real" / "nv-local-gpu-verifier-2.7.3" / "samples"
_NEAR: Final = "teep-nearcloud_qwen_qwen3.5-122b-a10b_20260424_020614/0001_cloud-api.near.ai_v1_attestation_report.body"
_CHUTES: Final = (
    "teep-chutes_zai-org_glm-5-tee_20260520_021819/0002_api.chutes.ai_chutes_e51e818e-fa63-570d-9f68-49d7d1b4d12f_evidence.body"
)

H100: Final = DeviceItem(
    Architecture.HOPPER,
    decode_report_bytes((_SAMPLES / "hopperAttestationReport.txt").read_bytes()),
    (_SAMPLES / "hopperCertChain.txt").read_bytes(),
)
"""NVIDIA's own sample: driver 550.90.07."""
H100_NONCE: Final = bytes.fromhex("931d8dd0add203ac3d8b4fbde75e115278eefcdceac5b87671a748f32364dfcb")


@cache
def vector_item(folder: str, report: str, chain: str, architecture: Architecture) -> DeviceItem:
    """A report in hex and a chain in PEM."""
    text = (VECTORS / folder / f"{report}.hex.txt").read_bytes()
    return DeviceItem(architecture, decode_report_bytes(text), (VECTORS / folder / f"{chain}.pem").read_bytes())


@cache
def nvattest_items(folder: str) -> tuple[DeviceItem, ...]:
    """Evidence as nvattest saves it."""
    return parse_nras_request((VECTORS / folder / "evidence.json").read_bytes()).items


@cache
def near_node() -> tuple[DeviceItem, ...]:
    """The eight H200 GPUs of one recorded NEAR answer."""
    answer = json.loads((VECTORS / _NEAR).read_bytes())
    return parse_nras_request(answer["model_attestations"][0]["nvidia_payload"].encode()).items


@cache
def chutes_nodes() -> tuple[tuple[DeviceItem, ...], ...]:
    """Four nodes of eight H200 GPUs each, of one recorded Chutes answer."""
    answer = json.loads((VECTORS / _CHUTES).read_bytes())
    return tuple([parse_nras_request(json.dumps(entry["gpu_evidence"]).encode()).items for entry in answer["evidence"]])
