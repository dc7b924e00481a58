"""``voltage-attest explain``: what a check proves, what it does not, and what to do when it fails."""

from __future__ import annotations

import difflib
import os
import sys

import click

from voltage_attest.cli.exits import CannotUse, Exit
from voltage_attest.cli.parameters import CheckId
from voltage_attest.cli.terminal import emit, output_width, wants_color

__all__ = ["explain"]


@click.command()
@click.argument("check_id", type=CheckId(), required=False)
def explain(check_id: str | None) -> int:
    """Tell what CHECK_ID proves and what to do when it fails; without it, list all checks."""
    from voltage_attest.checks import REGISTRY
    from voltage_attest.report.explain import render_check_list, render_explanation

    width, color = output_width(sys.stdout), wants_color(sys.stdout, os.environ)
    if check_id is None:
        emit(render_check_list(REGISTRY.values(), width=width, color=color))
        return Exit.VERIFIED
    check = REGISTRY.get(check_id)
    if check is None:
        near = difflib.get_close_matches(check_id, REGISTRY, 3, 0.5)
        hint = f"Did you mean {' or '.join(near)}?" if near else "`voltage-attest explain` lists all."
        raise CannotUse(f"there is no check {check_id!r}. {hint}")
    emit(render_explanation(check, width=width, color=color))
    return Exit.VERIFIED
