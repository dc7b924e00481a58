"""The fake NVIDIA's devices: shaped as real ones, believed under its roots alone, refused where they differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256, sha384

import pytest
from cryptography import x509

from tests.gpu.real_devices import H100, needs_vectors, vector_item
from tests.testing.nvidia_judging import NONCE, closing, judge
from voltage_attest.evidence.gpu_fields import FeatureFlag
from voltage_attest.evidence.gpu_report import Architecture, DeviceReport, parse_device_report
from voltage_attest.evidence.nras_request import DeviceItem, parse_nras_request
from voltage_attest.result import Verdict
from voltage_attest.testing import (
    GB100_GPU,
    H100_GPU,
    H200_GPU,
    Chip,
    FakeNvidia,
    GpuMode,
    NvGpuFields,
    NvidiaDevice,
    NvidiaNode,
    NvSwitchFields,
    derive_p384_key,
    evidence_json,
    gpu_nonce,
)

NVIDIA = FakeNvidia()
NODE = NVIDIA.node()
VERSIONED = replace(H100_GPU, driver="620.12", versioned=True)

# Written down, so that a library version, machine or year that changes a byte is noticed.
NODE_SHA256 = "6f22e7af8f71cad766c903ac631e3d26ba2d755e52dedb06c0a2c8cf39b408fa"


def parsed(device: NvidiaDevice) -> DeviceReport:
    return parse_device_report(device.report(NONCE), Architecture(device.chip.architecture))


def shape(certificate: x509.Certificate) -> list[tuple[str, bool, str]]:
    """Names and extensions in their order, without what differs between devices."""
    names = [
        (attribute.oid.dotted_string, False, attribute._type.name)
        for name in (certificate.issuer, certificate.subject)
        for attribute in name
    ]
    return [*names, *[(each.oid.dotted_string, each.critical, _constant(each.value)) for each in certificate.extensions]]


def _constant(value: x509.ExtensionType) -> str:
    match value:
        case x509.UnrecognizedExtension():
            return str(len(value.value))
        case x509.BasicConstraints() | x509.KeyUsage() | x509.AuthorityInformationAccess() | x509.CRLDistributionPoints():
            return repr(value)
    return type(value).__name__


def assert_shaped_as(device: NvidiaDevice, real: DeviceItem) -> None:
    genuine = x509.load_pem_x509_certificates(real.certificate_chain)
    fake = x509.load_pem_x509_certificates(device.chain_pem.encode())
    assert len(fake) == len(genuine) == 5
    for ours, theirs in zip(fake, genuine, strict=True):
        assert shape(ours) == shape(theirs)
        assert _common_names(ours) == _common_names(theirs)
        assert ours.not_valid_after_utc == theirs.not_valid_after_utc
        assert len(f"{ours.serial_number:x}") == len(f"{theirs.serial_number:x}")
    report, recorded = parsed(device), parse_device_report(real.report, real.architecture)
    assert len(report.exchange.measurements) == len(recorded.exchange.measurements)
    sizes = {kind: len(record.data) for kind, record in recorded.opaque.records.items()}
    shared = {kind: len(record.data) for kind, record in report.opaque.records.items() if kind in sizes}
    assert set(shared) == set(sizes)
    assert [kind for kind in report.opaque.records if kind in sizes] == list(sizes)
    variable = {3, 12}
    assert {kind: size for kind, size in shared.items() if kind not in variable} == {
        kind: size for kind, size in sizes.items() if kind not in variable
    }


def _common_names(certificate: x509.Certificate) -> list[str]:
    names = (certificate.subject, certificate.issuer)
    return [str(name.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value) for name in names]


def test_gpu_is_shaped_as_a_real_h100() -> None:
    assert_shaped_as(NVIDIA.gpu(), H100)


@needs_vectors
def test_gpu_is_shaped_as_a_real_blackwell() -> None:
    real = vector_item("asdk-blackwell-gb100", "report", "chain", Architecture.BLACKWELL)
    assert_shaped_as(NVIDIA.gpu(GB100_GPU), real)


@needs_vectors
def test_switch_is_shaped_as_a_real_ls10() -> None:
    real = vector_item("asdk-switch-ls10", "report", "chain", Architecture.LS10)
    assert_shaped_as(NVIDIA.switch(), real)


@pytest.mark.parametrize("fields", [H100_GPU, H200_GPU, GB100_GPU, VERSIONED], ids=["h100", "h200", "gb100", "nvdaod"])
def test_single_gpu_verifies_under_the_fakes_roots(fields: NvGpuFields) -> None:
    pins = f'chips = ["{fields.chip}"]\nboards = ["{fields.board}"]\nmodes = ["{fields.mode}"]\nmin_driver = "{fields.driver}"'
    result = judge(NVIDIA, [NVIDIA.gpu(fields)], policy=f'{pins}\nmin_vbios = "{fields.vbios}"')
    assert result.verdict is Verdict.VERIFIED, closing(result)


def test_node_verifies_with_its_switches() -> None:
    result = judge(NVIDIA, NODE.gpus, NODE.switches, policy='modes = ["ppcie"]')
    assert result.verdict is Verdict.VERIFIED, closing(result)


@pytest.mark.parametrize(
    "node",
    [
        NVIDIA.node(gpus=1, switches=0),
        NVIDIA.node(gpus=4, switches=0, gpu=GB100_GPU),
        NVIDIA.node(gpus=8, switches=0, gpu=H200_GPU, mode=GpuMode.PPCIE),
    ],
    ids=["one", "four in MPT", "eight in PPCIE, without switch evidence"],
)
def test_node_without_switches_verifies(node: NvidiaNode) -> None:
    result = judge(NVIDIA, node.gpus)
    assert result.verdict is Verdict.VERIFIED, closing(result)


def test_group_of_another_size_is_not_made() -> None:
    with pytest.raises(ValueError, match="4 GPUs with 4 switches: a protected PCIe group has 8 and 4"):
        NVIDIA.node(gpus=4, switches=4)


DIFFERENCES: Mapping[str, tuple[NvGpuFields, str, set[str]]] = {
    "older driver": (replace(H100_GPU, driver="550.90.07"), 'min_driver = "570.00"', {"gpu.policy.min_driver"}),
    "older VBIOS": (replace(H100_GPU, vbios="96.00.74.00.01"), 'min_vbios = "96.00.9F.00.01"', {"gpu.policy.min_vbios"}),
    "another board": (H200_GPU, 'boards = ["G520_0200_885"]', {"gpu.policy.board"}),
    "another chip": (GB100_GPU, 'chips = ["GH100"]', {"gpu.policy.chip"}),
    "another mode": (replace(H100_GPU, mode=GpuMode.MPT), 'modes = ["spt"]', {"gpu.mode"}),
    "flag without protected PCIe": (
        replace(H100_GPU, records={36: b"\2\0"}),
        "",
        {"gpu.mode", "gpu.node.ppcie", "gpu.topology.links"},
    ),
    "firmware that is not certified": (replace(H100_GPU, records={20: bytes(48)}), "", {"gpu.fwid"}),
    "firmware that is not reported": (replace(H100_GPU, records={20: None}), "", {"gpu.fwid"}),
    "nothing certified of firmware": (replace(H100_GPU, fwid=None), "", {"gpu.fwid"}),
    "another driver measurement": (replace(H100_GPU, measurements={25: bytes(48)}), "", {"gpu.measurements"}),
    "another VBIOS measurement": (replace(H100_GPU, measurements={3: bytes(48)}), "", {"gpu.measurements"}),
    "old security version": (replace(VERSIONED, fsp_ucode_svn=0), "", {"gpu.measurements"}),
    "a report that cannot be read": (replace(H100_GPU, records={3: b"new\0"}), "", {"gpu.report.parse"}),
}


@pytest.mark.parametrize(("fields", "policy", "refused"), DIFFERENCES.values(), ids=DIFFERENCES.keys())
def test_difference_is_refused_by_the_check_for_it(fields: NvGpuFields, policy: str, refused: set[str]) -> None:
    assert closing(judge(NVIDIA, [NVIDIA.gpu(fields)], policy=policy)) == refused


def test_measurement_that_no_manifest_names_is_not_judged() -> None:
    assert judge(NVIDIA, [NVIDIA.gpu(replace(H100_GPU, measurements={60: bytes(48)}))]).verdict is Verdict.VERIFIED


def test_report_by_another_key_is_refused() -> None:
    device = NVIDIA.gpu()
    forged = replace(device, leaf=replace(device.leaf, key=derive_p384_key("attacker")))
    assert closing(judge(NVIDIA, [forged])) == {"gpu.report.signature"}


def test_provisioner_of_another_chip_is_refused() -> None:
    assert closing(judge(NVIDIA, [NVIDIA.gpu(provisioner=NVIDIA.provisioner(Chip.GB100))])) == {"gpu.chain"}


def test_look_alike_is_refused_by_its_root() -> None:
    other = FakeNvidia("look-alike")
    assert other.root.certificate.subject == NVIDIA.root.certificate.subject
    assert closing(judge(NVIDIA, [other.gpu()])) == {"gpu.chain"}


NODES: Mapping[str, tuple[NvidiaNode, set[str]]] = {
    "one GPU twice": (replace(NODE, gpus=(*NODE.gpus[:7], NODE.gpus[0])), {"gpu.node.distinct"}),
    "a switch of another node": (
        replace(NODE, switches=(*NODE.switches[:3], NVIDIA.node(label="elsewhere").switches[3])),
        {"gpu.topology"},
    ),
    "a GPU wired elsewhere": (
        replace(NODE, gpus=(*NODE.gpus[:7], NVIDIA.node(label="elsewhere").gpus[0])),
        {"gpu.topology.links"},
    ),
    "an unlocked switch": (NVIDIA.node(switch=NvSwitchFields(locked=False)), {"gpu.node.switch_lock"}),
    "a switch of other firmware": (
        NVIDIA.node(switch=NvSwitchFields(measurements={4: bytes(48)})),
        {"gpu.measurements"},
    ),
}


@pytest.mark.parametrize(("node", "refused"), NODES.values(), ids=NODES.keys())
def test_difference_of_a_node_is_refused_by_the_check_for_it(node: NvidiaNode, refused: set[str]) -> None:
    assert closing(judge(NVIDIA, node.gpus, node.switches)) == refused


def test_fields_are_reported_as_stated() -> None:
    fields = NvGpuFields(vbios="96.00.D9.00.0F", nvdec0=True, mode=GpuMode.PPCIE, switch_pdis=(b"\1" * 8, b"\2" * 8))
    gpu = parsed(NVIDIA.gpu(fields)).gpu
    assert gpu is not None
    assert (gpu.driver_version, gpu.vbios_version, gpu.board) == (fields.driver, fields.vbios, fields.board)
    assert (gpu.nvdec0, gpu.protected_pcie, gpu.feature_flag) == (True, True, FeatureFlag.PPCIE)
    assert gpu.switch_pdis == (b"\1" * 8,) * 9 + (b"\2" * 8,) * 9
    switch = parsed(NODE.switches[2]).switch
    assert switch is not None
    assert (switch.device_pdi, switch.position, switch.locked) == (NODE.switches[2].pdi, b"\2\0", True)
    assert switch.gpu_pdis == tuple(device.pdi for device in NODE.gpus)
    assert set(switch.ports) == {*range(8), None}


@pytest.mark.parametrize(("driver", "absent"), [("535.86.09", {20, 34, 36}), ("570.00", {34, 36}), ("580.0", set[int]())])
def test_driver_reports_what_its_branch_reports(driver: str, absent: set[int]) -> None:
    records = parsed(NVIDIA.gpu(replace(H100_GPU, driver=driver))).opaque.records
    assert {20, 34, 36} - set(records) == absent


def test_versioned_opaque_data_has_its_header_and_types() -> None:
    report = parsed(NVIDIA.gpu(VERSIONED))
    assert report.opaque.version == (2, 0, 0)
    assert report.opaque.records[37].value_type == 0x87
    assert report.gpu is not None
    assert report.gpu.fsp_ucode_svn == 3


def test_evidence_has_the_shape_of_a_request_to_nras() -> None:
    request = parse_nras_request(evidence_json(NODE.switches, NONCE).encode())
    assert request.claimed_nonce == NONCE
    assert request.warnings == ()
    assert [item.report for item in request.items] == [switch.report(NONCE) for switch in NODE.switches]
    labelled = parse_nras_request(evidence_json(NODE.gpus[:1], NONCE, arch="BLACKWELL").encode())
    assert labelled.items[0].architecture is Architecture.BLACKWELL


def test_opaque_data_can_be_replaced_altogether() -> None:
    report = NVIDIA.gpu().report(NONCE, opaque=b"")
    assert report.index(b"\0\0", len(report) - 98) == len(report) - 98


def test_report_needs_a_whole_nonce() -> None:
    with pytest.raises(ValueError, match="a nonce of 31 bytes, expected 32"):
        NVIDIA.gpu().report(bytes(31))


def test_gpu_nonce_is_that_of_the_binding() -> None:
    assert gpu_nonce(bytes(64)) == sha256(b"voltage-attest/1/gpu\0" + bytes(64)).digest()


def test_devices_of_two_labels_differ_in_every_identity() -> None:
    first, second = NVIDIA.gpu(), NVIDIA.gpu(replace(H100_GPU, label="another"))
    assert first.ueid != second.ueid
    assert first.pdi != second.pdi
    assert first.leaf.key.private_numbers() != second.leaf.key.private_numbers()
    fixed = NVIDIA.gpu(replace(H100_GPU, pdi=b"\7" * 8))
    assert fixed.pdi == b"\7" * 8
    assert fixed.leaf.chain[1].serial == int.from_bytes(b"\x41" + b"\7" * 8, "big")


def test_devices_can_be_keys() -> None:
    changed = replace(H100_GPU, measurements={25: bytes(48)})
    assert len({NVIDIA.gpu(), NVIDIA.gpu(changed), FakeNvidia().gpu(), *NODE.devices}) == 2 + 12


def test_leaf_key_follows_from_the_firmware() -> None:
    other = NVIDIA.gpu(replace(H100_GPU, fwid=sha384(b"an update").digest()))
    assert other.pdi == NVIDIA.gpu().pdi
    assert other.ueid != NVIDIA.gpu().ueid


def test_certificates_can_name_another_origin() -> None:
    origin = "https://localhost:8443"
    family = FakeNvidia(origin=origin).family().certificate
    access = family.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    points = family.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    assert [each.access_location.value for each in access] == [f"{origin}/ocsp"]
    assert points[0].full_name is not None
    assert points[0].full_name[0].value == f"{origin}/crl/l1-root.crl"


def test_two_instances_make_equal_bytes() -> None:
    nodes = [FakeNvidia("fake nvidia").node(), FakeNvidia().node()]
    texts = [node.gpu_evidence(NONCE) + str(node.switch_evidence(NONCE)) for node in nodes]
    assert texts[0] == texts[1]
    assert sha256(texts[0].encode()).hexdigest() == NODE_SHA256
