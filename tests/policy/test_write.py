"""The [gpu] section that pin writes: it loads, and it accepts the GPUs it was made from."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.outcomes import open_policy
from tests.support.simulation import World, examine
from voltage_attest.policy import GpuPolicy, Policy, parse_policy
from voltage_attest.policy.write import observing_policy, write_policy
from voltage_attest.result import AttestationResult, GpuClaims, SwitchClaims

GPU = GpuClaims(
    device="gpu[0]",
    architecture="HOPPER",
    chip="GH100",
    board="G520_0280_895",
    driver_version="570.172.08",
    vbios_version="96.00.CF.00.02",
    mode="ppcie",
    protected_pcie=True,
    ueid="565888639228313941879929021577334543402330561796",
    pdi="11" * 8,
    fwid=None,
    nonce="22" * 32,
    measurements=64,
)
SWITCH = SwitchClaims(
    device="switch[0]",
    architecture="LS10",
    chip="LS_10",
    bios_version="96.10.55.00.01",
    locked=True,
    ueid="1",
    pdi="33" * 8,
    gpu_pdis=(),
    nonce="22" * 32,
    measurements=64,
)


@pytest.fixture(scope="module")
def quote() -> AttestationResult:
    """A verified quote of the simulated machine, without GPUs."""
    return examine(World(), open_policy())


def written(result: AttestationResult) -> Policy:
    """What is written for it, loaded."""
    return parse_policy(write_policy(result, name="ward", binding="voltage-attest/1"))


def pinned(result: AttestationResult) -> GpuPolicy:
    """The ``[gpu]`` that is written for it."""
    gpu = written(result).gpu
    assert gpu is not None
    return gpu


def test_without_gpus_no_section_is_written(quote: AttestationResult) -> None:
    assert written(quote).gpu is None


def test_kind_number_and_least_versions_are_written(quote: AttestationResult) -> None:
    other = replace(GPU, device="gpu[1]", ueid="7", driver_version="570.9", vbios_version="96.00.9F.00.01")
    result = replace(quote, gpus=(GPU, other), switches=(SWITCH,) * 4)
    assert pinned(result) == GpuPolicy(
        count=2,
        chips=frozenset({"GH100"}),
        boards=frozenset({"G520_0280_895"}),
        switches=4,
        modes=frozenset({"ppcie"}),
        min_driver="570.9",
        min_vbios="96.00.9F.00.01",
    )
    assert written(result).channel is not None


def test_the_single_gpus_are_named_ready_to_be_pinned(quote: AttestationResult) -> None:
    text = write_policy(replace(quote, gpus=(GPU,)), name="ward", binding=None)
    policy = parse_policy(text.replace("# ueids", "ueids"))
    assert policy.gpu is not None
    assert policy.gpu.ueids == frozenset({GPU.ueid})


def test_what_a_gpu_does_not_report_is_not_pinned(quote: AttestationResult) -> None:
    gpu = pinned(replace(quote, gpus=(replace(GPU, mode=None, board="__"),)))
    assert (gpu.modes, gpu.boards, gpu.switches) == (None, None, None)


def test_looking_expects_the_number_of_gpus_that_is_asked_for() -> None:
    assert observing_policy(None).gpu is None
    assert observing_policy("voltage-attest/1", gpus=8).gpu == GpuPolicy(count=8)
