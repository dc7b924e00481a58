"""What is being fetched, live on a terminal; not a byte where standard error is none."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voltage_attest.collateral.service import DocumentKind, Progress

__all__ = ["fetch_progress"]


@contextmanager
def fetch_progress(*, quiet: bool = False) -> Iterator[Progress | None]:
    """Show one line a document on standard error while the block runs, and remove them at its end.

    Yields what :meth:`CollateralService.fetch` takes as ``progress``: None where standard error is no terminal, or ``quiet``.
    """
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress as Display
    from rich.progress import SpinnerColumn, TextColumn

    columns = (SpinnerColumn(), TextColumn("{task.fields[name]:14} {task.description}", markup=False))
    with Display(*columns, console=Console(stderr=True), transient=True) as display:
        lines = {}

        def show(kind: DocumentKind, words: str) -> None:
            if kind not in lines:
                lines[kind] = display.add_task(words, total=None, name=kind.value)
            display.update(lines[kind], description=words)

        yield show
