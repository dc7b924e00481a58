"""Cases of the policy: genuine evidence that is not what the policy wants, and policies that want less."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from tests.cases.model import INTEL, PLATFORM, Case, case, case_family, pinned, policy_text
from voltage_attest.testing import PckFields, Platform, QuoteShape, TdReportFields, pad_components

_TD: Final = TdReportFields()
_PCK: Final = PckFields()
_OLD: Final = INTEL.platform(PckFields(components=pad_components(3, 3, 2, 2, 4, 1, 0, 5)))
_OLD_ADVISORIES: Final = '["INTEL-SA-01192", "INTEL-SA-01245", "INTEL-SA-01312", "INTEL-SA-01313"]'

_OTHER_TDS: Final = {
    "mrtd": TdReportFields(mrtd=b"\xee" * 48),
    "rtmr0": TdReportFields(rtmr0=b"\xee" * 48),
    "rtmr1": TdReportFields(rtmr1=b"\xee" * 48),
    "rtmr2": TdReportFields(rtmr2=b"\xee" * 48),
    "rtmr3": TdReportFields(rtmr3=bytes(48)),
}


@case_family(*_OTHER_TDS)
def other_measurement(register: str) -> Case:
    """Another TD than the pinned one, genuinely quoted."""
    return Case(failed=frozenset({f"tdx.policy.{register}"}), quote=PLATFORM.quote(_OTHER_TDS[register]))


_ACTUAL: Final[dict[str, bytes]] = {
    "mr_seam": _TD.mr_seam,
    "mr_signer_seam": _TD.mr_signer_seam,
    "seam_attributes": _TD.seam_attributes,
    "td_attributes": _TD.td_attributes,
    "xfam": _TD.xfam,
    "mr_config_id": _TD.mr_config_id,
    "mr_owner": _TD.mr_owner,
    "mr_owner_config": _TD.mr_owner_config,
    "mr_service_td": _TD.mr_service_td,
    "report_data": _TD.report_data,
    "fmspc": _PCK.fmspc,
    "ppid": _PCK.ppid,
    "platform_instance_id": _PCK.platform_instance_id or b"",
}


@case_family(*_ACTUAL)
def pin_missed(key: str) -> Case:
    """A pinned field differs from its pin in the last bit."""
    actual = _ACTUAL[key]
    pin = actual[:-1] + bytes((actual[-1] ^ 1,))
    return Case(
        failed=frozenset({f"tdx.policy.{key}"}),
        quote=PLATFORM.quote(shape=QuoteShape.V5_TD15),
        policy=policy_text(tdx={key: pinned(pin)}),
    )


@case_family(*_ACTUAL)
def pin_met(key: str) -> Case:
    """A pinned field equals the second of its accepted values."""
    actual = _ACTUAL[key]
    policy = policy_text(tdx={key: pinned(b"\xee" * len(actual), actual)})
    return Case(quote=PLATFORM.quote(shape=QuoteShape.V5_TD15), policy=policy)


@case_family("mr_service_td", "platform_instance_id")
def pinned_field_absent(key: str) -> Case:
    """A pinned field does not exist in this evidence: that is no match, even for a pin of zeros."""
    pck = PckFields(platform_instance_id=None) if key == "platform_instance_id" else PckFields()
    platform = INTEL.platform(pck)
    return Case(
        failed=frozenset({f"tdx.policy.{key}"}),
        quote=platform.quote(shape=QuoteShape.V4),
        collateral=INTEL.collateral(platform).to_json(),
        policy=policy_text(tdx={key: pinned(bytes(len(_ACTUAL[key])))}),
    )


@case
def unpinned_register() -> Case:
    """A register left open with a reason may hold anything."""
    policy = policy_text(tdx={"rtmr3": '{ unpinned = "the event log decides" }'})
    return Case(quote=PLATFORM.quote(TdReportFields(rtmr3=b"\xee" * 48)), policy=policy)


@case
def expired_policy() -> Case:
    """The policy was to be reviewed a day before the appraisal."""
    return Case(failed=frozenset({"policy.valid_until"}), policy=policy_text(top={"valid_until": "2026-11-14"}))


@case
def policy_on_its_last_day() -> Case:
    """The day of valid_until belongs to the policy, to its last second."""
    policy = policy_text(top={"valid_until": "2026-11-14"})
    return Case(policy=policy, at=datetime(2026, 11, 14, 23, 59, 59, tzinfo=UTC))


def _on(platform: Platform, tcb: dict[str, str], **expected: str) -> Case:
    return Case(
        quote=platform.quote(),
        collateral=INTEL.collateral(platform).to_json(),
        policy=policy_text(tcb=tcb),
        tcb_status=expected.get("tcb_status"),
    )


@case
def out_of_date_accepted() -> Case:
    """A policy may accept an out-of-date platform."""
    return _on(_OLD, {"accept": '["UpToDate", "OutOfDate"]'}, tcb_status="OutOfDate")


def _exception(*, advisories: str = _OLD_ADVISORIES, until: str = "2026-11-15", status: str = "OutOfDate") -> str:
    return (
        policy_text()
        + "\n[[tdx.tcb.exception]]\n"
        + f'status = "{status}"\nadvisories = {advisories}\nuntil = {until}\nreason = "ticket 4711"\n'
    )


@case
def exception_applies() -> Case:
    """A reviewed exception names the status, every advisory, and a day that has not passed."""
    return replace(_on(_OLD, {}), policy=_exception())


_WRONG_EXCEPTIONS: Final[dict[str, Callable[[], str]]] = {
    "expired": lambda: _exception(until="2026-11-14"),
    "of_another_status": lambda: _exception(status="SWHardeningNeeded"),
    "short_of_an_advisory": lambda: _exception(advisories='["INTEL-SA-01192", "INTEL-SA-01245", "INTEL-SA-01312"]'),
}


@case_family(*_WRONG_EXCEPTIONS)
def exception_does_not_apply(why: str) -> Case:
    """An exception that does not cover exactly this platform today excuses nothing."""
    return replace(_on(_OLD, {}), policy=_WRONG_EXCEPTIONS[why](), failed=frozenset({"tdx.policy.tcb"}))


@case
def denied_advisory() -> Case:
    """An advisory applies that the policy denies, although the status is UpToDate."""
    info = INTEL.tcb_info(PLATFORM)
    info = replace(info, levels=(replace(info.levels[0], advisory_ids=("INTEL-SA-01192",)),))
    return Case(
        failed=frozenset({"tdx.policy.advisories"}),
        collateral=INTEL.collateral(PLATFORM, tcb_info=info).to_json(),
        policy=policy_text(tcb={"deny_advisories": '["INTEL-SA-01192"]'}),
    )


@case
def denied_advisory_does_not_apply() -> Case:
    """A denied advisory that does not concern this platform changes nothing."""
    return Case(policy=policy_text(tcb={"deny_advisories": '["INTEL-SA-01192"]'}))


def _numbered(info_number: int, identity_number: int, minimum: int) -> Case:
    info = replace(INTEL.tcb_info(PLATFORM), tcb_evaluation_data_number=info_number)
    identity = replace(INTEL.qe_identity(), tcb_evaluation_data_number=identity_number)
    return Case(
        collateral=INTEL.collateral(PLATFORM, tcb_info=info, qe_identity=identity).to_json(),
        policy=policy_text(tcb={"min_tcb_evaluation_data_number": str(minimum)}),
    )


@case_family("tcb_info", "qe_identity")
def rolled_back(document: str) -> Case:
    """Collateral is in date and still rolled back: one of both numbers is below the policy's floor."""
    numbers = (19, 20) if document == "tcb_info" else (20, 19)
    return replace(_numbered(*numbers, minimum=20), failed=frozenset({"tdx.policy.tcb_evaluation"}))


@case
def unequal_evaluation_numbers() -> Case:
    """TCB info and QE identity may have different numbers, if both reach the floor."""
    return _numbered(20, 19, minimum=19)


@case
def tee_tcb_svn_below_minimum() -> Case:
    """One byte of TEE_TCB_SVN is below the policy's floor; a higher one elsewhere does not make up for it."""
    policy = policy_text(tdx={"min_tee_tcb_svn": '"0a010500000000000000000000000000"'})
    return Case(failed=frozenset({"tdx.policy.tee_tcb_svn"}), policy=policy)


@case
def tee_tcb_svn_at_minimum() -> Case:
    """TEE_TCB_SVN equals the policy's floor."""
    return Case(policy=policy_text(tdx={"min_tee_tcb_svn": '"0b010400000000000000000000000000"'}))
