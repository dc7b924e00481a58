"""Appraise a verified device against ``[gpu]``: is it the chip, the board and the one device that the policy names?

The pins are about GPUs. A switch's rows are skipped: which switches belong to the node is what ``gpu.topology`` proves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from voltage_attest.policy.model import GpuPolicy
from voltage_attest.result import Finding, failed, passed, skipped
from voltage_attest.verify.gpu_case import VerifiedDevice

__all__ = ["GPU_APPRAISAL", "DeviceAppraisal"]

_NO_PARTS: Final = "__"
"""A board of which the report names neither project, nor project SKU, nor chip SKU."""


@dataclass(frozen=True, slots=True)
class DeviceAppraisal:
    """A verified device before ``[gpu]``."""

    device: VerifiedDevice
    policy: GpuPolicy


def chip(case: DeviceAppraisal) -> Finding:
    """gpu.policy.chip."""
    return _named(case, "chips", case.policy.chips, case.device.chain.chip)


def board(case: DeviceAppraisal) -> Finding:
    """gpu.policy.board."""
    gpu = case.device.report.gpu
    found = _NO_PARTS if gpu is None else gpu.board
    return _named(case, "boards", case.policy.boards, "not reported" if found == _NO_PARTS else found)


def ueid(case: DeviceAppraisal) -> Finding:
    """gpu.policy.ueid."""
    return _named(case, "ueids", case.policy.ueids, case.device.chain.ueid)


def _named(case: DeviceAppraisal, key: str, accepted: frozenset[str] | None, actual: str) -> Finding:
    if case.device.report.gpu is None:
        return skipped(f"gpu.{key} names GPUs, and this is a switch", actual=None if key == "boards" else actual)
    if accepted is None:
        return skipped("not pinned by the policy", actual=actual)
    if actual in accepted:
        return passed(actual)
    return failed(
        expected=" or ".join(sorted(accepted)),
        actual=actual,
        reason=f"the GPU is none that the policy names in gpu.{key}",
        location=case.policy.locations.get(key),
    )


def measurements(case: DeviceAppraisal) -> Finding:
    """gpu.policy.measurements: the first pinned index that differs is shown, the others are named."""
    pins = case.policy.measurements
    if case.device.report.gpu is None:
        return skipped("gpu.measurements pins GPUs, and this is a switch")
    if not pins:
        return skipped("not pinned by the policy")
    measured = {block.index - 1: block.digest for block in case.device.report.exchange.measurements}
    differing = [index for index in sorted(pins) if measured.get(index) not in pins[index]]
    if not differing:
        return passed(f"{len(pins)} of {len(pins)} as pinned")
    first, *others = differing
    actual, locations = measured.get(first), case.policy.locations
    return failed(
        expected=f"index {first}: {' or '.join(sorted(value.hex() for value in pins[first]))}",
        actual=f"index {first}: {'not measured' if actual is None else actual.hex()}",
        reason=f"{len(differing)} of {len(pins)} pinned measurements differ"
        + (f"; also index {', '.join(str(index) for index in others)}" if others else ""),
        location=locations.get(f"measurements.{first}") or locations.get("measurements"),
    )


GPU_APPRAISAL: Final[Mapping[str, Callable[[DeviceAppraisal], Finding]]] = MappingProxyType(
    {
        "gpu.policy.chip": chip,
        "gpu.policy.board": board,
        "gpu.policy.ueid": ueid,
        "gpu.policy.measurements": measurements,
    }
)
"""Check id to function, in order."""
