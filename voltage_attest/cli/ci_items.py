"""What ``ci`` verifies: pods by id, from the command line or a list; bundles by file or pattern. In order, each once."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from voltage_attest.cli.exits import CannotUse
from voltage_attest.cli.files import STDIN, read_input
from voltage_attest.cli.network import require_pod_id

if TYPE_CHECKING:
    from voltage_attest.many import Item

__all__ = ["MAX_ITEMS", "items_of"]

MAX_ITEMS: Final = 100_000


def items_of(pods: Sequence[str], pods_from: str | None, bundles: Sequence[str]) -> list[Item]:
    """The items, those named twice once; :class:`CannotUse` where a list or pattern holds none: a gate over nothing is none."""
    from voltage_attest.many import Bundle, Pod

    names = [*pods, *([] if pods_from is None else _listed(pods_from))]
    for name in names:
        require_pod_id(name)
    items: list[Item] = [Pod(name) for name in names]
    items += [Bundle(file) for pattern in bundles for file in _matching(pattern)]
    if not items:
        raise CannotUse("there is nothing to verify: name pods, --pods-from FILE, or --bundle FILE or PATTERN.")
    items = list(dict.fromkeys(items))
    if len(items) > MAX_ITEMS:
        raise CannotUse(f"{len(items)} items; expected at most {MAX_ITEMS}. Split them into several runs.")
    return items


def _listed(file: str) -> list[str]:
    """One id a line; blank lines and what follows ``#`` do not count."""
    try:
        text = read_input(file, "--pods-from").decode("utf-8")
    except UnicodeDecodeError:
        raise CannotUse(f"--pods-from: {file} is not UTF-8. Write one pod's id a line.") from None
    names = [line.partition("#")[0].strip() for line in text.splitlines()]
    found = [name for name in names if name]
    if not found:
        raise CannotUse(f"--pods-from: {'standard input' if file == STDIN else file} names no pod. Write one id a line.")
    return found


def _matching(pattern: str) -> Iterator[str]:
    """The file of that name, else those that match, sorted; ``**`` goes into folders."""
    if Path(pattern).is_file() or not glob.has_magic(pattern):
        yield pattern  # a name that does not exist is an item that cannot be read, and shows as such
        return
    found = sorted(name for name in glob.glob(pattern, recursive=True) if Path(name).is_file())  # noqa: PTH207 - keeps relative names
    if not found:
        raise CannotUse(f"--bundle: nothing matches {pattern}. Quote the pattern, or check the folder.")
    yield from found
