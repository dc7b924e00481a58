"""How long GPUs and switches take to verify, beside the P-384 verifications that they cannot do without.

``python benchmarks/devices.py [--rounds N] [--nvidia PYTHON]`` prints medians. Two ways of asking:

* cold: nothing is known. A new ``Verifier``, one GPU with its two manifests and, for the fake NVIDIA's, with nine OCSP answers.
* warm: a node whose chains, manifests and answers are known, with reports for a new nonce. Only those are new, so there is one
  verification for each device.

``limit`` is what the P-384 verifications alone take, counted as they are made and timed with the same library in the same run.
``XML`` is what reading and canonicalising the manifests takes, without the verification in it. Cold may take at most twice the
limit and the XML beside it, warm less than twice its limit.

Times are of the thread's CPU clock, as in ``benchmarks/run.py``. Devices are judged one after another: threads would help only
if the library let others run while it verifies, and the last line shows that it does not. ``--nvidia`` names a Python in which
NVIDIA's own verifier (nv-local-gpu-verifier 2.7.3) is installed, and times it on the same real H100:
``benchmarks/nvidia_local_verifier.py`` says what has to be stubbed there.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import perf_counter_ns, process_time_ns, thread_time_ns
from types import FrameType

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from voltage_attest.collateral.nvidia import NvidiaCollateral
from voltage_attest.collateral.rim import RimDocument, parse_rim_file
from voltage_attest.crypto.certificates import load_certificate
from voltage_attest.crypto.signatures import P384
from voltage_attest.crypto.xml_signature import parse_signed_xml, verify_signed_xml
from voltage_attest.evidence.gpu_report import Architecture, decode_report_bytes
from voltage_attest.evidence.model import DeviceEvidence, Evidence
from voltage_attest.evidence.nras_request import DeviceItem, nras_request
from voltage_attest.policy import Policy, parse_policy
from voltage_attest.result import Verdict
from voltage_attest.testing import APPRAISED_AT, FakeNvidia, NvidiaNode
from voltage_attest.trust import TrustRoots
from voltage_attest.verifier import Verifier

REPOSITORY = Path(__file__).resolve().parent.parent
SAMPLES = REPOSITORY / "fixtures" / "real" / "nv-local-gpu-verifier-2.7.3" / "samples"
MANIFESTS = REPOSITORY.parent / "shared" / "vectors" / "gpu" / "museop-rims"
COLD_LIMIT, WARM_LIMIT = 2.0, 2.0


@dataclass(frozen=True, slots=True)
class Subject:
    """Devices with everything of NVIDIA's that judges them; ``evidence`` are equal but for their nonces."""

    name: str
    evidence: tuple[Evidence, ...]
    nvidia: NvidiaCollateral
    policy: Policy
    roots: TrustRoots
    at: datetime

    def judge(self, verifier: Verifier, number: int = 0) -> None:
        """Verify and insist: a benchmark of refusals would flatter us."""
        evidence = self.evidence[number % len(self.evidence)]
        if verifier.examine(evidence, b"", at=self.at, nvidia=self.nvidia).verdict is not Verdict.VERIFIED:
            raise SystemExit(f"{self.name} does not verify")

    def verifier(self) -> Verifier:
        """One that knows nothing."""
        return Verifier(self.policy, roots=self.roots)


def policy(count: int, *more: str) -> Policy:
    """Everything open: what is measured is verification."""
    lines = "\n".join([f"count = {count}", *more])
    return parse_policy(f'schema = "voltage-attest/policy/1"\nname = "benchmark"\n[gpu]\n{lines}\n')


def real_h100() -> Subject | None:
    """NVIDIA's sample with NVIDIA's manifests, which are not of this repository: None where they are absent."""
    names = ("NV_GPU_DRIVER_GH100_550.90.07.swidtag", "NV_GPU_VBIOS_1010_0200_882_96009F0001.swidtag")
    if not MANIFESTS.is_dir():
        return None
    report = decode_report_bytes((SAMPLES / "hopperAttestationReport.txt").read_bytes())
    item = DeviceItem(Architecture.HOPPER, report, (SAMPLES / "hopperCertChain.txt").read_bytes())
    evidence = Evidence(gpu_evidence=(DeviceEvidence(nras_request([item], bytes(32)).decode()),))
    rims = tuple([RimDocument(parse_rim_file((MANIFESTS / name).read_bytes()).data) for name in names])
    return Subject(
        "real H100, revocation left out",
        (evidence,),
        NvidiaCollateral(rims=rims),
        policy(1, 'unsafe_skip_revocation = "no answers were recorded"'),
        TrustRoots.default(),
        datetime(2026, 3, 1, tzinfo=UTC),
    )


def fake(gpus: int, switches: int) -> Subject:
    """A node of the fake NVIDIA's, with an OCSP answer about every certificate."""
    nvidia = FakeNvidia()
    node = nvidia.node(gpus, switches)
    roots = TrustRoots.from_pem(nvidia_device=nvidia.root_pem, nvidia_rim=nvidia.rim_root_pem)
    name = f"{gpus} GPU{'s' if gpus > 1 else ''}" + (f" and {switches} switches" if switches else "")
    evidence = tuple([_evidence(node, bytes([number]) * 32) for number in range(4)])
    rules = policy(gpus, *([f"switches = {switches}"] if switches else []))
    return Subject(name, evidence, nvidia.collateral(node.devices), rules, roots, APPRAISED_AT)


def _evidence(node: NvidiaNode, nonce: bytes) -> Evidence:
    shown = node.switch_evidence(nonce)
    switches = () if shown is None else (DeviceEvidence(shown),)
    return Evidence(gpu_evidence=(DeviceEvidence(node.gpu_evidence(nonce)),), switch_evidence=switches)


def timed(call: Callable[[], object]) -> int:
    """Nanoseconds of this thread's CPU time in one call."""
    start = thread_time_ns()
    call()
    return thread_time_ns() - start


def verifications(call: Callable[[], object]) -> int:
    """How many signatures are verified in that call: whatever asks for it, a key's own ``verify`` does it."""
    found = 0

    def count(_frame: FrameType, event: str, argument: object) -> None:
        nonlocal found
        key = getattr(argument, "__self__", None)
        found += (
            event == "c_call" and getattr(argument, "__name__", "") == "verify" and isinstance(key, ec.EllipticCurvePublicKey)
        )

    sys.setprofile(count)
    try:
        call()
    finally:
        sys.setprofile(None)
    return found


def bare_verification() -> Callable[[], None]:
    """One P-384 verification over a report's length with ``cryptography``."""
    key = ec.derive_private_key(0x1234_5678_9ABC_DEF0, ec.SECP384R1())
    message, algorithm = bytes(4000), ec.ECDSA(hashes.SHA384())
    signature, public_key = key.sign(message, algorithm), key.public_key()
    return lambda: public_key.verify(signature, message, algorithm)


def interleaved(rounds: int, call: Callable[[int], object]) -> tuple[float, float]:
    """Median milliseconds of a call, and of bare verifications made between the calls: both meet the same weather."""
    bare = bare_verification()
    ours: list[int] = []
    floors: list[int] = []
    for number in range(rounds):
        ours.append(timed(partial(call, number)))
        floors += [timed(bare) for _ in range(4)]
    return statistics.median(ours) / 1e6, statistics.median(floors) / 1e6


def xml_of(subject: Subject, rounds: int) -> float:
    """Milliseconds that the manifests take to be read and canonicalised, each without its verification."""

    def read(rim: RimDocument) -> None:
        document = parse_signed_xml(rim.data, "RIM")
        verify_signed_xml(document, load_certificate(document.certificates[0], "signer", P384))

    found = [interleaved(rounds, lambda _: read(rim)) for rim in subject.nvidia.rims]  # noqa: B023 - called at once
    return sum([whole - verification for whole, verification in found])


def print_subject(subject: Subject, rounds: int, *, warm: bool) -> None:
    """One row: what it takes, and what it may take."""
    if warm:
        verifier = subject.verifier()
        subject.judge(verifier)
        count = verifications(lambda: subject.judge(verifier, 1))
        ours, floor = interleaved(rounds, lambda number: subject.judge(verifier, number))
    else:
        subject.judge(subject.verifier())  # loads the XML library, which is no part of any verification
        count = verifications(lambda: subject.judge(subject.verifier()))
        ours, floor = interleaved(rounds, lambda _: subject.judge(subject.verifier()))
    xml, allowed = (0.0, WARM_LIMIT) if warm else (xml_of(subject, rounds), COLD_LIMIT)
    limit = count * floor
    print(
        f"{subject.name:30} {'warm' if warm else 'cold':4} {ours:6.2f} {count:6} {floor:6.3f} {limit:6.2f} {xml:5.2f}"
        f" {(ours - xml) / limit:6.2f} {allowed:6.2f}"
    )


def print_threads(rounds: int) -> None:
    """How many processors threads of verifications keep busy: more than one thread does, if the library lets others run."""
    check = bare_verification()

    def busy(threads: int) -> float:
        def work(_: int) -> None:
            for _ in range(4 * rounds):
                check()

        with ThreadPoolExecutor(threads) as pool:
            wall, cpu = perf_counter_ns(), process_time_ns()
            list(pool.map(work, range(threads)))
            return (process_time_ns() - cpu) / (perf_counter_ns() - wall)

    shares = ", ".join([f"{busy(threads):.2f} by {threads}" for threads in (1, 2, 4)])
    print(f"\nprocessors (of {os.cpu_count()}) kept busy by threads that verify: {shares}")


def print_nvidia(python: str, runs: int) -> None:
    """NVIDIA's own verifier on the real H100, in its own Python, beside ours on the same."""
    script = REPOSITORY / "benchmarks" / "nvidia_local_verifier.py"
    done = subprocess.run(
        [python, str(script), str(SAMPLES), str(MANIFESTS), str(runs)], check=True, capture_output=True, text=True
    )
    print(f"\nnv-local-gpu-verifier 2.7.3, offline, the same real H100: {done.stdout.strip()}")


def main() -> None:
    """Parse the arguments and print everything."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=100, help="rounds of each measurement (100)")
    parser.add_argument("--nvidia", metavar="PYTHON", help="a Python that has nv-local-gpu-verifier 2.7.3")
    arguments = parser.parse_args()
    rounds = arguments.rounds
    one, real = fake(1, 0), real_h100()
    print(f"medians of {rounds} rounds, in ms of CPU time; 'one' is one P-384 verification, made between the rounds\n")
    print(f"{'devices':30} {'':4} {'ours':>6} {'P-384':>6} {'one':>6} {'limit':>6} {'XML':>5} {'ratio':>6} {'may be':>6}")
    for subject in [one] if real is None else [real, one]:
        print_subject(subject, rounds, warm=False)
    for subject in (fake(8, 0), fake(8, 4)):
        print_subject(subject, rounds, warm=True)
    print_threads(rounds)
    if arguments.nvidia is not None:
        print_nvidia(arguments.nvidia, rounds)


if __name__ == "__main__":
    main()
