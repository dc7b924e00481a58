"""NVIDIA device certificates, and their chain to the pinned device root key (RFC 5280).

Five certificates, leaf first, all with P-384 keys and signed with ECDSA and SHA-384::

    GH100 A01 GSP FMC LF            attestation key (leaf)    digitalSignature, the DICE extension
    GH100 A01 GSP BROM              identity key              CA; its serial number's low 8 bytes are the device's PDI
    NVIDIA GH100 Provisioner ICA 1  provisioner               CA
    NVIDIA GH100 Identity           chip family               CA
    NVIDIA Device Identity CA       root                      CA, self-signed; pinned by its key

The root is pinned by key (SHA-256 of its SubjectPublicKeyInfo), because NVIDIA has issued two self-signed certificates with it.
Dates hardly ever end here (notAfter 9999-12-31): revocation, judged elsewhere, is the control that counts.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from voltage_attest.crypto.certificates import UNREADABLE_X509
from voltage_attest.crypto.extensions import Extensions, parse_extensions
from voltage_attest.crypto.p384 import p384_verifies_der
from voltage_attest.crypto.signatures import SignatureMemo
from voltage_attest.crypto.signed import SignedStructure
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.der import (
    BIT_STRING,
    OBJECT_IDENTIFIER,
    PRINTABLE_STRING,
    SEQUENCE,
    UTF8_STRING,
    first_member,
    read_members,
    read_single,
)
from voltage_attest.evidence.pem import decode_pem_block, split_pem_chain

__all__ = ["DeviceCertificate", "DeviceCertificateLoader", "load_device_certificate", "why_links_fail"]

_ECDSA_WITH_SHA384: Final = (SEQUENCE, bytes.fromhex("06082a8648ce3d040303"))
"""AlgorithmIdentifier {1.2.840.10045.4.3.3}, without parameters (RFC 5758, section 3.2)."""
_FIELDS: Final = (0xA0, 0x02, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE)
"""Tags of a v3 tbsCertificate: version, serial number, algorithm, issuer, validity, subject, key; then the extensions."""
_SERIAL_NUMBER, _, _ISSUER, _, _SUBJECT, _KEY = range(1, 7)
_EXTENSIONS_TAG: Final = 0xA3
_COMMON_NAME: Final = bytes.fromhex("550403")
_STRINGS: Final = (UTF8_STRING, PRINTABLE_STRING)


@dataclass(frozen=True, slots=True)
class DeviceCertificate:
    """One certificate: its DER bytes and what the checks ask of it. Dates are UTC; ``public_key`` is P-384.

    ``spki_sha256`` is the SHA-256 (32 bytes) of the SubjectPublicKeyInfo as encoded.
    """

    der: bytes
    signed: SignedStructure
    common_name: str
    serial_number: int
    not_before: datetime
    not_after: datetime
    public_key: ec.EllipticCurvePublicKey
    spki_sha256: bytes
    extensions: Extensions

    @property
    def issuer(self) -> tuple[int, bytes]:
        """The issuer's name, as encoded."""
        return self.signed.fields[_ISSUER]

    @property
    def subject(self) -> tuple[int, bytes]:
        """The subject's name, as encoded."""
        return self.signed.fields[_SUBJECT]

    def is_signed_by(self, issuer: DeviceCertificate) -> Callable[[], bool]:
        """The computation that tells whether ``issuer``'s key signed this certificate."""
        signed, key = self.signed, issuer.public_key
        return lambda: p384_verifies_der(key, signed.signature, signed.signed_bytes)


def load_device_certificate(der: bytes, what: str) -> DeviceCertificate:
    """Read an X.509 v3 certificate with a P-384 key, signed with ECDSA and SHA-384; :class:`EvidenceFormatError` otherwise."""
    signed = _split(der, what)
    if signed.fields[_SERIAL_NUMBER][1][:1] >= b"\x80" or not any(signed.fields[_SERIAL_NUMBER][1]):
        raise EvidenceFormatError(f"{what}: a serial number of zero or less", expected="a positive one (RFC 5280, 4.1.2.2)")
    try:
        certificate = x509.load_der_x509_certificate(der)
        public_key = certificate.public_key()
        not_before, not_after = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        serial_number = certificate.serial_number
    except UNREADABLE_X509 as error:
        raise EvidenceFormatError(f"{what}: not an X.509 certificate ({error})", expected="DER (RFC 5280)") from None
    if not isinstance(public_key, ec.EllipticCurvePublicKey) or not isinstance(public_key.curve, ec.SECP384R1):
        raise EvidenceFormatError(f"{what}: its key is not P-384", expected="an ECDSA P-384 key")
    return DeviceCertificate(
        der,
        signed,
        _common_name(signed.fields[_SUBJECT][1], what),
        serial_number,
        not_before,
        not_after,
        public_key,
        hashlib.sha256(_with_header(signed, _KEY)).digest(),
        parse_extensions(signed.fields[-1][1], what),
    )


def _split(der: bytes, what: str) -> SignedStructure:
    """Take a v3 certificate apart; the algorithm must be ecdsa-with-SHA384 in both places, and extensions its last field."""
    whole = read_single(der, SEQUENCE, what)
    members = read_members(whole, what)
    if [tag for tag, _ in members] != [SEQUENCE, SEQUENCE, BIT_STRING] or members[2][1][:1] != b"\0":
        raise EvidenceFormatError(f"{what}: not a signed structure", expected="{to be signed, algorithm, signature}")
    fields = tuple(read_members(members[0][1], what))
    if tuple([tag for tag, _ in fields]) != (*_FIELDS, _EXTENSIONS_TAG):
        raise EvidenceFormatError(f"{what}: {len(fields)} fields", expected="an X.509 v3 certificate with extensions")
    if members[1] != _ECDSA_WITH_SHA384 or fields[2] != _ECDSA_WITH_SHA384:
        raise EvidenceFormatError(f"{what}: signed with another algorithm", expected="ECDSA-SHA384, named twice alike")
    return SignedStructure(first_member(whole, what), fields, members[2][1][1:])


def _with_header(signed: SignedStructure, position: int) -> bytes:
    """A field of the tbsCertificate with its tag and length, cut out as received."""
    octets = read_single(signed.signed_bytes, SEQUENCE, "certificate")
    for _ in range(position):
        octets = octets[len(first_member(octets, "certificate")) :]
    return first_member(octets, "certificate")


def _common_name(name: bytes, what: str) -> str:
    """The one common name in an X.501 Name: SEQUENCE OF SET OF {OID, string} (RFC 5280, section 4.1.2.4)."""
    found: list[str] = []
    for _, relative_name in read_members(name, what):
        for _, attribute in read_members(relative_name, what):
            members = read_members(attribute, what)
            if len(members) == 2 and members[0] == (OBJECT_IDENTIFIER, _COMMON_NAME) and members[1][0] in _STRINGS:
                found.append(members[1][1].decode("utf-8", "backslashreplace"))
    if len(found) != 1:
        raise EvidenceFormatError(f"{what}: {len(found)} common names", expected="one")
    return found[0]


class DeviceCertificateLoader:
    """Loads PEM chains and keeps what it has read, by its bytes: the devices of a node share three of five certificates.

    Bounded; safe to share between threads (a lost race reads one certificate twice).
    """

    __slots__ = ("_capacity", "_known")

    def __init__(self, capacity: int = 256) -> None:
        self._capacity = capacity
        self._known: dict[bytes, DeviceCertificate] = {}

    def chain(self, pem: bytes, what: str) -> tuple[DeviceCertificate, ...]:
        """Read a PEM chain in the order given; :class:`EvidenceFormatError` otherwise."""
        blocks = split_pem_chain(pem, what)
        return tuple([self._load(block, f"{what}, certificate {number}") for number, block in enumerate(blocks, 1)])

    def _load(self, block: bytes, what: str) -> DeviceCertificate:
        known = self._known.get(block)
        if known is None:
            known = load_device_certificate(decode_pem_block(block, what), what)
            if len(self._known) >= self._capacity:
                self._known.clear()
            self._known[block] = known
        return known


def why_links_fail(chain: tuple[DeviceCertificate, ...], root_spki_sha256: bytes, memo: SignatureMemo) -> str | None:
    """Return why ``chain`` (leaf first) does not lead to the pinned root key, or None if it does.

    The last certificate must carry that key and be signed by it: of a root, the key alone is trusted. No path is searched: the
    order given is the order required. Each link holds if the issuer is a CA that may certify at that depth, the names are equal
    as encoded, and the signature verifies (or is remembered by ``memo``). The leaf must be no CA and may sign. Dates, names and
    revocation are judged elsewhere.
    """
    root, leaf = chain[-1], chain[0].extensions
    if not hmac.compare_digest(root.spki_sha256, root_spki_sha256):
        return f"the last certificate ({root.common_name!r}) does not hold the pinned root key, but {root.spki_sha256.hex()}"
    if leaf.is_ca or leaf.may_certify or not leaf.may_sign:
        return f"the leaf {chain[0].common_name!r} is a CA, or may not sign"
    links = enumerate(pairwise((*chain, root)))
    reasons = (_why_link_fails(link, min(depth, len(chain) - 2), memo) for depth, link in links)
    return next((reason for reason in reasons if reason is not None), None)


def _why_link_fails(link: tuple[DeviceCertificate, DeviceCertificate], depth: int, memo: SignatureMemo) -> str | None:
    """Why ``link`` (certificate, issuer) does not hold with ``depth`` CAs between issuer and leaf, or None if it does."""
    certificate, issuer = link
    path_length = issuer.extensions.path_length
    if not (issuer.extensions.is_ca and issuer.extensions.may_certify):
        return f"{issuer.common_name!r} is no CA"
    if path_length is not None and path_length < depth:
        return f"{issuer.common_name!r} may not stand {depth} CAs above the leaf"
    if certificate.issuer != issuer.subject:
        return f"{certificate.common_name!r} names another issuer than {issuer.common_name!r}"
    if not memo.holds((b"device-link", issuer.der, certificate.der), certificate.is_signed_by(issuer)):
        return f"{certificate.common_name!r} is not signed by this {issuer.common_name!r}"
    return None
