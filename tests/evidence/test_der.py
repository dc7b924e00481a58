"""The DER reader: definite and minimal lengths, nothing outside the enclosing value, nothing trailing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.der import INTEGER, OCTET_STRING, SEQUENCE, first_member, read_members, read_single


def encode(tag: int, value: bytes) -> bytes:
    """One tag-length-value with a minimal length."""
    size = len(value)
    if size < 0x80:
        return bytes((tag, size)) + value
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + value


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=300)), max_size=5))
def test_members_come_back_as_they_were_encoded(members: list[tuple[int, bytes]]) -> None:
    """Reading is the inverse of a minimal encoding, for any tags and sizes."""
    octets = b"".join(encode(tag, value) for tag, value in members)
    assert read_members(octets, "members") == members
    if members:
        assert first_member(octets, "members") == encode(*members[0])


@pytest.mark.parametrize("size", [0, 0x7F, 0x80, 0xFF, 0x100, 0xFFFF, 0x10000])
def test_lengths_at_the_edges_of_their_form_are_read(size: int) -> None:
    """One octet below 128, then as few as the number needs."""
    assert read_single(encode(OCTET_STRING, bytes(size)), OCTET_STRING, "value") == bytes(size)


@pytest.mark.parametrize(
    ("octets", "found"),
    [
        ("04", "a cut-off DER header"),
        ("0401", "a DER value of 1 bytes where 0 are left"),
        ("0403aabb", "a DER value of 3 bytes where 2 are left"),
        ("0480", "a DER length of 0 octets"),
        ("0480aabb0000", "a DER length of 0 octets"),
        ("048101aa", "a DER length that is not minimal"),
        ("04817f" + "aa" * 127, "a DER length that is not minimal"),
        ("04820080" + "aa" * 128, "a DER length that is not minimal"),
        ("048400000001aa", "a DER length of 4 octets"),
        ("04ff" + "aa" * 127, "a DER length of 127 octets"),
        ("0482", "a DER length of 2 octets"),
        ("048201", "a DER length of 2 octets"),
        ("0483ffffff", "a DER value of 16777215 bytes where 0 are left"),
    ],
)
def test_a_length_that_is_not_der_is_refused(octets: str, found: str) -> None:
    """Cut off, indefinite, not minimal, longer than the rest: each is named."""
    for read in (read_members, first_member):
        with pytest.raises(EvidenceFormatError, match=found) as raised:
            read(bytes.fromhex(octets), "value")
        assert raised.value.expected == "DER (X.690)"


@pytest.mark.parametrize("octets", ["", "020101", "04010104020102", "040101ff"])
def test_read_single_wants_exactly_one_value_of_that_tag(octets: str) -> None:
    """Nothing, another tag, two values and a trailing octet are all refused."""
    with pytest.raises(EvidenceFormatError):
        read_single(bytes.fromhex(octets), OCTET_STRING, "value")


def test_read_single_names_the_tags_it_found() -> None:
    """The error lists the tags that were there."""
    with pytest.raises(EvidenceFormatError, match="DER tags 0x02, 0x30") as raised:
        read_single(encode(INTEGER, b"\1") + encode(SEQUENCE, b""), SEQUENCE, "value")
    assert raised.value.expected == "one value with tag 0x30"


def test_first_member_is_the_bytes_a_signature_covers() -> None:
    """Header included, followers excluded, whatever they are."""
    assert first_member(encode(SEQUENCE, b"\5\0") + b"\xff\xff\xff", "certificate list") == encode(SEQUENCE, b"\5\0")
