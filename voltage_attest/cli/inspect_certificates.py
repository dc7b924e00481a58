"""Certificates and CRLs as they describe themselves. Read leniently: what cannot be read is said, not refused."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from voltage_attest.cli.inspect_tree import Branch, Inspection, Leaf, Node, Rows, stamp
from voltage_attest.crypto.certificates import UNREADABLE_X509
from voltage_attest.errors import InputError
from voltage_attest.evidence.der import dotted_oid
from voltage_attest.evidence.encoding import strict_base64
from voltage_attest.evidence.pck_extension import PCK_EXTENSION_OID, PckExtension, parse_pck_extension
from voltage_attest.evidence.pem import parse_pem_chain
from voltage_attest.trust import PINNED_ROOTS

__all__ = ["certificate_rows", "crl_members", "inspect_der", "inspect_pem", "unreadable"]

_PINNED: Final = frozenset([root.sha256 for root in PINNED_ROOTS.values()])
_PEM_CRL: Final = re.compile(rb"-----BEGIN X509 CRL-----\s+([A-Za-z0-9+/=\s]+)-----END X509 CRL-----\s*")


def unreadable(error: Exception) -> Leaf:
    """The one member of what could not be read."""
    return Leaf("unreadable", str(error))


def certificate_rows(name: str, ders: Iterable[bytes]) -> Rows:
    """One branch for each certificate, in the order given."""
    return Rows(name, tuple([Branch("certificate", _certificate(der)) for der in ders]))


def inspect_pem(data: bytes) -> Inspection:
    """A PEM chain or a PEM CRL; InputError if its wrapping is malformed."""
    crl = _PEM_CRL.fullmatch(data.strip())
    if crl is not None:
        der = strict_base64(b"".join(crl[1].split()), "the CRL")
        return Inspection("crl", "Certificate revocation list", crl_members(der))
    chain = parse_pem_chain(data.removesuffix(b"\0"), "the PEM text")
    return Inspection("certificates", "Certificate chain", (certificate_rows("certificates", chain),))


def inspect_der(data: bytes) -> Inspection | None:
    """A certificate or CRL in DER, or None if it is neither."""
    try:
        x509.load_der_x509_certificate(data)
        return Inspection("certificates", "Certificate", (certificate_rows("certificates", [data]),))
    except UNREADABLE_X509:
        pass
    try:
        x509.load_der_x509_crl(data)
        return Inspection("crl", "Certificate revocation list", crl_members(data))
    except UNREADABLE_X509:
        return None


def crl_members(der: bytes) -> tuple[Node, ...]:
    """Issuer, window, number and count of a CRL in DER."""
    try:
        crl = x509.load_der_x509_crl(der)
        number = next((item.value.crl_number for item in crl.extensions if isinstance(item.value, x509.CRLNumber)), None)
        return (
            Leaf("issuer", crl.issuer.rfc4514_string()),
            Leaf("this_update", stamp(crl.last_update_utc)),
            Leaf("next_update", None if crl.next_update_utc is None else stamp(crl.next_update_utc)),
            Leaf("crl_number", number),
            Leaf("revoked", len(crl), "certificates on the list"),
            Leaf("size", len(der)),
            Leaf("sha256", hashlib.sha256(der).hexdigest()),
        )
    except UNREADABLE_X509 as error:
        return (unreadable(error),)


def _certificate(der: bytes) -> tuple[Node, ...]:
    try:
        certificate = x509.load_der_x509_certificate(der)
        digest = hashlib.sha256(der).hexdigest()
        spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return (
            Leaf("subject", certificate.subject.rfc4514_string()),
            Leaf("issuer", certificate.issuer.rfc4514_string()),
            Leaf("serial_number", f"{certificate.serial_number:x}"),
            Leaf("not_before", stamp(certificate.not_valid_before_utc)),
            Leaf("not_after", stamp(certificate.not_valid_after_utc)),
            Leaf("public_key", _key_type(certificate)),
            Leaf("signature_algorithm", certificate.signature_algorithm_oid.dotted_string),
            Leaf("is_ca", _is_ca(certificate)),
            Leaf("sha256", digest),
            Leaf("spki_sha256", hashlib.sha256(spki).hexdigest()),
            Leaf("equals_pinned_root", digest in _PINNED, "byte for byte; says nothing of the others"),
            *_pck_extension(certificate),
        )
    except UNREADABLE_X509 as error:
        return (unreadable(error),)


def _key_type(certificate: x509.Certificate) -> str:
    key = certificate.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"EC {key.curve.name}"
    return f"RSA {key.key_size}" if isinstance(key, rsa.RSAPublicKey) else type(key).__name__


def _is_ca(certificate: x509.Certificate) -> bool:
    return any(isinstance(item.value, x509.BasicConstraints) and item.value.ca for item in certificate.extensions)


def _pck_extension(certificate: x509.Certificate) -> tuple[Node, ...]:
    for item in certificate.extensions:
        if item.oid.dotted_string == dotted_oid(PCK_EXTENSION_OID) and isinstance(item.value, x509.UnrecognizedExtension):
            try:
                return (Branch("pck_extension", _pck_members(parse_pck_extension(item.value.value))),)
            except InputError as error:
                return (Branch("pck_extension", (unreadable(error),)),)
    return ()


def _pck_members(found: PckExtension) -> tuple[Node, ...]:
    instance = found.platform_instance_id
    return (
        Leaf("fmspc", found.fmspc.hex(), "platform family: fetch TCB info for this one"),
        Leaf("pce_id", found.pce_id.hex()),
        Leaf("pce_svn", found.pce_svn),
        Leaf("cpu_svn", found.cpu_svn.hex()),
        Leaf("components", found.components, "16 SVNs, compared with TCB info's sgx_components"),
        Leaf("ppid", found.ppid.hex()),
        Leaf("sgx_type", found.sgx_type),
        Leaf("platform_instance_id", None if instance is None else instance.hex()),
        Leaf("dynamic_platform", found.dynamic_platform),
        Leaf("cached_keys", found.cached_keys),
        Leaf("smt_enabled", found.smt_enabled),
    )
