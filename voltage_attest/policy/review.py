"""What a reviewer needs to see of a policy: what it leaves open, what ends soon, and what changed between two versions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from voltage_attest.policy.model import ChannelPolicy, Pin, Policy, TcbException, Unpinned
from voltage_attest.result import Location

__all__ = ["Advice", "Change", "Effect", "advise", "diff_policies"]


class Effect(StrEnum):
    """What a change does to what is accepted."""

    LOOSENED = "loosened"
    TIGHTENED = "tightened"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two policies, in a reviewer's words."""

    key: str
    effect: Effect
    text: str


@dataclass(frozen=True, slots=True)
class Advice:
    """Something in a policy that deserves a look. ``urgent`` where it has ended or switches a safeguard off."""

    key: str
    text: str
    urgent: bool = False
    location: Location | None = None


_UNSAFE: Final = ("unsafe_allow_debug", "unsafe_allow_sept_ve")


def advise(policy: Policy, *, today: date, warn_within: timedelta) -> tuple[Advice, ...]:
    """Everything that ends within ``warn_within`` or has ended, every field left open, every safeguard switched off."""
    return tuple(_advice(policy, today, warn_within))


def _advice(policy: Policy, today: date, warn_within: timedelta) -> Iterator[Advice]:
    horizon = (today, warn_within)
    if policy.valid_until is None:
        yield Advice("valid_until", "the policy never ends: nobody is made to review it")
    else:
        yield from _ending("valid_until", "the policy", policy.valid_until, horizon, policy.locations.get("valid_until"))
    for exception in policy.tdx.tcb.exceptions:
        what = f"the exception for {exception.status}"
        yield from _ending("tdx.tcb.exception", what, exception.until, horizon, exception.location)
    for key, pin in policy.tdx.pins.items():
        if isinstance(pin, Unpinned):
            yield Advice(f"tdx.{key}", f"is left open: {pin.reason}", location=pin.location)
    for key in _UNSAFE:
        if getattr(policy.tdx, key):
            yield Advice(f"tdx.{key}", "a safeguard is switched off", urgent=True, location=policy.tdx.locations.get(key))
    beyond = sorted(policy.tdx.tcb.accept - {"UpToDate"})
    if beyond:
        text = f"accepts {', '.join(beyond)} without end or advisories: an exception would end and name them"
        yield Advice("tdx.tcb.accept", text, location=policy.tdx.tcb.locations.get("accept"))
    if policy.tdx.tcb.min_tcb_evaluation_data_number is None:
        yield Advice("tdx.tcb.min_tcb_evaluation_data_number", "no floor: older collateral that is still in date is accepted")
    yield from _channel_advice(policy.channel)


def _channel_advice(channel: ChannelPolicy | None) -> Iterator[Advice]:
    if channel is None:
        yield Advice("channel", "no [channel]: evidence is bound to no nonce and no TLS key, so it may be old or relayed")
    elif channel.webpki != "require":
        text = "no certificate authority is asked: the attested key alone is trusted"
        yield Advice("channel.webpki", text, location=channel.locations.get("webpki"))


def _ending(key: str, what: str, until: date, horizon: tuple[date, timedelta], location: Location | None) -> Iterator[Advice]:
    today, warn_within = horizon
    if until < today:
        yield Advice(key, f"{what} ended on {until}", urgent=True, location=location)
    elif until - today <= warn_within:
        yield Advice(key, f"{what} ends on {until}, in {(until - today).days} days", location=location)


def diff_policies(old: Policy, new: Policy) -> tuple[Change, ...]:
    """What ``new`` accepts that ``old`` did not, and the reverse; nothing for changes of comments, order or layout."""
    return (
        *_diff_values("name", old.name, new.name),
        *_diff_until(old.valid_until, new.valid_until),
        *_diff_pins(old.tdx.pins, new.tdx.pins),
        *_diff_switches(old, new),
        *_diff_tcb(old, new),
        *_diff_collateral(old, new),
        *_diff_channel(old.channel, new.channel),
    )


def _diff_values(key: str, old: object, new: object) -> Iterator[Change]:
    if old != new:
        yield Change(key, Effect.CHANGED, f"from {old} to {new}")


def _diff_until(old: date | None, new: date | None) -> Iterator[Change]:
    if old == new:
        return
    later = new is None or (old is not None and new > old)
    text = f"in force until {new or 'ever'} (was {old or 'ever'})"
    yield Change("valid_until", Effect.LOOSENED if later else Effect.TIGHTENED, text)


def _diff_pins(old: Mapping[str, Pin | Unpinned], new: Mapping[str, Pin | Unpinned]) -> Iterator[Change]:
    for key in dict.fromkeys((*old, *new)):
        before, after = old.get(key), new.get(key)
        accepted = before.values if isinstance(before, Pin) else None
        accepting = after.values if isinstance(after, Pin) else None
        name = f"tdx.{key}"
        if accepted is None and accepting is not None:
            yield Change(name, Effect.TIGHTENED, f"now pinned to {_shown(accepting)}")
        elif accepted is not None and accepting is None:
            reason = f": {after.reason}" if isinstance(after, Unpinned) else ""
            yield Change(name, Effect.LOOSENED, f"no longer pinned (was {_shown(accepted)}){reason}")
        elif accepted is not None and accepting is not None:
            for value in accepting:
                if value not in accepted:
                    yield Change(name, Effect.LOOSENED, f"also accepts {value.hex()}")
            for value in accepted:
                if value not in accepting:
                    yield Change(name, Effect.TIGHTENED, f"no longer accepts {value.hex()}")
        elif isinstance(before, Unpinned) and isinstance(after, Unpinned):
            yield from (
                _diff_values(name, f"open, {before.reason!r}", f"open, {after.reason!r}")
                if before.reason != after.reason
                else ()
            )


def _shown(values: tuple[bytes, ...]) -> str:
    return " or ".join(value.hex() for value in values)


def _diff_switches(old: Policy, new: Policy) -> Iterator[Change]:
    for key in _UNSAFE:
        before, after = getattr(old.tdx, key), getattr(new.tdx, key)
        if before != after:
            text = "a safeguard is switched off" if after else "the safeguard is on again"
            yield Change(f"tdx.{key}", Effect.LOOSENED if after else Effect.TIGHTENED, text)
    before, after = old.tdx.min_tee_tcb_svn, new.tdx.min_tee_tcb_svn
    if before != after:
        raised = after is not None and (before is None or all(a >= b for a, b in zip(after, before, strict=True)))
        text = f"floor {after.hex() if after else 'none'} (was {before.hex() if before else 'none'})"
        yield Change("tdx.min_tee_tcb_svn", Effect.TIGHTENED if raised else Effect.LOOSENED, text)


def _diff_tcb(old: Policy, new: Policy) -> Iterator[Change]:
    before, after = old.tdx.tcb, new.tdx.tcb
    for status in sorted(after.accept - before.accept):
        yield Change("tdx.tcb.accept", Effect.LOOSENED, f"also accepts the status {status}")
    for status in sorted(before.accept - after.accept):
        yield Change("tdx.tcb.accept", Effect.TIGHTENED, f"no longer accepts the status {status}")
    for advisory in sorted(before.deny_advisories - after.deny_advisories):
        yield Change("tdx.tcb.deny_advisories", Effect.LOOSENED, f"no longer denies {advisory}")
    for advisory in sorted(after.deny_advisories - before.deny_advisories):
        yield Change("tdx.tcb.deny_advisories", Effect.TIGHTENED, f"denies {advisory}")
    yield from _diff_floor(
        "tdx.tcb.min_tcb_evaluation_data_number",
        before.min_tcb_evaluation_data_number,
        after.min_tcb_evaluation_data_number,
    )
    old_exceptions = {_said(exception) for exception in before.exceptions}
    new_exceptions = {_said(exception) for exception in after.exceptions}
    for said in sorted(new_exceptions - old_exceptions):
        yield Change("tdx.tcb.exception", Effect.LOOSENED, f"excepts {said}")
    for said in sorted(old_exceptions - new_exceptions):
        yield Change("tdx.tcb.exception", Effect.TIGHTENED, f"no longer excepts {said}")


def _said(exception: TcbException) -> str:
    advisories = ", ".join(sorted(exception.advisories)) or "no advisories"
    return f"{exception.status} with {advisories} until {exception.until}: {exception.reason}"


def _diff_floor(key: str, old: int | None, new: int | None) -> Iterator[Change]:
    if old == new:
        return
    raised = new is not None and (old is None or new > old)
    text = f"floor {'none' if new is None else new} (was {'none' if old is None else old})"
    yield Change(key, Effect.TIGHTENED if raised else Effect.LOOSENED, text)


def _diff_collateral(old: Policy, new: Policy) -> Iterator[Change]:
    before, after = old.tdx.collateral, new.tdx.collateral
    yield from _diff_age("tdx.collateral.max_age", before.max_age, after.max_age)
    yield from _diff_values("tdx.collateral.pccs", ", ".join(before.pccs) or "Intel PCS", ", ".join(after.pccs) or "Intel PCS")
    yield from _diff_values("tdx.collateral.update", before.update, after.update)
    yield from _diff_values(
        "tdx.collateral.tcb_evaluation_data_number", before.tcb_evaluation_data_number, after.tcb_evaluation_data_number
    )


def _diff_age(key: str, old: timedelta | None, new: timedelta | None) -> Iterator[Change]:
    if old == new:
        return
    longer = new is None or (old is not None and new > old)
    text = f"at most {new or 'any age'} old (was {old or 'any age'})"
    yield Change(key, Effect.LOOSENED if longer else Effect.TIGHTENED, text)


def _diff_channel(old: ChannelPolicy | None, new: ChannelPolicy | None) -> Iterator[Change]:
    if old is None or new is None:
        if new is not None:
            yield Change("channel", Effect.TIGHTENED, f"evidence must be bound by {new.binding}")
        if old is not None:
            yield Change("channel", Effect.LOOSENED, "evidence need not be bound to nonce and key any more")
        return
    yield from _diff_values("channel.binding", old.binding, new.binding)
    yield from _diff_age("channel.max_age", old.max_age, new.max_age)
    if old.webpki != new.webpki:
        loosened = new.webpki != "require"
        text = f"certificates: {new.webpki} (was {old.webpki})"
        yield Change("channel.webpki", Effect.LOOSENED if loosened else Effect.TIGHTENED, text)
    yield from _diff_values("channel.proxy", old.proxy or "none", new.proxy or "none")
