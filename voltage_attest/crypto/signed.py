"""The outer shape that certificates and CRLs share: SEQUENCE {to be signed, algorithm, signature} (RFC 5280, 4.1 and 5.1).

The signed bytes are cut out as they were received. Nothing is re-encoded before its signature is checked.
"""

from __future__ import annotations

from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec

from voltage_attest.crypto.signatures import P256, Curve, verifies_der
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.der import BIT_STRING, SEQUENCE, first_member, read_members, read_single

__all__ = ["SignedStructure", "split_signed"]


class SignedStructure(NamedTuple):
    """``signed_bytes`` is the to-be-signed part with its header, ``fields`` its members; ``signature`` is DER {r, s}."""

    signed_bytes: bytes
    fields: tuple[tuple[int, bytes], ...]
    signature: bytes
    ecdsa: ec.ECDSA

    def verifies(self, key: ec.EllipticCurvePublicKey) -> bool:
        """Whether it was signed with ``key``."""
        return verifies_der(key, self.signature, self.signed_bytes, self.ecdsa)


def split_signed(der: bytes, what: str, curve: Curve = P256) -> SignedStructure:
    """Take a certificate or CRL apart; :class:`EvidenceFormatError` unless it names one algorithm of ``curve`` twice alike."""
    whole = read_single(der, SEQUENCE, what)
    members = read_members(whole, what)
    if [tag for tag, _ in members] != [SEQUENCE, SEQUENCE, BIT_STRING] or members[2][1][:1] != b"\0":
        raise EvidenceFormatError(f"{what}: not a signed structure", expected="{to be signed, algorithm, signature}")
    fields = tuple(read_members(members[0][1], what))
    ecdsa = curve.algorithms.get(members[1])
    if ecdsa is None or members[1] not in fields[1:3]:
        raise EvidenceFormatError(f"{what}: signed with another algorithm", expected=f"{curve.scheme}, named twice alike")
    return tuple.__new__(SignedStructure, (first_member(whole, what), fields, members[2][1][1:], ecdsa))
