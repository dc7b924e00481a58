"""A stand-in for NVIDIA: device chains with the real shape under a root of its own, and signed reports of GPUs and switches."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID

from voltage_attest.evidence.gpu_report import Architecture
from voltage_attest.evidence.nras_request import DeviceItem

__all__ = ["FWID", "NONCE", "DeviceShape", "Link", "Names", "fake_item", "fake_root_spki_sha256", "gpu_records", "node", "pdi"]

NONCE: Final = bytes(range(32))
FWID: Final = hashlib.sha384(b"firmware").digest()
_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973
_DETERMINISTIC: Final = ec.ECDSA(hashes.SHA384(), deterministic_signing=True)
_BEGIN: Final = datetime(2020, 10, 17, tzinfo=UTC)
_END: Final = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


@cache
def key_of(label: str) -> ec.EllipticCurvePrivateKey:
    """The P-384 key that follows from a label."""
    return ec.derive_private_key(int.from_bytes(hashlib.sha512(label.encode()).digest(), "big") % _ORDER, ec.SECP384R1())


def fake_root_spki_sha256(label: str = "root") -> bytes:
    """What to pin."""
    spki = key_of(label).public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One certificate of a chain, and how it strays from what it should be."""

    common_name: str
    key: str
    serial: int = 1
    ca: bool | None = True
    path_length: int | None = None
    signs: bool = False
    certifies: bool = True
    not_before: datetime = _BEGIN
    not_after: datetime = _END
    signer: str | None = None
    issuer_name: str | None = None
    extensions: tuple[x509.ExtensionType, ...] = ()


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _issue(link: Link, issuer: Link) -> bytes:
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(link.common_name))
        .issuer_name(_name(link.issuer_name or issuer.common_name))
        .public_key(key_of(link.key).public_key())
        .serial_number(link.serial)
        .not_valid_before(link.not_before)
        .not_valid_after(link.not_after)
        .add_extension(
            x509.KeyUsage(
                digital_signature=link.signs,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=not (link.signs or link.certifies),
                key_cert_sign=link.certifies,
                crl_sign=link.certifies,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
    )
    if link.ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(link.ca, link.path_length), critical=True)
    for extension in link.extensions:
        builder = builder.add_extension(extension, critical=False)
    certificate = builder.sign(key_of(link.signer or issuer.key), hashes.SHA384(), ecdsa_deterministic=True)
    return certificate.public_bytes(serialization.Encoding.PEM)


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes((size,)) if size < 0x80 else bytes((0x81, size)) if size < 0x100 else b"\x82" + size.to_bytes(2, "big")
    return bytes((tag,)) + length + content


def fwid_extension(fwid: bytes, *, blackwell: bool) -> x509.ExtensionType:
    """The DICE extension of either kind, of the shape that real leaves have."""
    digest = _der(0x30, _der(0x06, bytes.fromhex("608648016503040202")) + _der(0x04, fwid))
    if blackwell:
        second = _der(0x30, _der(0x06, bytes.fromhex("608648016503040202")) + _der(0x04, bytes(48)))
        content = _der(0x80, b"NVIDIA") + _der(0xA6, digest + second) + _der(0x87, b"\x05\0\0\0\x80")
        return x509.UnrecognizedExtension(x509.ObjectIdentifier("2.23.133.5.4.1.1"), _der(0x30, content))
    spki = (
        key_of("device").public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    content = _der(0x02, b"\x01") + spki + digest
    return x509.UnrecognizedExtension(x509.ObjectIdentifier("2.23.133.5.4.1"), _der(0x30, content))


@dataclass(frozen=True, slots=True)
class Names:
    """The common names of a chain, by architecture."""

    chip: str
    part: str
    family: str

    @staticmethod
    def of(architecture: Architecture) -> Names:
        """Those of the real devices."""
        return {
            Architecture.HOPPER: Names("GH100", "GSP", "GH100"),
            Architecture.BLACKWELL: Names("GB100", "GSP", "GB100"),
            Architecture.LS10: Names("LS_10", "FSP", "GH100"),
        }[architecture]


def pdi(label: str) -> bytes:
    """The PDI of the device of that label."""
    return hashlib.sha256(b"pdi " + label.encode()).digest()[:8]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceShape:
    """A device and its report. ``records`` are legacy opaque records by type; ``links`` replace certificates by position.

    ``opaque`` replaces the opaque data altogether, ``tail`` follows the signature, ``count`` is the number of certificates.
    """

    label: str = "a"
    architecture: Architecture = Architecture.HOPPER
    labelled: Architecture | None = None
    names: Names | None = None
    nonce: bytes = NONCE
    responder_nonce: bytes = bytes(32)
    fwid: bytes | None = FWID
    records: Mapping[int, bytes] = field(default_factory=dict)
    opaque: bytes | None = None
    blocks: int = 64
    links: Mapping[int, Mapping[str, object]] = field(default_factory=dict)
    count: int = 5
    signer: str | None = None
    tail: bytes = b""


def _chain(shape: DeviceShape) -> bytes:
    names = shape.names or Names.of(shape.architecture)
    blackwell = names.chip.startswith("GB")
    prefix = b"\x50" if shape.architecture.is_switch else b"\x41"
    extensions = () if shape.fwid is None else (fwid_extension(shape.fwid, blackwell=blackwell),)
    serial = int.from_bytes(hashlib.sha256(shape.label.encode()).digest()[:19], "big") | 1
    links = [
        Link(
            common_name=f"{names.chip} A01 {names.part} FMC LF",
            key=f"leaf {shape.label}",
            serial=serial,
            ca=None,
            signs=True,
            certifies=False,
            extensions=extensions,
        ),
        Link(
            common_name=f"{names.chip} A01 {names.part} BROM",
            key=f"brom {shape.label}",
            serial=int.from_bytes(prefix + pdi(shape.label), "big"),
        ),
        Link(common_name=f"NVIDIA {names.chip} Provisioner ICA 1", key="provisioner", serial=3),
        Link(common_name=f"NVIDIA {names.family} Identity", key="family", serial=4),
        Link(common_name="NVIDIA Device Identity CA", key="root", serial=5),
    ]
    links = [replace(link, **shape.links.get(place, {})) for place, link in enumerate(links)]  # type: ignore[arg-type]
    issuers = [*links[1:], links[-1]]
    return b"".join([_issue(link, issuer) for link, issuer in zip(links, issuers, strict=True)][: shape.count])


def gpu_records(**changes: bytes | None) -> dict[int, bytes]:
    """Records as driver 590.12 writes them on an H100 in protected PCIe mode; ``t36=...`` sets one, None leaves it out."""
    records: dict[int, bytes | None] = {
        6: bytes.fromhex("00a5009601000000"),
        15: b"885\0\0\0\0\0\0",
        17: b"G520\0",
        18: b"0200\0",
        3: b"590.12\0",
        11: b"\x55",
        20: FWID,
        21: b"\xaa",
        34: b"\1\0",
        36: b"\2\0",
    }
    records.update({int(name[1:]): value for name, value in changes.items()})
    return {kind: value for kind, value in records.items() if value is not None}


def switch_records() -> dict[int, bytes]:
    """Records of an LS10 switch, without its PDIs."""
    return {6: b"96.10.55.00.01", 23: bytes.fromhex("ec00"), 24: bytes(2), 25: bytes.fromhex("0100")}


def legacy(records: Mapping[int, bytes]) -> bytes:
    """The legacy layout."""
    return b"".join([kind.to_bytes(2, "little") + len(data).to_bytes(2, "little") + data for kind, data in records.items()])


def block(index: int) -> bytes:
    """One measurement block."""
    return bytes((index, 1, 51, 0, 1, 48, 0)) + hashlib.sha384(bytes((index,))).digest()


def report_of(shape: DeviceShape) -> bytes:
    """The signed report."""
    default = switch_records() if shape.architecture.is_switch else gpu_records()
    opaque = legacy(shape.records or default) if shape.opaque is None else shape.opaque
    record = b"".join([block(index) for index in range(1, shape.blocks + 1)])
    signed = (
        bytes.fromhex("11e001ff")
        + shape.nonce
        + b"\0"
        + bytes.fromhex("11600000")
        + bytes((shape.blocks,))
        + len(record).to_bytes(3, "little")
        + record
        + shape.responder_nonce
        + len(opaque).to_bytes(2, "little")
        + opaque
    )
    r, s = decode_dss_signature(key_of(shape.signer or f"leaf {shape.label}").sign(signed, _DETERMINISTIC))
    return signed + r.to_bytes(48, "big") + s.to_bytes(48, "big") + shape.tail


def fake_item(shape: DeviceShape) -> DeviceItem:
    """The device's evidence."""
    return DeviceItem(shape.labelled or shape.architecture, report_of(shape), _chain(shape))


def node(gpus: int = 8, switches: int = 4) -> tuple[list[DeviceShape], list[DeviceShape]]:
    """The shapes of a protected PCIe node: GPUs and switches that name each other."""
    switch_pdis = [pdi(f"switch {number}") for number in range(switches)]
    links = b"".join([switch_pdis[link % switches][::-1] if link < 16 else bytes(8) for link in range(18)])
    gpu_pdis = b"".join([pdi(f"gpu {number}") for number in range(gpus)])
    ports = bytes([link % gpus if link < 32 else 0xFF for link in range(64)])
    return (
        [DeviceShape(label=f"gpu {number}", records=gpu_records(t22=links)) for number in range(gpus)],
        [
            DeviceShape(
                label=f"switch {number}",
                architecture=Architecture.LS10,
                blocks=31,
                records={**switch_records(), 22: switch_pdis[number], 26: gpu_pdis + ports},
            )
            for number in range(switches)
        ],
    )
