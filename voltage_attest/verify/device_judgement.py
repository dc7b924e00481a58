"""Devices to judge, and what came of it: light to load, for the verifier, which mostly judges quotes alone."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from voltage_attest.collateral.nvidia import NvidiaCollateral
    from voltage_attest.evidence.model import Evidence
    from voltage_attest.result import CheckResult, CollateralRecord, EvidenceRecord, GpuClaims, SwitchClaims
    from voltage_attest.verify.types import VerifiedQuote

__all__ = ["DeviceJudgement", "GivenDevices"]


class GivenDevices(NamedTuple):
    """Devices to judge: what was given of them, the verified quote beside them, and the nonce that the verifier drew.

    ``records`` say where NVIDIA's documents came from, and their windows. ``is_live`` says that they were made for this very
    appraisal; else signed copies are judged that may be years old.
    """

    evidence: Evidence
    collateral: NvidiaCollateral
    quote: VerifiedQuote | None
    nonce: bytes | None
    at: datetime
    records: tuple[CollateralRecord, ...] = ()
    is_live: bool = False


class DeviceJudgement(NamedTuple):
    """What came of the devices: rows of each, claims of the verified ones, and what the result records of documents."""

    rows: tuple[CheckResult, ...] = ()
    gpus: tuple[GpuClaims, ...] = ()
    switches: tuple[SwitchClaims, ...] = ()
    evidence: tuple[EvidenceRecord, ...] = ()
    collateral: tuple[CollateralRecord, ...] = ()
    ends: tuple[datetime, ...] = ()
