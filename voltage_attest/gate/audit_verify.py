"""Is the audit log what was written to it? Every line is read again: spelling, place in the chain, seal, repairs.

What this finds: any line changed, removed, inserted or put elsewhere, by anybody who does not have the log's key. What it
cannot find: lines removed from the end, together with all behind them, unless a ``head`` noted earlier is asked for; and what a
holder of the key wrote.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from voltage_attest.errors import AuditError
from voltage_attest.gate.audit import key_path_of
from voltage_attest.gate.audit_chain import Chain, Torn
from voltage_attest.gate.audit_file import load_key, read_lines
from voltage_attest.gate.audit_record import AuditKeys, AuditRecord

__all__ = ["AuditReport", "audit_records", "verify_audit_log"]


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What was found. ``sealed`` False: no key was at hand, and the chain alone was looked at, which anybody can make.

    ``faults`` are sentences with the line's number; ``notes`` are about what a crash left behind, which is no fault. ``head``
    is the last record's SHA-256: note it where the log's writers cannot reach, and ask for it next time.
    """

    records: int
    head: str | None
    first_at: str | None
    last_at: str | None
    sealed: bool
    faults: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def is_intact(self) -> bool:
        """Whether every line is where and what it was when it was written, as far as the chain and the seals tell."""
        return not self.faults


def verify_audit_log(path: Path, *, key_path: Path | None = None, head: str | None = None) -> AuditReport:
    """Read the whole log. ``head`` is the SHA-256 of a record that must be in it.

    Without ``key_path`` the key is looked for beside the log. AuditError where log or named key cannot be read.
    """
    chain = Chain(_keys(path, key_path))
    first: AuditRecord | None = None
    last: AuditRecord | None = None
    records, found = 0, head is None
    for record in _follow(path, chain):
        records += 1
        first = first or record
        last = record
        found = found or record.sha256 == head
    faults = [
        f"line {torn.line_number}: a repair covers what no crash leaves: {torn.why}"
        for torn in chain.repaired
        if not torn.is_of_a_crash
    ]
    notes = [_repaired(torn) for torn in chain.repaired if torn.is_of_a_crash]
    if chain.torn is not None and chain.torn.is_of_a_crash:
        notes.append(f"line {chain.torn.line_number}: {chain.torn.size} bytes torn by a crash; the next record will repair it")
    elif chain.torn is not None:
        faults.append(f"line {chain.torn.line_number}: {chain.torn.why}")
    if not found:
        faults.append("the record that was asked for is not in the log: it ends earlier than it once did, or it is another log")
    return AuditReport(
        records=records,
        head=None if last is None else last.sha256,
        first_at=None if first is None else first.at,
        last_at=None if last is None else last.at,
        sealed=chain.keys is not None,
        faults=tuple(faults),
        notes=tuple(notes),
    )


def audit_records(path: Path) -> Iterator[AuditRecord]:
    """The log's records in order, without what crashes have torn; they end before the first line that is at fault."""
    return _follow(path, Chain(None))


def _follow(path: Path, chain: Chain) -> Iterator[AuditRecord]:
    offset = 0
    try:
        for line in read_lines(path):
            content = line.removesuffix(b"\n")
            record = chain.take(offset, content, line[len(content) :])
            offset += len(line)
            if record is not None:
                yield record
    except OSError as error:
        raise AuditError(
            f"the audit log {path} cannot be read ({error.strerror})",
            expected="a file that this user may read",
            remedy="Name the file that [audit] names, and run as its owner.",
        ) from None


def _keys(path: Path, key_path: Path | None) -> AuditKeys | None:
    try:
        return AuditKeys(load_key(key_path or key_path_of(path), make=False))
    except OSError as error:
        if key_path is None:
            return None
        raise AuditError(
            f"the audit key {key_path} cannot be read ({error.strerror})",
            expected="the file that was made beside the log",
            remedy="Name the key's file, or leave it away to look at the chain alone.",
        ) from None


def _repaired(torn: Torn) -> str:
    behind = f", with {torn.records} records behind it that were never acknowledged" if torn.records else ""
    return f"line {torn.line_number}: {torn.size} bytes torn by a crash{behind}, and repaired since"
