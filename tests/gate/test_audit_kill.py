"""Writers that are killed in the middle: what was acknowledged is there, and the chain holds."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from voltage_attest.gate.audit_verify import audit_records, verify_audit_log

REPOSITORY = Path(__file__).resolve().parents[2]
WRITERS = 4


def run_and_kill(path: Path, chance: random.Random) -> set[tuple[int, str]]:
    """Let some processes write, kill them all at chance moments, and return what was acknowledged to them."""
    command = (sys.executable, "-m", "tests.gate.audit_writer", str(path))
    writers = [subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE) for _ in range(WRITERS)]
    acknowledged: set[tuple[int, str]] = set()
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline()  # all of them write now; this one's first line is in the log, as others' are
    for writer in writers:
        time.sleep(chance.uniform(0.0, 0.05))
        writer.send_signal(signal.SIGKILL)
    for writer in writers:
        output, _ = writer.communicate()
        assert writer.returncode == -signal.SIGKILL
        for line in output.decode().splitlines(keepends=True):
            seq, _, digest = line.rstrip("\n").partition(" ")
            if line.endswith("\n"):
                acknowledged.add((int(seq), digest))
    return acknowledged


@pytest.mark.parametrize("rounds", [3, pytest.param(60, marks=pytest.mark.slow)])
def test_every_acknowledged_record_survives_kill_9_and_the_chain_verifies(tmp_path: Path, rounds: int) -> None:
    path, chance = tmp_path / "audit.jsonl", random.Random(20261124)  # noqa: S311 - chooses moments, not keys
    acknowledged: set[tuple[int, str]] = set()
    for _ in range(rounds):
        acknowledged |= run_and_kill(path, chance)
        report = verify_audit_log(path)
        assert report.faults == ()
        assert report.sealed
    there = {(record.seq, record.sha256) for record in audit_records(path)}
    assert acknowledged <= there
    assert len(acknowledged) > rounds * WRITERS
