"""The cursor: every length is checked before a byte is taken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.cursor import Cursor


def test_integers_are_little_endian_and_unsigned() -> None:
    """Each reader takes its width, in order, as an unsigned little-endian number."""
    cursor = Cursor(bytes.fromhex("ff0180ffffffff"), "numbers")
    assert (cursor.u8("a"), cursor.u16("b"), cursor.u32("c")) == (0xFF, 0x8001, 0xFFFFFFFF)
    cursor.finish()


@pytest.mark.parametrize("size", [4, 5, 2**32 - 1])
def test_a_length_past_the_end_is_refused_not_clamped(size: int) -> None:
    """Python's slice would yield the three bytes that are left; the cursor names field, need, offset and rest."""
    cursor = Cursor(b"abcdef", "quote")
    cursor.take(3, "head")
    with pytest.raises(EvidenceFormatError, match=rf"quote: tail needs {size} bytes at offset 3, 3 are left") as raised:
        cursor.take(size, "tail")
    assert raised.value.offset == 3
    assert cursor.remaining == 3


@pytest.mark.parametrize(("reader", "size"), [("u8", 1), ("u16", 2), ("u32", 4)])
def test_an_integer_that_is_cut_off_is_refused(reader: str, size: int) -> None:
    """One byte less than the integer needs is an error, not a smaller number."""
    with pytest.raises(EvidenceFormatError, match=f"count needs {size} bytes"):
        getattr(Cursor(bytes(size - 1), "quote"), reader)("count")


def test_a_nested_cursor_cannot_read_past_its_own_end() -> None:
    """What a nested structure declares is bounded by the structure around it, not by the input."""
    cursor = Cursor(bytes(10), "outer")
    inner = cursor.nested(4, "inner")
    inner.take(4, "all of it")
    with pytest.raises(EvidenceFormatError, match="inner: more needs 1 bytes at offset 4, 0 are left"):
        inner.take(1, "more")
    assert (cursor.position, cursor.remaining) == (4, 6)


def test_a_nested_structure_larger_than_the_rest_is_refused() -> None:
    """A declared size that does not fit is refused before a nested cursor exists."""
    with pytest.raises(EvidenceFormatError, match="outer: inner needs 11 bytes"):
        Cursor(bytes(10), "outer").nested(11, "inner")


def test_left_over_bytes_are_refused_with_their_offset() -> None:
    """Nesting is exact: slack is an error that says how much and where."""
    cursor = Cursor(bytes(10), "outer")
    cursor.take(7, "most")
    with pytest.raises(EvidenceFormatError, match="3 bytes are left over at offset 7") as raised:
        cursor.finish()
    assert raised.value.offset == 7


@pytest.mark.parametrize(("start", "end"), [(3, 2), (0, 5), (5, None)])
def test_a_cursor_outside_its_data_is_our_own_bug(start: int, end: int | None) -> None:
    """Bounds that no input can cause raise RuntimeError, which no caller takes for bad evidence."""
    with pytest.raises(RuntimeError, match="cursor over"):
        Cursor(b"abcd", "quote", start, end)


@given(st.binary(max_size=40), st.lists(st.integers(0, 12), max_size=6))
def test_what_was_taken_is_the_input_in_order(data: bytes, sizes: list[int]) -> None:
    """Whatever is asked for, the bytes come once, in order, and never fewer than asked."""
    cursor = Cursor(data, "input")
    taken: list[bytes] = []
    for size in sizes:
        if size > cursor.remaining:
            with pytest.raises(EvidenceFormatError):
                cursor.take(size, "field")
        else:
            taken.append(cursor.take(size, "field"))
    assert b"".join(taken) == data[: cursor.position]
    assert cursor.remaining == len(data) - cursor.position
