"""The host's updates in words, its devices, how long each document lasts, and what everything was computed from."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from voltage_attest.report.chain import Tone
from voltage_attest.report.html_markup import Content, Markup, join, tag
from voltage_attest.report.meaning import TCB_MEANINGS, advisory_meaning, advisory_url
from voltage_attest.report.plain import one_or_many, utc
from voltage_attest.result import AttestationResult, CollateralRecord, GpuClaims, Status, SwitchClaims, TdxClaims
from voltage_attest.tcb_status import TcbStatus

__all__ = ["boot_section", "devices_section", "provenance_section", "tcb_section", "timeline_section"]

_LONGEST: Final = timedelta(days=180)
"""What a timeline shows before and after the appraisal; roots and manifests last for decades."""


def tcb_section(result: AttestationResult) -> Markup:
    """The converged status and every advisory, each in words."""
    claims = result.tdx
    if claims is None:
        return Markup()
    status = "not determined" if claims.tcb_status is None else claims.tcb_status
    meaning = TCB_MEANINGS.get(status)
    tone = Tone.NONE
    if meaning is not None:
        tone = Tone.GOOD if status == TcbStatus.UP_TO_DATE else Tone.BAD if status == TcbStatus.REVOKED else Tone.WAIT
    head = tag("header", tag("span", status, class_=f"pill {tone}"), tag("h3", meaning.title if meaning else "Not known"))
    date = None if claims.tcb_date is None else f"Level of {claims.tcb_date.date()}. "
    words: Content = (
        "No level of Intel's list could be matched, or this version does not know the status."
        if meaning is None
        else [
            tag("p", date, meaning.means, class_="about"),
            _todo(meaning.what_to_do, None if tone is Tone.GOOD else meaning.actor.value),
        ]
    )
    return join(
        tag("h2", "Security updates of the host"),
        tag("section", head, words, _advisories(claims), class_=f"card edge {tone}"),
    )


def _todo(text: str, actor: str | None) -> Markup:
    by = None if actor is None else tag("span", f" ({actor} can mend it)", class_="soft")
    return tag("div", tag("b", "What to do: "), text, by, class_="todo")


def _advisories(claims: TdxClaims) -> Content:
    if not claims.advisory_ids:
        return None
    entries = [tag("li", tag("code", _linked(name)), ": ", advisory_meaning(name).title) for name in claims.advisory_ids]
    head = f"{one_or_many(len(entries), 'advisory', 'advisories')} of Intel's {'applies' if len(entries) == 1 else 'apply'}"
    return tag("div", tag("b", head), tag("ul", entries, style="padding-left:1.2rem"), class_="todo")


def _linked(advisory_id: str) -> Content:
    url = advisory_url(advisory_id)
    return advisory_id if url is None else tag("a", advisory_id, href=url, rel="noreferrer")


def boot_section(result: AttestationResult) -> Markup:
    """What was measured into the registers, event by event, and whether its content is proven or only said."""
    if not result.boot:
        return Markup()
    head = tag("tr", [tag("th", text) for text in ("", "register", "what", "how it is known", "digest")])
    body = []
    for event in result.boot:
        known = tag("span", "proven" if event.bound else "said", class_=f"pill {Tone.GOOD if event.bound else Tone.NONE}")
        digest = tag("code", event.digest)
        cells = (known, event.register, event.meaning, event.binding, digest)
        body.append(tag("tr", [tag("td", content) for content in cells]))
    return join(tag("h2", "Measured boot"), tag("table", tag("thead", head), tag("tbody", body), class_="wide small"))


def devices_section(result: AttestationResult) -> Markup:
    """A row for each GPU and switch."""
    devices: tuple[GpuClaims | SwitchClaims, ...] = (*result.gpus, *result.switches)
    if not devices:
        return Markup()
    head = tag("tr", [tag("th", text) for text in ("device", "chip", "versions", "identity", "checks")])
    body = [_device(device, result) for device in devices]
    return join(tag("h2", "GPUs and switches"), tag("table", tag("thead", head), tag("tbody", body), class_="wide small"))


def _device(device: GpuClaims | SwitchClaims, result: AttestationResult) -> Markup:
    rows = [row.status for row in result.checks if row.device == device.device]
    bad = sum(status.closes_gate for status in rows)
    passed = sum(status is Status.PASSED for status in rows)
    state = tag("span", f"{bad} not passed" if bad else f"{passed} passed", class_=f"pill {Tone.BAD if bad else Tone.GOOD}")
    if isinstance(device, GpuClaims):
        versions = f"driver {device.driver_version}, VBIOS {device.vbios_version}, {device.mode or 'mode not reported'}"
        chip = f"{device.chip}, board {device.board}"
    else:
        chip, versions = device.chip, f"BIOS {device.bios_version}, {'locked' if device.locked else 'not locked'}"
    identity = tag("code", f"ueid {device.ueid}")
    return tag("tr", [tag("td", content) for content in (tag("b", device.device), chip, versions, identity, state)])


def timeline_section(result: AttestationResult) -> Markup:
    """A bar for each document (of NVIDIA's, for each kind), and a mark where it was appraised."""
    dated = [bar for bar in _bars(result.collateral) if bar[1] is not None and bar[2] is not None]
    undated = [bar for bar in _bars(result.collateral) if bar[1] is None or bar[2] is None]
    if not result.collateral:
        return Markup()
    at = result.appraised_at
    starts = [max(issued, at - _LONGEST) for _, issued, _ in dated if issued is not None] + [at]
    ends = [min(until, at + _LONGEST) for _, _, until in dated if until is not None] + [at]
    first, last = min(starts), max(ends)
    margin = max((last - first) * 0.03, timedelta(hours=1))
    span = (first - margin, last + margin)
    rows: list[Content] = []
    for label, issued, until in dated:
        if issued is not None and until is not None:
            rows += [tag("span", label), _bar(issued, until, at, span), tag("span", _until(issued, until, at), class_="small")]
    for label, *_ in undated:
        rows += [tag("span", label), tag("span", "no window that could be read", class_="small"), tag("span")]
    axis = tag("span", *[tag("span", text) for text in (f"{span[0].date()}", f"{span[1].date()}")], class_="axis")
    rows += [tag("span"), axis, tag("span", f"mark: appraised {utc(at)}", class_="small")]
    return join(tag("h2", "How long the documents last"), tag("div", rows, class_="time card"))


_Bar = tuple[str, datetime | None, datetime | None]


def _bars(records: Iterable[CollateralRecord]) -> list[_Bar]:
    """Label, begin and end: of many of one kind the span that all of them share."""
    kinds: dict[str, list[CollateralRecord]] = {}
    for record in records:
        kinds.setdefault(record.kind, []).append(record)
    bars: list[_Bar] = []
    for kind, same in kinds.items():
        issued = [record.issued for record in same if record.issued is not None]
        until = [record.next_update for record in same if record.next_update is not None]
        label = kind if len(same) == 1 else f"{len(same)} x {kind}"
        bars.append((label, max(issued, default=None), min(until, default=None)))
    return bars


def _bar(issued: datetime, until: datetime, at: datetime, span: tuple[datetime, datetime]) -> Markup:
    def place(time: datetime) -> float:
        return round(min(max((time - span[0]) / (span[1] - span[0]), 0.0), 1.0) * 1000, 1)

    left, right, now = place(issued), place(until), place(at)
    tone = Tone.GOOD if issued <= at <= until else Tone.BAD
    return tag(
        "svg",
        tag("title", f"{utc(issued)} to {utc(until)}"),
        tag("rect", class_="track", x=0, y=6, width=1000, height=6),
        tag("rect", class_="span", x=left, y=4, width=max(right - left, 4), height=10),
        tag("rect", class_="now", x=max(now - 2, 0), y=0, width=4, height=18),
        class_=f"bar {tone}",
        viewBox="0 0 1000 18",
        preserveAspectRatio="none",
        role="img",
    )


def _until(issued: datetime, until: datetime, at: datetime) -> str:
    if at > until:
        return f"ended {utc(until)}"
    return f"begins {utc(issued)}" if at < issued else f"until {utc(until)}, {_left(until - at)}"


def _left(time: timedelta) -> str:
    days = time.days
    if days > 800:
        return f"{days // 365} years left"
    return f"{one_or_many(days, 'day')} left" if days else f"{one_or_many(time.seconds // 3600, 'hour')} left"


def provenance_section(result: AttestationResult) -> Markup:
    """Hashes and origins: what a second reader needs to compute the same."""
    policy = result.policy
    facts: list[tuple[str, Content]] = [
        ("appraised", f"{utc(result.appraised_at)}, by voltage-attest {result.verifier_version}")
    ]
    if policy is not None:
        path = f" ({policy.path})" if policy.path else ""
        facts.append(("policy", [f"{policy.name}{path} ", tag("code", policy.sha256)]))
    for record in result.evidence:
        version = "" if record.version is None else f" version {record.version}"
        facts.append((record.kind, [f"{record.size} bytes{version} ", tag("code", record.sha256)]))
    if result.freshness.nonce is not None:
        facts.append(("nonce", tag("code", result.freshness.nonce)))
    if result.channel.spki_sha256 is not None:
        facts.append(("TLS key", [f"bound by {result.channel.binding} ", tag("code", result.channel.spki_sha256)]))
    for document in result.collateral:
        cached = ", from cache" if document.from_cache else ""
        place = urlsplit(document.source).netloc or document.source
        facts.append((document.kind, [f"from {place}{cached} ", tag("code", document.sha256)]))
    rows = [tag("tr", tag("td", label, class_="soft"), tag("td", content)) for label, content in facts]
    return join(tag("h2", "Provenance"), tag("table", tag("tbody", rows), class_="small"))
