"""The extensions of a certificate that the checks ask of (RFC 5280, section 4.2).

Read here rather than by ``cryptography``, which decodes all of them to give one, and warns on standard error of what it finds
odd in those nobody asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.der import (
    BIT_STRING,
    BOOLEAN,
    INTEGER,
    OBJECT_IDENTIFIER,
    OCTET_STRING,
    SEQUENCE,
    dotted_oid,
    read_members,
    read_single,
)

__all__ = ["EXTENDED_KEY_USAGE", "UNDERSTOOD", "Extensions", "parse_extensions"]

_BASIC_CONSTRAINTS: Final = bytes.fromhex("551d13")
_KEY_USAGE: Final = bytes.fromhex("551d0f")
_SUBJECT_KEY_IDENTIFIER: Final = bytes.fromhex("551d0e")
EXTENDED_KEY_USAGE: Final = bytes.fromhex("551d25")
"""OID 2.5.29.37, as :attr:`Extensions.values` knows it."""
UNDERSTOOD: Final = frozenset({_BASIC_CONSTRAINTS, _KEY_USAGE})
"""The extensions that may be critical, unless a caller reads more of them."""
_DIGITAL_SIGNATURE: Final = 0x80
_KEY_CERT_SIGN: Final = 0x04
_CRL_SIGN: Final = 0x02
_TRUE: Final = (BOOLEAN, b"\xff")


@dataclass(frozen=True, slots=True)
class Extensions:
    """``is_ca`` and ``path_length`` of basicConstraints, two bits of keyUsage, the key identifier, and all values by OID.

    OIDs are their DER content octets; values the octets inside the OCTET STRING.
    """

    is_ca: bool
    path_length: int | None
    may_sign: bool
    may_certify: bool
    subject_key_identifier: bytes | None
    values: dict[bytes, bytes]

    @property
    def may_sign_crls(self) -> bool:
        """The cRLSign bit of keyUsage."""
        return bool(_key_usage(self.values.get(_KEY_USAGE), "keyUsage") & _CRL_SIGN)

    @property
    def restricts_usage(self) -> bool:
        """Whether there is a keyUsage at all: without one, RFC 5280 restricts nothing."""
        return _KEY_USAGE in self.values


def parse_extensions(octets: bytes, what: str, understood: frozenset[bytes] = UNDERSTOOD) -> Extensions:
    """Read the content of a certificate's extensions field ([3]).

    :class:`EvidenceFormatError` on a doubled extension, or a critical one that is not among the ``understood``.
    """
    values: dict[bytes, bytes] = {}
    for tag, extension in read_members(read_single(octets, SEQUENCE, what), what):
        oid, critical, value = _parse_extension(tag, extension, what)
        if oid in values:
            raise EvidenceFormatError(f"{what}: extension {dotted_oid(oid)} occurs twice", expected="each extension once")
        if critical and oid not in understood:
            expected = ", ".join(sorted(map(dotted_oid, understood)))
            raise EvidenceFormatError(
                f"{what}: critical extension {dotted_oid(oid)}", expected=f"no critical extensions but {expected}"
            )
        values[oid] = value
    is_ca, path_length = _basic_constraints(values.get(_BASIC_CONSTRAINTS), what)
    usage = _key_usage(values.get(_KEY_USAGE), what)
    identifier = values.get(_SUBJECT_KEY_IDENTIFIER)
    return Extensions(
        is_ca,
        path_length,
        bool(usage & _DIGITAL_SIGNATURE),
        bool(usage & _KEY_CERT_SIGN),
        None if identifier is None else read_single(identifier, OCTET_STRING, what),
        values,
    )


def _parse_extension(tag: int, octets: bytes, what: str) -> tuple[bytes, bool, bytes]:
    """Read SEQUENCE {extnID, critical DEFAULT FALSE, extnValue}; DER leaves the default out."""
    members = read_members(octets, what)
    critical = len(members) == 3 and members[1] == _TRUE
    if tag == SEQUENCE and len(members) == 2 + critical:
        (oid_tag, oid), (value_tag, value) = members[0], members[-1]
        if (oid_tag, value_tag) == (OBJECT_IDENTIFIER, OCTET_STRING):
            return oid, critical, value
    raise EvidenceFormatError(f"{what}: an extension {octets[:32].hex()}", expected="OID, critical and value")


def _basic_constraints(octets: bytes | None, what: str) -> tuple[bool, int | None]:
    """Read SEQUENCE {cA DEFAULT FALSE, pathLenConstraint OPTIONAL}: (cA, path length)."""
    members = [] if octets is None else read_members(read_single(octets, SEQUENCE, what), what)
    is_ca = members[:1] == [_TRUE]
    rest = members[is_ca:]
    if not rest:
        return is_ca, None
    if is_ca and len(rest) == 1 and rest[0][0] == INTEGER and len(rest[0][1]) == 1 and rest[0][1] < b"\x80":
        return is_ca, rest[0][1][0]
    raise EvidenceFormatError(f"{what}: basicConstraints {members}", expected="cA and a path length from 0 to 127")


def _key_usage(octets: bytes | None, what: str) -> int:
    """Read a BIT STRING and return its first eight bits, digitalSignature highest; 0 where there is none."""
    bits = b"\0\0" if octets is None else read_single(octets, BIT_STRING, what)
    if not 2 <= len(bits) <= 3 or bits[0] > 7 or bits[-1] & ((1 << bits[0]) - 1):
        raise EvidenceFormatError(f"{what}: keyUsage {bits.hex()}", expected="a BIT STRING of up to nine bits")
    return bits[1]
