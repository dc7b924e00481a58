"""A pod with GPUs: the gate opens by their proof as well, and by nothing less."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from voltage_attest.errors import GateRefused
from voltage_attest.gate import AttestationGate, attested_http_client
from voltage_attest.testing import Fault, SimulatedPod

BODY = {"model": "m", "messages": [{"role": "user", "content": "Summarise."}], "confidential": True, "no_log": True}


@pytest.fixture(scope="module")
def pod() -> Iterator[SimulatedPod]:
    with SimulatedPod(gpus=1) as started:
        yield started


def gate_for(pod: SimulatedPod, folder: Path) -> AttestationGate:
    (folder / "ca.pem").write_bytes(pod.ca_pem)
    (folder / "voltage-attest.toml").write_text(pod.policy_toml(), "utf-8")
    return AttestationGate(
        pod.pod_id,
        folder / "voltage-attest.toml",
        pod.api_key,
        pod.api_base,
        pod.pccs_base,
        pod.roots,
        folder / "ca.pem",
        cache=None,
        nvidia_base=pod.nvidia_base,
    )


def test_a_pod_whose_gpu_is_proven_gets_the_request(pod: SimulatedPod, tmp_path: Path) -> None:
    key = {"Authorization": f"Bearer {pod.api_key}"}
    with gate_for(pod, tmp_path) as gate, attested_http_client(gate, headers=key) as http:
        assert http.post(f"{gate.base_url}/chat/completions", json=BODY).status_code == 200
        assert gate.result is not None
        assert [gpu.chip for gpu in gate.result.gpus] == ["GH100"]


@pytest.mark.parametrize(
    ("fault", "check_id"),
    [
        (Fault.GPU_WRONG_NONCE, "binding.gpu_nonce"),
        (Fault.GPU_MEASUREMENT_CHANGED, "gpu.measurements"),
        (Fault.GPU_REVOKED, "gpu.revocation"),
        (Fault.OCSP_DOWN, "gpu.revocation"),
    ],
)
def test_a_pod_whose_gpu_is_not_proven_gets_no_byte(pod: SimulatedPod, tmp_path: Path, fault: Fault, check_id: str) -> None:
    key = {"Authorization": f"Bearer {pod.api_key}"}
    before = pod.traffic.requests_below("/v1/confidential/")
    with (
        pod.faulty(fault),
        gate_for(pod, tmp_path) as gate,
        attested_http_client(gate, headers=key) as http,
        pytest.raises(GateRefused) as refused,
    ):
        http.post(f"{gate.base_url}/chat/completions", json=BODY)
    assert check_id in refused.value.failed_checks or check_id in str(refused.value)
    assert pod.traffic.requests_below("/v1/confidential/") == before
