"""``voltage-attest demo``: the whole story on loopback, for whoever has neither a pod nor a network."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import click

from voltage_attest.cli.exits import Exit
from voltage_attest.cli.terminal import emit, output_width, wants_color

if TYPE_CHECKING:
    from voltage_attest.testing.demo_story import Scene

__all__ = ["demo"]

_INDENT: Final = "  "
_LABEL: Final = 22
_HUES: Final = {"verified": "green", "sent": "green", "refused": "red"}


@click.command()
def demo() -> int:
    """Pin, verify and use a simulated pod, then watch six attacks refused.

    No network but loopback, no pod, no key. The roots of trust are simulated: it shows how verification works, and says nothing
    about real hardware. Exit code 0 if everything happened as told.
    """
    from voltage_attest.testing.demo_story import tell_story

    width, color = output_width(sys.stdout), wants_color(sys.stdout, os.environ)
    as_told = True
    for scene in tell_story():
        emit("".join(f"{line}\n" for line in _lines(scene, width, color=color)))
        as_told &= scene.as_told
    if not as_told:
        click.echo("This is not how the story goes: please report what was printed above.", err=True)
    return Exit.VERIFIED if as_told else Exit.BUG


def _lines(scene: Scene, width: int, *, color: bool) -> Iterator[str]:
    yield click.style(scene.heading, bold=True) if color else scene.heading
    yield from textwrap.wrap(scene.prose, width, initial_indent=_INDENT, subsequent_indent=_INDENT, break_on_hyphens=False)
    for label, value in scene.facts:
        yield from textwrap.wrap(
            value,
            width,
            initial_indent=f"{_INDENT * 2}{label:{_LABEL}}",
            subsequent_indent=" " * (_LABEL + 2 * len(_INDENT)),
            break_on_hyphens=False,
        )
    for line in scene.file:
        yield f"{_INDENT * 2}{line}"
    if scene.mark in _HUES or not scene.as_told:
        word = scene.mark.upper() if scene.as_told else "NOT AS TOLD"
        yield _INDENT + (click.style(word, fg=_HUES.get(scene.mark), bold=True) if color else word)
    yield ""
