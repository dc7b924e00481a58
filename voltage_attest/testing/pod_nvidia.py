"""The GPUs and switches of the simulated pod: their evidence for one quote, with whatever is wrong, and their policy."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from hashlib import sha256, sha384
from typing import Final

from voltage_attest.testing.nvidia.authority import FakeNvidia
from voltage_attest.testing.nvidia.device import evidence_json, gpu_nonce
from voltage_attest.testing.nvidia.fields import NvGpuFields, NvSwitchFields
from voltage_attest.testing.nvidia.node import NvidiaNode
from voltage_attest.testing.nvidia.world import Chip
from voltage_attest.testing.pod_faults import Fault
from voltage_attest.testing.pod_wire import Json

__all__ = ["PodDevices"]

_OTHER_NONCE: Final = sha256(b"voltage-attest simulation: GPUs of another quote").digest()
_OTHER_FIRMWARE: Final = {25: sha384(b"voltage-attest simulation: firmware nobody released").digest()}
"""By manifest index: one of the driver's."""


@dataclass(frozen=True, slots=True)
class PodDevices:
    """The devices of one pod and who made them; ``node`` may be empty."""

    nvidia: FakeNvidia
    node: NvidiaNode

    def documents(self, report_data: bytes, faults: frozenset[Fault]) -> dict[str, Json]:
        """``gpu_evidence`` and ``switch_evidence`` of an attestation answer, bound to the quote's REPORTDATA."""
        node = self._faulty(faults)
        nonce = _OTHER_NONCE if Fault.GPU_WRONG_NONCE in faults else gpu_nonce(report_data)
        documents: dict[str, Json] = {}
        if node.gpus:
            label = _other_label(node.gpus[0].chip) if Fault.GPU_WRONG_CHIP in faults else None
            documents["gpu_evidence"] = json.loads(evidence_json(node.gpus, nonce, arch=label))
        if node.switches:
            documents["switch_evidence"] = json.loads(evidence_json(node.switches, nonce))
        return documents

    def policy_toml(self) -> str:
        """The section of a policy that accepts these devices; empty where there are none."""
        gpus = [gpu.fields for gpu in self.node.gpus if isinstance(gpu.fields, NvGpuFields)]
        if not gpus:
            return ""
        sets = {
            "chips": [gpu.chip.value for gpu in gpus],
            "boards": [gpu.board for gpu in gpus],
            "modes": [gpu.mode.value for gpu in gpus if gpu.tells_mode],
        }
        lists = "\n".join([f"{key} = {json.dumps(sorted(set(values)))}" for key, values in sets.items() if values])
        return f"\n[gpu]\ncount = {len(gpus)}\nswitches = {len(self.node.switches)}\n{lists}\n"

    def _faulty(self, faults: frozenset[Fault]) -> NvidiaNode:
        gpus, switches = list(self.node.gpus), list(self.node.switches)
        if gpus and Fault.GPU_MEASUREMENT_CHANGED in faults and isinstance(fields := gpus[0].fields, NvGpuFields):
            gpus[0] = replace(gpus[0], fields=replace(fields, measurements=_OTHER_FIRMWARE))
        if gpus and Fault.GPU_DUPLICATE in faults:
            gpus[max(1, len(gpus) - 1) :] = gpus[:1]
        if switches and Fault.SWITCH_UNLOCKED in faults and isinstance(lock := switches[0].fields, NvSwitchFields):
            switches[0] = replace(switches[0], fields=replace(lock, locked=False))
        if switches and Fault.SWITCH_FOREIGN in faults:
            switches[-1] = self.nvidia.node(label="another machine").switches[-1]
        return NvidiaNode(tuple(gpus), tuple(switches))


def _other_label(chip: Chip) -> str:
    return (Chip.GH100 if chip is Chip.GB100 else Chip.GB100).architecture
