"""OCSP answers (RFC 6960), put together and signed here: the library's builder draws a random nonce for each ECDSA signature.

::

    OCSPResponse   {status, [0] {id-pkix-ocsp-basic, OCTET STRING of:}}
    basic          {what is signed, ecdsa-with-SHA384, signature, [0] {the responder's certificate}}
    signed         {[2] responder's key hash, producedAt, {answer}, [1] {nonce}}
    answer         {CertID, good | revoked | unknown, thisUpdate, [0] nextUpdate}
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from voltage_attest.evidence.der import SEQUENCE, first_member, read_members, read_single
from voltage_attest.testing.keys import hash_for
from voltage_attest.testing.nvidia.certificates import NvidiaCertificateFields, NvidiaSigner
from voltage_attest.testing.nvidia.der import (
    ECDSA_WITH_SHA384,
    bit_string,
    context,
    enumerated,
    generalized_time,
    octet_string,
    oid,
    sequence,
    tlv,
)
from voltage_attest.testing.nvidia.world import OCSP_LIFE

__all__ = ["OcspError", "OcspFields", "OcspQuestion", "OcspStatus", "ocsp_error", "read_ocsp_question", "responder_fields"]

_BASIC: Final = "1.3.6.1.5.5.7.48.1.1"
_NONCE: Final = "1.3.6.1.5.5.7.48.1.2"
_GOOD, _REVOKED, _UNKNOWN = 0x80, 0xA1, 0x82
"""Implicit context tags of certStatus."""
_RESPONDER_LIFE: Final = timedelta(days=30)


class OcspStatus(StrEnum):
    """What a responder says of a certificate. HOLD is revoked with reason certificateHold: it may come back."""

    GOOD = "good"
    REVOKED = "revoked"
    HOLD = "hold"
    UNKNOWN = "unknown"


class OcspError(IntEnum):
    """A responder's answer that says nothing and is signed by nobody."""

    MALFORMED_REQUEST = 1
    INTERNAL_ERROR = 2
    TRY_LATER = 3
    SIGNATURE_REQUIRED = 5
    UNAUTHORIZED = 6


_REASONS: Final = {OcspStatus.REVOKED: 1, OcspStatus.HOLD: 6}
"""keyCompromise and certificateHold (RFC 5280, section 5.3.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OcspFields:
    """What an answer says. ``this_update`` None: when the fake NVIDIA issues. ``life`` None leaves out nextUpdate.

    ``echo_nonce`` repeats the request's nonce, if it has one; ``nonce`` is put in its place. ``cert_id`` (DER) answers for
    another certificate than was asked for. ``shows_responder`` False leaves out the responder's certificate.
    """

    status: OcspStatus = OcspStatus.GOOD
    this_update: datetime | None = None
    life: timedelta | None = OCSP_LIFE
    revoked_at: datetime | None = None
    echo_nonce: bool = True
    nonce: bytes | None = None
    cert_id: bytes | None = None
    shows_responder: bool = True


@dataclass(frozen=True, slots=True)
class OcspQuestion:
    """A request for one certificate's status. ``cert_id`` is the CertID as sent, DER; ``nonce`` None where it has none.

    ``issuer_hashes`` are those of the issuer's name and key, by ``algorithm``.
    """

    serial: int
    algorithm: hashes.HashAlgorithm
    issuer_hashes: tuple[bytes, bytes]
    cert_id: bytes
    nonce: bytes | None

    def is_for(self, issuer: NvidiaSigner) -> bool:
        """Whether that is the issuer it names, by the hashes of name and key."""
        point = issuer.key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
        name = issuer.certificate.subject.public_bytes()
        return self.issuer_hashes == (self._hash(name), self._hash(point))

    def _hash(self, data: bytes) -> bytes:
        digest = hashes.Hash(self.algorithm)
        digest.update(data)
        return digest.finalize()

    def answer(self, fields: OcspFields, responder: NvidiaSigner, issued_at: datetime) -> bytes:
        """Assemble and sign the answer."""
        this_update = fields.this_update or issued_at
        single = [
            fields.cert_id or self.cert_id,
            _status(fields, this_update),
            generalized_time(this_update),
        ]
        if fields.life is not None:
            single.append(context(0, generalized_time(this_update + fields.life)))
        signed = [
            context(2, octet_string(_key_hash(responder.key.public_key()))),
            generalized_time(this_update),
            sequence(sequence(*single)),
        ]
        nonce = fields.nonce or (self.nonce if fields.echo_nonce else None)
        if nonce is not None:
            signed.append(context(1, sequence(sequence(oid(_NONCE), octet_string(octet_string(nonce))))))
        data = sequence(*signed)
        signature = responder.key.sign(data, ec.ECDSA(hash_for(responder.key), deterministic_signing=True))
        shown = [context(0, sequence(responder.der))] if fields.shows_responder else []
        basic = sequence(data, ECDSA_WITH_SHA384, bit_string(signature), *shown)
        return sequence(enumerated(0), context(0, sequence(oid(_BASIC), octet_string(basic))))


def read_ocsp_question(der: bytes) -> OcspQuestion:
    """Read a request; ValueError (the parsers' errors are such) if it is none for exactly one certificate."""
    try:
        request = ocsp.load_der_ocsp_request(der)
        nonces = [extension.value.nonce for extension in request.extensions if isinstance(extension.value, x509.OCSPNonce)]
        algorithm = request.hash_algorithm
    except (NotImplementedError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        raise ValueError(str(error)) from None
    what = "OCSP request"
    to_be_signed = read_members(read_single(der, SEQUENCE, what), what)[0][1]
    requests = next(value for tag, value in read_members(to_be_signed, what) if tag == SEQUENCE)
    cert_id = first_member(read_members(requests, what)[0][1], what)
    issuer_hashes = (request.issuer_name_hash, request.issuer_key_hash)
    return OcspQuestion(request.serial_number, algorithm, issuer_hashes, cert_id, nonces[0] if nonces else None)


def ocsp_error(error: OcspError) -> bytes:
    """Return an answer that is only an error."""
    return sequence(enumerated(error))


def responder_fields(ocsp_issued_at: datetime) -> NvidiaCertificateFields:
    """A responder's certificate, to be issued by the CA whose certificates it answers for."""
    return NvidiaCertificateFields(
        common_name="NVIDIA OCSP Responder",
        country="US",
        not_before=ocsp_issued_at - timedelta(days=1),
        not_after=ocsp_issued_at + _RESPONDER_LIFE,
        extensions=(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), x509.OCSPNoCheck()),
    )


def _status(fields: OcspFields, this_update: datetime) -> bytes:
    reason = _REASONS.get(fields.status)
    if reason is not None:
        revoked_at = fields.revoked_at or this_update - timedelta(days=14)
        return tlv(_REVOKED, generalized_time(revoked_at), context(0, enumerated(reason)))
    return tlv(_GOOD if fields.status is OcspStatus.GOOD else _UNKNOWN)


def _key_hash(key: ec.EllipticCurvePublicKey) -> bytes:
    """SHA-1 of the public key, by which a responder names itself (RFC 6960, section 4.2.1)."""
    return x509.SubjectKeyIdentifier.from_public_key(key).digest
