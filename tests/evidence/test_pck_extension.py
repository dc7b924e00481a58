"""The PCK extension: every entry once, none unknown, none missing, integers minimal, nothing trailing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.real_evidence import DCAP_QVL, pck_chain
from voltage_attest.crypto.certificates import load_certificate
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.pck_extension import PCK_EXTENSION_OID, PckExtension, parse_pck_extension

ARC = bytes.fromhex("2a864886f84d010d01")
PPID, TCB, PCE_ID, FMSPC, SGX_TYPE, INSTANCE_ID, CONFIGURATION = range(1, 8)

Entries = list[tuple[int, bytes]]


def tlv(tag: int, value: bytes) -> bytes:
    """Tag, minimal length, value."""
    if len(value) < 0x80:
        return bytes((tag, len(value))) + value
    size = len(value).to_bytes(1 if len(value) < 0x100 else 2, "big")
    return bytes((tag, 0x80 | len(size))) + size + value


def entry(arcs: tuple[int, ...], value: bytes) -> bytes:
    """SEQUENCE of OID and value."""
    return tlv(0x30, tlv(0x06, ARC + bytes(arcs)) + value)


def extension(entries: Entries) -> bytes:
    """The extension's value, from last arc and encoded value of each entry."""
    return tlv(0x30, b"".join(entry((number,), value) for number, value in entries))


def tcb(entries: Entries) -> bytes:
    """The value of entry .2."""
    return tlv(0x30, b"".join(entry((TCB, number), value) for number, value in entries))


def configuration(entries: Entries) -> bytes:
    """The value of entry .7."""
    return tlv(0x30, b"".join(entry((CONFIGURATION, number), value) for number, value in entries))


SVNS: Entries = [
    *((number, tlv(0x02, bytes((number,)))) for number in range(1, 17)),
    (17, tlv(0x02, b"\x0b")),
    (18, tlv(0x04, bytes(range(16)))),
]
FLAGS: Entries = [(1, tlv(0x01, b"\xff")), (2, tlv(0x01, b"\x00")), (3, tlv(0x01, b"\xff"))]
ENTRIES: Entries = [
    (PPID, tlv(0x04, b"P" * 16)),
    (TCB, tcb(SVNS)),
    (PCE_ID, tlv(0x04, b"\x01\x02")),
    (FMSPC, tlv(0x04, b"FMSPC!")),
    (SGX_TYPE, tlv(0x0A, b"\x01")),
    (INSTANCE_ID, tlv(0x04, b"I" * 16)),
    (CONFIGURATION, configuration(FLAGS)),
]
DECODED = PckExtension(
    ppid=b"P" * 16,
    components=tuple(range(1, 17)),
    pce_svn=11,
    cpu_svn=bytes(range(16)),
    pce_id=b"\x01\x02",
    fmspc=b"FMSPC!",
    sgx_type="Scalable",
    platform_instance_id=b"I" * 16,
    dynamic_platform=True,
    cached_keys=False,
    smt_enabled=True,
)


def with_entry(number: int, value: bytes, entries: Entries) -> Entries:
    """The entries with one value replaced."""
    return [(known, value if known == number else old) for known, old in entries]


def with_svn(number: int, value: bytes) -> bytes:
    """The extension with one TCB entry's encoded value replaced."""
    return extension(with_entry(TCB, tcb(with_entry(number, value, SVNS)), ENTRIES))


def test_every_entry_of_a_platform_certificate_is_read() -> None:
    """All seven entries, in Intel's order."""
    assert parse_pck_extension(extension(ENTRIES)) == DECODED


def test_the_order_of_entries_carries_no_meaning() -> None:
    """Entries are found by OID."""
    assert parse_pck_extension(extension(ENTRIES[::-1])) == DECODED


def test_a_processor_certificate_has_no_instance_id_and_no_flags() -> None:
    """Entries .6 and .7 are absent under the Processor CA; the flags are then unknown, not false."""
    without = replace(DECODED, platform_instance_id=None, dynamic_platform=None, cached_keys=None, smt_enabled=None)
    assert parse_pck_extension(extension(ENTRIES[:5])) == without


def test_a_real_certificate_reads_as_its_platform() -> None:
    """The PCK leaf of tdx_quote: Emerald Rapids, FMSPC b0c06f000000."""
    value = load_certificate(pck_chain(DCAP_QVL / "tdx_quote")[0], "leaf").extensions.values.get(PCK_EXTENSION_OID)
    assert value is not None
    pck = parse_pck_extension(value)
    assert (pck.fmspc.hex(), pck.pce_id.hex(), pck.sgx_type) == ("b0c06f000000", "0000", "Scalable")
    assert (pck.components[:8], pck.pce_svn) == ((3, 3, 2, 2, 4, 1, 0, 5), 11)
    assert pck.platform_instance_id is not None
    assert (pck.dynamic_platform, pck.cached_keys, pck.smt_enabled) == (True, True, True)


@pytest.mark.parametrize("number", range(1, 8))
def test_an_entry_that_occurs_twice_is_refused(number: int) -> None:
    """A second value for one entry would let two readers see two platforms."""
    with pytest.raises(EvidenceFormatError, match=f"entry {number} occurs twice"):
        parse_pck_extension(extension([*ENTRIES, ENTRIES[number - 1]]))


@pytest.mark.parametrize("number", [1, 9, 16, 17, 18])
def test_a_tcb_entry_that_occurs_twice_is_refused(number: int) -> None:
    """The same inside the TCB, also when another entry is missing so that the count is right."""
    doubled = [*(svn for svn in SVNS if svn[0] != 5), SVNS[number - 1]]
    with pytest.raises(EvidenceFormatError, match=f"TCB: entry {number} occurs twice"):
        parse_pck_extension(extension(with_entry(TCB, tcb(doubled), ENTRIES)))


@pytest.mark.parametrize("number", range(1, 6))
def test_a_missing_mandatory_entry_is_refused(number: int) -> None:
    """PPID, TCB, PCEID, FMSPC and SGX type must be there."""
    with pytest.raises(EvidenceFormatError, match="PCK extension without"):
        parse_pck_extension(extension([known for known in ENTRIES if known[0] != number]))


@pytest.mark.parametrize("number", range(1, 19))
def test_a_missing_tcb_entry_is_refused(number: int) -> None:
    """All 16 components, PCESVN and CPUSVN must be there: a missing one is not zero."""
    short = [svn for svn in SVNS if svn[0] != number]
    with pytest.raises(EvidenceFormatError, match="TCB with 17 entries"):
        parse_pck_extension(extension(with_entry(TCB, tcb(short), ENTRIES)))


@pytest.mark.parametrize("number", [0, 8, 127])
def test_an_unknown_entry_is_refused(number: int) -> None:
    """What Intel has not specified is not skipped."""
    with pytest.raises(EvidenceFormatError, match="unknown entry"):
        parse_pck_extension(extension([*ENTRIES, (number, tlv(0x04, b""))]))


@pytest.mark.parametrize(
    "oid",
    [ARC, ARC + b"\x01\x01", ARC[:-1] + b"\x02\x01", b"\x55\x1d\x0f", b""],
    ids=["the extension's own", "one arc too many", "a neighbour's", "foreign", "empty"],
)
def test_an_entry_under_another_oid_is_refused(oid: bytes) -> None:
    """An entry is known by its whole OID, not by its last number."""
    stray = tlv(0x30, tlv(0x06, oid) + tlv(0x04, b"P" * 16))
    whole = tlv(0x30, stray + b"".join(entry((number,), value) for number, value in ENTRIES[1:]))
    with pytest.raises(EvidenceFormatError, match="unknown entry"):
        parse_pck_extension(whole)


def test_trailing_data_is_refused_at_every_level() -> None:
    """After the extension, inside an entry, inside the TCB: nothing may follow."""
    junk = tlv(0x05, b"")
    trailing = [
        extension(ENTRIES) + junk,
        extension(ENTRIES) + b"\x00",
        tlv(0x30, b"".join(entry((number,), value) for number, value in ENTRIES) + junk),
        extension(with_entry(PPID, tlv(0x04, b"P" * 16) + junk, ENTRIES)),
        extension(with_entry(TCB, tcb(SVNS) + junk, ENTRIES)),
        extension(with_entry(TCB, tcb([*SVNS, (19, tlv(0x02, b"\x01"))]), ENTRIES)),
        extension(with_entry(CONFIGURATION, configuration([*FLAGS, (4, tlv(0x01, b"\xff"))]), ENTRIES)),
    ]
    for value in trailing:
        with pytest.raises(EvidenceFormatError):
            parse_pck_extension(value)


@pytest.mark.parametrize(("octets", "svn"), [("00", 0), ("7f", 127), ("0080", 128), ("00ff", 255)])
def test_component_svns_are_read_in_their_one_encoding(octets: str, svn: int) -> None:
    """A leading zero octet stands exactly where the next has its high bit set."""
    assert parse_pck_extension(with_svn(3, tlv(0x02, bytes.fromhex(octets)))).components[2] == svn


@pytest.mark.parametrize(("octets", "svn"), [("0b", 11), ("0080", 128), ("0100", 256), ("7fff", 32767), ("00ffff", 65535)])
def test_pce_svn_takes_sixteen_bits(octets: str, svn: int) -> None:
    """PCESVN goes up to 65535, minimally encoded."""
    assert parse_pck_extension(with_svn(17, tlv(0x02, bytes.fromhex(octets)))).pce_svn == svn


@pytest.mark.parametrize(
    ("number", "octets"),
    [
        *[(3, octets) for octets in ("", "0001", "000080", "80", "ff", "ff80", "0100")],
        *[(17, octets) for octets in ("", "000b", "0000ff", "ffff", "010000", "8000")],
    ],
)
def test_an_integer_that_is_not_minimal_negative_or_too_large_is_refused(number: int, octets: str) -> None:
    """An SVN read wrongly high would lift the platform to a better TCB level."""
    with pytest.raises(EvidenceFormatError, match=f"entry {number}: INTEGER {octets}") as raised:
        parse_pck_extension(with_svn(number, tlv(0x02, bytes.fromhex(octets))))
    assert "minimally encoded" in raised.value.expected


@pytest.mark.parametrize(
    ("number", "value"),
    [
        (PPID, tlv(0x04, b"P" * 15)),
        (PPID, tlv(0x04, b"P" * 17)),
        (PPID, tlv(0x02, b"P" * 16)),
        (TCB, tlv(0x31, tcb(SVNS)[3:])),
        (TCB, tlv(0x04, b"")),
        (PCE_ID, tlv(0x04, b"\x01")),
        (FMSPC, tlv(0x04, b"FMSPC")),
        (FMSPC, tlv(0x04, b"FMSPC!!")),
        (SGX_TYPE, tlv(0x02, b"\x01")),
        (SGX_TYPE, tlv(0x0A, b"")),
        (SGX_TYPE, tlv(0x0A, b"\x00\x01")),
        (SGX_TYPE, tlv(0x0A, b"\x03")),
        (SGX_TYPE, tlv(0x0A, b"\xff")),
        (INSTANCE_ID, tlv(0x04, b"")),
        (CONFIGURATION, tlv(0x04, b"")),
    ],
)
def test_a_value_of_wrong_type_or_length_is_refused(number: int, value: bytes) -> None:
    """Tag and length of every entry are fixed."""
    with pytest.raises(EvidenceFormatError):
        parse_pck_extension(extension(with_entry(number, value, ENTRIES)))


@pytest.mark.parametrize("value", [tlv(0x04, b"\x01"), tlv(0x0A, b"\x01"), tlv(0x01, b"\x01"), tlv(0x30, b"")])
def test_a_component_that_is_no_integer_is_refused(value: bytes) -> None:
    """An octet string with the same byte is not the SVN."""
    with pytest.raises(EvidenceFormatError, match="entry 5: tag"):
        parse_pck_extension(with_svn(5, value))


@pytest.mark.parametrize("size", [0, 15, 17])
def test_cpu_svn_has_sixteen_bytes(size: int) -> None:
    """CPUSVN of another length is refused, although the comparison never uses it."""
    with pytest.raises(EvidenceFormatError, match="entry 18"):
        parse_pck_extension(with_svn(18, tlv(0x04, bytes(size))))


@pytest.mark.parametrize("octets", [b"\x01", b"\x7f", b"", b"\xff\xff"])
def test_a_flag_is_true_or_false_as_der_writes_it(octets: bytes) -> None:
    """DER knows 00 and FF; BER's other truths are refused."""
    flags = with_entry(2, tlv(0x01, octets), FLAGS)
    with pytest.raises(EvidenceFormatError):
        parse_pck_extension(extension(with_entry(CONFIGURATION, configuration(flags), ENTRIES)))


@pytest.mark.parametrize("value", [b"", b"\x30", b"\x30\x80", b"\x31\x00", b"\x30\x00", b"\x04\x02\x30\x00"])
def test_something_else_than_the_sequence_is_refused(value: bytes) -> None:
    """Empty, cut off, a SET, an empty SEQUENCE, and a SEQUENCE wrapped once more."""
    with pytest.raises(EvidenceFormatError):
        parse_pck_extension(value)


def test_an_entry_without_oid_or_value_is_refused() -> None:
    """Each entry is a SEQUENCE of exactly OID and value."""
    for stray in (tlv(0x30, b""), tlv(0x30, tlv(0x06, ARC + b"\x01")), tlv(0x31, entry((1,), tlv(0x04, b""))[2:])):
        whole = tlv(0x30, stray + b"".join(entry((number,), value) for number, value in ENTRIES[1:]))
        with pytest.raises(EvidenceFormatError, match="an entry"):
            parse_pck_extension(whole)


@pytest.mark.parametrize("number", range(1, 18))
def test_every_svn_of_an_octet_is_read_in_its_place(number: int) -> None:
    """All 256 values of each: from 128 on DER needs a zero octet before them."""
    for svn in range(256):
        pck = parse_pck_extension(with_svn(number, tlv(0x02, svn.to_bytes(1 + (svn > 127), "big"))))
        expected = [*DECODED.components, DECODED.pce_svn]
        expected[number - 1] = svn
        assert [*pck.components, pck.pce_svn] == expected
