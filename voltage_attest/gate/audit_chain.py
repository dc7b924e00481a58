"""Following the audit log's chain, line by line: where it stands, and what a crash has left in it.

Nothing is ever taken away from the log. A tail that a crash has torn stays where it is, and the next line, a repair, names its
place, its size and its SHA-256: so no record is lost to a repair, and no repair can hide one.

What counts as torn is narrow, since whoever alters a log would like it to be called so:

* a line without its last bytes, and no record behind it: the process or the machine died in the middle of a write, or of a
  repair; or
* a line with zero bytes, and all behind it: the machine died, and the file system had written later blocks first. What stands
  behind was never acknowledged, because a record is acknowledged after an fsync, and that covers all before it.

Anything else is an alteration, and closes the log.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from voltage_attest.errors import AuditError
from voltage_attest.gate.audit_file import read_span
from voltage_attest.gate.audit_record import GENESIS, AuditEvent, AuditKeys, AuditKind, AuditRecord, parse_record

__all__ = ["Chain", "Torn", "end_of_chain", "place_after_last_line"]

_MAX_LINE: Final = 16 * 1024
"""Bytes of a line; the longest that an event can fill is far below."""

_WINDOW: Final = 1024 * 1024
"""Bytes before the end that are looked at after a start: many times what can be written and not yet synced."""


class Torn:
    """Lines that do not continue the chain; ``why`` is about the first, ``records`` counts those behind it."""

    def __init__(self, offset: int, line_number: int, why: str) -> None:
        self.offset = offset
        self.line_number = line_number
        self.why = why
        self.size = 0
        self.records = 0
        self._is_whole = False
        self._has_zeros = False
        self._sha256 = hashlib.sha256()

    def take(self, line: bytes, newline: bytes, *, is_record: bool) -> None:
        """Add a line, or the piece that the file ends with."""
        if self.size == 0:
            self._has_zeros = b"\0" in line
            self._is_whole = line.endswith(b'"}') and bool(newline)  # no part of a record ends so
        else:
            self.records += is_record
        self._add(line + newline)

    def end_line(self) -> bytes:
        """The newline that the last piece lacks; it belongs to what is torn from then on."""
        self._add(b"\n")
        return b"\n"

    def _add(self, content: bytes) -> None:
        self.size += len(content)
        self._sha256.update(content)

    @property
    def is_of_a_crash(self) -> bool:
        """Whether a crash can leave this behind; otherwise somebody altered the log."""
        return self._has_zeros or (not self._is_whole and self.records == 0)

    @property
    def event(self) -> AuditEvent:
        """The repair that names it."""
        return AuditEvent(
            kind=AuditKind.REPAIR, torn_offset=self.offset, torn_bytes=self.size, torn_sha256=self._sha256.hexdigest()
        )

    def is_named_by(self, repair: AuditRecord) -> bool:
        """Whether the repair is about exactly this."""
        return (
            repair.kind is AuditKind.REPAIR
            and repair.number("torn_offset") == self.offset
            and repair.number("torn_bytes") == self.size
            and repair.says.get("torn_sha256") == self._sha256.hexdigest()
        )


class Chain:
    """The chain as far as it has been followed. ``keys`` None looks at no seal; ``anchored`` False begins with any record."""

    def __init__(self, keys: AuditKeys | None, *, anchored: bool = True, seq: int = 1, prev: str = GENESIS) -> None:
        self.seq = seq
        self.prev = prev
        self.anchored = anchored
        self.torn: Torn | None = None
        self.repaired: list[Torn] = []
        self.keys = keys
        self._lines = 0
        self._end = b"\n"

    def take(self, offset: int, line: bytes, newline: bytes) -> AuditRecord | None:
        """The next line as the chain's next record, or None where it is none (see :attr:`torn`). ``newline`` may be empty."""
        self._lines += 1
        self._end = newline
        record = parse_record(line)
        is_sealed = record is not None and (self.keys is None or self.keys.has_sealed(line))
        if record is not None and is_sealed and not self.anchored:
            self.anchored = True
            return self._accept(record)
        if not self.anchored:
            return None
        why = self._why_not_next(record, is_sealed=is_sealed, newline=newline)
        if record is not None and why is None:
            if self.torn is None:
                return self._accept(record)
            if self.torn.is_named_by(record):
                self.repaired.append(self.torn)
                self.torn = None
                return self._accept(record)
        if self.torn is None:
            self.torn = Torn(offset, self._lines, why or "")
        self.torn.take(line, newline, is_record=is_sealed)
        return None

    def end_line(self) -> bytes:
        """The newline that the last line lacks, if it does: it belongs to what is torn, or completes a record that is whole."""
        return b"" if self._end else b"\n" if self.torn is None else self.torn.end_line()

    def _accept(self, record: AuditRecord) -> AuditRecord:
        self.seq, self.prev = record.seq + 1, record.sha256
        return record

    def _why_not_next(self, record: AuditRecord | None, *, is_sealed: bool, newline: bytes) -> str | None:
        if record is None:
            return "it is no record" if newline else "it has no end"
        if not is_sealed:
            return "its seal is not by this log's key"
        if record.seq != self.seq:
            return f"it says seq {record.seq}, and {self.seq} comes next"
        if record.prev != self.prev:
            return "its prev is not the line before"
        return "it repairs nothing" if record.kind is AuditKind.REPAIR and self.torn is None else None


def place_after_last_line(descriptor: int, size: int, keys: AuditKeys) -> Chain | None:
    """The chain after the last line, read alone; None if that line is not whole and sealed."""
    chain = Chain(keys, anchored=size == 0)
    if size:
        *_, last, rest = read_span(descriptor, max(0, size - _MAX_LINE), size).rsplit(b"\n", 2)
        if rest or chain.take(0, last, b"\n") is None:
            return None
    return chain


def end_of_chain(descriptor: int, size: int, keys: AuditKeys, path: Path) -> Chain:
    """The chain at the end of the log, the last megabyte of which is looked at; ``torn`` holds what a crash left there.

    AuditError where the log was altered, for it cannot be continued then.
    """
    chain = Chain(keys)
    for start in dict.fromkeys((max(0, size - _WINDOW), 0)):
        chain = Chain(keys, anchored=start == 0)
        offset = start
        *lines, rest = read_span(descriptor, start, size).split(b"\n")
        for line in lines:
            chain.take(offset, line, b"\n")
            offset += len(line) + 1
        if rest:
            chain.take(offset, rest, b"")
        if chain.anchored:
            break
    if chain.torn is not None and not chain.torn.is_of_a_crash:
        raise AuditError(
            f"the audit log {path} was altered at byte {chain.torn.offset}: {chain.torn.why}",
            expected="the lines that were written",
            remedy="Keep the file as evidence, run `voltage-attest audit verify`, and name a new path under [audit].",
        )
    return chain
