"""The public key of a TLS certificate, for hashing: SubjectPublicKeyInfo as it stands in the certificate (RFC 5280, 4.1).

Nothing about the certificate is verified here; its key counts only once its hash is found in a quote's REPORTDATA.
"""

from __future__ import annotations

import hashlib
from typing import Final

from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.der import SEQUENCE, first_member, read_single
from voltage_attest.evidence.pem import parse_pem_chain

__all__ = ["leaf_of_pem", "spki_sha256"]

_VERSION: Final = 0xA0
_BEFORE_THE_KEY: Final = ("serial number", "signature algorithm", "issuer", "validity", "subject")


def leaf_of_pem(pem: str, what: str) -> bytes:
    """DER of the first of 1 to 8 certificates in PEM: the leaf, as servers order them."""
    try:
        encoded = pem.encode("ascii")
    except UnicodeEncodeError:
        raise EvidenceFormatError(f"{what} holds characters beyond ASCII", expected="certificates in PEM") from None
    return parse_pem_chain(encoded, what)[0]


def spki_sha256(certificate: bytes, what: str) -> bytes:
    """SHA-256 (32 bytes) over the SubjectPublicKeyInfo, tag and length included, of a DER certificate."""
    rest = read_single(first_member(read_single(certificate, SEQUENCE, what), what), SEQUENCE, what)
    if rest[:1] == bytes((_VERSION,)):
        rest = rest[len(first_member(rest, what)) :]
    for _ in _BEFORE_THE_KEY:
        rest = rest[len(first_member(rest, what)) :]
    spki = first_member(rest, what)
    read_single(spki, SEQUENCE, f"{what}, its public key")
    return hashlib.sha256(spki).digest()
