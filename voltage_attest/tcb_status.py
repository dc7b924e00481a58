"""TCB statuses and the one order in which they are joined.

Intel gives a status to each of three things: the platform (microcode, BIOS, TDX module together), the TDX module by
itself, and the quoting enclave. They are *joined*, never overwritten: an up-to-date module mends no out-of-date platform.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

__all__ = ["COMPONENT_STATUSES", "PLATFORM_STATUSES", "TcbStatus", "join_statuses"]


class TcbStatus(StrEnum):
    """Status strings of Intel PCS v4 (``tcbStatus``), and the two that QVL adds for TDs that only need a relaunch."""

    UP_TO_DATE = "UpToDate"
    SW_HARDENING_NEEDED = "SWHardeningNeeded"
    CONFIGURATION_NEEDED = "ConfigurationNeeded"
    CONFIGURATION_AND_SW_HARDENING_NEEDED = "ConfigurationAndSWHardeningNeeded"
    OUT_OF_DATE = "OutOfDate"
    OUT_OF_DATE_CONFIGURATION_NEEDED = "OutOfDateConfigurationNeeded"
    TD_RELAUNCH_ADVISED = "TDRelaunchAdvised"
    TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED = "TDRelaunchAdvisedConfigurationNeeded"
    REVOKED = "Revoked"

    @property
    def configuration_needed(self) -> bool:
        """Whether the platform owner must also change BIOS settings."""
        return self in _CONFIGURATION_NEEDED


_CONFIGURATION_NEEDED: Final = frozenset(
    {
        TcbStatus.CONFIGURATION_NEEDED,
        TcbStatus.CONFIGURATION_AND_SW_HARDENING_NEEDED,
        TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED,
        TcbStatus.TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED,
    }
)

PLATFORM_STATUSES: Final = frozenset(TcbStatus) - {
    TcbStatus.TD_RELAUNCH_ADVISED,
    TcbStatus.TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED,
}
"""What TCB info may say of a platform level."""

COMPONENT_STATUSES: Final = frozenset({TcbStatus.UP_TO_DATE, TcbStatus.OUT_OF_DATE, TcbStatus.REVOKED})
"""What TCB info may say of a TDX module, and a QE identity of a quoting enclave."""


def join_statuses(platform: TcbStatus, *components: TcbStatus) -> TcbStatus:
    """Join the platform's status with those of module and quoting enclave (QVL, TCB status convergence).

    ``Revoked`` anywhere is ``Revoked``. An ``OutOfDate`` component makes the platform out of date, and keeps what it says about
    configuration. An ``UpToDate`` component changes nothing.
    """
    if TcbStatus.REVOKED in (platform, *components):
        return TcbStatus.REVOKED
    if TcbStatus.OUT_OF_DATE in components:
        return TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED if platform.configuration_needed else TcbStatus.OUT_OF_DATE
    return platform
