"""Checks of one NVIDIA device: is this report genuine, and from the kind of device that was promised?

The order of NVIDIA's tools is kept where it matters (chain before signature) and their gaps are closed: the chain must have all
five certificates, dates count, and a missing FWID is refused from driver 550 on. For whom the report was made is judged where
CPU and GPU are bound together (``appraise/gpu_binding.py``).
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from voltage_attest.checks.gpu import AUTHENTIC_DEVICE
from voltage_attest.crypto.device_chain import why_device_chain_fails
from voltage_attest.crypto.signatures import p384_verifies
from voltage_attest.evidence.gpu_fields import FeatureFlag, GpuFields
from voltage_attest.evidence.gpu_report import Architecture
from voltage_attest.result import Finding, failed, passed, skipped
from voltage_attest.verify.gpu_case import BLACKWELL_CHIP, DeviceCase, VerifiedDevice
from voltage_attest.verify.types import SEAL
from voltage_attest.verify.unreadable import Unreadable, given

__all__ = ["DEVICE_CHECKS", "reported_mode", "seal_device"]

_FWID_SINCE: Final = 550
"""The first driver branch that reports the FWID."""
_EXACT_CHIPS: Final = {Architecture.HOPPER: "GH100", Architecture.LS10: "LS_10"}


def report_parse(case: DeviceCase) -> Finding:
    """gpu.report.parse."""
    report = case.report
    if isinstance(report, Unreadable):
        return report.finding
    return passed(f"{report.architecture}, {len(report.exchange.measurements)} measurements, {len(report.exchange.raw)} bytes")


def chain_parse(case: DeviceCase) -> Finding:
    """gpu.chain.parse."""
    chain = case.chain
    return chain.finding if isinstance(chain, Unreadable) else passed(f"{chain.brom.common_name}, serial {chain.ueid}")


def chain(case: DeviceCase) -> Finding:
    """gpu.chain."""
    found, root = given(case.chain), case.workshop.root_spki_sha256
    reason = why_device_chain_fails(found.certificates, root, case.workshop.memo) or found.why_roles_fail()
    if reason is None:
        return passed(f"root key {root.hex()}")
    return failed(
        expected=f"leaf, BROM, provisioner and family of one chip under the root key {root.hex()}",
        actual=reason,
        reason="nothing proves that NVIDIA made this device",
    )


def chain_validity(case: DeviceCase) -> Finding:
    """gpu.chain_validity."""
    certificates = given(case.chain).certificates
    begin = max(certificates, key=lambda certificate: certificate.not_before)
    end = min(certificates, key=lambda certificate: certificate.not_after)
    window = f"{begin.not_before.isoformat()} to {end.not_after.isoformat()}"
    if begin.not_before <= case.at <= end.not_after:
        return passed(window)
    lapse = f"{begin.common_name} is not yet valid" if case.at < begin.not_before else f"{end.common_name} has expired"
    return failed(expected=window, actual=case.at.isoformat(), reason=f"{lapse} at the appraisal time")


def architecture(case: DeviceCase) -> Finding:
    """gpu.architecture."""
    label, chip = case.item.architecture, given(case.chain).chip
    gpu = given(case.report).gpu
    told = chip if gpu is None or gpu.chip_info is None else gpu.chip_info
    exact = _EXACT_CHIPS.get(label)
    fits = bool(BLACKWELL_CHIP.fullmatch(chip)) if exact is None else chip == exact
    if fits and told == chip:
        return passed(f"{label}: {chip}")
    return failed(
        expected=f"{label}: {exact or 'GB and three digits'}, and the same chip in report and certificates",
        actual=f"certificates of {chip}, report of {told}",
        reason="the evidence is labelled as another kind of device than NVIDIA certified",
    )


def report_signature(case: DeviceCase) -> Finding:
    """gpu.report.signature."""
    exchange, leaf = given(case.report).exchange, given(case.chain).leaf
    if p384_verifies(leaf.public_key, exchange.signature, exchange.signed_bytes):
        return passed(f"key of {leaf.common_name}, serial {leaf.serial_number}")
    return failed(
        expected=f"an ECDSA P-384 signature by {leaf.common_name}, serial {leaf.serial_number}",
        actual="a signature that does not verify",
        reason="the report was altered, or comes from another device than its certificates",
    )


def fwid(case: DeviceCase) -> Finding:
    """gpu.fwid."""
    certified, gpu = given(case.chain).fwid, given(case.report).gpu
    reported = None if gpu is None else gpu.fwid
    reason = "the firmware that signs is not the firmware that was certified"
    if certified is None:
        return failed(expected="a FWID in the leaf certificate", actual="none", reason=reason)
    if gpu is None:
        return skipped("a switch's report carries no FWID", actual=certified.hex())
    if reported is None:
        if gpu.driver_numbers[0] < _FWID_SINCE and given(case.report).opaque.version is None:
            return skipped(f"driver {gpu.driver_version} reports no FWID; drivers do from 550 on", actual=certified.hex())
        return failed(expected=certified.hex(), actual=f"no FWID from driver {gpu.driver_version}", reason=reason)
    if hmac.compare_digest(certified, reported):
        return passed(reported.hex())
    return failed(expected=certified.hex(), actual=reported.hex(), reason=reason)


def reported_mode(gpu: GpuFields) -> FeatureFlag | None:
    """The mode that a GPU reports; None where its driver is too old to tell SPT from MPT."""
    return gpu.feature_flag or (FeatureFlag.PPCIE if gpu.protected_pcie else None)


def mode(case: DeviceCase) -> Finding:
    """gpu.mode."""
    gpu, allowed = given(case.report).gpu, case.expected.modes
    if gpu is None:
        return skipped("a switch reports no mode")
    found = reported_mode(gpu)
    actual = "not reported" if found is None else found.value
    if gpu.feature_flag is not None and (gpu.feature_flag is FeatureFlag.PPCIE) != bool(gpu.protected_pcie):
        return failed(
            expected="a mode and a protected PCIe status that agree",
            actual=f"{gpu.feature_flag} with protected PCIe {'on' if gpu.protected_pcie else 'off'}",
            reason="the report contradicts itself",
        )
    if allowed is None:
        return skipped("the policy pins no modes", actual=actual)
    if found in allowed:
        return passed(actual)
    return failed(
        expected=" or ".join(sorted(allowed)),
        actual=actual,
        reason="the GPU is not proven to run in a mode that the policy allows"
        + ("; drivers tell spt from mpt from 580 on" if found is None else ""),
    )


def min_driver(case: DeviceCase) -> Finding:
    """gpu.policy.min_driver."""
    gpu, floor = given(case.report).gpu, case.expected.min_driver
    if gpu is None:
        return skipped("a switch reports no driver version")
    if floor is None:
        return skipped("the policy sets no floor", actual=gpu.driver_version)
    least = tuple([int(part) for part in floor.split(".")])
    width = max(len(least), len(gpu.driver_numbers))
    reached = _padded(gpu.driver_numbers, width) >= _padded(least, width)
    return _floor(reached, floor, gpu.driver_version, "driver")


def min_vbios(case: DeviceCase) -> Finding:
    """gpu.policy.min_vbios."""
    gpu, floor = given(case.report).gpu, case.expected.min_vbios
    if gpu is None:
        return skipped("the floor is one for GPUs", actual=given(case.report).fields.vbios_version)
    if floor is None:
        return skipped("the policy sets no floor", actual=gpu.vbios_version)
    reached = bytes.fromhex(gpu.vbios_version.replace(".", "")) >= bytes.fromhex(floor.replace(".", ""))
    return _floor(reached, floor, gpu.vbios_version, "VBIOS")


def _padded(numbers: tuple[int, ...], width: int) -> tuple[int, ...]:
    return numbers + (0,) * (width - len(numbers))


def _floor(reached: bool, floor: str, actual: str, what: str) -> Finding:  # noqa: FBT001 - named in every call's expression
    expected = f"{floor} or later"
    if reached:
        return passed(actual)
    return failed(expected=expected, actual=actual, reason=f"the {what} is older than the policy allows")


DEVICE_CHECKS: Final[Mapping[str, Callable[[DeviceCase], Finding]]] = MappingProxyType(
    {
        "gpu.report.parse": report_parse,
        "gpu.chain.parse": chain_parse,
        "gpu.chain": chain,
        "gpu.chain_validity": chain_validity,
        "gpu.architecture": architecture,
        "gpu.report.signature": report_signature,
        "gpu.fwid": fwid,
        "gpu.mode": mode,
        "gpu.policy.min_driver": min_driver,
        "gpu.policy.min_vbios": min_vbios,
    }
)
"""The checks of one device, in order."""


def seal_device(case: DeviceCase, name: str, holds: Callable[..., bool]) -> VerifiedDevice | None:
    """Seal a device as verified if the checks that make it authentic hold, else None.

    ``holds`` is its ledger's: whether all the named checks passed, or were skipped for want of a subject.
    """
    report, certificates = case.report, case.chain
    if isinstance(report, Unreadable) or isinstance(certificates, Unreadable) or not holds(*AUTHENTIC_DEVICE):
        return None
    return VerifiedDevice(name, report, certificates, SEAL)
