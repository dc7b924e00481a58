"""Standard output: colour and width when it is a terminal, and text that every encoding can carry."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from typing import Final, TextIO

import click

from voltage_attest.cli.exits import CannotUse
from voltage_attest.report.text import DEFAULT_WIDTH

__all__ = ["emit", "output_width", "wants_color"]

_NARROWEST: Final = 60
_WIDEST: Final = 120


def wants_color(stream: TextIO | None, environment: Mapping[str, str]) -> bool:
    """Whether to colour: on a terminal that is not dumb, unless NO_COLOR is set (https://no-color.org)."""
    return stream is not None and stream.isatty() and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"


def output_width(stream: TextIO | None) -> int:
    """Columns to write: the terminal's within reason, or 100 where there is none."""
    if stream is None or not stream.isatty():
        return DEFAULT_WIDTH
    return min(max(shutil.get_terminal_size((DEFAULT_WIDTH, 24)).columns, _NARROWEST), _WIDEST)


def emit(text: str) -> None:
    """Write to standard output, at once; what its encoding lacks is escaped. Where it is closed, the exit code must do."""
    stream: TextIO | None = sys.stdout
    if stream is None:
        return
    encoding = stream.encoding or "utf-8"
    try:
        click.echo(text.encode(encoding, "backslashreplace").decode(encoding), nl=False, color=_color())
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CannotUse(f"standard output cannot be written ({error.strerror}).") from None


def _color() -> bool:
    return wants_color(sys.stdout, os.environ)
