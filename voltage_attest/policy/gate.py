"""``[models]``, ``[compliance]`` and ``[audit]`` of a policy: what a gate asks for beside the evidence."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Final

from voltage_attest.policy.model import AuditPolicy, CompliancePolicy, ModelsPolicy
from voltage_attest.policy.table import Table

__all__ = ["read_audit", "read_compliance", "read_models"]

_MODEL: Final = re.compile(r"[^\s*\x00-\x1f\x7f]+")


def read_models(table: Table) -> ModelsPolicy:
    """Read ``[models]``: names as the API knows them; patterns are refused, since none would match."""
    example = "meta-llama/Llama-3.1-70B-Instruct-TEE"
    table.expect("allow")
    allow = table.optional_texts("allow", example)
    if allow is None:
        raise table.error(None, "models.allow is missing", f'allow = ["{example}"]', "List the models that may be asked.")
    for name in allow:
        if not _MODEL.fullmatch(name):
            raise table.error("allow", repr(name), f"a model's name like {example}", "Names are compared whole: list each one.")
    policy = ModelsPolicy(allow, MappingProxyType(table.locations()))
    table.finish()
    return policy


def read_compliance(table: Table) -> CompliancePolicy:
    """Read ``[compliance]``; a requirement without a reference loads, and keeps the gate shut."""
    table.expect("require_baa", "baa_reference", "baa_valid_until")
    policy = CompliancePolicy(
        require_baa=table.take("require_baa", bool, "true") is True,
        baa_reference=table.optional_text("baa_reference", "BAA-2026-014"),
        baa_valid_until=table.optional_date("baa_valid_until"),
        locations=MappingProxyType(table.locations()),
    )
    if policy.baa_valid_until is not None and policy.baa_reference is None:
        raise table.error(
            "baa_valid_until", "the end of an agreement that is not named", "baa_reference beside it", "Name the agreement."
        )
    table.finish()
    return policy


def read_audit(table: Table) -> AuditPolicy:
    """Read ``[audit]``."""
    table.expect("path")
    path = table.text("path")
    if "\0" in path:
        raise table.error("path", "a path with a NUL", "a file's path", "Write the path of the log.")
    policy = AuditPolicy(path, MappingProxyType(table.locations()))
    table.finish()
    return policy
