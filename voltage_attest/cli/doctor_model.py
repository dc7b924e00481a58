"""What ``doctor`` finds: one observation each, with what to do where something is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voltage_attest.cli.network import Network
    from voltage_attest.policy.model import Policy

__all__ = ["Level", "Observation", "Surroundings"]


class Level(StrEnum):
    """How an observation is to be taken."""

    GOOD = "ok"
    NOTE = "note"
    PROBLEM = "PROBLEM"


@dataclass(frozen=True, slots=True)
class Observation:
    """One thing that was looked at. ``remedy`` says what to do; empty where nothing need be done."""

    area: str
    level: Level
    text: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where ``doctor`` looks: the policy by name and, if it loads, as read; the network's options; environment and clock."""

    policy_name: str
    policy: Policy | None
    network: Network
    nvidia_base: str | None
    now: datetime
    environment: Mapping[str, str] = field(repr=False)
