"""RTMR1 and RTMR2 of a direct boot: Authenticode by firmware's rules, QEMU's changes to the kernel, load options and initrd."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings

from tests.event_log.logs import near, needs_vectors
from tests.support.mutations import mutated_bytes
from tests.support.parsers import assert_read_or_refused
from tests.support.sampling import examples
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.event_log import sha384
from voltage_attest.evidence.event_log_text import parse_event_log
from voltage_attest.measure import DirectBoot, measure_direct_boot
from voltage_attest.measure.linux import authenticode_digest, qemu_patched_kernel

GIB = 1 << 30


def pe(*sections: bytes, signature: bytes = b"", tail: bytes = b"", magic: int = 0x20B, setup: bool = False) -> bytes:
    """A PE image: DOS header, PE header at 0x40 (or behind a Linux setup header), sections, what follows, signatures."""
    start = 0x400 if setup else 0x40
    headers = 0x1000 if setup else 0x400
    image = bytearray(headers)
    image[0:2] = b"MZ"
    image[0x3C:0x40] = start.to_bytes(4, "little")
    if setup:
        image[0x202:0x206] = b"HdrS"
        image[0x206:0x208] = (0x20F).to_bytes(2, "little")
        image[0x211] = 1
        image[0x236] = 2
    directories = 112 if magic == 0x20B else 96
    size = directories + 16 * 8
    image[start : start + 4] = b"PE\0\0"
    image[start + 6 : start + 8] = len(sections).to_bytes(2, "little")
    image[start + 20 : start + 22] = size.to_bytes(2, "little")
    optional = start + 24
    image[optional : optional + 2] = magic.to_bytes(2, "little")
    image[optional + 60 : optional + 64] = headers.to_bytes(4, "little")
    offset = headers
    for number, content in enumerate(sections):
        entry = optional + size + 40 * number
        image[entry + 16 : entry + 24] = len(content).to_bytes(4, "little") + (offset if content else 0).to_bytes(4, "little")
        offset += len(content)
    image += b"".join(sections) + tail
    if signature:
        place = optional + directories + 32
        image[place : place + 8] = len(image).to_bytes(4, "little") + len(signature).to_bytes(4, "little")
        image += signature
    return bytes(image)


KERNEL = pe(b"text" * 512, b"data" * 512, setup=True)


class TestAuthenticode:
    @pytest.mark.parametrize("magic", [0x10B, 0x20B])
    def test_all_is_hashed_but_checksum_and_signatures(self, magic: int) -> None:
        image = pe(b"a" * 512, b"", b"b" * 512, tail=b"tail", signature=b"s" * 64, magic=magic)
        checksum, directory = 0x40 + 24 + 64, 0x40 + 24 + (112 if magic == 0x20B else 96) + 32
        hashed = image[:checksum] + image[checksum + 4 : directory] + image[directory + 8 : -64]
        assert authenticode_digest(image) == sha384(hashed)
        assert authenticode_digest(image, "sha256") == hashlib.sha256(hashed).digest()

    def test_a_signature_does_not_change_it(self) -> None:
        assert authenticode_digest(pe(b"a" * 512, signature=b"s" * 64)) == authenticode_digest(pe(b"a" * 512))

    def test_sections_are_hashed_in_the_order_of_the_file(self) -> None:
        image = bytearray(pe(b"a" * 512, b"b" * 512))
        table = 0x40 + 24 + 112 + 128
        image[table : table + 40], image[table + 40 : table + 80] = image[table + 40 : table + 80], image[table : table + 40]
        checksum, directory = 0x40 + 24 + 64, 0x40 + 24 + 112 + 32
        assert authenticode_digest(bytes(image)) == sha384(
            bytes(image[:checksum] + image[checksum + 4 : directory] + image[directory + 8 :])
        )

    @pytest.mark.parametrize(
        "damage",
        [
            lambda image: image[:0x3C],
            lambda image: image[:0x3C] + b"\xff\xff\xff\xff" + image[0x40:],
            lambda image: image.replace(b"PE\0\0", b"NE\0\0"),
            lambda image: image.replace(b"\x0b\x02", b"\x07\x01", 1),
            lambda image: image[:0x46] + b"\xff\xff" + image[0x48:],
            lambda image: image[:0x54] + b"\x10\0" + image[0x56:],
            lambda image: image[:-1],
            lambda image: image[: 0x58 + 60] + b"\0\0\0\0" + image[0x58 + 64 :],
        ],
        ids=["short", "offset", "signature", "magic", "sections", "optional header", "section outside", "headers"],
    )
    def test_what_is_no_pe_image_is_refused(self, damage: Callable[[bytes], bytes]) -> None:
        with pytest.raises(EvidenceFormatError):
            authenticode_digest(damage(pe(b"a" * 512)))

    @settings(max_examples=examples(300))
    @given(data=mutated_bytes([pe(b"a" * 64, b"b" * 64, signature=b"s" * 8)], edits=5))
    def test_mutated_images_are_measured_or_refused(self, data: bytes) -> None:
        assert_read_or_refused(authenticode_digest, data, EvidenceFormatError)


class TestQemu:
    def test_loader_line_and_initrd_are_written_into_the_header(self) -> None:
        patched = qemu_patched_kernel(KERNEL, 0x100000, 8 * GIB)
        assert patched[0x210] == 0xB0
        assert patched[0x211] == 0x81
        assert patched[0x224:0x228] == (0xFE00).to_bytes(4, "little")
        assert patched[0x228:0x22C] == (0x20000).to_bytes(4, "little")
        assert patched[0x21C:0x220] == (0x100000).to_bytes(4, "little")
        assert [place for place, (old, new) in enumerate(zip(KERNEL, patched, strict=True)) if old != new][-1] < 0x22C

    def test_without_an_initrd_its_fields_stay(self) -> None:
        assert qemu_patched_kernel(KERNEL, 0, 8 * GIB)[0x218:0x220] == KERNEL[0x218:0x220]

    @pytest.mark.parametrize(
        ("memory", "below"),
        [
            (GIB, GIB),
            (2 * GIB, 2 * GIB),
            (0xAFFFF000, 0xAFFFF000),
            (0xB0000000, 2 * GIB),
            (8 * GIB, 2 * GIB),
            (512 * GIB, 2 * GIB),
        ],
    )
    def test_the_initrd_lies_as_high_as_it_may(self, memory: int, below: int) -> None:
        """At and above 2.75 GiB the digest is the same for all sizes of memory."""
        address = int.from_bytes(qemu_patched_kernel(KERNEL, 0x100000, memory)[0x218:0x21C], "little")
        assert address == (below - 0x28000 - 1 - 0x100000) & ~0xFFF

    def test_a_kernel_that_cannot_use_high_memory_gets_it_lower(self) -> None:
        low = bytearray(KERNEL)
        low[0x236] = 0
        assert int.from_bytes(qemu_patched_kernel(bytes(low), 0x1000, 8 * GIB)[0x218:0x21C], "little") == 0x37FFE000

    @pytest.mark.parametrize(
        ("place", "value"), [(0x202, b"XdrS"), (0x206, b"\x0b\x02"), (0x211, b"\0")], ids=["magic", "protocol", "loaded low"]
    )
    def test_what_is_no_modern_kernel_is_refused(self, place: int, value: bytes) -> None:
        with pytest.raises(EvidenceFormatError, match="bzImage"):
            qemu_patched_kernel(KERNEL[:place] + value + KERNEL[place + len(value) :], 0, GIB)
        with pytest.raises(EvidenceFormatError):
            qemu_patched_kernel(KERNEL[:0xFFF], 0, GIB)

    def test_an_initrd_that_does_not_fit_is_refused(self) -> None:
        with pytest.raises(EvidenceFormatError, match="memory that holds it"):
            qemu_patched_kernel(KERNEL, GIB, GIB)


class TestDirectBoot:
    BOOT = DirectBoot(KERNEL, b"initrd", "ro console=hvc0", 8 * GIB)

    def test_the_registers_hold_kernel_line_and_initrd(self) -> None:
        rtmr1, rtmr2 = measure_direct_boot(self.BOOT)
        kernel = authenticode_digest(qemu_patched_kernel(KERNEL, 6, 8 * GIB))
        assert rtmr1.events[0] == ("kernel (Authenticode)", kernel)
        assert rtmr2.events == (
            ("kernel command line", sha384("ro console=hvc0 initrd=initrd\0".encode("utf-16-le"))),
            ("initrd", sha384(b"initrd")),
        )
        value = sha384(sha384(bytes(48) + rtmr2.events[0][1]) + rtmr2.events[1][1])
        assert (rtmr1.register, rtmr2.register, rtmr2.value) == (1, 2, value)

    def test_every_part_counts(self) -> None:
        whole = [measurement.value for measurement in measure_direct_boot(self.BOOT)]

        def unchanged(boot: DirectBoot) -> list[bool]:
            return [one.value == other for one, other in zip(measure_direct_boot(boot), whole, strict=True)]

        other_kernel = replace(self.BOOT, kernel=KERNEL[:-1] + b"x")
        assert [one.value == other for one, other in zip(measure_direct_boot(other_kernel), whole, strict=True)] == [
            False,
            True,
        ]
        other_line = replace(self.BOOT, command_line="rw")
        assert [one.value == other for one, other in zip(measure_direct_boot(other_line), whole, strict=True)] == [True, False]
        without = measure_direct_boot(replace(self.BOOT, initrd=None))
        assert without[1].events == (("kernel command line", sha384("ro console=hvc0\0".encode("utf-16-le"))),)
        as_it_is = measure_direct_boot(replace(self.BOOT, patched=False))
        assert as_it_is[0].events[0][1] == authenticode_digest(KERNEL)

    @needs_vectors
    @pytest.mark.parametrize("role", ["gateway", "model"])
    def test_real_direct_boots_measure_the_same_steps_in_the_same_order(self, role: str) -> None:
        """All of RTMR1 but the kernel itself, which is not to be had, is what is computed here."""
        log = parse_event_log(near(role).text)
        rtmr1, rtmr2 = measure_direct_boot(self.BOOT)
        assert [event.digest for event in log.of(1)][1:] == [digest for _, digest in rtmr1.events][1:]
        assert len(log.of(2)) == len(rtmr2.events)
