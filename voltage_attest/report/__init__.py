"""Renderings of an attestation result: pure functions from the one object to text. Nothing here reads, writes or judges."""

from __future__ import annotations

from voltage_attest.report.explain import render_check_list, render_explanation
from voltage_attest.report.json import parse_result, render_json
from voltage_attest.report.text import render_text, render_verdict

__all__ = ["parse_result", "render_check_list", "render_explanation", "render_json", "render_text", "render_verdict"]
