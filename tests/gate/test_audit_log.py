"""The audit log keeps what it acknowledged, shows what was done to it, and when it cannot be written says so."""

from __future__ import annotations

import errno
import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from voltage_attest.errors import AuditError
from voltage_attest.gate import audit_file
from voltage_attest.gate.audit import AuditLog, AuditReceipt
from voltage_attest.gate.audit_record import WITHHELD, AuditEvent, AuditKind, AuditRecord, parse_record
from voltage_attest.gate.audit_verify import AuditReport, audit_records, verify_audit_log

AT = datetime(2026, 11, 24, 17, tzinfo=UTC)
EVENT = AuditEvent(kind=AuditKind.REQUEST, pod="pod_7", path="/v1/confidential/chat/completions", model="meta-llama/Llama-TEE")

every_folder_is_fresh = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit" / "voltage-attest.jsonl"


def filled(path: Path, number: int = 5) -> list[AuditReceipt]:
    log = AuditLog(path)
    return [log.append(EVENT, at=AT) for _ in range(number)]


def restart(path: Path) -> AuditReceipt:
    """What the next process appends, which knows nothing of the log."""
    return AuditLog(path).append(EVENT, at=AT)


def records(path: Path) -> list[AuditRecord]:
    return list(audit_records(path))


def intact(path: Path) -> AuditReport:
    report = verify_audit_log(path)
    assert report.faults == ()
    assert report.sealed
    return report


def test_a_new_log_says_first_which_key_it_has(path: Path) -> None:
    (receipt,) = filled(path, 1)
    opened, request = records(path)
    assert (opened.seq, opened.kind, opened.prev) == (1, AuditKind.OPENED, "0" * 64)
    assert len(str(opened.says["key_id"])) == 64
    assert (request.seq, request.kind, request.prev) == (receipt.seq, AuditKind.REQUEST, opened.sha256)
    assert request.says == {"pod": "pod_7", "path": "/v1/confidential/chat/completions", "model": "meta-llama/Llama-TEE"}
    assert request.at == "2026-11-24T17:00:00.000000Z"


def test_log_and_key_are_for_their_owner_alone(path: Path) -> None:
    filled(path)
    for file in (path, path.with_name(f"{path.name}.key")):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert path.with_name(f"{path.name}.key").read_text().strip() not in path.read_text()


def test_every_line_is_json_and_names_the_line_before(path: Path) -> None:
    filled(path)
    lines = path.read_bytes().splitlines()
    assert [json.loads(line)["seq"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert intact(path).records == 6


def test_the_head_is_what_the_writer_was_told(path: Path) -> None:
    *_, earlier, last = filled(path)
    assert intact(path).head == last.sha256
    assert verify_audit_log(path, head=earlier.sha256).is_intact


def test_a_log_that_lost_its_end_is_found_out_by_a_head_noted_earlier(path: Path) -> None:
    last = filled(path)[-1]
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    assert intact(path).records == 5
    assert "ends earlier than it once did" in verify_audit_log(path, head=last.sha256).faults[0]


@pytest.mark.parametrize(
    "text",
    ["John Doe", "a,b", 'a"b', "ä", "a\nb", "x" * 201, ""],
    ids=["space", "comma", "quote", "umlaut", "newline", "long", "empty"],
)
def test_what_does_not_look_like_a_name_is_withheld(path: Path, text: str) -> None:
    event = AuditEvent(kind=AuditKind.OUTCOME, model=text, request=text, evidence_sha256=(text,))
    AuditLog(path).append(event, at=AT)
    assert records(path)[-1].says == {"model": WITHHELD, "request": WITHHELD, "evidence_sha256": [WITHHELD]}


@pytest.mark.parametrize(
    ("sent", "written"),
    [
        ("/v1/confidential/files/file-abc/content", "/v1/confidential/files/*/content"),
        ("/v1/confidential/John/Doe", "/v1/confidential/*/*"),
        ("/v1/confidential/models?name=John", "/v1/confidential/models"),
        ("/v1/confidential/models/meta-llama%2FLlama", "/v1/confidential/models/*"),
        ("/" + "a/" * 50, "/" + "/".join("*" * 12)),
    ],
)
def test_of_a_path_only_words_of_the_api_are_written(path: Path, sent: str, written: str) -> None:
    AuditLog(path).append(AuditEvent(kind=AuditKind.REQUEST, path=sent), at=AT)
    assert records(path)[-1].says["path"] == written


def test_a_body_is_digested_under_a_key_of_the_log(path: Path, tmp_path: Path) -> None:
    first, second = AuditLog(path), AuditLog(tmp_path / "other.jsonl")
    digests = [log.digest() for log in (first, first, second)]
    for digest in digests:
        digest.update(b"yes")
        digest.update(b"")
    assert digests[0].hexdigest() == digests[1].hexdigest() != digests[2].hexdigest()
    assert digests[0].size == 3


def test_threads_with_logs_of_their_own_write_one_chain(path: Path) -> None:
    def write(_: int) -> list[AuditReceipt]:
        return filled(path, 10)

    with ThreadPoolExecutor(16) as pool:
        receipts = [receipt for some in pool.map(write, range(16)) for receipt in some]
    assert sorted(receipt.seq for receipt in receipts) == list(range(2, 162))
    assert {record.sha256 for record in records(path)} >= {receipt.sha256 for receipt in receipts}
    assert intact(path).records == 161


def test_a_child_of_fork_continues_the_chain(path: Path) -> None:
    log = AuditLog(path)
    log.append(EVENT, at=AT)
    child = os.fork()
    if child == 0:
        log.append(EVENT, at=AT)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    log.append(EVENT, at=AT)
    assert intact(path).records == 4


def test_a_rotated_log_ends_and_a_new_one_begins_under_the_same_key(path: Path) -> None:
    log = AuditLog(path)
    log.append(EVENT, at=AT)
    old = path.rename(path.with_name("old.jsonl"))
    log.append(EVENT, at=AT)
    assert intact(path).records == 2
    assert verify_audit_log(old, key_path=path.with_name(f"{path.name}.key")).is_intact


# What a crash leaves.


def test_a_line_torn_at_any_byte_is_repaired_and_no_record_is_lost(path: Path) -> None:
    filled(path, 3)
    whole = path.read_bytes()
    last = whole.rindex(b"\n", 0, -1) + 1
    for cut in range(last + 1, len(whole) - 1):
        path.write_bytes(whole[:cut])
        assert intact(path).records == 3
        assert "torn by a crash; the next record will repair it" in intact(path).notes[0]
        receipt = restart(path)
        report = intact(path)
        assert report.head == receipt.sha256
        assert report.records == 5
        assert path.read_bytes().startswith(whole[:cut])
        assert report.notes == (f"line 4: {cut - last + 1} bytes torn by a crash, and repaired since",)


def test_a_line_that_lacks_its_newline_alone_is_a_record(path: Path) -> None:
    filled(path, 3)
    path.write_bytes(path.read_bytes()[:-1])
    assert intact(path).records == 4
    restart(path)
    assert intact(path).records == 5
    assert intact(path).notes == ()


def test_a_process_that_wrote_before_repairs_what_another_has_torn(path: Path) -> None:
    log = AuditLog(path)
    log.append(EVENT, at=AT)
    with path.open("ab") as file:
        file.write(b'{"schema":"voltage-att')
    log.append(EVENT, at=AT)
    assert [record.kind.value for record in records(path)] == ["opened", "request", "repair", "request"]
    assert intact(path).records == 4


def test_a_torn_repair_is_repaired(path: Path) -> None:
    filled(path, 1)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"schema":"volt')
    restart(path)
    repaired = path.read_bytes()
    for cut in range(len(whole) + 16, repaired.rindex(b"\n", 0, -1)):
        path.write_bytes(repaired[:cut])
        restart(path)
        assert [record.kind.value for record in records(path)] == ["opened", "request", "repair", "request"]
        assert intact(path).records == 4


def test_blocks_that_were_never_written_are_torn_with_all_behind_them(path: Path) -> None:
    filled(path, 5)
    lines = path.read_bytes().splitlines(keepends=True)
    lost = [b"\0" * (len(lines[3]) - 1) + b"\n", lines[3][:100] + b"\0" * 60 + lines[3][160:]]
    for zeros in lost:
        path.write_bytes(b"".join([*lines[:3], zeros, *lines[4:]]))
        restart(path)
        report = intact(path)
        assert report.records == 5
        assert "with 2 records behind it that were never acknowledged" in report.notes[0]


def test_zeros_up_to_the_end_are_torn(path: Path) -> None:
    filled(path, 2)
    with path.open("ab") as file:
        file.write(bytes(5000))
    restart(path)
    assert intact(path).records == 5


def test_a_log_of_nothing_but_zeros_begins_again(path: Path) -> None:
    filled(path, 1)
    path.write_bytes(bytes(3 * 1024 * 1024))
    restart(path)
    assert [record.kind.value for record in records(path)] == ["repair", "request"]
    assert intact(path).notes != ()


def test_the_end_of_a_long_log_is_found_without_reading_all_of_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(path, 1)
    first = path.read_bytes()
    last = records(path)[-1]
    log = AuditLog(path)
    assert log.append(EVENT, at=AT).seq == last.seq + 1
    monkeypatch.setattr("voltage_attest.gate.audit_chain._WINDOW", 700)
    for number in range(10):
        assert restart(path).seq == last.seq + 2 + number
    with path.open("ab") as file:
        file.write(b"{")
    restart(path)
    assert path.read_bytes().startswith(first)
    assert intact(path).records == 15


# What a person does to it.


def test_an_altered_line_closes_the_log_and_is_named(path: Path) -> None:
    filled(path, 5)
    path.write_bytes(path.read_bytes().replace(b'"seq":4', b'"seq":9'))
    with pytest.raises(AuditError, match="was altered at byte"):
        restart(path)
    assert verify_audit_log(path).faults == ("line 4: its seal is not by this log's key",)


@given(data=st.data())
@every_folder_is_fresh
def test_no_byte_can_be_changed_unseen(path: Path, data: st.DataObject) -> None:
    if not path.exists():
        filled(path, 3)
    whole = path.read_bytes()
    position = data.draw(st.integers(0, len(whole) - 1))
    octet = data.draw(st.integers(0, 255).filter(lambda value: value != whole[position]))
    try:
        path.write_bytes(whole[:position] + bytes([octet]) + whole[position + 1 :])
        report = verify_audit_log(path)
        in_last_line = position > whole.rindex(b"\n", 0, -1)
        assert report.faults or (report.notes and (in_last_line or octet == 0))
        assert report.records < 4
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_no_line_can_be_removed_repeated_or_swapped(path: Path, number: int) -> None:
    filled(path, 5)
    lines = path.read_bytes().splitlines(keepends=True)
    before, line, after = lines[:number], lines[number], lines[number + 1 :]
    for altered in ([*before, *after], [*before, line, line, *after], [*before, *after[:1], line, *after[1:]]):
        path.write_bytes(b"".join(altered))
        assert not verify_audit_log(path).is_intact
        with pytest.raises(AuditError):
            restart(path)


def test_a_chain_made_anew_lacks_the_seal(path: Path, tmp_path: Path) -> None:
    filled(path)
    forged = tmp_path / "forged.jsonl"
    filled(forged)
    path.write_bytes(forged.read_bytes())
    assert verify_audit_log(path).faults == ("line 1: its seal is not by this log's key",)


def test_without_the_key_the_chain_alone_is_looked_at(path: Path) -> None:
    filled(path)
    path.with_name(f"{path.name}.key").unlink()
    report = verify_audit_log(path)
    assert (report.is_intact, report.sealed) == (True, False)


def test_a_repair_that_covers_a_good_record_is_a_fault(path: Path) -> None:
    filled(path, 3)
    lines = path.read_bytes().splitlines(keepends=True)
    altered = lines[2].replace(b'"pod":"pod_7"', b'"pod":"pod_8"')
    path.write_bytes(b"".join([*lines[:2], altered[:-3]]))
    restart(path)
    repair = path.read_bytes().splitlines(keepends=True)[3:]
    assert intact(path).notes
    path.write_bytes(b"".join([*lines[:2], lines[2], *repair]))
    assert not verify_audit_log(path).is_intact


def test_a_repair_of_nothing_is_a_fault(path: Path) -> None:
    filled(path, 1)
    AuditLog(path).append(AuditEvent(kind=AuditKind.REPAIR, torn_offset=0, torn_bytes=0), at=AT)
    assert verify_audit_log(path).faults == ("line 3: it repairs nothing",)


@pytest.mark.parametrize(
    "line", [b"", b"{}", b"[]", b"nonsense", b'{"schema":"voltage-attest/audit/1"}', b"\xff", b"[" * 100_000]
)
def test_what_is_no_record_is_none(line: bytes) -> None:
    assert parse_record(line) is None


@given(st.binary())
def test_parsing_never_raises(line: bytes) -> None:
    assert parse_record(line) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"seq":1', b'"seq":1.0'),
        (b'"seq":1', b'"seq": 1'),
        (b"opened", b"closed"),
        (b'"prev":"0', b'"prev":"g'),
        (b'{"schema"', b'{"at":1,"schema"'),
    ],
)
def test_a_record_has_one_spelling(path: Path, old: bytes, new: bytes) -> None:
    filled(path, 1)
    line = path.read_bytes().splitlines()[0]
    assert parse_record(line) is not None
    assert parse_record(line.replace(old, new)) is None


# When it cannot be written.


def test_a_full_disk_is_an_error_and_leaves_the_log_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(path, 2)
    before = path.read_bytes()
    write = os.write

    def full(descriptor: int, content: bytes) -> int:
        if len(content) < 100:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, content[: len(content) - 60])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(AuditError, match="No space left on device"):
        restart(path)
    assert path.read_bytes() == before
    monkeypatch.undo()
    restart(path)
    assert intact(path).notes == ()


def test_a_failed_sync_is_an_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(AuditError, match="Input/output error"):
        filled(path)


def test_a_record_is_synced_when_it_is_whole_unless_it_may_wait(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = AuditLog(path)
    log.append(EVENT, at=AT)
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_size))
    log.append(EVENT, at=AT, durable=False)
    assert synced == []
    log.append(EVENT, at=AT)
    assert synced == [path.stat().st_size]


def test_a_directory_in_its_place_is_an_error(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(AuditError, match="cannot be written"):
        filled(path)


def test_a_link_in_its_place_is_not_followed(path: Path, tmp_path: Path) -> None:
    filled(path)
    elsewhere = path.rename(tmp_path / "elsewhere")
    path.symlink_to(elsewhere)
    with pytest.raises(AuditError, match="symbolic link"):
        restart(path)


def test_a_pipe_in_its_place_is_an_error(path: Path) -> None:
    path.parent.mkdir()
    os.mkfifo(path)
    with pytest.raises(AuditError, match="no regular file"):
        filled(path)


def test_a_lost_key_is_not_replaced_by_another(path: Path) -> None:
    filled(path)
    path.with_name(f"{path.name}.key").unlink()
    with pytest.raises(AuditError, match="has no key"):
        restart(path)
    with pytest.raises(AuditError, match="has no key"):
        AuditLog(path).digest()


@pytest.mark.parametrize("content", ["", "00", "zz" * 32, "0" * 63])
def test_a_damaged_key_is_an_error(path: Path, content: str) -> None:
    filled(path)
    path.with_name(f"{path.name}.key").write_text(content)
    with pytest.raises(AuditError, match="damaged"):
        restart(path)


def test_a_key_that_others_can_read_is_an_error(path: Path) -> None:
    filled(path)
    path.with_name(f"{path.name}.key").chmod(0o640)
    with pytest.raises(AuditError, match="open to other users"):
        restart(path)


def test_a_key_may_lie_elsewhere(path: Path, tmp_path: Path) -> None:
    key_path = tmp_path / "keys" / "audit.key"
    AuditLog(path, key_path=key_path).append(EVENT, at=AT)
    assert verify_audit_log(path, key_path=key_path).sealed
    assert not verify_audit_log(path).sealed


def test_a_writer_that_never_lets_go_is_an_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(path)
    monkeypatch.setattr(audit_file, "LOCK_PATIENCE", 0.01)
    with (
        audit_file.open_log(path) as descriptor,
        audit_file.exclusive(descriptor, path),
        pytest.raises(AuditError, match="locked by another process"),
    ):
        restart(path)


def test_a_log_that_is_not_there_cannot_be_verified(path: Path) -> None:
    with pytest.raises(AuditError, match="cannot be read"):
        verify_audit_log(path)


def test_nothing_secret_is_in_a_repr(path: Path) -> None:
    filled(path)
    secret = path.with_name(f"{path.name}.key").read_text().strip()
    log = AuditLog(path)
    digest = log.digest()
    digest.update(b"PHI")
    assert secret not in repr((log, log.__dict__, digest))
