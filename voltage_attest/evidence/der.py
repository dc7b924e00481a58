"""A strict reader for the few DER structures that no library decodes for us (X.690).

Definite, minimal lengths only; tags of one byte; every length is checked against the enclosing value before it is used.
Certificates and CRLs themselves are read by ``cryptography``.
"""

from __future__ import annotations

from typing import Final

from voltage_attest.errors import EvidenceFormatError

__all__ = [
    "BIT_STRING",
    "BOOLEAN",
    "ENUMERATED",
    "INTEGER",
    "OBJECT_IDENTIFIER",
    "OCTET_STRING",
    "PRINTABLE_STRING",
    "SEQUENCE",
    "UTF8_STRING",
    "dotted_oid",
    "first_member",
    "read_members",
    "read_single",
]

BOOLEAN: Final = 0x01
INTEGER: Final = 0x02
BIT_STRING: Final = 0x03
OCTET_STRING: Final = 0x04
OBJECT_IDENTIFIER: Final = 0x06
ENUMERATED: Final = 0x0A
UTF8_STRING: Final = 0x0C
PRINTABLE_STRING: Final = 0x13
SEQUENCE: Final = 0x30

_LONG_LENGTH: Final = 0x80
"""Set in a length's first octet if more octets follow."""

_MAX_LENGTH_OCTETS: Final = 3
"""Enough for 16 MB, which no structure read here comes near."""


def read_members(octets: bytes, what: str) -> list[tuple[int, bytes]]:
    """Read consecutive tag-length-values up to the last byte and return (tag, value) of each."""
    members: list[tuple[int, bytes]] = []
    position, size = 0, len(octets)
    while position < size:
        start = position + 2
        length = octets[position + 1] if start <= size else _LONG_LENGTH
        end = start + length
        if length >= _LONG_LENGTH or end > size:  # else a short length that fits: nearly every value
            start, end = _value_span(octets, position, size, what)
        members.append((octets[position], octets[start:end]))
        position = end
    return members


def first_member(octets: bytes, what: str) -> bytes:
    """Return the first tag-length-value whole, header included: the bytes a signature covers."""
    _, end = _value_span(octets, 0, len(octets), what)
    return octets[:end]


def dotted_oid(content: bytes) -> str:
    """Write an OBJECT IDENTIFIER's content octets as text; arcs that end early are left out (it is only shown)."""
    arcs: list[int] = []
    arc = 0
    for octet in content:
        arc = arc << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(arc)
            arc = 0
    first, rest = arcs[:1], arcs[1:]
    root = [min(first[0] // 40, 2), first[0] - 40 * min(first[0] // 40, 2)] if first else []
    return ".".join(map(str, (*root, *rest)))


def read_single(octets: bytes, tag: int, what: str) -> bytes:
    """Read exactly one value with that tag, with nothing after it."""
    members = read_members(octets, what)
    if len(members) != 1 or members[0][0] != tag:
        found = ", ".join(f"{member_tag:#04x}" for member_tag, _ in members) or "nothing"
        raise EvidenceFormatError(f"{what}: DER tags {found}", expected=f"one value with tag {tag:#04x}")
    return members[0][1]


def _value_span(octets: bytes, position: int, size: int, what: str) -> tuple[int, int]:
    """Return (start, end) of the value whose tag stands at ``position``, both inside the ``size`` octets."""
    start = position + 2
    if start > size:
        raise _malformed(what, "a cut-off DER header", position)
    length = octets[position + 1]
    if length & _LONG_LENGTH:
        start, length = _read_long_length(octets, position + 1, what)
    end = start + length
    if end > size:
        raise _malformed(what, f"a DER value of {length} bytes where {size - start} are left", position)
    return start, end


def _read_long_length(octets: bytes, position: int, what: str) -> tuple[int, int]:
    """Return (start of the value, its size) for a length of more than one octet, which must be minimal."""
    count = octets[position] & 0x7F
    start = position + 1 + count
    if not 1 <= count <= _MAX_LENGTH_OCTETS or start > len(octets):
        raise _malformed(what, f"a DER length of {count} octets", position)
    size = int.from_bytes(octets[position + 1 : start], "big")
    if size < max(0x80, 1 << 8 * (count - 1)):
        raise _malformed(what, "a DER length that is not minimal", position)
    return start, size


def _malformed(what: str, found: str, offset: int) -> EvidenceFormatError:
    return EvidenceFormatError(f"{what}: {found}", expected="DER (X.690)", offset=offset)
