"""X.509 certificates as the checks see them, and chains to a pinned root (RFC 5280).

One reader for all families: Intel's on P-256, NVIDIA's on P-384. What a chain of a family must be besides linked (its length,
roles and names) is said where that family is: ``device_chain``, ``rim_chain``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec

from voltage_attest.crypto.extensions import UNDERSTOOD, Extensions, parse_extensions
from voltage_attest.crypto.signatures import P256, Curve, SignatureMemo
from voltage_attest.crypto.signed import SignedStructure, split_signed
from voltage_attest.errors import EvidenceFormatError, TrustRootError
from voltage_attest.evidence.der import (
    OBJECT_IDENTIFIER,
    PRINTABLE_STRING,
    SEQUENCE,
    UTF8_STRING,
    first_member,
    read_members,
    read_single,
)
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
    "why_links_fail",
]

MAX_CERTIFICATE_SIZE: Final = 8 * 1024
"""Bytes of DER; the largest real one, a PCK certificate, has less than 1,300."""

_MAX_SERIAL_SIZE: Final = 21
"""Octets: 20 (RFC 5280, section 4.1.2.2), and the zero that keeps the first of them positive."""

_VERSION, _SERIAL_NUMBER, _, _ISSUER, _, _SUBJECT, _KEY = range(7)
"""Positions in a v3 tbsCertificate: version, serial number, algorithm, issuer, validity, subject, key."""
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


@dataclass(frozen=True)
class Certificate:
    """One certificate: its DER bytes and what the checks ask of it. Dates are UTC. What few ask for is cut out once."""

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
        return lambda: signed.verifies(key)

    @cached_property
    def spki(self) -> bytes:
        """The SubjectPublicKeyInfo with its header, cut out as received."""
        return self._field(_KEY)

    @cached_property
    def issuer_name(self) -> bytes:
        """The issuer's name with its header, cut out as received."""
        return self._field(_ISSUER)

    @cached_property
    def key_bits(self) -> bytes:
        """The key as its BIT STRING holds it, without the count of unused bits: what key hashes are made of (RFC 6960)."""
        return read_members(self.signed.fields[_KEY][1], "key")[1][1][1:]

    def _field(self, position: int) -> bytes:
        octets = read_single(self.signed.signed_bytes, SEQUENCE, "certificate")
        for _ in range(position):
            octets = octets[len(first_member(octets, "certificate")) :]
        return first_member(octets, "certificate")


def load_certificate(der: bytes, what: str, curve: Curve = P256, understood: frozenset[bytes] = UNDERSTOOD) -> Certificate:
    """Read an X.509 v3 certificate with a key on ``curve``, signed by its scheme; :class:`EvidenceFormatError` otherwise.

    Critical extensions must be among the ``understood``.
    """
    if len(der) > MAX_CERTIFICATE_SIZE:
        raise EvidenceFormatError(f"{what}: {len(der)} bytes", expected=f"at most {MAX_CERTIFICATE_SIZE}")
    signed = split_signed(der, what, curve)
    fields = signed.fields
    if len(fields) <= _SUBJECT or fields[_VERSION][0] != _VERSION_TAG:
        raise EvidenceFormatError(f"{what}: no version, or {len(fields)} fields", expected="an X.509 v3 certificate")
    if fields[_SERIAL_NUMBER][1][:1] >= b"\x80" or not any(fields[_SERIAL_NUMBER][1]):
        raise EvidenceFormatError(f"{what}: a serial number of zero or less", expected="a positive one (RFC 5280, 4.1.2.2)")
    if len(fields[_SERIAL_NUMBER][1]) > _MAX_SERIAL_SIZE:
        found = f"{what}: a serial number of {len(fields[_SERIAL_NUMBER][1])} bytes"
        raise EvidenceFormatError(found, expected="at most 20 (RFC 5280, 4.1.2.2)")
    try:
        certificate = x509.load_der_x509_certificate(der)
        public_key = certificate.public_key()
        not_before, not_after = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        serial_number = certificate.serial_number
    except UNREADABLE_X509 as error:
        raise EvidenceFormatError(f"{what}: not an X.509 certificate ({error})", expected="DER (RFC 5280)") from None
    if not isinstance(public_key, ec.EllipticCurvePublicKey) or not isinstance(public_key.curve, curve.field):
        raise EvidenceFormatError(f"{what}: its key is not {curve.name}", expected=f"an ECDSA {curve.name} key")
    common_names = _common_names(fields[_SUBJECT][1], what)
    if len(common_names) != 1:
        raise EvidenceFormatError(f"{what}: {len(common_names)} common names", expected="one")
    extensions = next((value for tag, value in fields[_SUBJECT:] if tag == _EXTENSIONS_TAG), _NO_EXTENSIONS)
    return Certificate(
        der,
        signed,
        common_names[0],
        serial_number,
        not_before,
        not_after,
        public_key,
        parse_extensions(extensions, what, understood),
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
    """Loads chains on one curve and keeps what it has read, by its bytes: the same root and CA come with every document.

    Certificates in ``known`` are not read again when their bytes turn up.

    Bounded; safe to share between threads (a lost race reads one certificate twice).
    """

    __slots__ = ("_blocks", "_capacity", "_chains", "_curve", "_known")

    def __init__(self, known: Iterable[Certificate] = (), capacity: int = 256, curve: Curve = P256) -> None:
        self._known = {certificate.der: certificate for certificate in known}
        self._capacity = capacity
        self._curve = curve
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
            known = self._known.get(der) or load_certificate(der, what, self._curve)
            _keep(self._blocks, block, known, self._capacity)
        return known


def _keep(kept: dict[bytes, Kept], key: bytes, value: Kept, capacity: int) -> None:
    if len(kept) >= capacity:
        kept.clear()
    kept[key] = value


def why_chain_fails(chain: tuple[Certificate, ...], root: Certificate, memo: SignatureMemo | None = None) -> str | None:
    """Return why ``chain`` (leaf first, root last) does not lead to ``root``, or None if it does.

    The last certificate must be ``root`` byte for byte; a look-alike with the same subject is not.
    """
    if chain[-1].der != root.der:
        return f"the last certificate ({chain[-1].common_name!r}) is not the pinned root"
    return why_links_fail(chain, memo or SignatureMemo())


def why_links_fail(chain: tuple[Certificate, ...], memo: SignatureMemo) -> str | None:
    """Return which certificate of ``chain`` (leaf first) was not issued by the next one, and why, or None if all were.

    No path is searched: the order given is the order required. Each link holds if the issuer is a CA that may certify at that
    depth, the names are equal as encoded, and the signature verifies (or is remembered by ``memo``). Whether the last
    certificate is to be trusted, dates and revocation are judged elsewhere.
    """
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
