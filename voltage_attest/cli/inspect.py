"""``voltage-attest inspect``: what a file says, without judging it."""

from __future__ import annotations

import hashlib
import os
import sys
from typing import TYPE_CHECKING

import click

from voltage_attest.cli.exits import CannotUse, Exit
from voltage_attest.cli.files import MAX_INPUT_SIZE, STDIN, read_input
from voltage_attest.cli.terminal import emit, wants_color

if TYPE_CHECKING:
    from voltage_attest.cli.inspect_tree import Inspection

__all__ = ["inspect"]


@click.command()
@click.argument("file")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def inspect(file: str, form: str) -> int:
    """Show what FILE says: a quote, a boot log, a GPU's report, collateral, certificates, tokens, a policy or a result.

    The kind is told by content. Nothing is verified. Exit codes: 0 shown, 2 not recognised or not readable.
    """
    from voltage_attest.cli.inspect_tree import render_tree_json, render_tree_text

    data = read_input(file, "FILE")
    inspection = _recognise(data, file)
    digest = hashlib.sha256(data).hexdigest()
    if form == "json":
        emit(render_tree_json(inspection, len(data), digest))
    else:
        name = "standard input" if file == STDIN else file
        emit(render_tree_text(inspection, name, len(data), digest, color=wants_color(sys.stdout, os.environ)))
    return Exit.VERIFIED


def _recognise(data: bytes, file: str) -> Inspection:
    from voltage_attest.cli.inspect_recognise import KINDS, inspect_bytes
    from voltage_attest.errors import InputError

    if len(data) > MAX_INPUT_SIZE:
        raise CannotUse(f"{file} has more than {MAX_INPUT_SIZE} bytes; expected {KINDS}.")
    if not data:
        raise CannotUse(f"{file} is empty; expected {KINDS}.")
    try:
        inspection = inspect_bytes(data)
    except InputError as error:
        raise CannotUse(f"{file} cannot be shown: {error}") from None
    if inspection is None:
        raise CannotUse(f"{file} is none of what this program reads. Tried: {KINDS}.")
    return inspection
