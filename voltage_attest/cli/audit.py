"""``voltage-attest audit``: is the audit log what was written to it, what does it say, and how does it get elsewhere."""

from __future__ import annotations

import csv
import functools
import io
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, ParamSpec

import click

from voltage_attest.cli.exits import CannotUse, Exit
from voltage_attest.cli.files import STDIN, write_output
from voltage_attest.cli.parameters import Rfc3339
from voltage_attest.cli.terminal import emit
from voltage_attest.cli.verify_inputs import DEFAULT_POLICY
from voltage_attest.report.plain import one_or_many, printable

if TYPE_CHECKING:
    from voltage_attest.gate.audit_record import AuditRecord
    from voltage_attest.gate.audit_verify import AuditReport

__all__ = ["audit"]

Arguments = ParamSpec("Arguments")

_SHA256: Final = re.compile(r"[0-9a-fA-F]{64}")
_TIME: Final = "%Y-%m-%dT%H:%M:%S.%fZ"
_COLUMNS: Final = (
    *("seq", "at", "kind", "request", "attempt", "request_seq", "pod", "provider", "method", "path", "model", "policy_sha256"),
    *("evidence_sha256", "verdict", "spki_sha256", "generation", "baa_reference", "request_bytes", "request_hmac"),
    *("response_bytes", "response_hmac", "status", "outcome", "error", "sha256"),
)


@click.group()
def audit() -> None:
    """Verify, show and export the audit log of a gate.

    LOG is the file that [audit] of the policy names, if none is given. Exit codes: 0 done, and nothing is wrong with the log;
    1 it was altered; 2 usage; 3 it could not be decided without its key.
    """


def _which_log(command: Callable[Arguments, int]) -> Callable[Arguments, int]:
    """The options that say which log, and which of its records."""
    options = (
        click.argument("log", required=False, metavar="[LOG]"),
        click.option("--policy", metavar="FILE", default=DEFAULT_POLICY, show_default=True, help="Policy that names the log."),
        click.option("--from", "since", type=Rfc3339(), metavar="RFC3339", help="Records of this time and later."),
        click.option("--to", "until", type=Rfc3339(), metavar="RFC3339", help="Records before this time."),
    )
    return functools.reduce(lambda decorated, option: option(decorated), reversed(options), command)


@audit.command()
@click.argument("log", required=False, metavar="[LOG]")
@click.option("--policy", metavar="FILE", default=DEFAULT_POLICY, show_default=True, help="Policy that names the log.")
@click.option("--key", metavar="FILE", help="The log's key.  [default: the file beside it, LOG.key]")
@click.option("--head", metavar="SHA256", help="A record that was the last one once: what if it is gone?")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing if nothing is wrong.")
def verify(*, log: str | None, policy: str, key: str | None, head: str | None, quiet: bool) -> int:
    """Read LOG again, line by line: chain, seals, repairs.

    Says at the end which record is the last: note its SHA-256 where the log's writers cannot reach, and ask for it by --head
    next time; otherwise nobody can tell that lines are missing at the end.
    """
    from voltage_attest.errors import AuditError
    from voltage_attest.gate.audit_verify import verify_audit_log

    if head is not None and not _SHA256.fullmatch(head):
        raise CannotUse(f"--head: {head!r} is no SHA-256; expected the 64 hex digits that `audit verify` showed.")
    path = _path(log, policy)
    try:
        report = verify_audit_log(path, key_path=None if key is None else Path(key), head=head and head.lower())
    except AuditError as error:
        raise CannotUse(str(error)) from None
    code = Exit.REFUSED if not report.is_intact else Exit.VERIFIED if report.sealed else Exit.UNDECIDED
    if code is not Exit.VERIFIED or not quiet:
        emit(_sentences(path, report))
    return code


@audit.command()
@_which_log
@click.option("-n", "--last", type=click.IntRange(1), metavar="N", default=50, show_default=True, help="So many at most.")
def show(*, log: str | None, policy: str, since: datetime | None, until: datetime | None, last: int) -> int:
    """Show what LOG says, one line a request, with how it ended.

    Nothing is verified: `audit verify` does that.
    """
    rows: deque[_Row] = deque(maxlen=last)
    by_seq: dict[int, _Row] = {}
    for record in _chosen(_path(log, policy), since, until):
        request = by_seq.pop(record.number("request_seq"), None)
        if request is not None:
            request.end = record
            continue
        if len(rows) == last:
            by_seq.pop(rows[0].record.seq, None)
        rows.append(_Row(record))
        by_seq[record.seq] = rows[-1]
    emit("".join(row.line() for row in rows) or "No record of that time.\n")
    return Exit.VERIFIED


@audit.command()
@_which_log
@click.option("--format", "form", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True, help="Write so.")
@click.option("-o", "--output", metavar="FILE", default=STDIN, help="Write there, whole or not at all.  [default: output]")
def export(*, log: str | None, policy: str, since: datetime | None, until: datetime | None, form: str, output: str) -> int:
    """Write LOG's records elsewhere, without what crashes have torn.

    As jsonl each line is the log's own, so chain and seals stay. A log that was altered is written up to there: exit code 1.
    """
    from voltage_attest.errors import AuditError
    from voltage_attest.gate.audit_verify import verify_audit_log

    path = _path(log, policy)
    records = _chosen(path, since, until)
    text = _csv(records) if form == "csv" else "".join(f"{record.line.decode('ascii')}\n" for record in records)
    if output == STDIN:
        emit(text)
    else:
        write_output(output, text)
    try:
        report = verify_audit_log(path)
    except AuditError as error:
        raise CannotUse(str(error)) from None
    for fault in report.faults:
        click.echo(f"{printable(str(path))}: {printable(fault)}. What follows was not written.", err=True)
    return Exit.VERIFIED if report.is_intact else Exit.REFUSED


class _Row:
    """One line of ``show``: a record, and of a request how it ended."""

    def __init__(self, record: AuditRecord) -> None:
        self.record = record
        self.end: AuditRecord | None = None

    def line(self) -> str:
        """The line, with its newline."""
        record, says = self.record, self.record.says
        what = [says[name] for name in ("pod", "method", "path", "model", "verdict") if name in says]
        if record.kind == "repair":
            what.append(f"{record.number('torn_bytes')} bytes at {record.number('torn_offset')} torn by a crash")
        ended = self.end or record
        what += [ended.says[name] for name in ("status", "outcome", "error") if name in ended.says]
        if self.end is not None:
            what.append(f"{self.end.number('request_bytes')} bytes sent, {self.end.number('response_bytes')} received")
        return printable(f"{record.seq:>7}  {record.at[:19]}Z  {record.kind.value:8}  {'  '.join(map(str, what))}") + "\n"


def _path(log: str | None, policy: str) -> Path:
    if log is not None:
        return Path(log)
    from voltage_attest.errors import PolicyError
    from voltage_attest.policy import load_policy

    try:
        loaded = load_policy(Path(policy))
    except PolicyError as error:
        raise CannotUse(f"the policy cannot be used. {error} Or name the log itself.") from None
    if loaded.audit is None:
        raise CannotUse(f"{policy} names no log; expected path under [audit]. Add it, or name the log itself.")
    return Path(loaded.audit.path)


def _chosen(path: Path, since: datetime | None, until: datetime | None) -> Iterator[AuditRecord]:
    """The records of that time; CannotUse where the log cannot be read."""
    from voltage_attest.errors import AuditError
    from voltage_attest.gate.audit_verify import audit_records

    first = "" if since is None else since.strftime(_TIME)
    end = "~" if until is None else until.strftime(_TIME)
    try:
        yield from (record for record in audit_records(path) if first <= record.at < end)
    except AuditError as error:
        raise CannotUse(str(error)) from None


def _csv(records: Iterable[AuditRecord]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(_COLUMNS)
    for record in records:
        values = {"seq": record.seq, "at": record.at, "kind": record.kind.value, "sha256": record.sha256, **record.says}
        table.writerow([" ".join(value) if isinstance(value, list) else value for value in map(values.get, _COLUMNS)])
    return text.getvalue()


def _sentences(path: Path, report: AuditReport) -> str:
    lines = [f"{path}: {one_or_many(report.records, 'record')}"]
    if report.records:
        lines[0] += f" from {report.first_at} to {report.last_at}"
    lines += [f"ALTERED: {fault}" for fault in report.faults]
    lines += [f"note: {note}" for note in report.notes]
    if report.is_intact and report.sealed:
        lines.append("INTACT: every line is what and where it was when it was written with this log's key.")
    elif report.is_intact:
        lines.append("UNDECIDED: the chain holds, but anybody can make one: name the log's key by --key.")
    if report.head is not None:
        lines.append(f"last record: {report.head}")
    return "".join(f"{printable(line)}\n" for line in lines)
