"""Each check of manifests fails alone on what it is for, names the manifest, and shows expected beside actual."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.rim import foundry
from tests.rim.foundry import AT, DRIVER, VBIOS, Issued, Manifest, chain, digest, with_leaf
from voltage_attest.checks import REGISTRY
from voltage_attest.checks.gpu import AUTHENTIC_DEVICE
from voltage_attest.checks.rim import RIM_CHECKS
from voltage_attest.collateral.rim import RimDocument
from voltage_attest.collateral.rim_content import GoldenMeasurement, RimContent
from voltage_attest.result import Finding, Status
from voltage_attest.verify.rim import RIM_FUNCTIONS, ReportedDevice, RimCase
from voltage_attest.verify.rim_measurements import OpaqueField, judge_measurements
from voltage_attest.verify.rim_reading import Rim, RimShelf, absent_rim
from voltage_attest.verify.unreadable import Unreadable

DRIVER_RIM = Manifest()
VBIOS_RIM = Manifest(version=VBIOS, golden={0: (digest("0"),), 12: (digest("12"),)})
MEASURED = {index: digest(f"unlisted {index}") for index in range(1, 65)} | {
    1: digest("0"),
    8: digest("7"),
    13: digest("12"),
    36: digest("off"),
}
"""SPDM indexes: one more than those of the manifests."""
DEVICE = ReportedDevice("GH100", VBIOS, DRIVER, MEASURED)
SWITCH_RIM = Manifest(product="LS10", edition="SWITCH", version="96.10.55.00.01", golden={30: (digest("30"),)})
SWITCH = ReportedDevice("LS10", "96.10.55.00.01", None, {31: digest("30")})


def rim(manifest: Manifest | bytes, issued: tuple[Issued, ...] | None = None) -> Rim:
    return Rim(RimDocument(manifest if isinstance(manifest, bytes) else manifest.signed(issued)))


def case(
    driver: Manifest | bytes = DRIVER_RIM,
    vbios: Manifest | bytes = VBIOS_RIM,
    device: ReportedDevice = DEVICE,
    at: datetime = AT,
    issued: tuple[Issued, ...] | None = None,
) -> RimCase:
    return RimCase(device, rim(driver, issued), rim(vbios), foundry.root().der, at)


def run(subject: RimCase) -> dict[str, Finding]:
    """Make the checks whose prerequisites passed, as the ledger will."""
    findings: dict[str, Finding] = {}
    for check in RIM_CHECKS:
        needed = [findings.get(name) for name in check.requires if name not in AUTHENTIC_DEVICE]
        if all(found is not None and found.status in {Status.PASSED, Status.SKIPPED} for found in needed):
            findings[check.id] = RIM_FUNCTIONS[check.id](subject)
    return findings


def only_failure(subject: RimCase, check_id: str, status: Status = Status.FAILED) -> Finding:
    """The finding of that check, after proof that no other failed."""
    findings = run(subject)
    assert {name for name, found in findings.items() if found.status.closes_gate} == {check_id}
    finding = findings[check_id]
    assert finding.status is status
    assert finding.expected
    assert finding.actual
    assert finding.reason
    return finding


def test_every_check_has_a_function_and_stands_after_what_it_requires() -> None:
    assert [check.id for check in RIM_CHECKS] == list(RIM_FUNCTIONS)
    known = set(REGISTRY) - set(RIM_FUNCTIONS)
    for check in RIM_CHECKS:
        assert set(check.requires) <= known
        known.add(check.id)


def test_a_gpu_with_its_two_manifests_passes_all() -> None:
    findings = run(case())
    assert {name: found.status for name, found in findings.items()} == dict.fromkeys(RIM_FUNCTIONS, Status.PASSED)
    assert findings["gpu.measurements"].actual == "4 of 4 (2 driver, 2 VBIOS)"
    assert findings["gpu.rim.driver"].actual == f"GPU GH100 {DRIVER}"


def test_a_switch_with_its_one_manifest_passes_and_has_no_driver() -> None:
    findings = run(RimCase(SWITCH, None, rim(SWITCH_RIM), foundry.root().der, AT))
    assert findings["gpu.rim.driver"].status is Status.SKIPPED
    assert findings["gpu.measurements"].actual == "1 of 1 (1 switch BIOS)"
    assert {found.status for found in findings.values()} == {Status.PASSED, Status.SKIPPED}


def test_a_case_without_the_drivers_manifest_is_for_switches_alone() -> None:
    with pytest.raises(ValueError, match="driver"):
        RimCase(DEVICE, None, rim(VBIOS_RIM), foundry.root().der, AT)
    with pytest.raises(ValueError, match="driver"):
        RimCase(SWITCH, rim(DRIVER_RIM), rim(SWITCH_RIM), foundry.root().der, AT)


def test_an_absent_manifest_leaves_it_undecided_and_is_named() -> None:
    absent = absent_rim("NV_GPU_VBIOS_1010_0200_882_96009F0001", "the RIM service answered 404")
    finding = only_failure(replace(case(), firmware=absent), "gpu.rim.parse", Status.ERROR)
    assert finding.expected == "VBIOS RIM: the manifest NV_GPU_VBIOS_1010_0200_882_96009F0001"
    assert finding.reason == "VBIOS RIM: the RIM service answered 404"
    assert absent_rim("X").finding.reason == "X is not at hand"


def test_a_malformed_manifest_beside_an_absent_one_is_a_failure() -> None:
    subject = replace(case(b"<a/>"), firmware=absent_rim("X"))
    finding = only_failure(subject, "gpu.rim.parse")
    assert str(finding.actual).startswith("driver RIM: ")
    assert "VBIOS" not in str(finding.actual)


def test_both_malformed_manifests_are_named() -> None:
    finding = only_failure(case(b"<a/>", b"<b/>"), "gpu.rim.parse")
    assert "driver RIM" in str(finding.actual)
    assert "VBIOS RIM" in str(finding.actual)


def test_refuses_a_certificate_that_cannot_be_read() -> None:
    data = DRIVER_RIM.signed().replace(b"MII", b"AII", 1)
    assert "cannot be read" in str(only_failure(case(data), "gpu.rim.chain").reason)


def test_refuses_a_chain_to_another_root() -> None:
    finding = only_failure(case(issued=chain(top=foundry.issue(foundry.ROOT, None))), "gpu.rim.chain")
    assert "driver RIM: the last certificate" in str(finding.actual)


@pytest.mark.parametrize("days", [-1, 1])
def test_refuses_a_chain_out_of_date_and_nothing_else_fails(days: int) -> None:
    """The signature still holds, and so do the values: an old file is to be fetched again, not a sign of tampering."""
    edge = datetime(2026, 2, 1, tzinfo=UTC)
    window = {"first": edge} if days < 0 else {"last": edge}
    subject = case(issued=with_leaf(**window))
    finding = only_failure(replace(subject, at=edge + timedelta(days=days)), "gpu.rim.chain_validity")
    assert ("not yet valid" if days < 0 else "has expired") in str(finding.reason)
    assert "HCC RIM L4 Signer" in str(finding.reason)
    at_the_edge = run(replace(subject, at=edge))
    assert at_the_edge["gpu.rim.chain_validity"].status is Status.PASSED


def test_refuses_an_altered_manifest() -> None:
    altered = DRIVER_RIM.signed().replace(digest("7").hex().encode(), digest("8").hex().encode())
    assert "digest" in str(only_failure(case(altered), "gpu.rim.signature").actual)


@pytest.mark.parametrize(
    ("other", "actual"),
    [
        (replace(DRIVER_RIM, version="550.90.08"), "GPU GH100 550.90.08"),
        (replace(DRIVER_RIM, product="GB100"), f"GPU GB100 {DRIVER}"),
        (replace(DRIVER_RIM, edition="SWITCH"), f"SWITCH GH100 {DRIVER}"),
    ],
)
def test_refuses_the_drivers_manifest_of_another_version_family_or_kind(other: Manifest, actual: str) -> None:
    finding = only_failure(case(driver=other), "gpu.rim.driver")
    assert finding.expected == f"GPU GH100 {DRIVER}"
    assert finding.actual == actual


@pytest.mark.parametrize(
    "other",
    [
        replace(VBIOS_RIM, version="96.00.9F.00.02"),
        replace(VBIOS_RIM, product="GB100"),
        replace(VBIOS_RIM, edition="SWITCH"),
    ],
)
def test_refuses_the_vbios_manifest_of_another_version_family_or_kind(other: Manifest) -> None:
    only_failure(case(vbios=other), "gpu.rim.vbios")


def test_refuses_the_two_manifests_exchanged() -> None:
    findings = run(case(VBIOS_RIM, DRIVER_RIM))
    assert findings["gpu.rim.driver"].status is findings["gpu.rim.vbios"].status is Status.FAILED
    assert "gpu.measurements" not in findings


def test_refuses_a_gpus_manifest_for_a_switch() -> None:
    subject = RimCase(SWITCH, None, rim(replace(SWITCH_RIM, edition="GPU")), foundry.root().der, AT)
    only_failure(subject, "gpu.rim.vbios")


def test_refuses_signed_content_that_is_not_understood() -> None:
    finding = only_failure(case(driver=replace(DRIVER_RIM, manufacturer="343")), "gpu.rim.driver")
    assert "343" in str(finding.actual)


def test_vbios_versions_are_compared_without_regard_to_case() -> None:
    device = replace(DEVICE, firmware_version=VBIOS.lower())
    assert run(case(device=device))["gpu.rim.vbios"].status is Status.PASSED


def measured(**changes: bytes | None) -> ReportedDevice:
    """The device with measurements replaced, ``spdm_8=...``; None removes one."""
    values = {**MEASURED, **{int(name.removeprefix("spdm_")): value for name, value in changes.items() if value is not None}}
    gone = {int(name.removeprefix("spdm_")) for name, value in changes.items() if value is None}
    return replace(DEVICE, measurements={index: value for index, value in values.items() if index not in gone})


def test_a_mismatch_names_index_manifest_and_both_values() -> None:
    finding = only_failure(case(device=measured(spdm_8=digest("other"))), "gpu.measurements")
    assert finding.expected == f"index 7 of the driver RIM: {digest('7').hex()}"
    assert finding.actual == f"index 7 of the driver RIM: {digest('other').hex()}"
    assert finding.reason == "1 of 4 golden values are not what was measured (index 7 of the driver RIM)"


def test_every_alternative_is_accepted_and_no_other() -> None:
    for value in (digest("on"), digest("off")):
        assert run(case(device=measured(spdm_36=value)))["gpu.measurements"].status is Status.PASSED
    finding = only_failure(case(device=measured(spdm_36=digest("7"))), "gpu.measurements")
    assert finding.expected == f"index 35 of the driver RIM: {digest('on').hex()} or {digest('off').hex()}"


def test_a_missing_measurement_is_a_mismatch() -> None:
    finding = only_failure(case(device=measured(spdm_13=None)), "gpu.measurements")
    assert finding.actual == "index 12 of the VBIOS RIM: not measured"


def test_a_measurement_of_another_size_is_a_mismatch() -> None:
    only_failure(case(device=measured(spdm_1=digest("0")[:32])), "gpu.measurements")


def test_index_35_is_compared_whatever_the_engines_state() -> None:
    """NVDEC0: no report field can switch the comparison off."""
    only_failure(case(device=measured(spdm_36=None)), "gpu.measurements")


def test_an_index_active_in_both_manifests_is_a_conflict_even_with_equal_values() -> None:
    vbios = replace(VBIOS_RIM, golden={**VBIOS_RIM.golden, 7: (digest("7"),)})
    finding = only_failure(case(vbios=vbios), "gpu.measurements")
    assert finding.actual == "index 7 is active in the driver and the VBIOS RIM"


def test_many_mismatches_are_all_named_and_four_shown() -> None:
    driver = replace(DRIVER_RIM, golden={20: (digest("20"),)})
    golden = {index: (digest(str(index)),) for index in range(10)}
    subject = case(driver, replace(VBIOS_RIM, golden=golden), device=replace(DEVICE, measurements={}))
    finding = only_failure(subject, "gpu.measurements")
    assert str(finding.expected).count("index") == 4
    assert all(f"index {index} of the VBIOS RIM" in str(finding.reason) for index in golden)


FLOOR = replace(DRIVER_RIM, floors={37: ("FSP_UCODE_MIN_SVN", 5)})


@pytest.mark.parametrize("svn", [b"\x05\x00", b"\x00\x01"])
def test_a_security_version_at_or_above_its_floor_passes(svn: bytes) -> None:
    device = replace(DEVICE, opaque={37: OpaqueField(0x87, svn)})
    assert run(case(driver=FLOOR, device=device))["gpu.measurements"].actual == "5 of 5 (3 driver, 2 VBIOS)"


@pytest.mark.parametrize(
    ("opaque", "actual"),
    [
        ({}, "not reported"),
        ({37: OpaqueField(0x87, b"\x04\x00")}, "4"),
        ({37: OpaqueField(0x86, b"\x05\x00")}, "value type 0x86 with 0500"),
        ({37: OpaqueField(0x87, b"\x05")}, "value type 0x87 with 05"),
        ({38: OpaqueField(0x87, b"\x05\x00")}, "not reported"),
    ],
)
def test_refuses_a_security_version_below_its_floor_of_another_type_or_absent(
    opaque: Mapping[int, OpaqueField], actual: str
) -> None:
    finding = only_failure(case(driver=FLOOR, device=replace(DEVICE, opaque=opaque)), "gpu.measurements")
    where = "opaque type 37 (FSP_UCODE_MIN_SVN) of the driver RIM"
    assert finding.expected == f"{where}: at least 5"
    assert finding.actual == f"{where}: {actual}"


@pytest.mark.parametrize("other", [{37: ("OTHER", 1)}, {40: ("FSP_UCODE_MIN_SVN", 1)}])
def test_refuses_opaque_records_of_one_type_or_name_in_both_manifests(other: Mapping[int, tuple[str, int]]) -> None:
    device = replace(DEVICE, opaque=dict.fromkeys((37, 40), OpaqueField(0x87, b"\xff\xff")))
    finding = only_failure(case(driver=FLOOR, vbios=replace(VBIOS_RIM, floors=other), device=device), "gpu.measurements")
    assert "is active in the driver and the VBIOS RIM" in str(finding.actual)


def test_size_counts_even_where_the_value_is_listed() -> None:
    golden = GoldenMeasurement(0, "x", 32, (digest("0"),))
    content = RimContent("GH100", "GPU", DRIVER, "0", (golden,), ())
    assert judge_measurements([("driver", content)], {1: digest("0")}, {}).status is Status.FAILED


def test_a_shelf_reads_equal_manifests_once_and_stays_bounded() -> None:
    shelf = RimShelf(capacity=2)
    data = DRIVER_RIM.signed()
    first = shelf.rim(RimDocument(data))
    assert shelf.rim(RimDocument(bytes(data))) is first
    shelf.rim(RimDocument(b"<a/>"))
    shelf.rim(RimDocument(b"<b/>"))
    assert shelf.rim(RimDocument(data)) is not first


def test_the_root_is_no_part_of_what_is_kept() -> None:
    kept = rim(DRIVER_RIM)
    assert kept.why_chain_fails(foundry.root().der) is None
    for number in range(10):
        assert kept.why_chain_fails(bytes((number,))) is not None
    assert kept.why_chain_fails(foundry.root().der) is None


def test_content_is_never_given_before_its_signature_holds() -> None:
    altered = rim(DRIVER_RIM.signed().replace(digest("7").hex().encode(), digest("8").hex().encode()))
    with pytest.raises(RuntimeError, match="unsigned"):
        _ = altered.content
    assert not isinstance(rim(DRIVER_RIM).content, Unreadable)


def test_xml_libraries_load_only_when_a_manifest_is_read() -> None:
    program = (
        "import sys, voltage_attest.verify.rim, voltage_attest.collateral.rim, voltage_attest.checks.rim, "
        "voltage_attest.crypto.xml_signature, voltage_attest.verifier_devices;"
        "print(sorted({'lxml', 'signxml'} & set(sys.modules)))"
    )
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.strip()
    assert loaded == "[]"


def test_a_full_shelf_makes_room_by_the_manifest_put_there_first() -> None:
    shelf = RimShelf(capacity=2)
    documents = [RimDocument(f"<{name}/>".encode()) for name in "abc"]
    first, second, third = (shelf.rim(document) for document in documents)
    assert (shelf.rim(documents[1]), shelf.rim(documents[2])) == (second, third)
    assert shelf.rim(documents[0]) is not first
