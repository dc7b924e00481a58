"""Which TCB level a platform reaches, without and with its TDX components."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.outcomes import failed_ids
from tests.support.sampling import examples
from tests.support.simulation import INTEL, PLATFORM, World, examine
from voltage_attest.collateral.tcb_info import ComponentLevel, TcbLevel, parse_tcb_info
from voltage_attest.result import Verdict
from voltage_attest.tcb_status import TcbStatus
from voltage_attest.testing import TcbLevel as IssuedLevel
from voltage_attest.testing import TdReportFields, pad_components
from voltage_attest.verify.tdx_tcb import find_component_level, find_module_identity, find_platform_levels

DATE = datetime(2025, 8, 13, tzinfo=UTC)
INFO = INTEL.tcb_info(PLATFORM)


def level(sgx: Sequence[int], pce_svn: int, tdx: Sequence[int], status: TcbStatus = TcbStatus.UP_TO_DATE) -> TcbLevel:
    """A level; missing components are zero."""
    return TcbLevel(bytes(sgx).ljust(16, b"\0"), pce_svn, bytes(tdx).ljust(16, b"\0"), DATE, status, ())


def svn(*components: int) -> bytes:
    """A TEE_TCB_SVN; missing components are zero."""
    return bytes(components).ljust(16, b"\0")


TOP, MIDDLE, LOW = level([4, 4], 11, [5, 0, 4]), level([3, 3], 11, [5, 0, 3]), level([2, 2], 5, [0, 0, 2])
LEVELS = (TOP, MIDDLE, LOW)


@pytest.mark.parametrize(
    ("components", "pce_svn", "tee_tcb_svn", "sgx", "tdx"),
    [
        ((4, 4), 11, svn(5, 0, 4), TOP, TOP),
        ((9, 9), 99, svn(9, 0, 9), TOP, TOP),
        ((4, 3), 11, svn(5, 0, 4), MIDDLE, MIDDLE),
        ((3, 9), 11, svn(5, 0, 4), MIDDLE, MIDDLE),
        ((4, 4), 10, svn(5, 0, 4), LOW, LOW),
        ((4, 4), 11, svn(5, 0, 3), TOP, MIDDLE),
        ((4, 4), 11, svn(4, 0, 4), TOP, LOW),
        ((4, 4), 11, svn(0, 0, 1), TOP, None),
        ((3, 3), 11, svn(5, 0, 2), MIDDLE, LOW),
        ((2, 1), 11, svn(5, 0, 4), None, None),
        ((2, 2), 4, svn(5, 0, 4), None, None),
        ((0, 0), 0, svn(), None, None),
    ],
)
def test_the_highest_level_that_is_reached_in_every_component_counts(
    components: tuple[int, ...], pce_svn: int, tee_tcb_svn: bytes, sgx: TcbLevel | None, tdx: TcbLevel | None
) -> None:
    """SGX components and PCESVN give the SGX level; the TDX level may lie further down; below the last there is none."""
    assert find_platform_levels(LEVELS, svn(*components), pce_svn, tee_tcb_svn) == (sgx, tdx)


@pytest.mark.parametrize("position", range(16))
def test_every_sgx_component_is_compared(position: int) -> None:
    """One component too low, any of the sixteen, and the level is missed."""
    wanted = bytes([7] * 16)
    only = (TcbLevel(wanted, 0, bytes(16), DATE, TcbStatus.UP_TO_DATE, ()),)
    short = wanted[:position] + b"\x06" + wanted[position + 1 :]
    assert find_platform_levels(only, wanted, 0, bytes(16)) == (only[0], only[0])
    assert find_platform_levels(only, short, 0, bytes(16)) == (None, None)


@pytest.mark.parametrize("position", range(16))
@pytest.mark.parametrize("major_version", [0, 1, 3, 255])
def test_tdx_components_are_compared_from_index_2_where_the_module_has_a_version(position: int, major_version: int) -> None:
    """TEE_TCB_SVN[1] > 0: the module is judged by its own identity, and its two bytes are left out here."""
    found = bytearray([7] * 16)
    found[1] = major_version
    wanted = bytearray(found)
    wanted[position] = found[position] + 1 if found[position] < 255 else 255
    is_compared = wanted[position] > found[position] and (position >= 2 or major_version == 0)
    only = (TcbLevel(bytes(16), 0, bytes(wanted), DATE, TcbStatus.UP_TO_DATE, ()),)
    assert find_platform_levels(only, bytes(16), 0, bytes(found)) == (only[0], None if is_compared else only[0])


def test_the_index_2_rule_decides_between_levels() -> None:
    """A level that asks for module SVN 5 is reached by module 1.4, because its identity judges it, and not by 0.4."""
    assert find_platform_levels(LEVELS, svn(4, 4), 11, svn(4, 1, 4)) == (TOP, TOP)
    assert find_platform_levels(LEVELS, svn(4, 4), 11, svn(4, 0, 4)) == (TOP, LOW)


def test_a_verdict_follows_the_index_2_rule() -> None:
    """End to end: levels that ask for (9, 9, 4) accept module 1.11 under an identity, and refuse version 0."""
    top = replace(INFO.levels[0], tdx=pad_components(9, 9, 4))
    info = replace(INFO, levels=(top,))
    assert examine(World(tcb_info=info)).verdict is Verdict.VERIFIED
    old = TdReportFields(tee_tcb_svn=svn(9, 0, 4))
    assert failed_ids(examine(World(tcb_info=info, td=old))) == {"tdx.tcb.platform"}


@settings(max_examples=examples(50))
@given(order=st.permutations(INFO.levels), components=st.tuples(*[st.integers(0, 5)] * 8), third=st.integers(0, 5))
def test_the_order_in_the_json_decides_nothing(order: list[IssuedLevel], components: tuple[int, ...], third: int) -> None:
    """For any platform, any order of the levels gives the same two levels."""
    found = pad_components(*components)
    straight = parse_tcb_info(INFO.to_json()).levels
    shuffled = parse_tcb_info(replace(INFO, levels=tuple(order)).to_json()).levels
    for tee_tcb_svn in (svn(5, 0, third), svn(5, 1, third)):
        assert find_platform_levels(shuffled, found, 11, tee_tcb_svn) == find_platform_levels(straight, found, 11, tee_tcb_svn)


def test_cpu_svn_of_the_certificate_never_decides() -> None:
    """Intel compares the sixteen components; the CPUSVN beside them may differ and lifts nothing."""
    components = (2, 2, 2, 2, 3, 1, 0, 5) + (0,) * 8
    pck = replace(PLATFORM.pck, components=components, cpu_svn=b"\xff" * 16)
    result = examine(World(pck=pck))
    assert result.tdx is not None
    assert result.tdx.tcb_status == "OutOfDate"


def component_levels(*isv_svns: int) -> list[ComponentLevel]:
    """Levels of a module or enclave, highest first."""
    return [ComponentLevel(isv_svn, DATE, TcbStatus.UP_TO_DATE, ()) for isv_svn in isv_svns]


@pytest.mark.parametrize(("isv_svn", "reached"), [(0, None), (3, None), (4, 4), (5, 4), (6, 6), (10, 6), (11, 11), (255, 11)])
def test_a_component_reaches_the_highest_level_at_or_below_its_svn(isv_svn: int, reached: int | None) -> None:
    """The first level whose ISVSVN is not above the component's."""
    found = find_component_level(component_levels(11, 6, 4), isv_svn)
    assert (None if found is None else found.isv_svn) == reached


@pytest.mark.parametrize(("major_version", "expected"), [(1, "TDX_01"), (3, "TDX_03"), (0, None), (2, None), (0x13, None)])
def test_a_module_identity_is_found_by_its_whole_version(major_version: int, expected: str | None) -> None:
    """TDX_%02X, two hex digits."""
    found = find_module_identity(parse_tcb_info(INFO.to_json()), major_version)
    assert (None if found is None else found.id) == expected
