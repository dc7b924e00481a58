"""What is being waited for, live on a terminal; not a byte where standard error is none."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voltage_attest.attest import Progress

__all__ = ["fetch_progress", "items_progress"]


@contextmanager
def fetch_progress(*, quiet: bool = False) -> Iterator[Progress | None]:
    """Show on standard error one line for the pod and one a document while the block runs, and remove them at its end.

    Yields what :func:`~voltage_attest.attest.open_attester` and ``CollateralService.fetch`` take as ``progress``: None where
    standard error is no terminal, or ``quiet``.
    """
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress as Display
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.fields[name]:14} {task.description}", markup=False), TimeElapsedColumn())
    with Display(*columns, console=Console(stderr=True), transient=True) as display:
        lines = {}

        def show(what: str, words: str) -> None:
            if what not in lines:
                lines[what] = display.add_task(words, total=None, name=str(what))
            display.update(lines[what], description=words)

        yield show


@contextmanager
def items_progress(total: int, *, quiet: bool = False) -> Iterator[Callable[[], None] | None]:
    """Show a bar that moves on each call of what it yields; None where standard error is no terminal, or ``quiet``."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Display

    columns = (TextColumn("verifying"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Display(*columns, console=Console(stderr=True), transient=True) as display:
        task = display.add_task("", total=total)
        yield lambda: display.advance(task)
