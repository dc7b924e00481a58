"""A virtual firmware image with TDX metadata, laid out here from the specification, section by section."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

__all__ = ["BFV", "CFV", "FOOTER", "METADATA", "TEMPORARY", "Section", "firmware", "footer", "guid_entry"]

FOOTER: Final = UUID("96b582de-1fb2-45f7-baea-a366c55a082d")
METADATA: Final = UUID("e47a6535-984a-4798-865e-4685a7bf8ec2")


@dataclass(frozen=True)
class Section:
    """One section of the descriptor; ``raw`` is its content in the image."""

    raw: bytes
    address: int
    size: int
    kind: int
    attributes: int
    offset: int | None = None


BFV: Final = Section(bytes(range(256)) * 32, 0xFFFFE000, 0x2000, 0, 1)
CFV: Final = Section(b"v" * 0x1000, 0xFFFFD000, 0x1000, 1, 0)
TEMPORARY: Final = Section(b"", 0x810000, 0x2000, 3, 0)


def guid_entry(guid: UUID, data: bytes) -> bytes:
    """One entry of the table at the image's end: data, length, GUID."""
    return data + (len(data) + 18).to_bytes(2, "little") + guid.bytes_le


def firmware(
    *sections: Section, version: int = 1, signature: bytes = b"TDVF", count: int | None = None, other_entries: bytes = b""
) -> bytes:
    """An image: the sections' content, the descriptor, the table, 32 bytes of reset vector."""
    image = b""
    table = b""
    for section in sections:
        offset = len(image) if section.offset is None else section.offset
        table += offset.to_bytes(4, "little") + len(section.raw).to_bytes(4, "little")
        table += section.address.to_bytes(8, "little") + section.size.to_bytes(8, "little")
        table += section.kind.to_bytes(4, "little") + section.attributes.to_bytes(4, "little")
        image += section.raw
    number = len(sections) if count is None else count
    descriptor = signature + (16 + len(table)).to_bytes(4, "little") + version.to_bytes(4, "little")
    descriptor += number.to_bytes(4, "little") + table
    tail = other_entries + guid_entry(METADATA, b"\0\0\0\0") + other_entries
    distance = len(descriptor) + len(tail) + 18 + 32
    tail = other_entries + guid_entry(METADATA, distance.to_bytes(4, "little")) + other_entries
    return image + descriptor + tail + footer(len(tail))


def footer(size: int) -> bytes:
    """What ends an image behind a table of ``size`` bytes: the table's own entry and the reset vector."""
    return (size + 18).to_bytes(2, "little") + FOOTER.bytes_le + b"\x90" * 32
