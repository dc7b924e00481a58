"""Renderings of an attestation result: pure functions from the one object to text. Nothing here reads, writes or judges.

The names below are loaded when they are first used (PEP 562).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from voltage_attest.report.explain import render_check_list, render_explanation
    from voltage_attest.report.json import parse_result, render_json
    from voltage_attest.report.text import render_text, render_verdict

__all__ = ["parse_result", "render_check_list", "render_explanation", "render_json", "render_text", "render_verdict"]

_HOME: Final = {
    "parse_result": "json",
    "render_check_list": "explain",
    "render_explanation": "explain",
    "render_json": "json",
    "render_text": "text",
    "render_verdict": "text",
}


def __getattr__(name: str) -> object:
    """Load an exported name from its module on first use, and keep it."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """The exported names, loaded or not."""
    return sorted({*globals(), *__all__})
