"""The windows that signed documents name for themselves, read to know whether to ask again, and never believed.

Whoever verifies a document reads its dates anew, from what the signature covers. Here a date only decides whether an answer
from the cache is worth handing on; one that lies costs a refusal or a request. Structures are read as far as the dates lie.
"""

from __future__ import annotations

import binascii
import re
from datetime import MAXYEAR, UTC, datetime
from typing import Final, NamedTuple

from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.der import ENUMERATED, INTEGER, OCTET_STRING, SEQUENCE, read_members, read_single
from voltage_attest.evidence.encoding import strict_base64
from voltage_attest.limits import OCSP_LIFE_WITHOUT_END, OCSP_REFUSALS

__all__ = [
    "OcspReading",
    "Window",
    "certificate_window",
    "crl_der",
    "crl_window",
    "intersection",
    "ocsp_reading",
    "ocsp_subjects",
]

_HEX: Final = re.compile(rb"\s*([0-9a-fA-F]+)\s*")
_PEM_CRL: Final = re.compile(rb"\s*-----BEGIN X509 CRL-----([A-Za-z0-9+/=\r\n]+)-----END X509 CRL-----\s*")
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
_TAGGED_0: Final = 0xA0
"""[0] EXPLICIT: the version of a certificate or an OCSP answer, the end of an OCSP answer, the bytes of an OCSP response."""

_OCSP: Final = "the OCSP answer"


class Window(NamedTuple):
    """From when to when a document says that it holds (UTC), both ends included."""

    issued: datetime
    next_update: datetime

    def holds(self, now: datetime) -> bool:
        """Whether ``now`` lies in it."""
        return self.issued <= now <= self.next_update


class OcspReading(NamedTuple):
    """What an OCSP answer is about: its window, and (name hash, key hash, serial) of each certificate, as encoded."""

    window: Window
    subjects: frozenset[tuple[bytes, ...]]


def intersection(windows: list[Window]) -> Window | None:
    """The time in which all of them hold; None where there are none. It may be empty: then it holds never."""
    if not windows:
        return None
    return Window(max(window.issued for window in windows), min(window.next_update for window in windows))


def certificate_window(der: bytes) -> Window:
    """The validity of a certificate (RFC 5280, section 4.1.2.5); :class:`EvidenceFormatError` if it is none."""
    what = "a certificate"
    outer = read_members(read_single(der, SEQUENCE, what), what)
    fields = read_members(outer[0][1], what) if outer and outer[0][0] == SEQUENCE else []
    after_version = fields[1:] if fields and fields[0][0] == _TAGGED_0 else fields
    if len(after_version) < 4 or after_version[3][0] != SEQUENCE:
        raise EvidenceFormatError(f"{what} without validity", expected="a Certificate (RFC 5280)")
    dates = read_members(after_version[3][1], what)
    if len(dates) != 2:
        raise EvidenceFormatError(f"{what} without validity", expected="two dates")
    return Window(_asn1_time(dates[0], what), _asn1_time(dates[1], what))


def crl_der(body: bytes, what: str) -> bytes:
    """The DER bytes of a CRL in DER, hex or PEM; :class:`EvidenceFormatError` if it is none of them."""
    if body[:1] == b"\x30" and body[1:2] > b"\x7f":  # a SEQUENCE with a long length; "0" and a digit would be hex text
        return body
    text = _HEX.fullmatch(body)
    if text is not None and len(text[1]) % 2 == 0:
        return binascii.unhexlify(text[1])
    armoured = _PEM_CRL.fullmatch(body)
    if armoured is not None:
        return strict_base64(armoured[1].translate(None, b"\r\n"), what)
    raise EvidenceFormatError(f"{what} is neither DER, PEM nor hex", expected="a CRL in one of them")


def crl_window(der: bytes, what: str) -> Window:
    """(thisUpdate, nextUpdate) of a CertificateList (RFC 5280, section 5.1)."""
    outer = read_members(read_single(der, SEQUENCE, what), what)
    if len(outer) != 3 or outer[0][0] != SEQUENCE:
        raise EvidenceFormatError(f"{what} is no CRL", expected="a CertificateList (RFC 5280)")
    fields = read_members(outer[0][1], what)
    after_version = fields[1:] if fields and fields[0][0] == INTEGER else fields
    if [tag for tag, _ in after_version[:2]] != [SEQUENCE, SEQUENCE] or len(after_version) < 4:
        raise EvidenceFormatError(f"{what} is no CRL with nextUpdate", expected="a CertificateList (RFC 5280)")
    return Window(_asn1_time(after_version[2], what), _asn1_time(after_version[3], what))


def ocsp_reading(der: bytes) -> OcspReading:
    """Read an OCSPResponse with status ``successful`` (RFC 6960, section 4.2.1); the window in which all its answers hold.

    :class:`EvidenceFormatError` if it is none, or reports an error instead: no responder signs errors, so they tell nothing.
    """
    outer = read_members(read_single(der, SEQUENCE, _OCSP), _OCSP)
    if not outer or outer[0][0] != ENUMERATED:
        raise _no_ocsp("no OCSPResponse")
    if outer[0][1] != b"\0":
        status = int.from_bytes(outer[0][1], "big")
        raise _no_ocsp(f"the error {OCSP_REFUSALS.get(status, 'of unknown meaning')} ({status})")
    if len(outer) != 2 or outer[1][0] != _TAGGED_0:
        raise _no_ocsp("no response bytes")
    carrier = read_members(read_single(outer[1][1], SEQUENCE, _OCSP), _OCSP)
    if len(carrier) != 2 or carrier[1][0] != OCTET_STRING:
        raise _no_ocsp("no response bytes")
    basic = read_members(read_single(carrier[1][1], SEQUENCE, _OCSP), _OCSP)
    fields = read_members(basic[0][1], _OCSP) if basic and basic[0][0] == SEQUENCE else []
    after_version = fields[1:] if fields and fields[0][0] == _TAGGED_0 else fields
    if len(after_version) < 3 or after_version[2][0] != SEQUENCE:
        raise _no_ocsp("no answers in it")
    answers = [_single_answer(octets) for _, octets in read_members(after_version[2][1], _OCSP)]
    window = intersection([window for window, _ in answers])
    if window is None:
        raise _no_ocsp("no answers in it")
    return OcspReading(window, frozenset([subject for _, subject in answers]))


def ocsp_subjects(request: bytes) -> frozenset[tuple[bytes, ...]]:
    """(name hash, key hash, serial) of each certificate that an OCSPRequest asks for (RFC 6960, section 4.1.1)."""
    what = "the OCSP request"
    outer = read_members(read_single(request, SEQUENCE, what), what)
    fields = read_members(outer[0][1], what) if outer and outer[0][0] == SEQUENCE else []
    listed = next((octets for tag, octets in fields if tag == SEQUENCE), b"")
    subjects = [_subject(read_members(octets, what)[:1], what) for _, octets in read_members(listed, what)]
    if not subjects:
        raise EvidenceFormatError(f"{what} asks for nothing", expected="an OCSPRequest (RFC 6960)")
    return frozenset(subjects)


def _single_answer(octets: bytes) -> tuple[Window, tuple[bytes, ...]]:
    """Window and subject of a SingleResponse."""
    members = read_members(octets, _OCSP)
    if len(members) < 3:
        raise _no_ocsp("an answer without dates")
    issued = _asn1_time(members[2], _OCSP)
    if len(members) > 3 and members[3][0] == _TAGGED_0:
        ends = _asn1_time((_GENERALIZED_TIME, read_single(members[3][1], _GENERALIZED_TIME, _OCSP)), _OCSP)
    elif issued.year < MAXYEAR:
        ends = issued + OCSP_LIFE_WITHOUT_END
    else:
        raise _no_ocsp("an answer at the end of time")
    return Window(issued, ends), _subject(members[:1], _OCSP)


def _subject(certificate_id: list[tuple[int, bytes]], what: str) -> tuple[bytes, ...]:
    """A CertID without its hash algorithm, which may be encoded in two ways."""
    if len(certificate_id) != 1 or certificate_id[0][0] != SEQUENCE:
        raise EvidenceFormatError(f"{what} without a CertID", expected="RFC 6960, section 4.1.1")
    return tuple([octets for _, octets in read_members(certificate_id[0][1], what)[1:]])


def _no_ocsp(found: str) -> EvidenceFormatError:
    return EvidenceFormatError(f"{_OCSP} is {found}", expected="an OCSPResponse with answers (RFC 6960)")


def _asn1_time(member: tuple[int, bytes], what: str) -> datetime:
    """UTCTime or GeneralizedTime as RFC 5280 (section 4.1.2.5) restricts them: to the second, in UTC."""
    tag, octets = member
    digits = octets[:-1].decode("ascii", "replace")
    if tag == _UTC_TIME:
        digits = f"{'20' if digits[:2] < '50' else '19'}{digits}"
    if tag in {_UTC_TIME, _GENERALIZED_TIME} and octets[-1:] == b"Z" and re.fullmatch(r"\d{14}", digits, re.ASCII):
        try:
            month, day, hour, minute, second = [int(digits[start : start + 2]) for start in range(4, 14, 2)]
            return datetime(int(digits[:4]), month, day, hour, minute, second, tzinfo=UTC)
        except ValueError:
            pass  # such as February 30th, refused below
    raise EvidenceFormatError(f"{what} has a malformed date", expected="UTCTime or GeneralizedTime ending in Z")
