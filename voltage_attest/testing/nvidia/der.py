"""DER, written: what the fake NVIDIA signs that no library writes reproducibly, or at all.

A writer of its own, not the inverse of the reader in ``evidence``: a mistake in one must not be cancelled by the other.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

__all__ = [
    "ECDSA_WITH_SHA384",
    "bit_string",
    "context",
    "enumerated",
    "generalized_time",
    "integer",
    "octet_string",
    "oid",
    "sequence",
    "tlv",
]

_INTEGER, _BIT_STRING, _OCTET_STRING, _OID, _ENUMERATED, _GENERALIZED_TIME, _SEQUENCE = 0x02, 0x03, 0x04, 0x06, 0x0A, 0x18, 0x30
_CONTEXT: Final = 0xA0


def tlv(tag: int, *values: bytes) -> bytes:
    """Return tag, length in its shortest form, and the values."""
    value = b"".join(values)
    size = len(value)
    if size < 0x80:
        return bytes((tag, size)) + value
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + value


def sequence(*members: bytes) -> bytes:
    """Return SEQUENCE of the members."""
    return tlv(_SEQUENCE, *members)


def context(number: int, *members: bytes) -> bytes:
    """Return the members under an explicit context tag."""
    return tlv(_CONTEXT | number, *members)


def integer(number: int) -> bytes:
    """Return a non-negative INTEGER: one bit more than the number needs keeps it so."""
    return tlv(_INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def enumerated(number: int) -> bytes:
    """Return ENUMERATED, 0 to 127."""
    return tlv(_ENUMERATED, bytes((number,)))


def octet_string(value: bytes) -> bytes:
    """Return OCTET STRING."""
    return tlv(_OCTET_STRING, value)


def bit_string(value: bytes) -> bytes:
    """Return BIT STRING of whole bytes."""
    return tlv(_BIT_STRING, b"\0", value)


def oid(dotted: str) -> bytes:
    """Return OBJECT IDENTIFIER."""
    first, second, *arcs = (int(arc) for arc in dotted.split("."))
    return tlv(_OID, bytes((40 * first + second,)), *(_base128(arc) for arc in arcs))


def generalized_time(moment: datetime) -> bytes:
    """Return GeneralizedTime in whole seconds, UTC (RFC 5280, section 4.1.2.5.2)."""
    return tlv(_GENERALIZED_TIME, moment.astimezone(UTC).strftime("%Y%m%d%H%M%SZ").encode("ascii"))


def _base128(arc: int) -> bytes:
    octets = [arc & 0x7F]
    while arc := arc >> 7:
        octets.append(arc & 0x7F | 0x80)
    return bytes(reversed(octets))


ECDSA_WITH_SHA384: Final = sequence(oid("1.2.840.10045.4.3.3"))
"""The AlgorithmIdentifier of every signature of NVIDIA's, without parameters (RFC 5758, section 3.2)."""
