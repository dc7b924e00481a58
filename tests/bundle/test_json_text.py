"""Reading JSON with its text kept: what is cut out is what was sent, and nothing lenient happens on the way."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.mutations import mutated_bytes
from tests.support.parsers import assert_read_or_refused
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.json_text import JsonObject, JsonView, maybe, parse_json

LIMIT = 1 << 20


def read(text: str | bytes) -> JsonView:
    return parse_json(text if isinstance(text, bytes) else text.encode(), "the document", limit=LIMIT)


def json_documents() -> st.SearchStrategy[object]:
    leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
        max_leaves=12,
    )


def walk(view: JsonView) -> None:
    """Every part's own text stands for its value, all the way down."""
    assert json.loads(view.raw) == view.value
    if isinstance(view.value, dict):
        members = view.as_object().members
        assert {key: member.value for key, member in members.items()} == view.value
        for member in members.values():
            walk(member)
    if isinstance(view.value, list):
        elements = view.as_list(10)
        assert [element.value for element in elements] == view.value
        for element in elements:
            walk(element)


@given(document=json_documents(), indent=st.sampled_from([None, 0, 1, "\t", "\r\n"]), ascii_only=st.booleans())
def test_every_value_is_cut_out_of_the_text_where_it_stands(
    document: object, indent: int | str | None, *, ascii_only: bool
) -> None:
    text = json.dumps(document, indent=indent, ensure_ascii=ascii_only, separators=(" , ", " : "))
    view = read(f" \n{text}\t ")
    assert view.raw == text
    walk(view)


def test_the_text_is_kept_down_to_its_oddities() -> None:
    view = read('{"a" : {"n":1.0e+00,"s":"\\u0041","e":[ ]}, "b":"\\""}')
    members = view.as_object().members
    assert members["a"].raw == '{"n":1.0e+00,"s":"\\u0041","e":[ ]}'
    assert members["a"].as_object().members["s"].as_text() == "A"
    assert members["b"].raw == '"\\""'


def test_errors_say_where_in_the_document_the_value_stands() -> None:
    view = read('{"a": [{"odd key": 5}]}').as_object().required("a").as_list(4)[0].as_object().required("odd key")
    with pytest.raises(EvidenceFormatError) as refused:
        view.as_text()
    assert refused.value.found == "the document: a[0]: 'odd key' is 5"


def test_a_long_value_is_not_repeated_in_full() -> None:
    view = read(json.dumps({"a": "x" * 100_000})).as_object().required("a")
    assert len(str(view.wrong("less"))) < 300
    assert "a text of 100000 characters" in str(view.wrong("less"))


@pytest.mark.parametrize(
    ("value", "words"),
    [("null", "null"), ("true", "true"), ("[1, 2]", "a list of 2 members"), ("{}", "an object"), ("1.50", "1.5"), ('""', "''")],
)
def test_what_was_found_is_described(value: str, words: str) -> None:
    assert words in read(value).wrong("something").found


def test_null_counts_as_absent() -> None:
    members = read('{"a": null}').as_object()
    assert members.optional("a") is None
    with pytest.raises(EvidenceFormatError, match="has no 'a'"):
        members.required("a")


def test_unknown_keys_are_refused_where_the_format_is_ours() -> None:
    members = read('{"a": 1, "b": 2}').as_object()
    members.refuse_unknown(("a", "b"))
    with pytest.raises(EvidenceFormatError, match="has the key 'b'; expected only a"):
        members.refuse_unknown(("a",))


def test_an_empty_key_is_a_key() -> None:
    assert read('{"": 1}').as_object().required("").value == 1


@pytest.mark.parametrize("text", ["00", "AB", "ab"])
def test_hex_is_read_in_either_case(text: str) -> None:
    assert read(json.dumps(text)).as_hex(1) == bytes.fromhex(text)


@pytest.mark.parametrize("value", ['"0x00"', '"0"', '"000"', '"0g"', '" 00"', '""', "0", "[]", '"\N{FULLWIDTH DIGIT ZERO}0"'])
def test_what_is_not_hex_of_that_size_is_refused(value: str) -> None:
    with pytest.raises(EvidenceFormatError, match="expected 2 or 4 hex digits"):
        read(value).as_hex(1, 2)


def test_a_prefix_is_allowed_only_where_it_is_customary() -> None:
    assert read('"0xab"').as_hex(1, prefix=True) == b"\xab"


@pytest.mark.parametrize("value", ['"QQ"', '"QR=="', '"Q Q="', '"QQ==\\n"', '"-_8="', "5", '"ä"'])
def test_base64_has_one_text_for_the_same_bytes(value: str) -> None:
    with pytest.raises(EvidenceFormatError, match="base64, padded"):
        read(value).as_base64()


@pytest.mark.parametrize("number", ["1" + "0" * 4299, "-0", "1e308", "123456789012345678901234567890"])
def test_numbers_that_python_holds_are_read(number: str) -> None:
    assert read(f"[{number}]").as_list(1)[0].raw == number


@pytest.mark.parametrize("depth", [1, 64])
def test_64_levels_are_read(depth: int) -> None:
    assert isinstance(read("[" * depth + "]" * depth), JsonView)


@pytest.mark.parametrize("depth", [65, 900, 50_000])
def test_65_levels_are_refused_however_deep_the_caller_stands(depth: int) -> None:
    with pytest.raises(EvidenceFormatError, match="nested too deeply; expected at most 64 levels"):
        read("[" * depth + "]" * depth)


def test_a_whole_surrogate_pair_is_text() -> None:
    assert read('"\\ud83d\\ude00"').as_text() == "\N{GRINNING FACE}"


def test_json_text_is_taken_from_a_string_or_from_the_document() -> None:
    members = read('{"a": "[1 ]", "b": [1 ], "c": 1}').as_object()
    assert [maybe(members.optional(key), JsonView.as_json_text) for key in ("a", "b", "d")] == ["[1 ]", "[1 ]", None]
    with pytest.raises(EvidenceFormatError, match="JSON in a string"):
        members.required("c").as_json_text()


@given(data=mutated_bytes([b'{"a": [1, {"b": "\\u00e9", "c": null}], "d": 1.5e3, "e": "\xc3\xa9"}']))
def test_mutated_documents_are_read_or_refused(data: bytes) -> None:
    def read_through(octets: bytes) -> JsonObject | None:
        view = read(octets)
        walk(view)
        return view.as_object()

    assert_read_or_refused(read_through, data, EvidenceFormatError)
