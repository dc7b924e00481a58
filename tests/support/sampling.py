"""A part of many like cases for every run.

All of them: ``EXAMPLES=all python -m pytest -m "slow or not slow"``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import pytest

__all__ = ["every", "examples"]

_ALL = os.environ.get("EXAMPLES") == "all"


def examples(most: int) -> int:
    """How many examples hypothesis draws: ``most`` where all are asked for, else a third."""
    return most if _ALL else max(most // 3, 10)


def every(step: int, cases: Iterable[object]) -> list[object]:
    """The cases, all but each ``step``-th of them marked slow; the first is among those kept."""
    return [case if place % step == 0 else pytest.param(case, marks=pytest.mark.slow) for place, case in enumerate(cases)]
