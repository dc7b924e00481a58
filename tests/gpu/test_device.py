"""One device: the checks that a genuine one passes, and for each way of not being one the check that refuses."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.gpu.fake_nvidia import (
    FWID,
    DeviceShape,
    Names,
    fake_item,
    fake_root_spki_sha256,
    gpu_records,
    legacy,
    report_of,
)
from tests.gpu.judging import AT, FAKE, REAL, failing, judge_device, verified
from tests.gpu.real_devices import (
    H100,
    VECTORS,
    chutes_nodes,
    near_node,
    needs_vectors,
    nvattest_items,
    vector_item,
)
from voltage_attest.checks import REGISTRY
from voltage_attest.checks.gpu import GPU_CHECKS
from voltage_attest.crypto.certificates import load_certificate
from voltage_attest.crypto.signatures import P384
from voltage_attest.evidence.gpu_fields import FeatureFlag
from voltage_attest.evidence.gpu_report import Architecture, decode_report_bytes, parse_device_report
from voltage_attest.evidence.nras_request import DeviceItem
from voltage_attest.evidence.pem import parse_pem_chain
from voltage_attest.result import Status
from voltage_attest.trust import TrustRoots
from voltage_attest.verify.gpu import DEVICE_CHECKS
from voltage_attest.verify.gpu_case import DeviceExpectations, GpuWorkshop, VerifiedDevice
from voltage_attest.verify.gpu_node import NODE_CHECKS

EXPECTED = DeviceExpectations(frozenset({FeatureFlag.PPCIE}), "590", "96.00.A5.00.01")


def refused(shape: DeviceShape, expected: DeviceExpectations = EXPECTED, at: datetime = AT) -> set[str]:
    return failing(judge_device(fake_item(shape), expected, FAKE, at))


def test_every_check_has_its_function_and_its_entry() -> None:
    assert [check.id for check in GPU_CHECKS[2:]] == [*DEVICE_CHECKS, *NODE_CHECKS]


def test_a_device_of_the_stand_in_passes_every_check() -> None:
    for architecture in (Architecture.HOPPER, Architecture.BLACKWELL):
        findings = judge_device(fake_item(DeviceShape(architecture=architecture)), EXPECTED, FAKE)
        assert {finding.status for finding in findings.values()} == {Status.PASSED}
        assert list(findings) == list(DEVICE_CHECKS)


def test_the_h100_sample_is_genuine() -> None:
    findings = judge_device(H100, DeviceExpectations(None, "550.54.15", "96.00.9F.00.01"))
    skipped = {check_id for check_id, finding in findings.items() if finding.status is Status.SKIPPED}
    assert (failing(findings), skipped) == (set(), {"gpu.mode"})
    device = verified(H100, "gpu[0]")
    assert device.chain.ueid == "478176379286082186618948445787393647364802107249"
    assert (device.chain.pdi.hex(), device.chain.chip) == ("431d480fe5e87274", "GH100")


SINGLE = {
    "H100, driver 535": ("asdk-hopper-535", "report", "chain", Architecture.HOPPER),
    "H100 PCIe, driver 580": ("asdk-hopper-535", "ut.report", "ut.chain", Architecture.HOPPER),
    "H100 PCIe, driver 570": ("asdk-hopper-535", "expired.report", "expired.chain", Architecture.HOPPER),
    "H100, nvtrust": ("nvtrust-h100-test-no-gpu", "report", "chain", Architecture.HOPPER),
    "B200": ("asdk-blackwell-gb100", "report", "chain", Architecture.BLACKWELL),
    "LS10": ("asdk-switch-ls10", "report", "chain", Architecture.LS10),
    "LS10, unit test": ("asdk-switch-ls10", "ut.report", "ut.chain", Architecture.LS10),
}


@needs_vectors
@pytest.mark.parametrize("name", SINGLE)
def test_a_real_device_is_genuine(name: str) -> None:
    item = vector_item(*SINGLE[name])
    findings = judge_device(item, DeviceExpectations())
    assert failing(findings) == set()
    assert len(findings) == len(DEVICE_CHECKS)
    assert findings["gpu.fwid"].status is (Status.SKIPPED if "535" in name or "LS10" in name else Status.PASSED)


@needs_vectors
@pytest.mark.parametrize(
    ("items", "count", "driver"),
    [
        (lambda: nvattest_items("asdk-hopper-evidence"), 1, "590.12"),
        (lambda: nvattest_items("asdk-multi-gpu-hopper"), 4, "590.12"),
        (near_node, 8, "570.172.08"),
        (lambda: [item for gpus in chutes_nodes() for item in gpus], 32, "595.71.05"),
    ],
    ids=["nvattest", "nvattest, four GPUs", "NEAR", "Chutes"],
)
def test_all_real_gpus_of_a_provider_are_genuine(items: Callable[[], list[DeviceItem]], count: int, driver: str) -> None:
    judged = [judge_device(item, DeviceExpectations(min_driver=driver)) for item in items()]
    assert len(judged) == count
    assert [failing(findings) for findings in judged] == [set()] * count


@needs_vectors
@pytest.mark.parametrize(
    ("folder", "architecture"), [("asdk-hopper-535", Architecture.HOPPER), ("asdk-switch-ls10", Architecture.LS10)]
)
def test_nvidias_altered_reports_fail_the_signature_alone(folder: str, architecture: Architecture) -> None:
    item = vector_item(folder, "bad_signature.report", "chain", architecture)
    assert failing(judge_device(item, DeviceExpectations())) == {"gpu.report.signature"}


@needs_vectors
def test_a_report_under_another_devices_chain_fails_the_signature_alone() -> None:
    first, second = nvattest_items("asdk-multi-gpu-hopper")[:2]
    swapped = replace(first, certificate_chain=second.certificate_chain)
    assert failing(judge_device(swapped, DeviceExpectations())) == {"gpu.report.signature"}


@needs_vectors
def test_both_self_signed_roots_with_nvidias_key_end_a_chain() -> None:
    folder = VECTORS / "museop-rims"
    older, newer = (folder / "Root-CA-L1B.cer").read_bytes(), (folder / "Root-CA.cer").read_bytes()
    keys = {hashlib.sha256(load_certificate(der, "root", P384).spki).digest() for der in (older, newer)}
    assert keys == {REAL.root_spki_sha256}
    blocks = H100.certificate_chain.split(b"-----BEGIN CERTIFICATE-----")
    for pem in (folder / "device-root-bundle.pem").read_bytes().split(b"-----BEGIN CERTIFICATE-----")[1:]:
        item = replace(H100, certificate_chain=b"-----BEGIN CERTIFICATE-----".join([*blocks[:-1], pem]))
        assert failing(judge_device(item, DeviceExpectations())) == set()


def test_the_shipped_root_is_the_one_that_real_chains_end_in() -> None:
    assert TrustRoots.default().nvidia_device == parse_pem_chain(H100.certificate_chain, "chain")[-1]


REFUSALS: dict[str, tuple[DeviceShape, set[str]]] = {
    # (d) 11: chain games
    "d11_four_certificates": (DeviceShape(count=4), {"gpu.chain.parse"}),
    "d11_one_certificate": (DeviceShape(count=1), {"gpu.chain.parse"}),
    "d11_another_root_key": (DeviceShape(links={4: {"key": "other root"}}), {"gpu.chain"}),
    "d11_root_signed_by_another_key": (DeviceShape(links={4: {"signer": "other root"}}), {"gpu.chain"}),
    "d11_leaf_that_is_a_ca": (DeviceShape(links={0: {"ca": True}}), {"gpu.chain"}),
    "d11_leaf_that_certifies": (DeviceShape(links={0: {"certifies": True}}), {"gpu.chain"}),
    "d11_leaf_that_may_not_sign": (DeviceShape(links={0: {"signs": False}}), {"gpu.chain"}),
    "d11_brom_without_basic_constraints": (DeviceShape(links={1: {"ca": None}}), {"gpu.chain"}),
    "d11_brom_that_is_no_ca": (DeviceShape(links={1: {"ca": False}}), {"gpu.chain"}),
    "d11_provisioner_that_may_not_certify": (DeviceShape(links={2: {"certifies": False}}), {"gpu.chain"}),
    "d11_family_with_too_short_a_path": (DeviceShape(links={3: {"ca": True, "path_length": 1}}), {"gpu.chain"}),
    "d11_leaf_signed_by_another_key": (DeviceShape(links={0: {"signer": "other"}}), {"gpu.chain"}),
    "d11_brom_that_names_another_issuer": (DeviceShape(links={1: {"issuer_name": "Other"}}), {"gpu.chain"}),
    "d11_leaf_of_another_kind": (DeviceShape(links={0: {"common_name": "GH100 A01 GSP FMC"}}), {"gpu.chain"}),
    "d11_brom_of_another_chip": (
        DeviceShape(links={0: {"issuer_name": "GB100 A01 GSP BROM"}, 1: {"common_name": "GB100 A01 GSP BROM"}}),
        {"gpu.chain"},
    ),
    "d11_provisioner_of_another_chip": (
        DeviceShape(links={2: {"common_name": "NVIDIA GB100 Provisioner ICA 1"}}),
        {"gpu.chain"},
    ),
    "d11_family_of_another_chip": (DeviceShape(names=Names("GH100", "GSP", "GB100")), {"gpu.chain"}),
    "d11_root_of_another_name": (DeviceShape(links={4: {"common_name": "NVIDIA Device Identity"}}), {"gpu.chain"}),
    "d11_brom_without_pdi": (DeviceShape(links={1: {"serial": 7}}), {"gpu.chain.parse"}),
    "d11_expired_family": (DeviceShape(links={3: {"not_after": AT - timedelta(seconds=1)}}), {"gpu.chain_validity"}),
    "d11_leaf_not_yet_valid": (DeviceShape(links={0: {"not_before": AT + timedelta(seconds=1)}}), {"gpu.chain_validity"}),
    "d11_hopper_label_on_blackwell": (
        DeviceShape(architecture=Architecture.BLACKWELL, labelled=Architecture.HOPPER),
        {"gpu.architecture"},
    ),
    "d11_blackwell_label_on_hopper": (DeviceShape(labelled=Architecture.BLACKWELL), {"gpu.architecture"}),
    "d11_switch_given_as_gpu": (
        DeviceShape(architecture=Architecture.LS10, labelled=Architecture.HOPPER),
        {"gpu.report.parse"},
    ),
    "d11_gpu_given_as_switch": (DeviceShape(labelled=Architecture.LS10), {"gpu.report.parse"}),
    "d11_gpu_report_under_a_switchs_chain": (
        DeviceShape(names=Names("LS_10", "FSP", "GH100")),
        {"gpu.architecture"},
    ),
    "d11_report_that_names_another_chip": (DeviceShape(records=gpu_records(t35=b"GB100\0")), {"gpu.architecture"}),
    # (d) 6 and 12: FWID, trailing bytes, duplicates
    "d12_no_fwid_from_driver_590": (DeviceShape(records=gpu_records(t20=None)), {"gpu.fwid"}),
    "d6_another_fwid": (DeviceShape(records=gpu_records(t20=bytes(48))), {"gpu.fwid"}),
    "d12_no_fwid_in_the_leaf": (DeviceShape(fwid=None), {"gpu.fwid"}),
    "d12_fwid_of_31_bytes_in_the_leaf": (DeviceShape(fwid=bytes(31)), {"gpu.chain.parse"}),
    "d12_a_record_twice": (
        DeviceShape(opaque=legacy(gpu_records()) + legacy({20: FWID})),
        {"gpu.report.parse"},
    ),
    "d12_trailing_byte": (DeviceShape(tail=b"\0"), {"gpu.report.parse"}),
    # (d) 13: modes and floors
    "d13_another_mode": (DeviceShape(records=gpu_records(t36=b"\0\0", t21=b"\x55")), {"gpu.mode"}),
    "d13_mode_and_status_that_disagree": (DeviceShape(records=gpu_records(t21=b"\x55")), {"gpu.mode"}),
    "d13_no_mode_from_an_old_driver": (DeviceShape(records=gpu_records(t36=None, t21=b"\x55")), {"gpu.mode"}),
    "d13_older_driver": (DeviceShape(records=gpu_records(t3=b"570.999.99\0")), {"gpu.policy.min_driver"}),
    "d13_older_vbios": (
        DeviceShape(records=gpu_records(t6=bytes.fromhex("00a4009601000000"))),
        {"gpu.policy.min_vbios"},
    ),
    # (d) 14: a report by another key than the chain's
    "d14_report_signed_by_another_device": (DeviceShape(signer="leaf b"), {"gpu.report.signature"}),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refuses(name: str) -> None:
    shape, checks = REFUSALS[name]
    assert refused(shape) == checks


def test_every_device_check_has_a_case_that_fails_only_it() -> None:
    alone = {next(iter(checks)) for _, checks in REFUSALS.values() if len(checks) == 1}
    assert alone == set(DEVICE_CHECKS)


def test_d14_what_no_report_can_prove_is_said() -> None:
    """A genuine GPU elsewhere may sign the caller's nonce: it passes, and the check says that it cannot tell."""
    assert refused(DeviceShape(label="elsewhere")) == set()
    assert "remote GPU" in REGISTRY["binding.gpu_nonce"].does_not_prove


@pytest.mark.parametrize(("driver", "status"), [(b"545.23.08\0", Status.SKIPPED), (b"550.00\0", Status.FAILED)])
def test_d12_a_missing_fwid_is_excused_before_driver_550_only(driver: bytes, status: Status) -> None:
    item = fake_item(DeviceShape(records=gpu_records(t20=None, t3=driver)))
    assert judge_device(item, DeviceExpectations(), FAKE)["gpu.fwid"].status is status


def test_d12_versioned_opaque_data_without_fwid_is_never_excused() -> None:
    """No driver before 550 writes it, whatever its version says."""
    records = gpu_records(t20=None, t3=b"545.23\0")
    opaque = (
        b"NVDAOD"
        + bytes.fromhex("000002000000")
        + b"".join(
            [kind.to_bytes(2, "little") + b"\x82\0" + len(data).to_bytes(2, "little") + data for kind, data in records.items()]
        )
    )
    assert failing(judge_device(fake_item(DeviceShape(opaque=opaque)), DeviceExpectations(), FAKE)) == {"gpu.fwid"}


@pytest.mark.parametrize(("floor", "refuses"), [("590.12.00", False), ("590", False), ("590.12.01", True), ("600", True)])
def test_a_driver_floor_of_another_length_compares_by_number(floor: str, *, refuses: bool) -> None:
    assert refused(DeviceShape(), replace(EXPECTED, min_driver=floor)) == ({"gpu.policy.min_driver"} if refuses else set())


def test_the_last_48_bytes_are_not_blackwells_fwid() -> None:
    """DiceTcbInfo's second digest is zeros: a report that repeats those is refused."""
    shape = DeviceShape(architecture=Architecture.BLACKWELL, records=gpu_records(t20=bytes(48)))
    assert refused(shape) == {"gpu.fwid"}
    assert refused(replace(shape, records=gpu_records(t20=FWID))) == set()


def test_a_chain_in_another_order_is_refused() -> None:
    item = fake_item(DeviceShape())
    blocks = item.certificate_chain.split(b"-----BEGIN CERTIFICATE-----")[1:]
    order = b"".join([b"-----BEGIN CERTIFICATE-----" + blocks[place] for place in (0, 2, 1, 3, 4)])
    assert failing(judge_device(replace(item, certificate_chain=order), EXPECTED, FAKE)) == {"gpu.chain.parse"}
    order = b"".join([b"-----BEGIN CERTIFICATE-----" + blocks[place] for place in (0, 1, 3, 2, 4)])
    assert failing(judge_device(replace(item, certificate_chain=order), EXPECTED, FAKE)) == {"gpu.chain"}


def test_nvidias_devices_end_in_no_other_root_and_others_not_in_nvidias() -> None:
    assert failing(judge_device(H100, DeviceExpectations(), FAKE)) == {"gpu.chain"}
    assert failing(judge_device(fake_item(DeviceShape()), EXPECTED, REAL)) == {"gpu.chain"}


@pytest.mark.parametrize(("year", "refuses"), [(2021, True), (2022, True), (2023, False), (9998, False)])
def test_dates_count(year: int, *, refuses: bool) -> None:
    """NVIDIA's C++ verifier ignores them. The youngest certificate of this chain begins in March 2022."""
    at = datetime(year, 1, 1, tzinfo=UTC)
    judged = judge_device(H100, DeviceExpectations(), at=at)
    assert failing(judged) == ({"gpu.chain_validity"} if refuses else set())


def test_only_the_verify_room_seals_a_device() -> None:
    device = verified(H100, "gpu[0]")
    with pytest.raises(TypeError):
        VerifiedDevice("gpu[1]", device.report, device.chain)


def test_a_device_with_a_failed_signature_is_not_sealed() -> None:
    with pytest.raises(AssertionError):
        verified(fake_item(DeviceShape(signer="leaf b")), "gpu[0]", FAKE)


def test_shared_certificates_are_verified_once() -> None:
    workshop = GpuWorkshop(fake_root_spki_sha256())
    for label in ("a", "b", "c"):
        assert failing(judge_device(fake_item(DeviceShape(label=label)), EXPECTED, workshop)) == set()
    assert workshop.memo.computed == 3 + 3 * 2


def test_a_report_in_text_is_the_same_report() -> None:
    raw = report_of(DeviceShape())
    assert decode_report_bytes(raw.hex().encode()) == raw
    assert parse_device_report(raw, Architecture.HOPPER).exchange.raw == raw
