"""How any provider's answer is opened: bounded, JSON, an object."""

from __future__ import annotations

from typing import Final

from voltage_attest.evidence.json_text import JsonObject, parse_json

__all__ = ["MAX_ANSWER_SIZE", "MAX_FLEET_SIZE", "read_answer"]

MAX_ANSWER_SIZE: Final = 4 * 1024 * 1024
"""Bytes of an answer about one machine. The recorded ones have 230 KB, eight GPUs and all."""

MAX_FLEET_SIZE: Final = 16 * 1024 * 1024
"""Bytes of an answer about every machine that serves a model: Chutes sends 106 KB for each."""


def read_answer(body: bytes, what: str, *, limit: int = MAX_ANSWER_SIZE) -> JsonObject:
    """The members of the answer; ``what`` names it in errors, which are :class:`EvidenceFormatError`."""
    return parse_json(body, what, limit=limit).as_object()
