"""What stands in place of a document that could not be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from voltage_attest.result import Finding

__all__ = ["Unreadable", "given"]

Document = TypeVar("Document")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A document that is absent (``finding`` is an error) or malformed (``finding`` is a failure)."""

    finding: Finding


def given(document: Document | Unreadable) -> Document:
    """The document, where a passed prerequisite guarantees that it could be read."""
    if isinstance(document, Unreadable):  # a bug of ours, whatever the evidence
        raise RuntimeError(  # noqa: TRY004
            f"a check ran before its prerequisite: {document.finding.reason}"
        )
    return document
