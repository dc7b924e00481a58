"""Where a certificate says that its revocation status is to be had (RFC 5280, sections 4.2.1.13 and 4.2.2.1)."""

from __future__ import annotations

from typing import Final

from voltage_attest.crypto.certificates import Certificate
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.der import OBJECT_IDENTIFIER, SEQUENCE, read_members, read_single

__all__ = ["crl_addresses", "ocsp_addresses"]

_AUTHORITY_INFORMATION_ACCESS: Final = bytes.fromhex("2b06010505070101")
_CRL_DISTRIBUTION_POINTS: Final = bytes.fromhex("551d1f")
_OCSP: Final = (OBJECT_IDENTIFIER, bytes.fromhex("2b06010505073001"))
_POINT_NAME: Final = 0xA0
_FULL_NAME: Final = 0xA0
_URI: Final = 0x86


def ocsp_addresses(certificate: Certificate) -> tuple[str, ...]:
    """The URIs of OCSP responders that it names, as written. Nothing that cannot be read is an error: it names no source."""
    try:
        return tuple([_text(name) for name in _responders(certificate) if name[0] == _URI])
    except EvidenceFormatError:
        return ()


def crl_addresses(certificate: Certificate) -> tuple[str, ...]:
    """The URIs of CRLs that it names, as written; see :func:`ocsp_addresses`."""
    try:
        return tuple([_text(name) for name in _points(certificate) if name[0] == _URI])
    except EvidenceFormatError:
        return ()


def _responders(certificate: Certificate) -> list[tuple[int, bytes]]:
    """GeneralNames of SEQUENCE OF {accessMethod, accessLocation} with the method OCSP."""
    entries = [read_members(entry, "AIA") for entry in _entries(certificate, _AUTHORITY_INFORMATION_ACCESS)]
    return [entry[1] for entry in entries if len(entry) == 2 and entry[0] == _OCSP]


def _points(certificate: Certificate) -> list[tuple[int, bytes]]:
    """GeneralNames of SEQUENCE OF {distributionPoint [0] {fullName [0]}, ...}."""
    names: list[tuple[int, bytes]] = []
    for point in _entries(certificate, _CRL_DISTRIBUTION_POINTS):
        parts = [part for tag, part in read_members(point, "CRL distribution point") if tag == _POINT_NAME]
        full = [name for part in parts for tag, name in read_members(part, "CRL distribution point") if tag == _FULL_NAME]
        names += [general for name in full for general in read_members(name, "CRL distribution point")]
    return names


def _entries(certificate: Certificate, oid: bytes) -> list[bytes]:
    value = certificate.extensions.values.get(oid)
    if value is None:
        return []
    return [entry for tag, entry in read_members(read_single(value, SEQUENCE, "extension"), "extension") if tag == SEQUENCE]


def _text(name: tuple[int, bytes]) -> str:
    return name[1].decode("ascii", "backslashreplace")
