"""Each example of examples/gate runs as its docstring says, against a simulated pod."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from voltage_attest.testing import ANSWER

REPOSITORY = Path(__file__).resolve().parents[3]
FOLDER = REPOSITORY / "examples" / "gate"


def run(name: str, *words: str, folder: Path) -> str:
    """What the example prints; it must end well and warn of nothing."""
    kept = {variable: os.environ[variable] for variable in ("PATH", "HOME", "TMPDIR", "SYSTEMROOT") if variable in os.environ}
    ran = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-m", f"examples.gate.{name}", *words],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(REPOSITORY), "XDG_CACHE_HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    assert "simulated pod answers" in ran.stderr
    assert "Traceback" not in ran.stderr
    return ran.stdout


def test_chat(tmp_path: Path) -> None:
    assert run("chat", folder=tmp_path).startswith(f"{ANSWER}\nproven by evidence ")


def test_chat_async(tmp_path: Path) -> None:
    lines = run("chat_async", folder=tmp_path).splitlines()
    assert [line.endswith(ANSWER) for line in lines] == [True, True, True, False]
    assert lines[-1] == "attestations: 1"


def test_stream(tmp_path: Path) -> None:
    assert run("stream", folder=tmp_path) == f"{ANSWER}\n"


def test_transcribe(tmp_path: Path) -> None:
    assert run("transcribe", folder=tmp_path) == f"{ANSWER}\n"
    (tmp_path / "note.wav").write_bytes(b"RIFF")
    assert run("transcribe", "note.wav", folder=tmp_path) == f"{ANSWER}\n"


def test_notes(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in run("notes", folder=tmp_path).splitlines()]
    assert sorted(row["note"] for row in rows) == [f"note-{number:02}.txt" for number in range(1, 21)]
    assert {row["summary"] for row in rows} == {ANSWER}


def test_notes_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("fever")
    assert json.loads(run("notes", str(tmp_path), folder=tmp_path)) == {"note": "a.txt", "summary": ANSWER}


def test_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fastapi", reason="fastapi is not installed: pip install fastapi")
    from fastapi.testclient import TestClient

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("POD_ID", raising=False)
    monkeypatch.setenv("VOLTAGEGPU_API_KEY", "is replaced by the simulated pod's")
    from examples.gate.service import app

    with TestClient(app) as ward:
        assert ward.post("/summaries", json={"text": "fever"}).json() == {"text": ANSWER}
        assert ward.get("/health").json() == {"open": True, "attestations": 1}
        app.state.client.gate.close()
        refused = ward.post("/summaries", json={"text": "fever"})
        assert refused.status_code == 503
        assert "fever" not in refused.text


def test_chain(tmp_path: Path) -> None:
    pytest.importorskip("langchain_openai", reason="langchain-openai is not installed: pip install langchain-openai")
    assert run("chain", folder=tmp_path) == f"{ANSWER}\n" * 3


def test_every_example_is_tested() -> None:
    tested = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert {path.stem for path in FOLDER.glob("*.py")} - {"clinic"} <= tested
