"""Pins of ``[gpu]``, on real devices: what is pinned passes, what differs fails that row alone, what is open is skipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gpu.fake_nvidia import DeviceShape, fake_item, gpu_records, legacy
from tests.gpu.judging import FAKE, verified
from tests.gpu.real_devices import H100, chutes_nodes, near_node, needs_vectors, vector_item
from voltage_attest.appraise.gpu import GPU_APPRAISAL, DeviceAppraisal
from voltage_attest.checks.gpu import AUTHENTIC_DEVICE
from voltage_attest.checks.gpu_policy import GPU_POLICY_CHECKS
from voltage_attest.evidence.gpu_report import Architecture
from voltage_attest.policy import GpuPolicy, Policy, parse_policy
from voltage_attest.result import Finding, Location, Status
from voltage_attest.verify.gpu_case import VerifiedDevice

UEID = "478176379286082186618948445787393647364802107249"
HEAD = 'schema = "voltage-attest/policy/1"\nname = "ward"\n[gpu]\ncount = 1\n'


@pytest.fixture(scope="module")
def h100() -> VerifiedDevice:
    """NVIDIA's own sample."""
    return verified(H100, "gpu[0]")


def gpu_policy(lines: str) -> GpuPolicy:
    """A policy's ``[gpu]`` with these lines."""
    policy: Policy = parse_policy(HEAD + lines, path=None)
    assert policy.gpu is not None
    return policy.gpu


def appraise(device: VerifiedDevice, lines: str) -> dict[str, Finding]:
    """The four rows, by the last part of their ids."""
    case = DeviceAppraisal(device, gpu_policy(lines))
    return {check_id.rpartition(".")[2]: judge(case) for check_id, judge in GPU_APPRAISAL.items()}


def digest_of(device: VerifiedDevice, index: int) -> str:
    """What the device measured at a RIM index."""
    (digest,) = [block.digest for block in device.report.exchange.measurements if block.index == index + 1]
    return digest.hex()


def test_every_check_has_its_function_and_needs_an_authentic_device() -> None:
    assert [check.id for check in GPU_POLICY_CHECKS] == list(GPU_APPRAISAL)
    assert {check.requires for check in GPU_POLICY_CHECKS} == {AUTHENTIC_DEVICE}


def test_what_is_not_pinned_is_skipped_with_its_value(h100: VerifiedDevice) -> None:
    rows = appraise(h100, "")
    assert {row.status for row in rows.values()} == {Status.SKIPPED}
    assert {row.reason for row in rows.values()} == {"not pinned by the policy"}
    assert [row.actual for row in rows.values()] == ["GH100", "1010_0200_882", UEID, None]


def test_the_h100_passes_the_pins_of_its_own_values(h100: VerifiedDevice) -> None:
    first, last = digest_of(h100, 0), digest_of(h100, 35)
    rows = appraise(
        h100,
        f'chips = ["GB100", "GH100"]\nboards = ["1010_0200_882"]\nueids = ["{UEID}"]\n'
        f'measurements = {{ 0 = ["{first}"], 35 = ["{"00" * 48}", "{last.upper()}"] }}\n',
    )
    assert {row.status for row in rows.values()} == {Status.PASSED}
    assert rows["measurements"].actual == "2 of 2 as pinned"


@pytest.mark.parametrize(
    ("row", "line", "expected", "actual"),
    [
        ("chip", 'chips = ["GB100", "GB102"]', "GB100 or GB102", "GH100"),
        ("board", 'boards = ["G520_0280_895"]', "G520_0280_895", "1010_0200_882"),
        ("board", 'boards = ["1010_0200_88"]', "1010_0200_88", "1010_0200_882"),
        ("ueid", f'ueids = ["{UEID[:-1]}8"]', f"{UEID[:-1]}8", UEID),
    ],
)
def test_another_value_than_the_pinned_fails_its_row_alone(
    h100: VerifiedDevice, row: str, line: str, expected: str, actual: str
) -> None:
    rows = appraise(h100, line)
    assert [name for name, finding in rows.items() if finding.status is Status.FAILED] == [row]
    assert (rows[row].expected, rows[row].actual) == (expected, actual)


@pytest.mark.parametrize("position", [0, 95])
def test_a_measurement_that_differs_in_one_digit_fails_with_index_and_both_values(h100: VerifiedDevice, position: int) -> None:
    digest = digest_of(h100, 35)
    pin = f"{digest[:position]}{int(digest[position], 16) ^ 1:x}{digest[position + 1 :]}"
    rows = appraise(h100, f'measurements = {{ 35 = ["{pin}"] }}')
    assert [name for name, finding in rows.items() if finding.status is Status.FAILED] == ["measurements"]
    assert (rows["measurements"].expected, rows["measurements"].actual) == (f"index 35: {pin}", f"index 35: {digest}")


def test_indexes_are_those_of_manifests_not_of_spdm(h100: VerifiedDevice) -> None:
    """One less: the value of an index pinned under its SPDM number is another's."""
    assert digest_of(h100, 35) != digest_of(h100, 36)
    assert appraise(h100, f'measurements = {{ 36 = ["{digest_of(h100, 35)}"] }}')["measurements"].status is Status.FAILED


def test_all_indexes_that_differ_are_named(h100: VerifiedDevice) -> None:
    other = "00" * 48
    row = appraise(h100, f'measurements = {{ 9 = ["{other}"], 0 = ["{digest_of(h100, 0)}"], 35 = ["{other}"] }}')[
        "measurements"
    ]
    assert row.reason == "2 of 3 pinned measurements differ; also index 35"
    assert (row.expected or "").startswith("index 9: 00")


def test_a_pinned_index_that_was_not_measured_fails() -> None:
    device = verified(fake_item(DeviceShape(blocks=40)), "gpu[0]", FAKE)
    row = appraise(device, f'measurements = {{ 40 = ["{"00" * 48}"] }}')["measurements"]
    assert (row.status, row.actual) == (Status.FAILED, "index 40: not measured")


def test_a_board_that_is_not_reported_is_refused_where_boards_are_pinned() -> None:
    records = {kind: data for kind, data in gpu_records().items() if kind not in (15, 17, 18)}
    device = verified(fake_item(DeviceShape(opaque=legacy(records))), "gpu[0]", FAKE)
    assert appraise(device, "")["board"].actual == "not reported"
    row = appraise(device, 'boards = ["G520_0280_895"]')["board"]
    assert (row.status, row.actual) == (Status.FAILED, "not reported")


def test_a_failed_pin_points_at_its_line(h100: VerifiedDevice) -> None:
    text = f'{HEAD}chips = ["GB100"]\nboards = ["A_B_C"]\nueids = ["1"]\n[gpu.measurements]\n35 = ["{"00" * 48}"]\n'
    policy = parse_policy(text, path=Path("ward.toml")).gpu
    assert policy is not None
    lines = [judge(DeviceAppraisal(h100, policy)).location for judge in GPU_APPRAISAL.values()]
    assert lines == [Location("ward.toml", line) for line in (5, 6, 7, 9)]
    inline = parse_policy(f'{HEAD}measurements = {{ 35 = ["{"00" * 48}"] }}', path=Path("ward.toml")).gpu
    assert inline is not None
    assert GPU_APPRAISAL["gpu.policy.measurements"](DeviceAppraisal(h100, inline)).location == Location("ward.toml", 5)


@needs_vectors
def test_a_switch_has_no_rows_of_its_own() -> None:
    switch = verified(vector_item("asdk-switch-ls10", "report", "chain", Architecture.LS10), "switch[0]")
    rows = appraise(switch, f'chips = ["GH100"]\nboards = ["A_B_C"]\nueids = ["1"]\nmeasurements = {{ 0 = ["{"00" * 48}"] }}')
    assert {row.status for row in rows.values()} == {Status.SKIPPED}
    assert all("this is a switch" in (row.reason or "") for row in rows.values())
    assert rows["chip"].actual == "LS_10"


@needs_vectors
def test_forty_h200s_of_two_providers_are_on_one_board() -> None:
    items = [*near_node(), *[item for node in chutes_nodes() for item in node]]
    devices = [verified(item, f"gpu[{place}]") for place, item in enumerate(items)]
    assert len(devices) == 40
    for device in devices:
        rows = appraise(device, f'chips = ["GH100"]\nboards = ["G520_0280_895"]\nueids = ["{devices[0].chain.ueid}"]')
        assert (rows["chip"].status, rows["board"].status) == (Status.PASSED, Status.PASSED)
        assert (rows["ueid"].status is Status.PASSED) == (device is devices[0])
