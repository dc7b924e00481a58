"""The audit log: who was asked, on what proof, and how it ended; on the disk before the first byte of a request leaves.

::

    log = AuditLog(Path("audit/voltage-attest.jsonl"))
    digest = log.digest()
    digest.update(body)
    sent = log.append(AuditEvent(kind=AuditKind.REQUEST, pod="pod_7", request_hmac=digest.hexdigest()), at=now)

Many threads and processes may write one log. An appended record is acknowledged, by returning, after an fsync; if anything
prevents that, AuditError is raised, and who gets it sends nothing.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

from voltage_attest.errors import AuditError
from voltage_attest.gate.audit_chain import Chain, end_of_chain, place_after_last_line
from voltage_attest.gate.audit_file import at_end, exclusive, fsync_directory, is_at, load_key, open_log, write_whole
from voltage_attest.gate.audit_record import AuditEvent, AuditKeys, AuditKind, KeyedDigest, encode_record

__all__ = ["AuditLog", "AuditReceipt", "key_path_of"]

_MOVES: Final = 5
"""How often the log may be moved away between opening and locking it: a rotation does so once a day."""


@dataclass(frozen=True, slots=True)
class AuditReceipt:
    """An acknowledged record's place and SHA-256: noted elsewhere, they prove that nothing up to it is missing."""

    seq: int
    sha256: str


def key_path_of(path: Path) -> Path:
    """Where a log's key is unless the caller names another place: beside it."""
    return path.with_name(f"{path.name}.key")


class AuditLog:
    """One log in one file. Holds no file open, so it may be shared among threads and forked processes.

    The key is drawn when the log is begun. Whoever has it can rewrite the log: name a ``key_path`` that those who may write to
    the log cannot read, if there are any, and keep a copy of it where the log is checked.
    """

    def __init__(self, path: Path, *, key_path: Path | None = None) -> None:
        self.path = path
        self.key_path = key_path or key_path_of(path)
        self._keys: AuditKeys | None = None
        self._place: _Place | None = None

    def __repr__(self) -> str:
        return f"AuditLog({str(self.path)!r})"

    def append(self, event: AuditEvent, *, at: datetime, durable: bool = True) -> AuditReceipt:
        """Add a record and return when it is on the disk; ``durable`` False leaves that to the next one that is durable.

        AuditError if it cannot be written, or if the log is not what was written to it.
        """
        try:
            for _ in range(_MOVES):
                with open_log(self.path) as descriptor:
                    with exclusive(descriptor, self.path):
                        if not is_at(descriptor, self.path):
                            continue
                        receipt = self._append(descriptor, event, at)
                    if durable:
                        os.fsync(descriptor)  # outside of the lock: those who wait meanwhile share one sync
                    return receipt
        except OSError as error:
            raise _unwritable(self.path, error) from None
        raise _unwritable(self.path, OSError(0, "it is moved away again and again"))

    def digest(self) -> KeyedDigest:
        """Make a digest under the log's key for one request's or answer's body; AuditError where the key is not to be had."""
        return self._read_keys(make=not self.path.exists()).digest()

    def _append(self, descriptor: int, event: AuditEvent, at: datetime) -> AuditReceipt:
        size = at_end(descriptor)
        keys = self._read_keys(make=size == 0)
        chain = self._chain_at(descriptor, size, keys)
        lines = _Lines(chain, keys, at)
        if size == 0:
            lines.add(AuditEvent(kind=AuditKind.OPENED, key_id=keys.key_id))
        lines.content += chain.end_line()
        if chain.torn is not None:
            lines.add(chain.torn.event)
        receipt = lines.add(event)
        write_whole(descriptor, bytes(lines.content))
        if size == 0:
            os.fsync(descriptor)
            fsync_directory(self.path)
        self._place = _Place(os.fstat(descriptor), lines.seq, lines.prev)
        return receipt

    def _chain_at(self, descriptor: int, size: int, keys: AuditKeys) -> Chain:
        """The chain at the end of the file: known if nobody has written since, else from its last line, else from more."""
        place = self._place
        if place is None:
            return end_of_chain(descriptor, size, keys, self.path)
        if place.is_end_of(os.fstat(descriptor)):
            return Chain(keys, seq=place.seq, prev=place.prev)
        return place_after_last_line(descriptor, size, keys) or end_of_chain(descriptor, size, keys, self.path)

    def _read_keys(self, *, make: bool) -> AuditKeys:
        if self._keys is None:
            try:
                self._keys = AuditKeys(load_key(self.key_path, make=make))
            except FileNotFoundError:
                raise AuditError(
                    f"the audit log {self.path} has no key at {self.key_path}",
                    expected="the key it was begun with",
                    remedy="Restore the key from its backup, or name a new path under [audit] and keep the old log as it is.",
                ) from None
            except OSError as error:
                raise _unwritable(self.key_path, error) from None
        return self._keys


class _Place:
    """Where this object's last record ended, in which file, and what comes next."""

    __slots__ = ("_file", "prev", "seq")

    def __init__(self, status: os.stat_result, seq: int, prev: str) -> None:
        self._file = _identity(status)
        self.seq = seq
        self.prev = prev

    def is_end_of(self, status: os.stat_result) -> bool:
        """Whether the file still ends there."""
        return self._file == _identity(status)


def _identity(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_dev, status.st_ino, status.st_size


class _Lines:
    """The lines of one write, chained."""

    def __init__(self, chain: Chain, keys: AuditKeys, at: datetime) -> None:
        self.content = bytearray()
        self.seq, self.prev = chain.seq, chain.prev
        self._keys, self._at = keys, at

    def add(self, event: AuditEvent) -> AuditReceipt:
        line = encode_record(event, seq=self.seq, at=self._at, prev=self.prev, keys=self._keys)
        receipt = AuditReceipt(self.seq, sha256(line).hexdigest())
        self.content += line + b"\n"
        self.seq, self.prev = self.seq + 1, receipt.sha256
        return receipt


def _unwritable(path: Path, error: OSError) -> AuditError:
    return AuditError(
        f"the audit log cannot be written: {path} ({error.strerror or type(error).__name__})",
        expected="a file on a local disk with space, which this user may write",
        remedy="Make room or mend the rights; until a record can be written, no request is sent.",
    )
