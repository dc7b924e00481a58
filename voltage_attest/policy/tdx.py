"""``[tdx]`` and ``[tdx.tcb]`` of a policy."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Final

from voltage_attest.checks.policy import PINNED_FIELDS
from voltage_attest.policy.model import CollateralPolicy, Pin, TcbException, TcbPolicy, TdxPolicy, Unpinned
from voltage_attest.policy.table import Table
from voltage_attest.policy.transport import read_collateral
from voltage_attest.tcb_status import TcbStatus

__all__ = ["read_tdx"]

_MANDATORY: Final = ("mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3")
_SIZES: Final = {key: size for key, _, _, size in PINNED_FIELDS}
_TEE_TCB_SVN_SIZE: Final = 16
_ADVISORY: Final = re.compile(r"INTEL-SA-[0-9]{5}")
_ACCEPTABLE: Final = [status.value for status in TcbStatus if status is not TcbStatus.REVOKED]
_OPEN: Final = '{ unpinned = "why" }'


def read_tdx(table: Table) -> TdxPolicy:
    """Read ``[tdx]``; MRTD and RTMR0 to RTMR3 must each be pinned or left open with a reason."""
    table.expect(*_SIZES, "min_tee_tcb_svn", "unsafe_allow_debug", "unsafe_allow_sept_ve", "tcb", "collateral")
    pins: dict[str, Pin | Unpinned] = {}
    for key, size in _SIZES.items():
        if key in _MANDATORY and key not in table:
            raise table.error(
                None,
                f"tdx.{key} is missing",
                f"a list of {2 * size} hex digits, or {_OPEN}",
                f"Pin it, or write {key} = {_OPEN}: what is not judged must be said.",
            )
        pin = _read_pin(table, key, size)
        if pin is not None:
            pins[key] = pin
    minimum = table.optional("min_tee_tcb_svn", str, '"<32 hex digits>"')
    tcb = _read_tcb(table.table("tcb")) if "tcb" in table else TcbPolicy()
    policy = TdxPolicy(
        pins=MappingProxyType(pins),
        tcb=tcb,
        collateral=read_collateral(table.table("collateral")) if "collateral" in table else CollateralPolicy(),
        min_tee_tcb_svn=None if minimum is None else table.hex_bytes("min_tee_tcb_svn", str(minimum), _TEE_TCB_SVN_SIZE),
        unsafe_allow_debug=table.flag("unsafe_allow_debug"),
        unsafe_allow_sept_ve=table.flag("unsafe_allow_sept_ve"),
        locations=MappingProxyType(table.locations()),
    )
    table.finish()
    return policy


def _read_pin(table: Table, key: str, size: int) -> Pin | Unpinned | None:
    if key not in table:
        table.optional(key, list, f'["<{2 * size} hex digits>"]')
        return None
    if table.holds_table(key):
        opened = table.table(key)
        pin = Unpinned(opened.text("unpinned"), table.location(key))
        opened.finish()
        return pin
    values = table.optional_texts(key, f"<{2 * size} hex digits>") or ()
    return Pin(tuple([table.hex_bytes(key, value, size) for value in values]), table.location(key))


def _read_tcb(table: Table) -> TcbPolicy:
    accept = table.optional_texts("accept", "UpToDate")
    policy = TcbPolicy(
        accept=TcbPolicy().accept if accept is None else frozenset([_status(table, "accept", text) for text in accept]),
        min_tcb_evaluation_data_number=table.optional_int("min_tcb_evaluation_data_number"),
        deny_advisories=_advisories(table, "deny_advisories"),
        exceptions=tuple([_read_exception(entry) for entry in table.tables("exception")]),
        locations=MappingProxyType(table.locations()),
    )
    table.finish()
    return policy


def _read_exception(table: Table) -> TcbException:
    table.expect("status", "advisories", "until", "reason")
    until = table.optional_date("until")
    if until is None:
        raise table.error(None, "an exception without until", "until = 2027-01-31", "Say when this exception ends.")
    exception = TcbException(
        status=_status(table, "status", table.text("status")),
        advisories=_advisories(table, "advisories"),
        until=until,
        reason=table.text("reason"),
        location=table.location("status"),
    )
    table.finish()
    return exception


def _advisories(table: Table, key: str) -> frozenset[str]:
    advisories = table.optional_texts(key, "INTEL-SA-01192") or ()
    for advisory in advisories:
        if not _ADVISORY.fullmatch(advisory):
            raise table.error(
                key, repr(advisory), "an advisory like INTEL-SA-01192", "Write it as Intel writes it: it is compared."
            )
    return frozenset(advisories)


def _status(table: Table, key: str, text: str) -> TcbStatus:
    if text not in _ACCEPTABLE:
        remedy = "Revoked can never be accepted." if text == TcbStatus.REVOKED.value else "Write the status as Intel writes it."
        raise table.error(key, repr(text), f"one of {', '.join(_ACCEPTABLE)}", remedy)
    return TcbStatus(text)
