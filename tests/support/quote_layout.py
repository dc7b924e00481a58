"""Where the fields of a quote lie, read without the package: a mistake in one must not be cancelled by the other.

Offsets are those of ``sgx_quote_4.h`` and ``sgx_quote_5.h``; everything is little-endian.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

__all__ = ["LENGTH_FIELDS", "Span", "lay_out", "replaced"]

_HEADER: Final = 48
_BODY_V4: Final = 584
_FIXED_BEFORE_AUTH_SIZE: Final = 4 + 64 + 64 + 2 + 4 + 384 + 64

LENGTH_FIELDS: Final = ("signature_data_size", "outer_size", "auth_size", "inner_size")
"""The fields that declare the length of another, in every version; v5 adds one inside its descriptor."""


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes ``start`` to ``stop`` (not included) of a quote."""

    start: int
    stop: int

    def of(self, quote: bytes) -> bytes:
        """The bytes."""
        return quote[self.start : self.stop]


def lay_out(quote: bytes) -> dict[str, Span]:
    """Locate the fields of a well-formed TDX quote, version 4 or 5, in order and without gaps.

    ``descriptor`` is empty in a v4 quote, ``padding`` may be empty.
    """
    (version,) = struct.unpack_from("<H", quote, 0)
    descriptor, body = (6, struct.unpack_from("<I", quote, _HEADER + 2)[0]) if version == 5 else (0, _BODY_V4)
    auth_size_at = _HEADER + descriptor + body + _FIXED_BEFORE_AUTH_SIZE
    (auth_size,) = struct.unpack_from("<H", quote, auth_size_at)
    (inner_size,) = struct.unpack_from("<I", quote, auth_size_at + 2 + auth_size + 2)
    sizes = {
        "version": 2,
        "key_type": 2,
        "tee_type": 4,
        "reserved": 4,
        "vendor_id": 16,
        "user_data": 20,
        "descriptor": descriptor,
        "body": body,
        "signature_data_size": 4,
        "signature": 64,
        "attestation_key": 64,
        "outer_type": 2,
        "outer_size": 4,
        "qe_report": 384,
        "qe_report_signature": 64,
        "auth_size": 2,
        "auth_data": auth_size,
        "inner_type": 2,
        "inner_size": 4,
        "certification_data": inner_size,
    }
    spans: dict[str, Span] = {}
    start = 0
    for name, size in sizes.items():
        spans[name] = Span(start, start + size)
        start += size
    spans["padding"] = Span(start, len(quote))
    return spans


def replaced(quote: bytes, span: Span, new: bytes) -> bytes:
    """The quote with other bytes in that place, of any length."""
    return quote[: span.start] + new + quote[span.stop :]
