"""One altered bit of a real quote, or of any document of its collateral, and it no longer verifies."""

from __future__ import annotations

import time
from collections.abc import Set as AbstractSet
from functools import cache

import pytest

from tests.support.sweep import TARGETS, Tally, Target, judge, judge_in_parallel, table
from voltage_attest.checks import REGISTRY

SAMPLE = {"quote": 26, "collateral": 30}
"""Bits drawn from each region of each file."""

PARSE = {"tdx.quote.parse"}
GUARDS = {
    "version": PARSE,
    "key_type": PARSE,
    "tee_type": PARSE,
    "reserved": {"tdx.quote.header"},
    "vendor_id": {"tdx.quote.header"},
    "user_data": {"tdx.quote.signature"},
    "descriptor": PARSE,
    "body": {"tdx.quote.signature"},
    "signature_data_size": PARSE,
    "signature": {"tdx.quote.signature"},
    "attestation_key": {"tdx.qe.binds_key"},
    "outer_type": PARSE,
    "outer_size": PARSE,
    "qe_report": {"tdx.qe.report_signature"},
    "qe_report_signature": {"tdx.qe.report_signature"},
    "auth_size": PARSE,
    "auth_data": {"tdx.qe.binds_key"},
    "inner_type": PARSE | {"tdx.pck.parse"},
    "inner_size": PARSE,
    "certification_data": {"tdx.pck.parse", "tdx.pck.chain"},
    "padding": PARSE,
    # A flip inside a document may also break the JSON around it.
    "frame": {"tdx.collateral.parse"},
    "pck_crl_issuer_chain": {"tdx.collateral.parse", "tdx.crl.issuer_chain"},
    "root_ca_crl": {"tdx.collateral.parse", "tdx.crl.root"},
    "pck_crl": {"tdx.collateral.parse", "tdx.crl.pck"},
    "tcb_info_issuer_chain": {"tdx.collateral.parse", "tdx.tcb_info.chain"},
    "tcb_info": {"tdx.collateral.parse", "tdx.tcb_info.signature"},
    "tcb_info_signature": {"tdx.collateral.parse", "tdx.tcb_info.signature"},
    "qe_identity_issuer_chain": {"tdx.collateral.parse", "tdx.qe_identity.chain"},
    "qe_identity": {"tdx.collateral.parse", "tdx.qe_identity.signature"},
    "qe_identity_signature": {"tdx.collateral.parse", "tdx.qe_identity.signature"},
    "pck_certificate_chain": {"tdx.collateral.parse", "tdx.collateral.pck_chain"},
}
"""Region to the checks of which one must fail first. A region that no check guards alone would show here."""

EACH_TARGET = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)


def assert_nothing_altered_verifies(target: Target, tally: Tally, positions: AbstractSet[int]) -> None:
    """Only flips that change no value verify, all of those do, nothing raises, and the right check refuses."""
    equal = frozenset().union(*target.equal_by_value.values()) & positions
    assert tally.flips == len(positions)
    assert tally.raised == {}
    assert {target.region_of(position): position for position in tally.verified - equal} == {}
    assert tally.verified == equal
    assert tally.refused == tally.flips - len(equal)
    assert tally.undecided == set()
    assert tally.ids <= set(REGISTRY)
    stray = {(region, check) for region, check in tally.failing if check not in GUARDS[region]}
    assert stray == set()


@cache
def sampled(target: Target) -> tuple[Tally, frozenset[int]]:
    """Judge the sample once for all tests."""
    positions = target.sample(SAMPLE[target.altered])
    return judge(target, positions), frozenset(positions)


@EACH_TARGET
def test_a_sample_of_flips_all_over_the_file_refuses(target: Target) -> None:
    """The same bits on every machine, some of every field and document."""
    tally, positions = sampled(target)
    assert {target.region_of(position) for position in positions} >= set(target.regions)
    assert_nothing_altered_verifies(target, tally, positions)


def test_the_sample_has_about_1500_flips() -> None:
    """Enough to meet every field, and few enough for every run."""
    assert 1500 <= sum(sampled(target)[0].flips for target in TARGETS) <= 1700


def test_every_flip_in_the_zero_padding_refuses() -> None:
    """70 unauthenticated bytes, exhaustively: they are zero or the quote is refused."""
    target = TARGETS[0]
    positions = set(target.positions("padding"))
    assert len(positions) == 8 * 70
    assert_nothing_altered_verifies(target, judge(target, positions), positions)


@EACH_TARGET
def test_no_flip_makes_the_library_print_a_warning(target: Target) -> None:
    """Hostile input is refused in the result, not commented on standard error."""
    assert sampled(target)[0].warned == {}


@pytest.mark.slow
@EACH_TARGET
def test_every_flip_of_the_file_refuses(target: Target, capsys: pytest.CaptureFixture[str]) -> None:
    """Exhaustive, in two processes; prints the counts."""
    started = time.monotonic()
    tally = judge_in_parallel(target)
    with capsys.disabled():
        print(f"\n{table(target, tally, time.monotonic() - started)}")  # noqa: T201 - the counts are what it is run for
    assert_nothing_altered_verifies(target, tally, set(target.positions()))
