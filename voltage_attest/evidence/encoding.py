"""Quotes travel as raw bytes, hex or base64: tell which, and give the raw bytes.

A raw quote begins with its version, ``03 00``, ``04 00`` or ``05 00``, and so holds bytes that no text has; text is hex if it
consists of hex digits only, else base64 (RFC 4648 section 4, padded, canonical). White space in text is ignored.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

from voltage_attest.errors import EvidenceFormatError

__all__ = ["MAX_QUOTE_SIZE", "decode_quote_bytes", "strict_base64"]

MAX_QUOTE_SIZE: Final = 64 * 1024
"""Bytes. The largest real quote seen is 8000 (padded); Intel's type-5 chains leave quotes near 5000."""

_TEXT = frozenset(range(0x21, 0x7F)) | frozenset(b" \t\r\n")
_HEX = frozenset(b"0123456789abcdefABCDEF")
_REMEDY = "Pass the quote as raw bytes, hex, or base64, not the JSON or archive around it."


def decode_quote_bytes(data: bytes) -> bytes:
    """Return the raw bytes of a quote given raw, in hex or in base64; :class:`EvidenceFormatError` otherwise.

    The result is bounded by :data:`MAX_QUOTE_SIZE`; the text forms by what they need for that.
    """
    if not data:
        raise EvidenceFormatError("the quote is empty", expected="a TDX quote", remedy=_REMEDY, offset=0)
    if len(data) > 4 * MAX_QUOTE_SIZE:
        raise _oversized(len(data))
    raw = data if not _TEXT.issuperset(data) else _decode_text(bytes(data.translate(None, b" \t\r\n")))
    if len(raw) > MAX_QUOTE_SIZE:
        raise _oversized(len(raw))
    return raw


def _decode_text(text: bytes) -> bytes:
    if text.startswith((b"{", b"[")):
        raise EvidenceFormatError(
            "the file holds JSON",
            expected="a quote",
            remedy="If it is collateral, it belongs to --collateral; were the two files exchanged?",
            offset=0,
        )
    if text.startswith(b"-----BEGIN"):
        raise EvidenceFormatError("the file holds PEM text", expected="a quote", remedy=_REMEDY, offset=0)
    digits = text[2:] if text[:2] in (b"0x", b"0X") else text
    if _HEX.issuperset(digits):
        if len(digits) % 2:
            raise EvidenceFormatError("an odd number of hex digits", expected="two digits a byte", remedy=_REMEDY)
        return bytes.fromhex(digits.decode("ascii"))
    return strict_base64(text, "the quote")


def strict_base64(text: bytes, what: str) -> bytes:
    """Decode padded base64 and insist on its canonical form, so that no two texts stand for the same bytes."""
    try:
        raw = binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error as error:
        raise EvidenceFormatError(
            f"{what} is neither binary, hex nor base64 ({error})", expected="one of them", remedy=_REMEDY
        ) from None
    last_quantum = raw[-(len(raw) % 3 or 3) :]  # strict mode has judged all but the unused bits of the last four characters
    if base64.b64encode(last_quantum) != text[-4:]:
        raise EvidenceFormatError(f"{what} is base64 with stray bits at its end", expected="canonical base64")
    return raw


def _oversized(size: int) -> EvidenceFormatError:
    return EvidenceFormatError(
        f"the quote has {size} bytes", expected=f"at most {MAX_QUOTE_SIZE}", remedy=_REMEDY, offset=MAX_QUOTE_SIZE
    )
