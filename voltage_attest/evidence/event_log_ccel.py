"""CCEL: the boot log of a TD's firmware, a TCG2 crypto-agile log that an ACPI table points to.

::

    record 1   TCG_PCR_EVENT     u32 index, u32 type 3, 20 zero bytes, u32 size, "Spec ID Event03" NUL ...
                                 which lists the algorithms: u32 count, then u16 id, u16 digest size each
    record n   TCG_PCR_EVENT2    u32 MR index, u32 type, u32 count, count times (u16 algorithm, digest), u32 size, data
    end        0xFF up to the end of the ACPI area

MR index 0 is MRTD, which nothing extends at run time; 1 to 4 are RTMR0 to RTMR3. Records of type EV_NO_ACTION are not extended.
The ACPI table (56 bytes) is optional: signature, u32 length, u8 revision, u8 checksum at 9, u8 CC type at 36 (2 is TDX), u64
length of the log at 40, u64 its address at 48. All integers are little-endian.

Sources: TCG PC Client Platform Firmware Profile 1.06, section 10.2; ACPI 6.5, section 5.2.34; Intel GHCI 1.5, section 4.3.
"""

from __future__ import annotations

from typing import Final

from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.cursor import Cursor
from voltage_attest.evidence.event_log import (
    DIGEST_SIZE,
    MAX_EVENTS,
    MAX_LOG_SIZE,
    REGISTERS,
    BootEvent,
    EventLog,
    EventType,
    LogFormat,
    bind_boot_event,
)

__all__ = ["CCEL_SIGNATURE", "CCEL_TABLE_SIZE", "parse_ccel"]

CCEL_SIGNATURE: Final = b"CCEL"
CCEL_TABLE_SIZE: Final = 56

_TDX: Final = 2
_SPEC_ID: Final = b"Spec ID Event03\0"
_ALG_SHA384: Final = 0x000C
_MAX_ALGORITHMS: Final = 8
_MAX_DIGEST_SIZE: Final = 64
_END: Final = b"\xff\xff\xff\xff"
_REMEDY: Final = "Read /sys/firmware/acpi/tables/data/CCEL inside the TD and pass its bytes unchanged."


def parse_ccel(log: bytes, table: bytes | None = None) -> EventLog:
    """Read a log of at most 4 MiB; ``table`` is the ACPI table, which may also stand in front of the log.

    :class:`EvidenceFormatError` on anything that is not exactly of this shape, bytes after the end marker included.
    """
    if len(log) > MAX_LOG_SIZE:
        raise EvidenceFormatError(f"the event log has {len(log)} bytes", expected=f"at most {MAX_LOG_SIZE}", remedy=_REMEDY)
    if table is None and log.startswith(CCEL_SIGNATURE):
        table, log = log[:CCEL_TABLE_SIZE], log[CCEL_TABLE_SIZE:]
    if table is not None:
        _check_table(table, len(log))
    cursor = Cursor(log, "CCEL")
    sizes = _read_header(cursor)
    events: list[BootEvent] = []
    unextended = 0
    while not _ends(cursor, log):
        event = _read_event(cursor, sizes, len(events))
        if event is None:
            unextended += 1
        else:
            events.append(event)
        if len(events) + unextended > MAX_EVENTS:
            raise EvidenceFormatError(f"an event log of more than {MAX_EVENTS} records", expected="fewer", remedy=_REMEDY)
    return EventLog(LogFormat.CCEL, tuple(events), unextended)


def _check_table(table: bytes, log_size: int) -> None:
    cursor = Cursor(table, "ACPI table CCEL")
    signature, length = cursor.take(4, "signature"), cursor.u32("length")
    if signature != CCEL_SIGNATURE or length != CCEL_TABLE_SIZE or len(table) != CCEL_TABLE_SIZE:
        raise EvidenceFormatError(
            f"an ACPI table {signature!r} of {length} bytes, {len(table)} given",
            expected=f"CCEL of {CCEL_TABLE_SIZE} bytes",
            remedy=_REMEDY,
            offset=0,
        )
    if sum(table) % 256:
        raise EvidenceFormatError("an ACPI table whose checksum does not hold", expected="a sum of 0", remedy=_REMEDY, offset=9)
    cursor.take(28, "header")
    kind = cursor.u8("CC type")
    if kind != _TDX:
        raise EvidenceFormatError(f"confidential computing type {kind}", expected="2 (TDX)", remedy=_REMEDY, offset=36)
    cursor.take(3, "subtype and reserved")
    area = int.from_bytes(cursor.take(8, "log length"), "little")
    if log_size > area:
        raise EvidenceFormatError(f"a log of {log_size} bytes for an area of {area}", expected="no more", remedy=_REMEDY)


def _read_header(cursor: Cursor) -> dict[int, int]:
    """The first record: the digest size of each algorithm in the log."""
    cursor.take(4, "MR index of the first record")
    kind = cursor.u32("type of the first record")
    cursor.take(20, "digest of the first record")
    if kind != EventType.NO_ACTION:
        raise EvidenceFormatError(
            f"a first record of type {kind:#x}", expected="a TCG2 crypto-agile log (Spec ID Event03)", remedy=_REMEDY, offset=4
        )
    spec = cursor.nested(cursor.u32("size of the first record"), "Spec ID event")
    if spec.take(16, "signature") != _SPEC_ID:
        raise EvidenceFormatError("a first record that is no Spec ID Event03", expected="one", remedy=_REMEDY, offset=32)
    spec.take(8, "platform class, version and UINTN size")
    count = spec.u32("number of algorithms")
    if not 1 <= count <= _MAX_ALGORITHMS:
        raise EvidenceFormatError(f"a log of {count} algorithms", expected=f"1 to {_MAX_ALGORITHMS}", remedy=_REMEDY)
    sizes = {}
    for _ in range(count):
        algorithm, size = spec.u16("algorithm"), spec.u16("digest size")
        if algorithm in sizes or not 1 <= size <= _MAX_DIGEST_SIZE:
            raise EvidenceFormatError(
                f"algorithm {algorithm:#06x} of {size} bytes", expected="each once, of 1 to 64 bytes", remedy=_REMEDY
            )
        sizes[algorithm] = size
    if sizes.get(_ALG_SHA384) != DIGEST_SIZE:
        raise EvidenceFormatError("a log without SHA-384", expected="algorithm 0x000c of 48 bytes", remedy=_REMEDY)
    spec.take(spec.u8("vendor information size"), "vendor information")
    spec.finish()
    return sizes


def _ends(cursor: Cursor, log: bytes) -> bool:
    """Whether nothing is left but padding."""
    start, left = cursor.position, cursor.remaining
    if not left:
        return True
    if not log.startswith(_END[:left], start):
        return False
    if log.count(0xFF, start) != left:
        raise EvidenceFormatError(
            "bytes after the end of the log",
            expected=f"nothing but 0xFF after byte {start}",
            remedy=_REMEDY,
            offset=start,
        )
    return True


def _read_event(cursor: Cursor, sizes: dict[int, int], number: int) -> BootEvent | None:
    """The next record; None for one that is not extended."""
    start = cursor.position
    index, kind, count = cursor.u32("MR index"), cursor.u32("event type"), cursor.u32("number of digests")
    if index > REGISTERS or (index == 0 and kind != EventType.NO_ACTION):
        raise EvidenceFormatError(
            f"an extension of MR index {index}", expected="1 to 4 (RTMR0 to RTMR3)", remedy=_REMEDY, offset=start
        )
    if count > len(sizes):
        raise EvidenceFormatError(
            f"{count} digests in one record", expected=f"at most {len(sizes)}", remedy=_REMEDY, offset=start
        )
    digests: dict[int, bytes] = {}
    for _ in range(count):
        algorithm = cursor.u16("digest algorithm")
        if algorithm not in sizes or algorithm in digests:
            raise EvidenceFormatError(
                f"a digest of algorithm {algorithm:#06x}",
                expected="each algorithm of the first record, once",
                remedy=_REMEDY,
                offset=start,
            )
        digests[algorithm] = cursor.take(sizes[algorithm], "digest")
    payload = cursor.take(cursor.u32("event size"), "event data")
    if kind == EventType.NO_ACTION:
        return None
    digest = digests.get(_ALG_SHA384)
    if digest is None:
        raise EvidenceFormatError(
            "an extension without a SHA-384 digest", expected="one in each record", remedy=_REMEDY, offset=start
        )
    return bind_boot_event(number, index - 1, kind, digest, payload)
