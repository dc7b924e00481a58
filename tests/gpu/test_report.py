"""Reports, opaque data and requests: what is read, and what is refused."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

import pytest

from tests.gpu.fake_nvidia import NONCE, DeviceShape, fake_item, gpu_records, legacy, pdi, report_of, switch_records
from tests.gpu.real_devices import H100, H100_NONCE, VECTORS, needs_vectors, nvattest_items, vector_item
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.gpu_fields import FeatureFlag, read_gpu_fields, read_switch_fields
from voltage_attest.evidence.gpu_opaque import parse_opaque_data
from voltage_attest.evidence.gpu_report import Architecture, decode_report_bytes, parse_device_report
from voltage_attest.evidence.nras_request import MAX_DEVICES, parse_nras_request
from voltage_attest.evidence.spdm import MAX_REPORT_SIZE, parse_exchange

GPU = report_of(DeviceShape())
NVDAOD = b"NVDAOD" + bytes.fromhex("000002000000")


def refusal(data: bytes, architecture: Architecture = Architecture.HOPPER) -> str:
    with pytest.raises(EvidenceFormatError) as caught:
        parse_device_report(data, architecture)
    return caught.value.found


def altered(offset: int, new: bytes, data: bytes = GPU) -> bytes:
    return data[:offset] + new + data[offset + len(new) :]


def versioned(records: Mapping[int, bytes], *, fwid_type: int = 1) -> bytes:
    """The NVDAOD layout."""
    heads = [(kind, fwid_type if kind == 20 else 0x82, data) for kind, data in records.items()]
    return NVDAOD + b"".join(
        [
            b"".join([number.to_bytes(2, "little") for number in (kind, value_type, len(data))]) + data
            for kind, value_type, data in heads
        ]
    )


def with_opaque(opaque: bytes) -> bytes:
    return report_of(DeviceShape(opaque=opaque))


def test_the_h100_sample_is_what_its_provenance_says() -> None:
    report = parse_device_report(H100.report, H100.architecture)
    assert report.exchange.nonce == H100_NONCE
    assert [measurement.index for measurement in report.exchange.measurements] == list(range(1, 65))
    assert report.exchange.signed_bytes + report.exchange.signature == H100.report
    gpu = report.gpu
    assert gpu is not None
    assert (gpu.board, gpu.driver_version, gpu.vbios_version) == ("1010_0200_882", "550.90.07", "96.00.9F.00.01")
    assert (gpu.nvdec0, gpu.protected_pcie, gpu.feature_flag, gpu.switch_pdis) == (False, False, None, ())
    assert report.switch is None


@needs_vectors
def test_a_report_reads_as_nvidia_reads_it() -> None:
    """Measurements, responder nonce and switch lists as in NVIDIA's own parse of the same report."""
    parsed = json.loads((VECTORS / "asdk-switch-ls10" / "ut.spdm_parsed_output.json").read_bytes())
    item = vector_item("asdk-switch-ls10", "ut.report", "ut.chain", Architecture.LS10)
    report = parse_device_report(item.report, item.architecture)
    fields, switch = parsed["OpaqueData"]["OpaqueDataField"], report.switch
    assert switch is not None
    assert report.exchange.responder_nonce.hex() == parsed["Nonce"][2:]
    assert [f"0x{name.hex()}" for name in switch.gpu_pdis] == fields["OPAQUE_FIELD_ID_SWITCH_GPU_PDIS"]
    assert [0xFF if port is None else port for port in switch.ports] == [
        int(port, 16) for port in fields["OPAQUE_FIELD_ID_SWITCH_PORT"]
    ]
    assert switch.device_pdi is not None
    assert f"0x{switch.device_pdi.hex()}" == fields["OPAQUE_FIELD_ID_DEVICE_PDI"]
    assert (switch.vbios_version, switch.locked) == ("96.10.55.00.01", True)


@needs_vectors
def test_the_versioned_opaque_data_of_a_620_driver_reads() -> None:
    opaque = parse_opaque_data(bytes.fromhex((VECTORS / "asdk-nvdaod-opaque" / "opaque.hex.txt").read_text()))
    gpu = read_gpu_fields(opaque)
    assert opaque.version == (2, 0, 0)
    assert (gpu.board, gpu.driver_version, gpu.vbios_version) == ("G520_0201_884", "620.12", "96.00.D9.00.0F")
    assert (gpu.feature_flag, gpu.nvdec0, gpu.protected_pcie, gpu.fsp_ucode_svn) == (FeatureFlag.SPT, True, False, 0)
    assert gpu.fwid is not None
    assert gpu.fwid.hex().startswith("0d7cde10")


@needs_vectors
def test_a_gpu_in_protected_pcie_names_its_four_switches() -> None:
    (item,) = nvattest_items("asdk-hopper-evidence")
    gpu = parse_device_report(item.report, item.architecture).gpu
    assert gpu is not None
    assert {name.hex() for name in gpu.switch_pdis if name is not None} == {
        "03dba23b3c11bd8a",
        "3a53b743d811e977",
        "666e93e19dec7d2d",
        "9ae3beba9e673275",
    }
    assert (gpu.feature_flag, gpu.protected_pcie, gpu.board) == (FeatureFlag.PPCIE, True, "G520_0200_885")


@pytest.mark.parametrize(
    ("data", "found"),
    [
        pytest.param(b"", "request header needs 4 bytes", id="nothing"),
        pytest.param(altered(0, b"\x12"), "SPDM request 12e001ff", id="another version"),
        pytest.param(altered(2, b"\x00"), "SPDM request 11e000ff", id="no signature asked for"),
        pytest.param(altered(3, b"\x01"), "SPDM request 11e00101", id="one measurement asked for"),
        pytest.param(altered(36, b"\x01"), "certificate slot 1", id="another slot"),
        pytest.param(altered(38, b"\x7f"), "SPDM response 117f0000", id="an error response"),
        pytest.param(altered(41, b"\x3f"), "3520 bytes for 63 blocks", id="one block fewer than the record holds"),
        pytest.param(altered(41, b"\x00"), "3520 bytes for 0 blocks", id="no blocks"),
        pytest.param(altered(45, b"\x02"), "measurement index 2 occurs twice", id="an index twice"),
        pytest.param(altered(45, b"\x00"), "measurement block 0", id="index zero"),
        pytest.param(altered(46, b"\x02"), "specification 2", id="not DMTF"),
        pytest.param(altered(47, b"\x32"), "sizes 50 and 48", id="sizes that disagree"),
        pytest.param(altered(49, b"\x81"), "type 0x81", id="a raw bit stream"),
        pytest.param(GPU + b"\0", "1 bytes are left over", id="one byte after the signature"),
        pytest.param(GPU[:-1], "signature needs 96 bytes", id="one byte short"),
        pytest.param(bytes(MAX_REPORT_SIZE + 1), f"the report has {MAX_REPORT_SIZE + 1} bytes", id="too large"),
    ],
)
def test_refuses_an_exchange_that_does_not_nest(data: bytes, found: str) -> None:
    assert found in refusal(data)


@pytest.mark.parametrize(
    ("opaque", "found"),
    [
        pytest.param(legacy(gpu_records()) + legacy({20: bytes(48)}), "type 20 twice", id="a type twice"),
        pytest.param(legacy(gpu_records()) + b"\x14\0\x30\0", "record of type 20 needs 48 bytes", id="cut off"),
        pytest.param(legacy(gpu_records(t255=b"")), "type 255", id="the invalid type"),
        pytest.param(legacy(gpu_records(t3=None)), "DRIVER_VERSION (type 3) is ''", id="no driver version"),
        pytest.param(legacy(gpu_records(t3=b"590.12/..\0")), "DRIVER_VERSION", id="a driver version with a path"),
        pytest.param(legacy(gpu_records(t3=b"590\0.12")), "DRIVER_VERSION", id="NUL inside text"),
        pytest.param(legacy(gpu_records(t17=b"G5 0\0")), "PROJECT (type 17)", id="a space in a name"),
        pytest.param(legacy(gpu_records(t6=bytes(7))), "VBIOS_VERSION (type 6) is of 7 bytes", id="a short VBIOS version"),
        pytest.param(legacy(gpu_records(t6=None)), "VBIOS_VERSION (type 6) is absent", id="no VBIOS version"),
        pytest.param(legacy(gpu_records(t20=bytes(47))), "FWID (type 20) is of 47 bytes", id="a short FWID"),
        pytest.param(legacy(gpu_records(t21=b"\0")), "PROTECTED_PCIE_STATUS (type 21) is 00", id="neither on nor off"),
        pytest.param(legacy(gpu_records(t36=b"\3\0")), "FEATURE_FLAG (type 36) is 0300", id="an unknown mode"),
        pytest.param(legacy(gpu_records(t22=bytes(136))), "SWITCH_PDI (type 22) is of 136 bytes", id="17 links"),
        pytest.param(b"NVDAOD" + bytes.fromhex("010002000000"), "NVDAOD profile 1", id="another profile"),
        pytest.param(b"NVDAOD" + bytes.fromhex("000003000000"), "version 3.0.0", id="a newer major version"),
        pytest.param(NVDAOD[:-1] + b"\1", "pad 1", id="a pad that is set"),
        pytest.param(
            versioned(gpu_records(), fwid_type=0x82), "FWID (type 20) is of value type 130", id="a FWID that is no digest"
        ),
        pytest.param(NVDAOD + bytes.fromhex("140082003000") + bytes(48), "DRIVER_VERSION", id="versioned, without a driver"),
    ],
)
def test_refuses_opaque_data_of_another_shape(opaque: bytes, found: str) -> None:
    assert found in refusal(with_opaque(opaque))


def test_an_unknown_record_is_kept_by_its_number_in_both_layouts() -> None:
    old = parse_device_report(with_opaque(legacy(gpu_records(t900=b"new"))), Architecture.HOPPER)
    assert old.opaque.records[900].data == b"new"
    new = parse_device_report(with_opaque(versioned(gpu_records(t900=b"new"))), Architecture.HOPPER)
    assert (new.opaque.records[900].data, new.opaque.records[900].value_type) == (b"new", 0x82)
    assert new.gpu == old.gpu


def test_the_device_class_chooses_the_table() -> None:
    """Type 22 of a switch is one PDI, of a GPU eighteen: neither reads by the other's table."""
    switch = report_of(DeviceShape(architecture=Architecture.LS10, records={**switch_records(), 22: pdi("a")}))
    parsed = parse_device_report(switch, Architecture.LS10).switch
    assert parsed is not None
    assert parsed.device_pdi == pdi("a")
    assert "DRIVER_VERSION" in refusal(switch)
    assert "VBIOS_VERSION" in refusal(GPU, Architecture.LS10)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({6: b"96.10.55"}, "VBIOS_VERSION"),
        ({22: bytes(7)}, "DEVICE_PDI"),
        ({25: b"\1"}, "SWITCH_LOCK_STATUS"),
        ({26: bytes(127)}, "SWITCH_GPU_PDIS"),
        ({26: bytes(127) + b"\x08"}, "SWITCH_GPU_PDIS"),
    ],
)
def test_refuses_switch_records_of_another_shape(change: dict[int, bytes], found: str) -> None:
    with pytest.raises(EvidenceFormatError, match=found):
        read_switch_fields(parse_opaque_data(legacy({**switch_records(), **change})))


def test_a_report_reads_from_raw_hex_and_base64_alike() -> None:
    spaced = " ".join(f"0x{octet:02x}" for octet in GPU)
    for text in (GPU, GPU.hex().encode(), spaced.encode(), b"\n" + GPU.hex().upper().encode() + b"\n", base64.b64encode(GPU)):
        assert decode_report_bytes(text) == GPU
    for text in (b"", b"no report", b"abc", b"x" * (6 * MAX_REPORT_SIZE + 1)):
        with pytest.raises(EvidenceFormatError):
            decode_report_bytes(text)


def member(arch: str | None = "HOPPER", **changes: object) -> dict[str, object]:
    given = {"evidence": base64.b64encode(GPU).decode(), "certificate": base64.b64encode(b"chain").decode(), **changes}
    return {**given, "arch": arch} if arch else given


def test_a_request_gives_its_devices_and_what_it_calls_its_nonce() -> None:
    frame = {"nonce": NONCE.hex(), "arch": "HOPPER", "evidence_list": [member(None)], "claims_version": "3.0", "extra": 1}
    request = parse_nras_request(json.dumps(frame).encode())
    assert request.claimed_nonce == NONCE
    assert [(item.architecture, item.report, item.certificate_chain) for item in request.items] == [("HOPPER", GPU, b"chain")]
    assert request.warnings == ("the GPU evidence: the unknown key 'extra' was ignored",)
    assert parse_nras_request(json.dumps([member(nonce="00")]).encode()).items == request.items


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ({"arch": "HOPPER"}, "has no 'evidence_list'"),
        ({"arch": "HOPPER", "evidence_list": []}, "is empty"),
        ({"arch": "hopper", "evidence_list": [member(None)]}, "arch is the text 'hopper'"),
        ({"evidence_list": [member(None)]}, "names no architecture"),
        ({"arch": "HOPPER", "evidence_list": [member("LS10")]}, "mixes HOPPER, LS10"),
        ([member(), member("BLACKWELL")], "mixes BLACKWELL, HOPPER"),
        ({"arch": "HOPPER", "nonce": "00" * 31, "evidence_list": [member()]}, "nonce is"),
        ({"arch": "HOPPER", "evidence_list": [member(evidence="!")]}, "evidence is"),
        ({"arch": "HOPPER", "evidence_list": [member(evidence="AAAA" * 20_000)]}, "evidence is"),
        ([member()] * (MAX_DEVICES + 1), "a list of 65 members"),
    ],
)
def test_refuses_a_request_of_another_shape(document: object, found: str) -> None:
    with pytest.raises(EvidenceFormatError) as caught:
        parse_nras_request(json.dumps(document).encode())
    assert found in caught.value.found


def test_the_signed_bytes_are_everything_but_the_signature() -> None:
    exchange = parse_exchange(fake_item(DeviceShape()).report)
    assert exchange.signed_bytes == exchange.raw[:-96]
    assert exchange.nonce == NONCE != exchange.responder_nonce
