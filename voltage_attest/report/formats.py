"""The formats of a report, by name: how one result is written, and what stands around several.

A report is ``head + separator.join(entries that are not empty) + tail``. Entries are made one at a time, so that a report of
a thousand results needs the memory of one; head and tail are made at the end, when there is a :class:`Brief` of each. What
draws a format is loaded when it is first asked for: most runs print one text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from voltage_attest.report.entries import Brief, Named, brief_of, counted, worst
from voltage_attest.report.json import render_json
from voltage_attest.report.plain import printable
from voltage_attest.report.text import render_text

__all__ = ["FORMATS", "RUN_SCHEMA", "Format", "format_of_suffix", "render_report"]

RUN_SCHEMA: Final = "voltage-attest/run/1"
"""JSON of several results: ``{"schema", "verdict", "results": [{"name", "result": voltage-attest/result/1}]}``."""


@dataclass(frozen=True, slots=True)
class Format:
    """One way to write results: ``entry`` takes one of them and how many there are, ``frame`` what is remembered of all."""

    name: str
    suffixes: tuple[str, ...]
    entry: Callable[[Named, int], str]
    frame: Callable[[Sequence[Brief]], tuple[str, str]]
    separator: str = ""


def _text_entry(named: Named, total: int) -> str:
    text = render_text(named.result)
    return text if total == 1 else f"{printable(named.name)}\n\n{text}"


def _text_frame(briefs: Sequence[Brief]) -> tuple[str, str]:
    return "", "" if len(briefs) == 1 else f"\n\n{counted(briefs)}. {worst(brief.verdict for brief in briefs).value.upper()}\n"


def _json_entry(named: Named, _total: int) -> str:
    return f'{{"name": {json.dumps(printable(named.name))}, "result": {render_json(named.result).rstrip()}}}'


def _json_frame(briefs: Sequence[Brief]) -> tuple[str, str]:
    verdict = worst(brief.verdict for brief in briefs)
    return f'{{"schema": "{RUN_SCHEMA}", "verdict": "{verdict.value}", "results": [\n', "\n]}\n"


def _junit_entry(named: Named, total: int) -> str:
    from voltage_attest.report.junit import junit_entry

    return junit_entry(named, total)


def _junit_frame(briefs: Sequence[Brief]) -> tuple[str, str]:
    from voltage_attest.report.junit import junit_frame

    return junit_frame(briefs)


def _sarif_entry(named: Named, total: int) -> str:
    from voltage_attest.report.sarif import sarif_entry

    return sarif_entry(named, total)


def _sarif_frame(briefs: Sequence[Brief]) -> tuple[str, str]:
    from voltage_attest.report.sarif import sarif_frame

    return sarif_frame(briefs)


def _github_entry(named: Named, total: int) -> str:
    from voltage_attest.report.github import github_entry

    return github_entry(named, total)


def _github_frame(briefs: Sequence[Brief]) -> tuple[str, str]:
    from voltage_attest.report.github import github_frame

    return github_frame(briefs)


def _html_entry(named: Named, total: int) -> str:
    from voltage_attest.report.html import html_entry

    return html_entry(named, total)


def _html_frame(briefs: Sequence[Brief]) -> tuple[str, str]:
    from voltage_attest.report.html import html_frame

    return html_frame(briefs)


def _markdown_entry(named: Named, total: int) -> str:
    from voltage_attest.report.markdown import markdown_entry

    return markdown_entry(named, total)


def _markdown_frame(briefs: Sequence[Brief]) -> tuple[str, str]:
    from voltage_attest.report.markdown import markdown_frame

    return markdown_frame(briefs)


FORMATS: Final = {
    form.name: form
    for form in (
        Format("text", (".txt", ".log"), _text_entry, _text_frame, "\n\n"),
        Format("json", (".json",), _json_entry, _json_frame, ",\n"),
        Format("junit", (".xml",), _junit_entry, _junit_frame),
        Format("sarif", (".sarif",), _sarif_entry, _sarif_frame, ",\n"),
        Format("github", (), _github_entry, _github_frame),
        Format("html", (".html", ".htm"), _html_entry, _html_frame),
        Format("markdown", (".md", ".markdown"), _markdown_entry, _markdown_frame),
    )
}
"""By name. ``json`` is of several results here; of a single one it is :func:`~voltage_attest.report.json.render_json`."""


def format_of_suffix(suffix: str) -> str | None:
    """The format that files of this suffix (with its dot) have; None if none does."""
    return next((form.name for form in FORMATS.values() if suffix.lower() in form.suffixes), None)


def render_report(form: str, results: Iterable[Named]) -> str:
    """The whole report as one text, for results that fit into memory; KeyError on an unknown format."""
    found, named = FORMATS[form], list(results)
    head, tail = found.frame([brief_of(item) for item in named])
    entries = [found.entry(item, len(named)) for item in named]
    return head + found.separator.join(entry for entry in entries if entry) + tail
