"""Manifests made for the tests: a four-certificate chain of our own, documents of NVIDIA's shape, signed by signxml."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from hashlib import sha384
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureMethod
from signxml.signer import XMLSigner

__all__ = ["AT", "DRIVER", "VBIOS", "Issued", "Manifest", "Rank", "chain", "digest", "issue", "sign"]

AT: Final = datetime(2026, 3, 1, tzinfo=UTC)
DRIVER: Final = "550.90.07"
VBIOS: Final = "96.00.9F.00.01"

SWID: Final = "http://standards.iso.org/iso/19770/-2/2015/schema.xsd"
RIM: Final = "https://trustedcomputinggroup.org/resource/tcg-reference-integrity-manifest-rim-information-model/"


def digest(text: str) -> bytes:
    """48 bytes that follow from ``text``."""
    return sha384(text.encode()).digest()


@dataclass(frozen=True, slots=True)
class Rank:
    """What a certificate shall be. The defaults are those of a CA."""

    name: str
    is_ca: bool = True
    path_length: int | None = None
    may_certify: bool = True
    may_sign: bool = False
    ocsp_responder: bool = False
    first: datetime = datetime(2024, 1, 1, tzinfo=UTC)
    last: datetime = datetime(2035, 1, 1, tzinfo=UTC)
    curve: ec.EllipticCurve = field(default_factory=ec.SECP384R1)
    hash: hashes.SHA384 | hashes.SHA256 = field(default_factory=hashes.SHA384)


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)


ROOT: Final = Rank("NVIDIA CoRIM signing Root CA")
RANKS: Final = (
    Rank("HCC RIM L4 Signer", is_ca=False, may_certify=False, may_sign=True),
    Rank("NVIDIA Reference Value L3 GH100 002", path_length=0),
    Rank("NVIDIA Reference Value GH100 CA"),
)
"""Leaf first, without the root."""


def issue(rank: Rank, issuer: Issued | None) -> Issued:
    """Make a certificate of that rank, self-signed without an issuer."""
    key = ec.generate_private_key(rank.curve)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, rank.name)])
    usage = x509.KeyUsage(
        digital_signature=rank.may_sign,
        content_commitment=not (rank.may_sign or rank.may_certify),  # a usage must name something
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=rank.may_certify,
        crl_sign=rank.may_certify,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(rank.first)
        .not_valid_after(rank.last)
        .add_extension(x509.BasicConstraints(rank.is_ca, rank.path_length if rank.is_ca else None), critical=True)
        .add_extension(usage, critical=True)
    )
    if rank.ocsp_responder:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), critical=False)
    return Issued(builder.sign(issuer.key if issuer else key, rank.hash), key)


@cache
def root() -> Issued:
    return issue(ROOT, None)


def chain(ranks: Iterable[Rank] = RANKS, *, top: Issued | None = None) -> tuple[Issued, ...]:
    """Issue a chain, leaf first, root last."""
    issued = [top or root()]
    for rank in reversed(tuple(ranks)):
        issued.insert(0, issue(rank, issued[0]))
    return tuple(issued)


@cache
def usual_chain() -> tuple[Issued, ...]:
    return chain()


def with_leaf(**changes: object) -> tuple[Issued, ...]:
    """The usual chain with another leaf under the same CAs."""
    rank = replace(RANKS[0], **changes)  # type: ignore[arg-type]  # the tests name fields of Rank
    _, *rest = usual_chain()
    return (issue(rank, rest[0]), *rest)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a document shall say. ``golden``: active index to values; ``floors``: opaque type to name and minimum."""

    product: str = "GH100"
    edition: str = "GPU"
    version: str = DRIVER
    golden: Mapping[int, tuple[bytes, ...]] = field(
        default_factory=lambda: {7: (digest("7"),), 35: (digest("on"), digest("off"))}
    )
    floors: Mapping[int, tuple[str, int]] = field(default_factory=dict)
    manufacturer: str = "5703"

    def xml(self) -> str:
        """The document before it is signed."""
        resources = "".join(self._resource(index) for index in range(64)) + "".join(self._floor(kind) for kind in self.floors)
        return (
            f'<SoftwareIdentity xmlns="{SWID}" xmlns:ns2="http://www.w3.org/2001/04/xmlenc#sha384"'
            ' xmlns:ns3="https://docs.nvidia.com/attestation/specs/latest/opaque-data.html" corpus="false"'
            f' name="{self.product}" tagId="0123" version="1.0"><Entity name="NVIDIA Corporation" role="tagCreator"/>'
            f'<Meta xmlns:ns1="{RIM}" colloquialVersion="{self.version}" edition="{self.edition}" product="{self.product}"'
            f' ns1:FirmwareManufacturerId="{self.manufacturer}"/><Payload>{resources}</Payload></SoftwareIdentity>'
        )

    def signed(self, issued: tuple[Issued, ...] | None = None) -> bytes:
        """The document, signed by the leaf of a chain."""
        return sign(self.xml(), issued or usual_chain())

    def _resource(self, index: int) -> str:
        values = self.golden.get(index, (bytes(48),))
        hashed = " ".join(f'ns2:Hash{number}="{value.hex()}"' for number, value in enumerate(values))
        return (
            f'<Resource type="Measurement" index="{index}" active="{index in self.golden}" alternatives="{len(values)}"'
            f' {hashed} name="Measurement_{index}" size="48"/>'
        )

    def _floor(self, kind: int) -> str:
        name, minimum = self.floors[kind]
        return (
            f'<Resource type="Measurement" index="{4096 + kind}" active="True" alternatives="1" size="2" name="{name}"'
            f' ns3:minSvn="{minimum}" ns3:includeInResult="True"/>'
        )


def sign(
    xml: str,
    issued: tuple[Issued, ...] | None = None,
    *,
    change: Callable[[etree._Element], None] = lambda _: None,
    **options: object,
) -> bytes:
    """Sign a document as NVIDIA does; ``options`` of signxml's signer replace ours, ``change`` edits the finished tree."""
    issued = issued or usual_chain()
    settings: dict[str, object] = {
        "signature_algorithm": SignatureMethod.ECDSA_SHA384,
        "digest_algorithm": DigestAlgorithm.SHA384,
        "c14n_algorithm": CanonicalizationMethod.CANONICAL_XML_1_1,
        **options,
    }
    always = bool(settings.pop("always_add_key_value", False))
    signer = XMLSigner(**settings)  # type: ignore[arg-type]  # options are named by the tests
    certificates = [each.certificate for each in issued]
    tree = signer.sign(etree.fromstring(xml.encode()), key=issued[0].key, cert=certificates, always_add_key_value=always)
    change(tree)
    return bytes(etree.tostring(tree))
