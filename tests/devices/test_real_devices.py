"""What real reports, chains and manifests come to, offline and end to end: as their provenance says, and by the right check."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from tests.devices.real import H100_RIMS, IN_WINDOW, UNCOMPARED, closing, examine, h100_manifests, rim
from tests.gpu.real_devices import (
    H100,
    H100_NONCE,
    VECTORS,
    chutes_nodes,
    near_node,
    needs_vectors,
    nvattest_items,
    vector_item,
)
from voltage_attest.collateral.nvidia import NvidiaCollateral
from voltage_attest.evidence.gpu_report import Architecture
from voltage_attest.evidence.nras_request import DeviceItem
from voltage_attest.evidence.pem import parse_pem_chain
from voltage_attest.result import AttestationResult, Status, Verdict

HOPPER, BLACKWELL, LS10 = Architecture.HOPPER, Architecture.BLACKWELL, Architecture.LS10
SDK: Final = "asdk-hopper-535"
ISSUED: Final = datetime(2026, 1, 7, 18, 39, 21, tzinfo=UTC)
"""Since when the newer of the two manifests' signers is in date."""
EXPIRES: Final = datetime(2026, 6, 1, 2, 8, 29, tzinfo=UTC)
"""Until when the older one is."""

pytestmark = needs_vectors


def statuses(result: AttestationResult, prefix: str) -> dict[str, Status]:
    return {row.id: row.status for row in result.checks if row.id.startswith(prefix)}


class TestTheSampleH100:
    """NVIDIA's sample report (driver 550.90.07) with the manifests that its service has for it."""

    def test_verifies_offline_with_33_of_33_measurements(self) -> None:
        result = examine(rims=h100_manifests())
        assert result.verdict is Verdict.VERIFIED
        assert result.check("gpu.measurements", "gpu[0]").finding.actual == "33 of 33 (21 driver, 12 VBIOS)"
        assert result.check("binding.gpu_nonce").status is Status.PASSED
        assert result.valid_until == EXPIRES

    def test_revocation_is_left_out_loudly(self) -> None:
        result = examine(rims=h100_manifests())
        rows = [result.check("gpu.revocation", "gpu[0]"), result.check("gpu.rim.revocation", "gpu[0]")]
        assert [(row.status, row.finding.unsafe) for row in rows] == [(Status.SKIPPED, True)] * 2
        assert any("unsafe_skip_revocation = 'nobody is asked'" in warning for warning in result.warnings)

    def test_without_that_word_it_is_undecided(self) -> None:
        result = examine(rims=h100_manifests(), skips={"unsafe_skip_rim": '"no manifest is at hand"'})
        assert (result.verdict, closing(result)) == (Verdict.UNDECIDED, {"gpu.revocation"})

    def test_its_claims_are_those_of_the_report(self) -> None:
        (gpu,) = examine(rims=h100_manifests()).gpus
        assert (gpu.device, gpu.architecture, gpu.chip, gpu.board) == ("gpu[0]", "HOPPER", "GH100", "1010_0200_882")
        assert (gpu.driver_version, gpu.vbios_version) == ("550.90.07", "96.00.9F.00.01")
        assert (gpu.nonce, gpu.measurements) == (H100_NONCE.hex(), 64)
        assert gpu.manifests == H100_RIMS

    @pytest.mark.parametrize("at", [ISSUED, IN_WINDOW, EXPIRES])
    def test_verifies_while_the_signers_of_its_manifests_are_in_date(self, at: datetime) -> None:
        assert examine(rims=h100_manifests(), at=at).verdict is Verdict.VERIFIED

    @pytest.mark.parametrize(
        ("at", "name"), [(ISSUED - timedelta(seconds=1), "VBIOS RIM"), (EXPIRES + timedelta(seconds=1), "driver RIM")]
    )
    def test_a_second_outside_that_check_alone_refuses(self, at: datetime, name: str) -> None:
        result = examine(rims=h100_manifests(), at=at)
        assert closing(result) == {"gpu.rim.chain_validity"}
        assert str(result.check("gpu.rim.chain_validity", "gpu[0]").reason).startswith(name)

    @pytest.mark.parametrize("present", [0, 1])
    def test_without_one_of_its_manifests_it_is_undecided_and_the_id_is_told(self, present: int) -> None:
        result = examine(rims=[h100_manifests()[present]])
        assert (result.verdict, closing(result)) == (Verdict.UNDECIDED, {"gpu.rim.parse"})
        assert H100_RIMS[1 - present] in str(result.check("gpu.rim.parse", "gpu[0]").reason)

    def test_without_anything_of_nvidias_it_is_undecided(self) -> None:
        assert closing(examine(nvidia=NvidiaCollateral())) == {"gpu.rim.parse"}

    def test_for_another_nonce_it_is_refused_by_the_binding_alone(self) -> None:
        """The nonce of NVIDIA's sample is in every copy of its tools: evidence with it is a recording."""
        assert closing(examine(rims=h100_manifests(), nonce=bytes(32))) == {"binding.gpu_nonce"}

    def test_under_another_devices_certificates_it_is_refused_by_its_signature(self) -> None:
        stranger = replace(H100, certificate_chain=vector_item(SDK, "ut.report", "ut.chain", HOPPER).certificate_chain)
        assert closing(examine([stranger], rims=h100_manifests())) == {"gpu.report.signature"}

    @pytest.mark.parametrize(("label", "check"), [(BLACKWELL, "gpu.architecture"), (LS10, "gpu.report.parse")])
    def test_under_another_label_it_is_refused(self, label: Architecture, check: str) -> None:
        assert closing(examine([replace(H100, architecture=label)], rims=h100_manifests())) == {check}

    def test_twice_it_is_one_device(self) -> None:
        assert closing(examine([H100, H100], rims=h100_manifests())) == {"gpu.node.distinct"}

    @pytest.mark.parametrize("certificate", ["Root-CA-L1B.cer", "Root-CA.cer"])
    def test_either_self_signed_root_with_nvidias_key_ends_its_chain(self, certificate: str) -> None:
        root = (VECTORS / "museop-rims" / certificate).read_bytes()
        root = parse_pem_chain(root, "root")[0] if root.startswith(b"-----") else root
        links = [*parse_pem_chain(H100.certificate_chain, "chain")[:4], root]
        pem = b"".join(
            b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n" for der in links
        )
        assert examine([replace(H100, certificate_chain=pem)], rims=h100_manifests()).verdict is Verdict.VERIFIED


def hopper(report: str, chain: str) -> Callable[[], list[DeviceItem]]:
    return lambda: [vector_item(SDK, report, chain, HOPPER)]


GENUINE: Final[dict[str, Callable[[], list[DeviceItem]]]] = {
    "asdk-hopper-535": hopper("report", "chain"),
    "asdk-hopper-535 expired": hopper("expired.report", "expired.chain"),
    "asdk-hopper-535 ut": hopper("ut.report", "ut.chain"),
    "asdk-blackwell-gb100": lambda: [vector_item("asdk-blackwell-gb100", "report", "chain", BLACKWELL)],
    "asdk-hopper-evidence": lambda: [*nvattest_items("asdk-hopper-evidence")],
    "asdk-multi-gpu-hopper": lambda: [*nvattest_items("asdk-multi-gpu-hopper")],
    "nvtrust-h100-test-no-gpu": lambda: [vector_item("nvtrust-h100-test-no-gpu", "report", "chain", HOPPER)],
    "near": lambda: [*near_node()],
    **{f"chutes {number}": lambda number=number: [*chutes_nodes()[number]] for number in range(4)},  # type: ignore[misc]
}
"""What is genuine although no manifest of it is at hand."""
GPUS: Final = {"asdk-multi-gpu-hopper": 4, "near": 8, **{f"chutes {number}": 8 for number in range(4)}}


@pytest.mark.parametrize("name", GENUINE)
def test_a_real_node_is_genuine_as_far_as_its_documents_reach(name: str) -> None:
    items = GENUINE[name]()
    result = examine(items, skips=UNCOMPARED, nonce=None)
    assert closing(result) == set()
    assert result.verdict is Verdict.VERIFIED
    assert len(result.gpus) == len(items) == GPUS.get(name, 1)
    assert result.check("gpu.measurements", "gpu[0]").status is Status.SKIPPED


@pytest.mark.parametrize("name", GENUINE)
def test_without_its_manifests_it_is_undecided_and_nothing_else(name: str) -> None:
    assert closing(examine(GENUINE[name](), nonce=None)) == {"gpu.rim.parse"}


def test_a_real_switch_verifies_31_of_31_beside_a_gpu() -> None:
    """The switch is in order. The GPU is wired to none, and by then its manifest has aged out."""
    switch = vector_item("asdk-switch-ls10", "report", "chain", LS10)
    documents = (*h100_manifests(), rim("asdk-switch-ls10", "bios_rim.xml"))
    result = examine(switches=[switch], keys={"switches": "1"}, rims=documents, at=datetime(2026, 11, 24, tzinfo=UTC))
    rows = {row.id: row for row in result.checks if row.device == "switch[0]"}
    assert rows["gpu.measurements"].finding.actual == "31 of 31 (31 switch BIOS)"
    assert not any(row.status.closes_gate for row in rows.values())
    assert closing(result) == {"gpu.rim.chain_validity", "gpu.node.ppcie", "gpu.topology.links"}
    assert result.switches[0].locked


def test_a_real_switch_is_no_gpu() -> None:
    switch = vector_item("asdk-switch-ls10", "report", "chain", LS10)
    assert closing(examine([switch], skips=UNCOMPARED, nonce=None)) == {"gpu.node.count", "gpu.node.mode"}
    assert closing(examine([replace(switch, architecture=HOPPER)], skips=UNCOMPARED)) == {"gpu.report.parse"}


def test_nvidias_altered_reports_are_refused_by_their_signature() -> None:
    gpu = vector_item(SDK, "bad_signature.report", "chain", HOPPER)
    assert closing(examine([gpu], skips=UNCOMPARED)) == {"gpu.report.signature"}
    switch = vector_item("asdk-switch-ls10", "bad_signature.report", "chain", LS10)
    result = examine(switches=[switch], rims=h100_manifests())
    assert {(row.id, row.device) for row in result.checks if row.status.closes_gate} == {("gpu.report.signature", "switch[0]")}


DRIVER, VBIOS = H100_RIMS
ALTERED: Final = {
    "incorrect signature": ("asdk-rims", "neg_incorrect_signature_driver_rim.xml", "gpu.rim.signature"),
    "debug root": ("asdk-rims", "neg_incorrect_cert_chain_driver_rim.xml", "gpu.rim.chain"),
    "measurements changed": ("asdk-rims", "NV_GPU_DRIVER_GH100_535.86.09_measurement_mismatch.xml", "gpu.rim.signature"),
    "expired": ("asdk-rims", "NV_GPU_DRIVER_GH100_570.124.03_expired.xml", "gpu.rim.signature"),
    "another driver's": ("asdk-rims", "NV_GPU_DRIVER_GH100_550.144.03.xml", "gpu.rim.driver"),
    "nvtrust's test RIM": ("nvtrust-h100-test-no-gpu", "driver_rim.xml", "gpu.rim.driver"),
    "a switch's": ("asdk-switch-ls10", "bios_rim.xml", "gpu.rim.driver"),
}


@pytest.mark.parametrize("name", ALTERED)
def test_a_wrong_manifest_under_the_right_id_is_refused_by_the_right_check(name: str) -> None:
    """As a service, a cache or a bundle might hand it over. Signers of most have expired, which is its own check's word."""
    folder, file, check = ALTERED[name]
    result = examine(rims=[rim(folder, file, DRIVER), h100_manifests()[1]])
    failed = {row.id for row in result.checks if row.status is Status.FAILED}
    assert check in failed
    assert failed - {"gpu.rim.chain_validity"} == {check}
    assert result.check("gpu.measurements", "gpu[0]").status is Status.NOT_RUN


@pytest.mark.parametrize(
    ("report", "chain", "file"),
    [
        ("report", "chain", "NV_GPU_DRIVER_GH100_535.86.09_measurement_mismatch.xml"),
        ("expired.report", "expired.chain", "NV_GPU_DRIVER_GH100_570.124.03_expired.xml"),
    ],
)
def test_nvidias_altered_manifests_are_refused_for_the_reports_they_were_altered_for(
    report: str, chain: str, file: str
) -> None:
    """As files, found by what they say they are for; the VBIOS's manifest is absent, and says so beside it."""
    item = vector_item(SDK, report, chain, HOPPER)
    vbios = [rim("nvtrust-vbios-rims", name) for name in ("1010_0200_882_96005E0001_PROD.swidtag",)]
    other = [rim("nvtrust-vbios-rims", "1010_0205_862_96005E0004_PROD.swidtag")]
    result = examine([item], rims=[rim("asdk-rims", file), *vbios, *other], nonce=None)
    assert closing(result) - {"gpu.rim.chain_validity"} == {"gpu.rim.signature"}


@pytest.mark.parametrize(
    ("file", "check"),
    [("bios_rim_invalid_signature.xml", "gpu.rim.signature"), ("bios_rim_measurement_mismatch.xml", "gpu.rim.signature")],
)
def test_nvidias_altered_switch_manifests_are_refused(file: str, check: str) -> None:
    switch = vector_item("asdk-switch-ls10", "report", "chain", LS10)
    document = rim("asdk-switch-ls10", file, "NV_SWITCH_BIOS_5612_0002_890_9610550001")
    result = examine(switches=[switch], rims=[*h100_manifests(), document])
    failed = {row.id for row in result.checks if row.device == "switch[0]" and row.status.closes_gate}
    assert failed - {"gpu.rim.chain_validity"} == {check}


def test_versions_that_nobody_published_manifests_for_are_named_with_what_is_at_hand() -> None:
    result = examine([vector_item(SDK, "ut.report", "ut.chain", HOPPER)], rims=h100_manifests(), nonce=None)
    reason = str(result.check("gpu.rim.parse", "gpu[0]").reason)
    assert "NV_GPU_DRIVER_GH100_580.159.03 is not at hand; at hand are GH100 GPU 550.90.07" in reason
