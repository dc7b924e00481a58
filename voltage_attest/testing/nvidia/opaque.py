"""Opaque data, encoded: typed records in the legacy layout or in the versioned one, "NVDAOD".

::

    legacy:  (u16 type | u16 size | data)*
    NVDAOD:  "NVDAOD" | u16 profile 0 | 02 00 00 | 00 | (u16 type | u16 value type | u16 size | data)*

Sources: reports of an H100, an H200, a GB100 and an LS10; NVIDIA's opaque data format specification and its sample.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["encode_legacy", "encode_versioned", "vbios_bytes"]

_HEADER: Final = b"NVDAOD" + bytes((0, 0, 2, 0, 0, 0))
_BYTES: Final = 0x82
_VALUE_TYPES: Final = {
    **dict.fromkeys((3, 6, 34), 0x86),
    12: 0x84,
    13: 0x83,
    20: 0x01,
    **dict.fromkeys((21, 36, 38), 0x85),
    37: 0x87,
}
"""By type; every other record is plain bytes."""


def encode_legacy(records: Mapping[int, bytes]) -> bytes:
    """Return the records in their order, in the legacy layout."""
    return b"".join([_u16(kind) + _u16(len(data)) + data for kind, data in records.items()])


def encode_versioned(records: Mapping[int, bytes]) -> bytes:
    """Return the records in their order, as NVDAOD 2.0.0."""
    typed = [(kind, _VALUE_TYPES.get(kind, _BYTES), data) for kind, data in records.items()]
    return _HEADER + b"".join([_u16(kind) + _u16(value_type) + _u16(len(data)) + data for kind, value_type, data in typed])


def vbios_bytes(version: str) -> bytes:
    """Return a VBIOS version as a GPU writes it, 8 bytes: ``96.00.D9.00.0F`` is ``00 d9 00 96 0f 00 00 00``."""
    octets = bytes.fromhex(version.replace(".", ""))
    return octets[3::-1] + octets[4:5] + bytes(3)


def _u16(number: int) -> bytes:
    return number.to_bytes(2, "little")
