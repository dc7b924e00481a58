"""Which line of a TOML file a key stands on, so that errors and failed pins can point at it.

``tomllib`` gives values without positions. This scan runs on text that ``tomllib`` has already accepted and only looks for
table headers and ``key =`` at the start of lines, outside multi-line strings.
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


def locate_keys(text: str) -> dict[str, int]:
    """Return dotted key to 1-based line; members of arrays of tables are numbered, ``tdx.tcb.exception.0.until``."""
    lines: dict[str, int] = {}
    seen: Counter[str] = Counter()
    table = ""
    delimiter: str | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if delimiter is not None:
            delimiter = None if delimiter in line else delimiter
            continue
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
        delimiter = next((mark for mark in ('"""', "'''") if line.count(mark) % 2), None)
    return lines


def _dotted(key: str) -> str:
    return ".".join(part.strip("\"'") for part in _PART.findall(key))
