"""One altered bit of a real GPU's report, or of one of its manifests, and it no longer verifies."""

from __future__ import annotations

import time
from functools import cache
from typing import Final

import pytest

from tests.gpu.real_devices import needs_vectors
from tests.sweep.device_targets import TARGETS, DeviceTarget, Outcomes, flip_all, flip_each
from voltage_attest.result import Verdict

SAMPLE: Final = {"report": 6, "driver manifest": 40, "VBIOS manifest": 40}
"""Bits drawn from each region."""

PARSE: Final = frozenset({"gpu.report.parse"})
SIGNED: Final = frozenset({"gpu.report.signature"})
RIM_PARSE: Final = frozenset({"gpu.rim.parse"})
RIM_SIGNED: Final = RIM_PARSE | {"gpu.rim.signature"}
GUARDS: Final = {
    "request head": PARSE,
    "nonce": SIGNED,
    "slot": PARSE,
    "response head": PARSE,
    "sizes": PARSE,
    "responder nonce": SIGNED,
    "opaque size": PARSE,
    "opaque data": PARSE | SIGNED,
    "signature": SIGNED,
    # A flip inside a manifest may also break the XML around it.
    "root": RIM_SIGNED,
    "meta": RIM_SIGNED,
    "payload": RIM_SIGNED,
    "signed info": RIM_SIGNED,
    "signature value": RIM_SIGNED,
    "certificates": RIM_PARSE | {"gpu.rim.chain"},
    "end": RIM_PARSE,
}
"""Region to the checks of which one must fail first; blocks of measurements are parsed and signed alike."""

EACH_TARGET = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
pytestmark = needs_vectors


def assert_every_flip_refuses(target: DeviceTarget, found: Outcomes, flips: int) -> None:
    """Nothing altered verifies, is left open or raises, and the right check refuses."""
    assert found.flips == flips
    assert found.raised == {}
    assert {target.region_of(position): position for position in found.verified} == {}
    assert found.undecided == []
    stray = {(region, check) for region, check in found.failing if check not in GUARDS.get(region, PARSE | SIGNED)}
    assert stray == set()


@cache
def sampled(target: DeviceTarget) -> Outcomes:
    return flip_each(target, target.sample(SAMPLE[target.name]))


@EACH_TARGET
def test_unaltered_it_verifies(target: DeviceTarget) -> None:
    assert target.judged().verdict is Verdict.VERIFIED


@EACH_TARGET
def test_a_sample_of_flips_all_over_the_file_refuses(target: DeviceTarget) -> None:
    """The same bits on every machine, some of every field, block and element."""
    assert_every_flip_refuses(target, sampled(target), len(target.sample(SAMPLE[target.name])))
    assert {region for region, _ in sampled(target).failing} == set(target.regions)


def test_the_sample_is_large_enough_to_meet_everything() -> None:
    assert 700 <= sum(sampled(target).flips for target in TARGETS) <= 1200


@pytest.mark.slow
@EACH_TARGET
def test_every_flip_of_the_file_refuses(target: DeviceTarget, capsys: pytest.CaptureFixture[str]) -> None:
    """Exhaustive, in two processes; prints the counts."""
    started = time.monotonic()
    found = flip_all(target)
    with capsys.disabled():
        print(f"\n{target.name}: {found.flips} flips in {time.monotonic() - started:.0f} s, {found.by_check()}")  # noqa: T201
    assert_every_flip_refuses(target, found, 8 * len(target.data))
