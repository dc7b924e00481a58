"""Certificate revocation lists (RFC 5280, section 5; Intel PCK Certificate and CRL Profile, section 1.4).

NVIDIA's are read by the same rules. They are signed with P-384 keys over SHA-256.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.x509 import ReasonFlags

from voltage_attest.crypto.certificates import UNREADABLE_X509, Certificate
from voltage_attest.crypto.signatures import P256, Curve
from voltage_attest.crypto.signed import SignedStructure, split_signed
from voltage_attest.errors import EvidenceFormatError

__all__ = ["RevocationList", "load_crl", "why_not_issued_by", "why_not_signed_by"]

_KEPT_ANSWERS: Final = 4096
_ISSUER: Final = 2
"""Position in tbsCertList, after version and algorithm (a CRL with extensions is version 2 and says so)."""


@dataclass(frozen=True, slots=True)
class RevocationList:
    """One CRL: DER bytes, window (UTC), CRL number, and the issuer's key identifier."""

    der: bytes
    x509: x509.CertificateRevocationList
    signed: SignedStructure
    this_update: datetime
    next_update: datetime
    crl_number: int | None
    authority_key_identifier: bytes | None
    _answers: dict[int, bool] = field(default_factory=dict, compare=False, repr=False)

    @property
    def issuer_name(self) -> tuple[int, bytes]:
        """The issuer's name, as encoded."""
        return self.signed.fields[_ISSUER]

    @property
    def issuer(self) -> str:
        """The issuer's name as text, or as hex where it is no readable name."""
        try:
            return self.x509.issuer.rfc4514_string()
        except UNREADABLE_X509:
            return self.signed.fields[_ISSUER][1].hex()

    @property
    def revoked_count(self) -> int:
        """How many serials it revokes."""
        return len(self.x509)

    def reason(self, certificate: Certificate) -> ReasonFlags | None:
        """Why the certificate is on the list; None where it is not, or the list gives no reason that can be read."""
        entry = self.x509.get_revoked_certificate_by_serial_number(certificate.serial_number)
        try:
            return None if entry is None else entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
        except (x509.ExtensionNotFound, *UNREADABLE_X509):
            return None

    def revokes(self, certificate: Certificate) -> bool:
        """Whether the certificate's serial number is on the list. A list never changes, so each answer is kept."""
        serial = certificate.serial_number
        answer = self._answers.get(serial)
        if answer is None:
            answer = self.x509.get_revoked_certificate_by_serial_number(serial) is not None
            if len(self._answers) >= _KEPT_ANSWERS:
                self._answers.clear()
            self._answers[serial] = answer
        return answer


def load_crl(der: bytes, what: str, curve: Curve = P256) -> RevocationList:
    """Read a full CRL in DER; :class:`EvidenceFormatError` if it is none, has no nextUpdate, or is partial or a delta."""
    signed = split_signed(der, what, curve)
    try:
        crl = x509.load_der_x509_crl(der)
        this_update, next_update = crl.last_update_utc, crl.next_update_utc
        extensions = list(crl.extensions)
    except UNREADABLE_X509 as error:
        raise EvidenceFormatError(f"{what}: not a CRL ({error})", expected="a CRL in DER (RFC 5280)") from None
    if next_update is None:
        raise EvidenceFormatError(f"{what}: without nextUpdate", expected="a CRL that says when it ends")
    crl_number = authority_key_identifier = None
    for extension in extensions:
        if isinstance(extension.value, x509.CRLNumber):
            crl_number = extension.value.crl_number
        elif isinstance(extension.value, x509.AuthorityKeyIdentifier):
            authority_key_identifier = extension.value.key_identifier
        else:  # an issuing distribution point or a delta indicator would mean that it does not cover every certificate
            raise EvidenceFormatError(
                f"{what}: extension {extension.oid.dotted_string}",
                expected="a full CRL with cRLNumber and authorityKeyIdentifier alone",
            )
    return RevocationList(der, crl, signed, this_update, next_update, crl_number, authority_key_identifier)


def why_not_issued_by(crl: RevocationList, issuer: Certificate) -> str | None:
    """Return why ``crl`` is not ``issuer``'s own, or None if it is: name, extensions, then signature."""
    if crl.issuer_name != issuer.subject:
        return f"issued by {crl.issuer!r}"
    if crl.crl_number is None or crl.authority_key_identifier is None:
        return "without CRL number or authority key identifier"
    if crl.authority_key_identifier != issuer.extensions.subject_key_identifier:
        return f"authority key identifier {crl.authority_key_identifier.hex()}"
    return None if crl.signed.verifies(issuer.public_key) else "its signature does not verify"


def why_not_signed_by(crl: RevocationList, issuer: Certificate) -> str | None:
    """The same where the extensions are not relied on: name and signature say whose list it is, and keyUsage that it may."""
    if crl.issuer_name != issuer.subject:
        return f"issued by {crl.issuer!r}"
    if not issuer.extensions.may_sign_crls:
        return f"{issuer.common_name!r} may not sign CRLs"
    return None if crl.signed.verifies(issuer.public_key) else "its signature does not verify"
