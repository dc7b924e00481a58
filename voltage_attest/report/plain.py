"""Plain text for a terminal: what evidence may put on the screen, how lines break, and a handful of colours.

Names in certificates, reasons in policies and keys in JSON are chosen by others. A control character or an escape sequence
among them could rewrite the screen, so nothing reaches it that is not printable.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

__all__ = ["Paint", "clipped", "hanging", "one_or_many", "printable", "shortened", "utc"]

_LIMIT: Final = 4096
"""Characters of one value. The longest honest one is a list of some forty pinned measurements."""

_NARROWEST: Final = 24


@dataclass(frozen=True, slots=True)
class Paint:
    """ANSI colours, or none: with ``color`` False every method returns its text unchanged."""

    color: bool

    def bad(self, text: str) -> str:
        """Bold red: closes the gate."""
        return self._sgr("1;31", text)

    def loud(self, text: str) -> str:
        """Bold yellow: open, but somebody must look."""
        return self._sgr("1;33", text)

    def good(self, text: str) -> str:
        """Green: holds."""
        return self._sgr("32", text)

    def strong(self, text: str) -> str:
        """Bold."""
        return self._sgr("1", text)

    def faint(self, text: str) -> str:
        """Dim."""
        return self._sgr("2", text)

    def _sgr(self, codes: str, text: str) -> str:
        return f"\x1b[{codes}m{text}\x1b[0m" if self.color else text


def printable(text: str) -> str:
    """Return the text with everything unprintable (controls, escapes, bidi marks, line breaks, lone surrogates) escaped."""
    cut = text[:_LIMIT]
    safe = cut if cut.isprintable() else "".join(map(_escaped, cut))
    return safe if len(text) <= _LIMIT else f"{safe}... ({len(text) - _LIMIT} more characters)"


def _escaped(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")


def hanging(label: str, text: str, column: int, width: int) -> list[str]:
    """Break ``text`` into lines that start at ``column``, the first behind ``label``. A word longer than a line stays whole."""
    room = max(width - column, _NARROWEST)
    lines = textwrap.wrap(printable(text), room, break_long_words=False, break_on_hyphens=False) or [""]
    heads = [label.ljust(column), *[" " * column] * (len(lines) - 1)]
    return [f"{head}{line}".rstrip() for head, line in zip(heads, lines, strict=True)]


def clipped(text: str, width: int) -> str:
    """Return as many words of the text as ``width`` columns hold, printable, with an ellipsis for those left out."""
    text = printable(text)
    if len(text) <= max(width, _NARROWEST):
        return text
    return f"{text[: max(width, _NARROWEST) - 3].rsplit(' ', 1)[0].rstrip(' ,:;(')}..."


def shortened(text: str, width: int) -> str:
    """Return the text with its middle left out if it is longer than ``width``: both ends of a hash tell it from another."""
    text = printable(text)
    if len(text) <= max(width, _NARROWEST):
        return text
    end = max((width - 3) // 3, 8)
    return f"{text[: max(width, _NARROWEST) - 3 - end]}...{text[-end:]}"


def one_or_many(count: int, singular: str, plural: str = "") -> str:
    """Count and noun: ``1 check``, ``2 checks``."""
    return f"{count} {singular if count == 1 else plural or singular + 's'}"


def utc(time: datetime) -> str:
    """A time as people read it, in UTC, to the second."""
    return f"{time.astimezone(UTC).replace(tzinfo=None).isoformat(sep=' ', timespec='seconds')} UTC"
