"""The program under test, run in this process, with real evidence and an empty working folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.support.outcomes import policy_text
from tests.support.real_evidence import DCAP_QVL
from voltage_attest.cli import main

Run = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, fresh; and no variable of the caller's that changes output."""
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "VOLTAGE_ATTEST_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def run(folder: Path) -> Run:
    """Run the program with these words (paths allowed); ``stdin`` is bytes."""
    assert folder.is_dir()

    def invoke(*words: str | Path, stdin: bytes | None = None) -> Result:
        result = CliRunner().invoke(main, [str(word) for word in words], input=stdin)
        assert "Traceback" not in result.output
        return result

    return invoke


@pytest.fixture
def quote() -> Path:
    """A real quote."""
    return DCAP_QVL / "tdx_quote"


@pytest.fixture
def collateral() -> Path:
    """Its collateral."""
    return DCAP_QVL / "tdx_quote_collateral.json"


@pytest.fixture
def policy(folder: Path) -> Path:
    """A policy that leaves everything open but the TCB."""
    path = folder / "open.toml"
    path.write_text(policy_text(), "utf-8")
    return path


@pytest.fixture
def verify(run: Run, quote: Path, collateral: Path, policy: Path) -> Run:
    """Run ``verify`` on the real pair inside its window, with what a test changes: ``verify("-q", quote=other, at=None)``."""

    def invoke(*words: str | Path, stdin: bytes | None = None, **changed: str | Path | None) -> Result:
        options: dict[str, str | Path | None] = {"quote": quote, "collateral": collateral, "policy": policy}
        options |= {"at": "2025-06-19T12:00:00Z"} | changed
        given = [
            word for name, value in options.items() if value is not None for word in (f"--{name.replace('_', '-')}", value)
        ]
        return run("verify", *given, *words, stdin=stdin)

    return invoke
