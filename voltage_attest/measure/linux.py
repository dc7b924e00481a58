"""RTMR1 and RTMR2 of a TD whose firmware starts the kernel itself (QEMU ``-kernel``, ``-initrd``, ``-append``).

RTMR1: the kernel as an EFI program (Authenticode digest), then what the firmware says of its steps. RTMR2, by the kernel's EFI
stub: its command line as load options (UTF-16 with a NUL; OVMF appends ``initrd=initrd`` where there is an initrd), and the
initrd. QEMU writes into the kernel's setup header before it hands it over, so the digest is of the patched kernel, and depends
on the size of the initrd and, below 2.75 GiB, on that of memory.

Sources: edk2 ``SecurityPkg/Tcg/Tcg2Dxe/MeasureBootPeCoff.c`` (which digests are made, without the padding of signing tools) and
``OvmfPkg/Library/GenericQemuLoadImageLib``; Linux ``Documentation/arch/x86/boot.rst``, ``drivers/firmware/efi/libstub``; QEMU
``hw/i386/x86-common.c`` (x86_load_linux).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.cursor import Cursor
from voltage_attest.evidence.event_log import sha384
from voltage_attest.measure.registers import Measurement

__all__ = ["DirectBoot", "authenticode_digest", "measure_direct_boot", "qemu_patched_kernel"]

_PE_OFFSET: Final = 0x3C
_SECURITY_DIRECTORY: Final = 4
_DIRECTORIES: Final = {0x10B: 96, 0x20B: 112}
"""Where the data directories begin in the optional header, by its magic (PE32, PE32+)."""
_MAX_SECTIONS: Final = 96
_SETUP_SIZE: Final = 0x1000
_MIN_PROTOCOL: Final = 0x20C
_ABOVE_4G: Final = 1 << 1
_REAL_ADDRESS: Final = 0x10000
_CMDLINE_ADDRESS: Final = 0x20000
_ACPI_DATA: Final = 0x28000
_SPLIT_BELOW: Final = 0xB0000000
_REMEDY: Final = "Pass the kernel file that the TD starts with, a bzImage with an EFI stub."


@dataclass(frozen=True, slots=True)
class DirectBoot:
    """What QEMU is started with. ``memory`` is in bytes; ``patched`` False: the kernel is handed over as it is."""

    kernel: bytes
    initrd: bytes | None
    command_line: str
    memory: int
    patched: bool = True


def measure_direct_boot(boot: DirectBoot) -> tuple[Measurement, Measurement]:
    """RTMR1 and RTMR2; :class:`EvidenceFormatError` for a kernel that is none."""
    initrd_size = 0 if boot.initrd is None else len(boot.initrd)
    kernel = qemu_patched_kernel(boot.kernel, initrd_size, boot.memory) if boot.patched else boot.kernel
    options = boot.command_line + ("" if boot.initrd is None else " initrd=initrd")
    rtmr1 = (
        ("kernel (Authenticode)", authenticode_digest(kernel)),
        ("Calling EFI Application from Boot Option", sha384(b"Calling EFI Application from Boot Option")),
        ("separator", sha384(bytes(4))),
        ("Exit Boot Services Invocation", sha384(b"Exit Boot Services Invocation")),
        ("Exit Boot Services Returned with Success", sha384(b"Exit Boot Services Returned with Success")),
    )
    line = ("kernel command line", sha384((options + "\0").encode("utf-16-le")))
    rtmr2 = (line,) if boot.initrd is None else (line, ("initrd", sha384(boot.initrd)))
    return Measurement(1, rtmr1), Measurement(2, rtmr2)


def authenticode_digest(image: bytes, algorithm: str = "sha384") -> bytes:
    """The digest by which firmware measures an EFI program: all but its checksum and its signatures.

    :class:`EvidenceFormatError` for anything that is no PE image, or one whose parts lie outside it.
    """
    start = int.from_bytes(Cursor(image, "PE image", *_span(image, _PE_OFFSET, 4)).take(4, "PE offset"), "little")
    header = Cursor(image, "PE header", *_span(image, start, 24))
    if header.take(4, "signature") != b"PE\0\0":
        raise _refused("a file that is no PE image", "an EFI program")
    header.u16("machine")
    count = header.u16("number of sections")
    header.take(12, "time stamp and symbols")
    optional_size = header.u16("size of the optional header")
    optional = start + 24
    magic = Cursor(image, "PE header", *_span(image, optional, 2)).u16("magic")
    directories = _DIRECTORIES.get(magic)
    if directories is None or count > _MAX_SECTIONS or optional_size < directories + 8 * (_SECURITY_DIRECTORY + 1):
        raise _refused(f"a PE image of magic {magic:#x} with {count} sections", "PE32 or PE32+ of at most 96 sections")
    checksum, security = optional + 64, optional + directories + 8 * _SECURITY_DIRECTORY
    signatures = Cursor(image, "PE header", *_span(image, security + 4, 4)).u32("size of the signatures")
    headers = Cursor(image, "PE header", *_span(image, optional + 60, 4)).u32("size of headers")
    first = optional + optional_size
    if not first + 40 * count <= headers <= len(image):
        raise _refused(f"a PE image with headers of {headers} bytes", "headers that hold the table of sections")
    sections = _sections(image, first, count)
    digest = hashlib.new(algorithm)
    for begin, end in ((0, checksum), (checksum + 4, security), (security + 8, headers), *sections):
        digest.update(image[begin:end])
    rest = headers + sum(end - begin for begin, end in sections)
    digest.update(image[rest : max(rest, len(image) - signatures)])
    return digest.digest()


def _sections(image: bytes, first: int, count: int) -> list[tuple[int, int]]:
    """Where the sections' bytes lie, in the order of the file."""
    spans = []
    for number in range(count):
        entry = Cursor(image, "PE section", *_span(image, first + 40 * number + 16, 8))
        size, begin = entry.u32("size"), entry.u32("offset")
        if size:
            _span(image, begin, size)
            spans.append((begin, begin + size))
    return sorted(spans)


def qemu_patched_kernel(kernel: bytes, initrd_size: int, memory: int) -> bytes:
    """The kernel as QEMU hands it to the firmware: the setup header says who loads it, and where line and initrd are."""
    if len(kernel) < _SETUP_SIZE or kernel[0x202:0x206] != b"HdrS":
        raise _refused("a file without a Linux setup header", "a bzImage")
    protocol = int.from_bytes(kernel[0x206:0x208], "little")
    if protocol < _MIN_PROTOCOL or not kernel[0x211] & 1:
        raise _refused(f"a kernel of boot protocol {protocol >> 8}.{protocol & 0xFF}", "2.12 or later, loaded high")
    patched = bytearray(kernel)
    patched[0x210] = 0xB0
    patched[0x211] |= 0x80
    patched[0x224:0x228] = (_CMDLINE_ADDRESS - _REAL_ADDRESS - 0x200).to_bytes(4, "little")
    patched[0x228:0x22C] = _CMDLINE_ADDRESS.to_bytes(4, "little")
    if initrd_size:
        address = _initrd_address(int.from_bytes(kernel[0x236:0x238], "little"), initrd_size, memory)
        patched[0x218:0x220] = address.to_bytes(4, "little") + initrd_size.to_bytes(4, "little")
    return bytes(patched)


def _initrd_address(load_flags: int, initrd_size: int, memory: int) -> int:
    """As high as it may lie below 4 GiB, in whole pages."""
    low = 0x80000000 if memory >= _SPLIT_BELOW else _SPLIT_BELOW
    below_4g = min(memory, low)
    highest = 0xFFFFFFFF if load_flags & _ABOVE_4G else 0x37FFFFFF
    highest = min(highest, below_4g - _ACPI_DATA - 1)
    if initrd_size >= highest:
        raise _refused(f"an initrd of {initrd_size} bytes for {memory} of memory", "memory that holds it")
    return (highest - initrd_size) & ~0xFFF


def _span(image: bytes, start: int, size: int) -> tuple[int, int]:
    """The bounds of a cursor, refused where they lie outside the image."""
    if start + size > len(image):
        raise _refused(f"a PE image of {len(image)} bytes with a part that ends at {start + size}", "parts inside the image")
    return start, start + size


def _refused(found: str, expected: str) -> EvidenceFormatError:
    return EvidenceFormatError(found, expected=expected, remedy=_REMEDY)
