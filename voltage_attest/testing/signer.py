"""A certificate together with its private key: what issues certificates, revocation lists and signatures.

Shaped after ``trustme``: real X.509 from a tiny API. Validity is never stretched, so that expiry can be tested.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from voltage_attest.testing.keys import derive_key, hash_for, sign_raw

__all__ = ["CertificateFields", "Certified", "RevocationFields", "Signer", "self_signed"]

_REVOKED_AT: Final = datetime(2026, 10, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFields:
    """What a certificate says. Override one field with :func:`dataclasses.replace`, keep the rest.

    ``label`` tells apart certificates of one name and issuer: key and serial number (19 bytes and 7 bits at most)
    follow from issuer, name and label. ``path_length`` counts only where ``ca`` is true. ``crl_url`` becomes the CRL
    distribution point. ``extensions`` are added as they are, non-critical.
    """

    common_name: str
    not_before: datetime
    not_after: datetime
    label: str = ""
    ca: bool = False
    path_length: int | None = None
    serial: int | None = None
    crl_url: str | None = None
    extensions: tuple[x509.ExtensionType, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationFields:
    """What a certificate revocation list (CRL) says.

    ``revoked`` holds serial numbers, ``reason`` is theirs. ``number`` None leaves out the CRL number, ``names_authority``
    False the authority key identifier; both are mandatory (RFC 5280, section 5.2). ``critical_extensions`` are added as
    they are.
    """

    this_update: datetime
    next_update: datetime
    revoked: tuple[int, ...] = ()
    reason: x509.ReasonFlags = x509.ReasonFlags.key_compromise
    number: int | None = 1
    names_authority: bool = True
    critical_extensions: tuple[x509.ExtensionType, ...] = ()


@dataclass(frozen=True, slots=True)
class Certified:
    """A certificate, its private key, and the signer that issued it (None: it issued itself); Intel's and NVIDIA's alike.

    ``issuer`` is what the chain shows, not what is checked: ``replace(signer, issuer=other)`` makes a chain that does
    not link, ``replace(signer, key=other)`` one who signs with a key that is not in the certificate.
    """

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)
    name: str
    issuer: Self | None = None

    @property
    def der(self) -> bytes:
        """The certificate in DER."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> str:
        """The certificate in PEM, ending in a line break."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")

    @property
    def serial(self) -> int:
        """The certificate's serial number."""
        return self.certificate.serial_number

    @property
    def chain(self) -> tuple[Self, ...]:
        """This signer, its issuer, and so on up to the root."""
        return tuple(self._ascend())

    @property
    def chain_pem(self) -> str:
        """The certificates of :attr:`chain` in PEM, leaf first."""
        return "".join(signer.pem for signer in self._ascend())

    def _ascend(self) -> Iterator[Self]:
        signer: Self | None = self
        while signer is not None:
            yield signer
            signer = signer.issuer

    def sign(self, message: bytes) -> bytes:
        """Sign as Intel signs quotes and JSON (P-256, SHA-256, 64 bytes), NVIDIA reports (P-384, SHA-384, 96): r || s."""
        return sign_raw(self.key, message)

    def revocation_list(self, fields: RevocationFields) -> bytes:
        """Issue a CRL, version 2, in DER."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(fields.this_update)
            .next_update(fields.next_update)
        )
        if fields.number is not None:
            builder = builder.add_extension(x509.CRLNumber(fields.number), critical=False)
        if fields.names_authority:
            builder = builder.add_extension(_authority(self.key.public_key()), critical=False)
        for extension in fields.critical_extensions:
            builder = builder.add_extension(extension, critical=True)
        for serial in fields.revoked:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(serial)
                .revocation_date(_REVOKED_AT)
                .add_extension(x509.CRLReason(fields.reason), critical=False)
                .build()
            )
        crl = builder.sign(self.key, hash_for(self.key), ecdsa_deterministic=True)
        return crl.public_bytes(serialization.Encoding.DER)


@dataclass(frozen=True, slots=True)
class Signer(Certified):
    """One of Intel's: what it issues has Intel's names, extensions and curve."""

    def issue(self, fields: CertificateFields) -> Signer:
        """Issue a certificate with a key of its own."""
        name = f"{self.name}/{fields.common_name}/{fields.label}"
        key = derive_key(name)
        return Signer(_build(fields, name, key.public_key(), self.certificate.subject, self.key), key, name, self)


def self_signed(world: str, fields: CertificateFields) -> Signer:
    """Make a root of trust: a certificate signed by its own key. Another ``world`` has other keys under equal names."""
    name = f"{world}/{fields.common_name}/{fields.label}"
    key = derive_key(name)
    certificate = _build(fields, name, key.public_key(), _subject(fields.common_name), key)
    return Signer(certificate, key, name)


def _build(
    fields: CertificateFields,
    name: str,
    public_key: ec.EllipticCurvePublicKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    """Lay out a certificate with the extensions that Intel's carry, in Intel's order."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(_subject(fields.common_name))
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(_serial(name) if fields.serial is None else fields.serial)
        .not_valid_before(fields.not_before)
        .not_valid_after(fields.not_after)
        .add_extension(_authority(issuer_key.public_key()), critical=False)
    )
    if fields.crl_url is not None:
        builder = builder.add_extension(_distribution_points(fields.crl_url), critical=False)
    builder = (
        builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(_key_usage(ca=fields.ca), critical=True)
        .add_extension(x509.BasicConstraints(fields.ca, fields.path_length if fields.ca else None), critical=True)
    )
    for extension in fields.extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(issuer_key, hash_for(issuer_key), ecdsa_deterministic=True)


def _subject(common_name: str) -> x509.Name:
    """Intel's name, attribute by attribute in Intel's order."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Intel Corporation"),
            x509.NameAttribute(NameOID.LOCALITY_NAME, "Santa Clara"),
            x509.NameAttribute(NameOID.STATE_OR_PROVINCE_NAME, "CA"),
            x509.NameAttribute(NameOID.COUNTRY_NAME, "US"),
        ]
    )


def _serial(name: str) -> int:
    # One bit less than 20 bytes: X.509 integers are signed, and RFC 5280 allows 20 octets.
    return int.from_bytes(sha256(b"serial/" + name.encode()).digest()[:20], "big") >> 1


def _authority(issuer_key: ec.EllipticCurvePublicKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key)


def _distribution_points(url: str) -> x509.CRLDistributionPoints:
    point = x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)
    return x509.CRLDistributionPoints([point])


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=not ca,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )
