"""The TD itself: debug, reserved bits, SEPT_VE_DISABLE, XFAM, service TDs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.outcomes import failed_ids, open_policy
from tests.support.simulation import World, examine
from voltage_attest.result import Status, Verdict
from voltage_attest.testing import QuoteShape, TdReportFields

TD = TdReportFields()
SEPT_VE_DISABLE = 1 << 28
SERVTD_EXT = 1 << 17
FREE_BITS = {30: "PKS", 31: "KL", 63: "PERFMON"}
"""Bits with a meaning that takes nothing away from confidentiality; pin td_attributes to fix them."""


def attributes(value: int) -> bytes:
    """TDATTRIBUTES, little-endian."""
    return value.to_bytes(8, "little")


def with_attributes(value: int, shape: QuoteShape = QuoteShape.V4) -> World:
    """A TD with these attributes."""
    return World(td=replace(TD, td_attributes=attributes(value)), shape=shape)


@pytest.mark.parametrize("bit", range(64))
def test_every_bit_of_td_attributes_is_judged(bit: int) -> None:
    """DEBUG and every reserved bit refuse; SEPT_VE_DISABLE must be set; PKS, KL and PERFMON are free."""
    value = SEPT_VE_DISABLE ^ 1 << bit
    expected = {0: {"tdx.td.debug"}, 28: {"tdx.td.sept_ve_disable"}}
    default: set[str] = set() if bit in FREE_BITS else {"tdx.td.attributes"}
    assert failed_ids(examine(with_attributes(value))) == expected.get(bit, default)


def test_debug_and_a_missing_sept_ve_disable_are_both_named() -> None:
    """Checks do not hide each other."""
    assert failed_ids(examine(with_attributes(1))) == {"tdx.td.debug", "tdx.td.sept_ve_disable"}


@pytest.mark.parametrize(
    ("value", "switch", "check"),
    [
        (SEPT_VE_DISABLE | 1, "unsafe_allow_debug", "tdx.td.debug"),
        (0, "unsafe_allow_sept_ve", "tdx.td.sept_ve_disable"),
    ],
)
def test_a_switched_off_safeguard_is_skipped_and_marked_unsafe(value: int, switch: str, check: str) -> None:
    """Never passed: the row says that the policy allows it, and the result warns."""
    result = examine(with_attributes(value), open_policy(tdx={switch: "true"}))
    assert result.verdict is Verdict.VERIFIED
    row = result.check(check)
    assert row.status is Status.SKIPPED
    assert row.finding.unsafe
    assert switch in (row.reason or "")
    assert any(switch in warning for warning in result.warnings)


@pytest.mark.parametrize("switch", ["unsafe_allow_debug", "unsafe_allow_sept_ve"])
def test_a_safeguard_that_was_not_needed_is_still_loud(switch: str) -> None:
    """The policy is unsafe whether or not this TD made use of it; the rows themselves passed."""
    result = examine(World(), open_policy(tdx={switch: "true"}))
    assert result.verdict is Verdict.VERIFIED
    assert any(switch in warning for warning in result.warnings)
    assert not any(row.finding.unsafe for row in result.checks)


def test_one_switch_does_not_open_the_other_door() -> None:
    """Each safeguard has its own switch."""
    assert failed_ids(examine(with_attributes(0), open_policy(tdx={"unsafe_allow_debug": "true"}))) == {
        "tdx.td.sept_ve_disable"
    }
    debug = with_attributes(SEPT_VE_DISABLE | 1)
    assert failed_ids(examine(debug, open_policy(tdx={"unsafe_allow_sept_ve": "true"}))) == {"tdx.td.debug"}


@pytest.mark.parametrize("shape", QuoteShape)
def test_servtd_ext_is_accepted_in_1_5ex_alone_and_only_pinned(shape: QuoteShape) -> None:
    """Bit 17 has a meaning in TD report 1.5ex; elsewhere it is reserved, pinned or not."""
    value = SEPT_VE_DISABLE | SERVTD_EXT
    pinned = open_policy(tdx={"td_attributes": f'["{attributes(value).hex()}"]'})
    other = open_policy(tdx={"td_attributes": f'["{attributes(SEPT_VE_DISABLE).hex()}"]'})
    refused = {"tdx.td.attributes"}
    assert failed_ids(examine(with_attributes(value, shape))) == refused
    assert failed_ids(examine(with_attributes(value, shape), other)) == refused | {"tdx.policy.td_attributes"}
    assert failed_ids(examine(with_attributes(value, shape), pinned)) == (set() if shape is QuoteShape.V5_TD15_EX else refused)


def test_a_pin_does_not_open_other_reserved_bits() -> None:
    """Pinning td_attributes names a value; only SERVTD_EXT has a meaning that a pin can accept."""
    value = SEPT_VE_DISABLE | SERVTD_EXT | 1 << 5
    policy = open_policy(tdx={"td_attributes": f'["{attributes(value).hex()}"]'})
    assert failed_ids(examine(with_attributes(value, QuoteShape.V5_TD15_EX), policy)) == {"tdx.td.attributes"}


XFAM_ALLOWED = 0x6DBE7


@pytest.mark.parametrize("bit", range(64))
def test_every_bit_of_xfam_is_judged(bit: int) -> None:
    """x87 and SSE must be there, and nothing that the TDX module would refuse to start."""
    value = 0x3 ^ 1 << bit
    allowed = bool(XFAM_ALLOWED >> bit & 1) and bit > 1
    world = World(td=replace(TD, xfam=attributes(value)))
    assert failed_ids(examine(world)) == (set() if allowed else {"tdx.td.xfam"})


@pytest.mark.parametrize(
    "value",
    ["e702060000000000", "e700060000000000", "e718060000000000", "e71a060000000000", "e742060000000000", "0702000000000000"],
)
def test_every_xfam_seen_on_hardware_is_accepted(value: str) -> None:
    """The values of 121 real quotes."""
    assert failed_ids(examine(World(td=replace(TD, xfam=bytes.fromhex(value))))) == set()


def test_a_report_1_0_has_no_service_td_to_judge() -> None:
    """Skipped with its reason, not passed."""
    row = examine(World()).check("tdx.td.service_td")
    assert row.status is Status.SKIPPED
    assert "no service-TD fields" in (row.reason or "")


@pytest.mark.parametrize("shape", [QuoteShape.V5_TD15, QuoteShape.V5_TD15_EX])
def test_a_bound_service_td_is_refused_unless_it_is_pinned(shape: QuoteShape) -> None:
    """MRSERVICETD must be zero, or exactly a pinned value."""
    bound, another = b"\x01" * 48, b"\x02" * 48
    world = World(td=replace(TD, mr_service_td=bound), shape=shape)
    assert failed_ids(examine(world)) == {"tdx.td.service_td"}
    assert failed_ids(examine(world, open_policy(tdx={"mr_service_td": f'["{bound.hex()}"]'}))) == set()
    assert failed_ids(examine(world, open_policy(tdx={"mr_service_td": f'["{another.hex()}"]'}))) == {
        "tdx.td.service_td",
        "tdx.policy.mr_service_td",
    }


def test_leaving_mr_service_td_open_is_not_pinning_it() -> None:
    """``unpinned`` skips the pin's row; a bound service TD is still refused."""
    world = World(td=replace(TD, mr_service_td=b"\x01" * 48), shape=QuoteShape.V5_TD15)
    policy = open_policy(tdx={"mr_service_td": '{ unpinned = "a test" }'})
    assert failed_ids(examine(world, policy)) == {"tdx.td.service_td"}


SERVICE_TD_HISTORY = {
    "init_servtd_hash": 48,
    "init_servtd_attr": 8,
    "init_cpu_svn": 16,
    "init_tee_tcb_svn": 16,
    "init_fmspc": 12,
    "cur_servtd_hash": 48,
    "cur_servtd_attr": 8,
}


@pytest.mark.parametrize("field", SERVICE_TD_HISTORY)
def test_a_service_td_in_the_history_is_refused_even_with_a_pin(field: str) -> None:
    """1.5ex tells what was bound before: any non-zero byte refuses, and a pinned MRSERVICETD does not excuse it."""
    td = replace(TD, **{field: bytes(SERVICE_TD_HISTORY[field] - 1) + b"\x80"})
    world = World(td=td, shape=QuoteShape.V5_TD15_EX)
    result = examine(world)
    assert failed_ids(result) == {"tdx.td.service_td"}
    assert field in (result.check("tdx.td.service_td").finding.actual or "")
    pinned = open_policy(tdx={"mr_service_td": f'["{bytes(48).hex()}"]'})
    assert failed_ids(examine(world, pinned)) == {"tdx.td.service_td"}
    assert failed_ids(examine(replace(world, shape=QuoteShape.V5_TD15))) == set()


@pytest.mark.parametrize("field", ["vm_id", "td_id", "dev_info"])
def test_what_tells_tds_apart_is_free(field: str) -> None:
    """VM id, TD id and device information of 1.5ex refuse nothing."""
    size = {"vm_id": 1, "td_id": 32, "dev_info": 48}[field]
    assert failed_ids(examine(World(td=replace(TD, **{field: b"\x07" * size}), shape=QuoteShape.V5_TD15_EX))) == set()
