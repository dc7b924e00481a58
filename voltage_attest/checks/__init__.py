"""The registry of checks: every judgement voltage-attest makes, as data.

A check's id is API: it stands in results, SARIF rules, ``explain`` and audit logs, and never changes its
meaning. ``docs/checks.md`` and ``voltage-attest explain ID`` are made from this registry and nothing else.
``requires`` names the checks that must have passed before this one can say anything; otherwise it is
``not_run``, which never counts as passed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from voltage_attest.checks.event_log import EVENT_LOG_CHECKS
from voltage_attest.checks.gpu import GPU_BINDING_CHECKS, GPU_CHECKS
from voltage_attest.checks.gpu_policy import GPU_POLICY_CHECKS
from voltage_attest.checks.gpu_revocation import REVOCATION_CHECKS
from voltage_attest.checks.model import Actor, Check
from voltage_attest.checks.nras import NRAS_CHECKS
from voltage_attest.checks.policy import POLICY_CHECKS
from voltage_attest.checks.rim import RIM_CHECKS
from voltage_attest.checks.tdx import TDX_CHECKS
from voltage_attest.checks.workload import WORKLOAD_CHECKS

__all__ = ["REGISTRY", "Actor", "Check", "check_named"]


def _index(checks: Iterable[Check]) -> Mapping[str, Check]:
    registry: dict[str, Check] = {}
    for check in checks:
        if check.id in registry:
            raise RuntimeError(f"check {check.id} is registered twice")
        unknown = [name for name in check.requires if name not in registry]
        if unknown:
            raise RuntimeError(f"check {check.id} requires {unknown}, registered after it or not at all")
        registry[check.id] = check
    return MappingProxyType(registry)


_GPU = (*GPU_CHECKS, *RIM_CHECKS, *REVOCATION_CHECKS, *GPU_POLICY_CHECKS, *GPU_BINDING_CHECKS, *NRAS_CHECKS)

REGISTRY: Mapping[str, Check] = _index((*TDX_CHECKS, *POLICY_CHECKS, *EVENT_LOG_CHECKS, *WORKLOAD_CHECKS, *_GPU))
"""All checks by id, in the order in which they are made and shown; a prerequisite always stands earlier."""


def check_named(check_id: str) -> Check:
    """Return the registered check, or raise KeyError with the id."""
    return REGISTRY[check_id]
