"""The audit log's file and key as the operating system sees them: opened anew for each use, locked, never followed elsewhere.

A file that is opened for each record survives forks, needs no lock among threads (each opening has its own), follows a
rotation, and is let go by the system when a process is killed.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from voltage_attest.errors import AuditError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["at_end", "exclusive", "fsync_directory", "is_at", "load_key", "open_log", "read_lines", "read_span", "write_whole"]

LOCK_PATIENCE: Final = 30.0
"""Seconds to wait for other writers, each of which needs less than a millisecond; whoever takes longer is stopped or stuck."""

_FLAGS: Final = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_CLOEXEC", "O_NONBLOCK", "O_BINARY"))
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_KEY_SIZE: Final = 32


@contextlib.contextmanager
def open_log(path: Path) -> Iterator[int]:
    """The log opened for appending, made for its owner alone if it is not there."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | _FLAGS, 0o600)
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | _FLAGS, 0o600)
    try:
        _require_regular(descriptor, path)
        yield descriptor
    finally:
        os.close(descriptor)


def read_lines(path: Path) -> Iterator[bytes]:
    """The log's lines as they stand now, each with its newline but the last, if a crash has torn it. Writers may go on."""
    descriptor = os.open(path, os.O_RDONLY | _FLAGS)
    with open(descriptor, "rb") as log:  # noqa: PTH123 - opened above, without following a link
        _require_regular(descriptor, path)
        with exclusive(descriptor, path):  # no writer is in the middle of a line now
            size = at_end(descriptor)
        position = 0
        for line in log:
            position += len(line)
            if position > size:
                break
            yield line


@contextlib.contextmanager
def exclusive(descriptor: int, path: Path) -> Iterator[None]:
    """Keep every other writer out, of this process and of others; AuditError if one does not let go."""
    deadline = time.monotonic() + LOCK_PATIENCE
    pause = 0.0002
    while not _try_lock(descriptor):
        if time.monotonic() > deadline:
            raise AuditError(
                f"the audit log {path} has been locked by another process for {LOCK_PATIENCE:.0f} seconds",
                expected="writers that let go within a millisecond",
                remedy="Find the process that is stopped while it holds the log (`fuser` names it), and end it.",
            )
        time.sleep(pause)
        pause = min(2 * pause, 0.005)
    try:
        yield
    finally:
        _unlock(descriptor)


def is_at(descriptor: int, path: Path) -> bool:
    """Whether the open file is still the one of that name: a rotation may have moved it away."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False


def at_end(descriptor: int) -> int:
    """The file's size in bytes."""
    return os.fstat(descriptor).st_size


def read_span(descriptor: int, start: int, end: int) -> bytes:
    """The bytes from ``start`` to ``end``, fewer where the file ends before."""
    pieces: list[bytes] = []
    os.lseek(descriptor, start, os.SEEK_SET)
    while start < end:
        piece = os.read(descriptor, end - start)
        if not piece:
            break
        pieces.append(piece)
        start += len(piece)
    return b"".join(pieces)


def write_whole(descriptor: int, content: bytes) -> None:
    """Append all of it, or as good as nothing: what a full disk took of it is taken back, or found torn by the next writer."""
    before = at_end(descriptor)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    except OSError:
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, before)
        raise


def fsync_directory(path: Path) -> None:
    """Make a new file's name durable, where directories can be synced."""
    with contextlib.suppress(PermissionError, NotImplementedError):
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def load_key(path: Path, *, make: bool) -> bytes:
    """The log's key, 32 bytes, from its file of 64 hex digits; with ``make`` an absent one is drawn and written first.

    OSError where it cannot be read or written, AuditError where it is not what it should be or open to others.
    """
    if make:
        with contextlib.suppress(FileExistsError):
            _make_key(path)
    descriptor = os.open(path, os.O_RDONLY | _FLAGS)
    try:
        _require_regular(descriptor, path)
        if sys.platform != "win32" and os.fstat(descriptor).st_mode & _OTHERS:
            raise AuditError(
                f"the audit key {path} is open to other users",
                expected="a file that its owner alone can read",
                remedy=f"Run `chmod 600 {path}`, and ask who has read it: they can rewrite the log.",
            )
        text = os.read(descriptor, 4 * _KEY_SIZE).strip()
    finally:
        os.close(descriptor)
    try:
        secret = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        secret = b""
    if len(secret) != _KEY_SIZE:
        raise AuditError(
            f"the audit key {path} is damaged",
            expected="64 hex digits",
            remedy="Restore it from its backup; with another key the log cannot be continued.",
        )
    return secret


def _make_key(path: Path) -> None:
    """Write a fresh key under its name at once and whole, so that no other process can read half of it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600)
    try:
        try:
            write_whole(descriptor, secrets.token_hex(_KEY_SIZE).encode("ascii") + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.link(temporary, path)  # unlike a rename it fails where another process was faster
    finally:
        temporary.unlink(missing_ok=True)
    fsync_directory(path)


def _require_regular(descriptor: int, path: Path) -> None:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise AuditError(f"{path} is no regular file", expected="a file", remedy="Name a file on a local disk.")


if sys.platform == "win32":

    def _try_lock(descriptor: int) -> bool:
        os.lseek(descriptor, 1 << 40, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        os.lseek(descriptor, 1 << 40, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
