"""What a change of ``[channel]``, ``[models]``, ``[compliance]`` or ``[audit]`` changes: the rules a gate asks for."""

from __future__ import annotations

from collections.abc import Iterator

from voltage_attest.policy.change import Change, Effect, diff_accepted, diff_age, diff_presence, diff_until, diff_values
from voltage_attest.policy.model import ChannelPolicy, CompliancePolicy, Policy

__all__ = ["diff_gate"]


def diff_gate(old: Policy, new: Policy) -> Iterator[Change]:
    """Differences of the four sections, in their order."""
    yield from _diff_channel(old.channel, new.channel)
    before, after = (None if policy.models is None else policy.models.allow for policy in (old, new))
    yield from diff_accepted("models.allow", before, after)
    unasked = CompliancePolicy(require_baa=False)
    yield from _diff_compliance(old.compliance or unasked, new.compliance or unasked)
    paths = [None if policy.audit is None else policy.audit.path for policy in (old, new)]
    yield from diff_values("audit.path", *[path or "where the gate writes by itself" for path in paths])


def _diff_channel(old: ChannelPolicy | None, new: ChannelPolicy | None) -> Iterator[Change]:
    if old is None or new is None:
        yield from diff_presence(
            "channel",
            old=old is not None,
            new=new is not None,
            asked=f"evidence must be bound by {'' if new is None else new.binding}",
            dropped="evidence need not be bound to nonce and key any more",
        )
        return
    yield from diff_values("channel.binding", old.binding, new.binding)
    yield from diff_age("channel.max_age", old.max_age, new.max_age)
    if old.webpki != new.webpki:
        loosened = new.webpki != "require"
        text = f"certificates: {new.webpki} (was {old.webpki})"
        yield Change("channel.webpki", Effect.LOOSENED if loosened else Effect.TIGHTENED, text)
    yield from diff_values("channel.proxy", old.proxy or "none", new.proxy or "none")


def _diff_compliance(old: CompliancePolicy, new: CompliancePolicy) -> Iterator[Change]:
    yield from diff_presence(
        "compliance.require_baa",
        old=old.require_baa,
        new=new.require_baa,
        asked="an agreement (BAA) is required",
        dropped="no agreement (BAA) is required any more",
    )
    yield from diff_values("compliance.baa_reference", old.baa_reference or "none", new.baa_reference or "none")
    key, before, after = "compliance.baa_valid_until", old.baa_valid_until, new.baa_valid_until
    if before is None or after is None:
        yield from diff_values(key, before or "no day", after or "no day")
    else:
        yield from diff_until(key, "the agreement counts", before, after)
