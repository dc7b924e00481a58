"""Attestation results made by hand, for what a gate makes of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from voltage_attest.checks import REGISTRY
from voltage_attest.gate.model import Moment
from voltage_attest.result import AttestationResult, Channel, CheckResult, Finding, Freshness, failed, passed, undecided

__all__ = ["BAD", "CHECK", "T0", "UNKNOWN", "A", "B", "result"]

T0: Final = Moment(1_800_000_000.0, 500.0)
A: Final = "aa" * 32
B: Final = "bb" * 32
CHECK: Final = next(iter(REGISTRY.values()))


def result(
    key: str | None = A, *, finding: Finding | None = None, fresh: bool = True, valid_for: float | None = None
) -> AttestationResult:
    return AttestationResult(
        appraised_at=datetime.fromtimestamp(T0.wall, UTC),
        checks=(CheckResult(CHECK, finding or passed("yes")),),
        verifier_version="0",
        valid_until=None if valid_for is None else datetime.fromtimestamp(T0.wall + valid_for, UTC),
        freshness=Freshness("00" * 32, fresh=fresh),
        channel=Channel("voltage-attest/1", key),
    )


BAD = failed(expected="x", actual="y", reason="it differs")
UNKNOWN = undecided("nobody answered")
