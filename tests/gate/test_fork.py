"""Prefork servers: a child uses nothing of its parent's, attests by itself, and the parent goes on undisturbed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gate.world import Scene
from voltage_attest.testing import ATTESTATION, INFERENCE, Slow

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


@pytest.mark.parametrize("when", ["idle", "attesting"])
def test_a_forked_child_attests_anew_and_shares_no_connection(
    scene: Scene, tmp_path: Path, repository: Path, when: str
) -> None:
    (tmp_path / "policy.toml").write_text(scene.pod.policy_toml(), "utf-8")
    (tmp_path / "root.pem").write_bytes(scene.pod.root_pem)
    if when == "attesting":
        scene.pod.set_faults(Slow(seconds=0.5, on=ATTESTATION, times=1))
    pod = scene.pod
    # From Python 3.12 on, a process with threads that forks is warned; that it goes well here is what is tested.
    command = [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", str(repository / "tests/gate/forking.py")]
    arguments = [scene.door.base, pod.api_base, pod.api_key, "policy.toml", str(scene.ca), "root.pem", pod.pod_id, when]
    done = subprocess.run([*command, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == 2 + 3 * 2
    assert all(line["status"] == 200 for line in lines)
    # A child counts on from what its parent had seen, and attests once.
    before = 1 if when == "idle" else 0
    assert {line["attestations"] for line in lines if line["who"] != "parent"} == {before + 1}
    assert {line["attestations"] for line in lines if line["who"] == "parent"} == {1}
    assert pod.traffic.requests_below(ATTESTATION) == 1 + 3
    connections = [request.connection for request in pod.received if request.path.startswith(INFERENCE)]
    assert len(connections) == 8
    assert len(set(connections)) == 4  # each process keeps one, the parent across the forks
