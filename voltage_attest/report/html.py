"""The report as one HTML file without anything outside it: for a security lead's screen, a phone, and a printed folder.

The verdict stands first, then what is wrong and what to do, then why the rest is believed. Nothing is loaded and no
script runs: a content security policy in the file itself forbids both, also to what evidence might try.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from voltage_attest._version import __version__
from voltage_attest.report.entries import WORST_FIRST, Brief, Named, counted, worst
from voltage_attest.report.html_chain import chain_section
from voltage_attest.report.html_documents import (
    boot_section,
    devices_section,
    provenance_section,
    tcb_section,
    timeline_section,
)
from voltage_attest.report.html_findings import LABELS, findings_section, measurements_section, pill
from voltage_attest.report.html_markup import Markup, join, tag
from voltage_attest.report.html_style import STYLE
from voltage_attest.report.plain import printable, utc
from voltage_attest.report.rows import grouped
from voltage_attest.report.verdict import render_headline, row_name
from voltage_attest.result import AttestationResult, CheckResult, Status, Verdict

__all__ = ["html_entry", "html_frame"]

_CSP: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_MANY: Final = 20
"""From so many results on, what is verified without reservation is told by its row in the index alone."""

_TONES: Final = {Verdict.VERIFIED: "good", Verdict.REFUSED: "bad", Verdict.UNDECIDED: "wait"}
_TITLES: Final = {Verdict.VERIFIED: "Verified", Verdict.REFUSED: "Refused", Verdict.UNDECIDED: "Undecided"}
_SIGNS: Final = {
    Verdict.VERIFIED: "M14 25 L21 32 L35 17",
    Verdict.REFUSED: "M16 16 L32 32 M32 16 L16 32",
    Verdict.UNDECIDED: "M18 19 C18 11 30 11 30 19 C30 24 24 24 24 29 M24 36 L24 36.2",
}


def html_frame(briefs: Sequence[Brief]) -> tuple[str, str]:
    """The page around the results; of several an index, the worst first."""
    verdict = worst(brief.verdict for brief in briefs)
    title = f"{_TITLES[verdict]}: {briefs[0].name if len(briefs) == 1 else counted(briefs)}"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{_CSP}"/>'),
        tag("meta", name="viewport", content="width=device-width,initial-scale=1"),
        tag("meta", name="robots", content="noindex"),
        tag("title", f"{title} - voltage-attest"),
        tag("style", Markup(STYLE)),
    )
    brand = tag(
        "div", tag("span", tag("b", "voltage-attest"), " attestation report"), tag("span", "confidential"), class_="brand"
    )
    index = Markup() if len(briefs) == 1 else _index(briefs, verdict)
    footer = tag(
        "footer",
        f"Made by voltage-attest {__version__} from the result alone. It is not signed: to be sure, verify the saved ",
        "bundle again. Checks are explained by `voltage-attest explain ID`.",
    )
    return (
        f'<!DOCTYPE html>\n<html lang="en">{head}\n<body><main>{brand}{index}\n',
        f"{footer}</main></body></html>\n",
    )


def _index(briefs: Sequence[Brief], verdict: Verdict) -> Markup:
    ordered = [brief for wanted in WORST_FIRST for brief in briefs if brief.verdict is wanted]
    told = [brief for brief in briefs if len(briefs) < _MANY or _is_told(brief)]
    rows = [
        tag(
            "tr",
            tag("td", tag("span", _label(brief), class_=f"pill {_tone(brief.verdict, reserved=brief.reserved)}")),
            tag("td", tag("a", brief.name, href=f"#{_anchor(brief.name)}") if brief in told else brief.name),
            tag("td", brief.why, class_="soft small"),
        )
        for brief in ordered
    ]
    banner = _banner(verdict, _TITLES[verdict], f"{counted(briefs)}. One that is not verified closes the gate for all.")
    head = tag("tr", [tag("th", text) for text in ("verdict", "name", "why, or until when")])
    return join(banner, tag("h2", "Results"), tag("table", tag("thead", head), tag("tbody", rows), class_="index wide"))


def _is_told(brief: Brief) -> bool:
    return brief.verdict is not Verdict.VERIFIED or brief.reserved


def _label(brief: Brief) -> str:
    return "reservations" if brief.verdict is Verdict.VERIFIED and brief.reserved else brief.verdict.value


def _tone(verdict: Verdict, *, reserved: bool) -> str:
    return "wait" if verdict is Verdict.VERIFIED and reserved else _TONES[verdict]


def _anchor(name: str) -> str:
    """A fragment that holds no more than letters and digits, and differs where names differ."""
    return f"r-{name.encode('utf-8', 'surrogatepass').hex()}"


def html_entry(named: Named, total: int) -> str:
    """One result."""
    name, result = named
    reserved = bool(result.warnings) or any(row.finding.unsafe for row in result.checks)
    if total >= _MANY and result.verdict is Verdict.VERIFIED and not reserved:
        return ""
    verdict, _, words = render_headline(result).partition(": ")
    if result.verdict is Verdict.VERIFIED:
        words = f"{words[:1].upper()}{words[1:]}"
    tone = _tone(result.verdict, reserved=reserved)
    return (
        tag(
            "article",
            None if total == 1 else tag("p", tag("b", name), class_="brand"),
            _banner(result.verdict, verdict.capitalize(), words, tone=tone),
            [tag("div", tag("b", "Warning: "), warning, class_="warning") for warning in result.warnings],
            _facts(name, result),
            findings_section(result),
            chain_section(result),
            measurements_section(result),
            tcb_section(result),
            boot_section(result),
            devices_section(result),
            timeline_section(result),
            _checks(result),
            provenance_section(result),
            id=_anchor(name),
        )
        + "\n"
    )


def _banner(verdict: Verdict, title: str, words: str, *, tone: str | None = None) -> Markup:
    sign = tag(
        "svg",
        tag("circle", cx=24, cy=24, r=22, fill="none", stroke="currentColor", stroke_width=3),
        tag("path", d=_SIGNS[verdict], fill="none", stroke="currentColor", stroke_width=4, stroke_linecap="round"),
        viewBox="0 0 48 48",
        aria_hidden="true",
    )
    return tag("div", sign, tag("h1", title), tag("p", words), class_=f"verdict {tone or _TONES[verdict]}")


def _facts(name: str, result: AttestationResult) -> Markup:
    policy = "none" if result.policy is None else result.policy.name
    fresh = "made for this request" if result.freshness.fresh else "not proven fresh"
    facts = [
        ("What was judged", name),
        ("Policy", policy),
        ("Appraised at", utc(result.appraised_at)),
        ("Evidence", fresh),
        ("Connection", result.channel.binding or "bound to none"),
    ]
    if result.verdict is Verdict.VERIFIED:
        facts.append(("Holds until", "no end known" if result.valid_until is None else utc(result.valid_until)))
    return tag("dl", [tag("div", tag("dt", label), tag("dd", text)) for label, text in facts], class_="facts")


def _checks(result: AttestationResult) -> Markup:
    groups = [_group(title, rows) for title, rows in grouped(result.checks)]
    return join(tag("h2", f"All {len(result.checks)} checks"), groups)


def _group(title: str, rows: list[CheckResult]) -> Markup:
    counts = {status: sum(row.status is status for row in rows) for status in LABELS}
    summary = ", ".join(f"{count} {LABELS[status]}" for status, count in counts.items() if count)
    is_open = any(row.status.closes_gate or row.finding.unsafe for row in rows)
    alike: dict[tuple[str, Status, str | None], list[CheckResult]] = {}
    for row in rows:
        alike.setdefault((row.id, row.status, row.reason), []).append(row)
    entries = [_line(same) for same in alike.values()]
    body = tag("ul", entries, class_="rows")
    return tag("details", tag("summary", title, tag("span", summary)), body, open="" if is_open else None)


def _line(rows: list[CheckResult]) -> Markup:
    """One line, also for a check that ended alike for several devices."""
    row = rows[0]
    name = row_name(row) if len(rows) == 1 else f"{printable(row.id)} ({len(rows)} devices)"
    why = row.reason if row.status is not Status.PASSED else row.finding.expected
    said = tag("span", f" {why}", class_="soft") if why else None
    return tag("li", tag("span", pill(row)), tag("span", row.check.title, ". ", tag("code", name), said))
