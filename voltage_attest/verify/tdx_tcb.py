"""The TCB: which of Intel's levels platform, TDX module and quoting enclave reach, and what that makes together.

The meaning is Intel QVL's (``TcbLevelCheck.cpp``, ``TdxModuleCheck.cpp``, ``TDRelaunchCheck.cpp``). Levels are sorted
highest SVN first when they are parsed, so that "the first that matches" never depends on the order in the JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from voltage_attest.collateral.qe_identity import QeIdentity
from voltage_attest.collateral.tcb_info import ComponentLevel, TcbInfo, TcbLevel, TdxModule, TdxModuleIdentity
from voltage_attest.evidence.pck_extension import PckExtension
from voltage_attest.evidence.quote import TdxQuote
from voltage_attest.evidence.td_report import TdReport, TdReport15
from voltage_attest.ledger import CheckTable
from voltage_attest.result import Finding, failed, passed, skipped
from voltage_attest.tcb_status import TcbStatus, join_statuses
from voltage_attest.verify.documents import Documents
from voltage_attest.verify.tdx_quote import masked
from voltage_attest.verify.types import PlatformTcb
from voltage_attest.verify.unreadable import Unreadable, given

__all__ = [
    "TCB_CHECKS",
    "MatchedLevels",
    "MatchedTcb",
    "PlatformSvns",
    "TcbCase",
    "converge",
    "find_component_level",
    "find_module_identity",
    "find_platform_levels",
    "match_tcb",
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


def converge(levels: MatchedLevels, info: TcbInfo, report: TdReport) -> TcbStatus | None:
    """Join the statuses by QVL's rules: platform with module, then relaunch, then quoting enclave.

    None where a relaunch would be considered and the TDX module now running is one that TCB info does not name (QVL:
    STATUS_TDX_MODULE_MISMATCH).
    """
    module = TcbStatus.UP_TO_DATE if levels.module is None else levels.module.status
    status = join_statuses(levels.tdx.status, module)
    considered = (
        isinstance(report, TdReport15)
        and status in _OUT_OF_DATE
        and module is TcbStatus.OUT_OF_DATE
        and levels.sgx.status in _RELAUNCHABLE
        and levels.qe.status is TcbStatus.UP_TO_DATE
    )
    if considered and isinstance(report, TdReport15):
        newest = _newest_module_svn(info, report.tee_tcb_svn2)
        if newest is None:
            return None
        if report.tee_tcb_svn2[0] >= newest and report.tee_tcb_svn2[2] >= info.levels[0].tdx_components[2]:
            needed = levels.sgx.status.configuration_needed or status.configuration_needed
            return TcbStatus.TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED if needed else TcbStatus.TD_RELAUNCH_ADVISED
    return join_statuses(status, levels.qe.status)


def _newest_module_svn(info: TcbInfo, tee_tcb_svn2: bytes) -> int | None:
    """The newest ISVSVN of the TDX module now running (TEE_TCB_SVN2[1] is its major version), or None if it is not named."""
    if tee_tcb_svn2[1] == 0:
        return info.levels[0].tdx_components[0]
    identity = find_module_identity(info, tee_tcb_svn2[1])
    return None if identity is None else identity.levels[0].isv_svn


class PlatformSvns(NamedTuple):
    """Every version that levels are looked up by: what the quotes of one platform and quoting enclave have in common.

    ``components`` is None where the PCK certificate cannot be read, ``tee_tcb_svn2`` where the TD report has none.
    """

    components: tuple[int, ...] | None
    pce_svn: int
    tee_tcb_svn: bytes
    tee_tcb_svn2: bytes | None
    qe_isv_svn: int


@dataclass(frozen=True, slots=True)
class MatchedTcb:
    """The levels that a platform reaches, and what they converge to; None where none is reached or nothing can be looked up.

    ``module`` is whose rules the TDX module is judged by: its own identity, or for major version 0 the general entry, which
    has no levels.
    """

    sgx_level: TcbLevel | None
    tdx_level: TcbLevel | None
    module: TdxModule | None
    module_level: ComponentLevel | None
    qe_level: ComponentLevel | None
    tcb: PlatformTcb | None


def match_tcb(info: TcbInfo | None, identity: QeIdentity | None, svns: PlatformSvns, report: TdReport) -> MatchedTcb:
    """Look every level up, and converge them if platform and quoting enclave each reach one."""
    svn = svns.tee_tcb_svn
    sgx_level = tdx_level = module = module_level = qe_level = tcb = None
    if info is not None:
        module = find_module_identity(info, svn[1]) if svn[1] else info.module
        if isinstance(module, TdxModuleIdentity):
            module_level = find_component_level(module.levels, svn[0])
        if svns.components is not None:
            sgx_level, tdx_level = find_platform_levels(info.levels, svns.components, svns.pce_svn, svn)
    if identity is not None:
        qe_level = find_component_level(identity.levels, svns.qe_isv_svn)
    if info is not None and identity is not None and sgx_level is not None and tdx_level is not None and qe_level is not None:
        named = [level for level in (tdx_level, module_level, qe_level) if level is not None]
        status = converge(MatchedLevels(sgx_level, tdx_level, module_level, qe_level), info, report)
        tcb = (
            None
            if status is None
            else PlatformTcb(
                status,
                tuple(sorted({advisory for level in named for advisory in level.advisory_ids})),
                min([level.tcb_date for level in named]),
                min(info.issue_date, identity.issue_date),
                min(info.tcb_evaluation_data_number, identity.tcb_evaluation_data_number),
            )
        )
    return MatchedTcb(sgx_level, tdx_level, module, module_level, qe_level, tcb)


class TcbCase:
    """A quote before TCB info and QE identity, with the levels its platform reaches.

    Levels depend on documents and SVNs alone, never on time or on the quote's content, so they are looked up once for all
    quotes of a platform.
    """

    __slots__ = ("documents", "matched", "report", "svns")

    def __init__(self, quote: TdxQuote, documents: Documents, pck: PckExtension | None) -> None:
        report = quote.td_report
        svn2 = report.tee_tcb_svn2 if isinstance(report, TdReport15) else None
        components, pce_svn = (None, 0) if pck is None else (pck.components, pck.pce_svn)
        self.documents = documents
        self.report = report
        self.svns = svns = PlatformSvns(components, pce_svn, report.tee_tcb_svn, svn2, quote.qe_report.isv_svn)
        info, identity = documents.tcb_info, documents.qe_identity
        self.matched: MatchedTcb = documents.remembered(
            svns,
            lambda: match_tcb(
                None if isinstance(info, Unreadable) else info,
                None if isinstance(identity, Unreadable) else identity,
                svns,
                report,
            ),
        )


def module_identity(case: TcbCase) -> Finding:
    """tdx.module.identity."""
    report, identity = case.report, case.matched.module
    if identity is None:
        known = ", ".join([entry.id for entry in given(case.documents.tcb_info).module_identities])
        return failed(
            expected=f"one of {known or 'no module identities at all'}",
            actual=f"TDX_{report.tee_tcb_svn[1]:02X}",
            reason="Intel's TCB info does not know this TDX module version",
        )
    attributes = masked(report.seam_attributes, identity.attributes_mask)
    if report.mr_signer_seam != identity.mr_signer:
        name, found, wanted = "MRSIGNERSEAM", report.mr_signer_seam, identity.mr_signer
    elif attributes != identity.attributes:
        name, found, wanted = "SEAMATTRIBUTES", attributes, identity.attributes
    elif report.seam_attributes != _NO_SEAM_ATTRIBUTES:
        name, found, wanted = "SEAMATTRIBUTES", report.seam_attributes, _NO_SEAM_ATTRIBUTES
    else:
        return passed(f"TDX_{report.tee_tcb_svn[1]:02X}")
    return failed(
        expected=f"{name} {wanted.hex()}",
        actual=f"{name} {found.hex()}",
        reason="the TDX module is not one that Intel signed for production",
    )


def platform(case: TcbCase) -> Finding:
    """tdx.tcb.platform."""
    if case.matched.tdx_level is not None:
        return passed(_shown(case.matched.tdx_level))
    svns, lowest = case.svns, given(case.documents.tcb_info).levels[-1]
    which = "SGX components and PCESVN" if case.matched.sgx_level is None else "TDX components"
    return failed(
        expected=f"at least SGX {lowest.sgx_components.hex()}, PCESVN {lowest.pce_svn}, TDX {lowest.tdx_components.hex()}",
        actual=f"SGX {bytes(svns.components or ()).hex()}, PCESVN {svns.pce_svn}, TDX {svns.tee_tcb_svn.hex()}",
        reason=f"no TCB level matches: the {which} reach none of Intel's levels (TCB_NOT_SUPPORTED)",
    )


def module(case: TcbCase) -> Finding:
    """tdx.tcb.module."""
    identity = case.matched.module
    if not isinstance(identity, TdxModuleIdentity):
        return skipped("a module of major version 0 has no identity: its SVN is judged with the platform level")
    return _reached(case.matched.module_level, identity.levels, case.svns.tee_tcb_svn[0], f"the TDX module {identity.id}")


def quoting_enclave(case: TcbCase) -> Finding:
    """tdx.tcb.qe."""
    levels = given(case.documents.qe_identity).levels
    return _reached(case.matched.qe_level, levels, case.svns.qe_isv_svn, "the quoting enclave")


def _reached(level: ComponentLevel | None, levels: Sequence[ComponentLevel], isv_svn: int, what: str) -> Finding:
    if level is not None:
        return passed(_shown(level))
    return failed(
        expected=f"ISVSVN {levels[-1].isv_svn} or higher",
        actual=f"ISVSVN {isv_svn}",
        reason=f"{what} reaches none of Intel's levels",
    )


def _shown(level: TcbLevel | ComponentLevel) -> str:
    return f"{level.status} ({level.tcb_date.date().isoformat()})"


def converged(case: TcbCase) -> Finding:
    """tdx.tcb.converged."""
    tcb = case.matched.tcb
    if tcb is None:
        known = ", ".join([entry.id for entry in given(case.documents.tcb_info).module_identities])
        return failed(
            expected=f"one of {known or 'no module identities at all'}",
            actual=f"TDX_{(case.svns.tee_tcb_svn2 or bytes(2))[1]:02X}",
            reason="Intel's TCB info does not know the TDX module that runs now (TEE_TCB_SVN2)",
        )
    shown = ", ".join((tcb.status, *tcb.advisory_ids))
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
