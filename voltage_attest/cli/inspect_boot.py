"""What a boot log says: a table of boot, event by event, with what would be proven of each and what is only said."""

from __future__ import annotations

import re
from typing import Final

from voltage_attest.cli.inspect_tree import Branch, Entry, Inspection, Leaf, Rows
from voltage_attest.evidence.event_description import REGISTER_MEANINGS, EventRow, event_rows
from voltage_attest.evidence.event_log import REGISTERS, Binding, BootEvent, LogFormat
from voltage_attest.evidence.event_log_ccel import CCEL_SIGNATURE
from voltage_attest.evidence.event_log_text import parse_event_log
from voltage_attest.verify.event_log import replay

__all__ = ["inspect_event_log", "is_ccel", "is_dstack_log"]

_FIRST_RECORD: Final = b"\x03\0\0\0" + bytes(20)
"""EV_NO_ACTION and a digest of zeros, after the register's number: how a TCG2 log begins."""
_DSTACK: Final = re.compile(rb'\s*\[\s*\{[^{}]*"imr"\s*:')
_TITLES: Final = {LogFormat.CCEL: "Boot log (CCEL, TCG2)", LogFormat.DSTACK: "Boot log (dstack's JSON)"}
_CLOSING: Final = (
    "Where a register of a verified quote equals the replay above, its digests and their order are what the TD measured. What",
    'is "said to be" something stays the pod\'s claim all the same. `voltage-attest verify --event-log` judges it.',
)


def is_ccel(data: bytes) -> bool:
    """Whether these bytes begin as a CCEL does, with its ACPI table or without."""
    return data.startswith(CCEL_SIGNATURE) or data[4:28] == _FIRST_RECORD


def is_dstack_log(text: bytes) -> bool:
    """Whether this JSON begins as a list of dstack's events does."""
    return _DSTACK.match(text) is not None


def inspect_event_log(data: bytes) -> Inspection:
    """Any log that :func:`parse_event_log` reads; InputError if it is malformed."""
    log = parse_event_log(data)
    replayed = [
        Leaf(f"rtmr{register}", replay(log, register).hex(), REGISTER_MEANINGS[register].partition(": ")[2])
        for register in range(REGISTERS)
    ]
    entries = tuple([_entry(event, row) for event, row in zip(log.events, event_rows(log), strict=True)])
    return Inspection(
        "event-log",
        _TITLES[log.format],
        (
            Leaf("format", log.format.value),
            Leaf("events_extended", len(log.events)),
            Leaf("events_with_bound_content", sum(row.bound for row in event_rows(log)), "recomputed from what they hold"),
            Leaf("records_not_extended", log.unextended),
            Branch("replay", tuple(replayed)),
            Rows("events", entries),
        ),
        _CLOSING,
    )


def _entry(event: BootEvent, row: EventRow) -> Entry:
    """A fact is what the digest vouches for; all words of the log stand under ``claimed``, as they are."""
    measured = event.measured
    return Entry(
        (
            Leaf("number", row.number),
            Leaf("register", row.register),
            Leaf("digest", row.digest),
            Leaf("meaning", row.meaning),
            Leaf("binding", event.binding.value),
            Leaf("name", event.name if event.binding is Binding.EVENT else None),
            Leaf("measured", None if measured is None else measured.hex()),
            Branch(
                "claimed",
                (
                    Leaf("event_type", event.event_type),
                    Leaf("name", event.name),
                    Leaf("payload", event.payload.hex()),
                ),
            ),
        ),
        (f"{row.register} {row.number:>4}  {row.meaning} [{row.binding}]", f"{'':12}{row.digest}"),
    )
