"""NVIDIA's certificates: the names, extensions and serial numbers of real ones, on keys that everyone can derive.

All keys are P-384, all signatures ECDSA with SHA-384. Dates before 2050 are encoded as UTCTime, which is the standard's way;
NVIDIA's manifest signers encode them as GeneralizedTime, which no public builder does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from voltage_attest.testing.keys import derive_p384_key, hash_for
from voltage_attest.testing.nvidia.der import tlv
from voltage_attest.testing.signer import Certified

__all__ = ["NvidiaCertificateFields", "NvidiaSigner", "nvidia_root", "spki_der"]

_UTF8_STRING: Final = 0x0C
_DEVICE_NAME: Final = x509.ObjectIdentifier("1.3.6.1.4.1.412.274.1")
"""DMTF's device info, an OtherName of SPDM certificates (DSP0274, section 10.8.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NvidiaCertificateFields:
    """What a certificate says. Override one field with :func:`dataclasses.replace`, keep the rest.

    ``organization`` and ``country`` stand in the name where given, the serial number if ``shows_serial``, as devices' do.
    ``serial`` None: it follows from the key's identifier, as in NVIDIA's leaves. A CA may certify and, if ``signs_crls``, sign
    lists; an end entity may sign; ``key_usage`` replaces either. ``basic_constraints`` False leaves that extension out, as in
    device leaves. ``ocsp_url`` and ``crl_url`` become AIA and CRL distribution point, ``device_name`` an alternative name.
    ``extensions`` are added as they are, non-critical. ``label`` tells apart certificates of one name and issuer.
    """

    common_name: str
    not_before: datetime
    not_after: datetime
    label: str = ""
    organization: str | None = "NVIDIA Corporation"
    country: str | None = None
    shows_serial: bool = False
    serial: int | None = None
    ca: bool = False
    path_length: int | None = None
    signs_crls: bool = True
    key_usage: x509.KeyUsage | None = None
    basic_constraints: bool = True
    ocsp_url: str | None = None
    crl_url: str | None = None
    device_name: str | None = None
    extensions: tuple[x509.ExtensionType, ...] = ()


@dataclass(frozen=True, slots=True)
class NvidiaSigner(Certified):
    """One of NVIDIA's: what it issues has NVIDIA's names, extensions and curve."""

    def issue(self, fields: NvidiaCertificateFields) -> NvidiaSigner:
        """Issue a certificate with a key of its own."""
        name = f"{self.name}/{fields.common_name}/{fields.label}"
        key = derive_p384_key(name)
        return NvidiaSigner(_build(fields, name, key.public_key(), self.certificate.subject, self.key), key, name, self)


def nvidia_root(world: str, fields: NvidiaCertificateFields) -> NvidiaSigner:
    """Make a root of trust: a certificate signed by its own key. Another ``world`` has other keys under equal names."""
    name = f"{world}/{fields.common_name}/{fields.label}"
    key = derive_p384_key(name)
    return NvidiaSigner(_build(fields, name, key.public_key(), None, key), key, name)


def spki_der(key: ec.EllipticCurvePublicKey) -> bytes:
    """Return the key's SubjectPublicKeyInfo in DER."""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _build(
    fields: NvidiaCertificateFields,
    name: str,
    public_key: ec.EllipticCurvePublicKey,
    issuer: x509.Name | None,
    issuer_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    subject_key = x509.SubjectKeyIdentifier.from_public_key(public_key)
    serial = _serial(fields, name, subject_key.digest)
    subject = _subject(fields, serial)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(public_key)
        .serial_number(serial)
        .not_valid_before(fields.not_before)
        .not_valid_after(fields.not_after)
    )
    if fields.basic_constraints:
        constraints = x509.BasicConstraints(fields.ca, fields.path_length if fields.ca else None)
        builder = builder.add_extension(constraints, critical=True)
    builder = builder.add_extension(fields.key_usage or _key_usage(fields), critical=True)
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    for extension in (*_addresses(fields), subject_key, authority, *_device_name(fields), *fields.extensions):
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(issuer_key, hash_for(issuer_key), ecdsa_deterministic=True)


def _subject(fields: NvidiaCertificateFields, serial: int) -> x509.Name:
    """Devices' names begin with their serial number and end with the common name; the others begin with that."""
    common_name = x509.NameAttribute(NameOID.COMMON_NAME, fields.common_name)
    optional = ((NameOID.ORGANIZATION_NAME, fields.organization), (NameOID.COUNTRY_NAME, fields.country))
    others = [x509.NameAttribute(kind, value) for kind, value in optional if value is not None]
    if not fields.shows_serial:
        return x509.Name([common_name, *others])
    return x509.Name([x509.NameAttribute(NameOID.SERIAL_NUMBER, f"{serial:X}"), *others[::-1], common_name])


def _serial(fields: NvidiaCertificateFields, name: str, key_identifier: bytes) -> int:
    """A leaf's serial number is its key identifier (20 bytes), with the top bits 01; a CA's has 16 bytes."""
    if fields.serial is not None:
        return fields.serial
    octets = sha256(b"serial/" + name.encode()).digest()[:16] if fields.ca else key_identifier
    return int.from_bytes(bytes((octets[0] & 0x3F | 0x40,)) + octets[1:], "big")


def _key_usage(fields: NvidiaCertificateFields) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not fields.ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=fields.ca,
        crl_sign=fields.ca and fields.signs_crls,
        encipher_only=False,
        decipher_only=False,
    )


def _addresses(fields: NvidiaCertificateFields) -> list[x509.ExtensionType]:
    found: list[x509.ExtensionType] = []
    if fields.crl_url is not None:
        point = x509.DistributionPoint([x509.UniformResourceIdentifier(fields.crl_url)], None, None, None)
        found.append(x509.CRLDistributionPoints([point]))
    if fields.ocsp_url is not None:
        location = x509.UniformResourceIdentifier(fields.ocsp_url)
        access = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, location)
        found.append(x509.AuthorityInformationAccess([access]))
    return found


def _device_name(fields: NvidiaCertificateFields) -> list[x509.ExtensionType]:
    if fields.device_name is None:
        return []
    value = tlv(_UTF8_STRING, fields.device_name.encode("ascii"))
    return [x509.SubjectAlternativeName([x509.OtherName(_DEVICE_NAME, value)])]
