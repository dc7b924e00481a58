"""Both parsers: what they read, what they refuse, and that nothing makes them do anything else, however large or odd it is."""

from __future__ import annotations

import base64
import json
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.event_log.logs import BOOT, Record, ccel, cos, dstack_log, fixture, needs_vectors, runtime
from tests.support.mutations import json_values, mutated_bytes
from tests.support.parsers import assert_read_or_refused
from tests.support.sampling import examples
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.event_description import describe_event
from voltage_attest.evidence.event_log import MAX_EVENTS, MAX_LOG_SIZE, Binding, EventType, read_efi_variable, sha384
from voltage_attest.evidence.event_log_ccel import parse_ccel
from voltage_attest.evidence.event_log_dstack import parse_dstack_log, runtime_preimage
from voltage_attest.evidence.event_log_text import parse_event_log

FIRMWARE = [record for record in BOOT if record.register < 3]
CCEL, DSTACK = ccel(FIRMWARE), dstack_log(BOOT)
SEPARATOR = Record(0, EventType.SEPARATOR, bytes(4))
TABLE_START = b"CCEL" + (56).to_bytes(4, "little") + b"\x01"


def table(length: int = 1 << 18, *, kind: int = 2, signature: bytes = b"CCEL", size: int = 56) -> bytes:
    """An ACPI table with a checksum that holds."""
    body = bytearray(signature + size.to_bytes(4, "little") + b"\x01\0" + b"x" * 26 + bytes((kind, 0, 0, 0)))
    body += length.to_bytes(8, "little") + bytes(8)
    body[9] = -sum(body) % 256
    return bytes(body)


def refusal(parse: Callable[[bytes], object], data: bytes) -> str:
    with pytest.raises(EvidenceFormatError) as raised:
        parse(data)
    assert raised.value.remedy
    return str(raised.value)


class TestCcel:
    def test_padding_of_any_length_ends_a_log(self) -> None:
        assert all(parse_ccel(ccel(FIRMWARE, padding=size)) == parse_ccel(CCEL) for size in (0, 1, 3, 4, 5, 1000))

    def test_bytes_behind_the_end_are_refused(self) -> None:
        assert "after the end of the log" in refusal(parse_ccel, CCEL + b"hidden")

    def test_every_length_short_of_the_whole_is_refused_or_a_shorter_log(self) -> None:
        """A log that stops between two records cannot be told from a shorter one: replay tells it."""
        whole = parse_ccel(ccel(FIRMWARE, padding=0))
        for size in range(len(ccel(FIRMWARE, padding=0))):
            try:
                part = parse_ccel(ccel(FIRMWARE, padding=0)[:size])
            except EvidenceFormatError:
                continue
            assert part.events == whole.events[: len(part.events)]
            assert len(part.events) < len(whole.events)

    @pytest.mark.parametrize("index", [0, 5, 6, 0xFFFFFFFE])
    def test_other_registers_are_refused(self, index: int) -> None:
        """Index 0 is MRTD, which nothing extends."""
        log = bytearray(CCEL)
        log[65:69] = index.to_bytes(4, "little")
        assert "MR index" in refusal(parse_ccel, bytes(log))

    def test_a_log_without_sha_384_is_refused(self) -> None:
        assert "without SHA-384" in refusal(parse_ccel, CCEL.replace(b"\x0c\0\x30\0\0", b"\x0b\0\x20\0\0", 1))

    @pytest.mark.parametrize("old", [b"Spec ID Event03\0", b"Spec ID"])
    def test_another_first_record_is_refused(self, old: bytes) -> None:
        assert "Spec ID Event03" in refusal(parse_ccel, CCEL.replace(old, old.replace(b"S", b"T")))

    def test_a_first_record_of_another_type_is_refused(self) -> None:
        assert "crypto-agile" in refusal(parse_ccel, CCEL[:4] + b"\x04" + CCEL[5:])

    def test_an_algorithm_that_is_not_declared_is_refused(self) -> None:
        log = bytearray(CCEL)
        log[77:79] = b"\x0d\0"
        assert "algorithm 0x000d" in refusal(parse_ccel, bytes(log))

    def test_more_digests_than_algorithms_are_refused(self) -> None:
        log = bytearray(CCEL)
        log[73:77] = b"\xff\xff\xff\xff"
        assert "digests in one record" in refusal(parse_ccel, bytes(log))

    def test_an_extension_without_a_digest_is_refused(self) -> None:
        record = b"\1\0\0\0" + b"\4\0\0\0" + bytes(4) + bytes(4)
        assert "without a SHA-384 digest" in refusal(parse_ccel, ccel([], padding=0) + record)

    def test_an_event_that_claims_more_bytes_than_are_left_is_refused(self) -> None:
        log = bytearray(ccel([SEPARATOR], padding=0))
        log[-8:-4] = (1 << 31).to_bytes(4, "little")
        assert "are left" in refusal(parse_ccel, bytes(log))

    def test_the_acpi_table_is_judged(self) -> None:
        parse_ccel(CCEL, table())
        assert "of 55 bytes" in refusal(lambda log: parse_ccel(log, table(size=55)), CCEL)
        assert "checksum" in refusal(lambda log: parse_ccel(log, table()[:-1] + b"\x01"), CCEL)
        assert "type 1" in refusal(lambda log: parse_ccel(log, table(kind=1)), CCEL)
        assert "for an area of 100" in refusal(lambda log: parse_ccel(log, table(100)), CCEL)
        assert "ACPI table" in refusal(lambda log: parse_ccel(log, table(signature=b"TPM2")), CCEL)
        assert "ACPI table" in refusal(parse_ccel, TABLE_START)

    def test_a_boot_variable_binds_its_content_and_not_its_name(self) -> None:
        variable = bytes(16) + (4).to_bytes(8, "little") + (2).to_bytes(8, "little") + "Boot".encode("utf-16-le") + b"\1\2"
        (event,) = parse_ccel(ccel([Record(0, EventType.EFI_VARIABLE_BOOT, variable, digest=sha384(b"\1\2"))])).events
        assert (event.binding, event.measured) == (Binding.PART, b"\1\2")
        assert read_efi_variable(EventType.EFI_VARIABLE_BOOT, variable + b"x") is None
        assert read_efi_variable(EventType.SEPARATOR, variable) is None


class TestDstack:
    @pytest.mark.parametrize(
        ("key", "value", "words"),
        [
            ("imr", 4, "0 to 3"),
            ("imr", -1, "0 to 3"),
            ("imr", True, "0 to 3"),
            ("imr", "0", "0 to 3"),
            ("event_type", 1 << 32, "0 to 4294967295"),
            ("event_type", 4.0, "0 to 4294967295"),
            ("event_type", 3, "EV_NO_ACTION"),
            ("digest", "00" * 47, "96 hex digits"),
            ("digest", "zz" * 48, "hex digits"),
            ("digest", "", "has no digest"),
            ("digest", 7, "a string"),
            ("event", 7, "a string"),
            ("event", "x" * 1025, "at most 1024"),
            ("event_payload", "0", "hex digits"),
            ("event_payload", None, "event_payload"),
            ("version", 2, "only runtime events"),
            ("preimage", "00", "only runtime events"),
        ],
    )
    def test_a_boot_event_with_a_wrong_member_is_refused(self, key: str, value: object, words: str) -> None:
        entries = json.loads(DSTACK)
        entries[0][key] = value
        assert words in refusal(parse_dstack_log, json.dumps(entries).encode())

    @pytest.mark.parametrize(("key", "value"), [("version", 3), ("version", "2"), ("preimage", "00"), ("preimage", "x")])
    def test_a_runtime_event_with_a_wrong_member_is_refused(self, key: str, value: object) -> None:
        entries = json.loads(DSTACK)
        entries[-1][key] = value
        refusal(parse_dstack_log, json.dumps(entries).encode())

    def test_the_right_preimage_is_accepted(self) -> None:
        entries = json.loads(DSTACK)
        entries[-1]["preimage"] = runtime_preimage("greeting", b"hello", 1).hex()
        assert parse_dstack_log(json.dumps(entries).encode()) == parse_dstack_log(DSTACK)

    def test_keys_that_bind_nothing_are_ignored(self) -> None:
        entries = [entry | {"timestamp": 7} for entry in json.loads(DSTACK)]
        assert parse_dstack_log(json.dumps(entries).encode()) == parse_dstack_log(DSTACK)

    @pytest.mark.parametrize("data", [b"{}", b"7", b"[7]", b"[[]]", b'[{"imr":0,"imr":1}]', b"[", b"", b"\xff"])
    def test_anything_else_is_refused(self, data: bytes) -> None:
        refusal(parse_dstack_log, data)

    def test_the_first_rule_hashes_type_name_and_payload(self) -> None:
        assert runtime_preimage("app-id", b"\xde\xad", 1) == b"\x01\0\0\x08:app-id:\xde\xad"

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("compose-hash", '{"name":"compose-hash","payload":"abcd","type":134217729}'),
            ('a"b\\c\nd', '{"name":"a\\"b\\\\c\\nd","payload":"abcd","type":134217729}'),
            ("\x01\x1f\x7fé🦀/", '{"name":"\\u0001\\u001f\x7fé🦀/","payload":"abcd","type":134217729}'),
        ],
    )
    def test_the_second_rule_hashes_canonical_json(self, name: str, expected: str) -> None:
        """RFC 8785: members in order, short escapes, everything else as it is."""
        assert runtime_preimage(name, b"\xab\xcd", 2).decode() == expected


class TestText:
    @pytest.mark.parametrize("encode", [lambda log: log, lambda log: log.hex().encode(), base64.b64encode])
    def test_a_ccel_is_recognised_raw_in_hex_and_in_base64(self, encode: Callable[[bytes], bytes]) -> None:
        assert parse_event_log(encode(CCEL)) == parse_ccel(CCEL)

    def test_line_breaks_in_text_are_ignored(self) -> None:
        lines = b"\n".join([base64.b64encode(CCEL)[start : start + 64] for start in range(0, len(CCEL) * 2, 64)])
        assert parse_event_log(lines) == parse_ccel(CCEL)

    def test_json_is_recognised(self) -> None:
        assert parse_event_log(b" \n" + DSTACK) == parse_dstack_log(DSTACK)

    @pytest.mark.parametrize("data", [b"", b" \n", b"{}", b"hello", b"0", b"\x03\0\0\0", b"CCEL"])
    def test_anything_else_is_refused(self, data: bytes) -> None:
        refusal(parse_event_log, data)


HOSTILE: dict[str, Callable[[int], bytes]] = {
    "zeros": bytes,
    "ones": lambda size: b"\xff" * size,
    "ccel": lambda size: ccel([SEPARATOR], padding=size) + b"hidden",
    "records": lambda size: ccel([], padding=0) + (ccel([SEPARATOR], padding=0)[65:]) * (size // 14),
    "unextended": lambda size: ccel([], padding=0) + (b"\1\0\0\0\3\0\0\0" + bytes(8)) * (size // 14),
    "brackets": lambda size: b"[" * size,
    "objects": lambda size: b"[" + b"{}," * (size // 3) + b"{}]",
    "events": lambda size: b"[" + (dstack_log([runtime("x")])[1:-1] + b",") * (size // 100) + b"0]",
    "hex": lambda size: b"00" * (size // 2),
    "base64": lambda size: b"AAAA" * (size // 4),
    "blanks": lambda size: b" " * size,
    "one text": lambda size: b'["' + b"x" * size + b'"]',
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("size", [MAX_LOG_SIZE // 32, 64 * 1024 * 1024])
def test_a_hostile_log_ends_in_a_clear_error_within_a_bound_of_memory(kind: str, size: int) -> None:
    """64 MiB are refused by their size before anything is read; what is just small enough takes a small multiple of itself."""
    data = HOSTILE[kind](size)
    tracemalloc.start()
    try:
        with pytest.raises(EvidenceFormatError) as raised:
            parse_event_log(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(str(raised.value)) < 600
    assert peak < (1 << 16 if size > 2 * MAX_LOG_SIZE else 1 << 28)


def test_more_events_than_a_boot_has_are_refused() -> None:
    assert f"more than {MAX_EVENTS} records" in refusal(parse_event_log, ccel([SEPARATOR] * (MAX_EVENTS + 1)))
    assert f"at most {MAX_EVENTS} members" in refusal(parse_event_log, b"[" + b"{}," * MAX_EVENTS + b"{}]")
    assert len(parse_event_log(ccel([SEPARATOR] * MAX_EVENTS)).events) == MAX_EVENTS


PARSERS: dict[str, Callable[[bytes], object]] = {"ccel": parse_ccel, "dstack": parse_dstack_log, "any": parse_event_log}


def survives(parse: Callable[[bytes], object], data: bytes) -> None:
    assert_read_or_refused(parse, data, EvidenceFormatError)


@pytest.mark.parametrize("name", PARSERS)
@given(data=st.binary(max_size=1024))
def test_random_bytes_are_read_or_refused(name: str, data: bytes) -> None:
    survives(PARSERS[name], data)


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=examples(300))
@given(data=mutated_bytes([CCEL, DSTACK, table() + CCEL, dstack_log(BOOT, strip=True), CCEL.hex().encode()]))
def test_mutated_logs_are_read_or_refused(name: str, data: bytes) -> None:
    survives(PARSERS[name], data)


@needs_vectors
@settings(max_examples=examples(150))
@given(data=st.data())
def test_mutated_real_logs_are_read_or_refused_and_described(data: st.DataObject) -> None:
    """What is read is described in one line of printable ASCII, whatever stands in it."""
    originals = [cos().text[:18200], fixture("dstack-verifier-fixture-tdx-v4").text]
    mutated = data.draw(mutated_bytes(originals))
    survives(parse_event_log, mutated)
    try:
        events = parse_event_log(mutated).events
    except EvidenceFormatError:
        return
    assert all(line.isascii() and line.isprintable() for line in map(describe_event, events))


MEMBERS = st.fixed_dictionaries(
    {"imr": json_values(), "event_type": json_values(), "event_payload": json_values()},
    optional={"digest": json_values(), "event": json_values(), "version": json_values(), "preimage": json_values()},
)


@settings(max_examples=examples(150))
@given(entries=st.lists(MEMBERS | json_values(), max_size=4))
def test_json_of_any_shape_is_read_or_refused(entries: list[object]) -> None:
    survives(parse_dstack_log, json.dumps(entries).encode())


@settings(max_examples=examples(100))
@given(name=st.text(max_size=40), payload=st.binary(max_size=40), version=st.sampled_from([1, 2]))
def test_any_runtime_event_written_by_the_rules_is_read_back(name: str, payload: bytes, version: int) -> None:
    (event,) = parse_dstack_log(dstack_log([runtime(name, payload, version=version)], strip=True)).events
    assert (event.name, event.payload, event.preimage_version) == (name, payload, version)
    assert event.binding is (Binding.NONE if version == 1 and ":" in name else Binding.EVENT)
