"""What an event of a boot log means, in one line of plain words, with what is proven of it and what is only said.

The line never presents the pod's words as facts: a name or payload that the digest does not vouch for is introduced by "said
to be".
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final, NamedTuple

from voltage_attest.evidence.event_log import Binding, BootEvent, EventLog, EventType, read_efi_variable

__all__ = ["REGISTER_MEANINGS", "EventRow", "describe_binding", "describe_event", "event_rows"]

REGISTER_MEANINGS: Final = (
    "RTMR0: firmware configuration",
    "RTMR1: boot loader and kernel",
    "RTMR2: kernel command line, initrd, boot loader's commands",
    "RTMR3: what the guest extends at run time",
)
"""By register."""

_SHOWN: Final = 96
_HEX_SHOWN: Final = 64

_TYPES: Final = MappingProxyType(
    {
        EventType.SEPARATOR: "the end of the firmware's own measurements",
        EventType.EVENT_TAG: "what the kernel's EFI stub measured",
        EventType.PLATFORM_CONFIG_FLAGS: "platform configuration (ACPI tables that the host made)",
        EventType.IPL: "what the boot loader ran or read",
        EventType.EFI_VARIABLE_DRIVER_CONFIG: "an EFI variable that configures Secure Boot",
        EventType.EFI_VARIABLE_BOOT: "an EFI boot variable",
        EventType.EFI_BOOT_SERVICES_APPLICATION: "a started EFI program (boot loader or kernel; Authenticode digest)",
        EventType.EFI_BOOT_SERVICES_DRIVER: "a loaded EFI driver (Authenticode digest)",
        EventType.EFI_RUNTIME_SERVICES_DRIVER: "a loaded EFI runtime driver (Authenticode digest)",
        EventType.EFI_GPT_EVENT: "the partition table of the boot disk",
        EventType.EFI_ACTION: "a step of the firmware",
        EventType.EFI_PLATFORM_FIRMWARE_BLOB2: "the firmware's configuration volume",
        EventType.EFI_HANDOFF_TABLES2: "the memory map and tables that the host handed over (TD HOB)",
        EventType.EFI_VARIABLE_AUTHORITY: "an EFI variable that the boot loader decided by",
    }
)

_RUNTIME: Final = MappingProxyType(
    {
        "system-preparing": "the guest began to set itself up",
        "rootfs-hash": "hash of the root file system",
        "app-id": "id of the application",
        "compose-hash": "SHA-256 of the compose document",
        "instance-id": "id of this instance",
        "boot-mr-done": "the application's identity is complete",
        "mr-kms": "measurement of the key management service that gave the keys",
        "os-image-hash": "hash of the guest's operating system image, as the guest states it",
        "key-provider": "who gave the disk and application keys",
        "storage-fs": "file system of the encrypted disk",
        "system-ready": "the guest was set up; what follows is the application's",
        "model-digest": "digest of a model, as the application states it",
    }
)


class EventRow(NamedTuple):
    """One line of a table of boot. ``digest`` is lower-case hex; the two texts are printable ASCII."""

    number: int
    register: str
    digest: str
    meaning: str
    binding: str
    bound: bool


def event_rows(log: EventLog) -> tuple[EventRow, ...]:
    """The whole log, in its order."""
    return tuple([_row(event) for event in log.events])


def _row(event: BootEvent) -> EventRow:
    register, bound = f"RTMR{event.register}", event.binding is not Binding.NONE
    return EventRow(event.number, register, event.digest.hex(), _meaning(event), describe_binding(event), bound)


def describe_event(event: BootEvent) -> str:
    """One line without line breaks or control characters: meaning, content, and how far the digest vouches for it."""
    return f"{_meaning(event)} [{describe_binding(event)}]"


def describe_binding(event: BootEvent) -> str:
    """What of the event is proven once its register replays, in a few words."""
    match event.binding:
        case Binding.EVENT:
            return "name and payload bound"
        case Binding.PAYLOAD:
            return "content bound, its role a claim"
        case Binding.PART:
            return "text bound, its role a claim" if event.event_type == EventType.IPL else "content bound, its name a claim"
        case Binding.NONE:
            return "digest only: name and payload are claims"


def _meaning(event: BootEvent) -> str:
    if event.is_runtime:
        known = _RUNTIME.get(event.name)
        said = "" if event.binding is Binding.EVENT else "said to be "
        content = _readable(event.payload)
        return f"{said}{_plain(event.name)}{f' ({known})' if known else ''}{f': {content}' if content else ''}"
    known = _TYPES.get(EventType(event.event_type)) if event.event_type in _KNOWN else None
    what = known or f"event type {event.event_type:#x}"
    content = _content(event)
    return f"said to be {what}{f': {content}' if content else ''}"


_KNOWN: Final = frozenset(_TYPES)


def _content(event: BootEvent) -> str:
    """The bound content where there is one, else what the pod says."""
    variable = read_efi_variable(event.event_type, event.payload)
    if variable is not None:
        return f"{_plain(variable.name)} = {_readable(variable.content) or 'empty'}"
    if event.binding is not Binding.NONE and event.measured is not None:
        return _readable(event.measured)
    return _readable(event.payload)


def _readable(data: bytes) -> str:
    """Text where it is printable text, else hex; cut short."""
    text = data.removesuffix(b"\0")
    if text and all(0x20 <= byte < 0x7F or byte == 0x0A for byte in text):
        return _plain(text.decode("ascii"))
    return data.hex() if len(data) <= _HEX_SHOWN else f"{data[:_HEX_SHOWN].hex()}... ({len(data)} bytes)"


def _plain(text: str) -> str:
    """Printable ASCII on one line, cut short: whoever reads this at a terminal must not be steered by it."""
    shown = "".join([character if " " <= character <= "~" else "?" for character in text.replace("\n", " ")])
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}... ({len(shown)} characters)"
