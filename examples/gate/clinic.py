"""Where the examples send to: your pod, or a simulated one.

With POD_ID and VOLTAGEGPU_API_KEY in the environment, and a voltage-attest.toml in the working folder, it is your pod. Without
POD_ID a pod is simulated on loopback for as long as the example runs, with evidence that is real in all but its root of trust;
AUDIT_LOG then names a file for the audit log, which is otherwise thrown away.

Your own program needs nothing of this: ``AttestedOpenAI(pod_id="pod_...", policy="voltage-attest.toml")`` is all.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from voltage_attest.gate import AttestationGate
from voltage_attest.policy import parse_policy
from voltage_attest.testing import SimulatedPod

MODEL: Final = "meta-llama/Llama-3.1-70B-Instruct-TEE"
NOTE: Final = "72-year-old with stage 4 kidney disease, on metformin 1000 mg twice daily. May the dose be increased?"


@contextmanager
def gate_of_the_clinic() -> Iterator[AttestationGate]:
    """The gate of the pod that POD_ID names, or of a simulated one."""
    pod_id = os.environ.get("POD_ID")
    if pod_id is not None:
        with AttestationGate(pod_id, "voltage-attest.toml") as gate:
            yield gate
        return
    sys.stderr.write("POD_ID is not set: a simulated pod answers.\n")
    with SimulatedPod() as pod, TemporaryDirectory() as folder:
        os.environ["VOLTAGEGPU_API_KEY"] = pod.api_key
        ca = Path(folder) / "ca.pem"
        ca.write_bytes(pod.ca_pem)
        log = os.environ.get("AUDIT_LOG", f"{folder}/audit.jsonl")
        rules = f'\n[models]\nallow = ["{MODEL}"]\n\n[audit]\npath = "{log}"\n'
        policy = parse_policy(pod.policy_toml(more=rules))
        with AttestationGate(pod.pod_id, policy, api_base=pod.api_base, pccs=pod.pccs_base, roots=pod.roots, tls_ca=ca) as gate:
            yield gate
