"""MRTD of generated firmware, against the TDX module's rules written out a second time and against known values."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.measure.firmware import BFV, CFV, METADATA, TEMPORARY, Section, firmware, footer, guid_entry
from tests.support.mutations import mutated_bytes
from tests.support.parsers import assert_read_or_refused
from tests.support.sampling import examples
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.measure import PageOrder, measure_mrtd
from voltage_attest.measure.tdvf import MAX_IMAGE_SIZE, parse_tdvf

IMAGE = firmware(BFV, CFV, TEMPORARY)
OTHER = guid_entry(UUID(int=7), b"other data")


def add(page: int) -> bytes:
    """TDH.MEM.PAGE.ADD as the module hashes it."""
    return b"MEM.PAGE.ADD" + bytes(4) + page.to_bytes(8, "little") + bytes(104)


def extend(page: int, content: bytes) -> bytes:
    """TDH.MR.EXTEND of a whole page: sixteen times a record and 256 bytes."""
    parts = []
    for chunk in range(16):
        parts.append(b"MR.EXTEND" + bytes(7) + (page + 256 * chunk).to_bytes(8, "little") + bytes(104))
        parts.append(content[256 * chunk : 256 * chunk + 256])
    return b"".join(parts)


def test_single_pass_adds_and_extends_page_by_page() -> None:
    first, second = BFV.raw[:4096], BFV.raw[4096:]
    expected = add(0xFFFFE000) + extend(0xFFFFE000, first) + add(0xFFFFF000) + extend(0xFFFFF000, second)
    expected += add(0xFFFFD000) + add(0x810000) + add(0x811000)
    assert measure_mrtd(IMAGE) == hashlib.sha384(expected).digest()


def test_two_pass_adds_all_pages_of_a_section_first() -> None:
    first, second = BFV.raw[:4096], BFV.raw[4096:]
    expected = add(0xFFFFE000) + add(0xFFFFF000) + extend(0xFFFFE000, first) + extend(0xFFFFF000, second)
    expected += add(0xFFFFD000) + add(0x810000) + add(0x811000)
    assert measure_mrtd(IMAGE, PageOrder.TWO_PASS) == hashlib.sha384(expected).digest()


def test_the_values_do_not_move() -> None:
    """Computed once, so that a change of the rules is seen."""
    assert measure_mrtd(IMAGE).hex() == (
        "139bbd247b3903f273c37183541715098a8b51debb462c7306d4ed75a3b973c1b427e7b88d24a2df97fa0a7bcfddbab7"
    )
    assert measure_mrtd(IMAGE, PageOrder.TWO_PASS).hex() == (
        "be43b05fa077fec04589cd9c714c4897a42471f305645d3c107543a26e028844bfd8b00a3436cf630111daf6751456e2"
    )


def test_what_is_not_extended_does_not_count_and_what_is_does() -> None:
    """Variables are added but not extended: that is why RTMR0 measures them."""
    assert measure_mrtd(firmware(BFV, replace(CFV, raw=b"w" * 0x1000), TEMPORARY)) == measure_mrtd(IMAGE)
    changed = replace(BFV, raw=BFV.raw[:-1] + b"\0")
    assert measure_mrtd(firmware(changed, CFV, TEMPORARY)) != measure_mrtd(IMAGE)
    assert measure_mrtd(firmware(CFV, BFV, TEMPORARY)) != measure_mrtd(IMAGE)
    assert measure_mrtd(firmware(replace(BFV, address=0xFFFF0000), CFV, TEMPORARY)) != measure_mrtd(IMAGE)


def test_memory_that_the_guest_accepts_itself_is_not_measured() -> None:
    lazy = Section(b"", 0x1000000, 0x40000000, 3, 2)
    assert measure_mrtd(firmware(BFV, CFV, TEMPORARY, lazy)) == measure_mrtd(IMAGE)


def test_memory_beyond_the_image_is_zero() -> None:
    short = replace(BFV, raw=BFV.raw[:4097])
    padded = replace(BFV, raw=BFV.raw[:4097].ljust(0x2000, b"\0"))
    assert measure_mrtd(firmware(short)) == measure_mrtd(firmware(padded))


def test_other_entries_of_the_table_are_passed_over() -> None:
    image = firmware(BFV, CFV, TEMPORARY, other_entries=OTHER)
    assert [section.data for section in parse_tdvf(image)] == [BFV.raw, CFV.raw, b""]
    assert measure_mrtd(image) == measure_mrtd(IMAGE)


@pytest.mark.parametrize(
    ("image", "words"),
    {
        "empty": (b"", "without a table of GUIDs"),
        "text": (b"x" * 8192, "without a table of GUIDs"),
        "too large": (bytes(MAX_IMAGE_SIZE + 1), "an image of"),
        "no metadata": (
            b"x" * 64
            + guid_entry(UUID(int=7), b"y")
            + guid_entry(UUID("96b582de-1fb2-45f7-baea-a366c55a082d"), b"")
            + bytes(32),
            "without TDX metadata",
        ),
        "metadata outside": (b"x" * 64 + guid_entry(METADATA, b"\xff\xff\0\0") + footer(22), "an offset inside the image"),
        "empty entry": (b"x" * 64 + bytes(18) + footer(18), "without TDX metadata"),
        "signature": (firmware(BFV, signature=b"TDVX"), "b'TDVX'"),
        "version": (firmware(BFV, version=2), "version 2"),
        "no sections": (firmware(BFV, count=0), "with 0 sections"),
        "many sections": (firmware(BFV, count=65), "with 65 sections"),
        "more sections than bytes": (firmware(BFV, count=60), "whole pages"),
        "odd address": (firmware(replace(BFV, address=0x800)), "whole pages"),
        "odd size": (firmware(replace(BFV, size=0x2800)), "whole pages"),
        "high address": (firmware(replace(BFV, address=1 << 63)), "whole pages"),
        "raw beyond memory": (firmware(replace(BFV, size=0x1000)), "no more than memory"),
        "raw beyond image": (firmware(replace(BFV, offset=0xFFFFFF00)), "bytes of the image"),
        "extended and lazy": (firmware(replace(BFV, attributes=3)), "one or the other"),
        "too much memory": (firmware(replace(TEMPORARY, size=0x20000000)), "more memory than a firmware has"),
    }.values(),
)
def test_what_is_no_firmware_for_a_td_is_refused(image: bytes, words: str) -> None:
    with pytest.raises(EvidenceFormatError, match="OVMF") as raised:
        measure_mrtd(image)
    assert words in str(raised.value)


@settings(max_examples=examples(200), deadline=None)
@given(data=mutated_bytes([firmware(CFV, TEMPORARY, other_entries=OTHER)]) | st.binary(max_size=256))
def test_mutated_images_are_measured_or_refused(data: bytes) -> None:
    assert_read_or_refused(parse_tdvf, data, EvidenceFormatError)
