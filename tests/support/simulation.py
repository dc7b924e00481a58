"""Appraise what the fake Intel makes: describe what differs, and see what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Final

from tests.support.outcomes import open_policy
from voltage_attest.policy import Policy
from voltage_attest.result import AttestationResult
from voltage_attest.testing import (
    APPRAISED_AT,
    FakeIntel,
    PckFields,
    Platform,
    QeFields,
    QeIdentity,
    QuoteShape,
    TcbInfo,
    TdReportFields,
)
from voltage_attest.trust import TrustRoots
from voltage_attest.verifier import Evidence, Verifier

__all__ = ["INTEL", "PLATFORM", "ROOTS", "World", "examine"]

INTEL: Final = FakeIntel()
PLATFORM: Final = INTEL.platform()
ROOTS: Final = TrustRoots.from_pem(intel=INTEL.root_pem)

_TD: Final = TdReportFields()
_QE: Final = QeFields()
_PCK: Final = PckFields()


@dataclass(frozen=True, kw_only=True)
class World:
    """One TD on one platform under one Intel; every part that is left out is genuine, current and up to date."""

    td: TdReportFields = _TD
    shape: QuoteShape = QuoteShape.V4
    qe: QeFields = _QE
    pck: PckFields = _PCK
    platform: Platform | None = None
    tcb_info: TcbInfo | None = None
    qe_identity: QeIdentity | None = None

    def quote(self) -> bytes:
        """The TD's quote."""
        return self._platform().quote(self.td, shape=self.shape, qe=self.qe)

    def collateral(self) -> bytes:
        """The nine documents for it."""
        platform = self._platform()
        return INTEL.collateral(platform, tcb_info=self.tcb_info, qe_identity=self.qe_identity).to_json()

    def _platform(self) -> Platform:
        return self.platform or _platform(self.pck)


@cache
def _platform(pck: PckFields) -> Platform:
    return INTEL.platform(pck)


def examine(world: World, policy: Policy | None = None, *, at: datetime = APPRAISED_AT) -> AttestationResult:
    """Judge the world by the policy (one that pins nothing, unless given)."""
    verifier = Verifier(policy or open_policy(), roots=ROOTS)
    return verifier.examine(Evidence(quote=world.quote()), world.collateral(), at=at)
