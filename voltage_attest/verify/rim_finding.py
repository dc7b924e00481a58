"""Which manifest is a device's: by its id where NVIDIA's service answered, else by what a file says it is for.

What is found is only a candidate. Its chain, signature, product and version are judged by :mod:`voltage_attest.verify.rim`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from voltage_attest.collateral.nvidia import NvidiaCollateral
from voltage_attest.collateral.rim import RimDocument
from voltage_attest.verify.device_evidence import WantedRim, wanted_rims
from voltage_attest.verify.gpu_case import VerifiedDevice
from voltage_attest.verify.rim import ReportedDevice, RimCase
from voltage_attest.verify.rim_measurements import OpaqueField
from voltage_attest.verify.rim_reading import Rim, RimShelf, absent_rim
from voltage_attest.verify.unreadable import Unreadable

__all__ = ["find_rim", "rim_case"]

_MOST_NAMED: Final = 6


def rim_case(
    device: VerifiedDevice, collateral: NvidiaCollateral, shelf: RimShelf, root: bytes, at: datetime
) -> tuple[RimCase, tuple[str, ...]]:
    """The device before its manifests, and their ids; :class:`EvidenceFormatError` where its report names what no id holds."""
    wanted = wanted_rims(device.report, device.chain.chip)
    found = [find_rim(one, collateral, shelf) for one in wanted]
    opaque = device.report.opaque.records.values()
    reported = ReportedDevice(
        chip=wanted[-1].product,
        firmware_version=device.report.fields.vbios_version,
        driver_version=None if device.report.gpu is None else device.report.gpu.driver_version,
        measurements={block.index: block.digest for block in device.report.exchange.measurements},
        opaque={record.type: OpaqueField(record.value_type, record.data) for record in opaque if record.value_type is not None},
    )
    case = RimCase(reported, found[0] if len(found) > 1 else None, found[-1], root, at)
    return case, tuple([one.rim_id for one in wanted])


def find_rim(wanted: WantedRim, collateral: NvidiaCollateral, shelf: RimShelf) -> Rim | Unreadable:
    """The manifest asked for; where it is absent, the finding that says so and names what is there instead.

    A file that cannot be read at all is returned where nothing else fits: it may be the one, and must not pass unseen.
    """
    named = {document.rim_id: document for document in collateral.rims if document.rim_id is not None}
    if wanted.rim_id in named:
        return shelf.rim(named[wanted.rim_id])
    files = [(document, shelf.rim(document)) for document in collateral.rims if document.rim_id is None]
    for _, rim in files:
        if not isinstance(rim.xml, Unreadable) and rim.xml.claimed == wanted[1:]:
            return rim
    broken = next((rim.xml for _, rim in files if isinstance(rim.xml, Unreadable)), None)
    return broken or absent_rim(wanted.rim_id, _why_absent(wanted, collateral, files))


def _why_absent(wanted: WantedRim, collateral: NvidiaCollateral, files: list[tuple[RimDocument, Rim]]) -> str:
    """The fetcher's reason, or what the manifests at hand are for."""
    reason = collateral.why_absent(wanted.rim_id)
    if reason is not None:
        return reason
    claims = [" ".join(rim.xml.claimed) for _, rim in files if not isinstance(rim.xml, Unreadable)]
    others = [*claims, *[document.rim_id for document in collateral.rims if document.rim_id is not None]]
    at_hand = f"; at hand are {', '.join(others[:_MOST_NAMED])}" if others else ""
    return f"{wanted.rim_id} is not at hand{at_hand}"
