"""All cases: importing this module registers every one."""

from __future__ import annotations

import importlib
from pathlib import Path

from tests.cases.model import CASES, Case

__all__ = ["CASES", "Case"]

for _module in sorted(Path(__file__).parent.glob("*_cases.py")):
    if _module.stem != Path(__file__).stem:
        importlib.import_module(f"tests.cases.{_module.stem}")
