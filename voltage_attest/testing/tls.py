"""A web PKI for tests: a certificate authority made on the spot, and TLS identities with fresh keys.

Unlike the keys of the fake Intel these are random: a pod's TLS key is what an attestation binds, and two pods must not share
one. Nothing is trusted by anyone who was not handed :attr:`WebAuthority.ca_pem`.
"""

from __future__ import annotations

import ipaddress
import ssl
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = ["TlsIdentity", "WebAuthority", "client_context", "spki_sha256", "utc_now"]

_LIFE: Final = timedelta(days=90)
_LEEWAY: Final = timedelta(hours=1)
"""Certificates begin an hour ago, for tests that appraise a little in the past."""


def utc_now() -> datetime:
    """Return the present in whole seconds, UTC. The one clock of the simulation."""
    return datetime.now(UTC).replace(microsecond=0)  # noqa: TID251 - a server that is used live must date what it issues


def spki_sha256(certificate: x509.Certificate) -> bytes:
    """Return SHA-256 (32 bytes) of the certificate's SubjectPublicKeyInfo in DER: what a channel binding names."""
    return sha256(
        certificate.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    ).digest()


def client_context(ca_pem: bytes) -> ssl.SSLContext:
    """Return a client's context, TLS 1.3 only, that trusts that CA alone and checks the host name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cadata=ca_pem.decode("ascii"))
    return context


@dataclass(frozen=True, slots=True)
class TlsIdentity:
    """A server's certificate with its key, loaded and ready to serve."""

    certificate: x509.Certificate
    context: ssl.SSLContext = field(repr=False)

    @property
    def pem(self) -> str:
        """The certificate in PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")

    @property
    def spki_sha256(self) -> bytes:
        """SHA-256 of the public key, 32 bytes."""
        return spki_sha256(self.certificate)


@dataclass(frozen=True, slots=True)
class WebAuthority:
    """A certificate authority of its own; :meth:`create` makes one with a fresh key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @staticmethod
    def create(name: str = "voltage-attest simulation: throw-away web CA") -> WebAuthority:
        """Make a CA (P-256, 90 days, path length 0)."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = _builder(subject, subject, key.public_key(), key.public_key())
        certificate = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        return WebAuthority(certificate.add_extension(_key_usage(ca=True), critical=True).sign(key, hashes.SHA256()), key)

    @property
    def ca_pem(self) -> bytes:
        """The CA certificate in PEM, for the one client that shall trust it."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, *hosts: str) -> TlsIdentity:
        """Issue a server certificate with a fresh P-256 key for these host names and IP addresses; the first is its name."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0][:64])])
        certificate = (
            _builder(subject, self.certificate.subject, key.public_key(), self.key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(ca=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return TlsIdentity(certificate, _server_context(certificate, key))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, issuer_key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = utc_now()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _LEEWAY)
        .not_valid_after(now + _LIFE)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _server_context(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> ssl.SSLContext:
    """A server's context, TLS 1.3 only. No session tickets: a client that leaves after the handshake leaves nothing unread."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0
    context.set_alpn_protocols(["http/1.1"])
    encoded = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ) + certificate.public_bytes(serialization.Encoding.PEM)
    # `ssl` reads keys from files only.
    with tempfile.TemporaryDirectory(prefix="voltage-attest-") as folder:
        path = Path(folder) / "server.pem"
        path.write_bytes(encoded)
        context.load_cert_chain(path)
    return context
