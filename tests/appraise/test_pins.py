"""Pinned values: each field from its place, in full, and never passed when it is left open."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.outcomes import failed_ids, open_policy, policy_text
from tests.support.simulation import INTEL, PLATFORM, World, examine
from voltage_attest.checks.policy import PINNED_FIELDS
from voltage_attest.policy import parse_policy
from voltage_attest.result import Location, Status, Verdict
from voltage_attest.testing import PROCESSOR_PCK, PROCESSOR_PCK_LEAF, PckFields, QuoteShape, TdReportFields

SIZES = {key: size for key, _, _, size in PINNED_FIELDS}
TD = TdReportFields()
WORLD = World(shape=QuoteShape.V5_TD15)


def value_of(key: str) -> bytes:
    """What the simulated TD or platform carries there."""
    value: bytes | None = getattr(TD, key, None)
    return value if value is not None else getattr(PckFields(), key)


def altered(value: bytes, position: int) -> str:
    """A pin that differs in one bit of one byte."""
    changed = value[:position] + bytes((value[position] ^ 1,)) + value[position + 1 :]
    return f'["{changed.hex()}"]'


@pytest.mark.parametrize("key", SIZES)
def test_the_pinned_value_passes(key: str) -> None:
    """In either case of its hex digits, alone or beside alternatives."""
    value = value_of(key)
    assert len(value) == SIZES[key]
    for pin in (f'["{value.hex()}"]', f'["{value.hex().upper()}"]', f'["{"ff" * len(value)}", "{value.hex()}"]'):
        result = examine(WORLD, open_policy(tdx={key: pin}))
        assert result.verdict is Verdict.VERIFIED
        assert result.check(f"tdx.policy.{key}").status is Status.PASSED
        assert result.check(f"tdx.policy.{key}").finding.actual == value.hex()


@pytest.mark.parametrize("key", SIZES)
@pytest.mark.parametrize("where", ["first", "last"])
def test_a_value_that_differs_in_one_bit_fails_alone(key: str, where: str) -> None:
    """The whole length is compared; expected and actual are both shown."""
    value = value_of(key)
    pin = altered(value, 0 if where == "first" else len(value) - 1)
    result = examine(WORLD, open_policy(tdx={key: pin}))
    assert failed_ids(result) == {f"tdx.policy.{key}"}
    finding = result.check(f"tdx.policy.{key}").finding
    assert finding.actual == value.hex()
    assert finding.expected == pin.strip('[]"')


@pytest.mark.parametrize("key", SIZES)
def test_a_field_that_is_not_pinned_is_skipped_with_its_reason(key: str) -> None:
    """Never passed: what is not judged is said, with the value that was found."""
    row = examine(WORLD, open_policy()).check(f"tdx.policy.{key}")
    assert row.status is Status.SKIPPED
    assert row.finding.actual == value_of(key).hex()
    assert row.reason == (
        "left open by the policy: a test" if key in {"mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3"} else "not pinned by the policy"
    )


def test_alternatives_are_all_shown_when_none_matches() -> None:
    """During a rollout both values stand in the policy; the failure lists both."""
    first, second = "aa" * 48, "bb" * 48
    finding = examine(WORLD, open_policy(tdx={"mrtd": f'["{first}", "{second}"]'})).check("tdx.policy.mrtd").finding
    assert finding.status is Status.FAILED
    assert finding.expected == f"{first} or {second}"


def test_a_failed_pin_points_at_its_line() -> None:
    """File and line of the rule, for the person who mends it."""
    policy = parse_policy(policy_text(tdx={"mrtd": f'["{"00" * 48}"]'}), path=Path("clinic.toml"))
    location = examine(WORLD, policy).check("tdx.policy.mrtd").finding.location
    assert location == Location("clinic.toml", 5)


def test_a_pin_on_a_field_that_the_report_does_not_have_fails() -> None:
    """MRSERVICETD does not exist in a TD report 1.0: absent is not zero."""
    policy = open_policy(tdx={"mr_service_td": f'["{bytes(48).hex()}"]'})
    result = examine(World(), policy)
    assert failed_ids(result) == {"tdx.policy.mr_service_td"}
    assert "absent" in (result.check("tdx.policy.mr_service_td").finding.actual or "")


def test_a_pinned_instance_id_fails_under_the_processor_ca() -> None:
    """Single-package machines have no platform instance id."""
    platform = INTEL.platform(PROCESSOR_PCK, ca=INTEL.processor_ca, certificate=PROCESSOR_PCK_LEAF)
    world = World(platform=platform)
    assert examine(world).verdict is Verdict.VERIFIED
    policy = open_policy(tdx={"platform_instance_id": f'["{bytes(16).hex()}"]'})
    assert failed_ids(examine(world, policy)) == {"tdx.policy.platform_instance_id"}


def test_a_pinned_platform_refuses_its_twin() -> None:
    """Another machine of the same family and TCB: told apart by PPID and instance id."""
    twin = World(pck=replace(PLATFORM.pck, ppid=b"\x11" * 16, platform_instance_id=b"\x22" * 16))
    policy = open_policy(
        tdx={
            "ppid": f'["{PLATFORM.pck.ppid.hex()}"]',
            "platform_instance_id": f'["{(PLATFORM.pck.platform_instance_id or b"").hex()}"]',
        }
    )
    assert examine(World(), policy).verdict is Verdict.VERIFIED
    assert failed_ids(examine(twin, policy)) == {"tdx.policy.ppid", "tdx.policy.platform_instance_id"}
