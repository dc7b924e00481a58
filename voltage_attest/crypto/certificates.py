"""X.509 certificates as the checks see them, and chains to a pinned root (RFC 5280)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import verification
from cryptography.x509.oid import NameOID, SignatureAlgorithmOID

from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.pem import parse_pem_chain

__all__ = ["Certificate", "CertificateLoader", "load_certificate", "why_chain_fails"]

_CA_POLICY: Final = verification.ExtensionPolicy.permit_all().require_present(
    x509.BasicConstraints, verification.Criticality.AGNOSTIC, None
)
_END_ENTITY_POLICY: Final = verification.ExtensionPolicy.permit_all()


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate: its DER bytes and what the checks ask of it. Dates are UTC; ``public_key`` is P-256."""

    der: bytes
    x509: x509.Certificate
    common_name: str
    serial_number: int
    not_before: datetime
    not_after: datetime
    public_key: ec.EllipticCurvePublicKey
    is_ca: bool
    may_sign: bool
    may_certify: bool
    subject_key_identifier: bytes | None
    extension_oids: frozenset[str]

    def extension(self, oid: str) -> bytes | None:
        """The value of an extension that ``cryptography`` does not decode, or None."""
        for extension in self.x509.extensions:
            if extension.oid.dotted_string == oid:
                value = extension.value
                return value.value if isinstance(value, x509.UnrecognizedExtension) else None
        return None


def load_certificate(der: bytes, what: str) -> Certificate:
    """Read a certificate with a P-256 key, signed with ECDSA and SHA-256; :class:`EvidenceFormatError` otherwise."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        extensions = certificate.extensions
        public_key = certificate.public_key()
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        not_before, not_after = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        serial_number = certificate.serial_number
        signature_algorithm = certificate.signature_algorithm_oid
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, TypeError) as error:
        raise EvidenceFormatError(f"{what}: not an X.509 certificate ({error})", expected="DER (RFC 5280)") from None
    if not isinstance(public_key, ec.EllipticCurvePublicKey) or not isinstance(public_key.curve, ec.SECP256R1):
        raise EvidenceFormatError(f"{what}: its key is not P-256", expected="an ECDSA P-256 key")
    if signature_algorithm != SignatureAlgorithmOID.ECDSA_WITH_SHA256:
        raise EvidenceFormatError(f"{what}: signed with {signature_algorithm.dotted_string}", expected="ECDSA-SHA256")
    if len(names) != 1 or not isinstance(names[0].value, str):
        raise EvidenceFormatError(f"{what}: {len(names)} common names", expected="one")
    is_ca = may_sign = may_certify = False
    subject_key_identifier = None
    for extension in extensions:
        value = extension.value
        if isinstance(value, x509.BasicConstraints):
            is_ca = value.ca
        elif isinstance(value, x509.KeyUsage):
            may_sign, may_certify = value.digital_signature, value.key_cert_sign
        elif isinstance(value, x509.SubjectKeyIdentifier):
            subject_key_identifier = value.key_identifier
    oids = frozenset([extension.oid.dotted_string for extension in extensions])
    return Certificate(
        der,
        certificate,
        names[0].value,
        serial_number,
        not_before,
        not_after,
        public_key,
        is_ca,
        may_sign,
        may_certify,
        subject_key_identifier,
        oids,
    )


class CertificateLoader:
    """Loads certificates and keeps what it has read, by DER bytes: the same root and CA come with every document.

    Bounded; safe to share between threads (a lost race reads one certificate twice).
    """

    __slots__ = ("_capacity", "_known")

    def __init__(self, capacity: int = 256) -> None:
        self._capacity = capacity
        self._known: dict[bytes, Certificate] = {}

    def load(self, der: bytes, what: str) -> Certificate:
        """As :func:`load_certificate`."""
        known = self._known.get(der)
        if known is None:
            known = load_certificate(der, what)
            if len(self._known) >= self._capacity:
                self._known.clear()
            self._known[der] = known
        return known

    def chain(self, pem: bytes, what: str) -> tuple[Certificate, ...]:
        """Read a PEM chain in the order given; :class:`EvidenceFormatError` otherwise."""
        ders = parse_pem_chain(pem, what)
        return tuple([self.load(der, f"{what}, certificate {number}") for number, der in enumerate(ders, 1)])


def why_chain_fails(chain: tuple[Certificate, ...], root: Certificate) -> str | None:
    """Return why ``chain`` (leaf first, root last) does not lead to ``root``, or None if it does.

    The last certificate must be ``root`` byte for byte; a look-alike with the same subject is not. Links, signatures and CA
    constraints are then verified by ``cryptography``'s path builder at an instant when all were valid: whether the appraisal
    time is such an instant is a check of its own.
    """
    if chain[-1].der != root.der:
        return f"the last certificate ({chain[-1].common_name!r}) is not the pinned root"
    leaf, *intermediates = chain[:-1]
    latest_start = max(certificate.not_before for certificate in chain)
    if latest_start > min(certificate.not_after for certificate in chain):
        return "at no time were all of its certificates valid"
    builder = (
        verification.PolicyBuilder()
        .store(verification.Store([root.x509]))
        .time(latest_start)
        .max_chain_depth(len(intermediates))
        .extension_policies(ca_policy=_CA_POLICY, ee_policy=_END_ENTITY_POLICY)
    )
    try:
        verified = builder.build_client_verifier().verify(leaf.x509, [link.x509 for link in intermediates])
    except verification.VerificationError as error:
        return f"a link of the chain does not hold ({str(error).splitlines()[0][:200]})"
    if verified.chain != [certificate.x509 for certificate in chain]:
        return "the path found is not the chain given"
    return None
