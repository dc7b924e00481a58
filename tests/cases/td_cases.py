"""Cases of the TD itself: what its attributes and its service TD say, on a genuine and current platform."""

from __future__ import annotations

from tests.cases.model import PLATFORM, Case, case, case_family, pinned, policy_text
from voltage_attest.testing import QuoteShape, TdReportFields

_DEFAULT = TdReportFields()


@case_family("V4", "V5_TD10", "V5_TD15", "V5_TD15_EX")
def verified(shape: str) -> Case:
    """A current platform, a TD as pinned, everything in date: verified."""
    return Case(quote=PLATFORM.quote(shape=QuoteShape[shape]), tcb_status="UpToDate")


@case
def padded_to_8000() -> Case:
    """Zero padding after the declared end, as configfs adds it, is ignored."""
    quote = PLATFORM.quote()
    return Case(quote=quote + bytes(8000 - len(quote)))


def _attributes(bits: int) -> TdReportFields:
    return TdReportFields(td_attributes=(bits | 1 << 28).to_bytes(8, "little"))


@case
def debug_td() -> Case:
    """The TD runs in debug mode: the host can read it."""
    return Case(failed=frozenset({"tdx.td.debug"}), quote=PLATFORM.quote(_attributes(1)))


@case
def debug_td_allowed() -> Case:
    """A policy may allow debug TDs, loudly."""
    policy = policy_text(tdx={"unsafe_allow_debug": "true"})
    return Case(quote=PLATFORM.quote(_attributes(1)), policy=policy)


_RESERVED_BITS = ("1", "7", "8", "17", "27", "29", "32", "62")


@case_family(*_RESERVED_BITS)
def reserved_attribute(bit: str) -> Case:
    """A reserved bit of TDATTRIBUTES is set: an unknown feature."""
    return Case(failed=frozenset({"tdx.td.attributes"}), quote=PLATFORM.quote(_attributes(1 << int(bit))))


@case_family("30", "31", "63")
def known_attribute(bit: str) -> Case:
    """PKS, KL and PERFMON are left to the policy's pin of td_attributes."""
    return Case(quote=PLATFORM.quote(_attributes(1 << int(bit))))


@case
def sept_ve_enabled() -> Case:
    """SEPT_VE_DISABLE is clear: the host can inject exceptions."""
    quote = PLATFORM.quote(TdReportFields(td_attributes=bytes(8)))
    return Case(failed=frozenset({"tdx.td.sept_ve_disable"}), quote=quote)


@case
def sept_ve_allowed() -> Case:
    """A policy may allow TDs without SEPT_VE_DISABLE, loudly."""
    policy = policy_text(tdx={"unsafe_allow_sept_ve": "true"})
    return Case(quote=PLATFORM.quote(TdReportFields(td_attributes=bytes(8))), policy=policy)


@case_family("0000000000000000", "0100000000000000", "e702060100000000", "ef02060000000000", "e7020600000000ff")
def impossible_xfam(value: str) -> Case:
    """XFAM lacks x87 or SSE, or has a feature that no TDX module grants."""
    return Case(failed=frozenset({"tdx.td.xfam"}), quote=PLATFORM.quote(TdReportFields(xfam=bytes.fromhex(value))))


@case_family("e700060000000000", "e718060000000000", "e71a060000000000", "e742060000000000", "0702000000000000")
def known_xfam(value: str) -> Case:
    """XFAM as seen in quotes of real TDs."""
    return Case(quote=PLATFORM.quote(TdReportFields(xfam=bytes.fromhex(value))))


@case_family("V5_TD15", "V5_TD15_EX")
def service_td(shape: str) -> Case:
    """A service TD is bound: it can move the TD to another machine."""
    quote = PLATFORM.quote(TdReportFields(mr_service_td=b"\x5d" * 48), shape=QuoteShape[shape])
    return Case(failed=frozenset({"tdx.td.service_td"}), quote=quote)


_SERVICE_TD_FIELDS = {
    "init_servtd_hash": TdReportFields(init_servtd_hash=bytes(47) + b"\x01"),
    "init_servtd_attr": TdReportFields(init_servtd_attr=bytes(7) + b"\x01"),
    "init_cpu_svn": TdReportFields(init_cpu_svn=bytes(15) + b"\x01"),
    "init_tee_tcb_svn": TdReportFields(init_tee_tcb_svn=bytes(15) + b"\x01"),
    "init_fmspc": TdReportFields(init_fmspc=bytes(11) + b"\x01"),
    "cur_servtd_hash": TdReportFields(cur_servtd_hash=bytes(47) + b"\x01"),
    "cur_servtd_attr": TdReportFields(cur_servtd_attr=bytes(7) + b"\x01"),
}


@case_family(*_SERVICE_TD_FIELDS)
def service_td_history(field: str) -> Case:
    """TD report 1.5ex tells of a service TD, now or at an earlier machine."""
    quote = PLATFORM.quote(_SERVICE_TD_FIELDS[field], shape=QuoteShape.V5_TD15_EX)
    return Case(failed=frozenset({"tdx.td.service_td"}), quote=quote)


@case
def pinned_service_td() -> Case:
    """A policy may pin the one service TD it trusts."""
    policy = policy_text(tdx={"mr_service_td": pinned(b"\x5d" * 48)})
    quote = PLATFORM.quote(TdReportFields(mr_service_td=b"\x5d" * 48), shape=QuoteShape.V5_TD15)
    return Case(quote=quote, policy=policy)


@case
def another_service_td_than_pinned() -> Case:
    """Another service TD is bound than the policy trusts."""
    policy = policy_text(tdx={"mr_service_td": pinned(b"\x5d" * 48)})
    quote = PLATFORM.quote(TdReportFields(mr_service_td=b"\x5e" * 48), shape=QuoteShape.V5_TD15)
    return Case(failed=frozenset({"tdx.td.service_td", "tdx.policy.mr_service_td"}), quote=quote, policy=policy)
