"""Certificate chains in PEM (RFC 7468), read strictly: certificates and line breaks, nothing else.

The content of a certificate is protected by its signature, its PEM wrapping by nothing. Whatever a lenient reader would
skip (text between blocks, other labels, stray bits of base64) is therefore refused here.
"""

from __future__ import annotations

from typing import Final

from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.encoding import strict_base64

__all__ = ["decode_pem_block", "parse_pem_chain", "split_pem_chain"]

_MAX_CERTIFICATES: Final = 8
_BEGIN: Final = b"-----BEGIN CERTIFICATE-----"
_END: Final = b"-----END CERTIFICATE-----"
_LINE_BREAKS: Final = b"\r\n"


def split_pem_chain(pem: bytes, what: str) -> tuple[bytes, ...]:
    """Return the text of each block between its labels, in the order given (1 to 8 of them), not yet decoded.

    Between and after blocks line breaks alone are ignored; :class:`EvidenceFormatError` on anything else.
    """
    blocks: list[bytes] = []
    end = len(pem.rstrip(_LINE_BREAKS))
    position = len(pem) - len(pem.lstrip(_LINE_BREAKS))
    while position < end:
        stop = pem.find(_END, position)
        if stop < 0 or not pem.startswith(_BEGIN, position):
            raise EvidenceFormatError(
                f"{what}, certificate {len(blocks) + 1} does not begin and end as one",
                expected="PEM blocks labelled CERTIFICATE and nothing else",
                offset=position,
            )
        if len(blocks) == _MAX_CERTIFICATES:
            raise EvidenceFormatError(f"{what}: too many certificates", expected=f"at most {_MAX_CERTIFICATES}")
        blocks.append(pem[position + len(_BEGIN) : stop])
        rest = pem[stop + len(_END) :]
        position = len(pem) - len(rest.lstrip(_LINE_BREAKS))
    if not blocks:
        raise EvidenceFormatError(f"{what} is empty", expected="PEM certificates", offset=0)
    return tuple(blocks)


def decode_pem_block(block: bytes, what: str) -> bytes:
    """Return the DER bytes of one block: canonical base64 in lines; :class:`EvidenceFormatError` otherwise."""
    return strict_base64(block.translate(None, _LINE_BREAKS), what)


def parse_pem_chain(pem: bytes, what: str) -> tuple[bytes, ...]:
    """Return the DER bytes of each certificate, in the order given; see :func:`split_pem_chain`."""
    blocks = split_pem_chain(pem, what)
    return tuple([decode_pem_block(block, f"{what}, certificate {number}") for number, block in enumerate(blocks, 1)])
