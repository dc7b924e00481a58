"""A thousand saved bundles in one run: time, scaling with cores, and the peak memory of every process.

    python benchmarks/many.py [BUNDLES ...]

Bundles are of one simulated pod, each with a nonce and a quote of its own, as `--save-bundle` keeps them. What is measured is
the whole command, `voltage-attest ci`, as a child process, with all reports written. Memory is the peak of one process.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from voltage_attest.attest import open_attester
from voltage_attest.bundles import bundle_of
from voltage_attest.evidence.bundle import dump_bundle
from voltage_attest.policy import parse_policy
from voltage_attest.testing import SimulatedPod

REPORTS = ("json", "junit", "sarif", "html", "markdown")


def make_bundles(folder: Path, number: int) -> None:
    """Write policy, root and that many bundles."""
    with SimulatedPod(pod_id="pod_7") as pod:
        text = pod.policy_toml()
        (folder / "voltage-attest.toml").write_text(text, "utf-8")
        (folder / "root.pem").write_bytes(pod.root_pem)
        (folder / "ca.pem").write_bytes(pod.ca_pem)
        (folder / "proofs").mkdir()
        with open_attester(
            parse_policy(text),
            api_key=pod.api_key,
            api_base=pod.api_base,
            pccs=[pod.pccs_base],
            roots=pod.roots,
            tls_ca=folder / "ca.pem",
            cache=None,
            collateral=None,
        ) as attester:
            first = attester.attest("pod_7")
        with open_attester(
            parse_policy(text),
            api_key=pod.api_key,
            api_base=pod.api_base,
            roots=pod.roots,
            tls_ca=folder / "ca.pem",
            cache=None,
            collateral=first.collateral,
        ) as attester:
            for place in range(number):
                bundle = bundle_of(replace(attester.attest("pod_7"), sources=first.sources))
                (folder / "proofs" / f"{place:05}.json").write_text(dump_bundle(bundle), "utf-8")


class Cost(NamedTuple):
    """Seconds by the clock; of processor time, the program's own and its workers'; peak memory in MiB, likewise."""

    seconds: float
    own_cpu: float
    workers_cpu: float
    own_memory: float
    worker_memory: float


def run(folder: Path, number: int, jobs: int) -> Cost:
    """One run of the command."""
    proofs = sorted((folder / "proofs").iterdir())[:number]
    chosen = folder / f"chosen-{number}"
    chosen.mkdir(exist_ok=True)
    for proof in proofs:
        link = chosen / proof.name
        if not link.exists():
            link.hardlink_to(proof)
    outputs = [word for form in REPORTS for word in ("-o", f"{form}={folder / f'report.{form}'}")]
    program = (
        "import resource, sys; from voltage_attest.cli import main\n"
        "try: main()\n"
        "finally:\n"
        "    own, workers = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))\n"
        "    cpu = [use.ru_utime + use.ru_stime for use in (own, workers)]\n"
        "    print(*cpu, own.ru_maxrss, workers.ru_maxrss, file=sys.stderr)\n"
    )
    words = ["ci", "--bundle", f"{chosen}/*.json", "--policy", str(folder / "voltage-attest.toml"), "--jobs", str(jobs)]
    started = time.perf_counter()
    script = folder / "program.py"
    script.write_text(f"if __name__ == '__main__':\n    {program.replace(chr(10), chr(10) + '    ').rstrip()}\n", "utf-8")
    done = subprocess.run(
        [sys.executable, str(script), *words, "--trust-root", str(folder / "root.pem"), "-q", *outputs],
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - started
    if done.returncode != 0:
        raise SystemExit(done.stdout + done.stderr)
    own_cpu, workers_cpu, own, worker = map(float, done.stderr.split()[-4:])
    return Cost(seconds, own_cpu, workers_cpu, own / 1024, worker / 1024)


def main() -> None:
    """Print the table."""
    numbers = [int(text) for text in sys.argv[1:]] or [100, 1000]
    cores = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_bundles(folder, max(numbers))
        size = sum(proof.stat().st_size for proof in (folder / "proofs").iterdir()) / max(numbers) / 1024
        print(f"{cores} cores, bundles of {size:.0f} KiB, reports: {', '.join(REPORTS)}")
        print(" bundles  jobs  seconds    a bundle  own CPU  workers    MiB  a worker")
        for number in numbers:
            for jobs in sorted({1, 2, cores}):
                if jobs > cores:
                    continue
                cost = run(folder, number, jobs)
                each = cost.seconds / number * 1000
                times = f"{cost.seconds:>8.1f} {each:>8.1f} ms {cost.own_cpu:>8.1f} {cost.workers_cpu:>8.1f}"
                print(f"{number:>8} {jobs:>5} {times} {cost.own_memory:>6.0f} {cost.worker_memory:>8.0f}", flush=True)


if __name__ == "__main__":
    main()
