"""The payload of dstack's ``key-provider`` event: JSON, ``{"name": "kms", "id": "<hex>"}``."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from voltage_attest.evidence.json_text import JsonView, parse_json

__all__ = ["KeyProvider", "parse_hex", "parse_key_provider"]

_MAX_SIZE: Final = 16 * 1024
_HEX: Final = re.compile(r"(?:[0-9a-fA-F]{2})*")


class KeyProvider(NamedTuple):
    """Who gave the keys: ``none``, ``local-sgx``, ``kms`` or ``tpm``, and its id (a key or measurement; may be empty)."""

    name: str
    id: bytes


def parse_key_provider(payload: bytes) -> KeyProvider:
    """Read the payload; :class:`EvidenceFormatError` for anything else."""
    found = parse_json(payload, "the key-provider event", limit=_MAX_SIZE).as_object()
    view = found.optional("id")
    return KeyProvider(found.required("name").as_text(64), b"" if view is None else parse_hex(view))


def parse_hex(view: JsonView) -> bytes:
    """Hex digits of any number of bytes, also of none."""
    text = view.as_text()
    if not _HEX.fullmatch(text):
        raise view.wrong("hex digits, two a byte")
    return bytes.fromhex(text)
