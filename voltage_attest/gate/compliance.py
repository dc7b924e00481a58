"""``[compliance]``: no business associate agreement on record, or one that has ended, keeps the gate shut.

The gate cannot know whether an agreement exists or what it says. It holds the clinic to what its own policy file claims.
"""

from __future__ import annotations

from datetime import UTC, datetime

from voltage_attest.gate.model import Guard, Refusal
from voltage_attest.policy import Policy

__all__ = ["guard_for"]

_EXPECTED = "a business associate agreement on record, and in force today"


def guard_for(policy: Policy) -> Guard | None:
    """The guard that the policy asks for; None where it asks for none."""
    compliance = policy.compliance
    if compliance is None or not compliance.require_baa:
        return None
    reference, until = compliance.baa_reference, compliance.baa_valid_until

    def guard(now: datetime) -> Refusal | None:
        if not reference:
            return _refusal("[compliance] requires an agreement and names none", "Write its number as baa_reference.")
        if until is not None and now.astimezone(UTC).date() > until:
            return _refusal(f"the agreement {reference} ended on {until.isoformat()}", "Renew it, and write its new last day.")
        return None

    return guard


def _refusal(found: str, remedy: str) -> Refusal:
    return Refusal(found, _EXPECTED, f"{remedy} Until then no request is sent.")
