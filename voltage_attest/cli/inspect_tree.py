"""What a file says, as a tree of names and values; text and JSON are two drawings of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from voltage_attest.report.plain import Paint, printable

__all__ = [
    "INSPECTION_SCHEMA",
    "Branch",
    "Entry",
    "Inspection",
    "Leaf",
    "Node",
    "Rows",
    "Value",
    "render_tree_json",
    "render_tree_text",
    "stamp",
]

INSPECTION_SCHEMA: Final = "voltage-attest/inspection/1"

Value = str | int | bool | None | tuple[int, ...] | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Leaf:
    """One named value. ``note`` explains it to a person; JSON does not carry it."""

    name: str
    value: Value
    note: str = ""


@dataclass(frozen=True, slots=True)
class Branch:
    """Named members: an object in JSON."""

    name: str
    members: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of a table: an object in JSON, and to a person these lines."""

    members: tuple[Node, ...]
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rows:
    """Branches of one kind: an array in JSON. ``name`` is the plural; each branch brings its singular."""

    name: str
    members: tuple[Branch | Entry, ...]


Node = Leaf | Branch | Rows


@dataclass(frozen=True, slots=True)
class Inspection:
    """One recognised file: what it is (``kind`` for programs, ``title`` for people), what it says, and lines to end with."""

    kind: str
    title: str
    content: tuple[Node, ...]
    closing: tuple[str, ...] = ()


def stamp(time: datetime) -> str:
    """A time as documents write it, ``2026-10-08T00:09:46Z``."""
    return f"{time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def render_tree_json(inspection: Inspection, size: int, sha256: str) -> str:
    """One JSON object in ASCII; ``verified`` is always false, because nothing was."""
    document = {
        "schema": INSPECTION_SCHEMA,
        "verified": False,
        "kind": inspection.kind,
        "size": size,
        "sha256": sha256,
        "content": _as_object(inspection.content),
    }
    return json.dumps(document, indent=2) + "\n"


def _as_object(nodes: Sequence[Node]) -> dict[str, object]:
    found: dict[str, object] = {}
    for node in nodes:
        if isinstance(node, Leaf):
            found[node.name] = list(node.value) if isinstance(node.value, tuple) else node.value
        elif isinstance(node, Branch):
            found[node.name] = _as_object(node.members)
        else:
            found[node.name] = [_as_object(member.members) for member in node.members]
    return found


def render_tree_text(inspection: Inspection, name: str, size: int, sha256: str, *, color: bool = False) -> str:
    """Indented names and values; a value stands whole on its line, to be copied."""
    paint = Paint(color)
    lines = [
        f"{paint.strong(inspection.title)}  {printable(name)}, {size} bytes, sha256 {sha256}",
        f"{paint.loud('NOTHING WAS VERIFIED:')} this is what the file says, true or not. `voltage-attest verify` judges.",
        "",
        *_lines(inspection.content, 0, paint),
    ]
    if inspection.closing:
        lines += ["", *inspection.closing]
    return "\n".join(lines) + "\n"


def _lines(nodes: Sequence[Node], depth: int, paint: Paint) -> Iterator[str]:
    indent = "  " * depth
    column = max((len(node.name) for node in nodes if isinstance(node, Leaf)), default=0) + 2
    for node in nodes:
        if isinstance(node, Leaf):
            note = f"  {paint.faint(f'({printable(node.note)})')}" if node.note else ""
            yield f"{indent}{printable(node.name):<{column}}{_shown(node.value)}{note}"
        elif isinstance(node, Branch):
            yield f"{indent}{paint.strong(printable(node.name))}"
            yield from _lines(node.members, depth + 1, paint)
        else:
            for number, member in enumerate(node.members, 1):
                if isinstance(member, Entry):
                    yield from [f"{indent}{printable(line)}" for line in member.lines]
                    continue
                yield f"{indent}{paint.strong(f'{printable(member.name)} {number} of {len(node.members)}')}"
                yield from _lines(member.members, depth + 1, paint)


def _shown(value: Value) -> str:
    if value is None:
        return "absent"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return printable(", ".join(map(str, value))) or "none"
    return printable(str(value)) or "empty"
