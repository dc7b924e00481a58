"""HTML that cannot be forgotten to escape: text becomes markup by being escaped, and by nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from voltage_attest.report.plain import printable

__all__ = ["Content", "Markup", "join", "tag"]

_VOID = frozenset({"br", "meta", "line", "rect", "circle", "path"})


class Markup(str):
    """Text that is HTML already. Everything else is escaped where it joins an element."""

    __slots__ = ()


Content = Markup | str | None | Iterable["Content"]
"""What may stand within an element; None is nothing."""


def join(*contents: Content) -> Markup:
    """One piece after another."""
    return Markup("".join([_markup(content) for content in contents]))


def tag(name: str, /, *contents: Content, **attributes: str | float | None) -> Markup:
    """An element. ``_`` in an attribute's name stands for ``-``, at its end for nothing (``class_``); None leaves it out."""
    given = "".join(
        [
            f' {key.rstrip("_").replace("_", "-")}="{escape(printable(str(value)))}"'
            for key, value in attributes.items()
            if value is not None
        ]
    )
    if name in _VOID:
        return Markup(f"<{name}{given}/>" if not contents else f"<{name}{given}>{join(*contents)}</{name}>")
    return Markup(f"<{name}{given}>{join(*contents)}</{name}>")


def _markup(content: Content) -> str:
    if content is None:
        return ""
    if isinstance(content, Markup):
        return content
    if isinstance(content, str):
        return escape(printable(content))
    return join(*content)
