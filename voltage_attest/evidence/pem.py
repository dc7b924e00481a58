"""Certificate chains in PEM (RFC 7468), read strictly: certificates and line breaks, nothing else.

The content of a certificate is protected by its signature, its PEM wrapping by nothing. Whatever a lenient reader would
skip (text between blocks, other labels, stray bits of base64) is therefore refused here.
"""

from __future__ import annotations

import re
from typing import Final

from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.encoding import strict_base64

__all__ = ["parse_pem_chain"]

_MAX_CERTIFICATES: Final = 8
_BLOCK: Final = re.compile(
    rb"-----BEGIN CERTIFICATE-----\r?\n((?:[A-Za-z0-9+/]{1,76}={0,2}\r?\n)+)-----END CERTIFICATE-----(?:\r?\n|\Z)"
)


def parse_pem_chain(pem: bytes, what: str) -> tuple[bytes, ...]:
    """Return the DER bytes of each certificate, in the order given (1 to 8 of them).

    Between and after blocks only empty lines are accepted; :class:`EvidenceFormatError` otherwise.
    """
    chain: list[bytes] = []
    position = 0
    while position < len(pem):
        if pem[position] in b"\r\n":
            position += 1
            continue
        block = _BLOCK.match(pem, position)
        if block is None or len(chain) == _MAX_CERTIFICATES:
            raise EvidenceFormatError(
                f"{what}: no certificate begins at byte {position}"
                if block is None
                else f"{what}: more than {_MAX_CERTIFICATES} certificates",
                expected="PEM blocks labelled CERTIFICATE and nothing else",
                offset=position,
            )
        chain.append(strict_base64(block[1].translate(None, b"\r\n"), f"{what}, certificate {len(chain) + 1}"))
        position = block.end()
    if not chain:
        raise EvidenceFormatError(f"{what} is empty", expected="PEM certificates", offset=0)
    return tuple(chain)
