"""Rows of GPUs and switches: one line a device, below it only what closes the gate. A node of twelve stays readable."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from voltage_attest.report.plain import one_or_many, printable
from voltage_attest.report.rows import Table
from voltage_attest.result import AttestationResult, CheckResult, GpuClaims, Status, SwitchClaims

__all__ = ["device_lines", "node_summary"]

_WORST_FIRST = (Status.FAILED, Status.ERROR, Status.NOT_RUN)
_LABELS = {Status.FAILED: "FAILED", Status.ERROR: "UNDECIDED", Status.NOT_RUN: "not run"}
_COUNTED = {Status.PASSED: "passed", Status.FAILED: "failed", Status.ERROR: "undecided", Status.NOT_RUN: "not run"}


def device_lines(table: Table, result: AttestationResult) -> Iterator[str]:
    """The lines of all devices: one each, failures in full; then what the policy left out, said once for all of them."""
    claims: dict[str, GpuClaims | SwitchClaims] = {gpu.device: gpu for gpu in result.gpus}
    claims |= {switch.device: switch for switch in result.switches}
    by_device: dict[str, list[CheckResult]] = {}
    for row in result.checks:
        if row.device is not None:
            by_device.setdefault(row.device, []).append(row)
    for device, rows in by_device.items():
        yield from table.line(_label(rows), f"{printable(device)}  {_words(claims.get(device), rows)}")
        if table.verbose:
            yield from table.lines(rows)
        else:
            yield from table.lines([row for row in rows if row.status.closes_gate or row.status is Status.NOT_RUN])
    if not table.verbose:
        rows = [row for rows in by_device.values() for row in rows if row.status is Status.SKIPPED]
        yield from _left_out(table, [row for row in rows if row.finding.unsafe], "UNSAFE")
        yield from _left_out(table, [row for row in rows if not row.finding.unsafe], "skipped")


def node_summary(result: AttestationResult) -> Iterator[tuple[str, str]]:
    """Head lines: which GPUs and switches these are, equal ones together."""
    for label, kinds in (("GPUs", map(_gpu, result.gpus)), ("switches", map(_switch, result.switches))):
        counts: dict[str, int] = {}
        for kind in kinds:
            counts[kind] = counts.get(kind, 0) + 1
        for number, (kind, count) in enumerate(counts.items()):
            yield "" if number else label, f"{count} x {kind}"


def _gpu(gpu: GpuClaims) -> str:
    mode = "mode not reported" if gpu.mode is None else gpu.mode
    return f"{gpu.chip}, board {gpu.board}, driver {gpu.driver_version}, VBIOS {gpu.vbios_version}, {mode}"


def _switch(switch: SwitchClaims) -> str:
    return f"{switch.chip}, BIOS {switch.bios_version}, {'locked' if switch.locked else 'not locked'}"


def _label(rows: Sequence[CheckResult]) -> str:
    statuses = {row.status for row in rows}
    return next((_LABELS[status] for status in _WORST_FIRST if status in statuses), "ok")


def _words(claims: GpuClaims | SwitchClaims | None, rows: Sequence[CheckResult]) -> str:
    counts = {status: sum(row.status is status for row in rows) for status in _COUNTED}
    checks = ", ".join(f"{count} {_COUNTED[status]}" for status, count in counts.items() if count)
    return f"{_what(claims, rows)}: {one_or_many(len(rows), 'check')}, {checks}"


def _what(claims: GpuClaims | SwitchClaims | None, rows: Sequence[CheckResult]) -> str:
    if claims is not None:
        return f"{claims.chip}, PDI {claims.pdi}"
    return "NVIDIA's attestation service" if rows[0].id.startswith("nras.") else "not proven genuine"


def _left_out(table: Table, rows: Iterable[CheckResult], label: str) -> Iterator[str]:
    """One line for each reason, with the checks it is true of and the devices."""
    by_reason: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for row in rows:
        ids, devices = by_reason.setdefault(row.reason or "no reason given", ({}, {}))
        ids[row.id] = None
        devices[row.device or ""] = None
    for reason, (ids, devices) in by_reason.items():
        names = ", ".join(devices) if len(devices) < 3 else f"{len(devices)} devices"
        yield from table.line(label, f"{', '.join(ids)} ({names}): {reason}")
