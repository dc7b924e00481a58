"""The devices that evidence names, and what must be fetched to judge them. Read before anything is proven: for asking only.

A report chooses the ids of its manifests, and a chain the certificates whose revocation is asked for. Whoever lies here is told
of documents that do not fit, and the checks say so.
"""

from __future__ import annotations

from typing import NamedTuple

from voltage_attest.collateral.rim import driver_rim_id, switch_rim_id, vbios_rim_id
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.gpu_report import DeviceReport
from voltage_attest.evidence.model import DeviceEvidence, Evidence
from voltage_attest.evidence.nras_request import MAX_DEVICES, DeviceItem, parse_nras_request

__all__ = ["NamedDevice", "WantedRim", "firmware_rim", "read_devices", "wanted_rims"]


class NamedDevice(NamedTuple):
    """One device's evidence under the name that its rows carry: ``gpu[0]``, ``switch[3]``, by its place in the evidence."""

    name: str
    item: DeviceItem


class WantedRim(NamedTuple):
    """The manifest that belongs to a device: its id at NVIDIA's service, and what it must be for."""

    rim_id: str
    product: str
    edition: str
    version: str


def read_devices(evidence: Evidence) -> tuple[NamedDevice, ...]:
    """All devices, GPUs first; :class:`EvidenceFormatError` unless every document can be read."""
    devices = [*_read(evidence.gpu_evidence, "gpu"), *_read(evidence.switch_evidence, "switch")]
    if len(devices) > MAX_DEVICES:
        raise EvidenceFormatError(f"evidence of {len(devices)} devices", expected=f"at most {MAX_DEVICES}")
    return tuple(devices)


def _read(documents: tuple[DeviceEvidence, ...], kind: str) -> list[NamedDevice]:
    texts = [document.json.encode("utf-8", "surrogatepass") for document in documents]  # half a pair is refused by the parser
    items = [item for text in texts for item in parse_nras_request(text).items]
    return [NamedDevice(f"{kind}[{place}]", item) for place, item in enumerate(items)]


def wanted_rims(report: DeviceReport, chip: str) -> tuple[WantedRim, ...]:
    """The driver's and the firmware's manifest, in that order; of a switch the firmware's alone.

    ``chip`` as the certificates name it (``GH100``, ``LS_10``). :class:`EvidenceFormatError` where the report names what no id
    can hold.
    """
    gpu = report.gpu
    if gpu is None:
        return (firmware_rim(report, chip),)
    driver = WantedRim(driver_rim_id(chip, gpu.driver_version), chip, "GPU", gpu.driver_version)
    return driver, firmware_rim(report, chip)


def firmware_rim(report: DeviceReport, chip: str) -> WantedRim:
    """The manifest of a GPU's VBIOS, or of a switch's BIOS."""
    gpu, version = report.gpu, report.fields.vbios_version.upper()
    if gpu is None:
        return WantedRim(switch_rim_id(version), chip.replace("_", ""), "SWITCH", version)
    return WantedRim(vbios_rim_id(gpu.project, gpu.project_sku, gpu.chip_sku, version), chip, "GPU", version)
