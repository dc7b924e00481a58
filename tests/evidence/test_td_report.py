"""TD reports and SGX reports: each field at its offset."""

from __future__ import annotations

import pytest

from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.enclave_report import ENCLAVE_REPORT_SIZE, parse_enclave_report
from voltage_attest.evidence.td_report import TD_REPORT_SIZES, BodyType, parse_td_report

OFFSETS_10 = {
    "tee_tcb_svn": (0, 16),
    "mr_seam": (16, 48),
    "mr_signer_seam": (64, 48),
    "seam_attributes": (112, 8),
    "td_attributes": (120, 8),
    "xfam": (128, 8),
    "mrtd": (136, 48),
    "mr_config_id": (184, 48),
    "mr_owner": (232, 48),
    "mr_owner_config": (280, 48),
    "rtmr0": (328, 48),
    "rtmr1": (376, 48),
    "rtmr2": (424, 48),
    "rtmr3": (472, 48),
    "report_data": (520, 64),
}
OFFSETS_15 = {**OFFSETS_10, "tee_tcb_svn2": (584, 16), "mr_service_td": (600, 48)}
OFFSETS_15_EX = {
    **OFFSETS_15,
    "vm_id": (648, 1),
    "td_id": (649, 32),
    "dev_info": (681, 48),
    "init_servtd_hash": (729, 48),
    "init_servtd_attr": (777, 8),
    "init_cpu_svn": (785, 16),
    "init_tee_tcb_svn": (801, 16),
    "init_fmspc": (817, 12),
    "cur_servtd_hash": (829, 48),
    "cur_servtd_attr": (877, 8),
}
TABLES = {
    BodyType.TD_REPORT_10: (584, OFFSETS_10),
    BodyType.TD_REPORT_15: (648, OFFSETS_15),
    BodyType.TD_REPORT_15_EX: (885, OFFSETS_15_EX),
}


def numbered(size: int) -> bytes:
    """Bytes of which no two neighbourhoods are alike."""
    return b"".join(number.to_bytes(2, "big") for number in range(size // 2 + 1))[:size]


@pytest.mark.parametrize("body_type", TABLES)
def test_every_field_lies_at_its_offset(body_type: BodyType) -> None:
    """The table of offsets is the specification's, written here a second time."""
    size, offsets = TABLES[body_type]
    body = numbered(size)
    report = parse_td_report(body_type, body)
    assert {name: getattr(report, name) for name in offsets} == {
        name: body[start : start + length] for name, (start, length) in offsets.items()
    }
    assert {name for kind in type(report).__mro__ for name in getattr(kind, "__slots__", ())} == set(offsets)
    assert sum(length for _, length in offsets.values()) == size


def test_the_sizes_are_those_of_the_specification() -> None:
    """584, 648 and 885 bytes."""
    assert {kind: size for kind, (size, _) in TABLES.items()} == TD_REPORT_SIZES


@pytest.mark.parametrize("body_type", TABLES)
@pytest.mark.parametrize("difference", [-1, 1])
def test_a_report_of_another_size_is_refused(body_type: BodyType, difference: int) -> None:
    """One byte less or more is another structure."""
    size = TABLES[body_type][0]
    with pytest.raises(EvidenceFormatError, match=f"with {size + difference} bytes"):
        parse_td_report(body_type, bytes(size + difference))


def test_the_fields_of_an_enclave_report_lie_at_their_offsets() -> None:
    """Offsets of ``sgx_report_body_t``; ISVPRODID and ISVSVN are little-endian."""
    body = numbered(ENCLAVE_REPORT_SIZE)
    report = parse_enclave_report(body)
    assert report.raw == body
    assert (report.cpu_svn, report.misc_select, report.attributes) == (body[:16], body[16:20], body[48:64])
    assert (report.mr_enclave, report.mr_signer, report.report_data) == (body[64:96], body[128:160], body[320:])
    assert report.isv_prod_id == body[257] << 8 | body[256]
    assert report.isv_svn == body[259] << 8 | body[258]


@pytest.mark.parametrize("size", [0, 383, 385])
def test_an_enclave_report_of_another_size_is_refused(size: int) -> None:
    """384 bytes, no more and no less."""
    with pytest.raises(EvidenceFormatError, match=f"an SGX report of {size} bytes"):
        parse_enclave_report(bytes(size))


@pytest.mark.parametrize(("octet", "debug"), [(0x02, True), (0xFF, True), (0x15, False), (0xFD, False)])
def test_debug_is_bit_one_of_the_attributes(octet: int, debug: bool) -> None:  # noqa: FBT001 - the expected value
    """ATTRIBUTES.DEBUG, whatever the other bits are."""
    body = bytes(48) + bytes((octet,)) + bytes(ENCLAVE_REPORT_SIZE - 49)
    assert parse_enclave_report(body).debug is debug
