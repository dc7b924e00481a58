"""dstack's event log: JSON, boot events of the firmware first, then what the guest extended into RTMR3 itself.

::

    [ { "imr": 0 to 3, "event_type": u32, "digest": 96 hex, "event": name, "event_payload": hex
        [, "version": 1 or 2, "preimage": hex] } ]

Boot events (``imr`` 0 to 2) come from the firmware's CCEL; their payload is often stripped. Runtime events have type 0x08000001
and a digest that follows from their content, so it is recomputed whether or not it is stated (a stripped log leaves it empty):

* V1: ``SHA-384(LE32(type) ":" name ":" payload)``. That does not fix where the name ends, so a name with a colon binds nothing.
* V2: ``SHA-384({"name":...,"payload":"<hex>","type":134217729})``, as RFC 8785 (JCS) writes it. ``preimage``, where it is
  given, repeats the bytes that were hashed and must be exactly them.

Source: Dstack-TEE/dstack ``cc-eventlog/src/runtime_events.rs`` and ``tdx.rs``.
"""

from __future__ import annotations

import json
from typing import Final

from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.event_log import (
    DIGEST_SIZE,
    MAX_EVENTS,
    REGISTERS,
    Binding,
    BootEvent,
    EventLog,
    EventType,
    LogFormat,
    bind_boot_event,
    sha384,
)
from voltage_attest.evidence.json_text import JsonObject, JsonView, parse_json
from voltage_attest.evidence.key_provider import parse_hex

__all__ = ["parse_dstack_log", "runtime_preimage"]

_WHAT: Final = "the dstack event log"
_MAX_SIZE: Final = 1024 * 1024
"""Bytes. Real logs have 7 thousand."""
_MAX_NAME: Final = 1024
_U32: Final = range(1 << 32)


def parse_dstack_log(data: bytes) -> EventLog:
    """Read a log of at most 1 MiB; :class:`EvidenceFormatError` says which event does not fit. Unknown keys bind nothing."""
    entries = parse_json(data, _WHAT, limit=_MAX_SIZE).as_list(MAX_EVENTS)
    return EventLog(LogFormat.DSTACK, tuple([_read_event(number, entry.as_object()) for number, entry in enumerate(entries)]))


def runtime_preimage(name: str, payload: bytes, version: int) -> bytes:
    """The bytes whose SHA-384 is extended for a runtime event, in preimage version 1 or 2."""
    if version == 1:
        return b":".join((EventType.DSTACK_RUNTIME.to_bytes(4, "little"), name.encode("utf-8"), payload))
    content = {"name": name, "payload": payload.hex(), "type": int(EventType.DSTACK_RUNTIME)}
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def _read_event(number: int, entry: JsonObject) -> BootEvent:
    register = _integer(entry.required("imr"), range(REGISTERS))
    kind = _integer(entry.required("event_type"), _U32)
    name = "" if (view := entry.optional("event")) is None else view.as_text(_MAX_NAME)
    payload = parse_hex(entry.required("event_payload"))
    stated = _digest(entry.optional("digest"))
    if kind == EventType.DSTACK_RUNTIME:
        version = _preimage_version(entry, name, payload)
        digest = sha384(runtime_preimage(name, payload, version))
        is_bound = stated in {None, digest} and not (version == 1 and ":" in name)
        binding, measured = (Binding.EVENT, payload) if is_bound else (Binding.NONE, None)
        return BootEvent(number, register, kind, stated or digest, name, payload, binding, measured, version)
    for key in ("version", "preimage"):
        if (view := entry.optional(key)) is not None:
            raise view.wrong("nothing: only runtime events have one")
    if kind == EventType.NO_ACTION:
        raise EvidenceFormatError(f"{entry.where} is of type EV_NO_ACTION", expected="events that were extended")
    if stated is None:
        raise EvidenceFormatError(f"{entry.where} has no digest", expected="the digest of a boot event")
    return bind_boot_event(number, register, kind, stated, payload, name=name)


def _preimage_version(entry: JsonObject, name: str, payload: bytes) -> int:
    """1 or 2; a preimage that is given must be what that version makes of name and payload."""
    view, preimage = entry.optional("version"), entry.optional("preimage")
    version = 1 if view is None else _integer(view, range(1, 3))
    if preimage is not None and parse_hex(preimage) != runtime_preimage(name, payload, version):
        raise preimage.wrong("the bytes that name, payload and version make")
    return version


def _integer(view: JsonView, allowed: range) -> int:
    value = view.value
    if type(value) is not int or value not in allowed:
        raise view.wrong(f"a whole number from {allowed.start} to {allowed.stop - 1}")
    return value


def _digest(view: JsonView | None) -> bytes | None:
    """48 bytes, or None where it was stripped."""
    digest = b"" if view is None else parse_hex(view)
    if view is not None and len(digest) not in {0, DIGEST_SIZE}:
        raise view.wrong(f"{2 * DIGEST_SIZE} hex digits")
    return digest or None
