"""The promise of every parser: a model, or its one documented error with all three parts of its text."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from voltage_attest.errors import InputError

__all__ = ["assert_read_or_refused", "flipped_bits", "refusal_of"]


def refusal_of(parse: Callable[[bytes], object], data: bytes, error: type[InputError]) -> InputError | None:
    """What the parser refuses ``data`` with, or None; any other exception comes through and fails the test."""
    try:
        parse(data)
    except error as refusal:
        return refusal
    return None


def assert_read_or_refused(parse: Callable[[bytes], object], data: bytes, error: type[InputError]) -> None:
    """The parser reads ``data``, or says what it found, what it expected, and what to do."""
    refusal = refusal_of(parse, data, error)
    assert refusal is None or all((refusal.found, refusal.expected, refusal.remedy))


def flipped_bits(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Every position of a bit (from the lowest of the first byte), and the data with that bit inverted."""
    for position in range(8 * len(data)):
        octet = data[position // 8] ^ 1 << position % 8
        yield position, data[: position // 8] + bytes((octet,)) + data[position // 8 + 1 :]
