"""What a GPU or an NVSwitch is and reports. The defaults are an H100 with driver 590.12 and an LS10, as in an 8-GPU node.

One number means two things in a report: type 22 is a GPU's list of switches and a switch's own identifier; 23 to 25 differ as
well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from hashlib import sha256, sha384
from typing import Final

from voltage_attest.testing.nvidia.measurements import (
    DRIVER_INDEXES,
    GPU_BLOCKS,
    SWITCH_BLOCKS,
    SWITCH_INDEXES,
    VBIOS_INDEXES,
    golden_values,
    unlisted_value,
)
from voltage_attest.testing.nvidia.opaque import encode_legacy, encode_versioned, vbios_bytes
from voltage_attest.testing.nvidia.world import Chip

__all__ = ["GB100_GPU", "H100_GPU", "H200_GPU", "LINKS_PER_GPU", "GpuMode", "NvGpuFields", "NvSwitchFields", "device_pdi"]

LINKS_PER_GPU: Final = 18
_SWITCH_GPUS: Final = 8
_SWITCH_PORTS: Final = 64
_UNUSED_PORT: Final = 0xFF
_ON, _OFF = b"\xaa", b"\x55"
_LOCKED, _UNLOCKED = bytes.fromhex("0100"), bytes(2)

_FWID_SINCE: Final = 550
_MODE_SINCE: Final = 580
"""Driver branches that first report the firmware identity, and the mode with the version of the opaque data."""


class GpuMode(StrEnum):
    """A mode of confidential computing, as policies name it."""

    SPT = "spt"
    MPT = "mpt"
    PPCIE = "ppcie"

    @property
    def flag(self) -> bytes:
        """FEATURE_FLAG: 0 single, 1 multi GPU passthrough, 2 protected PCIe."""
        return list(GpuMode).index(self).to_bytes(2, "little")


def device_pdi(label: str) -> bytes:
    """Return the PDI (8 bytes) of the device of that label."""
    return sha256(b"voltage-attest simulation PDI/" + label.encode()).digest()[:8]


@dataclass(frozen=True, slots=True, kw_only=True)
class NvGpuFields:
    """A GPU. Keys, serial numbers and PDI follow from ``label``; two devices of one label are one device.

    ``fwid`` (48 bytes) is what the leaf certifies, None: nothing. ``switch_pdis`` are the switches it is wired to.
    ``versioned``: it writes NVDAOD. ``measurements`` replace measured values by manifest index (from 0), ``records`` opaque
    records by type; None leaves a record out. Everything replaced is genuinely signed.
    """

    label: str = "gpu 0"
    chip: Chip = Chip.GH100
    driver: str = "590.12"
    vbios: str = "96.00.A5.00.01"
    project: str = "G520"
    project_sku: str = "0200"
    chip_sku: str = "885"
    mode: GpuMode = GpuMode.SPT
    fwid: bytes | None = sha384(b"voltage-attest simulation firmware").digest()
    pdi: bytes | None = None
    nvdec0: bool = False
    switch_pdis: tuple[bytes, ...] = ()
    versioned: bool = False
    fsp_ucode_svn: int = 3
    measurements: Mapping[int, bytes] = field(default_factory=dict, hash=False)
    records: Mapping[int, bytes | None] = field(default_factory=dict, hash=False)

    @property
    def board(self) -> str:
        """``PROJECT_PROJECTSKU_CHIPSKU``, as policies name boards."""
        return f"{self.project}_{self.project_sku}_{self.chip_sku}"

    @property
    def tells_mode(self) -> bool:
        """Whether its report tells its mode: protected PCIe always, the others from driver 580 on."""
        return self.mode is GpuMode.PPCIE or self._branch >= _MODE_SINCE or self.versioned

    @property
    def _branch(self) -> int:
        return int(self.driver.split(".")[0])

    @property
    def driver_golden(self) -> dict[int, tuple[bytes, ...]]:
        """The values in its driver's manifest."""
        return golden_values(f"driver {self.chip} {self.driver}", DRIVER_INDEXES)

    @property
    def vbios_golden(self) -> dict[int, tuple[bytes, ...]]:
        """The values in its VBIOS's manifest."""
        return golden_values(f"vbios {self.board} {self.vbios}", VBIOS_INDEXES)

    @property
    def measured(self) -> tuple[bytes, ...]:
        """What it measures, by index."""
        golden = self.driver_golden | self.vbios_golden
        return _measured(GPU_BLOCKS, golden, self.measurements)

    @property
    def opaque(self) -> bytes:
        """Its opaque data."""
        encode = encode_versioned if self.versioned else encode_legacy
        return encode(_changed(self._records(), self.records))

    def _records(self) -> dict[int, bytes | None]:
        """All records in the order of the wire, None where this driver or chip writes none."""
        hopper, flagged = self.chip is Chip.GH100, self._branch >= _MODE_SINCE or self.versioned
        return {
            6: vbios_bytes(self.vbios),
            14: bytes.fromhex("37040000"),
            15: self.chip_sku.encode("ascii").ljust(9, b"\0"),
            16: b"0".ljust(5, b"\0"),
            17: self.project.encode("ascii").ljust(5, b"\0"),
            18: self.project_sku.encode("ascii").ljust(5, b"\0"),
            19: bytes(2),
            3: self.driver.encode("ascii") + b"\0",
            4: bytes.fromhex("8001000000000000"),
            12: b"".join([int(index in self.driver_golden).to_bytes(4, "little") for index in range(GPU_BLOCKS)]),
            13: bytes.fromhex("00c00100"),
            11: _ON if self.nvdec0 else _OFF,
            37: self.fsp_ucode_svn.to_bytes(2, "little") if self.versioned else None,
            20: self.fwid if self._branch >= _FWID_SINCE else None,
            33: None if hopper else b"\7\7",
            21: (_ON if self.mode is GpuMode.PPCIE else _OFF) if hopper else None,
            22: _links(self.switch_pdis) if self.switch_pdis else None,
            34: (b"\0\2" if self.versioned else b"\1\0") if flagged else None,
            35: None if hopper or not flagged else self.chip.encode("ascii"),
            36: self.mode.flag if flagged else None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class NvSwitchFields:
    """An LS10 switch. As :class:`NvGpuFields`; ``gpu_pdis`` are the GPUs it is wired to, eight at most."""

    label: str = "switch 0"
    vbios: str = "96.10.55.00.01"
    fwid: bytes | None = sha384(b"voltage-attest simulation switch firmware").digest()
    pdi: bytes | None = None
    gpu_pdis: tuple[bytes, ...] = ()
    position: int = 0
    locked: bool = True
    measurements: Mapping[int, bytes] = field(default_factory=dict, hash=False)
    records: Mapping[int, bytes | None] = field(default_factory=dict, hash=False)

    @property
    def chip(self) -> Chip:
        """LS10 is the only one."""
        return Chip.LS10

    @property
    def bios_golden(self) -> dict[int, tuple[bytes, ...]]:
        """The values in its BIOS's manifest."""
        return golden_values(f"switch bios {self.vbios}", SWITCH_INDEXES)

    @property
    def measured(self) -> tuple[bytes, ...]:
        """What it measures, by index."""
        return _measured(SWITCH_BLOCKS, self.bios_golden, self.measurements)

    @property
    def opaque(self) -> bytes:
        """Its opaque data; switches write the legacy layout."""
        return encode_legacy(_changed(self._records(), self.records))

    def _records(self) -> dict[int, bytes | None]:
        ports = [port % len(self.gpu_pdis) for port in range(4 * len(self.gpu_pdis))]
        topology = b"".join(self.gpu_pdis).ljust(8 * _SWITCH_GPUS, b"\0")
        return {
            6: self.vbios.encode("ascii"),
            22: self.pdi or device_pdi(self.label),
            12: (1).to_bytes(4, "little") * 26,
            26: topology + bytes(ports).ljust(_SWITCH_PORTS, bytes((_UNUSED_PORT,))),
            23: bytes.fromhex("ec00"),
            24: self.position.to_bytes(2, "little"),
            25: _LOCKED if self.locked else _UNLOCKED,
        }


H100_GPU: Final = NvGpuFields()
"""An H100 SXM, board G520_0200_885."""
H200_GPU: Final = replace(H100_GPU, vbios="96.00.DA.00.11", project_sku="0280", chip_sku="895")
"""An H200 SXM, board G520_0280_895; its chip is a GH100 too."""
GB100_GPU: Final = replace(
    H100_GPU, chip=Chip.GB100, vbios="97.00.88.00.0F", project="G525", project_sku="0220", chip_sku="886", mode=GpuMode.MPT
)
"""A Blackwell GPU, board G525_0220_886."""


def _links(switch_pdis: tuple[bytes, ...]) -> bytes:
    """The switch at each of 18 links, lowest byte first: each switch has its share of neighbouring links."""
    return b"".join([switch_pdis[link * len(switch_pdis) // LINKS_PER_GPU][::-1] for link in range(LINKS_PER_GPU)])


def _measured(blocks: int, golden: Mapping[int, tuple[bytes, ...]], changes: Mapping[int, bytes]) -> tuple[bytes, ...]:
    usual = {index: golden[index][0] if index in golden else unlisted_value(index) for index in range(blocks)}
    return tuple((usual | dict(changes)).values())


def _changed(records: Mapping[int, bytes | None], changes: Mapping[int, bytes | None]) -> dict[int, bytes]:
    return {kind: data for kind, data in ({**records, **changes}).items() if data is not None}
