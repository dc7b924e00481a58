"""X.509 certificates as the checks see them, and chains to a pinned root (RFC 5280)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import pairwise
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec

from voltage_attest.crypto.extensions import Extensions, parse_extensions
from voltage_attest.crypto.signatures import SignatureMemo, p256_verifies_der
from voltage_attest.crypto.signed import SignedStructure, split_signed
from voltage_attest.errors import EvidenceFormatError, TrustRootError
from voltage_attest.evidence.der import OBJECT_IDENTIFIER, PRINTABLE_STRING, SEQUENCE, UTF8_STRING, read_members
from voltage_attest.evidence.pem import decode_pem_block, split_pem_chain

Kept = TypeVar("Kept")

__all__ = [
    "UNREADABLE_X509",
    "Certificate",
    "CertificateLoader",
    "link_key",
    "load_certificate",
    "load_constant",
    "load_root",
    "why_chain_fails",
]

_VERSION, _SERIAL_NUMBER, _, _ISSUER, _, _SUBJECT = range(6)
"""Positions in a v3 tbsCertificate: version, serial number, algorithm, issuer, validity, subject."""
_VERSION_TAG: Final = 0xA0
_EXTENSIONS_TAG: Final = 0xA3
_NO_EXTENSIONS: Final = bytes((SEQUENCE, 0))
_COMMON_NAME: Final = bytes.fromhex("550403")
_STRINGS: Final = (UTF8_STRING, PRINTABLE_STRING)

UNREADABLE_X509: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    Warning,  # what cryptography only warns of becomes this where warnings are errors
)
"""What ``cryptography`` raises, now or on later access, for X.509 structures that it cannot read."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate: its DER bytes and what the checks ask of it. Dates are UTC; ``public_key`` is P-256."""

    der: bytes
    signed: SignedStructure
    common_name: str
    serial_number: int
    not_before: datetime
    not_after: datetime
    public_key: ec.EllipticCurvePublicKey
    extensions: Extensions

    @property
    def issuer(self) -> tuple[int, bytes]:
        """The issuer's name, as encoded."""
        return self.signed.fields[_ISSUER]

    @property
    def subject(self) -> tuple[int, bytes]:
        """The subject's name, as encoded."""
        return self.signed.fields[_SUBJECT]

    def is_signed_by(self, issuer: Certificate) -> Callable[[], bool]:
        """The computation that tells whether ``issuer``'s key signed this certificate."""
        signed, key = self.signed, issuer.public_key
        return lambda: p256_verifies_der(key, signed.signature, signed.signed_bytes)


def load_certificate(der: bytes, what: str) -> Certificate:
    """Read an X.509 v3 certificate with a P-256 key, signed with ECDSA and SHA-256; :class:`EvidenceFormatError` otherwise."""
    signed = split_signed(der, what)
    if len(signed.fields) <= _SUBJECT or signed.fields[_VERSION][0] != _VERSION_TAG:
        raise EvidenceFormatError(f"{what}: no version, or {len(signed.fields)} fields", expected="an X.509 v3 certificate")
    if signed.fields[_SERIAL_NUMBER][1][:1] >= b"\x80" or not any(signed.fields[_SERIAL_NUMBER][1]):
        raise EvidenceFormatError(f"{what}: a serial number of zero or less", expected="a positive one (RFC 5280, 4.1.2.2)")
    try:
        certificate = x509.load_der_x509_certificate(der)
        public_key = certificate.public_key()
        not_before, not_after = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        serial_number = certificate.serial_number
    except UNREADABLE_X509 as error:
        raise EvidenceFormatError(f"{what}: not an X.509 certificate ({error})", expected="DER (RFC 5280)") from None
    if not isinstance(public_key, ec.EllipticCurvePublicKey) or not isinstance(public_key.curve, ec.SECP256R1):
        raise EvidenceFormatError(f"{what}: its key is not P-256", expected="an ECDSA P-256 key")
    common_names = _common_names(signed.fields[_SUBJECT][1], what)
    if len(common_names) != 1:
        raise EvidenceFormatError(f"{what}: {len(common_names)} common names", expected="one")
    extensions = next((value for tag, value in signed.fields[_SUBJECT:] if tag == _EXTENSIONS_TAG), _NO_EXTENSIONS)
    return Certificate(
        der,
        signed,
        common_names[0],
        serial_number,
        not_before,
        not_after,
        public_key,
        parse_extensions(extensions, what),
    )


def _common_names(name: bytes, what: str) -> list[str]:
    """The common names in an X.501 Name: SEQUENCE OF SET OF {OID, string} (RFC 5280, section 4.1.2.4)."""
    found: list[str] = []
    for _, relative_name in read_members(name, what):
        for _, attribute in read_members(relative_name, what):
            members = read_members(attribute, what)
            if len(members) == 2 and members[0] == (OBJECT_IDENTIFIER, _COMMON_NAME) and members[1][0] in _STRINGS:
                found.append(members[1][1].decode("utf-8", "backslashreplace"))
    return found


@lru_cache(maxsize=8)
def load_root(der: bytes) -> Certificate:
    """Read a root of trust; :class:`TrustRootError` unless it is a self-signed CA certificate.

    Roots are constants, so what was read of them is kept by the process.
    """
    expected, remedy = "a self-signed CA certificate", "Pass the root's certificate, not one that it issued."
    try:
        root = load_certificate(der, "the root of trust")
    except EvidenceFormatError as error:
        raise TrustRootError(error.found, expected=expected, remedy=remedy) from None
    reason = why_chain_fails((root, root), root)
    if reason is not None:
        raise TrustRootError(reason, expected=expected, remedy=remedy)
    return root


@lru_cache(maxsize=16)
def load_constant(der: bytes) -> Certificate:
    """As :func:`load_certificate`, for certificates that this package ships: what was read of them is kept by the process."""
    return load_certificate(der, "a certificate of this package")


class CertificateLoader:
    """Loads chains and keeps what it has read, by its bytes: the same root and CA come with every document.

    Certificates in ``known`` are not read again when their bytes turn up.

    Bounded; safe to share between threads (a lost race reads one certificate twice).
    """

    __slots__ = ("_blocks", "_capacity", "_chains", "_known")

    def __init__(self, known: Iterable[Certificate] = (), capacity: int = 256) -> None:
        self._known = {certificate.der: certificate for certificate in known}
        self._capacity = capacity
        self._blocks: dict[bytes, Certificate] = {}
        self._chains: dict[bytes, tuple[Certificate, ...]] = {}

    def chain(self, pem: bytes, what: str) -> tuple[Certificate, ...]:
        """Read a PEM chain in the order given; :class:`EvidenceFormatError` otherwise."""
        known = self._chains.get(pem)
        if known is None:
            blocks = split_pem_chain(pem, what)
            known = tuple([self._load(block, f"{what}, certificate {number}") for number, block in enumerate(blocks, 1)])
            _keep(self._chains, pem, known, self._capacity)
        return known

    def _load(self, block: bytes, what: str) -> Certificate:
        known = self._blocks.get(block)
        if known is None:
            der = decode_pem_block(block, what)
            known = self._known.get(der) or load_certificate(der, what)
            _keep(self._blocks, block, known, self._capacity)
        return known


def _keep(kept: dict[bytes, Kept], key: bytes, value: Kept, capacity: int) -> None:
    if len(kept) >= capacity:
        kept.clear()
    kept[key] = value


def why_chain_fails(chain: tuple[Certificate, ...], root: Certificate, memo: SignatureMemo | None = None) -> str | None:
    """Return why ``chain`` (leaf first, root last) does not lead to ``root``, or None if it does.

    The last certificate must be ``root`` byte for byte; a look-alike with the same subject is not. No path is searched: the
    order given is the order required. Each link holds if the issuer is a CA that may certify at that depth, the names are equal
    as encoded, and the signature verifies (or is remembered by ``memo``). Dates and revocation are checks of their own.
    """
    if chain[-1].der != root.der:
        return f"the last certificate ({chain[-1].common_name!r}) is not the pinned root"
    memo = memo or SignatureMemo()
    for depth, (certificate, issuer) in enumerate(pairwise(chain)):
        if not (issuer.extensions.is_ca and issuer.extensions.may_certify):
            return f"{issuer.common_name!r} is no CA"
        path_length = issuer.extensions.path_length
        if path_length is not None and path_length < depth:
            return f"{issuer.common_name!r} may not stand {depth} CAs above the leaf"
        if certificate.issuer != issuer.subject:
            return f"{certificate.common_name!r} names another issuer than {issuer.common_name!r}"
        if not memo.holds(link_key(certificate, issuer), certificate.is_signed_by(issuer)):
            return f"{certificate.common_name!r} is not signed by this {issuer.common_name!r}"
    return None


def link_key(certificate: Certificate, issuer: Certificate) -> tuple[bytes, ...]:
    """Under which a :class:`SignatureMemo` keeps that ``issuer`` signed ``certificate``."""
    return b"link", issuer.der, certificate.der
