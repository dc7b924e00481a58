"""The dates that documents name for themselves: read where they are well formed, and nothing but a format error where not."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from tests.collateral_fetch.fake_nvidia import certificate, crl, ocsp_answer, question
from tests.collateral_fetch.fake_pcs import AT
from voltage_attest.collateral.windows import (
    Window,
    certificate_window,
    crl_window,
    intersection,
    ocsp_reading,
    ocsp_subjects,
)
from voltage_attest.errors import EvidenceFormatError

REQUEST = question().ocsp_request
BEGIN = AT - timedelta(hours=12)
DAY = timedelta(days=1)
READERS: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "certificate": (certificate_window, certificate().public_bytes(Encoding.DER)),
    "CRL": (lambda der: crl_window(der, "the CRL"), crl()),
    "OCSP answer": (ocsp_reading, ocsp_answer(REQUEST)),
    "OCSP request": (ocsp_subjects, question(1, bytes(32)).ocsp_request),
}


def test_windows_are_those_that_the_documents_name() -> None:
    assert certificate_window(READERS["certificate"][1]) == Window(BEGIN, BEGIN + 30 * DAY)
    assert crl_window(crl(), "the CRL") == Window(BEGIN, BEGIN + 7 * DAY)
    assert ocsp_reading(ocsp_answer(REQUEST)).window == Window(BEGIN, BEGIN + DAY)
    assert ocsp_reading(ocsp_answer(REQUEST, life=None)).window == Window(BEGIN, BEGIN + timedelta(hours=1))


@pytest.mark.parametrize("life", [timedelta(days=20), timedelta(days=365 * 7900)])
def test_both_spellings_of_a_date_are_read(life: timedelta) -> None:
    found = certificate_window(certificate(life=life).public_bytes(Encoding.DER))
    assert found.next_update == BEGIN + life


def test_an_answer_is_about_the_certificate_that_was_asked_for_and_no_other() -> None:
    assert ocsp_reading(ocsp_answer(REQUEST)).subjects == ocsp_subjects(REQUEST)
    assert ocsp_reading(ocsp_answer(REQUEST)).subjects != ocsp_subjects(question(2).ocsp_request)
    assert ocsp_subjects(question(1, bytes(32)).ocsp_request) == ocsp_subjects(REQUEST)


@pytest.mark.parametrize(
    ("status", "words"), [(1, "malformedRequest"), (3, "tryLater"), (6, "unauthorized"), (9, "unknown meaning")]
)
def test_an_error_of_the_responder_is_no_answer(status: int, words: str) -> None:
    with pytest.raises(EvidenceFormatError, match=words):
        ocsp_reading(bytes([0x30, 3, 0x0A, 1, status]))


def test_what_holds_together_holds_where_all_hold() -> None:
    one, other = Window(AT, AT + 3 * DAY), Window(AT - DAY, AT + DAY)
    assert intersection([one, other]) == Window(AT, AT + DAY)
    assert intersection([]) is None
    assert not Window(AT + DAY, AT).holds(AT)


def test_a_window_without_an_end_at_the_end_of_time_is_an_error() -> None:
    last = datetime(9999, 12, 31, 23, 30, tzinfo=UTC)
    with pytest.raises(EvidenceFormatError, match="at the end of time"):
        ocsp_reading(ocsp_answer(REQUEST, begin=last, life=None))


@pytest.mark.parametrize("name", READERS)
def test_no_cut_is_taken_for_the_whole(name: str) -> None:
    read, der = READERS[name]
    for length in range(len(der)):
        with pytest.raises(EvidenceFormatError):
            read(der[:length])


@pytest.mark.parametrize("name", READERS)
@given(position=st.integers(0), change=st.integers(1, 255))
def test_no_changed_byte_raises_anything_else(name: str, position: int, change: int) -> None:
    read, der = READERS[name]
    altered = bytearray(der)
    altered[position % len(der)] ^= change
    with contextlib.suppress(EvidenceFormatError):
        read(bytes(altered))


@pytest.mark.parametrize("name", READERS)
@given(content=st.binary(max_size=64))
def test_no_bytes_raise_anything_else(name: str, content: bytes) -> None:
    read, _ = READERS[name]
    for wrapped in (content, b"\x30" + bytes([len(content)]) + content):
        with pytest.raises(EvidenceFormatError):
            read(wrapped)
