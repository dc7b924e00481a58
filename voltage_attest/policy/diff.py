"""What changed between two versions of a policy: what the new one accepts that the old one did not, and the reverse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from voltage_attest.policy.change import (
    Change,
    Effect,
    diff_accepted,
    diff_age,
    diff_floor,
    diff_presence,
    diff_until,
    diff_values,
)
from voltage_attest.policy.diff_gate import diff_gate
from voltage_attest.policy.diff_gpu import diff_gpu
from voltage_attest.policy.diff_workload import diff_workload
from voltage_attest.policy.model import CollateralPolicy, Pin, Policy, TcbException, TcbPolicy, TdxPolicy, Unpinned

__all__ = ["diff_policies"]

_SAFEGUARDS = ("unsafe_allow_debug", "unsafe_allow_sept_ve")


def diff_policies(old: Policy, new: Policy) -> tuple[Change, ...]:
    """The differences by section; nothing for changes of comments, order or layout."""
    return (
        *diff_values("name", old.name, new.name),
        *diff_until("valid_until", "in force", old.valid_until, new.valid_until),
        *_diff_tdx(old.tdx, new.tdx),
        *diff_gpu(old.gpu, new.gpu),
        *diff_workload(old.workload, new.workload),
        *diff_gate(old, new),
    )


def _diff_tdx(old: TdxPolicy | None, new: TdxPolicy | None) -> Iterator[Change]:
    if old is None or new is None:
        yield from diff_presence(
            "tdx",
            old=old is not None,
            new=new is not None,
            asked="a quote is expected",
            dropped="no quote is expected any more",
        )
        return
    yield from _diff_pins(old.pins, new.pins)
    for key in _SAFEGUARDS:
        yield from diff_presence(
            f"tdx.{key}",
            old=not getattr(old, key),
            new=not getattr(new, key),
            asked="the safeguard is on again",
            dropped="a safeguard is switched off",
        )
    before, after = old.min_tee_tcb_svn, new.min_tee_tcb_svn
    raised = before is not None and after is not None and all(a >= b for a, b in zip(after, before, strict=True))
    yield from diff_floor("tdx.min_tee_tcb_svn", before and before.hex(), after and after.hex(), raised=raised)
    yield from _diff_tcb(old.tcb, new.tcb)
    yield from _diff_collateral(old.collateral, new.collateral)


def _diff_pins(old: Mapping[str, Pin | Unpinned], new: Mapping[str, Pin | Unpinned]) -> Iterator[Change]:
    for key in dict.fromkeys((*old, *new)):
        before, after = old.get(key), new.get(key)
        name, because = f"tdx.{key}", f": {after.reason}" if isinstance(after, Unpinned) else ""
        yield from diff_accepted(name, _hex(before), _hex(after), because=because)
        if isinstance(before, Unpinned) and isinstance(after, Unpinned) and before.reason != after.reason:
            yield Change(name, Effect.CHANGED, f"from open, {before.reason!r} to open, {after.reason!r}")


def _hex(pin: Pin | Unpinned | None) -> tuple[str, ...] | None:
    return tuple([value.hex() for value in pin.values]) if isinstance(pin, Pin) else None


def _diff_tcb(old: TcbPolicy, new: TcbPolicy) -> Iterator[Change]:
    for status in sorted(new.accept - old.accept):
        yield Change("tdx.tcb.accept", Effect.LOOSENED, f"also accepts the status {status}")
    for status in sorted(old.accept - new.accept):
        yield Change("tdx.tcb.accept", Effect.TIGHTENED, f"no longer accepts the status {status}")
    for advisory in sorted(old.deny_advisories - new.deny_advisories):
        yield Change("tdx.tcb.deny_advisories", Effect.LOOSENED, f"no longer denies {advisory}")
    for advisory in sorted(new.deny_advisories - old.deny_advisories):
        yield Change("tdx.tcb.deny_advisories", Effect.TIGHTENED, f"denies {advisory}")
    before, after = old.min_tcb_evaluation_data_number, new.min_tcb_evaluation_data_number
    raised = before is not None and after is not None and after > before
    yield from diff_floor("tdx.tcb.min_tcb_evaluation_data_number", before, after, raised=raised)
    old_exceptions = {_said(exception) for exception in old.exceptions}
    new_exceptions = {_said(exception) for exception in new.exceptions}
    for said in sorted(new_exceptions - old_exceptions):
        yield Change("tdx.tcb.exception", Effect.LOOSENED, f"excepts {said}")
    for said in sorted(old_exceptions - new_exceptions):
        yield Change("tdx.tcb.exception", Effect.TIGHTENED, f"no longer excepts {said}")


def _said(exception: TcbException) -> str:
    advisories = ", ".join(sorted(exception.advisories)) or "no advisories"
    return f"{exception.status} with {advisories} until {exception.until}: {exception.reason}"


def _diff_collateral(old: CollateralPolicy, new: CollateralPolicy) -> Iterator[Change]:
    yield from diff_age("tdx.collateral.max_age", old.max_age, new.max_age)
    yield from diff_values("tdx.collateral.pccs", ", ".join(old.pccs) or "Intel PCS", ", ".join(new.pccs) or "Intel PCS")
    yield from diff_values("tdx.collateral.update", old.update, new.update)
    yield from diff_values(
        "tdx.collateral.tcb_evaluation_data_number", old.tcb_evaluation_data_number, new.tcb_evaluation_data_number
    )
