"""The program in an empty folder, a pod on loopback, and bundles of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import API_KEY, Run, folder, live, pod, run
from voltage_attest.testing import SimulatedPod

__all__ = ["folder", "live", "pod", "run"]


@pytest.fixture
def bundles(live: Run, pod: SimulatedPod, folder: Path) -> Path:
    """A folder of three bundles: one good, one altered, one without collateral; the pod's policy and root beside it."""
    assert pod.api_key == API_KEY
    proofs = folder / "proofs"
    proofs.mkdir()
    assert live("verify", "pod_7", "-q", "--save-bundle", "proofs/a.json").exit_code == 0
    document = json.loads((proofs / "a.json").read_text("utf-8"))
    altered = json.loads(json.dumps(document))
    tcb_info = altered["collateral"]["intel"]["tcb_info"]
    altered["collateral"]["intel"]["tcb_info"] = tcb_info.replace("OutOfDate", "UpToDate", 1)
    (proofs / "b.json").write_text(json.dumps(altered), "utf-8")
    del document["collateral"]["intel"]["tcb_info"]
    (proofs / "c.json").write_text(json.dumps(document), "utf-8")
    return proofs
