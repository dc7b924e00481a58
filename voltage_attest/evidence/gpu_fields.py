"""What the opaque records of a GPU and of an NVSwitch (LS10) mean: two tables, because one number means two things.

Type 22 is a GPU's list of switches and a switch's own identifier; 23 to 25 differ as well. Which table applies follows from the
device class that the caller states, never from what happens to be in the report.

A PDI names a device: the low 8 bytes of the serial number of its BROM certificate. GPUs write the PDIs of their switches with
the lowest byte first, switches write theirs and their GPUs' as the certificates do; all are given here as in the certificates.

Sources: nv-local-gpu-verifier 2.7.3, ``attestation/spdm_msrt_resp_msg.py``; NVIDIA attestation-sdk 1.2.2,
``gpu/spdm/gpu_opaque_data_parser.cpp`` and ``switch/``; nvtrust ``ppcie/verifier/src/topology/validate_topology.py``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final

from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.gpu_opaque import OpaqueData

__all__ = ["PDI_SIZE", "FeatureFlag", "GpuFields", "SwitchFields", "read_gpu_fields", "read_switch_fields"]

PDI_SIZE: Final = 8

_LINKS: Final = 18
"""NVLinks of a GPU."""
_SWITCH_GPUS: Final = 8
_SWITCH_PORTS: Final = 64
_UNUSED_PORT: Final = 0xFF
_NO_PDI: Final = bytes(PDI_SIZE)
_FWID_SIZE: Final = 48
_FWID_VALUE_TYPE: Final = 0x01
_ON: Final = 0xAA
_OFF: Final = 0x55
_LOCKED: Final = bytes.fromhex("0100")
_VBIOS: Final = re.compile(r"[0-9A-F]{2}(?:\.[0-9A-F]{2}){4}")
_NAME: Final = re.compile(r"[A-Za-z0-9._-]*")
_MAX_NAME: Final = 32


class _Gpu(IntEnum):
    """Record types of a GPU."""

    DRIVER_VERSION = 3
    VBIOS_VERSION = 6
    NVDEC0_STATUS = 11
    CHIP_SKU = 15
    PROJECT = 17
    PROJECT_SKU = 18
    FWID = 20
    PROTECTED_PCIE_STATUS = 21
    SWITCH_PDI = 22
    CHIP_INFO = 35
    FEATURE_FLAG = 36
    FSP_UCODE_SVN = 37
    NVLE_STATUS = 38


class _Switch(IntEnum):
    """Record types of an LS10 NVSwitch."""

    VBIOS_VERSION = 6
    DEVICE_PDI = 22
    SWITCH_POSITION_ID = 24
    SWITCH_LOCK_STATUS = 25
    SWITCH_GPU_PDIS = 26


class FeatureFlag(StrEnum):
    """The confidential computing mode that a GPU reports."""

    SPT = "spt"
    MPT = "mpt"
    PPCIE = "ppcie"


_FLAGS: Final = dict(enumerate(FeatureFlag))
"""0 single GPU passthrough, 1 multi GPU passthrough, 2 protected PCIe."""


@dataclass(frozen=True, slots=True)
class GpuFields:
    """What a GPU says of itself. Fields are None where its driver does not write them (FWID before 550, the flag before 580).

    ``switch_pdis`` holds the switch at each of 18 NVLinks, None at a disabled one; it is empty where the record is absent.
    ``protected_pcie`` and ``nvdec0`` are True for enabled. ``chip_info`` names the chip (``GB100``) on later Blackwell drivers.
    ``fsp_ucode_svn`` and ``nvle_status`` come with NVDAOD alone.
    """

    driver_version: str
    vbios_version: str
    project: str
    project_sku: str
    chip_sku: str
    chip_info: str | None
    fwid: bytes | None
    nvdec0: bool | None
    protected_pcie: bool | None
    feature_flag: FeatureFlag | None
    switch_pdis: tuple[bytes | None, ...]
    fsp_ucode_svn: int | None
    nvle_status: bytes | None

    @property
    def board(self) -> str:
        """``PROJECT_PROJECTSKU_CHIPSKU``, as in ``G520_0280_895``: the board, and part of its VBIOS RIM's id."""
        return f"{self.project}_{self.project_sku}_{self.chip_sku}"

    @property
    def driver_numbers(self) -> tuple[int, ...]:
        """The driver version as numbers, for comparison."""
        return tuple([int(part) for part in self.driver_version.split(".")])


@dataclass(frozen=True, slots=True)
class SwitchFields:
    """What an LS10 switch says of itself. ``gpu_pdis`` are eight, as wired; ``ports`` is the GPU of each of 64 links or None.

    None and empty tuples stand for records that are absent; ``locked`` is whether the lock status is exactly ``0100``.
    """

    vbios_version: str
    device_pdi: bytes | None
    gpu_pdis: tuple[bytes, ...]
    ports: tuple[int | None, ...]
    position: bytes | None
    locked: bool | None


def read_gpu_fields(opaque: OpaqueData) -> GpuFields:
    """Read a GPU's records; :class:`EvidenceFormatError` on a missing driver or VBIOS version, or a wrong size or value."""
    read = _Reader(opaque)
    driver_version = read.name(_Gpu.DRIVER_VERSION) or ""
    if not re.fullmatch(r"[0-9]{1,5}(?:\.[0-9]{1,5}){1,3}", driver_version):
        raise read.wrong(_Gpu.DRIVER_VERSION, repr(driver_version), "a driver version such as 570.124.03")
    vbios = read.sized(_Gpu.VBIOS_VERSION, 8)
    if vbios is None:
        raise read.wrong(_Gpu.VBIOS_VERSION, "absent", "8 bytes")
    fwid = opaque.records.get(_Gpu.FWID)
    if fwid is not None and fwid.value_type not in (None, _FWID_VALUE_TYPE):
        raise read.wrong(_Gpu.FWID, f"of value type {fwid.value_type}", "a digest (value type 1)")
    flag, svn = read.sized(_Gpu.FEATURE_FLAG, 2), read.sized(_Gpu.FSP_UCODE_SVN, 2)
    if flag is not None and int.from_bytes(flag, "little") not in _FLAGS:
        raise read.wrong(_Gpu.FEATURE_FLAG, flag.hex(), "0 (SPT), 1 (MPT) or 2 (PPCIE)")
    links = read.sized(_Gpu.SWITCH_PDI, _LINKS * PDI_SIZE) or b""
    nvle = opaque.records.get(_Gpu.NVLE_STATUS)
    return GpuFields(
        driver_version,
        _vbios_text(vbios),
        read.name(_Gpu.PROJECT) or "",
        read.name(_Gpu.PROJECT_SKU) or "",
        read.name(_Gpu.CHIP_SKU) or "",
        read.name(_Gpu.CHIP_INFO),
        read.sized(_Gpu.FWID, _FWID_SIZE),
        read.switch(_Gpu.NVDEC0_STATUS),
        read.switch(_Gpu.PROTECTED_PCIE_STATUS),
        None if flag is None else _FLAGS[int.from_bytes(flag, "little")],
        tuple([None if pdi == _NO_PDI else pdi[::-1] for pdi in _cut(links)]),
        None if svn is None else int.from_bytes(svn, "little"),
        None if nvle is None else nvle.data,
    )


def read_switch_fields(opaque: OpaqueData) -> SwitchFields:
    """Read a switch's records; :class:`EvidenceFormatError` on a missing BIOS version, or a wrong size or value."""
    read = _Reader(opaque)
    vbios_version = read.name(_Switch.VBIOS_VERSION) or ""
    if not _VBIOS.fullmatch(vbios_version):
        raise read.wrong(_Switch.VBIOS_VERSION, repr(vbios_version), "a version such as 96.10.55.00.01")
    topology = read.sized(_Switch.SWITCH_GPU_PDIS, _SWITCH_GPUS * PDI_SIZE + _SWITCH_PORTS) or b""
    gpus, ports = topology[: _SWITCH_GPUS * PDI_SIZE], topology[_SWITCH_GPUS * PDI_SIZE :]
    if any(port >= _SWITCH_GPUS and port != _UNUSED_PORT for port in ports):
        raise read.wrong(_Switch.SWITCH_GPU_PDIS, ports.hex(), "links to GPUs 0 to 7, or ff")
    lock = read.sized(_Switch.SWITCH_LOCK_STATUS, 2)
    return SwitchFields(
        vbios_version,
        read.sized(_Switch.DEVICE_PDI, PDI_SIZE),
        _cut(gpus),
        tuple([None if port == _UNUSED_PORT else port for port in ports]),
        read.sized(_Switch.SWITCH_POSITION_ID, 2),
        None if lock is None else lock == _LOCKED,
    )


def _vbios_text(raw: bytes) -> str:
    """``00 d9 00 96 0f 00 00 00`` is ``96.00.D9.00.0F``: reversed to H (16 digits), then ``H[8:]+H[6:8]`` in pairs."""
    digits = raw[::-1].hex().upper()
    text = digits[8:] + digits[6:8]
    return ".".join([text[start : start + 2] for start in range(0, len(text), 2)])


def _cut(pdis: bytes) -> tuple[bytes, ...]:
    return tuple([pdis[start : start + PDI_SIZE] for start in range(0, len(pdis), PDI_SIZE)])


class _Reader:
    """Records by type, with their sizes judged."""

    __slots__ = ("_records",)

    def __init__(self, opaque: OpaqueData) -> None:
        self._records = opaque.records

    def sized(self, kind: IntEnum, size: int) -> bytes | None:
        """The record's bytes, exactly ``size`` of them, or None where it is absent."""
        record = self._records.get(kind)
        if record is not None and len(record.data) != size:
            raise self.wrong(kind, f"of {len(record.data)} bytes", f"{size} bytes")
        return None if record is None else record.data

    def name(self, kind: IntEnum) -> str | None:
        """ASCII of a name that may become part of an address: letters, digits, dot, dash and underscore, then NULs alone."""
        record = self._records.get(kind)
        if record is None:
            return None
        text = record.data.rstrip(b"\0").decode("latin-1")
        if len(record.data) > _MAX_NAME or not _NAME.fullmatch(text):
            raise self.wrong(kind, record.data[: _MAX_NAME + 1].hex(), "32 bytes at most of [A-Za-z0-9._-], then NULs")
        return text

    def switch(self, kind: IntEnum) -> bool | None:
        """``AA`` for on and ``55`` for off, and nothing else."""
        octet = self.sized(kind, 1)
        if octet is not None and octet[0] not in (_ON, _OFF):
            raise self.wrong(kind, octet.hex(), "aa (on) or 55 (off)")
        return None if octet is None else octet[0] == _ON

    @staticmethod
    def wrong(kind: IntEnum, found: str, expected: str) -> EvidenceFormatError:
        """Say what is wrong with a record."""
        return EvidenceFormatError(f"opaque data: {kind.name} (type {int(kind)}) is {found}", expected=expected)
