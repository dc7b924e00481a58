"""OCSP on the wire: requests as another library reads them, and answers of any bytes read or refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.revocation.authority import AT, BROM, NONCE, PROVISIONER, ROOT, List, answer_for, der, refusal, resigned
from tests.support.mutations import mutated_bytes
from tests.support.parsers import assert_read_or_refused, flipped_bits, refusal_of
from tests.support.sampling import examples
from voltage_attest.crypto.crl import RevocationList, load_crl, why_not_signed_by
from voltage_attest.crypto.ocsp import (
    OcspResponse,
    Unanswered,
    build_ocsp_request,
    parse_ocsp_response,
    why_not_current,
    why_not_issued_for,
)
from voltage_attest.crypto.signatures import P384, P384_STATUS, SignatureMemo
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.der import SEQUENCE, read_members, read_single

ANSWER = answer_for(BROM).der
CRL = List(issuer=ROOT, revoked=((5, x509.ReasonFlags.certificate_hold), (6, None))).der


def parse(data: bytes) -> OcspResponse | Unanswered:
    return parse_ocsp_response(data, "OCSP response")


def load(data: bytes) -> RevocationList:
    return load_crl(data, "CRL", P384_STATUS)


def answered(data: bytes) -> OcspResponse:
    found = parse(data)
    assert isinstance(found, OcspResponse)
    return found


@pytest.mark.parametrize("nonce", [NONCE, None])
def test_a_request_is_what_the_library_builds_from_the_certificates(nonce: bytes | None) -> None:
    """Two ways to the CertID: ours from the bytes as received, the library's from its own reading."""
    builder = ocsp.OCSPRequestBuilder().add_certificate(BROM.certificate, PROVISIONER.certificate, hashes.SHA256())
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    request = build_ocsp_request(BROM.loaded, PROVISIONER.loaded, nonce)
    assert ocsp.load_der_ocsp_request(request).serial_number == BROM.certificate.serial_number
    assert ocsp.load_der_ocsp_request(request).issuer_key_hash == builder.build().issuer_key_hash
    assert ocsp.load_der_ocsp_request(request).issuer_name_hash == builder.build().issuer_name_hash
    assert [extension.value for extension in ocsp.load_der_ocsp_request(request).extensions] == (
        [] if nonce is None else [x509.OCSPNonce(nonce)]
    )


def test_an_answer_reads_as_the_library_reads_it() -> None:
    found, library = answered(ANSWER), ocsp.load_der_ocsp_response(ANSWER)
    assert found.signed.signed_bytes == library.tbs_response_bytes
    assert found.signed.signature == library.signature
    assert found.nonce == NONCE
    assert found.certificate_id.serial_number == BROM.certificate.serial_number
    assert [certificate.der for certificate in found.certificates] == [
        certificate.public_bytes(Encoding.DER) for certificate in library.certificates
    ]


@pytest.mark.parametrize("status", [status for status in ocsp.OCSPResponseStatus if status.value])
def test_a_refusal_reads_as_its_status(status: ocsp.OCSPResponseStatus) -> None:
    found = parse(refusal(status))
    assert isinstance(found, Unanswered)
    assert found.status.lower() == status.name.replace("_", "").lower()


def test_nvidias_answer_for_a_leaf_is_a_refusal() -> None:
    """The five bytes that its responder sends for a device's leaf."""
    assert parse(bytes.fromhex("30030a0106")) == Unanswered("unauthorized")


@pytest.mark.parametrize(
    "data",
    [
        bytes.fromhex("30030a0104"),
        bytes.fromhex("30030a0107"),
        bytes.fromhex("30040a020003"),
        bytes.fromhex("30030a0100"),
        bytes.fromhex("3003020103"),
        bytes.fromhex("30050a01030500"),
        bytes.fromhex("3000"),
        der(0x30, bytes.fromhex("0a0100") + der(0xA0, der(0x30, bytes.fromhex("06012a") + der(0x04, b"")))),
    ],
    ids=[
        "unused status",
        "unknown status",
        "long status",
        "success without answer",
        "INTEGER",
        "tail",
        "nothing",
        "other type",
    ],
)
def test_refuses_what_is_neither_answer_nor_refusal(data: bytes) -> None:
    assert refusal_of(parse, data, EvidenceFormatError) is not None


def test_refuses_more_certificates_than_an_answer_needs() -> None:
    data = answer_for(BROM, enclosed=(ROOT,) * 5).der
    refused = refusal_of(parse, data, EvidenceFormatError)
    assert refused is not None
    assert "5 certificates" in refused.found


def in_the_single_response(data: bytes, *, critical: bool) -> bytes:
    """A ResponseData with a nonce among the singleExtensions ([1] of its last SEQUENCE's only member)."""
    nonce = bytes.fromhex("06092b0601050507300102") + critical * b"\x01\x01\xff" + der(0x04, der(0x04, NONCE))
    *head, (_, responses) = read_members(data, "data")
    single = read_single(responses, SEQUENCE, "responses") + der(0xA1, der(SEQUENCE, der(SEQUENCE, nonce)))
    return b"".join([der(*member) for member in head]) + der(SEQUENCE, der(SEQUENCE, single))


def test_a_nonce_inside_the_single_response_is_none() -> None:
    """RFC 6960 has it in the responseExtensions, and NVIDIA's responder echoes it there."""
    plain = answer_for(BROM, nonce=None, responder=None).der
    found = resigned(plain, PROVISIONER.key, lambda data: in_the_single_response(data, critical=False))
    assert answered(found).nonce is None
    critical = resigned(plain, PROVISIONER.key, lambda data: in_the_single_response(data, critical=True))
    refused = refusal_of(parse, critical, EvidenceFormatError)
    assert refused is not None
    assert "critical extension 1.3.6.1.5.5.7.48.1.2" in refused.found


@pytest.mark.filterwarnings("ignore::Warning")
def test_every_flipped_bit_of_an_answer_is_refused_or_breaks_its_proof() -> None:
    """Every bit of what is signed, and of each other octet the lowest."""
    whole = answered(ANSWER)
    start = ANSWER.index(whole.signed.signed_bytes)
    signed = range(start, start + len(whole.signed.signed_bytes))
    issuer, at, survivors = PROVISIONER.loaded, whole.this_update, []
    for position, data in flipped_bits(ANSWER):
        if position // 8 not in signed and position % 8:
            continue
        if refusal_of(parse, data, EvidenceFormatError) is None:
            found = parse(data)
            if isinstance(found, OcspResponse) and why_not_issued_for(found, issuer, at, SignatureMemo()) is None:
                survivors.append(position)
    assert survivors == []


@settings(max_examples=examples(400))
@given(data=st.binary(max_size=256) | mutated_bytes([ANSWER, answer_for(BROM, responder=None).der]))
@pytest.mark.filterwarnings("ignore::Warning")
def test_any_bytes_are_read_as_an_answer_or_refused(data: bytes) -> None:
    assert_read_or_refused(parse, data, EvidenceFormatError)


@settings(max_examples=examples(400))
@given(data=st.binary(max_size=256) | mutated_bytes([CRL]))
@pytest.mark.filterwarnings("ignore::Warning")
def test_any_bytes_are_read_as_a_crl_or_refused(data: bytes) -> None:
    """Reading includes what is asked of it later: whether a certificate is on it, and why."""

    def read(found: bytes) -> None:
        crl = load(found)
        crl.reason(BROM.loaded)
        crl.revokes(BROM.loaded)

    assert_read_or_refused(read, data, EvidenceFormatError)


def test_nvidias_crls_are_read_by_no_other_rule() -> None:
    """P-384 over SHA-256 is how NVIDIA signs its CRLs, and how it signs no certificate."""
    assert load(CRL).revoked_count == 2
    assert refusal_of(lambda data: load_crl(data, "CRL", P384), CRL, EvidenceFormatError) is not None


def test_a_crl_is_its_issuers_by_name_and_signature() -> None:
    assert why_not_signed_by(load(CRL), ROOT.loaded) is None
    assert "issued by 'CN=NVIDIA Device Identity CA'" in str(why_not_signed_by(load(CRL), PROVISIONER.loaded))


def dated(this_update: bytes, *, ends: bool) -> bytes:
    """A signed answer of that thisUpdate, with nextUpdate or without."""
    plain = answer_for(BROM, responder=None, next_update=AT + timedelta(days=1) if ends else None).der
    usual = f"{AT:%Y%m%d%H%M%SZ}".encode()
    return resigned(plain, PROVISIONER.key, lambda data: data.replace(b"\x18\x0f" + usual, b"\x18\x0f" + this_update))


def test_an_answer_that_lives_beyond_the_last_year_is_refused() -> None:
    refused = refusal_of(parse, dated(b"99991231235959Z", ends=False), EvidenceFormatError)
    assert refused is not None
    assert "not an OCSP response" in refused.found
    assert answered(dated(b"99991231225959Z", ends=False)).next_update.year == 9999


@pytest.mark.parametrize("at", [AT, datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)])
@pytest.mark.parametrize("this_update", [b"00010101000000Z", b"99991231235959Z"])
def test_the_ends_of_time_are_judged_like_other_dates(this_update: bytes, at: datetime) -> None:
    found = answered(dated(this_update, ends=True))
    assert (why_not_current(found, at, None) is None) is (found.this_update <= at <= found.next_update)
