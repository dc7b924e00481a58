"""A part of many like cases for every run; the others are marked slow, and have a command of their own."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

__all__ = ["every"]


def every(step: int, cases: Iterable[object]) -> list[object]:
    """The cases, all but each ``step``-th of them marked slow; the first is among those kept."""
    return [case if place % step == 0 else pytest.param(case, marks=pytest.mark.slow) for place, case in enumerate(cases)]
