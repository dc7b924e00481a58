"""When a TD should only be relaunched: Intel's rule (QVL TDRelaunchCheck.cpp), each of its conditions taken away once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from tests.support.outcomes import failed_ids, open_policy
from tests.support.simulation import INTEL, PLATFORM, World, examine
from voltage_attest.collateral.tcb_info import ComponentLevel, TcbInfo, TcbLevel, parse_tcb_info
from voltage_attest.evidence.td_report import BodyType, TdReport, parse_td_report
from voltage_attest.result import Verdict
from voltage_attest.tcb_status import TcbStatus
from voltage_attest.testing import IsvLevel, QuoteShape, TdReportFields, TdxModuleIdentity
from voltage_attest.testing.intel.td_report import encode_td_report
from voltage_attest.verify.tdx_tcb import MatchedLevels, converge

UTD, OOD, RKD = TcbStatus.UP_TO_DATE, TcbStatus.OUT_OF_DATE, TcbStatus.REVOKED
SHN, CN = TcbStatus.SW_HARDENING_NEEDED, TcbStatus.CONFIGURATION_NEEDED
CN_SHN, OOD_CN = TcbStatus.CONFIGURATION_AND_SW_HARDENING_NEEDED, TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED
TRA, TRA_CN = TcbStatus.TD_RELAUNCH_ADVISED, TcbStatus.TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED
DATE = datetime(2025, 8, 13, tzinfo=UTC)

INFO = INTEL.tcb_info(PLATFORM)
"""Newest level: TDX components (5, 0, 4); newest modules: TDX_01 at 11, TDX_03 at 5."""
PARSED = parse_tcb_info(INFO.to_json())
OLD_SVN = bytes((4, 1, 4)).ljust(16, b"\0")
NEW_SVN = bytes((11, 1, 4)).ljust(16, b"\0")


def report(body_type: BodyType, tee_tcb_svn2: bytes) -> TdReport:
    """A TD launched under the old module and now running on ``tee_tcb_svn2``."""
    sizes = {BodyType.TD_REPORT_10: 584, BodyType.TD_REPORT_15: 648, BodyType.TD_REPORT_15_EX: 885}
    td = TdReportFields(tee_tcb_svn=OLD_SVN, tee_tcb_svn2=tee_tcb_svn2)
    return parse_td_report(body_type, encode_td_report(td, sizes[body_type]))


@dataclass(frozen=True, kw_only=True)
class Case:
    """Everything the rule looks at. The defaults are the case in which a relaunch is advised."""

    sgx: TcbStatus = UTD
    tdx: TcbStatus = UTD
    module: TcbStatus | None = OOD
    qe: TcbStatus = UTD
    body_type: BodyType = BodyType.TD_REPORT_15
    svn2: bytes = NEW_SVN
    info: TcbInfo = PARSED

    def converged(self) -> TcbStatus | None:
        """What the package makes of it."""

        def platform(status: TcbStatus) -> TcbLevel:
            return TcbLevel(bytes(16), 0, bytes(16), DATE, status, ())

        def component(status: TcbStatus) -> ComponentLevel:
            return ComponentLevel(0, DATE, status, ())

        module = None if self.module is None else component(self.module)
        levels = MatchedLevels(platform(self.sgx), platform(self.tdx), module, component(self.qe))
        return converge(levels, self.info, report(self.body_type, self.svn2))


def svn2(*components: int) -> bytes:
    """A TEE_TCB_SVN2."""
    return bytes(components).ljust(16, b"\0")


@pytest.mark.parametrize(
    ("case", "status"),
    [
        (Case(), TRA),
        (Case(body_type=BodyType.TD_REPORT_15_EX), TRA),
        (Case(tdx=OOD), TRA),
        (Case(sgx=SHN, tdx=SHN), TRA),
        (Case(sgx=SHN, tdx=OOD), TRA),
        (Case(sgx=CN, tdx=CN), TRA_CN),
        (Case(sgx=CN, tdx=OOD), TRA_CN),
        (Case(sgx=CN_SHN, tdx=OOD), TRA_CN),
        (Case(sgx=CN_SHN, tdx=CN_SHN), TRA_CN),
        (Case(sgx=UTD, tdx=OOD_CN), TRA_CN),
        (Case(sgx=SHN, tdx=CN), TRA_CN),
        (Case(svn2=svn2(12, 1, 4)), TRA),
        (Case(svn2=svn2(11, 1, 5)), TRA),
        (Case(svn2=svn2(5, 3, 4)), TRA),
        (Case(svn2=svn2(5, 0, 4)), TRA),
    ],
)
def test_a_relaunch_is_advised_when_only_the_launch_was_under_an_old_module(case: Case, status: TcbStatus) -> None:
    """SGX level good, module out of date, and what runs now is at or above the newest."""
    assert case.converged() is status


@pytest.mark.parametrize(
    ("case", "status"),
    [
        # the report does not say what runs now
        (Case(body_type=BodyType.TD_REPORT_10), OOD),
        # the module is not out of date
        (Case(module=UTD), UTD),
        (Case(module=UTD, tdx=OOD), OOD),
        (Case(module=None, tdx=OOD), OOD),
        # the platform without TDX is not in order
        (Case(sgx=OOD, tdx=OOD), OOD),
        (Case(sgx=OOD_CN, tdx=OOD_CN), OOD_CN),
        (Case(sgx=OOD_CN, tdx=OOD), OOD),
        (Case(sgx=RKD, tdx=OOD), OOD),
        # the quoting enclave is not in order
        (Case(qe=OOD), OOD),
        (Case(qe=OOD, sgx=CN, tdx=CN), OOD_CN),
        # something is revoked
        (Case(qe=RKD), RKD),
        (Case(module=RKD), RKD),
        (Case(tdx=RKD), RKD),
        # what runs now is not the newest
        (Case(svn2=OLD_SVN), OOD),
        (Case(svn2=svn2(10, 1, 4)), OOD),
        (Case(svn2=svn2(11, 1, 3)), OOD),
        (Case(svn2=svn2(4, 3, 4)), OOD),
        (Case(svn2=svn2(5, 3, 3)), OOD),
        (Case(svn2=svn2(4, 0, 4)), OOD),
        (Case(svn2=svn2(5, 0, 3)), OOD),
        (Case(svn2=svn2(11, 1, 3), sgx=CN, tdx=CN), OOD_CN),
    ],
)
def test_without_any_one_condition_the_td_is_out_of_date(case: Case, status: TcbStatus) -> None:
    """Each condition of the rule is needed."""
    assert case.converged() is status


@pytest.mark.parametrize("version", [2, 4, 255])
def test_a_running_module_that_intel_does_not_know_converges_to_nothing(version: int) -> None:
    """QVL: STATUS_TDX_MODULE_MISMATCH. Not even a policy that accepts OutOfDate accepts it."""
    assert Case(svn2=svn2(255, version, 255)).converged() is None


def test_the_newest_module_level_is_found_whatever_the_order_in_the_json() -> None:
    """An old level that stands first in the JSON does not lower the bar."""
    levels = tuple(IsvLevel(isv_svn=isv_svn, date=DATE, status="OutOfDate") for isv_svn in (4, 11, 6))
    info = parse_tcb_info(
        replace(INFO, module_identities=(TdxModuleIdentity(id="TDX_01", levels=levels),), levels=INFO.levels[::-1]).to_json()
    )
    assert Case(info=info, svn2=svn2(6, 1, 4)).converged() is OOD
    assert Case(info=info, svn2=svn2(11, 1, 4)).converged() is TRA


@pytest.mark.parametrize("shape", [QuoteShape.V5_TD15, QuoteShape.V5_TD15_EX])
def test_a_td_to_be_relaunched_is_refused_unless_the_policy_accepts_it(shape: QuoteShape) -> None:
    """End to end, on both reports that carry TEE_TCB_SVN2."""
    world = World(td=TdReportFields(tee_tcb_svn=svn2(6, 1, 4), tee_tcb_svn2=NEW_SVN), shape=shape)
    result = examine(world)
    assert result.tdx is not None
    assert result.tdx.tcb_status == "TDRelaunchAdvised"
    assert failed_ids(result) == {"tdx.policy.tcb"}
    assert examine(world, open_policy(tcb='accept = ["TDRelaunchAdvised"]')).verdict is Verdict.VERIFIED


@pytest.mark.parametrize("shape", [QuoteShape.V4, QuoteShape.V5_TD10])
def test_a_report_without_a_second_svn_is_out_of_date(shape: QuoteShape) -> None:
    """The same TD, quoted in a report that cannot say what runs now."""
    result = examine(World(td=TdReportFields(tee_tcb_svn=svn2(6, 1, 4), tee_tcb_svn2=NEW_SVN), shape=shape))
    assert result.tdx is not None
    assert result.tdx.tcb_status == "OutOfDate"
    assert failed_ids(result) == {"tdx.policy.tcb"}
