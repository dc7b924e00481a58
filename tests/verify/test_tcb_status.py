"""How the statuses of platform, TDX module and quoting enclave are joined: the whole table, written out."""

from __future__ import annotations

from itertools import product

import pytest

from voltage_attest.tcb_status import COMPONENT_STATUSES, PLATFORM_STATUSES, TcbStatus, join_statuses

TABLE = """
platform                              components up to date                 one out of date
UpToDate                              UpToDate                              OutOfDate
SWHardeningNeeded                     SWHardeningNeeded                     OutOfDate
ConfigurationNeeded                   ConfigurationNeeded                   OutOfDateConfigurationNeeded
ConfigurationAndSWHardeningNeeded     ConfigurationAndSWHardeningNeeded     OutOfDateConfigurationNeeded
OutOfDate                             OutOfDate                             OutOfDate
OutOfDateConfigurationNeeded          OutOfDateConfigurationNeeded          OutOfDateConfigurationNeeded
TDRelaunchAdvised                     TDRelaunchAdvised                     OutOfDate
TDRelaunchAdvisedConfigurationNeeded  TDRelaunchAdvisedConfigurationNeeded  OutOfDateConfigurationNeeded
Revoked                               Revoked                               Revoked
"""
"""From QVL's convergence (EvaluateTcb.cpp, convergeTcbStatuses). A revoked component revokes every row."""

ROWS = [tuple(map(TcbStatus, line.split())) for line in TABLE.strip().splitlines()[1:]]
COMPONENTS = (TcbStatus.UP_TO_DATE, TcbStatus.OUT_OF_DATE, TcbStatus.REVOKED)
COMBINATIONS = list(product(TcbStatus, COMPONENTS, COMPONENTS))


def expected(platform: TcbStatus, module: TcbStatus, qe: TcbStatus) -> TcbStatus:
    """Look the answer up."""
    if TcbStatus.REVOKED in (module, qe):
        return TcbStatus.REVOKED
    _, up_to_date, out_of_date = next(row for row in ROWS if row[0] is platform)
    return out_of_date if TcbStatus.OUT_OF_DATE in (module, qe) else up_to_date


def test_the_table_has_a_row_for_every_status() -> None:
    """Nine statuses, each once; components know three of them."""
    assert [row[0] for row in ROWS] == [*dict.fromkeys(row[0] for row in ROWS)]
    assert {row[0] for row in ROWS} == set(TcbStatus)
    assert set(COMPONENTS) == COMPONENT_STATUSES
    assert set(TcbStatus) - PLATFORM_STATUSES == {
        TcbStatus.TD_RELAUNCH_ADVISED,
        TcbStatus.TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED,
    }


@pytest.mark.parametrize(("platform", "module", "qe"), COMBINATIONS)
def test_every_combination_joins_as_the_table_says(platform: TcbStatus, module: TcbStatus, qe: TcbStatus) -> None:
    """9 x 3 x 3 combinations, in one step and in two, and in either order of the components."""
    joined = expected(platform, module, qe)
    assert join_statuses(platform, module, qe) is joined
    assert join_statuses(platform, qe, module) is joined
    assert join_statuses(join_statuses(platform, module), qe) is joined


@pytest.mark.parametrize("platform", TcbStatus)
def test_no_component_makes_a_platform_better(platform: TcbStatus) -> None:
    """An up-to-date module never replaces the platform's status: it changes nothing at all."""
    assert join_statuses(platform) is platform
    assert join_statuses(platform, TcbStatus.UP_TO_DATE) is platform
    assert join_statuses(platform, TcbStatus.UP_TO_DATE, TcbStatus.UP_TO_DATE) is platform


def test_the_need_for_configuration_is_never_lost() -> None:
    """Whatever joins, a platform that needs configuration still says so, unless it is revoked."""
    for platform, module, qe in COMBINATIONS:
        joined = join_statuses(platform, module, qe)
        if joined is not TcbStatus.REVOKED:
            assert joined.configuration_needed is platform.configuration_needed
