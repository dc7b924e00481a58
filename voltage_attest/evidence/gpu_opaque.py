"""The opaque data of an NVIDIA attestation report: typed records in one of two layouts.

::

    legacy:  (u16 type | u16 size | data)*
    NVDAOD:  "NVDAOD" | u16 profile 0 | u8 major, u8 minor, u8 patch | u8 pad | (u16 type | u16 value type | u16 size | data)*

Integers are little-endian. The first six bytes tell the layouts apart: read as a legacy record, they would claim 16708 bytes,
more than any report holds. Each type occurs once at most (NVIDIA's tools let the last one win). Types that no table knows are
kept by their raw number in both layouts: the device signed them, no check reads them, and refusing them would refuse each new
driver. What is known is read by :mod:`voltage_attest.evidence.gpu_fields`.

Sources: nv-local-gpu-verifier 2.7.3, ``attestation/spdm_msrt_resp_msg.py``; NVIDIA attestation-sdk 2.0.0,
``spdm/spdm_opaque_data_parser.cpp``, and NVIDIA's opaque data format specification.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.cursor import Cursor

__all__ = ["OpaqueData", "OpaqueRecord", "parse_opaque_data"]

_MAGIC: Final = b"NVDAOD"
_PROFILE: Final = 0
_MAJOR_VERSIONS: Final = frozenset({2})
_INVALID_TYPE: Final = 0xFF


@dataclass(frozen=True, slots=True)
class OpaqueRecord:
    """One record. ``value_type`` is None in the legacy layout, which has none."""

    type: int
    value_type: int | None
    data: bytes


@dataclass(frozen=True, slots=True)
class OpaqueData:
    """Records by type, in order of arrival. ``version`` is (major, minor, patch) of NVDAOD, None for the legacy layout."""

    version: tuple[int, int, int] | None
    records: dict[int, OpaqueRecord]


def parse_opaque_data(octets: bytes) -> OpaqueData:
    """Read either layout to its last byte; :class:`EvidenceFormatError` otherwise."""
    cursor = Cursor(octets, "opaque data")
    version = _read_header(cursor) if octets.startswith(_MAGIC) else None
    records: dict[int, OpaqueRecord] = {}
    while cursor.remaining:
        start = cursor.position
        kind = cursor.u16("record type")
        value_type = None if version is None else cursor.u16("value type")
        data = cursor.take(cursor.u16("record size"), f"record of type {kind}")
        if kind in records or kind == _INVALID_TYPE:
            found = f"type {kind}" if kind == _INVALID_TYPE else f"type {kind} twice"
            raise EvidenceFormatError(f"opaque data: {found}", expected="each valid type once", offset=start)
        records[kind] = OpaqueRecord(kind, value_type, data)
    return OpaqueData(version, records)


def _read_header(cursor: Cursor) -> tuple[int, int, int]:
    cursor.take(len(_MAGIC), "magic")
    profile, major, minor, patch = cursor.u16("profile"), cursor.u8("major"), cursor.u8("minor"), cursor.u8("patch")
    pad = cursor.u8("pad")
    if profile != _PROFILE or major not in _MAJOR_VERSIONS or pad:
        raise EvidenceFormatError(
            f"NVDAOD profile {profile}, version {major}.{minor}.{patch}, pad {pad}",
            expected="profile 0, version 2, pad 0",
            remedy="A newer driver writes a newer format: update voltage-attest.",
            offset=len(_MAGIC),
        )
    return major, minor, patch
