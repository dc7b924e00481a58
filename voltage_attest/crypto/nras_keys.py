"""The keys of NVIDIA's attestation service (NRAS): from a published key to a pinned intermediate CA, and signatures by it.

::

    NVIDIA Attestation Service GPU GH100              x5c[0]: the key itself, P-384, valid for two days; no CA
    NVIDIA Attestation Service GPU Intermediate 004   x5c[1]: CA with an RSA or EC key, pinned by that key
    NVIDIA Attestation Service CA 001                 root, in no published document

One link, no path is searched: whatever else ``x5c`` holds is not looked at. Tokens are JWS in compact form (RFC 7515), signed
with ES384 (RFC 7518, section 3.4) and nothing else.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import jwt
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from voltage_attest.crypto.certificates import UNREADABLE_X509
from voltage_attest.crypto.extensions import Extensions, parse_extensions
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.der import SEQUENCE, read_members, read_single

__all__ = ["ES384", "NrasCertificate", "NrasKey", "es384_verifies", "load_nras_key", "nras_spki_sha256", "why_nras_key_fails"]

ES384: Final = "ES384"
_JWS: Final = jwt.PyJWS(algorithms=[ES384])
"""Knows one algorithm, so that no header can choose another."""

_EXTENSIONS_TAG: Final = 0xA3
_NO_EXTENSIONS: Final = bytes((SEQUENCE, 0))
_HASHES: Final = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_CURVES: Final = (ec.SECP256R1, ec.SECP384R1)
_MIN_RSA_BITS: Final = 2048
_NAME: Final = "NVIDIA Attestation Service "
"""How all certificates of the service are named."""


@dataclass(frozen=True, slots=True)
class NrasCertificate:
    """One certificate; dates are UTC, ``spki_sha256`` is the SHA-256 (32 bytes) of its key's SubjectPublicKeyInfo."""

    x509: x509.Certificate
    common_name: str
    not_before: datetime
    not_after: datetime
    spki_sha256: bytes
    extensions: Extensions

    def is_valid_at(self, moment: datetime) -> bool:
        """Whether ``moment`` lies in its window, both ends included (RFC 5280, section 4.1.2.5)."""
        return self.not_before <= moment <= self.not_after


@dataclass(frozen=True, slots=True)
class NrasKey:
    """A published key: the point that the key set states (x||y, 96 bytes), and the two certificates beside it.

    ``public_key`` is that of the first certificate, P-384.
    """

    point: bytes
    public_key: ec.EllipticCurvePublicKey
    leaf: NrasCertificate
    intermediate: NrasCertificate


def load_nras_key(x: bytes, y: bytes, x5c: tuple[bytes, ...], what: str) -> NrasKey:
    """Read the first two certificates of ``x5c``, the first with a P-384 key; :class:`EvidenceFormatError` otherwise.

    Judges nothing: :func:`why_nras_key_fails` does.
    """
    leaf, intermediate = (_load(der, f"{what}, certificate {number}") for number, der in enumerate(x5c[:2], 1))
    public_key = leaf.x509.public_key()
    if not isinstance(public_key, ec.EllipticCurvePublicKey) or not isinstance(public_key.curve, ec.SECP384R1):
        raise EvidenceFormatError(f"{what}, certificate 1: its key is not P-384", expected="an ECDSA P-384 key")
    return NrasKey(x + y, public_key, leaf, intermediate)


def nras_spki_sha256(der: bytes, what: str) -> bytes:
    """What to pin of an intermediate CA's certificate; :class:`EvidenceFormatError` if it is none."""
    return _load(der, what).spki_sha256


def _load(der: bytes, what: str) -> NrasCertificate:
    try:
        certificate = x509.load_der_x509_certificate(der)
        names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        not_before, not_after = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        signed = certificate.tbs_certificate_bytes
    except UNREADABLE_X509 as error:
        raise EvidenceFormatError(f"{what}: not an X.509 certificate ({error})", expected="DER (RFC 5280)") from None
    if len(names) != 1:
        raise EvidenceFormatError(f"{what}: {len(names)} common names", expected="one")
    fields = read_members(read_single(signed, SEQUENCE, what), what)
    octets = next((value for tag, value in fields if tag == _EXTENSIONS_TAG), _NO_EXTENSIONS)
    extensions = parse_extensions(octets, what)
    return NrasCertificate(certificate, str(names[0].value), not_before, not_after, hashlib.sha256(spki).digest(), extensions)


def why_nras_key_fails(key: NrasKey, pinned: frozenset[bytes]) -> str | None:
    """Return why the key does not lead to an intermediate CA with a pinned key (SHA-256, 32 bytes each), or None if it does.

    The point stated must be that of the first certificate; the second must be a CA whose key is pinned, and must have signed
    the first, which is none. Dates are judged elsewhere; revocation is not, for keys that live two days.
    """
    leaf, intermediate = key.leaf, key.intermediate
    if not hmac.compare_digest(key.public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:], key.point):
        return f"the key stated is not that of its certificate {leaf.common_name!r}"
    if intermediate.spki_sha256 not in pinned:
        return f"the intermediate {intermediate.common_name!r} with the key {intermediate.spki_sha256.hex()} is not pinned"
    if not (intermediate.extensions.is_ca and intermediate.extensions.may_certify):
        return f"{intermediate.common_name!r} is no CA"
    if leaf.extensions.is_ca or leaf.extensions.may_certify or not leaf.extensions.may_sign:
        return f"{leaf.common_name!r} is a CA, or may not sign"
    if not leaf.common_name.startswith(_NAME):
        return f"{leaf.common_name!r} is not the attestation service"
    return None if _issued(leaf, intermediate) else f"{leaf.common_name!r} is not signed by {intermediate.common_name!r}"


def _issued(leaf: NrasCertificate, intermediate: NrasCertificate) -> bool:
    """Whether names and signature link the two, by SHA-2 and a key of RSA (2048 bits or more), P-256 or P-384."""
    key = intermediate.x509.public_key()
    strong = (isinstance(key, rsa.RSAPublicKey) and key.key_size >= _MIN_RSA_BITS) or (
        isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, _CURVES)
    )
    try:
        if not strong or not isinstance(leaf.x509.signature_hash_algorithm, _HASHES):
            return False
        leaf.x509.verify_directly_issued_by(intermediate.x509)
    except (*UNREADABLE_X509, InvalidSignature):
        return False
    return True


def es384_verifies(token: str, key: NrasKey) -> bool:
    """Whether ``token`` (compact JWS) is signed with ES384 by the P-384 key of ``key``'s certificate. Never raises."""
    try:
        _JWS.decode_complete(token, key.public_key, algorithms=[ES384])
    except jwt.PyJWTError:
        return False
    return True
