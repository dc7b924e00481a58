"""Cases of the TCB: which level platform, TDX module and quoting enclave reach, and how the statuses are joined."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from tests.cases.model import INTEL, PLATFORM, Case, case, case_family, policy_text
from voltage_attest.testing import (
    IsvLevel,
    PckFields,
    Platform,
    QeFields,
    QeIdentity,
    QuoteShape,
    TcbInfo,
    TcbLevel,
    TdReportFields,
    TdxModule,
    TdxModuleIdentity,
    pad_components,
)

_INFO: Final = INTEL.tcb_info(PLATFORM)
_IDENTITY: Final = INTEL.qe_identity()
_TOP: Final = _INFO.levels[0]
_POLICY_TCB: Final = frozenset({"tdx.policy.tcb"})
_DATE: Final = datetime(2025, 8, 13, tzinfo=UTC)


def _svn(text: str) -> bytes:
    return bytes.fromhex(text.ljust(32, "0"))


def _judged(
    *,
    platform: Platform = PLATFORM,
    td: TdReportFields | None = None,
    shape: QuoteShape = QuoteShape.V4,
    qe: QeFields | None = None,
    info: TcbInfo = _INFO,
    identity: QeIdentity = _IDENTITY,
    failed: frozenset[str] = frozenset(),
    tcb_status: str | None = None,
) -> Case:
    return Case(
        quote=platform.quote(td or TdReportFields(), shape=shape, qe=qe or QeFields()),
        collateral=INTEL.collateral(platform, tcb_info=info, qe_identity=identity).to_json(),
        failed=failed,
        tcb_status=tcb_status,
    )


def _with_module(info: TcbInfo, *levels: IsvLevel, module: TdxModule | None = None) -> TcbInfo:
    """TCB info whose only module identity is TDX_01 with these levels."""
    return replace(info, module_identities=(TdxModuleIdentity(id="TDX_01", levels=levels, module=module or TdxModule()),))


def _isv(isv_svn: int, status: str, *advisory_ids: str) -> IsvLevel:
    return IsvLevel(isv_svn=isv_svn, date=_DATE, status=status, advisory_ids=advisory_ids)


def _platform_status(status: str, *advisory_ids: str) -> TcbInfo:
    return replace(_INFO, levels=(replace(_TOP, status=status, advisory_ids=advisory_ids),))


@case
def platform_below_every_level() -> Case:
    """One SGX component is below the lowest level: Intel says nothing of such a platform."""
    platform = INTEL.platform(PckFields(components=pad_components(4, 4, 2, 2, 4, 1, 0, 4)))
    return _judged(platform=platform, failed=frozenset({"tdx.tcb.platform"}))


@case
def pce_svn_below_every_level() -> Case:
    """PCESVN is below the lowest level."""
    return _judged(platform=INTEL.platform(PckFields(pce_svn=4)), failed=frozenset({"tdx.tcb.platform"}))


@case
def tdx_components_below_every_level() -> Case:
    """The SGX components reach a level, TEE_TCB_SVN reaches none."""
    td = TdReportFields(tee_tcb_svn=_svn("0b0101"))
    return _judged(td=td, failed=frozenset({"tdx.tcb.platform"}))


@case
def last_component_counts() -> Case:
    """All 16 components count, the sixteenth too."""
    info = replace(_INFO, levels=(replace(_TOP, sgx=(*_TOP.sgx[:15], 1)),))
    return _judged(info=info, failed=frozenset({"tdx.tcb.platform"}))


@case
def cpu_svn_is_no_substitute() -> Case:
    """CPUSVN of the PCK certificate claims more than its components: only the components count."""
    pck = PckFields(components=pad_components(1), cpu_svn=b"\xff" * 16)
    return _judged(platform=INTEL.platform(pck), failed=frozenset({"tdx.tcb.platform"}))


@case
def unknown_module_version() -> Case:
    """TCB info has no identity for the module's major version."""
    td = TdReportFields(tee_tcb_svn=_svn("0b0204"))
    return _judged(td=td, failed=frozenset({"tdx.module.identity"}))


@case
def no_module_identities() -> Case:
    """TCB info has no module identities at all, and the module needs one."""
    return _judged(info=replace(_INFO, module_identities=None), failed=frozenset({"tdx.module.identity"}))


@case_family("mr_signer_seam", "seam_attributes", "masked_attributes")
def foreign_module(field: str) -> Case:
    """The TDX module is not one that Intel signed for production."""
    td = {
        "mr_signer_seam": TdReportFields(mr_signer_seam=b"\x01" * 48),
        "seam_attributes": TdReportFields(seam_attributes=b"\x01" + bytes(7)),
        "masked_attributes": TdReportFields(seam_attributes=bytes(7) + b"\x80"),
    }[field]
    info = _INFO
    if field == "masked_attributes":  # the mask leaves the bit open, but production modules have none
        module = TdxModule(attributes_mask=bytes(8))
        info = _with_module(info, _isv(2, "UpToDate"), module=module)
    return _judged(td=td, info=info, failed=frozenset({"tdx.module.identity"}))


@case
def module_below_every_level() -> Case:
    """TEE_TCB_SVN[0] is below the module's lowest level."""
    td = TdReportFields(tee_tcb_svn=_svn("030104"))
    return _judged(td=td, failed=frozenset({"tdx.tcb.module"}))


@case
def quoting_enclave_below_every_level() -> Case:
    """The quoting enclave's ISVSVN is below the lowest level."""
    return _judged(qe=QeFields(isv_svn=3), failed=frozenset({"tdx.tcb.qe"}))


@case
def revoked_platform() -> Case:
    """Intel has revoked the platform's TCB level."""
    return _judged(info=_platform_status("Revoked", "INTEL-SA-00615"), failed=frozenset({"tdx.tcb.converged"}))


@case
def revoked_module() -> Case:
    """Intel has revoked the module's level; the platform is up to date."""
    return _judged(info=_with_module(_INFO, _isv(2, "Revoked")), failed=frozenset({"tdx.tcb.converged"}))


@case
def revoked_quoting_enclave() -> Case:
    """Intel has revoked the quoting enclave's level; platform and module are up to date."""
    identity = replace(_IDENTITY, levels=(_isv(2, "Revoked"),))
    return _judged(identity=identity, failed=frozenset({"tdx.tcb.converged"}))


@case
def out_of_date_platform() -> Case:
    """The platform lacks a microcode update; module and quoting enclave are up to date and do not mend it."""
    platform = INTEL.platform(PckFields(components=pad_components(3, 3, 2, 2, 4, 1, 0, 5)))
    return _judged(platform=platform, failed=_POLICY_TCB, tcb_status="OutOfDate")


@case
def out_of_date_pce() -> Case:
    """The provisioning enclave lacks an update."""
    return _judged(platform=INTEL.platform(PckFields(pce_svn=10)), failed=_POLICY_TCB, tcb_status="OutOfDate")


@case
def out_of_date_module() -> Case:
    """The TDX module lacks an update; the platform is up to date and does not mend it."""
    td = TdReportFields(tee_tcb_svn=_svn("060104"))
    return _judged(td=td, failed=_POLICY_TCB, tcb_status="OutOfDate")


@case
def out_of_date_quoting_enclave() -> Case:
    """The quoting enclave lacks an update; platform and module are up to date and do not mend it."""
    identity = replace(_IDENTITY, levels=(_isv(7, "UpToDate"), _isv(4, "OutOfDate")))
    return _judged(identity=identity, failed=_POLICY_TCB, tcb_status="OutOfDate")


_PLATFORM_STATUSES: Final = (
    "SWHardeningNeeded",
    "ConfigurationNeeded",
    "ConfigurationAndSWHardeningNeeded",
    "OutOfDate",
    "OutOfDateConfigurationNeeded",
)


@case_family(*_PLATFORM_STATUSES)
def status(name: str) -> Case:
    """A status other than UpToDate is refused unless the policy accepts it."""
    return _judged(info=_platform_status(name), failed=_POLICY_TCB, tcb_status=name)


@case_family(*_PLATFORM_STATUSES)
def status_joined_with_out_of_date(name: str) -> Case:
    """An out-of-date module makes any platform out of date, and keeps what is said of its configuration."""
    info = _with_module(_platform_status(name), _isv(12, "UpToDate"), _isv(2, "OutOfDate"))
    joined = "OutOfDateConfigurationNeeded" if "Configuration" in name else "OutOfDate"
    return _judged(info=info, failed=_POLICY_TCB, tcb_status=joined)


@case_family("reversed", "rotated")
def order_of_levels(order: str) -> Case:
    """The order of levels in the JSON decides nothing: the highest one reached counts."""
    levels = _INFO.levels[::-1] if order == "reversed" else _INFO.levels[2:] + _INFO.levels[:2]
    modules = tuple(replace(module, levels=module.levels[::-1]) for module in _INFO.module_identities or ())
    identity = replace(_IDENTITY, levels=(_isv(2, "Revoked"), *_IDENTITY.levels))
    return _judged(
        info=replace(_INFO, levels=levels, module_identities=modules[::-1]), identity=identity, tcb_status="UpToDate"
    )


@case
def module_of_major_version_zero() -> Case:
    """A TDX 1.0 module has no identity of its own: its SVN is judged with the platform's level."""
    return _judged(td=TdReportFields(tee_tcb_svn=_svn("050004")), tcb_status="UpToDate")


@case
def old_module_of_major_version_zero() -> Case:
    """A TDX 1.0 module is judged by the first two TDX components, which no level here reaches."""
    return _judged(td=TdReportFields(tee_tcb_svn=_svn("040004")), failed=frozenset({"tdx.tcb.platform"}))


_RUNNING: Final = _svn("0b0104")


def _launched_under(launched: str, running: bytes = _RUNNING) -> TdReportFields:
    return TdReportFields(tee_tcb_svn=_svn(launched), tee_tcb_svn2=running)


@case
def relaunch_advised() -> Case:
    """The TD was launched under an older module; the newest runs now, so that a relaunch suffices."""
    td = _launched_under("060104")
    return _judged(td=td, shape=QuoteShape.V5_TD15, failed=_POLICY_TCB, tcb_status="TDRelaunchAdvised")


@case
def relaunch_advised_in_1_5_ex() -> Case:
    """As before, reported in TD report 1.5ex and launched under an older loader too."""
    td = _launched_under("060103")
    return _judged(td=td, shape=QuoteShape.V5_TD15_EX, failed=_POLICY_TCB, tcb_status="TDRelaunchAdvised")


@case
def relaunch_advised_configuration_needed() -> Case:
    """As before, and the platform's configuration needs attention."""
    configuration: TcbLevel = replace(_TOP, status="ConfigurationNeeded")
    info = replace(_INFO, levels=(configuration, *_INFO.levels[1:]))
    return _judged(
        td=_launched_under("060104"),
        shape=QuoteShape.V5_TD15,
        info=info,
        failed=_POLICY_TCB,
        tcb_status="TDRelaunchAdvisedConfigurationNeeded",
    )


@case
def relaunch_of_an_unknown_module() -> Case:
    """A module whose major version TCB info does not name runs now: refused, also where OutOfDate is accepted."""
    case = _judged(
        td=_launched_under("060104", _svn("ff0204")),
        shape=QuoteShape.V5_TD15,
        failed=frozenset({"tdx.tcb.converged"}),
    )
    return replace(case, policy=policy_text(tcb={"accept": '["UpToDate", "OutOfDate"]'}))


@case
def relaunch_would_not_suffice() -> Case:
    """The module running now is newer than at launch and still not the newest."""
    td = _launched_under("040104", _svn("060104"))
    return _judged(td=td, shape=QuoteShape.V5_TD15, failed=_POLICY_TCB, tcb_status="OutOfDate")


@case
def relaunch_with_an_old_loader() -> Case:
    """The newest module runs now, under a loader older than the newest level's."""
    td = _launched_under("060104", _svn("0b0103"))
    return _judged(td=td, shape=QuoteShape.V5_TD15, failed=_POLICY_TCB, tcb_status="OutOfDate")


@case
def relaunch_on_an_old_platform() -> Case:
    """The newest module runs now, on a platform whose microcode is out of date as well."""
    return _judged(
        platform=INTEL.platform(PckFields(components=pad_components(3, 3, 2, 2, 4, 1, 0, 5))),
        td=_launched_under("060104"),
        shape=QuoteShape.V5_TD15,
        failed=_POLICY_TCB,
        tcb_status="OutOfDate",
    )


@case
def relaunch_with_an_old_quoting_enclave() -> Case:
    """The newest module runs now, and the quoting enclave is out of date."""
    return _judged(
        td=_launched_under("060104"),
        shape=QuoteShape.V5_TD15,
        identity=replace(_IDENTITY, levels=(_isv(7, "UpToDate"), _isv(4, "OutOfDate"))),
        failed=_POLICY_TCB,
        tcb_status="OutOfDate",
    )


@case
def relaunch_accepted() -> Case:
    """A policy may accept TDs that only need a relaunch."""
    judged = _judged(td=_launched_under("060104"), shape=QuoteShape.V5_TD15, tcb_status="TDRelaunchAdvised")
    return replace(judged, policy=policy_text(tcb={"accept": '["UpToDate", "TDRelaunchAdvised"]'}))
