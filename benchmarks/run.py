"""How long a verification takes, beside dcap-qvl (native Rust), interleaved in one process on the same evidence.

``python benchmarks/run.py [--rounds N] [--processes N]`` prints medians, and beside each ratio that of the fastest tenths
(``fast``), which other work on a shared machine disturbs least. Three ways of asking:

* cold: nothing is known. A new ``Verifier``, and the collateral as JSON text, on both sides.
* warm: collateral and platform are known, the quote is new. Same ``Verifier``, same collateral object. A quoting enclave signs
  all its quotes with one key, so the report that vouches for the key is known too.
* rekeyed: as warm, but the quoting enclave was restarted since and has a new key and report.
* parse: bytes to model, nothing judged.

Times are of the thread's CPU clock, so that other work on the machine counts less: neither side waits for anything or uses
a second thread. ``floor`` is what the P-256 verifications alone take, with the same library on the same machine: no work on
the rest could go below it. dcap-qvl keeps nothing between calls, so its warm call saves the JSON only.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter_ns, thread_time_ns

import dcap_qvl
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from voltage_attest.collateral.intel import IntelCollateral, parse_intel_collateral
from voltage_attest.evidence.quote import parse_quote
from voltage_attest.policy import Policy, parse_policy
from voltage_attest.result import Verdict
from voltage_attest.verifier import Evidence, Verifier

REPOSITORY = Path(__file__).resolve().parent.parent
SAMPLES = REPOSITORY / "fixtures" / "real" / "dcap-qvl-0.7.0"
IMPORT_LIMIT_MS = 80
VERIFY_LIMIT_MS = 350
RATIO_LIMITS = {"cold": 1.8, "warm": 0.4, "rekeyed": 0.4}

# Everything open: what is measured is verification, and every pin is a comparison of 48 bytes.
POLICY = """
schema = "voltage-attest/policy/1"
name = "benchmark"
[tdx]
mrtd = { unpinned = "benchmark" }
rtmr0 = { unpinned = "benchmark" }
rtmr1 = { unpinned = "benchmark" }
rtmr2 = { unpinned = "benchmark" }
rtmr3 = { unpinned = "benchmark" }
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """One quote with its collateral and a time at which both verifiers accept it."""

    name: str
    at: datetime

    @property
    def quote(self) -> bytes:
        """The quote, raw."""
        return (SAMPLES / self.name).read_bytes()

    @property
    def collateral(self) -> bytes:
        """The nine-key JSON."""
        return (SAMPLES / f"{self.name}_collateral.json").read_bytes()


@dataclass(frozen=True, slots=True)
class Comparison:
    """Median nanoseconds of one way of asking, and the P-256 verifications that ours did.

    ``undisturbed`` is the ratio of the fastest tenths: what remains of it when other work on the machine is left out.
    """

    ours: float
    theirs: float
    undisturbed: float
    verifications: int | None = None


DATED = (
    Sample("tdx_quote", datetime(2025, 6, 19, 12, tzinfo=UTC)),
    Sample("tdx_quote_td15ex", datetime(2026, 10, 20, 12, tzinfo=UTC)),
)


def timed(call: Callable[[], object]) -> int:
    """Nanoseconds of this thread's CPU time in one call."""
    start = thread_time_ns()
    call()
    return thread_time_ns() - start


def interleaved(rounds: int, prepare_ours: Callable[[], Callable[[], object]], theirs: Callable[[], object]) -> Comparison:
    """Time ours and theirs in turn, so that both meet the same weather; preparation is not timed."""
    ours_ns: list[int] = []
    theirs_ns: list[int] = []
    for _ in range(rounds):
        ours_ns.append(timed(prepare_ours()))
        theirs_ns.append(timed(theirs))
    fastest = statistics.quantiles(ours_ns, n=10)[0] / statistics.quantiles(theirs_ns, n=10)[0]
    return Comparison(statistics.median(ours_ns), statistics.median(theirs_ns), fastest)


def judge(verifier: Verifier, sample: Sample, quote: bytes, collateral: IntelCollateral | bytes) -> Verifier:
    """Verify and insist: a benchmark of refusals would flatter us."""
    if verifier.examine(Evidence(quote=quote), collateral, at=sample.at).verdict is not Verdict.VERIFIED:
        raise SystemExit(f"{sample.name} does not verify")
    return verifier


def another_quote(quote: bytes, *, rekeyed: bool) -> bytes:
    """A quote of the same platform whose own signature is zeros; of another key's report too, where ``rekeyed``.

    It primes a Verifier with all that two quotes of a platform have in common, and with nothing else: signatures that
    do not hold are not remembered.
    """
    parsed = parse_quote(quote)
    unsigned = quote.replace(parsed.signature, bytes(64), 1)
    return unsigned.replace(parsed.qe_report_signature, bytes(64), 1) if rekeyed else unsigned


def compare_cold(sample: Sample, policy: Policy, rounds: int) -> Comparison:
    """Nothing known on either side."""
    quote, collateral = sample.quote, sample.collateral
    text, now = collateral.decode(), int(sample.at.timestamp())
    computed = judge(Verifier(policy), sample, quote, collateral).signatures_computed
    found = interleaved(
        rounds,
        lambda: lambda: Verifier(policy).examine(Evidence(quote=quote), collateral, at=sample.at),
        lambda: dcap_qvl.verify(quote, dcap_qvl.QuoteCollateralV3.from_json(text), now),
    )
    return replace(found, verifications=computed)


def compare_warm(sample: Sample, policy: Policy, rounds: int, *, rekeyed: bool = False) -> Comparison:
    """Collateral and platform known, quote new."""
    quote, primer = sample.quote, another_quote(sample.quote, rekeyed=rekeyed)
    collateral = parse_intel_collateral(sample.collateral)
    theirs = dcap_qvl.QuoteCollateralV3.from_json(sample.collateral.decode())
    now = int(sample.at.timestamp())

    def primed() -> Verifier:
        verifier = Verifier(policy)
        verifier.examine(Evidence(quote=primer), collateral, at=sample.at)
        return verifier

    def prepare() -> Callable[[], object]:
        verifier, evidence = primed(), Evidence(quote=quote)
        return lambda: verifier.examine(evidence, collateral, at=sample.at)

    verifier = primed()
    before = verifier.signatures_computed
    computed = judge(verifier, sample, quote, collateral).signatures_computed - before
    found = interleaved(rounds, prepare, lambda: dcap_qvl.verify(quote, theirs, now))
    return replace(found, verifications=computed)


def compare_parse(sample: Sample, rounds: int) -> Comparison:
    """Bytes to model; a hundred at a time, since one takes little longer than looking at the clock."""
    quote, batch = sample.quote, range(100)
    found = interleaved(
        rounds,
        lambda: lambda: [parse_quote(quote) for _ in batch],
        lambda: [dcap_qvl.parse_quote(quote) for _ in batch],
    )
    return replace(found, ours=found.ours / len(batch), theirs=found.theirs / len(batch))


def one_verification(rounds: int) -> float:
    """Median nanoseconds of one P-256 verification over 700 bytes with ``cryptography``."""
    key = ec.derive_private_key(0x1234_5678_9ABC_DEF0, ec.SECP256R1())
    message, algorithm = bytes(700), ec.ECDSA(hashes.SHA256())
    signature, public_key = key.sign(message, algorithm), key.public_key()
    return statistics.median(timed(lambda: public_key.verify(signature, message, algorithm)) for _ in range(rounds))


def whole_process(command: Sequence[str], runs: int) -> float:
    """Median milliseconds on the wall clock of a command from start to exit, which must succeed."""

    def run() -> int:
        start = perf_counter_ns()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=REPOSITORY)
        return perf_counter_ns() - start

    run()
    return statistics.median(run() for _ in range(runs)) / 1e6


def print_comparisons(rounds: int) -> None:
    """The table of cold, warm and parse for each sample."""
    policy, floor = parse_policy(POLICY), one_verification(max(rounds, 50))
    print(f"one P-256 verification: {floor / 1e3:.0f} us; medians of {rounds} interleaved rounds, in us of CPU time\n")
    print(f"{'sample':18} {'what':7} {'ours':>7} {'dcap-qvl':>9} {'ratio':>6} {'fast':>5}  limit  P-256  floor  above it")
    for sample in DATED:
        for name, found in (
            ("cold", compare_cold(sample, policy, rounds)),
            ("warm", compare_warm(sample, policy, rounds)),
            ("rekeyed", compare_warm(sample, policy, rounds, rekeyed=True)),
            ("parse", compare_parse(sample, rounds)),
        ):
            limit = f"{RATIO_LIMITS[name]:.2f}" if name in RATIO_LIMITS else "-"
            row = f"{sample.name:18} {name:7} {found.ours / 1e3:7.0f} {found.theirs / 1e3:9.0f} "
            row += f"{found.ours / found.theirs:6.2f} {found.undisturbed:5.2f} {limit:>6}"
            if found.verifications is not None:
                least = found.verifications * floor
                row += f" {found.verifications:6} {least / 1e3:6.0f} {(found.ours - least) / 1e3:9.0f}"
            print(row)


def print_processes(runs: int) -> None:
    """Start to exit, as a person or a shell script meets it."""
    quote, collateral = SAMPLES / "tdx_quote", SAMPLES / "tdx_quote_collateral.json"
    policy = REPOSITORY / "examples" / "verify" / "voltage-attest.toml"
    script = Path(sys.executable).parent / "voltage-attest"
    bare = whole_process([sys.executable, "-c", "pass"], runs)
    imported = whole_process([sys.executable, "-c", "import voltage_attest"], runs)
    verify = [str(script), "verify", "--quote", str(quote), "--collateral", str(collateral)]
    verified = whole_process([*verify, "--at", "2025-06-19T12:00:00Z", "--policy", str(policy)], runs)
    print(f"\nwhole process, medians of {runs} runs, in ms")
    print(f"  python -c pass                  {bare:5.0f}")
    print(f"  import voltage_attest           {imported:5.0f}   limit {IMPORT_LIMIT_MS}")
    print(f"  voltage-attest verify (files)   {verified:5.0f}   limit {VERIFY_LIMIT_MS}")


def main() -> None:
    """Parse the arguments and print everything."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=300, help="interleaved rounds of each comparison (300)")
    parser.add_argument("--processes", type=int, default=15, help="runs of each whole process (15)")
    arguments = parser.parse_args()
    print_comparisons(arguments.rounds)
    print_processes(arguments.processes)


if __name__ == "__main__":
    main()
