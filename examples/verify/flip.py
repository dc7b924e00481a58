"""Flip the lowest bit of one byte: ``python flip.py FILE OFFSET COPY``. To see which check notices."""

from __future__ import annotations

import sys
from pathlib import Path


def main(source: str, offset: str, copy: str) -> None:
    """Write ``source`` to ``copy`` with the lowest bit of byte ``offset`` inverted."""
    data = bytearray(Path(source).read_bytes())
    data[int(offset)] ^= 1
    Path(copy).write_bytes(data)


if __name__ == "__main__":
    main(*sys.argv[1:])
