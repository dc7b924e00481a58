"""Appraise a verified TDX quote against the policy: TD attributes, TCB status, pinned values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from operator import attrgetter
from typing import Final

from voltage_attest.checks.policy import PINNED_FIELDS
from voltage_attest.evidence.td_report import TdReport15, TdReport15Ex
from voltage_attest.ledger import CheckTable
from voltage_attest.policy.model import Pin, TcbException, TdxPolicy, Unpinned
from voltage_attest.result import Finding, Status, failed, passed, skipped
from voltage_attest.tcb_status import TcbStatus
from voltage_attest.verify.types import PlatformTcb, VerifiedQuote

__all__ = ["APPRAISAL_CHECKS", "TdxAppraisal", "exception_in_use"]

_DEBUG: Final = 1 << 0
_SEPT_VE_DISABLE: Final = 1 << 28
_SERVTD_EXT: Final = 1 << 17
_DEFINED: Final = _DEBUG | _SEPT_VE_DISABLE | 1 << 30 | 1 << 31 | 1 << 63
"""DEBUG, SEPT_VE_DISABLE, PKS, KL, PERFMON: the bits of TDATTRIBUTES that have a meaning and are judged or pinned."""

_XFAM_FIXED_1: Final = 0x3
_XFAM_ALLOWED: Final = 0x6DBE7

_NO_SERVICE_TD: Final = bytes(48)
_SERVICE_TD_HISTORY: Final = (
    "init_servtd_hash",
    "init_servtd_attr",
    "init_cpu_svn",
    "init_tee_tcb_svn",
    "init_fmspc",
    "cur_servtd_hash",
    "cur_servtd_attr",
)
_service_td_history: Final = attrgetter(*_SERVICE_TD_HISTORY)


@dataclass(frozen=True, slots=True)
class TdxAppraisal:
    """A verified quote before a policy, at a time (UTC)."""

    verified: VerifiedQuote
    policy: TdxPolicy
    at: datetime


def debug(case: TdxAppraisal) -> Finding:
    """tdx.td.debug."""
    attributes = case.verified.quote.td_report.td_attributes
    if not int.from_bytes(attributes, "little") & _DEBUG:
        return passed(attributes.hex())
    if case.policy.unsafe_allow_debug:
        return skipped(
            "the TD runs in debug mode and the policy allows it (unsafe_allow_debug): its operator can read its memory",
            actual=attributes.hex(),
            unsafe=True,
            location=case.policy.locations.get("unsafe_allow_debug"),
        )
    return failed(
        expected="TDATTRIBUTES with bit 0 (DEBUG) clear",
        actual=attributes.hex(),
        reason="the operator of the host can read and change this TD's memory",
    )


def attributes_reserved(case: TdxAppraisal) -> Finding:
    """tdx.td.attributes: reserved bits zero, unless exactly this value is pinned (SERVTD_EXT of 1.5ex included)."""
    raw = case.verified.quote.td_report.td_attributes
    reserved = int.from_bytes(raw, "little") & ~_DEFINED
    if not reserved:
        return passed(raw.hex())
    pin = case.policy.pins.get("td_attributes")
    is_extended = isinstance(case.verified.quote.td_report, TdReport15Ex)
    if reserved == _SERVTD_EXT and is_extended and isinstance(pin, Pin) and raw in pin.values:
        return passed(raw.hex(), expected="SERVTD_EXT, pinned by td_attributes")
    return failed(
        expected="TDATTRIBUTES with reserved bits zero",
        actual=f"{raw.hex()} (reserved bits {reserved:#x})",
        reason="a reserved bit stands for a feature whose effect on confidentiality is not known",
    )


def sept_ve_disable(case: TdxAppraisal) -> Finding:
    """tdx.td.sept_ve_disable."""
    raw = case.verified.quote.td_report.td_attributes
    if int.from_bytes(raw, "little") & _SEPT_VE_DISABLE:
        return passed(raw.hex())
    if case.policy.unsafe_allow_sept_ve:
        return skipped(
            "SEPT_VE_DISABLE is clear and the policy allows it (unsafe_allow_sept_ve)",
            actual=raw.hex(),
            unsafe=True,
            location=case.policy.locations.get("unsafe_allow_sept_ve"),
        )
    return failed(
        expected="TDATTRIBUTES with bit 28 (SEPT_VE_DISABLE) set",
        actual=raw.hex(),
        reason="the host can inject virtualization exceptions into the TD by removing its pages",
    )


def xfam(case: TdxAppraisal) -> Finding:
    """tdx.td.xfam."""
    raw = case.verified.quote.td_report.xfam
    value = int.from_bytes(raw, "little")
    if value & _XFAM_FIXED_1 == _XFAM_FIXED_1 and not value & ~_XFAM_ALLOWED:
        return passed(raw.hex())
    return failed(
        expected=f"XFAM with {_XFAM_FIXED_1:#x} set and nothing outside {_XFAM_ALLOWED:#x} (little-endian)",
        actual=f"{raw.hex()} ({value:#x})",
        reason="the TDX module starts no TD with such features",
    )


def service_td(case: TdxAppraisal) -> Finding:
    """tdx.td.service_td."""
    report = case.verified.quote.td_report
    if not isinstance(report, TdReport15):
        return skipped("a TD report 1.0 has no service-TD fields")
    pin = case.policy.pins.get("mr_service_td")
    if report.mr_service_td != _NO_SERVICE_TD and not (isinstance(pin, Pin) and report.mr_service_td in pin.values):
        name, value, remedy = "MRSERVICETD", report.mr_service_td, ", or a pinned mr_service_td"
    elif isinstance(report, TdReport15Ex) and b"".join(_service_td_history(report)).strip(b"\0"):
        name = next(name for name in _SERVICE_TD_HISTORY if any(getattr(report, name)))
        value, remedy = getattr(report, name), ""
    else:
        return passed(report.mr_service_td.hex())
    return failed(
        expected=f"{name} all zero{remedy}",
        actual=f"{name} {value.hex()}",
        reason="a service TD is, or was, bound to this TD and can move its state to another machine",
    )


def _tcb(case: TdxAppraisal) -> PlatformTcb:
    if case.verified.tcb is None:
        raise RuntimeError("the TCB was appraised before it converged")
    return case.verified.tcb


def _shown(tcb: PlatformTcb) -> str:
    return f"{tcb.status} ({', '.join(tcb.advisory_ids)})" if tcb.advisory_ids else f"{tcb.status}"


def tcb_status(case: TdxAppraisal) -> Finding:
    """tdx.policy.tcb."""
    tcb, rules = _tcb(case), case.policy.tcb
    if tcb.status in rules.accept:
        return passed(_shown(tcb))
    exception = exception_in_use(case)
    if exception is not None:
        return Finding(
            Status.PASSED,
            actual=_shown(tcb),
            expected=f"{exception.status}, excepted until {exception.until}: {exception.reason}",
            location=exception.location,
        )
    today = case.at.date()
    rejected = [_why_not_excepted(entry, tcb.status, tcb.advisory_ids, today) for entry in rules.exceptions]
    return failed(
        expected=" or ".join(sorted(rules.accept)),
        actual=_shown(tcb),
        reason="; ".join([f"the platform's TCB status is {tcb.status}", *[why for why in rejected if why]]),
        location=rules.locations.get("accept"),
    )


def exception_in_use(case: TdxAppraisal) -> TcbException | None:
    """The exception that accepts a status which the policy does not accept by itself, or None."""
    tcb, rules = case.verified.tcb, case.policy.tcb
    if tcb is None or tcb.status in rules.accept:
        return None
    for exception in rules.exceptions:
        if _why_not_excepted(exception, tcb.status, tcb.advisory_ids, case.at.date()) is None:
            return exception
    return None


def _why_not_excepted(exception: TcbException, status: TcbStatus, advisory_ids: tuple[str, ...], today: date) -> str | None:
    if exception.status is not status:
        return f"an exception is for {exception.status}"
    if today > exception.until:
        return f"the exception for {status} ended on {exception.until}"
    unnamed = sorted(set(advisory_ids) - exception.advisories)
    return f"the exception for {status} does not name {', '.join(unnamed)}" if unnamed else None


def advisories(case: TdxAppraisal) -> Finding:
    """tdx.policy.advisories."""
    denied = case.policy.tcb.deny_advisories
    if not denied:
        return skipped("the policy denies no advisory")
    hit = sorted(denied.intersection(_tcb(case).advisory_ids))
    if not hit:
        return passed(", ".join(_tcb(case).advisory_ids) or "none apply")
    return failed(
        expected=f"none of {', '.join(sorted(denied))}",
        actual=", ".join(hit),
        reason="an advisory that the policy denies applies to this platform",
        location=case.policy.tcb.locations.get("deny_advisories"),
    )


def tcb_evaluation(case: TdxAppraisal) -> Finding:
    """tdx.policy.tcb_evaluation."""
    minimum, number = case.policy.tcb.min_tcb_evaluation_data_number, _tcb(case).tcb_evaluation_data_number
    if minimum is None:
        return skipped("the policy sets no minimum", actual=str(number))
    if number >= minimum:
        return passed(str(number))
    return failed(
        expected=f"{minimum} or higher",
        actual=str(number),
        reason="the collateral is older than the policy's floor: newer findings of Intel are not in it",
        location=case.policy.tcb.locations.get("min_tcb_evaluation_data_number"),
    )


def collateral_age(case: TdxAppraisal) -> Finding:
    """tdx.policy.collateral_age."""
    max_age, issued = case.policy.collateral.max_age, _tcb(case).issued
    if max_age is None:
        return skipped("the policy sets no maximum age", actual=f"issued {issued.date().isoformat()}")
    if case.at - issued <= max_age:
        return passed(f"issued {issued.date().isoformat()}")
    return failed(
        expected=f"collateral issued at most {max_age} before the appraisal",
        actual=f"issued {issued:%Y-%m-%dT%H:%M:%SZ}, {case.at - issued} before it",
        reason="the collateral is older than the policy allows",
        location=case.policy.collateral.locations.get("max_age"),
    )


def tee_tcb_svn(case: TdxAppraisal) -> Finding:
    """tdx.policy.tee_tcb_svn."""
    minimum, found = case.policy.min_tee_tcb_svn, case.verified.quote.td_report.tee_tcb_svn
    if minimum is None:
        return skipped("the policy sets no minimum", actual=found.hex())
    if all([have >= need for have, need in zip(found, minimum, strict=True)]):
        return passed(found.hex())
    return failed(
        expected=f"{minimum.hex()} or higher in every byte",
        actual=found.hex(),
        reason="TDX module or platform are older than the policy's floor",
        location=case.policy.locations.get("min_tee_tcb_svn"),
    )


def _pin_check(key: str, source: str) -> Callable[[TdxAppraisal], Finding]:
    def pinned(case: TdxAppraisal) -> Finding:
        verified = case.verified
        value: bytes | None = getattr(verified.quote.td_report if source == "td_report" else verified.pck, key, None)
        actual = None if value is None else value.hex()
        pin = case.policy.pins.get(key)
        if pin is None:
            return skipped("not pinned by the policy", actual=actual)
        if isinstance(pin, Unpinned):
            return skipped(f"left open by the policy: {pin.reason}", actual=actual, location=pin.location)
        if value in pin.values:
            return passed(actual)
        return failed(
            expected=" or ".join([accepted.hex() for accepted in pin.values]),
            actual=actual or "absent: this evidence has no such field",
            reason=f"{key} is not {'the pinned value' if len(pin.values) == 1 else 'one of the pinned values'}",
            location=pin.location,
        )

    return pinned


APPRAISAL_CHECKS: Final = CheckTable[TdxAppraisal](
    {
        "tdx.td.debug": debug,
        "tdx.td.attributes": attributes_reserved,
        "tdx.td.sept_ve_disable": sept_ve_disable,
        "tdx.td.xfam": xfam,
        "tdx.td.service_td": service_td,
        "tdx.policy.tcb": tcb_status,
        "tdx.policy.advisories": advisories,
        "tdx.policy.tcb_evaluation": tcb_evaluation,
        "tdx.policy.collateral_age": collateral_age,
        "tdx.policy.tee_tcb_svn": tee_tcb_svn,
        **{f"tdx.policy.{key}": _pin_check(key, source) for key, _, source, _ in PINNED_FIELDS},
    }
)
"""Check id to function, in order."""
