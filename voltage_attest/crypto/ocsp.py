"""Online certificate status (OCSP, RFC 6960): the question about one certificate, and the answer, read strictly and proven.

NVIDIA's responder (ocsp.ndis.nvidia.com) answers a CertID made with SHA-256 for every certificate but a device's leaf. It signs
with a delegated key, whose certificate it encloses and the asked certificate's own issuer signed; echoes the nonce in the
``responseExtensions``; and dates the answer at the second of the request, for 24 hours. What its SDKs leave out is done here:
CertID, responder, purpose and dates are all compared (RFC 6960, section 3.2).

Whether the responder's own certificate is revoked is not asked: NVIDIA marks it ``id-pkix-ocsp-nocheck`` (section 4.2.2.2.1).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from voltage_attest.crypto.certificates import UNREADABLE_X509, Certificate, link_key, load_certificate
from voltage_attest.crypto.extensions import EXTENDED_KEY_USAGE, UNDERSTOOD
from voltage_attest.crypto.signatures import P384_STATUS, SignatureMemo
from voltage_attest.crypto.signed import SignedStructure
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.der import (
    BIT_STRING,
    ENUMERATED,
    OBJECT_IDENTIFIER,
    OCTET_STRING,
    SEQUENCE,
    first_member,
    read_members,
    read_single,
)
from voltage_attest.limits import OCSP_LIFE_WITHOUT_END, OCSP_REFUSALS

__all__ = [
    "CLOCK_SKEW",
    "CertificateId",
    "OcspResponse",
    "OcspStatus",
    "Unanswered",
    "build_ocsp_request",
    "parse_ocsp_response",
    "signer_of",
    "why_not_about",
    "why_not_current",
    "why_not_issued_for",
]

OcspStatus = ocsp.OCSPCertStatus

CLOCK_SKEW: Final = timedelta(minutes=5)
"""How far ``thisUpdate`` may lie after the appraisal time: the responder dates its answer by its clock, after we asked."""
_MAX_RESPONSE_SIZE: Final = 16 * 1024
"""Bytes; real answers have about 1,000."""
_MAX_CERTIFICATES: Final = 4

_BASIC_RESPONSE: Final = (OBJECT_IDENTIFIER, bytes.fromhex("2b0601050507300101"))
_OCSP_SIGNING: Final = (OBJECT_IDENTIFIER, bytes.fromhex("2b06010505070309"))
_ENCLOSED: Final = 0xA0
_VERSION_TAG, _BY_NAME, _BY_KEY = 0xA0, 0xA1, 0xA2
_UNDERSTOOD: Final = UNDERSTOOD | {EXTENDED_KEY_USAGE}
_HASHES: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "sha256": lambda data: hashlib.sha256(data).digest(),
    "sha384": lambda data: hashlib.sha384(data).digest(),
}
"""With which an answer's CertID may be made. We ask with SHA-256, as NVIDIA's SDK does since 2.0; nvtrust with SHA-384."""


class CertificateId(NamedTuple):
    """Whose status is meant: hashes of the issuer's name and key by the named algorithm, and the serial number."""

    hash_name: str
    issuer_name_hash: bytes
    issuer_key_hash: bytes
    serial_number: int


class Unanswered(NamedTuple):
    """The responder gave no answer, for the reason named by an unsigned status (``tryLater``): as good as silence."""

    status: str


@dataclass(frozen=True, slots=True)
class OcspResponse:
    """A well-formed answer about one certificate, not proven yet. Dates are UTC; ``next_update`` is never absent.

    ``responder`` is how it names who signed: tag and content of a ResponderID. ``certificates`` are those enclosed.
    ``reason`` is that of a revocation, None where none is given.
    """

    der: bytes
    signed: SignedStructure
    certificates: tuple[Certificate, ...]
    responder: tuple[int, bytes]
    certificate_id: CertificateId
    status: OcspStatus
    reason: x509.ReasonFlags | None
    this_update: datetime
    next_update: datetime
    nonce: bytes | None


def build_ocsp_request(certificate: Certificate, issuer: Certificate, nonce: bytes | None) -> bytes:
    """DER of the question for the status of ``certificate``, unsigned, with ``nonce`` (RFC 9654: 1 to 128 bytes) or without."""
    asked = certificate_id(certificate, issuer, "sha256")
    builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(
        asked.issuer_name_hash, asked.issuer_key_hash, asked.serial_number, hashes.SHA256()
    )
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


def certificate_id(certificate: Certificate, issuer: Certificate, hash_name: str) -> CertificateId:
    """The CertID of a certificate (RFC 6960, section 4.1.1): the issuer's name as the certificate has it, the issuer's key."""
    digest = _HASHES[hash_name]
    return CertificateId(
        hash_name,
        digest(certificate.issuer_name),
        digest(issuer.key_bits),
        certificate.serial_number,
    )


def parse_ocsp_response(der: bytes, what: str) -> OcspResponse | Unanswered:
    """Read an answer about exactly one certificate; :class:`EvidenceFormatError` if it is none.

    It must be a basic response, signed with ECDSA P-384 over SHA-384 or SHA-256, and have no critical extension but the nonce.
    More than one single response is refused: one certificate was asked for (RFC 6960, section 4.2.2.3).
    """
    if len(der) > _MAX_RESPONSE_SIZE:
        raise _malformed(what, f"{len(der)} bytes", f"at most {_MAX_RESPONSE_SIZE}")
    basic = _open(der, what)
    if isinstance(basic, Unanswered):
        return basic
    signed, certificates = _split(basic, what)
    try:
        response = ocsp.load_der_ocsp_response(der)
        singles = list(response.responses)
        if len(singles) != 1:
            raise _malformed(what, f"{len(singles)} single responses", "one, about the certificate that was asked for")
        single, extensions = singles[0], list(response.extensions)
        asked = CertificateId(single.hash_algorithm.name, single.issuer_name_hash, single.issuer_key_hash, single.serial_number)
        status, reason = single.certificate_status, single.revocation_reason
        this_update, next_update = single.this_update_utc, single.next_update_utc
        next_update = this_update + OCSP_LIFE_WITHOUT_END if next_update is None else next_update
        critical = [extension for extension in response.single_extensions if extension.critical]
    except (*UNREADABLE_X509, OverflowError) as error:
        raise _malformed(what, f"not an OCSP response ({error})", "an OCSP response in DER") from None
    nonces = [extension.value.nonce for extension in extensions if isinstance(extension.value, x509.OCSPNonce)]
    critical += [extension for extension in extensions if extension.critical and extension.oid != x509.OCSPNonce.oid]
    if critical:
        found = f"critical extension {critical[0].oid.dotted_string}"
        raise _malformed(what, found, "no critical extension but the nonce")
    return OcspResponse(
        der,
        signed,
        tuple([load_certificate(each, f"{what}, responder", P384_STATUS, _UNDERSTOOD) for each in certificates]),
        _responder(signed, what),
        asked,
        status,
        reason,
        this_update,
        next_update,
        nonces[0] if nonces else None,
    )


def _open(der: bytes, what: str) -> bytes | Unanswered:
    """The content of the BasicOCSPResponse inside an OCSPResponse, or the status that stands in its place."""
    head, *rest = read_members(read_single(der, SEQUENCE, what), what) or [(0, b"")]
    refusal = OCSP_REFUSALS.get(int.from_bytes(head[1], "big")) if len(head[1]) == 1 else None
    if head[0] == ENUMERATED and refusal is not None and not rest:
        return Unanswered(refusal)
    if head != (ENUMERATED, b"\0") or len(rest) != 1 or rest[0][0] != _ENCLOSED:
        raise _malformed(what, f"status {head[1][:8].hex()} with {len(rest)} parts", "success with an answer, or a refusal")
    members = read_members(read_single(rest[0][1], SEQUENCE, what), what)
    if len(members) != 2 or members[0] != _BASIC_RESPONSE or members[1][0] != OCTET_STRING:
        raise _malformed(what, "an answer of another type", "a basic response (RFC 6960, section 4.2.1)")
    return read_single(members[1][1], SEQUENCE, what)


def _split(basic: bytes, what: str) -> tuple[SignedStructure, list[bytes]]:
    """Take a BasicOCSPResponse apart: what is signed, and the certificates enclosed, all as received."""
    members = read_members(basic, what)
    tags = [tag for tag, _ in members]
    if tags[:3] != [SEQUENCE, SEQUENCE, BIT_STRING] or tags[3:] not in ([], [_ENCLOSED]) or members[2][1][:1] != b"\0":
        raise _malformed(what, "not a signed structure", "{to be signed, algorithm, signature, certificates}")
    ecdsa = P384_STATUS.algorithms.get(members[1])
    if ecdsa is None:
        raise _malformed(what, "signed with another algorithm", P384_STATUS.scheme)
    fields = tuple(read_members(members[0][1], what))
    certificates: list[bytes] = []
    rest = read_single(members[3][1], SEQUENCE, what) if tags[3:] else b""
    while rest:
        certificates.append(first_member(rest, what))
        rest = rest[len(certificates[-1]) :]
    if len(certificates) > _MAX_CERTIFICATES:
        raise _malformed(what, f"{len(certificates)} certificates", f"at most {_MAX_CERTIFICATES}")
    return SignedStructure(first_member(basic, what), fields, members[2][1][1:], ecdsa), certificates


def _responder(signed: SignedStructure, what: str) -> tuple[int, bytes]:
    """Tag and content of the name, or the SHA-1 of the key (20 bytes), by which a ResponderID tells who signed."""
    named = [field for field in signed.fields[:2] if field[0] != _VERSION_TAG][:1]
    tag, octets = named[0] if named else (0, b"")
    if tag == _BY_NAME:
        return _BY_NAME, read_single(octets, SEQUENCE, what)
    if tag == _BY_KEY:
        return _BY_KEY, read_single(octets, OCTET_STRING, what)
    raise _malformed(what, f"a responder with tag {tag:#04x}", "a responder's name or key hash")


def why_not_about(response: OcspResponse, certificate: Certificate, issuer: Certificate) -> str | None:
    """Return whom else the answer is about than ``certificate``, or None if it is about that one."""
    found = response.certificate_id
    if found.hash_name not in _HASHES:
        return f"a certificate named with {found.hash_name}"
    expected = certificate_id(certificate, issuer, found.hash_name)
    if found.serial_number != expected.serial_number:
        return f"serial number {found.serial_number:x}"
    if found != expected:
        return f"serial number {found.serial_number:x} of another issuer"
    return None


def why_not_issued_for(response: OcspResponse, issuer: Certificate, at: datetime, memo: SignatureMemo) -> str | None:
    """Return why the answer does not speak for ``issuer`` at ``at``, or None if it does: its signature and its signer.

    The signer is ``issuer`` itself, or one whose enclosed certificate ``issuer`` signed for OCSP signing (RFC 6960, section
    4.2.2.2), no CA, in date. Nobody else may, whatever root vouches for him. Good signatures are remembered by ``memo``.
    """
    signer = signer_of(response, issuer)
    if signer is None:
        return "its responder's certificate is not enclosed"
    if signer is not issuer:
        reason = _why_not_delegated(signer, issuer, at, memo)
        if reason is not None:
            return f"{signer.common_name!r} {reason}"
    if not memo.holds((b"ocsp", signer.der, response.der), lambda: response.signed.verifies(signer.public_key)):
        return f"its signature is not {signer.common_name!r}'s"
    return None


def signer_of(response: OcspResponse, issuer: Certificate) -> Certificate | None:
    """Whom the answer names as its signer, unproven: ``issuer``, or a responder whose certificate is enclosed; else None."""
    return next((each for each in (issuer, *response.certificates) if _names(response.responder, each)), None)


def _names(responder: tuple[int, bytes], certificate: Certificate) -> bool:
    tag, content = responder
    if tag == _BY_NAME:
        return certificate.subject == (SEQUENCE, content)
    return hashlib.sha1(certificate.key_bits, usedforsecurity=False).digest() == content  # it only finds the key


def _why_not_delegated(signer: Certificate, issuer: Certificate, at: datetime, memo: SignatureMemo) -> str | None:
    extensions = signer.extensions
    if signer.issuer != issuer.subject:
        return f"was not issued by {issuer.common_name!r}"
    if not memo.holds(link_key(signer, issuer), signer.is_signed_by(issuer)):
        return f"is not signed by this {issuer.common_name!r}"
    if not _is_for_ocsp(extensions.values.get(EXTENDED_KEY_USAGE)):
        return "is not for OCSP signing (extended key usage)"
    if extensions.is_ca or (extensions.restricts_usage and not extensions.may_sign):
        return "is a CA, or may not sign"
    if not signer.not_before <= at <= signer.not_after:
        return f"is valid {signer.not_before.isoformat()} to {signer.not_after.isoformat()}"
    return None


def _is_for_ocsp(usages: bytes | None) -> bool:
    """Whether a value of extendedKeyUsage names OCSP signing; "any" does not do (RFC 6960, section 4.2.2.2)."""
    if usages is None:
        return False
    try:
        return _OCSP_SIGNING in read_members(read_single(usages, SEQUENCE, "extended key usage"), "extended key usage")
    except EvidenceFormatError:
        return False


def why_not_current(response: OcspResponse, at: datetime, nonce: bytes | None) -> str | None:
    """Return why the answer is not one for now, or None if it is: its window contains ``at``, and it echoes ``nonce`` if one
    was sent.
    """
    if nonce is not None and response.nonce is None:
        return "no nonce, although one was sent"
    if nonce is not None and not hmac.compare_digest(nonce, response.nonce or b""):
        return f"nonce {(response.nonce or b'')[:64].hex()}"
    if response.this_update - at > CLOCK_SKEW or at > response.next_update:
        return f"valid {response.this_update.isoformat()} to {response.next_update.isoformat()}"
    return None


def _malformed(what: str, found: str, expected: str) -> EvidenceFormatError:
    return EvidenceFormatError(
        f"{what}: {found}", expected=expected, remedy="Ask the responder again, and keep its bytes unchanged."
    )
