"""The certificate chain of an NVIDIA reference integrity manifest (RIM), linked explicitly to a pinned root.

Four certificates, leaf first, as ``KeyInfo`` carries them; P-384 keys, signed with ECDSA and SHA-384::

    HCC RIM L4 Signer | RIM L4 Signer | NVIDIA Reference Value L4 ...   signs the manifest; no CA
    NVIDIA Reference Value L3 ...                                       CA, path length 0
    NVIDIA Reference Value ... CA ...                                   CA
    NVIDIA CoRIM signing Root CA                                        the pinned root

``cryptography.x509.verification`` refuses these chains, since their dates before 2050 are encoded as GeneralizedTime against
RFC 5280, section 4.1.2.5. Source: the chains inside NVIDIA's own manifests (nvtrust, attestation-sdk).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from voltage_attest.crypto.certificates import UNREADABLE_X509
from voltage_attest.crypto.extensions import Extensions, parse_extensions
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.der import BIT_STRING, SEQUENCE, first_member, read_members, read_single

__all__ = ["RIM_CHAIN_LENGTH", "RimCertificate", "load_rim_certificate", "why_rim_chain_fails"]

RIM_CHAIN_LENGTH: Final = 4
_MAX_CERTIFICATE_SIZE: Final = 8 * 1024
"""Bytes of DER; the largest real one has 741."""

_ECDSA_WITH_SHA384: Final = (SEQUENCE, bytes.fromhex("06082a8648ce3d040303"))
"""AlgorithmIdentifier {1.2.840.10045.4.3.3}, without parameters (RFC 5758, section 3.2)."""
_VERSION, _SERIAL_NUMBER, _ALGORITHM, _ISSUER, _, _SUBJECT = range(6)
_VERSION_TAG: Final = 0xA0
_EXTENSIONS_TAG: Final = 0xA3
_NO_EXTENSIONS: Final = bytes((SEQUENCE, 0))
_EXTENDED_KEY_USAGE: Final = bytes.fromhex("551d25")
_SHA384: Final = ec.ECDSA(hashes.SHA384())
_INTERMEDIATE_NAME: Final = "NVIDIA Reference Value "
"""How both intermediates are named, for every family (GH100, GB1XX, LS10); those of network adapters are named otherwise."""


@dataclass(frozen=True, slots=True)
class RimCertificate:
    """One certificate of a RIM chain: its DER bytes and what the checks ask of it. Dates are UTC; ``public_key`` is P-384."""

    der: bytes
    x509: x509.Certificate
    signed_bytes: bytes
    signature: bytes
    issuer: bytes
    subject: bytes
    common_name: str
    not_before: datetime
    not_after: datetime
    public_key: ec.EllipticCurvePublicKey
    extensions: Extensions

    def is_signed_by(self, issuer: RimCertificate) -> bool:
        """Whether ``issuer``'s key signed this certificate."""
        try:
            issuer.public_key.verify(self.signature, self.signed_bytes, _SHA384)
        except InvalidSignature:
            return False
        return True


def load_rim_certificate(der: bytes, what: str) -> RimCertificate:
    """Read an X.509 v3 certificate with a P-384 key, signed with ECDSA and SHA-384; :class:`EvidenceFormatError` otherwise."""
    signed_bytes, fields, signature = _split(der, what)
    try:
        certificate = x509.load_der_x509_certificate(der)
        key = certificate.public_key()
        names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        not_before, not_after = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except UNREADABLE_X509 as error:
        raise EvidenceFormatError(f"{what}: not an X.509 certificate ({error})", expected="DER (RFC 5280)") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP384R1):
        raise EvidenceFormatError(f"{what}: its key is not P-384", expected="an ECDSA P-384 key")
    if len(names) != 1:
        raise EvidenceFormatError(f"{what}: {len(names)} common names", expected="one")
    extensions = next((value for tag, value in fields[_SUBJECT:] if tag == _EXTENSIONS_TAG), _NO_EXTENSIONS)
    return RimCertificate(
        der,
        certificate,
        signed_bytes,
        signature,
        fields[_ISSUER][1],
        fields[_SUBJECT][1],
        str(names[0].value),
        not_before,
        not_after,
        key,
        parse_extensions(extensions, what),
    )


def _split(der: bytes, what: str) -> tuple[bytes, list[tuple[int, bytes]], bytes]:
    """Take a certificate apart: the bytes signed, as received; their members; the signature."""
    if len(der) > _MAX_CERTIFICATE_SIZE:
        raise EvidenceFormatError(f"{what} has {len(der)} bytes", expected=f"at most {_MAX_CERTIFICATE_SIZE}")
    whole = read_single(der, SEQUENCE, what)
    members = read_members(whole, what)
    if [tag for tag, _ in members] != [SEQUENCE, SEQUENCE, BIT_STRING] or members[2][1][:1] != b"\0":
        raise EvidenceFormatError(f"{what}: not a signed structure", expected="{to be signed, algorithm, signature}")
    fields = read_members(members[0][1], what)
    if len(fields) <= _SUBJECT or fields[_VERSION][0] != _VERSION_TAG:
        raise EvidenceFormatError(f"{what}: no version, or {len(fields)} fields", expected="an X.509 v3 certificate")
    if members[1] != _ECDSA_WITH_SHA384 or fields[_ALGORITHM] != _ECDSA_WITH_SHA384:
        raise EvidenceFormatError(f"{what}: signed with another algorithm", expected="ECDSA-SHA384, named twice alike")
    if fields[_SERIAL_NUMBER][1][:1] >= b"\x80" or not any(fields[_SERIAL_NUMBER][1]):
        raise EvidenceFormatError(f"{what}: a serial number of zero or less", expected="a positive one (RFC 5280, 4.1.2.2)")
    return first_member(whole, what), fields, members[2][1][1:]


def why_rim_chain_fails(chain: tuple[RimCertificate, ...], root: bytes) -> str | None:
    """Return why ``chain`` (leaf first) does not lead to the root with those DER bytes, or None if it does.

    Exactly four certificates in the order required, no path is searched; the last must be ``root`` byte for byte. Each link
    holds if the issuer is a CA that may certify at that depth, the names are equal as encoded, and the signature verifies. The
    leaf must be an end-entity certificate that may sign and is dedicated to nothing else: an OCSP responder of the same CA,
    which says so in its extended key usage, signs no manifests. Dates and revocation are checks of their own.
    """
    if chain[-1].der != root:
        return f"the last certificate ({chain[-1].common_name!r}) is not the pinned root"
    if len(chain) != RIM_CHAIN_LENGTH:
        return f"{len(chain)} certificates"
    for depth, (certificate, issuer) in enumerate(pairwise(chain)):
        reason = _why_link_fails(certificate, issuer, depth)
        if reason is not None:
            return reason
    for intermediate in chain[1:-1]:
        if not intermediate.common_name.startswith(_INTERMEDIATE_NAME):
            return f"{intermediate.common_name!r} is no CA for reference values"
    return _why_no_signer(chain[0])


def _why_link_fails(certificate: RimCertificate, issuer: RimCertificate, depth: int) -> str | None:
    """Why ``issuer``, with ``depth`` CAs between it and the leaf, did not issue ``certificate``; None if it did."""
    if not (issuer.extensions.is_ca and issuer.extensions.may_certify):
        return f"{issuer.common_name!r} is no CA"
    path_length = issuer.extensions.path_length
    if path_length is not None and path_length < depth:
        return f"{issuer.common_name!r} may not stand {depth} CAs above the leaf"
    if certificate.issuer != issuer.subject:
        return f"{certificate.common_name!r} names another issuer than {issuer.common_name!r}"
    if not certificate.is_signed_by(issuer):
        return f"{certificate.common_name!r} is not signed by this {issuer.common_name!r}"
    return None


def _why_no_signer(leaf: RimCertificate) -> str | None:
    if leaf.extensions.is_ca or leaf.extensions.may_certify:
        return f"the leaf {leaf.common_name!r} is a CA"
    if not leaf.extensions.may_sign:
        return f"the leaf {leaf.common_name!r} may not sign"
    if _EXTENDED_KEY_USAGE in leaf.extensions.values:
        return f"the leaf {leaf.common_name!r} is dedicated to another use (extended key usage)"
    return None
