"""The installed program as a process of its own: exit codes, streams, what it loads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import voltage_attest
from tests.support.real_evidence import DCAP_QVL

SCRIPT = Path(sys.executable).with_name("voltage-attest")
MODULE = (sys.executable, "-m", "voltage_attest.cli")
EXAMPLE = Path(voltage_attest.__file__).parents[1] / "examples" / "verify" / "voltage-attest.toml"
WORDS = ("--collateral", str(DCAP_QVL / "tdx_quote_collateral.json"), "--at", "2025-06-19T12:00:00Z", "--policy", str(EXAMPLE))
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(voltage_attest.__file__).parents[1])}
"""So that it is this package that runs, installed or not."""

HEAVY = {"cryptography", "click", "rich", "json", "dataclasses", "httpx", "pydantic"}


@pytest.fixture(params=["script", "module"])
def program(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """How a person starts it."""
    if request.param == "script" and not SCRIPT.exists():
        pytest.skip("voltage-attest is not installed beside this Python")
    return (str(SCRIPT),) if request.param == "script" else MODULE


def start(program: tuple[str, ...], *words: str, folder: Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run((*program, *words), cwd=folder, env=ENVIRONMENT, input=stdin, capture_output=True, check=False)


def test_verdicts_are_exit_codes(program: tuple[str, ...], tmp_path: Path) -> None:
    quote = (DCAP_QVL / "tdx_quote").read_bytes()
    verified = start(program, "verify", "--quote", "-", *WORDS, folder=tmp_path, stdin=quote)
    assert (verified.returncode, verified.stderr) == (0, b"")
    assert verified.stdout.startswith(b"VERIFIED: ")
    assert b"\x1b" not in verified.stdout

    flipped = quote[:200] + bytes([quote[200] ^ 1]) + quote[201:]
    refused = start(program, "verify", "--quote", "-", *WORDS, folder=tmp_path, stdin=flipped)
    assert (refused.returncode, refused.stderr) == (1, b"")
    assert b"FAILED     tdx.quote.signature" in refused.stdout


def test_a_verdict_survives_a_closed_output(tmp_path: Path) -> None:
    words = ("verify", "--quote", str(DCAP_QVL / "tdx_quote"), *WORDS)
    closed = ["sh", "-c", '"$@" >&-', "sh", *MODULE, *words]
    assert subprocess.run(closed, cwd=tmp_path, env=ENVIRONMENT, check=False).returncode == 0


def test_a_closed_input_is_a_usage_error(tmp_path: Path) -> None:
    closed = ["sh", "-c", '"$@" <&-', "sh", *MODULE, "verify", "--quote", "-", *WORDS]
    result = subprocess.run(closed, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "standard input (-) is closed" in result.stderr


def test_usage_errors_go_to_standard_error(program: tuple[str, ...], tmp_path: Path) -> None:
    result = start(program, "verify", "--quote", "no_such_file", *WORDS, folder=tmp_path)
    assert (result.returncode, result.stdout) == (2, b"")
    assert b"no_such_file cannot be read" in result.stderr


def test_the_version_is_told_under_the_programs_name(program: tuple[str, ...], tmp_path: Path) -> None:
    assert start(program, "--version", folder=tmp_path).stdout.decode() == f"voltage-attest {voltage_attest.__version__}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_get_their_completion(tmp_path: Path, shell: str) -> None:
    environment = ENVIRONMENT | {"_VOLTAGE_ATTEST_COMPLETE": f"{shell}_source"}
    if not SCRIPT.exists():
        pytest.skip("voltage-attest is not installed beside this Python")
    result = subprocess.run([SCRIPT], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0
    assert "_VOLTAGE_ATTEST_COMPLETE" in result.stdout


def loaded_by(program: str) -> set[str]:
    """The top-level modules that a Python program has loaded when it ends."""
    code = f"{program}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    return set(
        subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, check=True, capture_output=True, text=True).stdout.split()
    )


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded_by("import voltage_attest") & HEAVY == set()


def test_the_facade_gives_every_name_and_refuses_others() -> None:
    assert set(voltage_attest.__all__) <= set(dir(voltage_attest))
    for name in voltage_attest.__all__:
        assert getattr(voltage_attest, name) is getattr(voltage_attest, name)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        voltage_attest.nonsense  # noqa: B018 - the access is the test


def test_explaining_a_check_loads_no_cryptography() -> None:
    program = "from voltage_attest.cli import main\ntry: main(['explain', 'tdx.pck.chain'])\nexcept SystemExit: pass"
    assert loaded_by(program) & {"cryptography", "rich"} == set()


def test_verifying_files_loads_no_rich_and_no_network() -> None:
    words = ["verify", "--quote", str(DCAP_QVL / "tdx_quote"), *WORDS]
    program = f"from voltage_attest.cli import main\ntry: main({words!r})\nexcept SystemExit: pass"
    assert loaded_by(program) & {"rich", "httpx", "asyncio", "tomlkit", "platformdirs"} == set()
