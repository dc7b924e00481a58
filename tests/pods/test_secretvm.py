"""SecretVM's two answers; synthetic (none was recorded)."""

from __future__ import annotations

import pytest

from tests.pods.answers import NONCE, SPKI_SHA256, encode, gpu_evidence, quote_over
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.quote import parse_quote
from voltage_attest.pods import parse_answer

QUOTE = quote_over(SPKI_SHA256 + NONCE)


@pytest.mark.parametrize("body", [QUOTE.hex().encode(), f" {QUOTE.hex().upper()}\r\n".encode()], ids=["bare", "spaced"])
def test_quote_and_gpu_evidence_are_read(body: bytes) -> None:
    (evidence,) = parse_answer("secretvm", body, companion=encode(gpu_evidence()))
    assert evidence.quote == QUOTE
    assert parse_quote(evidence.quote).td_report.report_data == SPKI_SHA256 + NONCE
    assert len(evidence.gpu_evidence) == 1
    assert evidence.nonce is None
    assert "no nonce" in evidence.warnings[0]


def test_a_machine_without_gpu_says_so() -> None:
    (evidence,) = parse_answer("secretvm", QUOTE.hex().encode(), companion=b'{"error": "no GPU", "details": ""}')
    assert evidence.gpu_evidence == ()
    assert "no GPU" in evidence.warnings[1]


def test_the_nonce_beside_the_gpu_report_is_not_carried() -> None:
    (evidence,) = parse_answer("secretvm", QUOTE.hex().encode(), companion=encode(gpu_evidence()))
    assert evidence.binding_inputs == ()


@pytest.mark.parametrize(
    "body",
    [b"", b"BAACAA==", QUOTE, b"{}", b"040", b"<html>", b"04 00", b"00" * 65569],
    ids=["empty", "base64", "raw", "json", "odd", "html", "blank", "long"],
)
def test_anything_but_a_quote_in_hex_is_refused(body: bytes) -> None:
    with pytest.raises(EvidenceFormatError, match="the SecretVM answer"):
        parse_answer("secretvm", body)


@pytest.mark.parametrize("companion", [b"", b"[]", b'{"arch": "HOPPER"}', b'{"error": 5}', b'{"evidence_list": [5]}'])
def test_malformed_gpu_evidence_is_refused_not_taken_for_none(companion: bytes) -> None:
    with pytest.raises(EvidenceFormatError, match="the SecretVM GPU answer"):
        parse_answer("secretvm", QUOTE.hex().encode(), companion=companion)
