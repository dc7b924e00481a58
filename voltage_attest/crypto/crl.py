"""Certificate revocation lists (RFC 5280, section 5; Intel PCK Certificate and CRL Profile, section 1.4)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509

from voltage_attest.crypto.certificates import Certificate
from voltage_attest.crypto.signatures import p256_verifies_der
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.der import SEQUENCE, first_member, read_members, read_single

__all__ = ["RevocationList", "load_crl", "why_not_issued_by"]

_ECDSA_WITH_SHA256: Final = bytes.fromhex("06082a8648ce3d040302")
"""The content of AlgorithmIdentifier {1.2.840.10045.4.3.2}."""


@dataclass(frozen=True, slots=True)
class RevocationList:
    """One CRL: DER bytes, window (UTC), CRL number, the issuer's key identifier, and how many serials it revokes.

    ``signed_bytes`` is the tbsCertList as received, not re-encoded; ``signature`` is DER.
    """

    der: bytes
    x509: x509.CertificateRevocationList
    issuer: x509.Name
    this_update: datetime
    next_update: datetime
    signed_bytes: bytes
    signature: bytes
    crl_number: int | None
    authority_key_identifier: bytes | None
    revoked_count: int

    def revokes(self, certificate: Certificate) -> bool:
        """Whether the certificate's serial number is on the list."""
        return self.x509.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None


def load_crl(der: bytes, what: str) -> RevocationList:
    """Read a CRL in DER; :class:`EvidenceFormatError` if it is none, has no nextUpdate, or a critical extension we do not know."""
    try:
        crl = x509.load_der_x509_crl(der)
        this_update, next_update = crl.last_update_utc, crl.next_update_utc
        extensions = list(crl.extensions)
        issuer, count, signature = crl.issuer, len(crl), crl.signature
    except (ValueError, TypeError, x509.DuplicateExtension) as error:
        raise EvidenceFormatError(f"{what}: not a CRL ({error})", expected="a CRL in DER (RFC 5280)") from None
    if next_update is None:
        raise EvidenceFormatError(f"{what}: without nextUpdate", expected="a CRL that says when it ends")
    crl_number = authority_key_identifier = None
    for extension in extensions:
        if isinstance(extension.value, x509.CRLNumber):
            crl_number = extension.value.crl_number
        elif isinstance(extension.value, x509.AuthorityKeyIdentifier):
            authority_key_identifier = extension.value.key_identifier
        elif extension.critical:
            raise EvidenceFormatError(
                f"{what}: critical extension {extension.oid.dotted_string}", expected="a full CRL (no delta, no partition)"
            )
    signed_bytes = _signed_bytes(der, what)
    return RevocationList(
        der, crl, issuer, this_update, next_update, signed_bytes, signature, crl_number, authority_key_identifier, count
    )


def _signed_bytes(der: bytes, what: str) -> bytes:
    """The tbsCertList exactly as received, once both algorithm fields say ecdsa-with-SHA256 (RFC 5280, section 5.1.1.2)."""
    crl = read_single(der, SEQUENCE, what)
    tbs_cert_list, *algorithm_and_signature = read_members(crl, what)
    fields = read_members(tbs_cert_list[1], what)
    algorithms = [*algorithm_and_signature[:1], *fields[1:2]]
    if algorithms != [(SEQUENCE, _ECDSA_WITH_SHA256)] * 2:
        raise EvidenceFormatError(f"{what}: signed with another algorithm", expected="ECDSA-SHA256, named twice alike")
    return first_member(crl, what)


def why_not_issued_by(crl: RevocationList, issuer: Certificate) -> str | None:
    """Return why ``crl`` is not ``issuer``'s own, or None if it is: name, extensions, then signature."""
    if crl.issuer != issuer.x509.subject:
        return f"issued by {crl.issuer.rfc4514_string()!r}"
    if crl.crl_number is None or crl.authority_key_identifier is None:
        return "without CRL number or authority key identifier"
    if crl.authority_key_identifier != issuer.subject_key_identifier:
        return f"authority key identifier {crl.authority_key_identifier.hex()}"
    return None if p256_verifies_der(issuer.public_key, crl.signature, crl.signed_bytes) else "its signature does not verify"
