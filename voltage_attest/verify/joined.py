"""One finding made of several about one subject: of a device's manifests, of a chain's certificates."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from voltage_attest.result import Finding, Status, passed

__all__ = ["join_findings"]


def join_findings(findings: Sequence[tuple[str, Finding]]) -> Finding:
    """Failed if any failed, else undecided if any is, and made of those alone; else passed. Each part has its name."""
    for status in (Status.FAILED, Status.ERROR):
        bad = [(name, finding) for name, finding in findings if finding.status is status]
        if bad:
            return Finding(
                status,
                _named(bad, lambda finding: finding.actual),
                _named(bad, lambda finding: finding.expected),
                _named(bad, lambda finding: finding.reason),
            )
    return passed(_named(findings, lambda finding: finding.actual))


def _named(findings: Sequence[tuple[str, Finding]], text: Callable[[Finding], str | None]) -> str:
    return "; ".join(f"{name}: {text(finding)}" for name, finding in findings)
