"""Raw, hex or base64: which it is, and that only one text of each kind stands for a quote."""

from __future__ import annotations

import base64
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.parsers import refusal_of
from tests.support.real_evidence import DCAP_QVL, REAL_QUOTES
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.encoding import MAX_QUOTE_SIZE, decode_quote_bytes, strict_base64

QUOTE = (DCAP_QVL / "tdx_quote").read_bytes()


def wrapped(text: bytes, width: int, newline: bytes) -> bytes:
    """``text`` in lines, as base64 tools print it."""
    return newline.join(text[start : start + width] for start in range(0, len(text), width)) + newline


@pytest.mark.parametrize("path", REAL_QUOTES, ids=lambda path: path.name)
def test_the_three_encodings_of_a_real_quote_give_the_same_bytes(path: Path) -> None:
    """Raw bytes come back untouched; hex of either case and base64 decode to them."""
    raw = path.read_bytes()
    texts = (raw, raw.hex().encode(), raw.hex().upper().encode(), b"0x" + raw.hex().encode(), base64.b64encode(raw))
    assert {decode_quote_bytes(text) for text in texts} == {raw}


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b" ", b"\t"], ids=["LF", "CRLF", "space", "tab"])
def test_white_space_inside_text_is_ignored(newline: bytes) -> None:
    """Line breaks of either kind, spaces and tabs carry no meaning in hex and base64."""
    for text in (QUOTE.hex().encode(), base64.b64encode(QUOTE)):
        assert decode_quote_bytes(newline + wrapped(text, 76, newline)) == QUOTE


@pytest.mark.parametrize("separator", [b"\x0b", b"\x0c", b"\x00", "\u00a0".encode()], ids=["VT", "FF", "NUL", "NBSP"])
def test_text_with_foreign_separators_is_not_text(separator: bytes) -> None:
    """Other blank characters are not white space here: the input is then taken as raw and fails as a quote."""
    text = separator.join((QUOTE.hex().encode()[:100], QUOTE.hex().encode()[100:]))
    assert decode_quote_bytes(text) == text


def test_an_odd_number_of_hex_digits_is_refused() -> None:
    """Half a byte is never rounded."""
    with pytest.raises(EvidenceFormatError, match="odd number of hex digits"):
        decode_quote_bytes(QUOTE.hex().encode()[:-1])


@pytest.mark.parametrize("text", [b"0x0", b"0x00xg"])
def test_a_hex_prefix_before_other_text_is_refused(text: bytes) -> None:
    """``0x`` announces hex; what follows must be hex, whole bytes of it."""
    with pytest.raises(EvidenceFormatError):
        decode_quote_bytes(text)


@pytest.mark.parametrize(
    "text",
    [b"BAACAIF=", b"BAACAIE", b"BAACAIE==", b"BAACAI=E", b"BAAC=AIE", b"=BAACAIE", b"BAACAIE=BAAC", b"BAAC-_IE"],
    ids=[
        "stray bits",
        "no padding",
        "too much padding",
        "inner padding",
        "early padding",
        "leading padding",
        "two",
        "url",
    ],
)
def test_base64_that_is_not_canonical_is_refused(text: bytes) -> None:
    """Stray bits, missing or misplaced padding and the URL alphabet would let two texts stand for one quote."""
    assert base64.b64decode(b"BAACAIE=") == bytes.fromhex("0400020081")
    with pytest.raises(EvidenceFormatError, match="base64"):
        decode_quote_bytes(text)


@pytest.mark.parametrize("text", [b'{"quote": "BAAC"}', b'\n  {"quote": 1}', b'["BAAC"]'])
def test_json_is_named_and_the_exchange_of_files_suspected(text: bytes) -> None:
    """A collateral file given as the quote is told apart, with the likely mistake."""
    with pytest.raises(EvidenceFormatError, match=r"the file holds JSON.*were the two files exchanged"):
        decode_quote_bytes(text)


def test_pem_is_named() -> None:
    """A certificate file given as the quote is told apart."""
    with pytest.raises(EvidenceFormatError, match="the file holds PEM text"):
        decode_quote_bytes(b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")


def test_an_empty_input_is_refused() -> None:
    """Nothing is no quote."""
    with pytest.raises(EvidenceFormatError, match="the quote is empty"):
        decode_quote_bytes(b"")


@pytest.mark.parametrize("encode", [bytes, lambda raw: raw.hex().encode(), base64.b64encode], ids=["raw", "hex", "base64"])
def test_the_size_is_bounded_in_every_encoding(encode: object) -> None:
    """64 KiB of raw bytes are the limit, whatever the text around them."""
    assert callable(encode)
    largest = b"\x04\x00" + bytes(MAX_QUOTE_SIZE - 2)
    assert decode_quote_bytes(encode(largest)) == largest
    with pytest.raises(EvidenceFormatError, match=f"the quote has {MAX_QUOTE_SIZE + 1} bytes"):
        decode_quote_bytes(encode(largest + b"\x00"))


def test_text_is_bounded_before_it_is_decoded() -> None:
    """A text that could not shrink to the limit is refused by its length alone."""
    with pytest.raises(EvidenceFormatError, match=f"the quote has {4 * MAX_QUOTE_SIZE + 1} bytes"):
        decode_quote_bytes(b" " * (4 * MAX_QUOTE_SIZE + 1))


@given(st.binary(min_size=1, max_size=200))
def test_strict_base64_is_the_inverse_of_encoding(raw: bytes) -> None:
    """Exactly the canonical text decodes, and to exactly those bytes."""
    assert strict_base64(base64.b64encode(raw), "text") == raw


@given(st.text(alphabet="ABCDwxyz01+/=", max_size=24))
def test_no_two_base64_texts_stand_for_the_same_bytes(text: str) -> None:
    """Whatever strict_base64 accepts is the one encoding of what it returns."""
    try:
        raw = strict_base64(text.encode(), "text")
    except EvidenceFormatError:
        return
    assert base64.b64encode(raw) == text.encode()


def test_short_base64_texts_decode_exactly_where_they_are_canonical() -> None:
    """Exhaustive: every text of up to eight characters over an alphabet that holds each kind of character there is."""
    texts = [bytes(text) for size in range(9) for text in product(b"AQ=/", repeat=size)]
    canonical = {base64.b64encode(base64.b64decode(text)) for text in texts if _decodes(text)}
    accepted = {
        text for text in texts if refusal_of(lambda data: strict_base64(data, "text"), text, EvidenceFormatError) is None
    }
    assert accepted == canonical & set(texts)


def _decodes(text: bytes) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except ValueError:
        return False
    return True
