"""The GPUs and switches of one machine, and their evidence."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from voltage_attest.testing.nvidia.device import NvidiaDevice, evidence_json
from voltage_attest.testing.nvidia.fields import GpuMode, NvGpuFields, NvSwitchFields, device_pdi

__all__ = ["NvidiaNode", "node_fields"]

_GROUP: Final = (8, 4)
"""GPUs and switches of a protected PCIe group."""


@dataclass(frozen=True, slots=True)
class NvidiaNode:
    """The devices of one machine, made by :meth:`FakeNvidia.node`."""

    gpus: tuple[NvidiaDevice, ...]
    switches: tuple[NvidiaDevice, ...] = ()

    @property
    def devices(self) -> tuple[NvidiaDevice, ...]:
        """All of them, GPUs first."""
        return (*self.gpus, *self.switches)

    def gpu_evidence(self, nonce: bytes) -> str:
        """The GPUs' evidence for a nonce of 32 bytes, in NRAS shape."""
        return evidence_json(self.gpus, nonce)

    def switch_evidence(self, nonce: bytes) -> str | None:
        """The switches' evidence, None where there are none."""
        return evidence_json(self.switches, nonce) if self.switches else None


def node_fields(
    gpus: int, switches: int, gpu: NvGpuFields, switch: NvSwitchFields, *, mode: GpuMode | None, label: str
) -> tuple[list[NvGpuFields], list[NvSwitchFields]]:
    """Describe the devices of one machine; ValueError for a group of switches that no machine has."""
    if switches and (gpus, switches) != _GROUP:
        raise ValueError(f"{gpus} GPUs with {switches} switches: a protected PCIe group has {_GROUP[0]} and {_GROUP[1]}")
    mode = mode or (GpuMode.PPCIE if switches else GpuMode.MPT if gpus > 1 else GpuMode.SPT)
    switch_labels = [f"{label}, switch {number}" for number in range(_GROUP[1] if mode is GpuMode.PPCIE else 0)]
    switch_pdis = tuple(map(device_pdi, switch_labels))
    gpu_labels = [f"{label}, gpu {number}" for number in range(gpus)]
    gpu_pdis = tuple(map(device_pdi, gpu_labels))
    return (
        [replace(gpu, label=name, mode=mode, switch_pdis=switch_pdis) for name in gpu_labels],
        [
            replace(switch, label=name, gpu_pdis=gpu_pdis, position=number)
            for number, name in enumerate(switch_labels[:switches])
        ],
    )
