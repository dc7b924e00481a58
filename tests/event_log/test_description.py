"""What is written about an event: its meaning in plain words, facts told from claims, and nothing that steers a terminal."""

from __future__ import annotations

import pytest

from tests.event_log.logs import BOOT, Record, ccel, cos, dstack_log, needs_vectors, runtime
from voltage_attest.evidence.event_description import REGISTER_MEANINGS, describe_binding, describe_event, event_rows
from voltage_attest.evidence.event_log import BootEvent, EventType, sha384
from voltage_attest.evidence.event_log_text import parse_event_log


def described(*records: Record, json: bool = True) -> list[str]:
    return [describe_event(event) for event in parse_event_log(dstack_log(records) if json else ccel(records)).events]


def test_bound_runtime_events_are_stated_as_facts() -> None:
    assert described(runtime("compose-hash", b"\xab" * 32)) == [
        f"compose-hash (SHA-256 of the compose document): {'ab' * 32} [name and payload bound]"
    ]
    assert described(runtime("greeting", b"hello")) == ["greeting: hello [name and payload bound]"]


def test_a_forged_runtime_event_is_only_said() -> None:
    forged = Record(3, EventType.DSTACK_RUNTIME, b"\xab" * 32, "compose-hash", digest=sha384(b"other"))
    (line,) = described(forged)
    assert line.startswith("said to be compose-hash")
    assert line.endswith("[digest only: name and payload are claims]")


@pytest.mark.parametrize("record", [record for record in BOOT if record.register < 3], ids=lambda record: hex(record.kind))
def test_no_boot_event_is_stated_as_a_fact(record: Record) -> None:
    """Its type is never bound."""
    assert described(record)[0].startswith("said to be ")


def test_an_unknown_type_is_given_as_a_number() -> None:
    assert described(Record(0, 0x12345678, b"\0\1")) == [
        "said to be event type 0x12345678: 0001 [content bound, its role a claim]"
    ]


def test_a_command_of_the_boot_loader_is_shown_with_its_text_bound() -> None:
    record = Record(2, EventType.IPL, b"grub_cmd: set default=2\0", digest=sha384(b"set default=2"))
    assert described(record, json=False) == [
        "said to be what the boot loader ran or read: set default=2 [text bound, its role a claim]"
    ]


def test_control_characters_and_length_are_tamed() -> None:
    (line,) = described(runtime("\x1b[2Jname\n\u202e", b"\x1b]0;title\x07" + b"x" * 5000))
    assert line.isprintable()
    assert line.isascii()
    assert len(line) < 400
    (long,) = described(runtime("x" * 1000, b"y" * 1000))
    assert "(1000 characters)" in long


def test_every_binding_and_every_register_has_its_words() -> None:
    assert len(REGISTER_MEANINGS) == 4
    events: list[BootEvent] = list(parse_event_log(dstack_log(BOOT)).events)
    assert {describe_binding(event) for event in events} == {
        "name and payload bound",
        "content bound, its role a claim",
        "digest only: name and payload are claims",
    }


def test_a_log_becomes_a_table() -> None:
    log = parse_event_log(dstack_log(BOOT))
    rows = event_rows(log)
    assert [f"{row.meaning} [{row.binding}]" for row in rows] == [describe_event(event) for event in log.events]
    assert [(row.number, row.register) for row in rows[-2:]] == [(12, "RTMR3"), (13, "RTMR3")]
    assert [row.bound for row in rows[:5]] == [True, True, False, False, False]


@needs_vectors
def test_the_real_log_tells_its_story() -> None:
    lines = [describe_event(event) for event in parse_event_log(cos().text).events]
    assert "said to be an EFI variable that configures Secure Boot: SecureBoot = 00 [content bound, its role a claim]" in lines
    assert "said to be an EFI boot variable: BootOrder = 01000000 [content bound, its name a claim]" in lines
    assert any(line.startswith("said to be what the boot loader ran or read: /syslinux/vmlinuz.A init=") for line in lines)
