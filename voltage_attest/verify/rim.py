"""Checks of reference integrity manifests: NVIDIA's own, current, for this device; and its measurements against them.

A GPU has two manifests, of its driver and of its VBIOS; a switch has one, of its BIOS. A check judges all manifests of the
device and names the one that fails. Order and meaning follow NVIDIA's verifiers, with what they leave out: content is read only
after its signature, from what was signed (see ``crypto/xml_signature.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from voltage_attest.crypto.rim_chain import RIM_CHAIN_LENGTH
from voltage_attest.result import Finding, failed, passed, skipped
from voltage_attest.verify.joined import join_findings
from voltage_attest.verify.rim_measurements import OpaqueField, judge_measurements
from voltage_attest.verify.rim_reading import Rim
from voltage_attest.verify.unreadable import Unreadable, given

__all__ = ["RIM_FUNCTIONS", "ReportedDevice", "RimCase"]

_DRIVER: Final = "driver"
_GPU: Final = "GPU"
_SWITCH: Final = "SWITCH"


@dataclass(frozen=True, slots=True)
class ReportedDevice:
    """What a device's verified report says, as far as manifests are concerned.

    ``chip`` is the chip of its certificate chain (``GH100``); ``firmware_version`` that of VBIOS or switch BIOS as shown
    (``96.00.9F.00.01``); ``driver_version`` is None for a switch. ``measurements``: SPDM index (1 to 64) to 48 bytes.
    ``opaque``: type to field of versioned opaque data; empty where the report has the legacy form.
    """

    chip: str
    firmware_version: str
    driver_version: str | None
    measurements: Mapping[int, bytes]
    opaque: Mapping[int, OpaqueField] = field(default_factory=dict)

    @property
    def is_switch(self) -> bool:
        """Whether this is an NVSwitch: it has no driver of its own."""
        return self.driver_version is None


@dataclass(frozen=True, slots=True)
class RimCase:
    """One device under judgement at ``at`` (UTC), with its manifests and the DER bytes of the root they must lead to.

    ``driver`` is None for a switch, and for nothing else. A manifest that could not be had is an ``Unreadable``
    (see :func:`~voltage_attest.verify.rim_reading.absent_rim`).
    """

    device: ReportedDevice
    driver: Rim | Unreadable | None
    firmware: Rim | Unreadable
    root: bytes
    at: datetime

    def __post_init__(self) -> None:
        if (self.driver is None) is not self.device.is_switch:
            raise ValueError("a GPU has a driver and its manifest, a switch has neither")

    @property
    def manifests(self) -> tuple[tuple[str, Rim | Unreadable], ...]:
        """The device's manifests with their names in findings."""
        firmware = ("switch BIOS" if self.device.is_switch else "VBIOS", self.firmware)
        return (firmware,) if self.driver is None else ((_DRIVER, self.driver), firmware)


def parse(case: RimCase) -> Finding:
    """gpu.rim.parse."""

    def judge(rim: Rim | Unreadable) -> Finding:
        found = rim if isinstance(rim, Unreadable) else rim.xml
        if isinstance(found, Unreadable):
            return found.finding
        return passed(f"{len(found.data)} bytes")

    return join_findings([(f"{name} RIM", judge(rim)) for name, rim in case.manifests])


def chain(case: RimCase) -> Finding:
    """gpu.rim.chain."""

    def judge(rim: Rim) -> Finding:
        if isinstance(rim.chain, Unreadable):
            return rim.chain.finding
        reason = rim.why_chain_fails(case.root)
        if reason is None:
            return passed(rim.chain[0].common_name)
        return failed(
            expected=f"{RIM_CHAIN_LENGTH} certificates: signer, two CAs for reference values, pinned NVIDIA root",
            actual=reason,
            reason="the manifest's signer is not proven to be NVIDIA's",
        )

    return _each(case, judge)


def chain_validity(case: RimCase) -> Finding:
    """gpu.rim.chain_validity."""

    def judge(rim: Rim) -> Finding:
        certificates = given(rim.chain)
        for certificate in certificates:
            if not certificate.not_before <= case.at <= certificate.not_after:
                lapse = "is not yet valid" if case.at < certificate.not_before else "has expired"
                return failed(
                    expected=_window(certificate.not_before, certificate.not_after),
                    actual=_stamp(case.at),
                    reason=f"{certificate.common_name} {lapse} at the appraisal time",
                )
        return passed(_window(max([certificate.not_before for certificate in certificates]), rim.valid_until))

    return _each(case, judge)


def signature(case: RimCase) -> Finding:
    """gpu.rim.signature."""

    def judge(rim: Rim) -> Finding:
        signer = given(rim.chain)[0].common_name
        if rim.refused is None:
            return passed(signer)
        return failed(
            expected=f"a signature by {signer} over this manifest",
            actual=rim.refused.reason,
            reason="the manifest was altered, or is another's",
        )

    return _each(case, judge)


def driver_identity(case: RimCase) -> Finding:
    """gpu.rim.driver."""
    if case.driver is None or case.device.driver_version is None:
        return skipped("a switch has no driver of its own")
    return _identity(_read(case.driver), case.device.chip, _GPU, case.device.driver_version)


def firmware_identity(case: RimCase) -> Finding:
    """gpu.rim.vbios: of a GPU's VBIOS, or a switch's BIOS."""
    edition = _SWITCH if case.device.is_switch else _GPU
    return _identity(_read(case.firmware), case.device.chip, edition, case.device.firmware_version.upper())


def measurements(case: RimCase) -> Finding:
    """gpu.measurements."""
    contents = [(name, given(_read(rim).content)) for name, rim in case.manifests]
    return judge_measurements(contents, case.device.measurements, case.device.opaque)


RIM_FUNCTIONS: Final[Mapping[str, Callable[[RimCase], Finding]]] = {
    "gpu.rim.parse": parse,
    "gpu.rim.chain": chain,
    "gpu.rim.chain_validity": chain_validity,
    "gpu.rim.signature": signature,
    "gpu.rim.driver": driver_identity,
    "gpu.rim.vbios": firmware_identity,
    "gpu.measurements": measurements,
}
"""Check id to function, in order; each needs only what its entry in ``checks/rim.py`` requires."""


def _identity(rim: Rim, chip: str, edition: str, version: str) -> Finding:
    """Whether the signed content is for this chip and version, and for this kind of device."""
    content = rim.content
    if isinstance(content, Unreadable):
        return content.finding
    expected = f"{edition} {chip} {version}"
    actual = f"{content.edition} {content.product} {content.version}"
    if actual == expected:
        return passed(actual)
    return failed(
        expected=expected,
        actual=actual,
        reason="the manifest is NVIDIA's, but for another product or version than the report names",
    )


def _read(rim: Rim | Unreadable) -> Rim:
    return given(rim)


def _each(case: RimCase, judge: Callable[[Rim], Finding]) -> Finding:
    return join_findings([(f"{name} RIM", judge(_read(rim))) for name, rim in case.manifests])


def _window(start: datetime, end: datetime) -> str:
    return f"{_stamp(start)} to {_stamp(end)}"


def _stamp(moment: datetime) -> str:
    return f"{moment.replace(tzinfo=None).isoformat(timespec='seconds')}Z"
