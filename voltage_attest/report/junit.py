"""JUnit XML, as every CI server reads it: a suite for each result, a case for each check.

``failed`` is a failure, ``error`` an error, ``skipped`` and ``not_run`` are skipped. There is no standard; the shape is that
of the Jenkins xUnit plugin's ``junit-10.xsd``, which the tests validate against. Nothing here says how long a check took:
it is not in the result, and the same result must give the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from voltage_attest.report.entries import Brief, Named, values_of
from voltage_attest.report.plain import printable
from voltage_attest.report.verdict import render_headline, row_name
from voltage_attest.result import AttestationResult, CheckResult, Status

__all__ = ["junit_entry", "junit_frame"]

_TAGS: Final = {Status.FAILED: "failure", Status.ERROR: "error", Status.SKIPPED: "skipped", Status.NOT_RUN: "skipped"}


def junit_frame(briefs: Sequence[Brief]) -> tuple[str, str]:
    """What stands before and behind the suites."""
    counts = {
        "tests": sum(sum(brief.counts.values()) for brief in briefs),
        "failures": sum(brief.counts[Status.FAILED] for brief in briefs),
        "errors": sum(brief.counts[Status.ERROR] for brief in briefs),
    }
    attributes = "".join(f' {name}="{count}"' for name, count in counts.items())
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="voltage-attest"{attributes}>\n', "</testsuites>\n"


def junit_entry(named: Named, _total: int) -> str:
    """The suite of one result."""
    name, result = named
    rows = result.by_status()
    attributes = {
        "name": name,
        "tests": str(len(result.checks)),
        "failures": str(len(rows[Status.FAILED])),
        "errors": str(len(rows[Status.ERROR])),
        "skipped": str(len(rows[Status.SKIPPED]) + len(rows[Status.NOT_RUN])),
        "timestamp": f"{result.appraised_at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}",
    }
    lines = [
        f"  <testsuite{_attributes(attributes)}>",
        *_properties(result),
        *[line for row in result.checks for line in _case(row)],
        f"    <system-out>{_text(render_headline(result))}</system-out>",
        *[f"    <system-err>{_text(f'WARNING: {warning}')}</system-err>" for warning in result.warnings],
        "  </testsuite>",
    ]
    return "\n".join(lines) + "\n"


def _properties(result: AttestationResult) -> list[str]:
    found = {"verdict": result.verdict.value, "verifier": f"voltage-attest {result.verifier_version}"}
    if result.policy is not None:
        found |= {"policy": result.policy.name, "policy.sha256": result.policy.sha256}
    properties = [f"      <property{_attributes({'name': key, 'value': value})}/>" for key, value in found.items()]
    return ["    <properties>", *properties, "    </properties>"]


def _case(row: CheckResult) -> list[str]:
    """The id stands as the case's name and its title in what it printed: CI servers track a case by its name."""
    head = f"    <testcase{_attributes({'classname': row.id.rpartition('.')[0] or row.id, 'name': row_name(row)})}"
    tag = _TAGS.get(row.status)
    if tag is None:
        return [f"{head}/>"]
    message = row.reason or row.check.title
    told = _text("\n".join([printable(row.check.title), *[f"{label}: {text}" for label, text in values_of(row)]]))
    kind = {"message": message, "type": row.status.value}
    return [f"{head}>", f"      <{tag}{_attributes(kind)}>{told}</{tag}>", "    </testcase>"]


def _attributes(found: dict[str, str]) -> str:
    return "".join(f" {name}={quoteattr(printable(text))}" for name, text in found.items())


def _text(text: str) -> str:
    return escape("\n".join(map(printable, text.split("\n"))))
