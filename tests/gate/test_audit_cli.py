"""``voltage-attest audit``: what it says, and what it exits with."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from voltage_attest.cli.audit import audit
from voltage_attest.cli.program import Program
from voltage_attest.gate.audit import AuditLog
from voltage_attest.gate.audit_record import AuditEvent, AuditKind, parse_record

AT = datetime(2026, 11, 24, 17, tzinfo=UTC)
Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    program = Program("voltage-attest", commands={"audit": audit})

    def invoke(*words: str) -> Result:
        result = CliRunner().invoke(program, ["audit", *words])
        assert "Traceback" not in result.output
        return result

    return invoke


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    """Three requests, a minute apart, and how two of them ended."""
    made = AuditLog(tmp_path / "audit.jsonl")
    for minute in range(3):
        at = AT + timedelta(minutes=minute)
        request = AuditEvent(
            kind=AuditKind.REQUEST,
            pod="pod_7",
            method="POST",
            path="/v1/confidential/chat/completions",
            model=f"model-{minute}",
            verdict="verified",
        )
        seq = made.append(request, at=at).seq
        if minute < 2:
            outcome = AuditEvent(
                kind=AuditKind.OUTCOME, request_seq=seq, outcome="complete", status=200, request_bytes=120, response_bytes=340
            )
            made.append(outcome, at=at)
    return made


def alter(log: AuditLog) -> None:
    log.path.write_bytes(log.path.read_bytes().replace(b"model-1", b"model-9"))


@pytest.mark.usefixtures("log")
def test_an_intact_log_exits_0_and_names_its_last_record(run: Run) -> None:
    result = run("verify", "audit.jsonl")
    assert result.exit_code == 0
    assert "6 records from 2026-11-24T17:00:00.000000Z to 2026-11-24T17:02:00.000000Z" in result.output
    assert "INTACT" in result.output
    head = result.output.rpartition("last record: ")[2].strip()
    assert run("verify", "audit.jsonl", "--head", head.upper()).exit_code == 0
    assert run("verify", "audit.jsonl", "-q").output == ""


def test_an_altered_log_exits_1_and_names_the_line(run: Run, log: AuditLog) -> None:
    alter(log)
    result = run("verify", "audit.jsonl", "-q")
    assert result.exit_code == 1
    assert "ALTERED: line 4: its seal is not by this log's key" in result.output


def test_a_log_without_its_key_is_undecided(run: Run, log: AuditLog) -> None:
    kept = log.key_path.rename(log.path.with_name("elsewhere"))
    assert run("verify", "audit.jsonl").exit_code == 3
    assert run("verify", "audit.jsonl", "--key", str(kept)).exit_code == 0


@pytest.mark.usefixtures("log")
def test_a_record_that_is_gone_is_missed(run: Run) -> None:
    assert run("verify", "audit.jsonl", "--head", "0" * 64).exit_code == 1
    assert run("verify", "audit.jsonl", "--head", "short").exit_code == 2


def test_what_a_crash_left_is_a_note(run: Run, log: AuditLog) -> None:
    with log.path.open("ab") as file:
        file.write(b'{"schema"')
    result = run("verify", "audit.jsonl")
    assert result.exit_code == 0
    assert "note: line 7: 9 bytes torn by a crash" in result.output
    log.append(AuditEvent(kind=AuditKind.GATE, outcome="opened"), at=AT)
    shown = run("show", "audit.jsonl").output
    assert "repair" in shown
    assert "torn by a crash" in shown
    assert "opened" in shown


def test_the_policy_names_the_log(run: Run, log: AuditLog, tmp_path: Path) -> None:
    pins = "\n".join(f'{name} = {{ unpinned = "a test" }}' for name in ("mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3"))
    text = f'schema = "voltage-attest/policy/1"\nname = "clinic"\n[tdx]\n{pins}\n'
    policy = tmp_path / "voltage-attest.toml"
    policy.write_text(text)
    assert "names no log" in run("verify").output
    policy.write_text(f'{text}[audit]\npath = "{log.path.name}"\n')
    assert run("verify").exit_code == 0
    assert run("verify", "--policy", "absent.toml").exit_code == 2


@pytest.mark.parametrize("command", ["verify", "show", "export"])
def test_a_log_that_is_not_there_is_a_usage_error(run: Run, command: str) -> None:
    result = run(command, "absent.jsonl")
    assert result.exit_code == 2
    assert "cannot be read" in result.output


@pytest.mark.usefixtures("log")
def test_a_request_is_shown_in_one_line_with_its_end(run: Run) -> None:
    lines = run("show", "audit.jsonl").output.splitlines()
    assert len(lines) == 4
    assert "opened" in lines[0]
    assert lines[1].split() == [
        *("2", "2026-11-24T17:00:00Z", "request", "pod_7", "POST", "/v1/confidential/chat/completions", "model-0", "verified"),
        *("200", "complete", "120", "bytes", "sent,", "340", "received"),
    ]
    assert lines[3].endswith("model-2  verified")


@pytest.mark.usefixtures("log")
def test_records_are_chosen_by_time_and_number(run: Run) -> None:
    chosen = run("show", "audit.jsonl", "--from", "2026-11-24T17:01:00Z", "--to", "2026-11-24T18:02:00+01:00").output
    assert "model-1" in chosen
    assert "model-0" not in chosen
    assert "model-2" not in chosen
    assert run("show", "audit.jsonl", "-n", "1").output.count("\n") == 1
    assert "No record" in run("show", "audit.jsonl", "--from", "2027-01-01T00:00:00Z").output


def test_an_export_holds_the_lines_themselves(run: Run, log: AuditLog) -> None:
    result = run("export", "audit.jsonl")
    assert result.exit_code == 0
    assert result.output == log.path.read_text()
    assert all(parse_record(line.encode()) for line in result.output.splitlines())


def test_an_export_leaves_out_what_is_torn(run: Run, log: AuditLog, tmp_path: Path) -> None:
    with log.path.open("ab") as file:
        file.write(b"\0\0\0")
    log.append(AuditEvent(kind=AuditKind.GATE), at=AT)
    assert run("export", "audit.jsonl", "-o", "out.jsonl").exit_code == 0
    assert [json.loads(line)["seq"] for line in (tmp_path / "out.jsonl").read_text().splitlines()] == [*range(1, 9)]


def test_an_altered_log_is_exported_up_to_there_and_exits_1(run: Run, log: AuditLog) -> None:
    alter(log)
    result = run("export", "audit.jsonl", "-o", "out.jsonl")
    assert result.exit_code == 1
    assert "line 4" in result.output


@pytest.mark.usefixtures("log")
def test_a_table_has_a_column_for_everything_that_an_event_can_say(run: Run) -> None:
    from dataclasses import fields

    rows = list(csv.DictReader(run("export", "audit.jsonl", "--format", "csv").output.splitlines()))
    assert [row["seq"] for row in rows] == ["1", "2", "3", "4", "5", "6"]
    assert rows[1]["model"] == "model-0"
    assert rows[2]["response_bytes"] == "340"
    assert {item.name for item in fields(AuditEvent)} <= set(rows[0]) | {"key_id", "torn_offset", "torn_bytes", "torn_sha256"}
