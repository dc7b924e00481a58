"""Run the workflow beside this file as a script, three times, against a pod that is simulated on this machine.

    python examples/ci/try_it.py

The step `Verify the fleet` is what runs: its inputs are read from the workflow, and handed to the script that action.yml
runs, as a runner does. First the pod measures what the policy says; then the policy names another MRTD, as after a rollout
that nobody reviewed; then the server that has Intel's collateral is down.
"""

# ruff: noqa: S603, S607 - a program that prints, reads its environment, and starts another

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from voltage_attest.testing import COLLATERAL, Answers, SimulatedPod

HERE = Path(__file__).resolve().parent
ACTION = HERE.parent.parent / ".ci" / "action"
DEFAULTS = {"POLICY": "voltage-attest.toml", "WARN_EXPIRING": "14d", "REPORTS": "voltage-attest-reports"}


def inputs_of_the_workflow() -> dict[str, str]:
    """What stands below `with:` in the step, as the variables that the runner makes of it. Secrets come otherwise."""
    text = (HERE / ".github" / "workflows" / "attest.yml").read_text("utf-8")
    block = text.split("- name: Verify the fleet", 1)[1].split("with:\n", 1)[1].split("\n      - ", 1)[0]
    found = dict(re.findall(r'^ +([a-z-]+): "?([^"\n]*?)"?$', block, re.MULTILINE))
    return {key.upper().replace("-", "_"): text for key, text in found.items() if "secrets." not in text}


def run_the_step(folder: Path, pod: SimulatedPod) -> int:
    """Run it in the folder, which stands for the checkout, and print what a runner would show."""
    network = ("--api-base", pod.api_base, "--pccs", pod.pccs_base, "--tls-ca", "ca.pem", "--trust-root", "root.pem")
    inputs = DEFAULTS | inputs_of_the_workflow() | {"ARGUMENTS": "\n".join((*network, "--no-cache"))}
    environment = {
        **os.environ,
        **{f"INPUT_{name}": text for name, text in inputs.items()},
        "VOLTAGE_ATTEST": str(Path(sys.executable).with_name("voltage-attest")),
        "VOLTAGEGPU_API_KEY": pod.api_key,
        "GITHUB_OUTPUT": str(folder / "outputs"),
        "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
    }
    done = subprocess.run(["bash", str(ACTION)], cwd=folder, env=environment, check=False, text=True, capture_output=True)
    print(done.stdout, done.stderr, sep="", end="")
    print(f"exit code {done.returncode}\n", flush=True)
    return done.returncode


def main() -> int:
    """The three runs; 0 if each ended as it should."""
    with tempfile.TemporaryDirectory() as name, SimulatedPod(pod_id="pod_7") as pod:
        folder = Path(name)
        shutil.copy(HERE / "pods.txt", folder)
        (folder / "ca.pem").write_bytes(pod.ca_pem)
        (folder / "root.pem").write_bytes(pod.root_pem)
        policy = pod.policy_toml(name="clinic")
        (folder / "voltage-attest.toml").write_text(policy, "utf-8")
        print("== the measurements are those of the policy", flush=True)
        passed = run_the_step(folder, pod)
        print("== the policy names another MRTD", flush=True)
        (folder / "voltage-attest.toml").write_text(
            re.sub(r'(mrtd = \[")[0-9a-f]{96}', rf"\g<1>{'c0de' * 24}", policy), "utf-8"
        )
        refused = run_the_step(folder, pod)
        print("== the collateral server is down", flush=True)
        (folder / "voltage-attest.toml").write_text(policy, "utf-8")
        pod.set_faults(Answers(status=503, on=COLLATERAL))
        undecided = run_the_step(folder, pod)
    return 0 if (passed, refused, undecided) == (0, 1, 3) else 1


if __name__ == "__main__":
    sys.exit(main())
