"""The appraisal policy: one TOML file, kept in the relying party's git, that says what evidence must look like.

``load_policy`` reads a file, ``parse_policy`` its text; both raise a :class:`~voltage_attest.errors.PolicyError` that names
file, key, line and remedy. A policy that pins nothing, or that could never match, does not load.
"""

from __future__ import annotations

from voltage_attest.policy.load import load_policy, parse_policy
from voltage_attest.policy.model import (
    AuditPolicy,
    ChannelPolicy,
    CollateralPolicy,
    CompliancePolicy,
    GpuPolicy,
    ModelsPolicy,
    Pin,
    Policy,
    TcbException,
    TcbPolicy,
    TdxPolicy,
    Unpinned,
    WorkloadPolicy,
)

__all__ = [
    "AuditPolicy",
    "ChannelPolicy",
    "CollateralPolicy",
    "CompliancePolicy",
    "GpuPolicy",
    "ModelsPolicy",
    "Pin",
    "Policy",
    "TcbException",
    "TcbPolicy",
    "TdxPolicy",
    "Unpinned",
    "WorkloadPolicy",
    "load_policy",
    "parse_policy",
]
