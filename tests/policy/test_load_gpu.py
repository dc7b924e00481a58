"""[gpu], [models], [compliance] and [audit]: what loads, and that every mistake names file, key, line and remedy."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings

from tests.policy.gpu_mistakes import DIGEST, GPU_MISTAKES, GPU_TEXT, OTHER, SPKI, UEID
from tests.policy.mistakes import TEXT
from tests.support.mutations import mutated_bytes
from tests.support.parsers import assert_read_or_refused
from tests.support.sampling import examples
from voltage_attest.errors import PolicyError
from voltage_attest.policy import AuditPolicy, CompliancePolicy, GpuPolicy, ModelsPolicy, Policy, parse_policy
from voltage_attest.policy.gpu import driver_order
from voltage_attest.result import Location

PATH = Path("ward.toml")
HEAD = 'schema = "voltage-attest/policy/1"\nname = "ward"\n'


def gpu_of(text: str) -> GpuPolicy:
    """The ``[gpu]`` of that text."""
    gpu = parse_policy(text, path=PATH).gpu
    assert gpu is not None
    return gpu


def test_every_key_is_read() -> None:
    policy = parse_policy(GPU_TEXT)
    assert policy.gpu == GpuPolicy(
        count=8,
        chips=frozenset({"GH100", "GB100"}),
        boards=frozenset({"G520_0280_895"}),
        switches=4,
        modes=frozenset({"ppcie"}),
        min_driver="570.00",
        min_vbios="96.00.CF.00.01",
        ueids=frozenset({UEID}),
        measurements={
            0: frozenset({bytes.fromhex(DIGEST)}),
            35: frozenset({bytes.fromhex(DIGEST), bytes.fromhex(OTHER)}),
        },
        accept_hold=frozenset({"driver_rim"}),
        nras="accept",
        nras_intermediates=frozenset({bytes.fromhex(SPKI)}),
        unsafe_skip_rim="NVIDIA has no manifest yet",
        unsafe_skip_revocation="no network in the ward",
    )
    assert policy.models == ModelsPolicy(("meta-llama/Llama-3.1-70B-Instruct-TEE",))
    assert policy.compliance == CompliancePolicy(
        require_baa=True, baa_reference="BAA-2026-014", baa_valid_until=date(2027, 6, 30)
    )
    assert policy.audit == AuditPolicy("audit/voltage-attest.jsonl")
    assert (policy.tdx, policy.channel) == (None, None)


def test_defaults_leave_open_what_is_not_pinned_and_skip_nothing() -> None:
    assert gpu_of(f"{HEAD}[gpu]\ncount = 1\n") == GpuPolicy(count=1, locations=gpu_of(f"{HEAD}[gpu]\ncount = 1\n").locations)
    default = GpuPolicy(count=1)
    assert (default.accept_hold, default.nras, default.unsafe_skip_rim, default.unsafe_skip_revocation) == (
        frozenset(),
        "off",
        None,
        None,
    )


def test_a_policy_may_expect_a_quote_and_gpus() -> None:
    policy = parse_policy(f"{TEXT}[gpu]\ncount = 1\n[channel]\n")
    assert policy.tdx is not None
    assert policy.gpu is not None
    assert policy.channel is not None


@pytest.mark.parametrize(
    ("written", "accepted"),
    [
        ('"refuse"', set()),
        ('"accept"', {"device", "driver_rim", "vbios_rim"}),
        ('{ device = "accept", vbios_rim = "accept" }', {"device", "vbios_rim"}),
        ('{ device = "refuse" }', set()),
    ],
)
def test_hold_is_accepted_in_the_chains_that_are_named(written: str, accepted: set[str]) -> None:
    assert gpu_of(f"{HEAD}[gpu]\ncount = 1\ncertificate_hold = {written}\n").accept_hold == accepted


def test_rules_know_where_they_are_written() -> None:
    gpu = gpu_of(GPU_TEXT)
    assert (gpu.locations["boards"], gpu.locations["measurements"]) == (Location("ward.toml", 7), Location("ward.toml", 13))
    tabled = gpu_of(f'{HEAD}[gpu]\ncount = 1\n[gpu.measurements]\n0 = ["{DIGEST}"]\n35 = ["{OTHER}"]\n')
    assert tabled.locations["measurements.35"] == Location("ward.toml", 7)
    compliance = parse_policy(GPU_TEXT, path=PATH).compliance
    assert compliance is not None
    assert compliance.locations["baa_valid_until"] == Location("ward.toml", 26)


@pytest.mark.parametrize("name", GPU_MISTAKES)
def test_a_mistake_is_named_with_file_key_line_and_remedy(name: str) -> None:
    mistake = GPU_MISTAKES[name]
    assert GPU_TEXT.count(mistake.old) >= 1
    with pytest.raises(PolicyError) as raised:
        parse_policy(GPU_TEXT.replace(mistake.old, mistake.new, 1), path=PATH)
    error = raised.value
    assert (error.path, error.key, error.line) == (PATH, mistake.key, mistake.line)
    assert error.remedy
    for words in mistake.words:
        assert words in str(error)


@pytest.mark.parametrize("modes", ['["ppcie", "spt"]', None])
def test_switches_go_with_modes_that_allow_protected_pcie(modes: str | None) -> None:
    line = "" if modes is None else f"modes = {modes}\n"
    assert gpu_of(f"{HEAD}[gpu]\ncount = 8\nswitches = 4\n{line}").switches == 4


def test_no_switches_go_with_any_mode() -> None:
    assert gpu_of(f'{HEAD}[gpu]\ncount = 1\nswitches = 0\nmodes = ["spt"]\n').switches == 0


def test_drivers_are_ordered_by_their_numbers() -> None:
    assert driver_order("570") == driver_order("570.0.00") < driver_order("570.9") < driver_order("570.124.03")


def read(data: bytes) -> Policy:
    """Parse a policy from bytes, as a fuzzer hands them over."""
    return parse_policy(data.decode("utf-8", "replace"), path=PATH)


@settings(max_examples=examples(600))
@given(data=mutated_bytes([GPU_TEXT.encode()]))
def test_mutated_policies_load_or_are_refused(data: bytes) -> None:
    assert_read_or_refused(read, data, PolicyError)
