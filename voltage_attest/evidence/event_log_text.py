"""An event log as it travels: dstack's JSON, or a CCEL as raw bytes, hex or base64. Tell which, and read it."""

from __future__ import annotations

import re
from typing import Final

from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.encoding import strict_base64
from voltage_attest.evidence.event_log import MAX_LOG_SIZE, EventLog
from voltage_attest.evidence.event_log_ccel import CCEL_SIGNATURE, parse_ccel
from voltage_attest.evidence.event_log_dstack import parse_dstack_log

__all__ = ["parse_event_log"]

_FIRST_RECORD_TYPE: Final = b"\x03\0\0\0"
_JSON: Final = re.compile(rb"[ \t\r\n]*\[")
_HEX: Final = re.compile(rb"(?:[0-9a-fA-F]{2})+")
_REMEDY: Final = "Pass dstack's JSON, or the bytes of /sys/firmware/acpi/tables/data/CCEL, raw, in hex or in base64."


def parse_event_log(data: bytes) -> EventLog:
    """Read either kind; :class:`EvidenceFormatError` on anything else. Text may take twice the 4 MiB that a log may have."""
    if len(data) > 2 * MAX_LOG_SIZE:
        raise EvidenceFormatError(
            f"the event log has {len(data)} bytes", expected=f"at most {2 * MAX_LOG_SIZE}", remedy=_REMEDY
        )
    if data.startswith(CCEL_SIGNATURE) or data[4:8] == _FIRST_RECORD_TYPE:
        return parse_ccel(data)
    if _JSON.match(data):
        return parse_dstack_log(data)
    text = data.translate(None, b" \t\r\n")
    if not text:
        raise EvidenceFormatError("the event log is empty", expected="a log", remedy=_REMEDY)
    if _HEX.fullmatch(text):
        return parse_ccel(bytes.fromhex(text.decode("ascii")))
    return parse_ccel(strict_base64(text, "the event log"))
