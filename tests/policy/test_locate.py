"""Which line a key stands on."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voltage_attest.policy.locate import locate_keys


def test_tables_keys_and_members_of_arrays_of_tables_are_located() -> None:
    """Lines count from one; members of arrays of tables are numbered from zero."""
    text = "a = 1\n\n[t]\nb = 2\n[t.u]\nc = 3\n[[t.u.v]]\nd = 4\n[[t.u.v]]\nd = 5\n  e = 6\n"
    assert locate_keys(text) == {
        "a": 1,
        "t": 3,
        "t.b": 4,
        "t.u": 5,
        "t.u.c": 6,
        "t.u.v.0": 7,
        "t.u.v.0.d": 8,
        "t.u.v.1": 9,
        "t.u.v.1.d": 10,
        "t.u.v.1.e": 11,
    }


def test_quoted_and_dotted_keys_are_one_key() -> None:
    """However a key is spelt, it is found under its plain name."""
    assert locate_keys('"a" = 1\n\'b\'.c = 2\n[ "t" . u ]\nd . e = 3\n') == {"a": 1, "b.c": 2, "t.u": 3, "t.u.d.e": 4}


@pytest.mark.parametrize("quote", ['"""', "'''"])
def test_text_inside_multi_line_strings_is_no_key(quote: str) -> None:
    """Lines that look like keys and headers inside a string are skipped, and counting goes on after it."""
    text = f"a = {quote}\nb = 1\n[t]\n{quote}\nc = 2\n"
    assert tomllib.loads(text).keys() == {"a", "c"}
    assert locate_keys(text) == {"a": 1, "c": 5}


def test_a_multi_line_array_keeps_the_line_of_its_key() -> None:
    """Values on lines of their own are no keys."""
    assert locate_keys('a = [\n  "b = 1",\n  "c",\n]\nd = 1\n') == {"a": 1, "d": 5}


@pytest.mark.parametrize("comment", ["# b = 1", "# [t]", "a = 1 # c = 2"])
def test_comments_are_no_keys(comment: str) -> None:
    """What stands behind a hash is not read."""
    assert set(locate_keys(f"{comment}\n")) <= {"a"}


@pytest.mark.parametrize("line", ['# never write """ here', "# nor ''' here", 'b = \'"""\'', "b = \"'''\""])
def test_quotes_in_comments_and_short_strings_open_nothing(line: str) -> None:
    """Three quotes that open no multi-line string must not hide the keys behind them."""
    text = f"a = 1\n{line}\nc = 3\n"
    assert "c" in tomllib.loads(text)
    assert locate_keys(text).get("c") == 3


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85"])
def test_only_toml_line_ends_end_a_line(separator: str) -> None:
    """Unicode line separators may stand in comments and strings; editors do not count them."""
    text = f"# a comment{separator}goes on\nb = 2\n"
    assert tomllib.loads(text) == {"b": 2}
    assert locate_keys(text) == {"b": 2}


@given(st.text(max_size=200))
def test_no_text_makes_it_fail(text: str) -> None:
    """Whatever the text, the scan ends with lines that exist."""
    assert all(1 <= line <= len(text.splitlines()) for line in locate_keys(text).values())
