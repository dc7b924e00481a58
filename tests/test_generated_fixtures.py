"""The files under ``fixtures/generated`` are what the generator writes, and are judged as they say."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from voltage_attest.policy import load_policy
from voltage_attest.result import Status
from voltage_attest.trust import TrustRoots
from voltage_attest.verifier import Evidence, Verifier

GENERATED = Path(__file__).resolve().parent.parent / "fixtures" / "generated"
FOLDERS = sorted(path.parent for path in GENERATED.glob("*/case.json"))


def test_every_byte_is_reproduced(repository: Path) -> None:
    check = [sys.executable, str(repository / "fixtures" / "generate.py"), "--check"]
    completed = subprocess.run(check, check=False, capture_output=True, text=True)
    assert (completed.returncode, completed.stdout) == (0, ""), completed.stderr


def test_there_are_fixtures() -> None:
    assert len(FOLDERS) >= 12


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_fixture_is_judged_as_it_says(folder: Path) -> None:
    expected = json.loads((folder / "case.json").read_text("utf-8"))
    roots = TrustRoots.from_pem(intel=(GENERATED / "root.pem").read_bytes())
    result = Verifier(load_policy(folder / "policy.toml"), roots=roots).examine(
        Evidence(quote=(folder / "quote.bin").read_bytes()),
        (folder / "collateral.json").read_bytes(),
        at=datetime.fromisoformat(expected["at"]),
    )
    rows = result.by_status()
    assert result.verdict == expected["verdict"]
    assert sorted(row.id for row in rows[Status.FAILED]) == expected["failed"]
    assert sorted(row.id for row in rows[Status.ERROR]) == expected["errors"]
    if expected["tcb_status"] is not None:
        assert result.tdx is not None
        assert result.tdx.tcb_status == expected["tcb_status"]
