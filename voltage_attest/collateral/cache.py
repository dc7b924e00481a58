"""Answers kept on disk between runs: one file each, written whole or not at all, and believed no more than the network.

A file is one JSON object, named by the SHA-256 of the address it came from::

    {"sha256":"<64 hex: of the bytes of entry>","entry":{"schema":"voltage-attest/collateral-cache/1","kind":"...",
     "url":"...","headers":{...},"body":"<base64>"}}

The hash finds files that are cut off or damaged; against an attacker it does nothing, and nothing here is meant to. Whoever can
write to the cache can make documents disappear or be refused, no more: their signatures and windows are judged at every use,
like those of documents that come from the network. No lock is taken: writers replace whole files, so a reader sees the old one
or the new one.

A directory or file that is a symbolic link, belongs to somebody else, or may be written by others is not used.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

__all__ = ["CachedAnswer", "CollateralCache", "Warn", "decode_entry", "encode_entry"]

Warn = Callable[[str], None]
"""Takes a sentence about the cache that the user should see."""

_SCHEMA: Final = "voltage-attest/collateral-cache/1"
_MEMBERS: Final = {"schema", "kind", "url", "headers", "body"}
_ENVELOPE: Final = re.compile(rb'\{"sha256":"([0-9a-f]{64})","entry":(.+)\}\n', re.DOTALL)
_MAX_SIZE: Final = 4 * 1024 * 1024
"""Bytes of a file that is read; the largest answer accepted needs a third of that."""

_ENTRY_NAME: Final = re.compile(r"[0-9a-f]{64}\.json")
_LEFTOVER_NAME: Final = re.compile(r"\.[0-9a-f]{64}\.[0-9a-f]{16}\.tmp")
_LEFTOVER_AGE: Final = 60.0
"""Seconds after which a temporary file has no writer any more: writing one takes milliseconds."""

_OTHERS_MAY_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
_NO_FOLLOW: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """An answer with status 200 as kept: which document, from where, the headers needed (lower-case names), the raw body."""

    kind: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


def encode_entry(answer: CachedAnswer) -> bytes:
    """The file's content."""
    entry = json.dumps(
        {
            "schema": _SCHEMA,
            "kind": answer.kind,
            "url": answer.url,
            "headers": dict(answer.headers),
            "body": base64.b64encode(answer.body).decode("ascii"),
        },
        separators=(",", ":"),
    ).encode("ascii")
    return b'{"sha256":"%s","entry":%s}\n' % (hashlib.sha256(entry).hexdigest().encode("ascii"), entry)


def decode_entry(data: bytes, url: str | None = None) -> CachedAnswer | None:
    """Read a file's content; None if it is damaged, of another version, or (where ``url`` is given) of another address."""
    envelope = _ENVELOPE.fullmatch(data)
    if envelope is None or hashlib.sha256(envelope[2]).hexdigest().encode("ascii") != envelope[1]:
        return None
    try:
        entry = json.loads(envelope[2])
        if not isinstance(entry, dict) or set(entry) != _MEMBERS or entry["schema"] != _SCHEMA:
            return None
        headers = entry["headers"]
        texts = [entry["kind"], entry["url"], entry["body"], *headers, *headers.values()]
        if not all(isinstance(text, str) for text in texts) or url not in {None, entry["url"]}:
            return None
        return CachedAnswer(entry["kind"], entry["url"], headers, base64.b64decode(entry["body"], validate=True))
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None


class CollateralCache:
    """The cache in one directory, which is made when first written to. Safe to share between threads and processes.

    Nothing here raises for what is on the disk, or cannot be put there: a cache that does not work is no cache, and
    ``warn`` is told.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._name = str(directory)  # on the way to every verification: paths as objects cost more than the calls to the system

    @classmethod
    def for_user(cls) -> CollateralCache:
        """The user's own cache, in the place that the operating system has for such."""
        import platformdirs

        return cls(platformdirs.user_cache_path("voltage-attest", appauthor=False) / "collateral")

    def path_of(self, url: str) -> Path:
        """The file that keeps the answer of that address."""
        return Path(self._path_of(url))

    def read(self, url: str, warn: Warn) -> bytes | None:
        """The content of the address's file, for :func:`decode_entry`; None where there is none that may be used."""
        if not self._is_trusted(warn):
            return None
        return self.read_file(self._path_of(url), warn)

    def read_file(self, path: Path | str, warn: Warn) -> bytes | None:
        """The content of one file of the cache, unless it is no regular file of ours, writable by us alone."""
        try:
            descriptor = os.open(path, os.O_RDONLY | _NO_FOLLOW)
        except FileNotFoundError:
            return None
        except OSError as error:
            link = error.errno in {errno.ELOOP, errno.EMLINK}
            warn(f"{path} was ignored: it {'is a symbolic link' if link else f'cannot be read ({error.strerror})'}.")
            return None
        try:
            status = os.fstat(descriptor)
            fault = _why_distrusted(status, stat.S_ISREG(status.st_mode), "file")
            if fault is None and status.st_size > _MAX_SIZE:
                fault = f"has {status.st_size} bytes"
            if fault is not None:
                warn(f"{path} was ignored: it {fault}.")
                return None
            return _read_all(descriptor, status.st_size)
        finally:
            os.close(descriptor)

    def write(self, answer: CachedAnswer, warn: Warn) -> None:
        """Keep the answer, in place of any other of its address."""
        try:
            self._make_directory()
            if self._is_trusted(warn):
                self._replace(self.path_of(answer.url), encode_entry(answer))
        except OSError as error:
            warn(f"The cache {self.directory} could not be written ({error.strerror}): documents are fetched anew next time.")

    def evict(self, urls: Iterable[str]) -> None:
        """Forget the answers of these addresses."""
        for url in urls:
            self.remove(self.path_of(url))

    def remove(self, path: Path) -> bool:
        """Remove one file of the cache; False if it was not there, or would not go."""
        try:
            path.unlink()
        except OSError:
            return False
        return True

    def files(self, warn: Warn) -> tuple[Path, ...]:
        """Every entry's file, by name; empty if the directory may not be used."""
        return tuple([path for path in self._listing(warn) if _ENTRY_NAME.fullmatch(path.name)])

    def sweep(self, warn: Warn, *, now: float) -> int:
        """Remove what killed writers left behind, and count it; ``now`` is the time of the file system, seconds since 1970."""
        removed = 0
        for path in self._listing(warn):
            with contextlib.suppress(OSError):
                if _LEFTOVER_NAME.fullmatch(path.name) and path.lstat().st_mtime < now - _LEFTOVER_AGE:
                    path.unlink()
                    removed += 1
        return removed

    def _path_of(self, url: str) -> str:
        return f"{self._name}{os.sep}{hashlib.sha256(url.encode()).hexdigest()}.json"

    def _listing(self, warn: Warn) -> list[Path]:
        if not self._is_trusted(warn):
            return []
        try:
            return sorted(self.directory.iterdir())
        except OSError:
            return []

    def _make_directory(self) -> None:
        """Both our levels are made for the user alone; what is above them is none of our business."""
        for directory in (self.directory.parent, self.directory):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _is_trusted(self, warn: Warn) -> bool:
        """Whether the directory is one, ours, and writable by us alone; an absent one is empty and as good."""
        try:
            status = os.lstat(self._name)
        except FileNotFoundError:
            return True
        except OSError as error:
            warn(f"The cache was not used: {self.directory} cannot be looked at ({error.strerror}).")
            return False
        fault = _why_distrusted(status, stat.S_ISDIR(status.st_mode), "directory")
        if fault is not None:
            warn(f"The cache was not used: {self.directory} {fault}. Make it yours alone (chmod 700), or remove it.")
        return fault is None

    def _replace(self, path: Path, content: bytes) -> None:
        """Put a whole file in its place: a reader, or a kill at any moment, meets the old one or the new one."""
        temporary = path.with_name(f".{path.stem}.{secrets.token_hex(8)}.tmp")
        try:
            if not _write_unnamed(temporary, content):
                _write_named(temporary, content)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def _why_distrusted(status: os.stat_result, right_kind: bool, kind: str) -> str | None:  # noqa: FBT001 - a sentence's part
    if stat.S_ISLNK(status.st_mode):
        return "is a symbolic link"
    if not right_kind:
        return f"is no {kind}"
    if hasattr(os, "geteuid"):  # where users are told apart by number
        if status.st_uid != os.geteuid():
            return "belongs to another user"
        if status.st_mode & _OTHERS_MAY_WRITE:
            return "may be written by other users"
    return None


def _write_unnamed(path: Path, content: bytes) -> bool:
    """Write a file that gets its name when it is complete, so that a kill leaves nothing; False where that cannot be done.

    Linux, on file systems that know O_TMPFILE; see open(2), which also shows the way through /proc. Whatever fails here for
    another reason fails again where the file is written by name, and is told then.
    """
    flag = getattr(os, "O_TMPFILE", None)
    if flag is None:
        return False
    try:
        with contextlib.ExitStack() as stack:
            directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            stack.callback(os.close, directory)
            descriptor = os.open(path.parent, flag | os.O_WRONLY | os.O_CLOEXEC, 0o600)
            stack.callback(os.close, descriptor)
            _write_all(descriptor, content)
            os.link(f"/proc/self/fd/{descriptor}", path.name, dst_dir_fd=directory, follow_symlinks=True)
    except OSError:
        return False
    return True


def _write_named(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW, 0o600)
    try:
        _write_all(descriptor, content)
    finally:
        os.close(descriptor)


def _read_all(descriptor: int, size: int) -> bytes:
    """The file's bytes; fewer where it was cut off meanwhile, which its hash will tell."""
    pieces = [os.read(descriptor, size)]
    while pieces[-1] and sum(map(len, pieces)) < size:
        pieces.append(os.read(descriptor, size))
    return b"".join(pieces)


def _write_all(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    os.fsync(descriptor)
