"""The result as a person's table: the verdict first, then what was judged, then every check.

Nothing is left out: what passed is one line, what failed is told in full, and what did not run is counted with its cause.
"""

from __future__ import annotations

from typing import Final

from voltage_attest.report.boot_rows import boot_lines
from voltage_attest.report.device_rows import device_lines
from voltage_attest.report.header import LABEL_COLUMN, header_lines
from voltage_attest.report.plain import Paint, hanging
from voltage_attest.report.rows import Table, grouped
from voltage_attest.report.verdict import render_headline, render_verdict
from voltage_attest.result import AttestationResult, Status

__all__ = ["DEFAULT_WIDTH", "render_text", "render_verdict"]

DEFAULT_WIDTH: Final = 100

_COUNTED: Final = {
    Status.FAILED: "failed",
    Status.ERROR: "undecided",
    Status.NOT_RUN: "not run",
    Status.SKIPPED: "skipped",
    Status.PASSED: "passed",
}


def render_text(result: AttestationResult, *, width: int = DEFAULT_WIDTH, color: bool = False, verbose: bool = False) -> str:
    """Render the table, ``width`` columns wide; ``verbose`` shows passed values and skipped rows in full.

    Values of failed rows are never shortened, so a line may be longer than ``width``. Whatever evidence, collateral or policy
    say is shown with control characters escaped.
    """
    paint = Paint(color)
    table = Table(paint, width, verbose, {(row.id, row.device): row.status for row in result.checks})
    lines = [render_headline(result, color=color), ""]
    lines += header_lines(result, width)
    for warning in result.warnings:
        first, *rest = hanging("WARNING", warning, LABEL_COLUMN, width)
        lines += [first.replace("WARNING", paint.loud("WARNING"), 1), *rest]
    for title, rows in grouped(row for row in result.checks if row.device is None):
        lines += ["", paint.strong(title), *table.lines(rows)]
    if any(row.device is not None for row in result.checks):
        lines += ["", paint.strong("NVIDIA devices"), *device_lines(table, result)]
    if verbose and result.boot:
        lines += ["", paint.strong("Boot log"), *boot_lines(result.boot, width)]
    lines += ["", _summary(result, paint)]
    return "\n".join(lines) + "\n"


def _summary(result: AttestationResult, paint: Paint) -> str:
    """The last line repeats the verdict: it is the one still on the screen."""
    rows = result.by_status()
    counts = ", ".join(f"{len(rows[status])} {word}" for status, word in _COUNTED.items() if rows[status])
    return f"{len(result.checks)} checks: {counts or 'none'}. {paint.strong(result.verdict.value.upper())}"
