"""What dstack's guest tells of itself beside a quote (``info``): the documents whose hashes it measured.

``{"tcb_info": {"app_compose": text, ...} or that as JSON in a string, "vm_config": JSON in a string, ...}``. Nothing of it is
believed: a document counts if its hash is the measured one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from voltage_attest.evidence.json_text import JsonObject, JsonView, parse_json

__all__ = ["DstackInfo", "parse_dstack_info"]

_MAX_SIZE: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class DstackInfo:
    """The documents, byte for byte: the app-compose document, and MRCONFIGID's of form 3. None where not given."""

    compose: bytes | None
    mr_config: bytes | None


def parse_dstack_info(text: bytes) -> DstackInfo:
    """Read ``info``, at most 4 MiB; :class:`EvidenceFormatError` where it is not of that shape."""
    info = parse_json(text, "dstack's info", limit=_MAX_SIZE).as_object()
    tcb = _object(info.optional("tcb_info"))
    return DstackInfo(
        _text(tcb, "app_compose") or _text(info, "app_compose"), _text(_object(info.optional("vm_config")), "mr_config")
    )


def _object(view: JsonView | None) -> JsonObject | None:
    """An object, also one that stands as JSON in a string; an empty string is none."""
    if view is None or view.value == "":
        return None
    if isinstance(view.value, str):
        return parse_json(view.value.encode("utf-8"), view.where, limit=_MAX_SIZE).as_object()
    return view.as_object()


def _text(members: JsonObject | None, key: str) -> bytes | None:
    view = None if members is None else members.optional(key)
    return None if view is None else view.as_text().encode("utf-8") or None
