"""What ``verify`` and ``pin`` read about measured boot beside a quote: the event log, and dstack's compose document."""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, ParamSpec, TypedDict

import click

from voltage_attest.cli.exits import CannotUse
from voltage_attest.cli.files import read_input

if TYPE_CHECKING:
    from voltage_attest.evidence.model import Evidence

__all__ = ["BootFiles", "boot_options", "with_boot"]

Arguments = ParamSpec("Arguments")


class BootFiles(TypedDict):
    """What :func:`boot_options` adds to a command."""

    event_log: str | None
    compose: str | None


def boot_options(command: Callable[Arguments, int]) -> Callable[Arguments, int]:
    """Add the options of :class:`BootFiles`."""
    options = (
        click.option("--event-log", metavar="FILE", help="The boot log of --quote: a CCEL, or dstack's JSON."),
        click.option("--compose", metavar="FILE", help="dstack's app-compose document of --quote, byte for byte."),
    )
    return functools.reduce(lambda decorated, option: option(decorated), reversed(options), command)


def with_boot(evidence: Evidence, files: BootFiles) -> Evidence:
    """``evidence`` with the log and the document that are named; CannotUse where a file cannot be read."""
    from dataclasses import replace

    if files["event_log"] is not None:
        evidence = replace(evidence, event_log=_as_text(read_input(files["event_log"], "--event-log")))
    if files["compose"] is not None:
        info = json.dumps({"tcb_info": {"app_compose": _compose(files["compose"])}}).encode()
        evidence = replace(evidence, binding_inputs=(*evidence.binding_inputs, ("dstack_info", info)))
    return evidence


def _as_text(log: bytes) -> str:
    """As evidence carries a log: text as it stands, bytes in base64."""
    try:
        text = log.decode("utf-8")
    except UnicodeDecodeError:
        return base64.b64encode(log).decode("ascii")
    return base64.b64encode(log).decode("ascii") if "\0" in text else text


def _compose(name: str) -> str:
    data = read_input(name, "--compose")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CannotUse(
            f"--compose: byte {error.start} of {name} is not UTF-8. Pass the document as it was deployed."
        ) from None
