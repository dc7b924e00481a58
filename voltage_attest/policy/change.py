"""A difference between two policies, and the kinds of rule whose differences are told alike."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

__all__ = ["Change", "Effect", "diff_accepted", "diff_age", "diff_floor", "diff_presence", "diff_until", "diff_values"]


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


def diff_values(key: str, old: object, new: object) -> Iterator[Change]:
    """A value of which neither is looser."""
    if old != new:
        yield Change(key, Effect.CHANGED, f"from {old} to {new}")


def diff_presence(key: str, *, old: bool, new: bool, asked: str, dropped: str) -> Iterator[Change]:
    """A rule that is there or not: in the words of ``asked`` where it is new, of ``dropped`` where it is gone."""
    if old != new:
        yield Change(key, Effect.TIGHTENED, asked) if new else Change(key, Effect.LOOSENED, dropped)


def diff_until(key: str, what: str, old: date | None, new: date | None) -> Iterator[Change]:
    """A last day; None never ends."""
    if old != new:
        later = new is None or (old is not None and new > old)
        text = f"{what} until {new or 'ever'} (was {old or 'ever'})"
        yield Change(key, Effect.LOOSENED if later else Effect.TIGHTENED, text)


def diff_age(key: str, old: timedelta | None, new: timedelta | None) -> Iterator[Change]:
    """A greatest age; None is any."""
    if old != new:
        longer = new is None or (old is not None and new > old)
        text = f"at most {new or 'any age'} old (was {old or 'any age'})"
        yield Change(key, Effect.LOOSENED if longer else Effect.TIGHTENED, text)


def diff_floor(key: str, old: object | None, new: object | None, *, raised: bool) -> Iterator[Change]:
    """A least value; None is no floor. ``raised`` says whether both are set and every value that passes new passed old."""
    if old != new:
        text = f"floor {'none' if new is None else new} (was {'none' if old is None else old})"
        tighter = new is not None and (old is None or raised)
        yield Change(key, Effect.TIGHTENED if tighter else Effect.LOOSENED, text)


def diff_accepted(key: str, old: Collection[str] | None, new: Collection[str] | None, *, because: str = "") -> Iterator[Change]:
    """The accepted values of one field; None is not pinned, ``because`` says why not."""
    if old is None and new is not None:
        yield Change(key, Effect.TIGHTENED, f"now pinned to {' or '.join(new)}")
    elif old is not None and new is None:
        yield Change(key, Effect.LOOSENED, f"no longer pinned (was {' or '.join(old)}){because}")
    elif old is not None and new is not None:
        for value in new:
            if value not in old:
                yield Change(key, Effect.LOOSENED, f"also accepts {value}")
        for value in old:
            if value not in new:
                yield Change(key, Effect.TIGHTENED, f"no longer accepts {value}")
