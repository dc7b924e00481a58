"""The outer shape that certificates and CRLs share: SEQUENCE {to be signed, algorithm, signature} (RFC 5280, 4.1 and 5.1).

The signed bytes are cut out as they were received. Nothing is re-encoded before its signature is checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.der import BIT_STRING, SEQUENCE, first_member, read_members, read_single

__all__ = ["SignedStructure", "split_signed"]

_ECDSA_WITH_SHA256: Final = (SEQUENCE, bytes.fromhex("06082a8648ce3d040302"))
"""AlgorithmIdentifier {1.2.840.10045.4.3.2}, without parameters (RFC 5758, section 3.2)."""


@dataclass(frozen=True, slots=True)
class SignedStructure:
    """``signed_bytes`` is the to-be-signed part with its header, ``fields`` its members; ``signature`` is DER {r, s}."""

    signed_bytes: bytes
    fields: tuple[tuple[int, bytes], ...]
    signature: bytes


def split_signed(der: bytes, what: str) -> SignedStructure:
    """Take a certificate or CRL apart; :class:`EvidenceFormatError` unless it says ecdsa-with-SHA256 in both places alike."""
    whole = read_single(der, SEQUENCE, what)
    members = read_members(whole, what)
    if [tag for tag, _ in members] != [SEQUENCE, SEQUENCE, BIT_STRING] or members[2][1][:1] != b"\0":
        raise EvidenceFormatError(f"{what}: not a signed structure", expected="{to be signed, algorithm, signature}")
    fields = tuple(read_members(members[0][1], what))
    if members[1] != _ECDSA_WITH_SHA256 or _ECDSA_WITH_SHA256 not in fields[1:3]:
        raise EvidenceFormatError(f"{what}: signed with another algorithm", expected="ECDSA-SHA256, named twice alike")
    return SignedStructure(first_member(whole, what), fields, members[2][1][1:])
