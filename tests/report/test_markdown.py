"""Markdown for pull requests: the verdict, what to do, and nothing that evidence could link, mention or embed."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.report.hostile import ATTACKS, hostile
from tests.report.samples import REFUSED, SAMPLES, UNDECIDED, VERIFIED, check_golden, real_result
from voltage_attest.report.entries import Named
from voltage_attest.report.formats import render_report
from voltage_attest.report.markdown import code, escaped

RESULTS = {**SAMPLES, "real": real_result()}


@pytest.mark.parametrize("name", RESULTS)
def test_markdown_is_what_it_was(name: str) -> None:
    check_golden(f"{name}.md", render_report("markdown", [Named("pod_7", RESULTS[name])]))


def test_several_results_stand_in_a_table_the_worst_first() -> None:
    named = [Named("good", VERIFIED), Named("open", UNDECIDED), Named("bad", REFUSED)]
    text = render_report("markdown", named)
    check_golden("several.md", text)
    names = re.findall(r"^\| \S+ \w+ \| `(\w+)` \|", text, re.MULTILINE)
    assert names == ["bad", "open", "good"]
    assert "### ✅ good" not in text, "what is verified is told by its row"


def test_a_failed_row_tells_values_rule_and_remedy() -> None:
    text = render_report("markdown", [Named("pod_7", REFUSED)])
    assert f"`{'91eb' * 24}`<br>or `{'c0de' * 24}`" in text
    assert f"`{'dead' * 24}`" in text
    assert "| rule | voltage\\-attest.toml\\:5 |" in text


@pytest.mark.parametrize("attack", ATTACKS)
def test_evidence_adds_no_html_and_no_line(attack: str) -> None:
    text, benign = (render_report("markdown", [hostile(said)]) for said in (attack, "benign"))
    assert text.count("\n") == benign.count("\n")
    outside = re.sub(r"(`+) ?.*? ?\1", "", text)
    tags = set(re.findall(r"(?<!\\)<(/?\w+)", outside))
    assert tags <= {"details", "/details", "summary", "/summary", "br"}
    assert not re.search(r"(?<!\\)\]\(", outside)
    assert "@everyone" not in outside


@given(st.text(st.characters(), min_size=1, max_size=30))
def test_a_code_span_ends_where_it_should(text: str) -> None:
    span = code(text)
    fence = re.match(r"`+", span)
    assert fence is not None
    assert span.endswith(fence[0])
    inner = span[len(fence[0]) : -len(fence[0])]
    assert fence[0] not in re.findall(r"`+", inner)


@given(st.text(st.characters(), max_size=30))
def test_escaped_text_is_one_line_without_bare_markup(text: str) -> None:
    assert escaped(text).isprintable()
    assert not re.search(r"(?<!\\)(?:\\\\)*[<`*_\[]", escaped(text).replace("@<!-- -->", "@"))
