"""The head of the table: what was judged, by which policy, when, and how long each document lasts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from voltage_attest.report.device_rows import node_summary
from voltage_attest.report.plain import hanging, printable, utc
from voltage_attest.result import AttestationResult, CollateralRecord, EvidenceRecord, TdxClaims, Verdict
from voltage_attest.tcb_status import TcbStatus

__all__ = ["LABEL_COLUMN", "header_entries", "header_lines"]

LABEL_COLUMN: Final = 14

_IN_WORDS: Final = {
    TcbStatus.UP_TO_DATE: "every update that Intel lists is in place",
    TcbStatus.SW_HARDENING_NEEDED: "updated, but software in the TD must mitigate the advisories itself",
    TcbStatus.CONFIGURATION_NEEDED: "updated, but the platform's BIOS settings leave it exposed",
    TcbStatus.CONFIGURATION_AND_SW_HARDENING_NEEDED: "updated, but BIOS settings and software in the TD must both change",
    TcbStatus.OUT_OF_DATE: "security updates are missing",
    TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED: "security updates are missing, and BIOS settings leave it exposed",
    TcbStatus.TD_RELAUNCH_ADVISED: "the platform is updated, the TD still runs as launched before: it must be launched again",
    TcbStatus.TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED: "the TD must be launched again, and BIOS settings must change",
    TcbStatus.REVOKED: "Intel has revoked this TCB: it is known to be broken",
}


def header_lines(result: AttestationResult, width: int) -> list[str]:
    """The labelled lines between the verdict and the checks."""
    return [line for label, text in header_entries(result) for line in hanging(label, text, LABEL_COLUMN, width)]


def header_entries(result: AttestationResult) -> Iterator[tuple[str, str]]:
    """Label and text of each; an empty label goes on with the one above."""
    yield "subject", _subject(result)
    if result.policy is None:
        yield "policy", "none"
    else:
        path = f", {result.policy.path}" if result.policy.path else ""
        yield "policy", f"{result.policy.name}{path}, sha256 {result.policy.sha256[:16]}..."
    yield "appraised at", f"{utc(result.appraised_at)}, by voltage-attest {result.verifier_version}"
    if result.verdict is Verdict.VERIFIED:
        yield "holds until", _end(result.valid_until)
    if result.tdx is not None or not _is_about_devices_alone(result):
        yield "TCB", "not known: the quote is not proven genuine" if result.tdx is None else _tcb(result.tdx)
    if result.tdx is not None:
        yield "advisories", _advisories(result.tdx)
        yield "TD", _td(result.tdx)
    if result.boot:
        yield "boot", _boot(result)
    yield from node_summary(result)
    for kind in dict.fromkeys(record.kind for record in result.evidence):
        yield "evidence", _evidence([record for record in result.evidence if record.kind == kind])
    if not result.evidence:
        yield "evidence", "none that could be read"
    if not result.collateral:
        yield "collateral", "none that could be read"
    lines = [_document(record, result.appraised_at) for record in result.collateral if not _is_nvidias(record)]
    lines += _of_nvidia([record for record in result.collateral if _is_nvidias(record)])
    for number, line in enumerate(lines):
        yield "" if number else "collateral", line


def _boot(result: AttestationResult) -> str:
    bound = sum(event.bound for event in result.boot)
    return (
        f"{len(result.boot)} events replay to the quote's registers; the content of {bound} is proven, of the others it is said"
    )


def _is_about_devices_alone(result: AttestationResult) -> bool:
    return not any(row.id.startswith("tdx.") for row in result.checks) and bool(result.gpus or result.evidence)


def _evidence(records: list[EvidenceRecord]) -> str:
    """One record in full; of several of a kind their number, for their hashes stand in the JSON."""
    first, size = records[0], sum(record.size for record in records)
    if len(records) > 1:
        return f"{len(records)} x {first.kind}, {size} bytes together"
    version = "" if first.version is None else f" version {first.version}"
    return f"{first.kind}{version}, {size} bytes, sha256 {first.sha256[:16]}..."


def _subject(result: AttestationResult) -> str:
    named = [part for part in (result.subject.pod_id, result.subject.provider) if part is not None]
    return " at ".join(named) or "not named: evidence came as a file"


def _end(end: datetime | None) -> str:
    return "no end known" if end is None else f"{utc(end)}, when the first document or rule ends"


def _tcb(claims: TdxClaims) -> str:
    if claims.tcb_status is None:
        return "not known: no level could be determined"
    words = _IN_WORDS.get(TcbStatus(claims.tcb_status)) if claims.tcb_status in set(TcbStatus) else None
    date = "" if claims.tcb_date is None else f" (level of {claims.tcb_date.date()})"
    return f"{claims.tcb_status}{date}: {words or 'a status that this version does not know'}"


def _advisories(claims: TdxClaims) -> str:
    if claims.tcb_status is None:
        return "not known"
    return ", ".join(claims.advisory_ids) + " apply" if claims.advisory_ids else "none applies"


def _td(claims: TdxClaims) -> str:
    return f"MRTD {claims.mrtd[:16]}..., FMSPC {claims.fmspc}, {claims.td_report} in a quote of version {claims.quote_version}"


def _document(record: CollateralRecord, at: datetime) -> str:
    cached = ", from cache" if record.from_cache else ""
    return f"{record.kind} from {record.source}{cached}, {_window(record, at)}"


def _is_nvidias(record: CollateralRecord) -> bool:
    return record.kind.startswith("nvidia-")


def _of_nvidia(records: list[CollateralRecord]) -> Iterator[str]:
    """One line a kind, since a node has dozens: how many, from where, and when the first of them ends."""
    for kind in dict.fromkeys(record.kind for record in records):
        same = [record for record in records if record.kind == kind]
        places = {urlsplit(record.source).netloc or record.source for record in same}
        cached = sum(record.from_cache for record in same)
        ends = [record.next_update for record in same if record.next_update is not None]
        until = f", the first until {utc(min(ends))}" if ends else ""
        yield f"{len(same)} x {kind} from {', '.join(sorted(places))}{f', {cached} from cache' if cached else ''}{until}"


def _window(record: CollateralRecord, at: datetime) -> str:
    if record.issued is None or record.next_update is None:
        return "unreadable" if record.issued is record.next_update else "without a complete window"
    window = f"{utc(record.issued)} to {utc(record.next_update)}"
    if at > record.next_update:
        return f"{window}: ENDED before the appraisal"
    return f"{window}: BEGINS after the appraisal" if at < record.issued else printable(window)
