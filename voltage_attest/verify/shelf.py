"""Shelves that are full: what was put there first makes room, so that a flood of new bytes does not empty all of it at once."""

from __future__ import annotations

from typing import TypeVar

__all__ = ["make_room"]

Key = TypeVar("Key")
Kept = TypeVar("Kept")


def make_room(kept: dict[Key, Kept], capacity: int) -> None:
    """Drop the oldest entries until one more fits into ``capacity``. Other threads may do the same at the same time."""
    while len(kept) >= capacity:
        try:
            kept.pop(next(iter(kept)), None)
        except StopIteration:
            return
        except RuntimeError:  # another thread changed it while its oldest key was looked for
            continue
