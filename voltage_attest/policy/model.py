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
    "HOLD_CHAINS",
    "POLICY_SCHEMA",
    "AuditPolicy",
    "ChannelPolicy",
    "CollateralPolicy",
    "CompliancePolicy",
    "GpuPolicy",
    "ModelsPolicy",
    "Pin",
    "Policy",
    "TcbException",
    "TcbPolicy",
    "TdxPolicy",
    "Unpinned",
    "WorkloadPolicy",
]

POLICY_SCHEMA: Final = "voltage-attest/policy/1"

HOLD_CHAINS: Final = ("device", "driver_rim", "vbios_rim")
"""The chains whose revocation is asked for; a switch's own chain is a device's, its BIOS manifest's a VBIOS RIM's."""


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
class GpuPolicy:
    """``[gpu]``: how many devices, of which kind, with which software, and what is left unchecked. None leaves a field open.

    All but ``switches`` is about GPUs. Versions are texts whose form has been judged; a ``min_vbios`` is upper case. ``ueids``
    are decimal texts, ``measurements`` go from RIM index (SPDM index - 1) to the accepted digests (48 bytes each),
    ``nras_intermediates`` are SHA-256 of SPKIs. ``accept_hold`` holds those of :data:`HOLD_CHAINS` on which a certificate
    on hold is accepted; empty refuses it everywhere. The two ``unsafe_`` keys carry the author's reason.
    """

    count: int
    chips: frozenset[str] | None = None
    boards: frozenset[str] | None = None
    switches: int | None = None
    modes: frozenset[str] | None = None
    min_driver: str | None = None
    min_vbios: str | None = None
    ueids: frozenset[str] | None = None
    measurements: Mapping[int, frozenset[bytes]] = field(default_factory=lambda: MappingProxyType({}))
    accept_hold: frozenset[str] = frozenset()
    nras: str = "off"
    nras_intermediates: frozenset[bytes] = frozenset()
    unsafe_skip_rim: str | None = None
    unsafe_skip_revocation: str | None = None
    locations: Mapping[str, Location] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class WorkloadPolicy:
    """``[workload]``: which software runs, by what the event log binds. None, or an empty mapping, leaves a key open.

    Bytes: ``compose_sha256``, ``os_image_hash``, ``image_digests`` and the digests of ``models`` 32; ``app_id`` 20; all others
    48 (SHA-384). ``key_provider`` holds names, or name, colon and id in lower-case hex. ``require_events`` goes from the name
    of a runtime event to the accepted payloads (none: any), ``events`` from register to the digests that may be extended into
    it. ``boot_files`` are digests of whatever else was measured into RTMR1 and RTMR2. ``secure_boot`` is the state required.
    """

    compose_sha256: frozenset[bytes] | None = None
    app_id: frozenset[bytes] | None = None
    os_image_hash: frozenset[bytes] | None = None
    key_provider: frozenset[str] | None = None
    image_digests: frozenset[bytes] | None = None
    sealed_storage: bool = False
    models: Mapping[str, frozenset[bytes]] = field(default_factory=lambda: MappingProxyType({}))
    require_events: Mapping[str, frozenset[bytes]] = field(default_factory=lambda: MappingProxyType({}))
    forbid_events: frozenset[str] = frozenset()
    secure_boot: bool | None = None
    boot_loader: frozenset[bytes] | None = None
    partition_table: frozenset[bytes] | None = None
    kernel: frozenset[bytes] | None = None
    initrd: frozenset[bytes] | None = None
    kernel_cmdline: frozenset[str] | None = None
    boot_files: frozenset[bytes] | None = None
    events: Mapping[int, frozenset[bytes]] = field(default_factory=lambda: MappingProxyType({}))
    locations: Mapping[str, Location] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class ModelsPolicy:
    """``[models]``: the models that requests may name, exactly as written."""

    allow: tuple[str, ...]
    locations: Mapping[str, Location] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class CompliancePolicy:
    """``[compliance]``: whether a business associate agreement is required, and which; its last UTC day is included.

    A required one without reference or last day loads, and keeps every gate shut.
    """

    require_baa: bool
    baa_reference: str | None = None
    baa_valid_until: date | None = None
    locations: Mapping[str, Location] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class AuditPolicy:
    """``[audit]``: the file of the audit log, as written: relative to where the program runs."""

    path: str
    locations: Mapping[str, Location] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy file. ``sha256`` is of the file's bytes; ``valid_until`` is a UTC day, included.

    What evidence it expects follows from its sections: without ``tdx`` no quote, without ``gpu`` no GPU; one of them is there.
    """

    name: str
    sha256: str
    tdx: TdxPolicy | None = None
    gpu: GpuPolicy | None = None
    workload: WorkloadPolicy | None = None
    channel: ChannelPolicy | None = None
    models: ModelsPolicy | None = None
    compliance: CompliancePolicy | None = None
    audit: AuditPolicy | None = None
    path: str | None = None
    valid_until: date | None = None
    locations: Mapping[str, Location] = field(default_factory=lambda: MappingProxyType({}))
