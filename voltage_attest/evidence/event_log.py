"""The measured boot of a TD as data: what was extended into RTMR0 to RTMR3, in order, and what the log says it was.

A register is a chain of digests (RTMR = SHA-384(RTMR || digest), from 48 zero bytes), so a quote vouches for the digests of a
log that replays, and for nothing else in it. What an event is called and what it is said to hold are the pod's words, unless
the digest can be recomputed from them; :class:`Binding` says how far that goes.

Sources: TCG PC Client Platform Firmware Profile 1.06, section 10; Intel TDX Virtual Firmware Design Guide, section 8; dstack
``cc-eventlog``; GRUB ``grub-core/commands/tpm.c``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final

from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.cursor import Cursor

__all__ = [
    "DIGEST_SIZE",
    "MAX_EVENTS",
    "MAX_LOG_SIZE",
    "REGISTERS",
    "Binding",
    "BootEvent",
    "EfiVariable",
    "EventLog",
    "EventType",
    "LogFormat",
    "bind_boot_event",
    "read_efi_variable",
    "sha384",
]

DIGEST_SIZE: Final = 48
REGISTERS: Final = 4
MAX_LOG_SIZE: Final = 4 * 1024 * 1024
"""Bytes. The ACPI area of a CCEL is 64 or 256 KiB on every platform seen, of which some 20 are used."""
MAX_EVENTS: Final = 8192
"""The longest real log has 43."""

_GUID_SIZE: Final = 16
_GRUB_PREFIXES: Final = (b"grub_cmd: ", b"kernel_cmdline: ", b"module_cmdline: ")


class EventType(IntEnum):
    """Event types that mean something here (TCG PC Client Platform Firmware Profile, table 14); others are kept as numbers."""

    NO_ACTION = 0x3
    SEPARATOR = 0x4
    EVENT_TAG = 0x6
    PLATFORM_CONFIG_FLAGS = 0xA
    IPL = 0xD
    DSTACK_RUNTIME = 0x08000001
    EFI_VARIABLE_DRIVER_CONFIG = 0x80000001
    EFI_VARIABLE_BOOT = 0x80000002
    EFI_BOOT_SERVICES_APPLICATION = 0x80000003
    EFI_BOOT_SERVICES_DRIVER = 0x80000004
    EFI_RUNTIME_SERVICES_DRIVER = 0x80000005
    EFI_GPT_EVENT = 0x80000006
    EFI_ACTION = 0x80000007
    EFI_PLATFORM_FIRMWARE_BLOB2 = 0x8000000A
    EFI_HANDOFF_TABLES2 = 0x8000000B
    EFI_VARIABLE_AUTHORITY = 0x800000E0


_VARIABLES: Final = frozenset(
    {
        EventType.EFI_VARIABLE_DRIVER_CONFIG,
        EventType.EFI_VARIABLE_BOOT,
        EventType.EFI_VARIABLE_AUTHORITY,
    }
)


class Binding(StrEnum):
    """How much of an event its digest vouches for. The type of an event in RTMR0 to RTMR2 is never among it.

    ``EVENT``: name and payload, recomputed together. ``PAYLOAD``: the payload is what was hashed; what it was measured as is
    the pod's word. ``PART``: the same of one part of the payload, :attr:`BootEvent.measured`. ``NONE``: the digest alone is a
    fact; name and payload are the pod's word.
    """

    EVENT = "event"
    PAYLOAD = "payload"
    PART = "part"
    NONE = "none"


class LogFormat(StrEnum):
    """Where a log came from."""

    CCEL = "ccel"
    DSTACK = "dstack"


@dataclass(frozen=True, slots=True)
class BootEvent:
    """One extension of a register. ``number`` counts from 0 in the log; ``register`` is 0 to 3; ``digest`` is 48 bytes.

    ``name`` is empty but for dstack's events. ``measured`` is what the digest was recomputed from, None where it was not: for
    a runtime event its payload (with the name). ``preimage_version`` is 1 or 2 for dstack's runtime events.
    """

    number: int
    register: int
    event_type: int
    digest: bytes
    name: str
    payload: bytes
    binding: Binding
    measured: bytes | None = None
    preimage_version: int | None = None

    @property
    def is_runtime(self) -> bool:
        """Whether it says of itself that dstack's guest extended it at run time."""
        return self.event_type == EventType.DSTACK_RUNTIME


@dataclass(frozen=True, slots=True)
class EventLog:
    """The extensions of one boot in the order of the log. ``unextended`` counts records that only inform (EV_NO_ACTION)."""

    format: LogFormat
    events: tuple[BootEvent, ...]
    unextended: int = 0

    def of(self, register: int) -> tuple[BootEvent, ...]:
        """What was extended into one register, in order."""
        return tuple([event for event in self.events if event.register == register])


@dataclass(frozen=True, slots=True)
class EfiVariable:
    """UEFI_VARIABLE_DATA: vendor GUID (16 bytes as stored), name, and the variable's content."""

    vendor: bytes
    name: str
    content: bytes


def sha384(data: bytes) -> bytes:
    """48 bytes."""
    return hashlib.sha384(data).digest()


def bind_boot_event(number: int, register: int, event_type: int, digest: bytes, payload: bytes, *, name: str = "") -> BootEvent:
    """An event of firmware, boot loader or kernel, with what of its payload the digest is the hash of."""
    if sha384(payload) == digest:
        return BootEvent(number, register, event_type, digest, name, payload, Binding.PAYLOAD, payload)
    part = _hashed_part(event_type, payload)
    if part is not None and sha384(part) == digest:
        return BootEvent(number, register, event_type, digest, name, payload, Binding.PART, part)
    return BootEvent(number, register, event_type, digest, name, payload, Binding.NONE)


def _hashed_part(event_type: int, payload: bytes) -> bytes | None:
    """The part that is hashed instead of the whole: GRUB's text without prefix and NUL, or a boot variable's content."""
    if event_type == EventType.IPL:
        for prefix in _GRUB_PREFIXES:
            if payload.startswith(prefix):
                return payload[len(prefix) :].removesuffix(b"\0")
        return None
    if event_type == EventType.EFI_VARIABLE_BOOT:
        variable = read_efi_variable(event_type, payload)
        return None if variable is None else variable.content
    return None


def read_efi_variable(event_type: int, payload: bytes) -> EfiVariable | None:
    """The variable that the payload of such an event holds, or None where it is none: GUID, two u64 lengths, name, content."""
    if event_type not in _VARIABLES:
        return None
    cursor = Cursor(payload, "UEFI_VARIABLE_DATA")
    try:
        vendor = cursor.take(_GUID_SIZE, "vendor")
        characters = int.from_bytes(cursor.take(8, "name length"), "little")
        size = int.from_bytes(cursor.take(8, "data length"), "little")
        name = cursor.take(2 * characters, "name").decode("utf-16-le")
        content = cursor.take(size, "data")
        cursor.finish()
    except (EvidenceFormatError, UnicodeDecodeError):
        return None
    return EfiVariable(vendor, name, content)
