"""One cache under many processes, and under processes that are killed in the middle of a write."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.collateral_fetch.fake_pcs import AT, REQUEST, FakePcs
from tests.collateral_fetch.fetching import service_over
from tests.collateral_fetch.loopback import serving
from voltage_attest.collateral import cache as cache_module
from voltage_attest.collateral.cache import CollateralCache, decode_entry
from voltage_attest.collateral.service import pccs_endpoint
from voltage_attest.testing.tls import TlsIdentity

THREADS = 4
KILLS = 200


def broken_files(directory: Path) -> list[str]:
    """Entries that cannot be read; what a killed writer left under a temporary name is none."""
    return [path.name for path in directory.glob("*.json") if decode_entry(path.read_bytes()) is None]


def start(repository: Path, program: str, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", f"tests.collateral_fetch.{program}", *words]
    return subprocess.Popen(command, cwd=repository, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("processes", [2, pytest.param(8, marks=pytest.mark.slow)])
def test_many_fetches_at_once_on_an_empty_cache_end_right_and_leave_it_whole(
    repository: Path, tmp_path: Path, identity: TlsIdentity, ca_file: Path, processes: int
) -> None:
    """With eight processes these are two hundred fetches."""
    pcs, directory = FakePcs(), tmp_path / "cache"
    calls = 25 if processes == 8 else 6
    with serving(pcs.script, identity.context) as server:
        words = ("worker", str(directory), server.base, str(ca_file), str(THREADS), str(calls))
        running = [start(repository, *words) for _ in range(processes)]
        lines = [line for process in running for line in process.communicate()[0].splitlines()]
    assert lines == ["verified"] * (processes * calls)
    assert len(server.targets) >= 4
    assert broken_files(directory) == []
    assert len(list(directory.iterdir())) == 4
    offline = service_over(pcs.transport, pccs_endpoint(server.base), cache=directory, offline=True)
    assert offline.fetch(REQUEST, now=AT).is_complete


@pytest.mark.slow
@pytest.mark.parametrize("way", ["unnamed", "named"])
def test_two_hundred_kills_in_mid_write_leave_no_file_unreadable(repository: Path, tmp_path: Path, way: str) -> None:
    directory = tmp_path / "cache"
    if way == "unnamed" and not cache_module._write_unnamed(tmp_path / "probe", b"x"):
        pytest.skip("this file system does not know files without a name")
    chance = random.Random(20261124)  # noqa: S311 - when to kill, not a secret
    for _ in range(KILLS):
        process = start(repository, "writer", str(directory), "200000", way)
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        time.sleep(chance.uniform(0.0, 0.02))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        process.stdout.close()
        assert broken_files(directory) == []
    leftovers = [path for path in directory.iterdir() if path.suffix == ".tmp"]
    if way == "unnamed":
        # The one moment in which a temporary name exists: the file is complete then.
        assert all(decode_entry(path.read_bytes()) for path in leftovers)
    cache = CollateralCache(directory)
    cache.sweep(pytest.fail, now=time.time() + 120)
    assert {path.suffix for path in directory.iterdir()} == {".json"}
