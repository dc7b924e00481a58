"""TDX quotes, version 4 and 5: what is read from real ones, and what is refused."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.support.quote_layout import LENGTH_FIELDS, lay_out, replaced
from tests.support.real_evidence import DCAP_QVL, REAL_QUOTES, VOLTAGE_VERIFY
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.encoding import MAX_QUOTE_SIZE
from voltage_attest.evidence.quote import INTEL_QE_VENDOR_ID, CertificationDataType, parse_quote
from voltage_attest.evidence.td_report import BodyType, TdReport15, TdReport15Ex
from voltage_attest.testing import FakeIntel, QuoteShape

V4 = (DCAP_QVL / "tdx_quote").read_bytes()
V5_TD15_EX = (DCAP_QVL / "tdx_quote_td15ex").read_bytes()
PLATFORM = FakeIntel().platform()
SHAPES = {shape.name: PLATFORM.quote(shape=shape) for shape in QuoteShape}
QUOTES = {**{path.name: path.read_bytes() for path in REAL_QUOTES}, **SHAPES}


def refused(quote: bytes) -> EvidenceFormatError:
    """The error that parsing this quote must raise."""
    with pytest.raises(EvidenceFormatError) as raised:
        parse_quote(quote)
    return raised.value


@pytest.mark.parametrize(
    ("path", "version", "body_type", "declared", "padding"),
    [
        (DCAP_QVL / "tdx_quote", 4, BodyType.TD_REPORT_10, 4936, 70),
        (DCAP_QVL / "tdx_quote_outdated", 5, BodyType.TD_REPORT_15, 5006, 0),
        (DCAP_QVL / "tdx_quote_td15ex", 5, BodyType.TD_REPORT_15_EX, 5247, 0),
        (VOLTAGE_VERIFY / "quote_h200_2026-09-04.bin", 4, BodyType.TD_REPORT_10, 4936, 307),
    ],
    ids=lambda value: value.name if isinstance(value, Path) else None,
)
def test_a_real_quote_has_its_version_body_and_size(
    path: Path, version: int, body_type: BodyType, declared: int, padding: int
) -> None:
    """Each shape found on hardware, with the zero padding that guests leave."""
    quote = parse_quote(path.read_bytes())
    assert (quote.version, quote.body_type, len(quote.raw), quote.padding) == (version, body_type, declared, padding)


@pytest.mark.parametrize("name", QUOTES)
def test_every_field_is_the_bytes_at_its_place(name: str) -> None:
    """Compared with a layout computed independently, for real quotes and every shape of the simulator."""
    data = QUOTES[name]
    quote, spans = parse_quote(data), lay_out(data)
    fields = {field: span.of(data) for field, span in spans.items()}
    assert quote.raw == data[: spans["padding"].start]
    assert quote.signed_bytes == data[: spans["signature_data_size"].start]
    assert (quote.reserved, quote.qe_vendor_id, quote.user_data) == (
        fields["reserved"],
        INTEL_QE_VENDOR_ID,
        fields["user_data"],
    )
    assert (quote.signature, quote.attestation_key) == (fields["signature"], fields["attestation_key"])
    assert (quote.qe_report.raw, quote.qe_report_signature) == (fields["qe_report"], fields["qe_report_signature"])
    assert (quote.qe_auth_data, quote.certification_data) == (fields["auth_data"], fields["certification_data"])
    assert quote.certification_data_type is CertificationDataType.PCK_CHAIN
    assert quote.td_report.report_data == fields["body"][520:584]


def test_the_signed_bytes_of_v5_include_the_descriptor() -> None:
    """A verifier that leaves out the six bytes lets them be altered."""
    assert [len(parse_quote(SHAPES[name]).signed_bytes) for name in SHAPES] == [632, 638, 702, 939]


def test_each_body_type_gives_its_own_model() -> None:
    """Later reports are the earlier ones with fields appended."""
    kinds = {name: type(parse_quote(quote).td_report) for name, quote in SHAPES.items()}
    assert kinds["V5_TD15"] is TdReport15
    assert kinds["V5_TD15_EX"] is TdReport15Ex
    assert kinds["V4"] is kinds["V5_TD10"]
    assert issubclass(TdReport15, kinds["V4"])


@pytest.mark.parametrize("name", QUOTES)
@pytest.mark.parametrize("field", LENGTH_FIELDS)
@pytest.mark.parametrize("difference", [-1, 1, 2**15])
def test_a_declared_length_that_is_off_is_refused(name: str, field: str, difference: int) -> None:
    """Each of the nested lengths, one too small, one too large, and far too large."""
    data = QUOTES[name]
    span = lay_out(data)[field]
    size = int.from_bytes(span.of(data), "little") + difference
    refused(replaced(data, span, size.to_bytes(span.stop - span.start, "little")))


@pytest.mark.parametrize("field", LENGTH_FIELDS)
@pytest.mark.parametrize("size", [0, -1])
def test_an_absurd_length_is_refused(field: str, size: int) -> None:
    """Zero, and all bits set: nothing is allocated, read or clamped for it."""
    span = lay_out(V4)[field]
    refused(replaced(V4, span, (size % 2 ** (8 * (span.stop - span.start))).to_bytes(span.stop - span.start, "little")))


@pytest.mark.parametrize("difference", [-1, 1, -64, 2**31])
def test_a_body_size_that_is_not_its_types_is_refused(difference: int) -> None:
    """v5 declares the body's size beside its type: both must agree."""
    size = (885 + difference).to_bytes(4, "little")
    error = refused(V5_TD15_EX[:50] + size + V5_TD15_EX[54:])
    assert error.found == f"quote body type 4 of {885 + difference} bytes"
    assert (error.expected, error.offset) == ("885 bytes", 50)


@pytest.mark.parametrize("kind", [0, 1, 5, 6, 0xFFFF])
def test_a_body_that_is_no_td_report_is_refused(kind: int) -> None:
    """Type 1 is an SGX report, the others do not exist."""
    error = refused(V5_TD15_EX[:48] + kind.to_bytes(2, "little") + V5_TD15_EX[50:])
    assert (error.found, error.offset) == (f"quote body type {kind}", 48)


@pytest.mark.parametrize("kind", [2, 3])
def test_a_body_relabelled_as_another_type_is_refused(kind: int) -> None:
    """The size belongs to the type: a report cannot be read as a shorter one."""
    error = refused(V5_TD15_EX[:48] + kind.to_bytes(2, "little") + V5_TD15_EX[50:])
    assert error.found == f"quote body type {kind} of 885 bytes"


@pytest.mark.parametrize("kind", [0, 1, 2, 3, 4, 5, 7, 8, 0x0106, 0xFFFF])
def test_an_outer_certification_type_other_than_6_is_refused(kind: int) -> None:
    """dcap-qvl accepts 7 here; Intel's QVL and this library do not."""
    span = lay_out(V4)["outer_type"]
    error = refused(replaced(V4, span, kind.to_bytes(2, "little")))
    assert (error.found, error.offset) == (f"outer certification data type {kind}", span.start)


@pytest.mark.parametrize("kind", [1, 2, 3, 4])
def test_inner_certification_types_1_to_4_parse(kind: int) -> None:
    """They are recognised; what they cannot prove is refused later, with a reason."""
    span = lay_out(V4)["inner_type"]
    quote = parse_quote(replaced(V4, span, kind.to_bytes(2, "little")))
    assert quote.certification_data_type is CertificationDataType(kind)


@pytest.mark.parametrize("kind", [0, 6, 7, 8, 0xFFFF])
def test_other_inner_certification_types_are_refused(kind: int) -> None:
    """QVL allows 1 to 5 inside type 6."""
    span = lay_out(V4)["inner_type"]
    error = refused(replaced(V4, span, kind.to_bytes(2, "little")))
    assert (error.found, error.offset) == (f"inner certification data type {kind}", span.start)


def test_slack_inside_the_signature_data_is_refused() -> None:
    """Four bytes after the certification data, with all outer lengths adjusted: dcap-qvl accepts them."""
    spans = lay_out(V4)
    quote = V4[: spans["padding"].start] + bytes(4)
    longer = [(name, 4) for name in ("signature_data_size", "outer_size")]
    for changed in (longer[:1], longer):
        slack = quote
        for name, more in changed:
            size = int.from_bytes(spans[name].of(slack), "little") + more
            slack = replaced(slack, spans[name], size.to_bytes(4, "little"))
        assert "4 bytes are left over" in refused(slack).found


@pytest.mark.parametrize("count", [1, 70, 307, 3000])
def test_zero_padding_is_counted_and_dropped(count: int) -> None:
    """Guests allocate for the largest body; the zeros are never part of the quote."""
    data = QUOTES["V4"]
    quote = parse_quote(data + bytes(count))
    assert (quote.raw, quote.padding) == (data, count)


@pytest.mark.parametrize("position", [0, 1, 35, 69])
def test_any_other_trailing_byte_is_refused_with_its_offset(position: int) -> None:
    """A one among the zeros is refused wherever it stands, and the error says where."""
    end = lay_out(V4)["padding"].start
    error = refused(V4[: end + position] + b"\x01" + V4[end + position + 1 :])
    assert error.found == "byte 0x01 after the quote's declared end"
    assert error.offset == end + position


def test_the_real_quote_with_text_behind_it_is_refused_and_parses_when_cut() -> None:
    """go-tdx-guest ships a quote followed by words; its declared end is byte 4935."""
    data = (VOLTAGE_VERIFY / "third-party" / "tdx_prod_quote_SPR_E4.dat").read_bytes()
    assert refused(data).offset == 4935
    assert parse_quote(data[:4935]).padding == 0


@pytest.mark.parametrize("name", QUOTES)
def test_every_truncation_is_refused(name: str) -> None:
    """At no length short of the declared end does a quote parse."""
    data = QUOTES[name]
    end = lay_out(data)["padding"].start
    for size in (*range(700), *range(700, end, 97), end - 1):
        refused(data[:size])


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (struct.pack("<HHI", 3, 2, 0), "an SGX quote (version 3, TEE type 0x0)"),
        (struct.pack("<HHI", 3, 2, 0x81), "an SGX quote (version 3, TEE type 0x81)"),
        (struct.pack("<HHI", 4, 2, 0), "an SGX quote (version 4, TEE type 0x0)"),
        (struct.pack("<HHI", 5, 2, 0), "an SGX quote (version 5, TEE type 0x0)"),
        (struct.pack("<HHI", 4, 2, 0x82), "TEE type 0x82"),
        (struct.pack("<HHI", 4, 2, 0x8100), "TEE type 0x8100"),
        (struct.pack("<HHI", 4, 3, 0x81), "attestation key type 3"),
        (struct.pack("<HHI", 4, 0, 0x81), "attestation key type 0"),
        (struct.pack("<HHI", 0, 2, 0x81), "quote version 0"),
        (struct.pack("<HHI", 2, 2, 0x81), "quote version 2"),
        (struct.pack("<HHI", 6, 2, 0x81), "quote version 6"),
        (struct.pack("<HHI", 0x0104, 2, 0x81), "quote version 260"),
    ],
)
def test_a_header_of_something_else_is_refused_by_name(header: bytes, found: str) -> None:
    """SGX is told from TDX, unknown versions, TEEs and key types from known ones."""
    assert refused(header + V4[8:]).found == found


def test_a_real_sgx_quote_is_refused_as_not_tdx() -> None:
    """Genuine Intel evidence of another kind: the remedy says what to ask for."""
    error = refused((DCAP_QVL / "sgx_quote").read_bytes())
    assert "an SGX quote (version 3" in error.found
    assert error.expected == "a TDX quote (version 4 or 5, TEE type 0x81)"
    assert "ask for the quote of the pod's virtual machine" in error.remedy


def test_a_simulated_sgx_quote_is_refused_as_not_tdx() -> None:
    """The same for one that the fake Intel signed."""
    assert "an SGX quote (version 3" in refused(PLATFORM.sgx_quote()).found


def test_the_size_of_a_quote_is_bounded() -> None:
    """64 KiB with padding are read, one byte more is not."""
    data = QUOTES["V4"]
    assert parse_quote(data + bytes(MAX_QUOTE_SIZE - len(data))).raw == data
    assert refused(data + bytes(MAX_QUOTE_SIZE - len(data) + 1)).found == f"the quote has {MAX_QUOTE_SIZE + 1} bytes"


@pytest.mark.parametrize("data", [b"", b"\x04", b"\x04\x00", b"{}", b"\x00" * 5000], ids=repr)
def test_what_is_no_quote_at_all_is_refused(data: bytes) -> None:
    """Empty, one byte, a version alone, JSON, zeros."""
    refused(data)
