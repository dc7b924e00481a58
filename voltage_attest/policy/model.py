"""The policy as data: what is pinned, what is left open and why, and what is accepted for a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from types import MappingProxyType
from typing import Final

from voltage_attest.result import Location
from voltage_attest.tcb_status import TcbStatus

__all__ = [
    "POLICY_SCHEMA",
    "ChannelPolicy",
    "CollateralPolicy",
    "Pin",
    "Policy",
    "TcbException",
    "TcbPolicy",
    "TdxPolicy",
    "Unpinned",
]

POLICY_SCHEMA: Final = "voltage-attest/policy/1"


@dataclass(frozen=True, slots=True)
class Pin:
    """The accepted values of one field, as raw bytes, and where they are written."""

    values: tuple[bytes, ...]
    location: Location | None = None


@dataclass(frozen=True, slots=True)
class Unpinned:
    """A field left open on purpose; ``reason`` is the policy author's."""

    reason: str
    location: Location | None = None


@dataclass(frozen=True, slots=True)
class TcbException:
    """A TCB status accepted until a day (that UTC day included), if no advisory applies beyond the ones named."""

    status: TcbStatus
    advisories: frozenset[str]
    until: date
    reason: str
    location: Location | None = None


@dataclass(frozen=True, slots=True)
class TcbPolicy:
    """``[tdx.tcb]``: accepted converged statuses, roll-back floor, denied advisories, exceptions."""

    accept: frozenset[TcbStatus] = frozenset({TcbStatus.UP_TO_DATE})
    min_tcb_evaluation_data_number: int | None = None
    deny_advisories: frozenset[str] = frozenset()
    exceptions: tuple[TcbException, ...] = ()
    locations: Mapping[str, Location] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class CollateralPolicy:
    """``[tdx.collateral]``: where to fetch (in order; empty is Intel PCS), which update, and how old it may be."""

    pccs: tuple[str, ...] = ()
    update: str = "standard"
    tcb_evaluation_data_number: int | None = None
    max_age: timedelta | None = None
    locations: Mapping[str, Location] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class ChannelPolicy:
    """``[channel]``: by which rule evidence is bound to nonce and TLS key, and how long an attestation opens a gate."""

    binding: str = "voltage-attest/1"
    max_age: timedelta = timedelta(minutes=15)
    webpki: str = "require"
    proxy: str | None = None
    locations: Mapping[str, Location] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class TdxPolicy:
    """``[tdx]``: pins by field name, minimum TEE_TCB_SVN (16 bytes), and the safeguards switched off."""

    pins: Mapping[str, Pin | Unpinned]
    tcb: TcbPolicy = field(default_factory=TcbPolicy)
    collateral: CollateralPolicy = field(default_factory=CollateralPolicy)
    min_tee_tcb_svn: bytes | None = None
    unsafe_allow_debug: bool = False
    unsafe_allow_sept_ve: bool = False
    locations: Mapping[str, Location] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy file. ``sha256`` is of the file's bytes; ``valid_until`` is a UTC day, included."""

    name: str
    tdx: TdxPolicy
    sha256: str
    channel: ChannelPolicy | None = None
    path: str | None = None
    valid_until: date | None = None
    locations: Mapping[str, Location] = field(default_factory=lambda: MappingProxyType({}))
