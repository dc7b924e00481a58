"""The TCB: which of Intel's levels platform, TDX module and quoting enclave reach, and what that makes together.

The meaning is Intel QVL's (``TcbLevelCheck.cpp``, ``TdxModuleCheck.cpp``, ``TDRelaunchCheck.cpp``). Levels are sorted
highest SVN first when they are parsed, so that "the first that matches" never depends on the order in the JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from voltage_attest.collateral.qe_identity import QeIdentity
from voltage_attest.collateral.tcb_info import ComponentLevel, TcbInfo, TcbLevel, TdxModule, TdxModuleIdentity
from voltage_attest.evidence.pck_extension import PckExtension
from voltage_attest.evidence.td_report import TdReport, TdReport15
from voltage_attest.ledger import CheckTable
from voltage_attest.result import Finding, failed, passed, skipped
from voltage_attest.tcb_status import TcbStatus, join_statuses
from voltage_attest.verify.documents import Documents, given
from voltage_attest.verify.tdx_quote import masked
from voltage_attest.verify.types import PlatformTcb

__all__ = [
    "TCB_CHECKS",
    "MatchedLevels",
    "TcbCase",
    "converge",
    "find_component_level",
    "find_module_identity",
    "find_platform_levels",
]

_NO_SEAM_ATTRIBUTES: Final = bytes(8)
_RELAUNCHABLE: Final = frozenset(
    {
        TcbStatus.UP_TO_DATE,
        TcbStatus.SW_HARDENING_NEEDED,
        TcbStatus.CONFIGURATION_NEEDED,
        TcbStatus.CONFIGURATION_AND_SW_HARDENING_NEEDED,
    }
)
_OUT_OF_DATE: Final = frozenset({TcbStatus.OUT_OF_DATE, TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED})


def find_platform_levels(
    levels: Sequence[TcbLevel], components: Sequence[int], pce_svn: int, tee_tcb_svn: bytes
) -> tuple[TcbLevel | None, TcbLevel | None]:
    """Return (SGX level, TDX level) of a platform: the highest level it reaches without and with the TDX components.

    All 16 SGX components and PCESVN must reach the level's. TDX components are compared from index 2 where
    TEE_TCB_SVN[1], the module's major version, is not 0 (the module then has an identity of its own), else from 0.
    """
    first = 2 if tee_tcb_svn[1] > 0 else 0
    sgx_level: TcbLevel | None = None
    for level in levels:
        if pce_svn < level.pce_svn or not _reaches(components, level.sgx_components):
            continue
        if sgx_level is None:
            sgx_level = level
        if _reaches(tee_tcb_svn[first:], level.tdx_components[first:]):
            return sgx_level, level
    return sgx_level, None


def _reaches(found: Sequence[int], wanted: Sequence[int]) -> bool:
    return all([have >= need for have, need in zip(found, wanted, strict=True)])


def find_module_identity(info: TcbInfo, major_version: int) -> TdxModuleIdentity | None:
    """Return the entry ``TDX_%02X`` for a module's major version, or None."""
    wanted = f"TDX_{major_version:02X}"
    for identity in info.module_identities:
        if identity.id.upper() == wanted:
            return identity
    return None


def find_component_level(levels: Sequence[ComponentLevel], isv_svn: int) -> ComponentLevel | None:
    """Return the highest level whose ISVSVN is reached, or None."""
    for level in levels:
        if level.isv_svn <= isv_svn:
            return level
    return None


@dataclass(frozen=True, slots=True)
class MatchedLevels:
    """The levels reached. ``module`` is None for modules of major version 0, which the platform level covers."""

    sgx: TcbLevel
    tdx: TcbLevel
    module: ComponentLevel | None
    qe: ComponentLevel


def converge(levels: MatchedLevels, info: TcbInfo, report: TdReport) -> TcbStatus:
    """Join the statuses by QVL's rules: platform with module, then relaunch, then quoting enclave."""
    module = TcbStatus.UP_TO_DATE if levels.module is None else levels.module.status
    status = join_statuses(levels.tdx.status, module)
    relaunch = (
        isinstance(report, TdReport15)
        and status in _OUT_OF_DATE
        and module is TcbStatus.OUT_OF_DATE
        and levels.sgx.status in _RELAUNCHABLE
        and levels.qe.status is TcbStatus.UP_TO_DATE
        and _runs_newest_module(report.tee_tcb_svn2, info)
    )
    if relaunch:
        if levels.sgx.status.configuration_needed or status.configuration_needed:
            return TcbStatus.TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED
        return TcbStatus.TD_RELAUNCH_ADVISED
    return join_statuses(status, levels.qe.status)


def _runs_newest_module(tee_tcb_svn2: bytes, info: TcbInfo) -> bool:
    """Whether the module now running (TEE_TCB_SVN2) is at or above the newest: only the TD was launched under an older one."""
    newest = info.levels[0].tdx_components
    if tee_tcb_svn2[2] < newest[2]:
        return False
    if tee_tcb_svn2[1] == 0:
        return tee_tcb_svn2[0] >= newest[0]
    identity = find_module_identity(info, tee_tcb_svn2[1])
    return identity is not None and tee_tcb_svn2[0] >= identity.levels[0].isv_svn


@dataclass(frozen=True)
class TcbCase:
    """A quote before signed TCB info and QE identity. Each level is looked up once, on first use."""

    report: TdReport
    qe_isv_svn: int
    documents: Documents
    pck: PckExtension | None

    @cached_property
    def info(self) -> TcbInfo:
        """The TCB info."""
        return given(self.documents.tcb_info)

    @cached_property
    def identity(self) -> QeIdentity:
        """The QE identity."""
        return given(self.documents.qe_identity)

    @cached_property
    def platform_levels(self) -> tuple[TcbLevel | None, TcbLevel | None]:
        """SGX level and TDX level, see :func:`find_platform_levels`."""
        if self.pck is None:
            raise RuntimeError("the platform was judged before its PCK certificate was read")
        return find_platform_levels(self.info.levels, self.pck.components, self.pck.pce_svn, self.report.tee_tcb_svn)

    @cached_property
    def module(self) -> TdxModule | None:
        """Whose rules the TDX module is judged by: its own identity, or for major version 0 the general entry."""
        major_version = self.report.tee_tcb_svn[1]
        return find_module_identity(self.info, major_version) if major_version else self.info.module

    @cached_property
    def module_level(self) -> ComponentLevel | None:
        """The module's level; None where it has none or (major version 0) needs none."""
        if not isinstance(self.module, TdxModuleIdentity):
            return None
        return find_component_level(self.module.levels, self.report.tee_tcb_svn[0])

    @cached_property
    def qe_level(self) -> ComponentLevel | None:
        """The quoting enclave's level."""
        return find_component_level(self.identity.levels, self.qe_isv_svn)

    @cached_property
    def tcb(self) -> PlatformTcb:
        """The converged TCB, once platform, module and quoting enclave each reached a level."""
        sgx_level, tdx_level = self.platform_levels
        if sgx_level is None or tdx_level is None or self.qe_level is None:
            raise RuntimeError("the TCB was converged before its levels were found")
        levels = MatchedLevels(sgx_level, tdx_level, self.module_level, self.qe_level)
        named = [level for level in (tdx_level, levels.module, levels.qe) if level is not None]
        return PlatformTcb(
            converge(levels, self.info, self.report),
            tuple(sorted({advisory for level in named for advisory in level.advisory_ids})),
            min([level.tcb_date for level in named]),
            min(self.info.issue_date, self.identity.issue_date),
            min(self.info.tcb_evaluation_data_number, self.identity.tcb_evaluation_data_number),
        )


def module_identity(case: TcbCase) -> Finding:
    """tdx.module.identity."""
    report, identity = case.report, case.module
    if identity is None:
        known = ", ".join([entry.id for entry in case.info.module_identities])
        return failed(
            expected=f"one of {known or 'no module identities at all'}",
            actual=f"TDX_{report.tee_tcb_svn[1]:02X}",
            reason="Intel's TCB info does not know this TDX module version",
        )
    for name, found, wanted in (
        ("MRSIGNERSEAM", report.mr_signer_seam, identity.mr_signer),
        ("SEAMATTRIBUTES", masked(report.seam_attributes, identity.attributes_mask), identity.attributes),
        ("SEAMATTRIBUTES", report.seam_attributes, _NO_SEAM_ATTRIBUTES),
    ):
        if found != wanted:
            return failed(
                expected=f"{name} {wanted.hex()}",
                actual=f"{name} {found.hex()}",
                reason="the TDX module is not one that Intel signed for production",
            )
    return passed(f"TDX_{report.tee_tcb_svn[1]:02X}")


def platform(case: TcbCase) -> Finding:
    """tdx.tcb.platform."""
    sgx_level, tdx_level = case.platform_levels
    if tdx_level is not None:
        return passed(_shown(tdx_level))
    components, pce_svn = ((), 0) if case.pck is None else (case.pck.components, case.pck.pce_svn)
    which = "SGX components and PCESVN" if sgx_level is None else "TDX components"
    lowest = case.info.levels[-1]
    return failed(
        expected=f"at least SGX {lowest.sgx_components.hex()}, PCESVN {lowest.pce_svn}, TDX {lowest.tdx_components.hex()}",
        actual=f"SGX {bytes(components).hex()}, PCESVN {pce_svn}, TDX {case.report.tee_tcb_svn.hex()}",
        reason=f"no TCB level matches: the {which} reach none of Intel's levels (TCB_NOT_SUPPORTED)",
    )


def module(case: TcbCase) -> Finding:
    """tdx.tcb.module."""
    identity = case.module
    if not isinstance(identity, TdxModuleIdentity):
        return skipped("a module of major version 0 has no identity: its SVN is judged with the platform level")
    return _reached(case.module_level, identity.levels, case.report.tee_tcb_svn[0], f"the TDX module {identity.id}")


def quoting_enclave(case: TcbCase) -> Finding:
    """tdx.tcb.qe."""
    return _reached(case.qe_level, case.identity.levels, case.qe_isv_svn, "the quoting enclave")


def _reached(level: ComponentLevel | None, levels: Sequence[ComponentLevel], isv_svn: int, what: str) -> Finding:
    if level is not None:
        return passed(_shown(level))
    return failed(
        expected=f"ISVSVN {levels[-1].isv_svn} or higher",
        actual=f"ISVSVN {isv_svn}",
        reason=f"{what} reaches none of Intel's levels",
    )


def _shown(level: TcbLevel | ComponentLevel) -> str:
    return f"{level.status.value} ({level.tcb_date.date().isoformat()})"


def converged(case: TcbCase) -> Finding:
    """tdx.tcb.converged."""
    tcb = case.tcb
    shown = ", ".join((tcb.status.value, *tcb.advisory_ids))
    if tcb.status is not TcbStatus.REVOKED:
        return passed(shown)
    return failed(
        expected="any status but Revoked",
        actual=shown,
        reason="Intel has revoked the TCB level of the platform, its TDX module or its quoting enclave",
    )


TCB_CHECKS: Final = CheckTable[TcbCase](
    {
        "tdx.module.identity": module_identity,
        "tdx.tcb.platform": platform,
        "tdx.tcb.module": module,
        "tdx.tcb.qe": quoting_enclave,
        "tdx.tcb.converged": converged,
    }
)
"""Check id to function, in order; they follow :data:`QUOTE_CHECKS`."""
