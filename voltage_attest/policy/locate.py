"""Which line of a TOML file a key stands on, so that errors and failed pins can point at it.

``tomllib`` gives values without positions. This scan runs on text that ``tomllib`` has already accepted and only looks for
table headers and ``key =`` at the start of lines, outside comments and multi-line strings.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

__all__ = ["locate_keys"]

_KEY: Final = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_DOTTED: Final = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_HEADER: Final = re.compile(rf"\s*(\[\[?)\s*({_DOTTED})\s*\]\]?")
_ASSIGNMENT: Final = re.compile(rf"\s*({_DOTTED})\s*=")
_PART: Final = re.compile(_KEY)
_DELIMITERS: Final = ('"""', "'''")
_OPAQUE: Final = re.compile(r'''"""(?:\\.|[^\\])*?"{3,5}|\'{3}.*?\'{3,5}|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|#[^\n]*''', re.DOTALL)
"""Multi-line strings, short strings and comments, in the order in which TOML tells them apart."""


def locate_keys(text: str) -> dict[str, int]:
    """Return dotted key to 1-based line; members of arrays of tables are numbered, ``tdx.tcb.exception.0.until``."""
    lines: dict[str, int] = {}
    seen: Counter[str] = Counter()
    table = ""
    for number, line in enumerate(_OPAQUE.sub(_blanked, text).split("\n"), 1):
        header = _HEADER.match(line)
        if header is not None:
            table = _dotted(header[2])
            if header[1] == "[[":
                member = f"{table}.{seen[table]}"
                seen[table] += 1
                table = member
            lines.setdefault(table, number)
            continue
        assignment = _ASSIGNMENT.match(line)
        if assignment is not None:
            lines.setdefault(f"{table}.{_dotted(assignment[1])}" if table else _dotted(assignment[1]), number)
    return lines


def _blanked(found: re.Match[str]) -> str:
    """Keep short strings, which may be keys; of comments and multi-line strings keep the line ends alone."""
    text = found[0]
    return text if text[0] in "\"'" and not text.startswith(_DELIMITERS) else "\n" * text.count("\n")


def _dotted(key: str) -> str:
    return ".".join(part.strip("\"'") for part in _PART.findall(key))
