"""A ``[workload]`` in TOML before a verified log: its findings by the last part of their ids."""

from __future__ import annotations

from typing import Final

from voltage_attest.appraise.workload import WORKLOAD_APPRAISAL, WorkloadAppraisal
from voltage_attest.policy import WorkloadPolicy, parse_policy
from voltage_attest.result import Finding, Status
from voltage_attest.verify.event_log import VerifiedEventLog

__all__ = ["HEAD", "appraise", "failing", "workload"]

_REGISTERS: Final = ("mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3")
HEAD: Final = 'schema = "voltage-attest/policy/1"\nname = "ward"\n[tdx]\n' + "".join(
    f'{key} = {{ unpinned = "the event log decides" }}\n' for key in _REGISTERS
)
"""Nine lines, which ``[workload]`` may follow."""


def workload(lines: str) -> WorkloadPolicy:
    """The ``[workload]`` of these lines."""
    policy = parse_policy(f"{HEAD}[workload]\n{lines}").workload
    assert policy is not None
    return policy


def appraise(
    log: VerifiedEventLog, lines: str, *, pinned: frozenset[int] = frozenset(), model: str | None = None
) -> dict[str, Finding]:
    """Every finding."""
    case = WorkloadAppraisal(log, workload(lines), pinned, frozenset() if model is None else frozenset({model}))
    return {check_id.removeprefix("workload."): judge(case) for check_id, judge in WORKLOAD_APPRAISAL.items()}


def failing(log: VerifiedEventLog, lines: str, *, pinned: frozenset[int] = frozenset(), model: str | None = None) -> set[str]:
    """The checks that refuse."""
    findings = appraise(log, lines, pinned=pinned, model=model)
    refused = {name: finding for name, finding in findings.items() if finding.status is Status.FAILED}
    assert all(finding.expected and finding.actual and finding.reason for finding in refused.values())
    return set(refused)
