"""Many ``verify POD_ID`` at once, of processes that share one empty cache."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import voltage_attest
from tests.cli.conftest import API_KEY
from voltage_attest.collateral.cache import CollateralCache, decode_entry
from voltage_attest.testing import COLLATERAL, Answers, SimulatedPod

NETWORK = ("--tls-ca", "ca.pem", "--trust-root", "root.pem", "-q")


@pytest.fixture
def environment(folder: Path, pod: SimulatedPod) -> dict[str, str]:
    """The environment of the processes; files as a user would have them."""
    (folder / "ca.pem").write_bytes(pod.ca_pem)
    (folder / "root.pem").write_bytes(pod.root_pem)
    (folder / "voltage-attest.toml").write_text(pod.policy_toml(), "utf-8")
    repository = str(Path(voltage_attest.__file__).parents[1])
    return os.environ | {"PYTHONPATH": repository, "VOLTAGEGPU_API_KEY": API_KEY}


def run_many(number: int, pod: SimulatedPod, folder: Path, environment: dict[str, str]) -> list[int]:
    """Exit codes of so many processes, sixteen at a time."""
    words = ("verify", "pod_7", "--api-base", pod.api_base, "--pccs", pod.pccs_base, *NETWORK)

    def one(_: int) -> int:
        command = (sys.executable, "-m", "voltage_attest.cli", *words)
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False).returncode

    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(one, range(number)))


@pytest.mark.parametrize("number", [8, pytest.param(200, marks=pytest.mark.slow)])
def test_every_verdict_is_right_and_the_cache_is_whole(
    pod: SimulatedPod, folder: Path, environment: dict[str, str], number: int
) -> None:
    assert run_many(number, pod, folder, environment) == [0] * number
    files = list(CollateralCache.for_user().directory.iterdir())
    assert len(files) == 4
    assert all(decode_entry(file.read_bytes()) is not None for file in files)
    assert pod.traffic.requests_below(COLLATERAL) <= 16 * 4


def test_none_is_verified_while_intel_is_away(pod: SimulatedPod, folder: Path, environment: dict[str, str]) -> None:
    with pod.faulty(Answers(status=404, on=COLLATERAL)):
        assert run_many(4, pod, folder, environment) == [3] * 4
