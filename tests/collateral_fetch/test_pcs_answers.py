"""Answers of PCS and PCCS, read: signed text cut out as it stands, CRLs in three encodings, chains under all their names."""

from __future__ import annotations

import base64
import contextlib
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.collateral_fetch.fake_pcs import INTEL, PLATFORM, REQUEST, Wire, wire_of
from voltage_attest.collateral.pcs import CollateralRequest, DocumentKind
from voltage_attest.collateral.pcs_answers import PcsDocument, parse_answer, why_not_asked_for
from voltage_attest.errors import CollateralFormatError
from voltage_attest.testing import RevocationFields

DOCUMENTS = INTEL.collateral(PLATFORM)
TCB_INFO, QE_IDENTITY, PCK_CRL, ROOT_CRL = (
    DocumentKind.TCB_INFO,
    DocumentKind.QE_IDENTITY,
    DocumentKind.PCK_CRL,
    DocumentKind.ROOT_CA_CRL,
)
SIGNATURE = DOCUMENTS.tcb_info_signature
ISSUED = datetime(2026, 11, 1, tzinfo=UTC)


def read(kind: DocumentKind, wire: Wire) -> PcsDocument:
    return parse_answer(kind, wire.body, {name.lower(): value for name, value in wire.headers})


def refusal(kind: DocumentKind, wire: Wire) -> CollateralFormatError:
    with pytest.raises(CollateralFormatError) as caught:
        read(kind, wire)
    return caught.value


@pytest.mark.parametrize("kind", DocumentKind)
def test_the_texts_are_those_of_the_nine_key_json(kind: DocumentKind) -> None:
    document = read(kind, wire_of(kind, DOCUMENTS))
    assert dict(document.texts).items() <= DOCUMENTS.documents.items()
    assert document.issued == ISSUED
    assert document.kind is kind


def test_windows_are_read_from_the_documents() -> None:
    days = {kind: (read(kind, wire_of(kind, DOCUMENTS)).next_update - ISSUED).days for kind in DocumentKind}
    assert days == {ROOT_CRL: 365, PCK_CRL: 30, TCB_INFO: 30, QE_IDENTITY: 30}


def test_both_ends_of_the_window_belong_to_it() -> None:
    document = read(QE_IDENTITY, wire_of(QE_IDENTITY, DOCUMENTS))
    assert document.is_current(document.issued)
    assert document.is_current(document.next_update)
    assert not document.is_current(document.issued.replace(year=2025))
    assert not document.is_current(document.next_update.replace(year=2027))


def test_the_signed_text_is_cut_out_to_the_byte() -> None:
    signed = DOCUMENTS.tcb_info or ""
    odd = signed.replace('"id":"TDX"', '"id" :\t"T\\u0044X", "x":[1.0e0, "}\\"{", "\\u00e9é"]')
    body = f' {{ "signature" : "{SIGNATURE}" ,\r\n "tcbInfo" :{odd} }}\n'
    wire = replace(wire_of(TCB_INFO, DOCUMENTS), body=body.encode())
    assert dict(read(TCB_INFO, wire).texts)["tcb_info"] == odd


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"tcbInfo":{}}',
        f'{{"signature":"{SIGNATURE}"}}'.encode(),
        f'{{"tcbInfo":{{}},"signature":"{SIGNATURE}","x":1}}'.encode(),
        f'{{"x":1,"tcbInfo":{DOCUMENTS.tcb_info},"signature":"{SIGNATURE}"}}'.encode(),
        f'{{"tcbInfo":{DOCUMENTS.tcb_info},"tcbInfo":{DOCUMENTS.tcb_info},"signature":"{SIGNATURE}"}}'.encode(),
        f'{{"tcbInfo":{DOCUMENTS.tcb_info},"tcbInfo":{DOCUMENTS.tcb_info}}}'.encode(),
        f'{{"tcbInfo":{DOCUMENTS.tcb_info},"signature":"{SIGNATURE}"}}x'.encode(),
        f'{{"tcbInfo":{DOCUMENTS.tcb_info},"signature":"{SIGNATURE}"}}{{}}'.encode(),
        f'{{"tcbInfo":{DOCUMENTS.tcb_info},"signature":"{SIGNATURE}",}}'.encode(),
        f'{{"tcbInfo":{DOCUMENTS.tcb_info},"signature":"{SIGNATURE}"'.encode(),
        f'{{"tcbInfo":{DOCUMENTS.tcb_info},"signature":"{(SIGNATURE or "")[:-2]}"}}'.encode(),
        f'{{"tcbInfo":{DOCUMENTS.tcb_info},"signature":"\\u0061{(SIGNATURE or "")[1:]}"}}'.encode(),
        f'{{"tcbInfo":{DOCUMENTS.tcb_info},"signature":1}}'.encode(),
        f'{{"tcbInfo":{DOCUMENTS.tcb_info},"signature":["{SIGNATURE}"]}}'.encode(),
        f'{{"tcb\\u0049nfo":{DOCUMENTS.tcb_info},"signature":"{SIGNATURE}"}}'.encode(),
        f'{{"enclaveIdentity":{DOCUMENTS.tcb_info},"signature":"{SIGNATURE}"}}'.encode(),
        f'{{"tcbInfo":"{{}}","signature":"{SIGNATURE}"}}'.encode(),
        f'{{"tcbInfo":{{"fmspc":NaN}},"signature":"{SIGNATURE}"}}'.encode(),
        f'{{"tcbInfo":{{"fmspc":{"9" * 5000}}},"signature":"{SIGNATURE}"}}'.encode(),
        f'{{"tcbInfo":{"[" * 100_000},"signature":"{SIGNATURE}"}}'.encode(),
        f'\ufeff{{"tcbInfo":{DOCUMENTS.tcb_info},"signature":"{SIGNATURE}"}}'.encode(),
        f'{{"tcbInfo":{DOCUMENTS.tcb_info},"signature":"{SIGNATURE}"}}'.encode("utf-16"),
        f'{{"tcbInfo":{DOCUMENTS.tcb_info},"signature":"{SIGNATURE}"}}'.encode() + b"\xff",
    ],
)
def test_any_other_shape_is_malformed_and_names_the_document(body: bytes) -> None:
    assert refusal(TCB_INFO, replace(wire_of(TCB_INFO, DOCUMENTS), body=body)).document == "tcb_info"


@pytest.mark.parametrize("key", ["issueDate", "nextUpdate", "fmspc", "tcbEvaluationDataNumber"])
def test_a_tcb_info_without_what_is_needed_here_is_malformed(key: str) -> None:
    wire = wire_of(TCB_INFO, DOCUMENTS)
    error = refusal(TCB_INFO, replace(wire, body=wire.body.replace(f'"{key}"'.encode(), b'"other"')))
    assert (error.document, key in str(error)) == ("tcb_info", True)


@pytest.mark.parametrize("name", ["TCB-Info-Issuer-Chain", "tcb-info-issuer-chain", "SGX-TCB-Info-Issuer-Chain"])
def test_the_chain_is_found_under_every_name_it_has_had(name: str) -> None:
    wire = wire_of(TCB_INFO, DOCUMENTS)
    renamed = replace(wire, headers=tuple((name, value) for _, value in wire.headers))
    assert dict(read(TCB_INFO, renamed).texts)["tcb_info_issuer_chain"] == DOCUMENTS.tcb_info_issuer_chain


def test_a_chain_keeps_its_plus_signs() -> None:
    chain = DOCUMENTS.tcb_info_issuer_chain or ""
    wire = replace(wire_of(TCB_INFO, DOCUMENTS), headers=(("tcb-info-issuer-chain", quote(chain, safe="+/=")),))
    assert "+" in chain
    assert dict(read(TCB_INFO, wire).texts)["tcb_info_issuer_chain"] == chain


@pytest.mark.parametrize("kind", [TCB_INFO, QE_IDENTITY, PCK_CRL])
@pytest.mark.parametrize(
    "value", [None, "", "x", "%00", "%E9", "-----BEGIN%20CERTIFICATE-----%0A!%0A-----END%20CERTIFICATE-----"]
)
def test_a_chain_that_is_absent_or_malformed_is_refused(kind: DocumentKind, value: str | None) -> None:
    wire = wire_of(kind, DOCUMENTS)
    headers = () if value is None else tuple((name, value) for name, _ in wire.headers)
    refusal(kind, replace(wire, headers=headers))


def pem(der: bytes) -> bytes:
    text = base64.encodebytes(der).decode()
    return f"-----BEGIN X509 CRL-----\n{text}-----END X509 CRL-----\n".encode()


@pytest.mark.parametrize("kind", [ROOT_CRL, PCK_CRL])
@pytest.mark.parametrize(
    "encode",
    [bytes, lambda der: der.hex().encode(), lambda der: der.hex().upper().encode() + b"\n", pem],
    ids=["DER", "hex", "HEX", "PEM"],
)
def test_a_crl_is_read_in_every_encoding(kind: DocumentKind, encode: object) -> None:
    assert callable(encode)
    wire = wire_of(kind, DOCUMENTS)
    assert read(kind, replace(wire, body=encode(wire.body))).texts == read(kind, wire).texts


CRL = wire_of(ROOT_CRL, DOCUMENTS).body


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"0",
        b"00",
        b"zz",
        CRL[:-1],
        CRL + b"\0",
        CRL.hex().encode()[:-1],
        CRL.hex().encode()[:-2],
        b"-----BEGIN X509 CRL-----\n!!!!\n-----END X509 CRL-----",
        b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        INTEL.root.der,
        b"<html></html>",
    ],
)
def test_what_is_no_crl_is_malformed(body: bytes) -> None:
    assert refusal(ROOT_CRL, Wire(body)).document == "root_ca_crl"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"\x17\x0d261101000000Z", b"\x17\x0d261301000000Z"),  # month 13
        (b"\x17\x0d261101000000Z", b"\x17\x0d26110100000Z0"),
        (b"\x17\x0d261101000000Z", b"\x16\x0d261101000000Z"),  # no time at all
    ],
)
def test_a_crl_with_a_malformed_date_is_malformed(old: bytes, new: bytes) -> None:
    assert old in CRL
    assert "date" in str(refusal(ROOT_CRL, Wire(CRL.replace(old, new))))


def test_dates_after_2049_are_generalized_time() -> None:
    fields = RevocationFields(this_update=ISSUED, next_update=datetime(2051, 1, 2, 3, 4, 5, tzinfo=UTC))
    document = read(ROOT_CRL, Wire(INTEL.root.revocation_list(fields)))
    assert document.next_update == datetime(2051, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_what_was_not_asked_for_is_noticed() -> None:
    info, identity = read(TCB_INFO, wire_of(TCB_INFO, DOCUMENTS)), read(QE_IDENTITY, wire_of(QE_IDENTITY, DOCUMENTS))
    number = info.tcb_evaluation_data_number
    other = CollateralRequest(bytes(6), "platform")
    assert why_not_asked_for(info, REQUEST) is None
    assert "instead of TDX TCB info for FMSPC 000000000000" in (why_not_asked_for(info, other) or "")
    assert why_not_asked_for(identity, other) is None
    for document in (info, identity):
        assert why_not_asked_for(document, replace(REQUEST, tcb_evaluation_data_number=number)) is None
        assert f"evaluation data number {number} instead" in (
            why_not_asked_for(document, replace(REQUEST, tcb_evaluation_data_number=7)) or ""
        )
    assert why_not_asked_for(read(ROOT_CRL, wire_of(ROOT_CRL, DOCUMENTS)), replace(other, tcb_evaluation_data_number=7)) is None


@given(st.sampled_from(DocumentKind), st.binary(max_size=200))
def test_no_body_raises_anything_else(kind: DocumentKind, body: bytes) -> None:
    with pytest.raises(CollateralFormatError):
        read(kind, replace(wire_of(kind, DOCUMENTS), body=body))


@given(st.sampled_from(DocumentKind), st.data())
def test_no_change_of_a_genuine_body_raises_anything_else(kind: DocumentKind, data: st.DataObject) -> None:
    wire = wire_of(kind, DOCUMENTS)
    position = data.draw(st.integers(0, len(wire.body) - 1))
    piece = data.draw(st.binary(max_size=4))
    changed = wire.body[:position] + piece + wire.body[position + data.draw(st.integers(0, 4)) :]
    with contextlib.suppress(CollateralFormatError):
        read(kind, replace(wire, body=changed))
