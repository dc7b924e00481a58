"""TCB rules of a policy: accepted statuses, exceptions, denied advisories, floors."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from tests.support.outcomes import failed_ids, ids_with, open_policy
from tests.support.simulation import INTEL, PLATFORM, World, examine
from voltage_attest.result import Status, Verdict
from voltage_attest.tcb_status import TcbStatus
from voltage_attest.testing import APPRAISED_AT, IsvLevel, TcbInfo, TdReportFields, TdxModuleIdentity

INFO = INTEL.tcb_info(PLATFORM)
IDENTITY = INTEL.qe_identity()
TOP = INFO.levels[0]
DATE = datetime(2025, 8, 13, tzinfo=UTC)
PLATFORM_STATUSES = [status.value for status in TcbStatus if "Relaunch" not in status.value]


def rated(status: str, *advisory_ids: str) -> World:
    """A platform that Intel gives this status and these advisories."""
    return World(tcb_info=replace(INFO, levels=(replace(TOP, status=status, advisory_ids=advisory_ids),)))


def exception(status: str, until: str, *advisories: str, reason: str = "ticket 4711") -> str:
    """An exception in TOML."""
    named = f"advisories = {list(advisories)}\n".replace("'", '"') if advisories else ""
    return f'[[tdx.tcb.exception]]\nstatus = "{status}"\n{named}until = {until}\nreason = "{reason}"\n'


@pytest.mark.parametrize("accepted", [status for status in TcbStatus if status is not TcbStatus.REVOKED])
@pytest.mark.parametrize("found", PLATFORM_STATUSES)
def test_a_status_is_accepted_only_where_the_policy_lists_it(found: str, accepted: TcbStatus) -> None:
    """No status stands for another, better or worse."""
    result = examine(rated(found), open_policy(tcb=f'accept = ["{accepted.value}"]'))
    if found == "Revoked":
        assert failed_ids(result) == {"tdx.tcb.converged"}
        assert result.check("tdx.policy.tcb").status is Status.NOT_RUN
    else:
        assert failed_ids(result) == (set() if found == accepted.value else {"tdx.policy.tcb"})
        assert result.tdx is not None
        assert result.tdx.tcb_status == found


def test_only_up_to_date_is_accepted_by_default() -> None:
    """An absent [tdx.tcb] is the strict one."""
    verdicts = {status: examine(rated(status)).verdict for status in PLATFORM_STATUSES}
    assert {status for status, verdict in verdicts.items() if verdict is Verdict.VERIFIED} == {"UpToDate"}


def test_an_exception_that_names_every_advisory_accepts() -> None:
    """The row passes and says by which exception, until when and why."""
    policy = open_policy(tcb=exception("OutOfDate", "2026-11-15", "INTEL-SA-00001", "INTEL-SA-00002", "INTEL-SA-00003"))
    result = examine(rated("OutOfDate", "INTEL-SA-00001", "INTEL-SA-00002"), policy)
    assert result.verdict is Verdict.VERIFIED
    assert result.check("tdx.policy.tcb").finding.expected == "OutOfDate, excepted until 2026-11-15: ticket 4711"


@pytest.mark.parametrize("named", [(), ("INTEL-SA-00001",), ("INTEL-SA-00001", "INTEL-SA-00022")])
def test_an_exception_that_leaves_an_advisory_unnamed_does_not_accept(named: tuple[str, ...]) -> None:
    """Every advisory of the level must be named, letter by letter; the reason says which is not."""
    result = examine(
        rated("OutOfDate", "INTEL-SA-00001", "INTEL-SA-00002"), open_policy(tcb=exception("OutOfDate", "2027-01-31", *named))
    )
    assert failed_ids(result) == {"tdx.policy.tcb"}
    assert "does not name" in (result.check("tdx.policy.tcb").reason or "")
    assert "INTEL-SA-00002" in (result.check("tdx.policy.tcb").reason or "")


def test_an_advisory_of_the_module_must_be_named_too() -> None:
    """Advisories of platform, module and quoting enclave are united."""
    module = TdxModuleIdentity(
        id="TDX_01", levels=(IsvLevel(isv_svn=4, date=DATE, status="OutOfDate", advisory_ids=("INTEL-SA-00101",)),)
    )
    identity = replace(
        IDENTITY,
        levels=(IsvLevel(isv_svn=4, date=DATE, status="OutOfDate", advisory_ids=("INTEL-SA-00102", "INTEL-SA-00101")),),
    )
    info = replace(INFO, module_identities=(module,), levels=(replace(TOP, advisory_ids=("INTEL-SA-00100",)),))
    world = World(tcb_info=info, qe_identity=identity)
    named = ("INTEL-SA-00100", "INTEL-SA-00101", "INTEL-SA-00102")
    result = examine(world)
    assert result.tdx is not None
    assert (result.tdx.tcb_status, result.tdx.advisory_ids) == ("OutOfDate", tuple(sorted(named)))
    assert failed_ids(examine(world, open_policy(tcb=exception("OutOfDate", "2027-01-31", *named)))) == set()
    for left_out in named:
        rest = [name for name in named if name != left_out]
        result = examine(world, open_policy(tcb=exception("OutOfDate", "2027-01-31", *rest)))
        assert f"does not name {left_out}" in (result.check("tdx.policy.tcb").reason or "")


@pytest.mark.parametrize(
    ("at", "holds"),
    [
        (datetime(2026, 11, 15, 23, 59, 59, tzinfo=UTC), True),
        (datetime(2026, 11, 16, 0, 0, 0, tzinfo=UTC), False),
        (datetime(2026, 11, 16, 0, 30, tzinfo=timezone(timedelta(hours=1))), True),
        (datetime(2026, 11, 15, 23, 30, tzinfo=timezone(timedelta(hours=-1))), False),
    ],
)
def test_an_exception_ends_with_its_utc_day(at: datetime, holds: bool) -> None:  # noqa: FBT001 - the expected value
    """The day is included, and it is a day of UTC whatever the zone of the appraisal time."""
    result = examine(rated("OutOfDate"), open_policy(tcb=exception("OutOfDate", "2026-11-15")), at=at)
    assert failed_ids(result) == (set() if holds else {"tdx.policy.tcb"})
    if not holds:
        assert "ended on 2026-11-15" in (result.check("tdx.policy.tcb").reason or "")


def test_an_exception_for_another_status_does_not_accept() -> None:
    """Not even one for a worse status."""
    policy = open_policy(tcb=exception("OutOfDateConfigurationNeeded", "2027-01-31"))
    result = examine(rated("OutOfDate"), policy)
    assert failed_ids(result) == {"tdx.policy.tcb"}
    assert "an exception is for OutOfDateConfigurationNeeded" in (result.check("tdx.policy.tcb").reason or "")


def test_of_several_exceptions_any_one_may_accept() -> None:
    """One expired, one for another status, one that leaves an advisory out, and one that holds."""
    tcb = "".join(
        (
            exception("OutOfDate", "2026-01-31", "INTEL-SA-00001"),
            exception("SWHardeningNeeded", "2027-01-31", "INTEL-SA-00001"),
            exception("OutOfDate", "2027-01-31"),
            exception("OutOfDate", "2027-01-31", "INTEL-SA-00001", reason="the right one"),
        )
    )
    row = examine(rated("OutOfDate", "INTEL-SA-00001"), open_policy(tcb=tcb)).check("tdx.policy.tcb")
    assert row.status is Status.PASSED
    assert "the right one" in (row.finding.expected or "")


def test_an_exception_does_not_lift_a_denied_advisory() -> None:
    """deny_advisories stands above every exception."""
    tcb = 'deny_advisories = ["INTEL-SA-00001"]\n' + exception("OutOfDate", "2027-01-31", "INTEL-SA-00001")
    assert failed_ids(examine(rated("OutOfDate", "INTEL-SA-00001"), open_policy(tcb=tcb))) == {"tdx.policy.advisories"}


def test_a_denied_advisory_refuses_an_accepted_status() -> None:
    """Also where the status alone would do."""
    policy = open_policy(tcb='deny_advisories = ["INTEL-SA-00002", "INTEL-SA-00009"]')
    result = examine(rated("UpToDate", "INTEL-SA-00001", "INTEL-SA-00002"), policy)
    assert failed_ids(result) == {"tdx.policy.advisories"}
    assert result.check("tdx.policy.advisories").finding.actual == "INTEL-SA-00002"
    assert failed_ids(examine(rated("UpToDate", "INTEL-SA-00001", "INTEL-SA-00022"), policy)) == set()


def test_without_denied_advisories_the_row_is_skipped() -> None:
    """Skipped with its reason, not passed."""
    assert "tdx.policy.advisories" in ids_with(examine(World()), Status.SKIPPED)


@pytest.mark.parametrize(
    ("info_number", "identity_number", "minimum", "holds"),
    [(20, 20, 20, True), (20, 19, 19, True), (20, 19, 20, False), (19, 20, 20, False), (17, 17, 18, False), (20, 20, 0, True)],
)
def test_the_lower_evaluation_number_must_reach_the_floor(
    info_number: int,
    identity_number: int,
    minimum: int,
    holds: bool,  # noqa: FBT001 - the expected value
) -> None:
    """TCB info and QE identity alike; they need not be equal."""
    world = World(
        tcb_info=replace(INFO, tcb_evaluation_data_number=info_number),
        qe_identity=replace(IDENTITY, tcb_evaluation_data_number=identity_number),
    )
    result = examine(world, open_policy(tcb=f"min_tcb_evaluation_data_number = {minimum}"))
    assert failed_ids(result) == (set() if holds else {"tdx.policy.tcb_evaluation"})
    assert result.tdx is not None
    assert result.tdx.tcb_evaluation_data_number == min(info_number, identity_number)


@pytest.mark.parametrize("position", range(16))
def test_min_tee_tcb_svn_is_compared_byte_by_byte(position: int) -> None:
    """One byte below the floor refuses, whatever the others are: it is no number."""
    found = bytes([8, 1, 4] + [9] * 13)
    floor = bytearray(found)
    floor[position] += 1
    world = World(td=TdReportFields(tee_tcb_svn=found))
    low, high = (open_policy(tdx={"min_tee_tcb_svn": f'"{value.hex()}"'}) for value in (found, bytes(floor)))
    accepted = open_policy(tdx={"min_tee_tcb_svn": f'"{found.hex()}"'}, tcb='accept = ["OutOfDate"]')
    assert "tdx.policy.tee_tcb_svn" in ids_with(examine(world, accepted), Status.PASSED)
    assert "tdx.policy.tee_tcb_svn" not in failed_ids(examine(world, low))
    assert "tdx.policy.tee_tcb_svn" in failed_ids(examine(world, high))


def test_a_higher_byte_does_not_make_up_for_a_lower_one() -> None:
    """(11, 1, 4) is not at or above (0, 0, 5)."""
    policy = open_policy(tdx={"min_tee_tcb_svn": f'"{bytes((0, 0, 5)).ljust(16, bytes(1)).hex()}"'})
    assert failed_ids(examine(World(), policy)) == {"tdx.policy.tee_tcb_svn"}


@pytest.mark.parametrize(
    ("at", "holds"),
    [
        (datetime(2026, 11, 15, 23, 59, 59, 999999, tzinfo=UTC), True),
        (datetime(2026, 11, 16, tzinfo=UTC), False),
        (datetime(2026, 11, 16, 0, 59, tzinfo=timezone(timedelta(hours=1))), True),
    ],
)
def test_a_policy_ends_with_its_utc_day(at: datetime, holds: bool) -> None:  # noqa: FBT001 - the expected value
    """The day of valid_until is included; afterwards the one check fails."""
    result = examine(World(), open_policy(top="valid_until = 2026-11-15"), at=at)
    assert failed_ids(result) == (set() if holds else {"policy.valid_until"})


def test_a_result_ends_with_its_policy() -> None:
    """valid_until of the result is the earliest end of all that it rests on."""
    bounded = examine(World(), open_policy(top="valid_until = 2026-11-15"), at=APPRAISED_AT)
    assert bounded.valid_until == datetime(2026, 11, 15, 23, 59, 59, tzinfo=UTC)
    assert examine(World()).valid_until == TcbInfo().next_update
