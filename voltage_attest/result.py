"""The attestation result: one object, made once, of which every output is a rendering.

Vocabulary (RFC 9334): a check yields a :class:`Finding`; a finding placed under its registered check is a
:class:`CheckResult`; all of them, with what was judged and under which policy, are an :class:`AttestationResult`.

The verdict is derived from the checks and from nothing else: any ``failed`` refuses, else any ``error`` leaves it
undecided, else it is verified. It is recomputed whenever a result is loaded; the text in a file is never believed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import repeat
from typing import Final, NamedTuple, NoReturn

from voltage_attest.checks import Check
from voltage_attest.errors import VerificationError

__all__ = [
    "RESULT_SCHEMA",
    "AttestationResult",
    "BootEventClaims",
    "Channel",
    "CheckResult",
    "CollateralRecord",
    "CollateralSource",
    "EvidenceRecord",
    "Finding",
    "Freshness",
    "GpuClaims",
    "Location",
    "PolicyRecord",
    "Status",
    "Subject",
    "SwitchClaims",
    "TdxClaims",
    "Verdict",
    "derive_verdict",
    "failed",
    "passed",
    "skipped",
    "undecided",
]

RESULT_SCHEMA: Final = "voltage-attest/result/1"


class Status(StrEnum):
    """What became of one check."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    NOT_RUN = "not_run"
    ERROR = "error"

    @property
    def closes_gate(self) -> bool:
        """True for ``failed`` and ``error``: with either, nothing is sent."""
        return self is Status.FAILED or self is Status.ERROR


_PASSED: Final = Status.PASSED
_SKIPPED: Final = Status.SKIPPED


class Verdict(StrEnum):
    """What the checks amount to. Only ``verified`` opens anything."""

    VERIFIED = "verified"
    REFUSED = "refused"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Location:
    """Where in the policy file a rule was written; ``line`` counts from 1."""

    file: str
    line: int | None = None


_new: Final = tuple.__new__
"""What a named tuple's constructor does, without its detour through Python: some eighty findings and rows are made a result."""


class Finding(NamedTuple):
    """What one check found. Made by :func:`passed`, :func:`failed`, :func:`skipped` or :func:`undecided`.

    A named tuple, as is :class:`CheckResult`: some eighty of each are made a verification, and a tuple costs a quarter of
    what a frozen dataclass does.
    """

    status: Status
    actual: str | None = None
    expected: str | None = None
    reason: str | None = None
    unsafe: bool = False
    location: Location | None = None


def passed(actual: str | None = None, *, expected: str | None = None) -> Finding:
    """The check holds; ``actual`` is the value that satisfied it."""
    return _new(Finding, (_PASSED, actual, expected, None, False, None))


def failed(*, expected: str, actual: str, reason: str, location: Location | None = None) -> Finding:
    """The check does not hold: say what was expected, what was found, and why that matters."""
    return Finding(Status.FAILED, actual, expected, reason, location=location)


def skipped(reason: str, *, actual: str | None = None, unsafe: bool = False, location: Location | None = None) -> Finding:
    """The policy left it open, or there is no subject for it. ``unsafe`` marks a safeguard the policy switched off."""
    return _new(Finding, (_SKIPPED, actual, None, reason, unsafe, location))


def undecided(reason: str, *, expected: str | None = None, actual: str | None = None) -> Finding:
    """It could not be decided: a document is absent or a service did not answer. As closed as a failure."""
    return Finding(Status.ERROR, actual, expected, reason)


class CheckResult(NamedTuple):
    """A finding under its registered check; ``device`` tells one of several devices apart (``gpu[0]``)."""

    check: Check
    finding: Finding
    device: str | None = None

    @staticmethod
    def of_all(checks: Iterable[Check], findings: Iterable[Finding], device: str | None) -> tuple[CheckResult, ...]:
        """The rows of one subject: each check with its finding, in the order of both."""
        return tuple(map(_new, repeat(CheckResult), zip(checks, findings, repeat(device), strict=False)))

    @property
    def id(self) -> str:
        """The registered id."""
        return self.check.id

    @property
    def status(self) -> Status:
        """The finding's status."""
        return self.finding.status

    @property
    def reason(self) -> str | None:
        """Why, in a sentence; None for a passed check."""
        return self.finding.reason


@dataclass(frozen=True, slots=True)
class EvidenceRecord:
    """One piece of evidence that was judged: SHA-256 and size in bytes up to its declared end, without padding."""

    kind: str
    version: int | None
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class CollateralRecord:
    """One endorsement document that was used: where it came from, its hash, and its window (UTC)."""

    kind: str
    source: str
    sha256: str
    issued: datetime | None = None
    next_update: datetime | None = None
    from_cache: bool = False


@dataclass(frozen=True, slots=True)
class CollateralSource:
    """Where one document came from: a URL or ``file``, and whether the cache held it."""

    url: str = "file"
    from_cache: bool = False


@dataclass(frozen=True, slots=True)
class PolicyRecord:
    """The policy applied: its name, the SHA-256 of its file's bytes, and its path if it had one."""

    name: str
    sha256: str
    path: str | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """What was attested."""

    pod_id: str | None = None
    provider: str | None = None


@dataclass(frozen=True, slots=True)
class Freshness:
    """``fresh`` is True only when the verifier's own nonce was proven to be inside the evidence."""

    nonce: str | None = None
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Channel:
    """The TLS key the evidence is bound to, when a binding was judged."""

    binding: str | None = None
    spki_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class TdxClaims:
    """What the TD quote says once its signature chain is verified. Byte strings are lower-case hex."""

    quote_version: int
    td_report: str
    tee_tcb_svn: str
    mr_seam: str
    mr_signer_seam: str
    seam_attributes: str
    td_attributes: str
    xfam: str
    mrtd: str
    mr_config_id: str
    mr_owner: str
    mr_owner_config: str
    rtmr0: str
    rtmr1: str
    rtmr2: str
    rtmr3: str
    report_data: str
    mr_service_td: str | None
    fmspc: str
    pce_id: str
    pce_svn: int
    ppid: str
    platform_instance_id: str | None
    tcb_status: str | None
    tcb_date: datetime | None
    advisory_ids: tuple[str, ...]
    tcb_evaluation_data_number: int | None


@dataclass(frozen=True, slots=True)
class BootEventClaims:
    """One event of a boot log whose registers replay to those of the verified quote; ``number`` counts from 0.

    ``digest`` is lower-case hex, ``meaning`` and ``binding`` are printable ASCII on one line. Only where ``bound`` is the
    content proven by the digest; else name and payload are the machine's word, and ``meaning`` says so.
    """

    number: int
    register: str
    digest: str
    meaning: str
    binding: str
    bound: bool


@dataclass(frozen=True, slots=True)
class GpuClaims:
    """What one GPU's report says once its signature and certificate chain are verified. ``device`` is its name in the rows.

    ``ueid`` is decimal, as NVIDIA writes it; byte strings are lower-case hex. ``mode`` is spt, mpt or ppcie, None where the
    driver is too old to say. ``manifests`` are the ids of the reference manifests that the measurements were compared with.
    """

    device: str
    architecture: str
    chip: str
    board: str
    driver_version: str
    vbios_version: str
    mode: str | None
    protected_pcie: bool | None
    ueid: str
    pdi: str
    fwid: str | None
    nonce: str
    measurements: int
    manifests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SwitchClaims:
    """What one NVSwitch's report says, as :class:`GpuClaims`. ``gpu_pdis`` are the GPUs that it is wired to."""

    device: str
    architecture: str
    chip: str
    bios_version: str
    locked: bool | None
    ueid: str
    pdi: str
    gpu_pdis: tuple[str, ...]
    nonce: str
    measurements: int
    manifests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AttestationResult:
    """Everything that was judged, by what rules, and what came of it. Frozen; every format renders this object.

    ``valid_until`` is the earliest instant at which a document or rule this verdict rests on ends (UTC), or None.
    """

    appraised_at: datetime
    checks: tuple[CheckResult, ...]
    verifier_version: str
    valid_until: datetime | None = None
    subject: Subject = field(default_factory=Subject)
    policy: PolicyRecord | None = None
    evidence: tuple[EvidenceRecord, ...] = ()
    collateral: tuple[CollateralRecord, ...] = ()
    freshness: Freshness = field(default_factory=Freshness)
    channel: Channel = field(default_factory=Channel)
    tdx: TdxClaims | None = None
    gpus: tuple[GpuClaims, ...] = ()
    switches: tuple[SwitchClaims, ...] = ()
    boot: tuple[BootEventClaims, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Derived from ``checks`` on every call."""
        return derive_verdict(self.checks)

    def require(self) -> AttestationResult:
        """Return self if verified; otherwise raise :class:`~voltage_attest.errors.VerificationError`."""
        if self.verdict is not Verdict.VERIFIED:
            raise VerificationError(self)
        return self

    def check(self, check_id: str, device: str | None = None) -> CheckResult:
        """Return the row of that check (and device); KeyError if it was not part of this appraisal."""
        for row in self.checks:
            if row.id == check_id and row.device == device:
                return row
        raise KeyError(check_id)

    def by_status(self) -> Mapping[Status, tuple[CheckResult, ...]]:
        """The rows grouped by status; every status is a key, in the order of :class:`Status`."""
        return {status: tuple(row for row in self.checks if row.status is status) for status in Status}

    def __bool__(self) -> NoReturn:
        raise TypeError("an AttestationResult is not a truth value: use .require(), or compare .verdict")


def derive_verdict(checks: Iterable[CheckResult]) -> Verdict:
    """Any ``failed`` refuses; else any ``error`` is undecided; else verified. No checks at all is undecided.

    ``not_run`` needs no rule of its own: it only ever follows from a failed or errored prerequisite. A result
    where it stands alone was not made by this library, and is undecided.
    """
    statuses = {row.status for row in checks}
    if Status.FAILED in statuses:
        return Verdict.REFUSED
    if Status.ERROR in statuses or Status.NOT_RUN in statuses or Status.PASSED not in statuses:
        return Verdict.UNDECIDED
    return Verdict.VERIFIED
