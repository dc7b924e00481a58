"""What the checks of one GPU or NVSwitch look at: its report, its certificates, the pinned key, and the time to judge at."""

from __future__ import annotations

import hashlib
import re
from dataclasses import InitVar, dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Final

from voltage_attest.crypto.certificates import Certificate, CertificateLoader, load_certificate
from voltage_attest.crypto.signatures import P384, SignatureMemo
from voltage_attest.errors import InputError
from voltage_attest.evidence.dice import (
    COMPOSITE_DEVICE_ID_OID,
    DICE_TCB_INFO_OID,
    parse_composite_device_fwid,
    parse_tcb_info_fwid,
)
from voltage_attest.evidence.gpu_fields import PDI_SIZE, FeatureFlag
from voltage_attest.evidence.gpu_report import DeviceReport, parse_device_report
from voltage_attest.evidence.nras_request import DeviceItem
from voltage_attest.result import failed
from voltage_attest.trust import TrustRoots
from voltage_attest.verify.types import SEAL
from voltage_attest.verify.unreadable import Unreadable

__all__ = [
    "BLACKWELL_CHIP",
    "DeviceCase",
    "DeviceChain",
    "DeviceExpectations",
    "GpuWorkshop",
    "VerifiedDevice",
    "chain_chip",
    "read_device_chain",
]

BLACKWELL_CHIP: Final = re.compile(r"GB[0-9]{3}")

_CHAIN_LENGTH: Final = 5
_CHIP: Final = r"(GH100|GB[0-9]{3}|LS_10)"
_LEAF: Final = re.compile(rf"{_CHIP} [A-Z][0-9]{{2}} (?:GSP|FSP) FMC LF")
_BROM: Final = re.compile(rf"{_CHIP} [A-Z][0-9]{{2}} (?:GSP|FSP) BROM")
_PROVISIONER: Final = re.compile(rf"NVIDIA {_CHIP} Provisioner ICA [0-9]{{1,5}}")
_FAMILY: Final = re.compile(r"NVIDIA (GH100|GB[0-9]{3}) Identity")
_ROOT: Final = "NVIDIA Device Identity CA"


@dataclass(frozen=True, slots=True)
class DeviceChain:
    """The five certificates as found, leaf first, and the FWID (48 bytes) in the leaf, None where it carries none."""

    leaf: Certificate
    brom: Certificate
    provisioner: Certificate
    family: Certificate
    root: Certificate
    fwid: bytes | None

    @property
    def certificates(self) -> tuple[Certificate, ...]:
        """Leaf first."""
        return self.leaf, self.brom, self.provisioner, self.family, self.root

    @property
    def ueid(self) -> str:
        """The device's universal entity id as NVIDIA writes it: the leaf's serial number in decimal."""
        return str(self.leaf.serial_number)

    @property
    def pdi(self) -> bytes:
        """The device's PDI: the low 8 bytes of the BROM certificate's serial number, highest first."""
        return self.brom.serial_number.to_bytes(PDI_SIZE + 1, "big")[-PDI_SIZE:]

    @property
    def chip(self) -> str:
        """The chip that the leaf names (``GH100``, ``GB100``, ``LS_10``); empty if it names none."""
        return _chip(_LEAF, self.leaf)

    def why_roles_fail(self) -> str | None:
        """Which certificate's name does not fit its place, or None: all of one chip, under that chip's family."""
        for pattern, certificate in ((_LEAF, self.leaf), (_BROM, self.brom), (_PROVISIONER, self.provisioner)):
            if not self.chip or _chip(pattern, certificate) != self.chip:
                return f"{certificate.common_name!r} under a leaf {self.leaf.common_name!r}"
        family = _chip(_FAMILY, self.family)
        blackwell = BLACKWELL_CHIP.fullmatch
        if not family or bool(blackwell(family)) != bool(blackwell(self.chip)) or self.root.common_name != _ROOT:
            return f"{self.family.common_name!r} under {self.root.common_name!r}"
        return None


def _chip(pattern: re.Pattern[str], certificate: Certificate) -> str:
    match = pattern.fullmatch(certificate.common_name)
    return match.group(1) if match else ""


def read_device_chain(pem: bytes, loader: CertificateLoader) -> DeviceChain | Unreadable:
    """The chain in ``pem``, or the finding that says why it cannot be read."""
    try:
        certificates = loader.chain(pem, "device chain")
        if len(certificates) != _CHAIN_LENGTH:
            found = ", ".join(certificate.common_name for certificate in certificates)
            return Unreadable(
                failed(
                    expected="5 certificates: leaf, BROM, provisioner, family, root",
                    actual=f"{len(certificates)}: {found}",
                    reason="the chain does not have the shape of an NVIDIA device chain",
                )
            )
        leaf, brom, provisioner, family, root = certificates
        if not PDI_SIZE * 8 < brom.serial_number.bit_length() <= (PDI_SIZE + 1) * 8:
            return Unreadable(
                failed(
                    expected="a BROM serial number of 9 bytes: a prefix and the PDI",
                    actual=f"{brom.serial_number:x}",
                    reason="the chain does not name its device",
                )
            )
        return DeviceChain(leaf, brom, provisioner, family, root, _fwid(leaf))
    except InputError as error:
        return Unreadable(failed(expected=error.expected, actual=error.found, reason="the device chain cannot be read"))


def chain_chip(pem: bytes) -> str:
    """The chip that the leaf of a chain names, unproven; empty where it names none, or cannot be read."""
    chain = read_device_chain(pem, CertificateLoader(curve=P384))
    return "" if isinstance(chain, Unreadable) else chain.chip


def _fwid(leaf: Certificate) -> bytes | None:
    """The FWID by the rule of the leaf's chip; the other rule's extension is not looked at."""
    blackwell = BLACKWELL_CHIP.fullmatch(_chip(_LEAF, leaf))
    oid, parse = (
        (DICE_TCB_INFO_OID, parse_tcb_info_fwid) if blackwell else (COMPOSITE_DEVICE_ID_OID, parse_composite_device_fwid)
    )
    value = leaf.extensions.values.get(oid)
    return None if value is None else parse(value, "the leaf's FWID")


@dataclass(frozen=True, slots=True)
class DeviceExpectations:
    """What the caller wants of each device. None leaves a field open; versions are texts that the policy loader has judged."""

    modes: frozenset[FeatureFlag] | None = None
    min_driver: str | None = None
    min_vbios: str | None = None


@dataclass(frozen=True, slots=True)
class GpuWorkshop:
    """What outlives one verification because it depends on bytes alone: the pinned key, certificates, good signatures."""

    root_spki_sha256: bytes
    loader: CertificateLoader = field(default_factory=lambda: CertificateLoader(curve=P384))
    memo: SignatureMemo = field(default_factory=SignatureMemo)

    @staticmethod
    def under(roots: TrustRoots) -> GpuWorkshop:
        """An empty one, ending in the key of ``roots``' device root; :class:`EvidenceFormatError` if that is no certificate."""
        root = load_certificate(roots.nvidia_device, "the NVIDIA device root", P384)
        return GpuWorkshop(hashlib.sha256(root.spki).digest())


@dataclass(frozen=True)
class DeviceCase:
    """One device under judgement at ``at`` (UTC). Report and chain are read once per case."""

    item: DeviceItem
    expected: DeviceExpectations
    workshop: GpuWorkshop
    at: datetime

    @cached_property
    def report(self) -> DeviceReport | Unreadable:
        """The report, read by the table of the stated architecture."""
        try:
            return parse_device_report(self.item.report, self.item.architecture)
        except InputError as error:
            return Unreadable(failed(expected=error.expected, actual=error.found, reason="the report cannot be read"))

    @cached_property
    def chain(self) -> DeviceChain | Unreadable:
        """The device's certificate chain."""
        return read_device_chain(self.item.certificate_chain, self.workshop.loader)


@dataclass(frozen=True, slots=True)
class VerifiedDevice:
    """A device whose report is signed by a key that leads, link by link, to the pinned NVIDIA device root key.

    ``name`` is its place in the evidence (``gpu[0]``). Says nothing of nonce, revocation or measurements: rows of their own.
    """

    name: str
    report: DeviceReport
    chain: DeviceChain
    seal: InitVar[object] = None

    def __post_init__(self, seal: object) -> None:
        if seal is not SEAL:
            raise TypeError("a VerifiedDevice is made by voltage_attest.verify and by nothing else")
