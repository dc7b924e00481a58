"""What to ask NVIDIA for, to judge the devices that evidence names: manifests, and the status of certificates.

Reports are read before they are proven, and only to know which manifests to ask for. What cannot be read is left out:
its checks say so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeGuard

from voltage_attest.collateral.nvidia import NvidiaCollateral
from voltage_attest.collateral.nvidia_questions import RevocationQuestion
from voltage_attest.crypto.device_chain import why_device_chain_fails
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.gpu_report import parse_device_report
from voltage_attest.evidence.model import Evidence
from voltage_attest.evidence.nras_request import DeviceItem
from voltage_attest.verify.device_evidence import NamedDevice, WantedRim, read_devices, wanted_rims
from voltage_attest.verify.gpu_case import DeviceChain, GpuWorkshop, read_device_chain
from voltage_attest.verify.revocation import device_certificates, revocation_questions, rim_chain_certificates
from voltage_attest.verify.rim_finding import find_rim
from voltage_attest.verify.rim_reading import Rim, RimShelf
from voltage_attest.verify.unreadable import Unreadable

__all__ = ["readable_devices", "status_questions", "wanted_manifests"]


def readable_devices(evidence: Evidence) -> tuple[NamedDevice, ...]:
    """The devices, or none where their evidence cannot be read."""
    try:
        return read_devices(evidence)
    except EvidenceFormatError:
        return ()


def wanted_manifests(devices: Iterable[NamedDevice], workshop: GpuWorkshop) -> tuple[WantedRim, ...]:
    """The manifests of these devices, each once."""
    return tuple(dict.fromkeys([wanted for device in devices for wanted in _wanted(device.item, workshop)]))


def status_questions(
    devices: Iterable[NamedDevice],
    collateral: NvidiaCollateral,
    workshop: GpuWorkshop,
    shelf: RimShelf,
    *,
    rim_root: bytes,
    draw_nonce: Callable[[], bytes] | None,
) -> tuple[RevocationQuestion, ...]:
    """What to ask about the devices' certificates and about those beside their manifests in ``collateral``, each once.

    Of chains that lead to no pinned root (``rim_root``: DER bytes of that of manifests) nothing is asked: whoever made them
    chose how many certificates there are, and which addresses they name.
    """
    devices = tuple(devices)
    chains = [read_device_chain(device.item.certificate_chain, workshop.loader) for device in devices]
    found = [find_rim(wanted, collateral, shelf) for wanted in wanted_manifests(devices, workshop)]
    links = [
        *[link for chain in chains if _is_proven(chain, workshop) for link in device_certificates(chain)],
        *[link for rim in found if _is_manifest(rim, rim_root) for link in rim_chain_certificates(rim, "rim")],
    ]
    return revocation_questions(links, draw_nonce)


def _is_proven(chain: DeviceChain | Unreadable, workshop: GpuWorkshop) -> bool:
    if isinstance(chain, Unreadable):
        return False
    return why_device_chain_fails(chain.certificates, workshop.root_spki_sha256, workshop.memo) is None


def _is_manifest(rim: Rim | Unreadable, root: bytes) -> TypeGuard[Rim]:
    return isinstance(rim, Rim) and not isinstance(rim.chain, Unreadable) and rim.why_chain_fails(root) is None


def _wanted(item: DeviceItem, workshop: GpuWorkshop) -> tuple[WantedRim, ...]:
    chain = read_device_chain(item.certificate_chain, workshop.loader)
    if isinstance(chain, Unreadable):
        return ()
    try:
        return wanted_rims(parse_device_report(item.report, item.architecture), chain.chip)
    except EvidenceFormatError:
        return ()
