"""SARIF 2.1.0 (OASIS), which code scanning shows beside the source: one run, its rules from the registry of checks.

A rule is a check, with what it proves, what it does not, and what to do as its help. A result is a row that closes the gate
(``error``), or one where the policy switched a safeguard off (``warning``); what passed is not reported. Its location is the
policy's file and line where a rule of the policy decided, else the policy file, which is where a reader can act; without a
policy file it has none. Paths in the result are as they were given: what is no relative path in a repository stays plain text.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from voltage_attest._version import __version__
from voltage_attest.checks import REGISTRY, Check
from voltage_attest.report.entries import Brief, Named, values_of
from voltage_attest.report.plain import printable
from voltage_attest.report.verdict import row_name
from voltage_attest.result import CheckResult, Location, PolicyRecord

__all__ = ["sarif_entry", "sarif_frame"]

_SEPARATOR: Final = ",\n"

_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_INDEX: Final = {check_id: place for place, check_id in enumerate(REGISTRY)}


def sarif_frame(briefs: Sequence[Brief]) -> tuple[str, str]:
    """The log with its one run, open in the middle, where the results stand."""
    driver = {
        "name": "voltage-attest",
        "version": __version__,
        "rules": [_rule(check) for check in REGISTRY.values()],
    }
    properties = {"verdicts": {printable(brief.name): brief.verdict.value for brief in briefs[:_MOST_VERDICTS]}}
    head = (
        f'{{"$schema": {json.dumps(_SCHEMA)}, "version": "2.1.0", "runs": [{{\n'
        f'"tool": {json.dumps({"driver": driver}, indent=1)},\n'
        f'"columnKind": "unicodeCodePoints",\n"properties": {json.dumps(properties)},\n"results": [\n'
    )
    return head, "\n]}]}\n"


_MOST_VERDICTS: Final = 1000


def sarif_entry(named: Named, _total: int) -> str:
    """The results of one attestation; empty where nothing is to be said."""
    name, result = named
    rows = [row for row in result.checks if row.status.closes_gate or row.finding.unsafe]
    return _SEPARATOR.join(json.dumps(_result(name, row, result.policy)) for row in rows)


def _rule(check: Check) -> dict[str, object]:
    proves, not_proven = printable(check.proves), printable(check.does_not_prove)
    help_text = (
        f"Proves: {proves}\n\nDoes not prove: {not_proven}\n\nWhat to do: {check.remedy}\n\n"
        f"Who can mend it: {check.actor.value}"
    )
    markdown = (
        f"**Proves:** {proves}\n\n**Does not prove:** {not_proven}\n\n**What to do:** {check.remedy}\n\n"
        f"**Who can mend it:** {check.actor.value}\n\n**Source:** {check.spec}"
    )
    return {
        "id": check.id,
        "name": "".join(part.title() for part in check.id.replace("_", ".").split(".")),
        "shortDescription": {"text": check.title},
        "fullDescription": {"text": proves},
        "help": {"text": help_text, "markdown": markdown},
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": ["security", "attestation"], "precision": "very-high", "security-severity": "9.0"},
    }


def _result(name: str, row: CheckResult, policy: PolicyRecord | None) -> dict[str, object]:
    told = "\n".join(f"{label}: {text}" for label, text in values_of(row))
    found: dict[str, object] = {
        "ruleId": printable(row.id),
        "level": "error" if row.status.closes_gate else "warning",
        "message": {"text": f"{printable(name)}: {row_name(row)}: {printable(row.check.title)}\n{told}"},
        "partialFingerprints": {"voltageAttest/v1": _fingerprint(name, row)},
        "properties": {"status": row.status.value, "device": row.device, "subject": printable(name)},
    }
    if row.id in _INDEX:
        found["ruleIndex"] = _INDEX[row.id]
    location = row.finding.location
    if location is None and policy is not None and policy.path is not None:
        location = Location(policy.path)
    if location is not None:
        found["locations"] = [_location(location)]
    return found


def _location(location: Location) -> dict[str, object]:
    region = {"startLine": location.line or 1}
    file = printable(location.file.replace("\\", "/").removeprefix("./"))
    uri = quote(file, safe="/-._~") if not file.startswith("/") else f"file://{quote(file, safe='/-._~')}"
    artifact: dict[str, object] = {"uri": uri}
    if not file.startswith("/"):
        artifact["uriBaseId"] = "%SRCROOT%"
    return {"physicalLocation": {"artifactLocation": artifact, "region": region}}


def _fingerprint(name: str, row: CheckResult) -> str:
    """The same finding of the same machine keeps its place from run to run, whatever the value found is."""
    said = "\n".join((name, row.id, row.device or ""))
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:32]
