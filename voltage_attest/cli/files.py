"""Files in and out: bounded reading, atomic writing, and messages instead of tracebacks."""

from __future__ import annotations

import os
import secrets
import stat
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final, TextIO

from voltage_attest.cli.exits import CannotUse

__all__ = ["MAX_INPUT_SIZE", "STDIN", "read_input", "require_one_stdin", "write_output"]

STDIN: Final = "-"

MAX_INPUT_SIZE: Final = 16 * 1024 * 1024
"""Bytes read of any file: more than every parser accepts, so that each can name its own limit."""


def read_input(name: str, option: str, *, limit: int = MAX_INPUT_SIZE) -> bytes:
    """Read a file, or standard input for ``-``; :class:`CannotUse` if it cannot be read.

    At most one byte more than ``limit`` is read: whoever parses it finds it too long.
    """
    try:
        if name == STDIN:
            return _standard_input(option).buffer.read(limit + 1)
        with Path(name).open("rb") as file:
            return file.read(limit + 1)
    except IsADirectoryError:
        raise CannotUse(f"{option}: {name} is a directory; expected a file. Name the file inside it.") from None
    except OSError as error:
        raise CannotUse(f"{option}: {name} cannot be read ({error.strerror}). Check name and permissions.") from None


def _standard_input(option: str) -> TextIO:
    stream: TextIO | None = sys.stdin
    if stream is None:
        raise CannotUse(f"{option}: standard input (-) is closed. Redirect a file into it, or name the file.")
    return stream


def require_one_stdin(**names: str | None) -> None:
    """Refuse ``-`` for more than one option: standard input can be read once."""
    options = [f"--{option.replace('_', '-')}" for option, name in names.items() if name == STDIN]
    if len(options) > 1:
        raise CannotUse(f"{' and '.join(options)} both name standard input (-). Give a file for all but one.")


def write_output(name: str, text: str | Iterable[str]) -> None:
    """Write the whole file or leave what was there: a new file beside it takes its name once it is on the disk.

    ``text`` may come in pieces, which are never in memory together.
    """
    target = Path(os.path.realpath(name))
    pieces = (text,) if isinstance(text, str) else text
    try:
        if target.exists() and not stat.S_ISREG(target.stat().st_mode):
            _write_in_place(target, pieces)
        else:
            _replace(target, pieces)
    except OSError as error:
        raise CannotUse(f"--output: {name} cannot be written ({error.strerror}). The result is lost; run again.") from None


def _write_in_place(target: Path, pieces: Iterable[str]) -> None:
    """A pipe or device has no neighbour that could take its place."""
    with target.open("wb") as file:
        file.writelines(piece.encode("utf-8") for piece in pieces)


def _replace(target: Path, pieces: Iterable[str]) -> None:
    neighbour = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    descriptor = os.open(neighbour, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(piece.encode("utf-8") for piece in pieces)
            file.flush()
            os.fsync(file.fileno())
        neighbour.replace(target)
    except BaseException:
        neighbour.unlink(missing_ok=True)
        raise
