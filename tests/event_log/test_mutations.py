"""What a pod can do to a log: what changes a digest or the order is refused, what changes words is shown as words."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.event_log.logs import (
    BOOT,
    Boot,
    Record,
    booted,
    ccel,
    cos,
    dstack_log,
    failing,
    fixture,
    judge,
    near,
    needs_vectors,
    runtime,
    sealed,
)
from voltage_attest.evidence.event_description import describe_event
from voltage_attest.evidence.event_log import Binding, EventType, sha384
from voltage_attest.evidence.event_log_text import parse_event_log
from voltage_attest.result import Status

Entries = list[dict[str, Any]]


def small() -> Boot:
    """The boot that is written record by record."""
    return Boot(dstack_log(BOOT), booted(BOOT))


def edited(boot: Boot, edit: Callable[[Entries], None]) -> set[str]:
    """What fails once the log's JSON is edited."""
    entries: Entries = json.loads(boot.text)
    edit(entries)
    return failing(boot.under(json.dumps(entries).encode()))


def positions(boot: Boot) -> list[tuple[int, int]]:
    """Place and register of every event."""
    return [(place, entry["imr"]) for place, entry in enumerate(json.loads(boot.text))]


def real(role: str) -> Boot:
    return fixture("dstack-verifier-fixture-tdx-v4") if role == "fixture" else near(role)


@needs_vectors
@pytest.mark.parametrize("role", ["fixture", "gateway", "model"])
class TestOnRealLogs:
    def test_a_changed_digest_is_refused(self, role: str) -> None:
        boot = real(role)
        for place, register in positions(boot):

            def flip(entries: Entries, place: int = place) -> None:
                digest = entries[place]["digest"]
                entries[place]["digest"] = f"{int(digest[0], 16) ^ 1:x}{digest[1:]}"

            assert edited(boot, flip) == {f"rtmr{register}"}

    def test_a_dropped_event_is_refused(self, role: str) -> None:
        boot = real(role)
        for place, register in positions(boot):

            def drop(entries: Entries, place: int = place) -> None:
                del entries[place]

            assert edited(boot, drop) == {f"rtmr{register}"}

    def test_a_doubled_event_is_refused(self, role: str) -> None:
        boot = real(role)
        for place, register in positions(boot):

            def double(entries: Entries, place: int = place) -> None:
                entries.insert(place, entries[place])

            assert edited(boot, double) == {f"rtmr{register}"}

    def test_two_events_of_one_register_in_the_other_order_are_refused(self, role: str) -> None:
        boot = real(role)
        for place, register in positions(boot)[:-1]:

            def swap(entries: Entries, place: int = place) -> None:
                entries[place], entries[place + 1] = entries[place + 1], entries[place]

            same = json.loads(boot.text)[place + 1]["imr"] == register
            assert edited(boot, swap) == ({f"rtmr{register}"} if same else set())

    def test_an_event_moved_to_another_register_is_refused(self, role: str) -> None:
        boot = real(role)

        def move(entries: Entries) -> None:
            entries[0]["imr"] = 1

        assert edited(boot, move) == {"rtmr0", "rtmr1"}

    def test_a_renamed_runtime_event_is_refused(self, role: str) -> None:
        boot = real(role)
        for place, register in positions(boot):
            if register == 3:

                def rename(entries: Entries, place: int = place) -> None:
                    entries[place]["event"] += "x"

                assert edited(boot, rename) == {"runtime"}

    def test_another_payload_of_a_runtime_event_is_refused(self, role: str) -> None:
        boot = real(role)
        for place, register in positions(boot):
            if register == 3:

                def change(entries: Entries, place: int = place) -> None:
                    entries[place]["event_payload"] += "00"

                assert edited(boot, change) == {"runtime"}

    def test_forged_names_and_payloads_of_boot_events_are_shown_as_claims(self, role: str) -> None:
        """They replay, because replay looks at digests alone; nothing of them is presented as a fact."""
        boot = real(role)
        entries: Entries = json.loads(boot.text)
        for entry in entries:
            if entry["imr"] < 3:
                entry["event"], entry["event_payload"] = "verified by Intel", b"genuine".hex()
        case = boot.under(json.dumps(entries).encode())
        assert failing(case) == set()
        forged = [event for event in sealed(case).log.events if event.register < 3]
        assert {event.binding for event in forged} == {Binding.NONE}
        assert all(describe_event(event).endswith("[digest only: name and payload are claims]") for event in forged)
        assert all(describe_event(event).startswith("said to be ") for event in forged)
        assert not any("Intel" in describe_event(event) for event in forged)

    def test_a_runtime_event_said_to_be_a_boot_event_is_refused(self, role: str) -> None:
        """Otherwise a second compose-hash of the application's could hide under another type."""
        boot = real(role)
        for place, register in positions(boot):
            if register == 3:

                def retype(entries: Entries, place: int = place) -> None:
                    entries[place]["event_type"] = int(EventType.IPL)

                assert edited(boot, retype) == {"runtime"}

    def test_a_stripped_log_is_recomputed(self, role: str) -> None:
        boot = real(role)

        def strip(entries: Entries) -> None:
            for entry in entries:
                entry["digest" if entry["imr"] == 3 else "event_payload"] = ""

        assert edited(boot, strip) == set()

    def test_a_stripped_runtime_event_with_another_payload_is_refused(self, role: str) -> None:
        boot = real(role)

        def forge(entries: Entries) -> None:
            entry = next(entry for entry in entries if entry["event"] == "compose-hash")
            entry["digest"], entry["event_payload"] = "", "00" * 32

        assert edited(boot, forge) == {"rtmr3"}


@needs_vectors
def test_a_bit_of_the_ccel_changes_a_register_or_only_a_claim() -> None:
    """Every byte of the first events, flipped: refused, or what it belongs to is no longer bound."""
    boot, original = cos(), parse_event_log(cos().text)
    for place in range(65, 400):
        text = bytearray(boot.text)
        text[place] ^= 0x01
        case = boot.under(bytes(text))
        if failing(case):
            continue
        changed = [(old, new) for old, new in zip(original.events, sealed(case).log.events, strict=True) if old != new]
        assert len(changed) == 1
        (old, new) = changed[0]
        assert old.digest == new.digest
        is_bound = old.binding is not Binding.NONE
        assert new.binding is Binding.NONE or (is_bound and new.payload == old.payload) or not is_bound


class TestAnApplicationThatExtends:
    """The TD's own application may extend RTMR3 as it likes once it runs; the quote then agrees with it."""

    @pytest.mark.parametrize("name", ["app-id", "compose-hash", "instance-id", "key-provider", "os-image-hash", "system-ready"])
    def test_a_system_event_after_system_ready_is_refused(self, name: str) -> None:
        records = (*BOOT, runtime(name, b"\x22" * 32))
        assert failing(Boot(dstack_log(records), booted(records)).case()) == {"order"}

    def test_a_system_event_twice_before_boot_mr_done_is_refused(self) -> None:
        place = next(place for place, record in enumerate(BOOT) if record.name == "boot-mr-done")
        records = (*BOOT[:place], runtime("compose-hash", b"\x22" * 32), *BOOT[place:])
        assert failing(Boot(dstack_log(records), booted(records)).case()) == {"order"}

    @pytest.mark.parametrize("name", ["app-id", "compose-hash", "instance-id"])
    def test_the_identity_after_boot_mr_done_is_refused(self, name: str) -> None:
        identity = next(record for record in BOOT if record.name == name)
        rest = [record for record in BOOT if record is not identity]
        place = next(place for place, record in enumerate(rest) if record.name == "boot-mr-done") + 1
        records = (*rest[:place], identity, *rest[place:])
        assert failing(Boot(dstack_log(records), booted(records)).case()) == {"order"}

    def test_an_identity_in_another_order_is_refused(self) -> None:
        names = [record.name for record in BOOT]
        records = list(BOOT)
        first, second = names.index("app-id"), names.index("compose-hash")
        records[first], records[second] = records[second], records[first]
        assert failing(Boot(dstack_log(records), booted(records)).case()) == {"order"}

    @pytest.mark.parametrize("name", ["boot-mr-done", "system-ready"])
    def test_a_missing_milestone_is_refused(self, name: str) -> None:
        records = [record for record in BOOT if record.name != name]
        assert failing(Boot(dstack_log(records), booted(records)).case()) == {"order"}

    def test_an_application_event_before_system_ready_is_refused(self) -> None:
        records = (*BOOT[:-2], runtime("greeting", b"early"), *BOOT[-2:])
        assert failing(Boot(dstack_log(records), booted(records)).case()) == {"order"}

    def test_its_own_events_are_bound_to_its_word(self) -> None:
        log = sealed(small().case())
        assert [event.payload for event in log.runtime("greeting")] == [b"hello"]

    def test_a_name_with_a_colon_binds_nothing_by_the_first_rule(self) -> None:
        """``a:b`` with payload ``c`` and ``a`` with payload ``b:c`` have one digest."""
        records = (*BOOT, runtime("app:id", b"x"))
        assert failing(Boot(dstack_log(records), booted(records)).case()) == {"runtime"}
        moved = (*BOOT, runtime("app", b"id:x"))
        assert booted(moved).td_report.rtmr3 == booted(records).td_report.rtmr3

    def test_a_name_with_a_colon_is_bound_by_the_second_rule(self) -> None:
        records = (*BOOT, runtime("app:id", b"x", version=2))
        assert failing(Boot(dstack_log(records), booted(records)).case()) == set()

    def test_a_runtime_event_in_another_register_is_refused(self) -> None:
        records = (*BOOT, replace(runtime("greeting", b"hello"), register=2))
        assert failing(Boot(dstack_log(records), booted(records)).case()) == {"runtime"}


@pytest.mark.parametrize("version", [1, 2])
def test_the_rule_of_a_runtime_event_cannot_be_exchanged(version: int) -> None:
    records = (*BOOT, runtime("greeting", b"again", version=version))
    boot = Boot(dstack_log(records), booted(records))
    assert failing(boot.case()) == set()

    def exchange(entries: Entries) -> None:
        entries[-1]["version"] = 3 - version

    assert edited(boot, exchange) == {"runtime"}

    def exchange_stripped(entries: Entries) -> None:
        exchange(entries)
        entries[-1]["digest"] = ""

    assert edited(boot, exchange_stripped) == {"rtmr3"}


def test_events_of_a_ccel_and_of_json_replay_alike() -> None:
    records = [record for record in BOOT if record.register < 3]
    boot = Boot(ccel(records), booted(records))
    assert failing(boot.case()) == set()
    assert {finding.status for finding in judge(boot.case()).values()} == {Status.PASSED, Status.SKIPPED}
    assert [event.digest for event in parse_event_log(ccel(records)).events] == [record.extended for record in records]


def test_an_unextended_record_is_counted_and_extends_nothing() -> None:
    records = [Record(0, EventType.SEPARATOR, bytes(4)), Record(0, EventType.NO_ACTION, b"note", digest=sha384(b"x"))]
    log = parse_event_log(ccel(records))
    assert (len(log.events), log.unextended) == (1, 1)
