"""What is measured, and what NVIDIA says should be: digests that follow from a version, so that a manifest fits its devices.

Indexes are those of manifests, from 0; SPDM blocks count from 1. Which of them a driver, a VBIOS and a switch BIOS cover, and
where real manifests list several values, is as in NVIDIA's own.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha384
from typing import Final

__all__ = [
    "DRIVER_INDEXES",
    "GPU_BLOCKS",
    "SWITCH_BLOCKS",
    "SWITCH_INDEXES",
    "VBIOS_INDEXES",
    "golden_values",
    "unlisted_value",
]

GPU_BLOCKS: Final = 64
SWITCH_BLOCKS: Final = 31
DRIVER_INDEXES: Final = (7, *range(21, 41))
VBIOS_INDEXES: Final = (*range(7), *range(8, 13))
SWITCH_INDEXES: Final = tuple(range(SWITCH_BLOCKS))

_GPU_ALTERNATIVES: Final = {12: 4, 23: 2, 24: 2, 32: 2, 34: 2, 35: 4, 36: 2}
_SWITCH_ALTERNATIVES: Final = dict.fromkeys(range(9, 26), 4)


def golden_values(firmware: str, indexes: Iterable[int]) -> dict[int, tuple[bytes, ...]]:
    """Return the values (48 bytes) of ``firmware``, such as ``driver GH100 590.12``, by index; the first is measured."""
    alternatives = _SWITCH_ALTERNATIVES if firmware.startswith("switch") else _GPU_ALTERNATIVES
    return {
        index: tuple([_digest(f"{firmware}/{index}/{number}") for number in range(alternatives.get(index, 1))])
        for index in indexes
    }


def unlisted_value(index: int) -> bytes:
    """Return what is measured where no manifest says anything."""
    return _digest(f"unlisted/{index}")


def _digest(text: str) -> bytes:
    return sha384(b"voltage-attest simulation measurement/" + text.encode()).digest()
