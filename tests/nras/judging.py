"""Judging a case as the ledger will, and the hooks with which tests change one claim."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from tests.nras.service import Claims
from voltage_attest.checks.nras import NRAS_CHECKS
from voltage_attest.collateral.nvidia import NrasAnswer
from voltage_attest.result import Finding, Status
from voltage_attest.verify.nras import NRAS_FUNCTIONS
from voltage_attest.verify.nras_case import NrasCase

__all__ = ["changed", "only_failure", "overall", "resent", "run"]


def run(case: NrasCase) -> dict[str, Finding]:
    """Make the checks whose prerequisites passed, as the ledger will."""
    findings: dict[str, Finding] = {}
    for check in NRAS_CHECKS:
        needed = [findings.get(name) for name in check.requires]
        if all(found is not None and found.status in {Status.PASSED, Status.SKIPPED} for found in needed):
            findings[check.id] = NRAS_FUNCTIONS[check.id](case)
    return findings


def only_failure(case: NrasCase, check_id: str, status: Status = Status.FAILED) -> Finding:
    """The finding of that check, after proof that no other failed."""
    findings = run(case)
    assert {name: found.reason for name, found in findings.items() if found.status.closes_gate}.keys() == {check_id}
    finding = findings[check_id]
    assert finding.status is status
    assert finding.expected
    assert finding.actual
    assert finding.reason
    return finding


def changed(name: str, value: object) -> Callable[[int, Claims], None]:
    """A hook that sets that claim of the second device; None removes it."""

    def change(number: int, claims: Claims) -> None:
        if number == 1:
            claims[name] = value
            if value is None:
                del claims[name]

    return change


def overall(name: str, value: object) -> Callable[[Claims], None]:
    """A hook that sets that overall claim; None removes it."""

    def change(claims: Claims) -> None:
        claims[name] = value
        if value is None:
            del claims[name]

    return change


def resent(whole: str, devices: Mapping[str, str]) -> NrasAnswer:
    return NrasAnswer(json.dumps([["JWT", whole], devices]).encode())
