"""MRTD of a TD virtual firmware (TDVF) image, by the rules of the TDX module.

::

    image   ... | TDVF descriptor | ... | table of GUIDs | 32 bytes
    table   entries from its end backwards: data, u16 length of the entry, GUID 16; the last one is the table's own
    entry   e47a6535-984a-4798-865e-4685a7bf8ec2: u32, the descriptor's distance from the end of the image
    descriptor   "TDVF", u32 length, u32 version 1, u32 count, count sections
    section      u32 offset and u32 size in the image, u64 address and u64 size in memory, u32 type, u32 attributes

For each page of 4096 bytes that is added before the TD starts, the module hashes a record ``MEM.PAGE.ADD`` with its address;
for each 256 bytes that are extended (attribute bit 0), a record ``MR.EXTEND`` with their address, then the bytes. Each record
has 128 bytes, the address at 16. Sections that the guest accepts itself (attribute bit 1) are not measured. The order within a
section is the hypervisor's: see :class:`PageOrder`.

Sources: Intel TDX Virtual Firmware Design Guide, section 11; Intel TDX Module base specification, TDH.MEM.PAGE.ADD,
TDH.MR.EXTEND, TDH.MR.FINALIZE; edk2 ``OvmfPkg/ResetVector/X64/OvmfSevMetadata.asm`` and ``IntelTdxMetadata.asm``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.cursor import Cursor

__all__ = ["MAX_IMAGE_SIZE", "PageOrder", "TdvfSection", "measure_mrtd", "parse_tdvf"]

MAX_IMAGE_SIZE: Final = 64 * 1024 * 1024
"""Bytes; OVMF has 2 or 4 MiB."""

_TABLE_FOOTER: Final = UUID("96b582de-1fb2-45f7-baea-a366c55a082d").bytes_le
_METADATA_OFFSET: Final = UUID("e47a6535-984a-4798-865e-4685a7bf8ec2").bytes_le
_AFTER_TABLE: Final = 32
_ENTRY_TAIL: Final = 18
_MAX_SECTIONS: Final = 64
_MAX_MEMORY: Final = 256 * 1024 * 1024
_PAGE: Final = 4096
_CHUNK: Final = 256
_RECORD: Final = 128
_EXTEND: Final = 1 << 0
_ACCEPTED_BY_GUEST: Final = 1 << 1
_REMEDY: Final = "Pass the firmware image that the TD starts with, code and variables in one, such as OVMF.fd."


class PageOrder(StrEnum):
    """How the hypervisor measures a section. It changes MRTD, so it must be known, or both values compared.

    ``SINGLE_PASS``: each page is added and extended before the next (Linux 6.16 and later, upstream QEMU). ``TWO_PASS``: all
    pages are added, then all extended (Intel's and Canonical's earlier kernels).
    """

    SINGLE_PASS = "single-pass"  # noqa: S105 - no password
    TWO_PASS = "two-pass"  # noqa: S105


@dataclass(frozen=True, slots=True)
class TdvfSection:
    """One section: its bytes in the image, where they are loaded, how much memory it takes, and its attributes."""

    data: bytes
    address: int
    size: int
    kind: int
    attributes: int

    @property
    def is_added(self) -> bool:
        """Whether its pages are added before the TD starts."""
        return not self.attributes & _ACCEPTED_BY_GUEST

    @property
    def is_extended(self) -> bool:
        """Whether its content is measured."""
        return bool(self.attributes & _EXTEND)


def measure_mrtd(image: bytes, order: PageOrder = PageOrder.SINGLE_PASS) -> bytes:
    """48 bytes; :class:`EvidenceFormatError` for an image without usable TDVF metadata."""
    digest = hashlib.sha384()
    for section in parse_tdvf(image):
        pages = range(section.address, section.address + section.size, _PAGE)
        steps = [(page,) for page in pages] if order is PageOrder.SINGLE_PASS else [tuple(pages)]
        for step in steps:
            if section.is_added:
                digest.update(b"".join([_record(b"MEM.PAGE.ADD", page) for page in step]))
            if section.is_extended:
                for page in step:
                    digest.update(_extended(section, page))
    return digest.digest()


def parse_tdvf(image: bytes) -> tuple[TdvfSection, ...]:
    """The sections in the order of the descriptor, which is the order in which they are measured."""
    if len(image) > MAX_IMAGE_SIZE:
        raise _refused(f"an image of {len(image)} bytes", f"at most {MAX_IMAGE_SIZE}")
    distance = _metadata_distance(image)
    if not 16 <= distance <= len(image):
        raise _refused(f"metadata {distance} bytes before the end of {len(image)}", "an offset inside the image")
    cursor = Cursor(image, "TDVF metadata", len(image) - distance)
    signature, _, version, count = cursor.take(4, "signature"), cursor.u32("length"), cursor.u32("version"), cursor.u32("count")
    if (signature, version) != (b"TDVF", 1) or not 1 <= count <= _MAX_SECTIONS:
        raise _refused(
            f"a descriptor {signature!r} of version {version} with {count} sections", "TDVF, version 1, 1 to 64 sections"
        )
    sections = tuple([_read_section(cursor, image) for _ in range(count)])
    if sum(section.size for section in sections if section.is_added) > _MAX_MEMORY:
        raise _refused("sections that take more memory than a firmware has", f"at most {_MAX_MEMORY} bytes")
    return sections


def _metadata_distance(image: bytes) -> int:
    """From the table of GUIDs near the end of the image."""
    end = len(image) - _AFTER_TABLE
    if end < _ENTRY_TAIL or image[end - 16 : end] != _TABLE_FOOTER:
        raise _refused("an image without a table of GUIDs at its end", "OVMF or another TDVF")
    start = end - int.from_bytes(image[end - _ENTRY_TAIL : end - 16], "little")
    end -= _ENTRY_TAIL
    while start >= 0 and end - start >= _ENTRY_TAIL:
        size = int.from_bytes(image[end - _ENTRY_TAIL : end - 16], "little")
        if not _ENTRY_TAIL <= size <= end - start:
            break
        if image[end - 16 : end] == _METADATA_OFFSET and size == _ENTRY_TAIL + 4:
            return int.from_bytes(image[end - size : end - _ENTRY_TAIL], "little")
        end -= size
    raise _refused("a firmware without TDX metadata", "an image built for TDX")


def _read_section(cursor: Cursor, image: bytes) -> TdvfSection:
    offset, raw_size = cursor.u32("data offset"), cursor.u32("raw data size")
    address = int.from_bytes(cursor.take(8, "memory address"), "little")
    size = int.from_bytes(cursor.take(8, "memory data size"), "little")
    kind, attributes = cursor.u32("type"), cursor.u32("attributes")
    if address % _PAGE or size % _PAGE or address + size > 1 << 52:
        raise _refused(f"a section of {size} bytes at {address:#x}", "whole pages of 4096 bytes")
    if raw_size > size or offset + raw_size > len(image):
        raise _refused(
            f"a section of {raw_size} bytes at {offset} for {size} of memory", "bytes of the image, no more than memory"
        )
    if attributes & _EXTEND and attributes & _ACCEPTED_BY_GUEST:
        raise _refused("a section that is extended and left to the guest", "one or the other")
    return TdvfSection(image[offset : offset + raw_size], address, size, kind, attributes)


def _record(what: bytes, address: int) -> bytes:
    return (what.ljust(16, b"\0") + address.to_bytes(8, "little")).ljust(_RECORD, b"\0")


def _extended(section: TdvfSection, page: int) -> bytes:
    """The records and bytes of one page; where the image has fewer, memory is zero."""
    start = page - section.address
    content = section.data[start : start + _PAGE].ljust(_PAGE, b"\0")
    return b"".join(
        [_record(b"MR.EXTEND", page + chunk) + content[chunk : chunk + _CHUNK] for chunk in range(0, _PAGE, _CHUNK)]
    )


def _refused(found: str, expected: str) -> EvidenceFormatError:
    return EvidenceFormatError(found, expected=expected, remedy=_REMEDY)
