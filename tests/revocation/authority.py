"""A certification authority of the tests with random P-384 keys: chains as NVIDIA's, OCSP answers and CRLs, right and wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import pairwise
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from voltage_attest.crypto.certificates import Certificate, load_certificate
from voltage_attest.crypto.signatures import P384
from voltage_attest.evidence.der import SEQUENCE, first_member, read_members, read_single
from voltage_attest.verify.revocation import IssuedCertificate

__all__ = [
    "AT",
    "BROM",
    "CHAIN",
    "DELEGATES",
    "FAMILY",
    "LINKS",
    "NONCE",
    "PROVISIONER",
    "ROOT",
    "Answer",
    "List",
    "Party",
    "answer_for",
    "delegate",
    "der",
    "issue",
    "refusal",
    "resigned",
    "with_two_singles",
]

AT: Final = datetime(2026, 10, 8, 23, 8, tzinfo=UTC)
NONCE: Final = bytes(range(32))
_FIRST: Final = datetime(2023, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(2049, 1, 1, tzinfo=UTC)
_OCSP_SIGNING: Final = (ExtendedKeyUsageOID.OCSP_SIGNING,)


@dataclass(frozen=True)
class Party:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @cached_property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @cached_property
    def loaded(self) -> Certificate:
        return load_certificate(self.der, "certificate", P384)


def issue(
    name: str,
    issuer: Party | None = None,
    *,
    ca: bool = True,
    signs_crls: bool = True,
    usages: tuple[x509.ObjectIdentifier, ...] = (),
    critical_usages: bool = False,
    restricted: bool = True,
    signs: bool = False,
    first: datetime = _FIRST,
    last: datetime = _LAST,
    serial: int | None = None,
    responders: tuple[str, ...] = (),
    points: tuple[str, ...] = (),
    key: ec.EllipticCurvePrivateKey | None = None,
) -> Party:
    """A certificate, self-signed without an issuer; signed as NVIDIA's are."""
    key = key or ec.generate_private_key(ec.SECP384R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(first)
        .not_valid_after(last)
        .add_extension(x509.BasicConstraints(ca, None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if restricted:
        usage = x509.KeyUsage(signs, not (ca or signs), False, False, False, ca, ca and signs_crls, False, False)  # noqa: FBT003
        builder = builder.add_extension(usage, critical=True)
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(list(usages)), critical=critical_usages)
    if responders:
        access = [
            x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(uri))
            for uri in responders
        ]
        builder = builder.add_extension(x509.AuthorityInformationAccess(access), critical=False)
    if points:
        named = [x509.DistributionPoint([x509.UniformResourceIdentifier(uri)], None, None, None) for uri in points]
        builder = builder.add_extension(x509.CRLDistributionPoints(named), critical=False)
    return Party(builder.sign(issuer.key if issuer else key, hashes.SHA384()), key)


ROOT: Final = issue("NVIDIA Device Identity CA")
FAMILY: Final = issue("NVIDIA GH100 Identity", ROOT, points=("http://crl.ndis.nvidia.com/crl/l1-root.crl",))
PROVISIONER: Final = issue("NVIDIA GH100 Provisioner ICA 1", FAMILY)
BROM: Final = issue("GH100 A01 GSP BROM", PROVISIONER, signs_crls=False)
CHAIN: Final = (BROM, PROVISIONER, FAMILY, ROOT)
LINKS: Final = tuple(
    [IssuedCertificate(party.loaded, issuer.loaded, frozenset({"device"})) for party, issuer in pairwise(CHAIN)]
)


def delegate(issuer: Party, **changes: object) -> Party:
    """A responder that ``issuer`` certified, as NVIDIA's are."""
    rank: dict[str, object] = {"ca": False, "signs": True, "usages": _OCSP_SIGNING, **changes}
    return issue(f"NVIDIA OCSP Responder for {issuer.loaded.common_name}", issuer, **rank)  # type: ignore[arg-type]


DELEGATES: Final = {party.der: delegate(party) for party in CHAIN[1:]}
"""The usual responder of each issuer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an OCSP answer shall say; by default that ``subject`` is good, as NVIDIA's responder says it.

    ``responder`` None is the issuer itself. ``enclosed`` are the certificates in it, the responder's where None.
    """

    subject: Party
    issuer: Party
    responder: Party | None
    enclosed: tuple[Party, ...] | None = None
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD
    reason: x509.ReasonFlags | None = None
    this_update: datetime = AT
    next_update: datetime | None = AT + timedelta(days=1)
    nonce: bytes | None = NONCE
    hash: hashes.HashAlgorithm = field(default_factory=hashes.SHA256)
    digest: hashes.SHA256 | hashes.SHA384 | hashes.SHA512 = field(default_factory=hashes.SHA384)
    by: ocsp.OCSPResponderEncoding = ocsp.OCSPResponderEncoding.HASH
    extensions: tuple[tuple[x509.ExtensionType, bool], ...] = ()

    @property
    def der(self) -> bytes:
        """The answer."""
        revoked = self.status is ocsp.OCSPCertStatus.REVOKED
        signer = self.responder or self.issuer
        builder = (
            ocsp.OCSPResponseBuilder()
            .add_response(
                self.subject.certificate,
                self.issuer.certificate,
                self.hash,
                self.status,
                self.this_update,
                self.next_update,
                self.this_update - timedelta(days=9) if revoked else None,
                self.reason,
            )
            .responder_id(self.by, signer.certificate)
        )
        enclosed = self.enclosed if self.enclosed is not None else tuple(filter(None, [self.responder]))
        if enclosed:
            builder = builder.certificates([party.certificate for party in enclosed])
        if self.nonce is not None:
            builder = builder.add_extension(x509.OCSPNonce(self.nonce), critical=False)
        for extension, critical in self.extensions:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(signer.key, self.digest).public_bytes(Encoding.DER)


def answer_for(subject: Party, **changes: object) -> Answer:
    """The usual answer about a certificate of :data:`CHAIN`, with some fields changed."""
    issuer = CHAIN[CHAIN.index(subject) + 1]
    fields: dict[str, object] = {"subject": subject, "issuer": issuer, "responder": DELEGATES[issuer.der], **changes}
    return Answer(**fields)  # type: ignore[arg-type]  # the tests name fields of Answer


def refusal(status: ocsp.OCSPResponseStatus) -> bytes:
    """An unsigned status in place of an answer."""
    return ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER)


def der(tag: int, content: bytes) -> bytes:
    """One value in DER."""
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content


def resigned(answer: bytes, key: ec.EllipticCurvePrivateKey, change: Callable[[bytes], bytes] = lambda tbs: tbs) -> bytes:
    """The answer with its ResponseData (content, without header) changed, signed anew with ``key``."""
    status, enclosed = read_members(read_single(answer, SEQUENCE, "answer"), "answer")
    kind, octets = read_members(read_single(enclosed[1], SEQUENCE, "answer"), "answer")
    parts = read_members(read_single(octets[1], SEQUENCE, "answer"), "answer")
    data = der(SEQUENCE, change(parts[0][1]))
    signature = b"\0" + key.sign(data, ec.ECDSA(hashes.SHA384()))
    basic = data + b"".join([der(*part) for part in (parts[1], (parts[2][0], signature), *parts[3:])])
    content = der(*kind) + der(octets[0], der(SEQUENCE, basic))
    return der(SEQUENCE, der(*status) + der(enclosed[0], der(SEQUENCE, content)))


def with_two_singles(data: bytes) -> bytes:
    """A ResponseData whose one single response stands twice."""
    members: list[bytes] = []
    while data:
        members.append(first_member(data, "data"))
        data = data[len(members[-1]) :]
    place = next(index for index, member in enumerate(members) if member[0] == SEQUENCE)
    members[place] = der(SEQUENCE, 2 * read_single(members[place], SEQUENCE, "responses"))
    return b"".join(members)


@dataclass(frozen=True, slots=True, kw_only=True)
class List:
    """What a CRL shall say; by default nothing is revoked. Signed over SHA-256, as NVIDIA's CRLs are."""

    issuer: Party
    revoked: tuple[tuple[int, x509.ReasonFlags | None], ...] = ()
    this_update: datetime = AT - timedelta(days=20)
    next_update: datetime = AT + timedelta(days=40)
    number: int = 7
    key: ec.EllipticCurvePrivateKey | None = None
    digest: hashes.SHA256 | hashes.SHA384 = field(default_factory=hashes.SHA256)

    @property
    def der(self) -> bytes:
        """The CRL."""
        public = self.issuer.key.public_key()
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.issuer.certificate.subject)
            .last_update(self.this_update)
            .next_update(self.next_update)
            .add_extension(x509.CRLNumber(self.number), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        )
        for serial, reason in self.revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(self.this_update)
            if reason is not None:
                entry = entry.add_extension(x509.CRLReason(reason), critical=False)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(self.key or self.issuer.key, self.digest).public_bytes(Encoding.DER)
