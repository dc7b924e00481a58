"""XML libraries are large and slow to load: only manifests need them, and only evidence of GPUs brings those."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

import voltage_attest
from tests.cases.devices import device_policy
from tests.cli.test_verify_devices import CHAIN, REPORT, RIMS, UNASKED, UNCOMPARED
from tests.gpu.real_devices import needs_vectors
from tests.support.outcomes import policy_text
from tests.support.real_evidence import DCAP_QVL

PACKAGE: Final = Path(voltage_attest.__file__).parents[1]
XML: Final = {"lxml", "signxml", "certifi"}
QUOTE: Final = ("verify", "--quote", str(DCAP_QVL / "tdx_quote"), "--collateral", str(DCAP_QVL / "tdx_quote_collateral.json"))
GPU: Final = ("verify", "--gpu-evidence", str(REPORT), "--gpu-chain", str(CHAIN), "--offline", "--at", "2026-03-01T00:00:00Z")


def loaded_by(words: tuple[str, ...], policy: str, folder: Path) -> tuple[set[str], set[str]]:
    """All modules that the whole process of that command has loaded when it ends: top-level names, and ours in full.

    The exit code must be 0: what is measured is a verification to its end.
    """
    (folder / "voltage-attest.toml").write_text(policy, "utf-8")
    code = (
        f"import sys\nfrom voltage_attest.cli import main\ntry: main({list(words)!r})\n"
        "except SystemExit as end: assert end.code == 0, end.code\nprint('LOADED', *sys.modules)"
    )
    environment = os.environ | {"PYTHONPATH": str(PACKAGE), "XDG_CACHE_HOME": str(folder / "cache")}
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    names = set(run.stdout.rpartition("LOADED ")[2].split())
    return {name.partition(".")[0] for name in names}, {name for name in names if name.startswith("voltage_attest.")}


def test_a_quote_alone_loads_nothing_for_gpus(tmp_path: Path) -> None:
    loaded, ours = loaded_by((*QUOTE, "--at", "2025-06-19T12:00:00Z"), policy_text(), tmp_path)
    assert loaded & XML == set()
    judges = {"verifier_devices", "verifier_nras", "crypto.xml_signature", "verify.nras", "verify.rim"}
    assert ours & {f"voltage_attest.{name}" for name in judges} == set()


def test_gpus_beside_a_quote_that_the_policy_does_not_expect_load_none_either(tmp_path: Path) -> None:
    given = ("--gpu-evidence", str(REPORT), "--gpu-chain", str(CHAIN), "--at", "2025-06-19T12:00:00Z")
    assert loaded_by((*QUOTE, *given), policy_text(), tmp_path)[0] & XML == set()


def test_gpus_whose_measurements_are_not_compared_load_none(tmp_path: Path) -> None:
    assert loaded_by(GPU, device_policy(UNCOMPARED), tmp_path)[0] & XML == set()


@needs_vectors
def test_manifests_load_them(tmp_path: Path) -> None:
    """And so the tests above look for the right names."""
    words = (*GPU, *[word for rim in RIMS for word in ("--rim", str(rim))])
    assert {"lxml", "signxml"} <= loaded_by(words, device_policy(UNASKED), tmp_path)[0]


@pytest.mark.parametrize("program", ["import voltage_attest.verifier_devices", "import voltage_attest.cli.inspect_devices"])
def test_importing_the_judges_loads_none(program: str) -> None:
    code = f"import sys\n{program}\nprint(*sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(PACKAGE)}
    run = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    assert {name.partition(".")[0] for name in run.stdout.split()} & XML == set()
