"""``voltage-attest explain``: a check, a TCB status or an advisory in words, and what to do about it."""

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
@click.argument("name", metavar="[CHECK|STATUS|ADVISORY]", type=CheckId(), required=False)
def explain(name: str | None) -> int:
    """Tell what a check proves, or what a TCB status (OutOfDate) or an advisory (INTEL-SA-00615) means for you.

    Each says what to do and who must act: you, the provider, Intel or NVIDIA. Without a name, all are listed.
    """
    from voltage_attest.checks import REGISTRY
    from voltage_attest.report.explain import render_check_list, render_explanation, render_meaning, render_meanings_list
    from voltage_attest.report.meaning import TCB_MEANINGS, advisory_meaning, parse_advisory_id

    width, color = output_width(sys.stdout), wants_color(sys.stdout, os.environ)
    if name is None:
        emit(render_check_list(REGISTRY.values(), width=width, color=color))
        emit(f"\n{render_meanings_list(width=width, color=color)}")
        return Exit.VERIFIED
    statuses = {status.lower(): meaning for status, meaning in TCB_MEANINGS.items()}
    advisory_id = parse_advisory_id(name)
    if name in REGISTRY:
        emit(render_explanation(REGISTRY[name], width=width, color=color))
    elif name.lower() in statuses:
        emit(render_meaning(statuses[name.lower()], width=width, color=color))
    elif advisory_id is not None:
        emit(render_meaning(advisory_meaning(advisory_id), width=width, color=color))
    else:
        known = [*REGISTRY, *TCB_MEANINGS]
        near = difflib.get_close_matches(name, known, 3, 0.5)
        hint = f"Did you mean {' or '.join(near)}?" if near else "`voltage-attest explain` lists all."
        raise CannotUse(f"there is no check {name!r}, and no TCB status or advisory of that name. {hint}")
    return Exit.VERIFIED
