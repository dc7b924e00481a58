"""The result as JSON, schema ``voltage-attest/result/1``, and back.

:func:`render_json` writes every key always, null where there is nothing to say; ``schema/result-1.json`` is the published
JSON Schema. :func:`parse_result` reads it strictly. The verdict in the text is never believed: a result derives its own from
the checks whenever it is asked. JSON is not signed, so a result read back is as good as the place where it was kept.
"""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import UTC, datetime
from typing import Final

from voltage_attest.checks import REGISTRY, Check
from voltage_attest.report.fields import Fields, parse_object, result_format_error
from voltage_attest.report.json_lists import listed_members, parse_boot_event, parse_gpu, parse_switch
from voltage_attest.result import (
    RESULT_SCHEMA,
    AttestationResult,
    Channel,
    CheckResult,
    CollateralRecord,
    EvidenceRecord,
    Finding,
    Freshness,
    Location,
    PolicyRecord,
    Status,
    Subject,
    TdxClaims,
    Verdict,
)
from voltage_attest.tcb_status import TcbStatus

__all__ = ["MAX_RESULT_SIZE", "parse_result", "render_json"]

MAX_RESULT_SIZE: Final = 16 * 1024 * 1024
"""Characters or bytes. A result has some 40 KB."""

_VERIFIER: Final = "voltage-attest"

_TD_REPORTS: Final = ("TD_REPORT_10", "TD_REPORT_15", "TD_REPORT_15_EX")

_HEX_CLAIMS: Final = {
    "tee_tcb_svn": 16,
    "mr_seam": 48,
    "mr_signer_seam": 48,
    "seam_attributes": 8,
    "td_attributes": 8,
    "xfam": 8,
    "mrtd": 48,
    "mr_config_id": 48,
    "mr_owner": 48,
    "mr_owner_config": 48,
    "rtmr0": 48,
    "rtmr1": 48,
    "rtmr2": 48,
    "rtmr3": 48,
    "report_data": 64,
    "fmspc": 6,
    "pce_id": 2,
    "ppid": 16,
}
"""Claims that are always there, to their size in bytes."""


def render_json(result: AttestationResult) -> str:
    """Render the result as one JSON object in ASCII, two spaces of indent, ending in a line break."""
    policy, freshness, channel = result.policy, result.freshness, result.channel
    document: dict[str, object] = {
        "schema": RESULT_SCHEMA,
        "verdict": result.verdict.value,
        "verifier": {"name": _VERIFIER, "version": result.verifier_version},
        "appraised_at": _time(result.appraised_at),
        "valid_until": _time(result.valid_until),
        "subject": {"pod_id": result.subject.pod_id, "provider": result.subject.provider},
        "policy": None if policy is None else {"name": policy.name, "sha256": policy.sha256, "path": policy.path},
        "evidence": [_evidence(record) for record in result.evidence],
        "collateral": [_collateral(record) for record in result.collateral],
        "freshness": {"nonce": freshness.nonce, "fresh": freshness.fresh},
        "channel": {"binding": channel.binding, "spki_sha256": channel.spki_sha256},
        "claims": {
            "tdx": None if result.tdx is None else _claims(result.tdx),
            "gpus": [listed_members(gpu) for gpu in result.gpus],
            "switches": [listed_members(switch) for switch in result.switches],
            "boot": [listed_members(event) for event in result.boot],
        },
        "checks": [_row(row) for row in result.checks],
        "warnings": list(result.warnings),
    }
    return json.dumps(document, indent=2) + "\n"


def parse_result(text: str | bytes) -> AttestationResult:
    """Read a rendered result; an :class:`~voltage_attest.errors.InputError` unless it has exactly the schema's shape.

    The verdict written in it must be one of the three words and is otherwise ignored. Rows of checks that this version does not
    know keep the texts found in the file; for all others the registry's texts stand.
    """
    if len(text) > MAX_RESULT_SIZE:
        raise result_format_error(f"{len(text)} bytes", f"at most {MAX_RESULT_SIZE}")
    top = parse_object(text)
    schema = top.text("schema")
    if schema != RESULT_SCHEMA:
        raise top.error("schema", repr(schema[:80]), repr(RESULT_SCHEMA))
    _one_of(top, "verdict", top.text("verdict"), tuple(Verdict))
    verifier = top.member("verifier")
    _one_of(verifier, "name", verifier.text("name"), (_VERIFIER,))
    version = verifier.text("version")
    verifier.finish()
    claims = top.member("claims")
    result = AttestationResult(
        appraised_at=top.time("appraised_at"),
        checks=tuple([_parse_row(row) for row in top.members("checks")]),
        verifier_version=version,
        valid_until=top.optional_time("valid_until"),
        subject=_parse_subject(top.member("subject")),
        policy=_parse_policy(top.optional_member("policy")),
        evidence=tuple([_parse_evidence(record) for record in top.members("evidence")]),
        collateral=tuple([_parse_collateral(record) for record in top.members("collateral")]),
        freshness=_parse_freshness(top.member("freshness")),
        channel=_parse_channel(top.member("channel")),
        tdx=_parse_tdx(claims.optional_member("tdx")),
        gpus=tuple([parse_gpu(gpu) for gpu in claims.members("gpus")]),
        switches=tuple([parse_switch(switch) for switch in claims.members("switches")]),
        boot=tuple([parse_boot_event(event) for event in claims.members("boot")]),
        warnings=top.texts("warnings"),
    )
    claims.finish()
    top.finish()
    return result


def _time(time: datetime | None) -> str | None:
    return None if time is None else f"{time.astimezone(UTC).replace(tzinfo=None).isoformat()}Z"


def _evidence(record: EvidenceRecord) -> dict[str, object]:
    return {"kind": record.kind, "version": record.version, "sha256": record.sha256, "size": record.size}


def _collateral(record: CollateralRecord) -> dict[str, object]:
    return {
        "kind": record.kind,
        "source": record.source,
        "sha256": record.sha256,
        "issued": _time(record.issued),
        "next_update": _time(record.next_update),
        "from_cache": record.from_cache,
    }


def _claims(claims: TdxClaims) -> dict[str, object]:
    found = {field.name: getattr(claims, field.name) for field in fields(TdxClaims)}
    return found | {"tcb_date": _time(claims.tcb_date), "advisory_ids": list(claims.advisory_ids)}


def _row(row: CheckResult) -> dict[str, object]:
    check, finding = row.check, row.finding
    location = finding.location
    return {
        "id": check.id,
        "title": check.title,
        "status": finding.status.value,
        "device": row.device,
        "expected": finding.expected,
        "actual": finding.actual,
        "reason": finding.reason,
        "remedy": check.remedy,
        "spec": check.spec,
        "location": None if location is None else {"file": location.file, "line": location.line},
        "unsafe": finding.unsafe,
    }


def _one_of(found: Fields, key: str, text: str, allowed: tuple[str, ...]) -> str:
    if text not in allowed:
        raise found.error(key, repr(text[:80]), " or ".join(allowed))
    return text


def _parse_row(row: Fields) -> CheckResult:
    check_id, title, remedy, spec = row.text("id"), row.text("title"), row.text("remedy"), row.text("spec")
    check = REGISTRY.get(check_id) or Check(check_id, title, "", "", spec, remedy)
    status = Status(_one_of(row, "status", row.text("status"), tuple(Status)))
    found = row.optional_member("location")
    location = None
    if found is not None:
        location = Location(found.text("file"), found.optional_number("line", 1))
        found.finish()
    finding = Finding(
        status,
        row.optional_text("actual"),
        row.optional_text("expected"),
        row.optional_text("reason"),
        row.flag("unsafe"),
        location,
    )
    parsed = CheckResult(check, finding, row.optional_text("device"))
    row.finish()
    return parsed


def _parse_subject(found: Fields) -> Subject:
    subject = Subject(found.optional_text("pod_id"), found.optional_text("provider"))
    found.finish()
    return subject


def _parse_policy(found: Fields | None) -> PolicyRecord | None:
    if found is None:
        return None
    policy = PolicyRecord(found.text("name"), found.hex("sha256", 32), found.optional_text("path"))
    found.finish()
    return policy


def _parse_evidence(found: Fields) -> EvidenceRecord:
    record = EvidenceRecord(found.text("kind"), found.optional_number("version"), found.hex("sha256", 32), found.number("size"))
    found.finish()
    return record


def _parse_collateral(found: Fields) -> CollateralRecord:
    record = CollateralRecord(
        found.text("kind"),
        found.text("source"),
        found.hex("sha256", 32),
        found.optional_time("issued"),
        found.optional_time("next_update"),
        found.flag("from_cache"),
    )
    found.finish()
    return record


def _parse_freshness(found: Fields) -> Freshness:
    freshness = Freshness(found.optional_hex("nonce", 32), found.flag("fresh"))
    found.finish()
    return freshness


def _parse_channel(found: Fields) -> Channel:
    channel = Channel(found.optional_text("binding"), found.optional_hex("spki_sha256", 32))
    found.finish()
    return channel


def _parse_tdx(tdx: Fields | None) -> TdxClaims | None:
    if tdx is None:
        return None
    status = tdx.optional_text("tcb_status")
    claims = TdxClaims(
        quote_version=tdx.number("quote_version"),
        td_report=_one_of(tdx, "td_report", tdx.text("td_report"), _TD_REPORTS),
        mr_service_td=tdx.optional_hex("mr_service_td", 48),
        platform_instance_id=tdx.optional_hex("platform_instance_id", 16),
        pce_svn=tdx.number("pce_svn"),
        tcb_status=None if status is None else _one_of(tdx, "tcb_status", status, tuple(TcbStatus)),
        tcb_date=tdx.optional_time("tcb_date"),
        advisory_ids=tdx.texts("advisory_ids"),
        tcb_evaluation_data_number=tdx.optional_number("tcb_evaluation_data_number"),
        **{name: tdx.hex(name, size) for name, size in _HEX_CLAIMS.items()},
    )
    tdx.finish()
    return claims
