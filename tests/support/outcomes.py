"""What came of an appraisal, as sets of check ids; and policies that pin nothing, so that only verification decides."""

from __future__ import annotations

from typing import Final

from voltage_attest.policy import Policy, parse_policy
from voltage_attest.result import AttestationResult, Status

__all__ = ["UNPINNED", "failed_ids", "ids_with", "open_policy", "policy_text"]

UNPINNED: Final = dict.fromkeys(("mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3"), '{ unpinned = "a test" }')


def policy_text(*, tdx: dict[str, str] | None = None, tcb: str = "", top: str = "") -> str:
    """Write a policy that leaves everything open but for the TOML values given in ``tdx``."""
    keys = "\n".join(f"{key} = {value}" for key, value in {**UNPINNED, **(tdx or {})}.items())
    section = f"\n[tdx.tcb]\n{tcb}\n" if tcb else ""
    return f'schema = "voltage-attest/policy/1"\nname = "test"\n{top}\n[tdx]\n{keys}\n{section}'


def open_policy(*, tdx: dict[str, str] | None = None, tcb: str = "", top: str = "") -> Policy:
    """The same, loaded."""
    return parse_policy(policy_text(tdx=tdx, tcb=tcb, top=top))


def ids_with(result: AttestationResult, *statuses: Status) -> frozenset[str]:
    """The ids of the rows that ended in one of these statuses."""
    return frozenset(row.id for row in result.checks if row.status in statuses)


def failed_ids(result: AttestationResult) -> frozenset[str]:
    """The ids of the failed rows."""
    return ids_with(result, Status.FAILED)
