"""The head of the table: what was judged, by which policy, when, and how long each document lasts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from voltage_attest.report.plain import hanging, printable, utc
from voltage_attest.result import AttestationResult, CollateralRecord, TdxClaims, Verdict
from voltage_attest.tcb_status import TcbStatus

__all__ = ["LABEL_COLUMN", "header_lines"]

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
    return [line for label, text in _entries(result) for line in hanging(label, text, LABEL_COLUMN, width)]


def _entries(result: AttestationResult) -> Iterator[tuple[str, str]]:
    yield "subject", _subject(result)
    if result.policy is None:
        yield "policy", "none"
    else:
        path = f", {result.policy.path}" if result.policy.path else ""
        yield "policy", f"{result.policy.name}{path}, sha256 {result.policy.sha256[:16]}..."
    yield "appraised at", f"{utc(result.appraised_at)}, by voltage-attest {result.verifier_version}"
    if result.verdict is Verdict.VERIFIED:
        yield "holds until", _end(result.valid_until)
    yield "TCB", "not known: the quote is not proven genuine" if result.tdx is None else _tcb(result.tdx)
    if result.tdx is not None:
        yield "advisories", _advisories(result.tdx)
        yield "TD", _td(result.tdx)
    for record in result.evidence:
        version = "" if record.version is None else f" version {record.version}"
        yield "evidence", f"{record.kind}{version}, {record.size} bytes, sha256 {record.sha256[:16]}..."
    if not result.evidence:
        yield "evidence", "none that could be read"
    if not result.collateral:
        yield "collateral", "none that could be read"
    for number, document in enumerate(result.collateral):
        yield "" if number else "collateral", _document(document, result.appraised_at)


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


def _window(record: CollateralRecord, at: datetime) -> str:
    if record.issued is None or record.next_update is None:
        return "unreadable" if record.issued is record.next_update else "without a complete window"
    window = f"{utc(record.issued)} to {utc(record.next_update)}"
    if at > record.next_update:
        return f"{window}: ENDED before the appraisal"
    return f"{window}: BEGINS after the appraisal" if at < record.issued else printable(window)
