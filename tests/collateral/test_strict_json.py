"""JSON from outside: no duplicate keys, no NaN, and every field with the type and range it must have."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.mutations import json_values
from tests.support.parsers import assert_read_or_refused
from voltage_attest.collateral import strict_json
from voltage_attest.collateral.strict_json import (
    JsonObject,
    parse_strict_json,
    take_hex,
    take_int,
    take_list,
    take_object,
    take_text,
    take_time,
)
from voltage_attest.errors import CollateralFormatError


def refused(text: str | bytes) -> CollateralFormatError:
    """The error that reading this text must raise."""
    with pytest.raises(CollateralFormatError) as raised:
        parse_strict_json(text, "document")
    assert raised.value.document == "document"
    return raised.value


@pytest.mark.parametrize(
    "text",
    ['{"a": 1, "a": 1}', '{"a": 1, "b": 2, "\\u0061": 3}', '{"x": {"a": 1, "a": 2}}', '{"x": [[{"a": 1, "a": 2}]]}'],
)
def test_a_key_that_occurs_twice_is_refused_at_any_depth(text: str) -> None:
    """Two readers could take two values; an escaped spelling of the same key is the same key."""
    assert "the key 'a' occurs twice" in refused(text).found


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_are_none_are_refused(number: str) -> None:
    """JSON does not know them; Python's reader does."""
    assert f"the number {number}" in refused(f'{{"a": {number}}}').found


@pytest.mark.parametrize("number", ["1e999", "-1e999", "123456789e400"])
def test_numbers_too_large_for_a_float_are_refused(number: str) -> None:
    """They would be read as infinity, which no document may hold."""
    assert "not JSON" in refused(f'{{"a": {number}}}').found


class CountedKey(str):
    """A key that counts how often any key is compared with another."""

    __slots__ = ()
    compared = 0

    def __eq__(self, other: object) -> bool:
        CountedKey.compared += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def test_finding_the_doubled_key_costs_no_more_than_reading_the_others() -> None:
    """A file of 100,000 keys whose last is doubled must not cost 100,000 squared: comparisons are counted, not seconds."""
    keys = [CountedKey(number) for number in range(2000)]
    CountedKey.compared = 0
    with pytest.raises(ValueError, match="1999"):
        strict_json._unique([(key, None) for key in (*keys, CountedKey(1999))])
    assert CountedKey.compared < 10 * len(keys)


@pytest.mark.parametrize("text", ["[]", '"text"', "1", "true", "null"])
def test_only_an_object_is_a_document(text: str) -> None:
    """Any other JSON value is named."""
    error = refused(text)
    assert "a JSON " in error.found
    assert error.expected == "a JSON object"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"{",
        b'{"a":}',
        b'{"a":1}x',
        b'{"a":1}{}',
        b"{'a':1}",
        b'{"a":01}',
        b'{"a":1,}',
        b'{"a":"\n"}',
        b"\xef\xbb\xbf{}",
    ],
)
def test_what_is_not_json_is_refused(text: bytes) -> None:
    """Empty, cut off, trailing text, comments of other dialects, control characters, a byte order mark."""
    assert "not JSON" in refused(text).found


@pytest.mark.parametrize("text", [b"\xff\xfe{}", b'{"a": "\xe4"}', b'{"a": "\xed\xa0\x80"}', '{"a": 1}'.encode("utf-16")])
def test_what_is_not_utf_8_is_refused(text: bytes) -> None:
    """Latin-1, UTF-16 and encoded surrogates."""
    assert refused(text).expected == "JSON in UTF-8"


def test_deep_nesting_is_refused_not_a_crash() -> None:
    """A hundred thousand brackets end in the documented error."""
    assert "nested too deeply" in refused('{"a":' + "[" * 100_000).found


def test_a_number_of_many_digits_is_refused_not_a_crash() -> None:
    """Python's limit for integers is part of the promise."""
    assert "not JSON" in refused('{"a":' + "9" * 5000 + "}").found


@given(st.dictionaries(st.text(max_size=8), json_values(), max_size=5))
def test_what_json_writes_is_read_back(document: dict[str, object]) -> None:
    """Reading is the inverse of writing, for every object that JSON can hold (NaN and infinities are refused)."""
    text = json.dumps(document)
    if any(word in text for word in ("NaN", "Infinity")):
        assert_read_or_refused(lambda data: parse_strict_json(data, "document"), text.encode(), CollateralFormatError)
    else:
        assert parse_strict_json(text, "document") == json.loads(text)


@given(st.binary(max_size=300) | st.text(alphabet='{}[]":,0123456789eE.-+tfn\\u ', max_size=80).map(str.encode))
def test_random_text_is_read_or_refused(data: bytes) -> None:
    """Noise, and noise made of JSON's own characters."""
    assert_read_or_refused(lambda data: parse_strict_json(data, "document"), data, CollateralFormatError)


TAKERS: dict[str, tuple[Callable[[JsonObject], object], tuple[object, ...], tuple[object, ...]]] = {
    "text": (
        lambda found: take_text(found, "key", "document"),
        ("", "text"),
        (None, 1, True, 1.5, [], {}),
    ),
    "integer": (
        lambda found: take_int(found, "key", "document", 255),
        (0, 255),
        (None, -1, 256, 2**64, True, False, 1.0, "1", [], {}),
    ),
    "object": (
        lambda found: take_object(found, "key", "document"),
        ({}, {"a": 1}),
        (None, [], "{}", 1, True),
    ),
    "list": (
        lambda found: take_list(found, "key", "document", 2),
        ([1], [1, 2]),
        (None, [], [1, 2, 3], {}, "[]", 1, True),
    ),
    "hex": (
        lambda found: take_hex(found, "key", "document", 2).hex(),
        ("00ff", "abcd"),
        (
            None,
            "",
            "00f",
            "00fff",
            "00ffff",
            "0xff",
            "00 ff",
            " 0ff",
            "00f\n",
            "00gg",
            "\uff10\uff10ff",
            "\u0966\u0966\u0966\u0966",
            255,
            True,
            [],
        ),
    ),
    "time": (
        lambda found: take_time(found, "key", "document").strftime("%Y-%m-%dT%H:%M:%SZ"),
        ("2026-10-08T00:09:46Z", "9999-12-31T23:59:59Z"),
        (
            *(None, "", 1791418186, True, [], "2026-10-08", "2026-10-08T00:09:46", "2026-10-08T00:09:46+00:00"),
            *("2026-10-08T00:09:46.000Z", "2026-10-08 00:09:46Z", "2026-10-08t00:09:46z", " 2026-10-08T00:09:46Z"),
            *("2026-10-08T00:09:46Z\n", "2026-02-30T00:00:00Z", "2026-13-01T00:00:00Z", "2026-10-08T25:00:00Z"),
            *("2026-10-08T00:60:00Z", "2026-10-08T00:00:60Z", "0000-01-01T00:00:00Z", "12026-10-08T00:09:46Z"),
            *("\uff12\uff10\uff12\uff16-10-08T00:09:46Z", "NaN", "2026-281T00:09:46Z", "20261008T000946Z"),
        ),
    ),
}


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind in TAKERS for value in TAKERS[kind][1]])
def test_a_field_of_the_right_kind_is_taken(kind: str, value: object) -> None:
    """Up to the last value of its range."""
    assert TAKERS[kind][0]({"key": value}) == value


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind in TAKERS for value in TAKERS[kind][2]])
def test_a_field_of_another_kind_is_refused_by_name(kind: str, value: object) -> None:
    """Absent, of another type, out of range, nearly right: the error names document and key."""
    with pytest.raises(CollateralFormatError, match="document: key ") as raised:
        TAKERS[kind][0]({"key": value})
    assert raised.value.document == "document"


@pytest.mark.parametrize("kind", TAKERS)
def test_an_absent_field_is_said_to_be_absent(kind: str) -> None:
    """Missing and null read alike."""
    with pytest.raises(CollateralFormatError, match="key is absent"):
        TAKERS[kind][0]({})


def test_hex_of_either_case_gives_the_same_bytes() -> None:
    """Intel writes both."""
    assert take_hex({"key": "aBcD"}, "key", "document", 2) == b"\xab\xcd"


def test_times_are_aware_and_utc() -> None:
    """A time is never naive."""
    moment = take_time({"key": "2026-10-08T00:09:46Z"}, "key", "document")
    assert moment == datetime(2026, 10, 8, 0, 9, 46, tzinfo=UTC)
    assert moment.tzinfo is UTC
