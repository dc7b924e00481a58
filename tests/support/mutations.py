"""Hypothesis strategies that make bad input out of good: bits flipped, slices cut, inserted, doubled, exchanged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from hypothesis import strategies as st

__all__ = ["json_values", "mutated_bytes", "mutated_json"]

_ByteEdit = Callable[[bytes, int, int, bytes], bytes]


def _flip(data: bytes, start: int, _: int, new: bytes) -> bytes:
    return data[:start] + bytes([octet ^ 1 << new[0] % 8 for octet in data[start : start + 1]]) + data[start + 1 :]


def _exchange(data: bytes, start: int, stop: int, _: bytes) -> bytes:
    middle = (start + stop) // 2
    return data[:start] + data[middle:stop] + data[start:middle] + data[stop:]


_BYTE_EDITS: Final[dict[str, _ByteEdit]] = {
    "flip": _flip,
    "cut": lambda data, start, stop, _: data[:start] + data[stop:],
    "insert": lambda data, start, _, new: data[:start] + new + data[start:],
    "double": lambda data, start, stop, _: data[:stop] + data[start:],
    "exchange": _exchange,
    "overwrite": lambda data, start, _, new: data[:start] + new + data[start + len(new) :],
    "truncate": lambda data, start, _, __: data[:start],
}


@st.composite
def mutated_bytes(draw: st.DrawFn, originals: Sequence[bytes], *, edits: int = 3) -> bytes:
    """One of ``originals`` after 1 to ``edits`` changes at any place."""
    data = draw(st.sampled_from(originals))
    for _ in range(draw(st.integers(1, edits))):
        edit = _BYTE_EDITS[draw(st.sampled_from(tuple(_BYTE_EDITS)))]
        start = draw(st.integers(0, len(data)))
        stop = min(len(data), start + draw(st.integers(1, 64)))
        data = edit(data, start, stop, draw(st.binary(min_size=1, max_size=12)))
    return data


_EXTREMES: Final = (
    *(-1, 2**16, 2**32, 2**64, 10**30),
    *("UpToDate", "Revoked", "TDX", "00", "FF" * 48, "2026-02-30T00:00:00Z", "9999-12-31T23:59:59Z"),
)


def json_values() -> st.SearchStrategy[object]:
    """Any JSON value, and the extremes of numbers and text that parsers stumble over."""
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.sampled_from(_EXTREMES)
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=6,
    )


@st.composite
def mutated_json(draw: st.DrawFn, original: object, *, edits: int = 2) -> object:
    """A JSON document of the same shape in which 1 to ``edits`` values are gone, renamed, doubled or replaced."""
    for _ in range(draw(st.integers(1, edits))):
        original = draw(_edited(original))
    return original


@st.composite
def _edited(draw: st.DrawFn, value: object) -> object:
    """Descend at random, and change what is found there."""
    if draw(st.integers(0, 4)):
        if isinstance(value, dict) and value:
            return draw(_edited_object(value))
        if isinstance(value, list) and value:
            return draw(_edited_list(value))
    return draw(json_values())


@st.composite
def _edited_object(draw: st.DrawFn, value: dict[str, object]) -> object:
    key = draw(st.sampled_from(sorted(value)))
    rest = {name: member for name, member in value.items() if name != key}
    kind = draw(st.sampled_from(("descend",) * 6 + ("remove", "rename")))
    if kind == "descend":
        return {**value, key: draw(_edited(value[key]))}
    return rest if kind == "remove" else {**rest, draw(st.text(max_size=8)): value[key]}


@st.composite
def _edited_list(draw: st.DrawFn, value: list[object]) -> object:
    position = draw(st.integers(0, len(value) - 1))
    before, after = value[:position], value[position + 1 :]
    kind = draw(st.sampled_from(("descend",) * 6 + ("remove", "double", "turn")))
    if kind == "descend":
        return [*before, draw(_edited(value[position])), *after]
    if kind == "remove":
        return before + after
    return [*before, value[position], value[position], *after] if kind == "double" else [*value[position:], *before]
