"""Pins of boot loader, kernel, command line and initrd against a verified event log.

A log's words for what it measured into RTMR0 to RTMR2 are the pod's. So nothing is looked up by what an event is said to be: a
pin is met by a digest, and the register as a whole must be explained, which leaves no place for what a pod would rather not
show. An event is explained if its digest is

* that of a word of the firmware (the separator, the actions),
* pinned: in ``boot_loader``, ``partition_table``, ``kernel``, ``initrd`` or ``boot_files``, or that of a pinned command line,
* in RTMR1, that of bytes in the log that begin as a partition table does, and so are no program,
* in RTMR2, that of a line of text in the log that can be a command of GRUB's. Where command lines are pinned, each ``linux``
  among those commands must be followed by one: GRUB measures a kernel's command line right after the kernel.

What is measured into RTMR2 is measured by the programs in RTMR1, so pins in RTMR2 ask for both. A register that ``[tdx]``
pins, or whose events ``workload.events`` lists, is explained by that.

Source: GRUB ``grub-core/script/execute.c`` (each command is measured before it runs), ``loader/i386/linux.c``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from voltage_attest.evidence.event_description import describe_event
from voltage_attest.evidence.event_log import Binding, BootEvent, EventType, read_efi_variable, sha384
from voltage_attest.policy.model import Pin, TdxPolicy, WorkloadPolicy
from voltage_attest.result import Finding, Status, failed, passed, skipped
from voltage_attest.verify.event_log import VerifiedEventLog

__all__ = ["BOOT_APPRAISAL", "WorkloadAppraisal", "command_line_digests", "pinned_registers"]

_SEPARATOR: Final = sha384(bytes(4))
_WORDS: Final = frozenset(
    {
        _SEPARATOR,
        *[
            sha384(word)
            for word in (
                b"Calling EFI Application from Boot Option",
                b"Returning from EFI Application from Boot Option",
                b"Exit Boot Services Invocation",
                b"Exit Boot Services Returned with Success",
                b"Exit Boot Services Returned with Failure",
            )
        ],
    }
)
"""What firmware measures of itself, the same on every machine (TCG PC Client Platform Firmware Profile, EV_EFI_ACTION)."""

_GPT: Final = b"EFI PART"
_GLOBAL_VARIABLE: Final = bytes.fromhex("61dfe48bca93d211aa0d00e098032b8c")
"""8be4df61-93ca-11d2-aa0d-00e098032b8c, as UEFI stores it."""
_STATES: Final = {b"\x01": "on", b"\x00": "off", b"": "off"}


@dataclass(frozen=True, slots=True)
class WorkloadAppraisal:
    """A verified event log before ``[workload]``.

    ``pinned_registers`` are those that ``[tdx]`` pins by value (0 to 3). ``models`` are those that the client may ask for.
    """

    log: VerifiedEventLog
    policy: WorkloadPolicy
    pinned_registers: frozenset[int] = frozenset()
    models: frozenset[str] = frozenset()

    def digests(self, register: int) -> frozenset[bytes]:
        """Everything that was extended into a register."""
        return frozenset([event.digest for event in self.log.log.of(register)])


def pinned_registers(policy: TdxPolicy) -> frozenset[int]:
    """The RTMRs that ``[tdx]`` pins by value: 0 to 3."""
    return frozenset([register for register in range(4) if isinstance(policy.pins.get(f"rtmr{register}"), Pin)])


def command_line_digests(text: str) -> frozenset[bytes]:
    """As GRUB measures a command line (UTF-8) and as the kernel's EFI stub does (UTF-16, with its NUL)."""
    return frozenset({sha384(text.encode("utf-8")), sha384((text + "\0").encode("utf-16-le"))})


def secure_boot(case: WorkloadAppraisal) -> Finding:
    """workload.secure_boot: the variable that stands before the firmware's separator in RTMR0.

    What firmware measures before it is of its own making, or cannot have the shape of a variable: the TD HOB has a header of
    another kind, the configuration volume another size. Afterwards come ACPI tables, which the host writes.
    """
    contents = _secure_boot_variables(case.log.log.of(0))
    actual = _STATES.get(contents[0]) if len(contents) == 1 else None
    if case.policy.secure_boot is None:
        return skipped("not pinned by the policy", actual=actual)
    expected = "on" if case.policy.secure_boot else "off"
    if actual == expected:
        return passed(actual)
    return failed(
        expected=expected,
        actual=actual or ("several states" if contents else "not measured, or its content is only claimed"),
        reason="the state of Secure Boot that the firmware measured is another, or the log does not let it be recomputed",
        location=case.policy.locations.get("secure_boot"),
    )


def _secure_boot_variables(events: Iterable[BootEvent]) -> list[bytes]:
    found = []
    for event in events:
        if event.digest == _SEPARATOR:
            break
        variable = read_efi_variable(event.event_type, event.payload)
        if event.binding is not Binding.PAYLOAD or variable is None:
            continue
        if variable.vendor == _GLOBAL_VARIABLE and variable.name == "SecureBoot":
            found.append(variable.content)
    return found


def boot_loader(case: WorkloadAppraisal) -> Finding:
    """workload.boot_loader."""
    return _measured(case, "boot_loader", case.policy.boot_loader, (1,))


def partition_table(case: WorkloadAppraisal) -> Finding:
    """workload.partition_table: at least one as pinned, and none that is not."""
    pinned = case.policy.partition_table
    finding = _measured(case, "partition_table", pinned, (1,))
    other = [event for event in case.log.log.of(1) if _is_partition_table(event) and event.digest not in (pinned or ())]
    if pinned is None or not other:
        return finding
    return failed(
        expected=_listed(pinned),
        actual=other[0].digest.hex(),
        reason="a partition table was measured that the policy does not name",
        location=case.policy.locations.get("partition_table"),
    )


def kernel(case: WorkloadAppraisal) -> Finding:
    """workload.kernel: in RTMR1 where firmware starts it, in RTMR2 where GRUB does."""
    pinned = case.policy.kernel
    direct = pinned is not None and bool(pinned & case.digests(1))
    return _measured(case, "kernel", pinned, (1,) if direct else (2, 1))


def initrd(case: WorkloadAppraisal) -> Finding:
    """workload.initrd."""
    return _measured(case, "initrd", case.policy.initrd, (2, 1))


def kernel_cmdline(case: WorkloadAppraisal) -> Finding:
    """workload.kernel_cmdline."""
    lines = case.policy.kernel_cmdline
    pinned = None if lines is None else frozenset().union(*[command_line_digests(line) for line in lines])
    finding = _measured(case, "kernel_cmdline", pinned, (2, 1), shown=_listed_texts(lines))
    other = None if pinned is None or _is_pinned_whole(case, 2) else _line_after_linux(case.log.log.of(2), pinned)
    if other is None or finding.status is not Status.PASSED:
        return finding
    return failed(
        expected=f"{_listed_texts(lines)} after GRUB's command",
        actual=f"event {other.number}: {describe_event(other)}",
        reason="GRUB was told to start a kernel, and what it measured next is not a command line that the policy names",
        location=case.policy.locations.get("kernel_cmdline"),
    )


def _line_after_linux(events: Iterable[BootEvent], pinned: frozenset[bytes]) -> BootEvent | None:
    """GRUB's first command to start a kernel that no pinned command line follows; files read in between are no text."""
    waiting: BootEvent | None = None
    for event in events:
        text = _text_of(event)
        if event.digest in pinned:
            waiting = None
        elif waiting is not None and text is not None:
            return event
        elif text is not None and text.lstrip().startswith("linux"):
            waiting = event
    return waiting


def _measured(
    case: WorkloadAppraisal, key: str, pinned: frozenset[bytes] | None, registers: tuple[int, ...], *, shown: str | None = None
) -> Finding:
    """A pinned digest in the first of the registers, and every one of them explained."""
    if pinned is None:
        return skipped("not pinned by the policy")
    first, location = registers[0], case.policy.locations.get(key)
    found = [event for event in case.log.log.of(first) if event.digest in pinned]
    if not found:
        return failed(
            expected=f"{shown or _listed(pinned)}, measured into RTMR{first}",
            actual=f"none of it among {len(case.log.log.of(first))} events",
            reason=f"what the policy names in workload.{key} was not started or read by this TD",
            location=location,
        )
    for register in registers:
        hidden = (
            [] if _is_pinned_whole(case, register) else [event for event in case.log.log.of(register) if _is_open(case, event)]
        )
        if hidden:
            return failed(
                expected=f"every event of RTMR{register} explained by its content or by the policy",
                actual=f"event {hidden[0].number}, {hidden[0].digest.hex()}: {describe_event(hidden[0])}",
                reason=f"what the log says of {len(hidden)} of its events is only claimed, and meets no pin: one of them could "
                f"be what really runs. Pin their digests in workload.boot_files, or rtmr{register} in [tdx]",
                location=location,
            )
    return passed(found[0].digest.hex())


def _is_pinned_whole(case: WorkloadAppraisal, register: int) -> bool:
    return register in case.pinned_registers or register in case.policy.events


def _is_open(case: WorkloadAppraisal, event: BootEvent) -> bool:
    policy = case.policy
    pins = (policy.boot_loader, policy.partition_table, policy.kernel, policy.initrd, policy.boot_files)
    if event.digest in _WORDS or any(event.digest in (pin or ()) for pin in pins):
        return False
    if event.register == 1:
        return not _is_partition_table(event)
    if any(event.digest in command_line_digests(line) for line in policy.kernel_cmdline or ()):
        return False
    text = _text_of(event)
    return text is None or not (text[0].isalpha() or text[0] in "[_")


def _is_partition_table(event: BootEvent) -> bool:
    return event.binding is Binding.PAYLOAD and event.payload.startswith(_GPT)


def _text_of(event: BootEvent) -> str | None:
    """The printable text whose digest was extended as a word of the boot loader: no kernel or initrd is printable."""
    if event.event_type != EventType.IPL or event.measured is None:
        return None
    try:
        text = event.measured.decode("utf-8")
    except UnicodeDecodeError:
        return None
    is_printable = all(character.isprintable() or character in "\n\t" for character in text)
    return text if text and is_printable else None


def register_events(case: WorkloadAppraisal) -> Finding:
    """workload.events."""
    pins = case.policy.events
    if not pins:
        return skipped("not pinned by the policy")
    for register, accepted in sorted(pins.items()):
        events = case.log.log.of(register)
        foreign = [event for event in events if event.digest not in accepted]
        if foreign or not events:
            return failed(
                expected=f"in RTMR{register} nothing but the {len(accepted)} digests of the policy, and one of them at least",
                actual=f"event {foreign[0].number}, {foreign[0].digest.hex()}: {describe_event(foreign[0])}"
                if foreign
                else "no event",
                reason=f"{len(foreign)} of {len(events)} events are not in workload.events.rtmr{register}",
                location=case.policy.locations.get("events"),
            )
    return passed(", ".join([f"RTMR{register}: {len(case.log.log.of(register))} events" for register in sorted(pins)]))


def _listed(digests: Iterable[bytes]) -> str:
    return " or ".join(sorted(digest.hex() for digest in digests))


def _listed_texts(lines: frozenset[str] | None) -> str | None:
    return None if lines is None else " or ".join(sorted(repr(line) for line in lines))


BOOT_APPRAISAL: Final[Mapping[str, Callable[[WorkloadAppraisal], Finding]]] = MappingProxyType(
    {
        "workload.secure_boot": secure_boot,
        "workload.boot_loader": boot_loader,
        "workload.partition_table": partition_table,
        "workload.kernel": kernel,
        "workload.initrd": initrd,
        "workload.kernel_cmdline": kernel_cmdline,
        "workload.events": register_events,
    }
)
"""Check id to function, in order."""
