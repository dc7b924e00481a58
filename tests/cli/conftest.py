"""The program under test, run in this process, with real evidence and an empty working folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.support.outcomes import policy_text
from tests.support.real_evidence import DCAP_QVL
from voltage_attest.cli import main
from voltage_attest.testing import SimulatedPod

Run = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, fresh, with an empty cache; and no variable of the caller's that changes output."""
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "VOLTAGE_ATTEST_DEBUG", "VOLTAGEGPU_API_KEY", "VOLT_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("caches")))
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


API_KEY = "key-that-nobody-may-see-7341"


@pytest.fixture
def pod() -> Iterator[SimulatedPod]:
    """A pod on loopback."""
    with SimulatedPod(pod_id="pod_7", api_key=API_KEY) as running:
        yield running


@pytest.fixture
def live(run: Run, folder: Path, pod: SimulatedPod, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command that asks the pod, with the key in the environment and the pod's policy in the working folder.

    The key is never seen: not in what is printed, nor in any file that is there afterwards.
    """
    (folder / "ca.pem").write_bytes(pod.ca_pem)
    (folder / "root.pem").write_bytes(pod.root_pem)
    (folder / "voltage-attest.toml").write_text(pod.policy_toml(), "utf-8")
    monkeypatch.setenv("VOLTAGEGPU_API_KEY", API_KEY)

    def invoke(command: str, *words: str | Path) -> Result:
        network = ("--pccs", pod.pccs_base, "--tls-ca", "ca.pem", "--trust-root", "root.pem")
        result = run(
            command, *words, *network, *(("--api-base", pod.api_base) if pod.pod_id in words or "nope" in words else ())
        )
        written = [file.read_bytes() for file in folder.iterdir() if file.is_file() and file.name != "key"]
        assert API_KEY not in result.output
        assert not any(API_KEY.encode() in content for content in written)
        return result

    return invoke
