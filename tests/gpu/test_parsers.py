"""GPU parsers return a model or raise EvidenceFormatError, whatever comes in; and no altered bit of a real report passes."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gpu.fake_nvidia import FWID, DeviceShape, fake_item, fwid_extension, gpu_records, legacy, node, report_of
from tests.gpu.judging import failing, judge_device
from tests.gpu.real_devices import H100, H100_NONCE
from tests.support.mutations import json_values, mutated_bytes
from tests.support.parsers import assert_read_or_refused
from tests.support.sampling import examples
from voltage_attest.crypto.certificates import CertificateLoader, load_certificate
from voltage_attest.crypto.signatures import P384
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.dice import parse_composite_device_fwid, parse_tcb_info_fwid
from voltage_attest.evidence.gpu_fields import read_gpu_fields, read_switch_fields
from voltage_attest.evidence.gpu_opaque import parse_opaque_data
from voltage_attest.evidence.gpu_report import Architecture, decode_report_bytes, parse_device_report
from voltage_attest.evidence.nras_request import parse_nras_request
from voltage_attest.evidence.pem import parse_pem_chain
from voltage_attest.verify.gpu_case import DeviceChain, DeviceExpectations, read_device_chain
from voltage_attest.verify.unreadable import Unreadable

Parser = Callable[[bytes], object]

SWITCH = report_of(node()[1][0])
REPORTS = [H100.report, report_of(node()[0][0]), SWITCH]
OPAQUE = [
    *[parse_device_report(data, Architecture.HOPPER).exchange.opaque_data for data in REPORTS[:2]],
    parse_device_report(SWITCH, Architecture.LS10).exchange.opaque_data,
    b"NVDAOD" + bytes.fromhex("000002000000") + bytes.fromhex("140001003000") + FWID,
    legacy(gpu_records()),
]
CERTIFICATES = list(parse_pem_chain(H100.certificate_chain, "chain"))
EXTENSIONS = [fwid_extension(FWID, blackwell=kind).public_bytes() for kind in (True, False)]
REQUEST = json.dumps(
    {
        "nonce": H100_NONCE.hex(),
        "arch": "HOPPER",
        "evidence_list": [
            {
                "evidence": base64.b64encode(H100.report).decode(),
                "certificate": base64.b64encode(H100.certificate_chain).decode(),
            }
        ],
    }
).encode()

PARSERS: dict[str, tuple[Parser, list[bytes]]] = {
    "GPU report": (lambda data: parse_device_report(data, Architecture.HOPPER), REPORTS),
    "switch report": (lambda data: parse_device_report(data, Architecture.LS10), REPORTS),
    "report text": (decode_report_bytes, [H100.report.hex().encode(), base64.b64encode(H100.report)]),
    "GPU fields": (lambda data: read_gpu_fields(parse_opaque_data(data)), OPAQUE),
    "switch fields": (lambda data: read_switch_fields(parse_opaque_data(data)), OPAQUE),
    "certificate": (lambda data: load_certificate(data, "certificate", P384), CERTIFICATES),
    "Hopper FWID": (lambda data: parse_composite_device_fwid(data, "FWID"), EXTENSIONS),
    "Blackwell FWID": (lambda data: parse_tcb_info_fwid(data, "FWID"), EXTENSIONS),
    "request": (parse_nras_request, [REQUEST]),
}


@pytest.mark.parametrize("name", PARSERS)
@given(data=st.binary(max_size=1024))
def test_random_bytes_are_read_or_refused(name: str, data: bytes) -> None:
    assert_read_or_refused(PARSERS[name][0], data, EvidenceFormatError)


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=examples(150))
@given(data=st.data())
def test_altered_evidence_is_read_or_refused(name: str, data: st.DataObject) -> None:
    parse, originals = PARSERS[name]
    assert_read_or_refused(parse, data.draw(mutated_bytes(originals)), EvidenceFormatError)


@given(value=json_values(), listed=json_values())
def test_any_json_is_a_request_or_refused(value: object, listed: object) -> None:
    for document in (value, [value], {"arch": "HOPPER", "evidence_list": listed}, {"arch": value, "evidence_list": [listed]}):
        assert_read_or_refused(parse_nras_request, json.dumps(document).encode(), EvidenceFormatError)


@settings(max_examples=examples(150))
@given(pem=mutated_bytes([H100.certificate_chain]))
def test_an_altered_chain_is_read_or_becomes_a_finding(pem: bytes) -> None:
    assert isinstance(read_device_chain(pem, CertificateLoader(curve=P384)), DeviceChain | Unreadable)


EXPECTED = DeviceExpectations()
REPORT_GUARDS = {"gpu.report.parse", "gpu.report.signature", "gpu.architecture"}
CHAIN_GUARDS = {"gpu.chain.parse", "gpu.chain"}


def test_no_altered_bit_of_a_real_report_passes() -> None:
    """A seeded sample over the whole report, every bit of what frames it, and one at least of each block."""
    size = 8 * len(H100.report)
    framing = {*range(8 * 4), *range(8 * 36, 8 * 52), *range(size - 8 * 96, size, 37)}
    draw = random.Random(20261124)  # noqa: S311 - a sample, no secret
    for position in sorted(framing | set(draw.sample(range(size), 500))):
        report = bytearray(H100.report)
        report[position // 8] ^= 1 << position % 8
        refusing = failing(judge_device(replace(H100, report=bytes(report)), EXPECTED))
        assert refusing & REPORT_GUARDS, position
        assert refusing <= REPORT_GUARDS, position


def test_no_altered_bit_of_a_real_chain_passes() -> None:
    """In the certificates themselves. Their last one's own signature is covered too, since it must sign itself."""
    text = H100.certificate_chain
    draw = random.Random(20261124)  # noqa: S311 - a sample, no secret
    for position in draw.sample(range(8 * len(text)), 400):
        chain = bytearray(text)
        chain[position // 8] ^= 1 << position % 8
        if chain.translate(None, b"\r\n") == text.translate(None, b"\r\n"):
            continue  # one line break for another: the certificates are the same
        assert failing(judge_device(replace(H100, certificate_chain=bytes(chain)), EXPECTED)) & CHAIN_GUARDS, position


def test_an_altered_report_of_the_stand_in_is_told_apart_from_a_genuine_one() -> None:
    """The sweep has teeth: unaltered, both reports verify."""
    assert failing(judge_device(H100, EXPECTED)) == set()
    assert fake_item(DeviceShape()).report != H100.report
