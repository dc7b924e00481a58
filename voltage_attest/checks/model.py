"""What the registry says about one check."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Actor", "Check"]


class Actor(StrEnum):
    """Who can mend a failure of this check."""

    YOU = "you"
    PROVIDER = "the provider"
    INTEL = "Intel"
    NVIDIA = "NVIDIA"


@dataclass(frozen=True, slots=True)
class Check:
    """One judgement: what it proves, what it does not, where the rule is written, and what to do when it fails."""

    id: str
    title: str
    proves: str
    does_not_prove: str
    spec: str
    remedy: str
    actor: Actor = Actor.PROVIDER
    requires: tuple[str, ...] = ()
