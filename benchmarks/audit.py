"""What the audit log costs a request: the record before its first byte, with and without the sync that makes it durable.

``python benchmarks/audit.py [--rounds N] [--directory DIR]`` prints, for one writer, medians and 99th percentiles in
interleaved rounds: a bare write and fsync of as many bytes (what no log could save), a durable record, and a record that is
left to the next sync, as outcomes are. Then how many durable records a second several threads write to one log, who share
syncs, and how fast a log is verified. The directory matters: a disk's sync takes milliseconds, tmpfs has none.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Final

from voltage_attest.gate.audit import AuditLog
from voltage_attest.gate.audit_record import AuditEvent, AuditKind
from voltage_attest.gate.audit_verify import verify_audit_log

AT: Final = datetime(2026, 11, 24, 17, tzinfo=UTC)
EVENT: Final = AuditEvent(
    kind=AuditKind.REQUEST,
    request="0" * 32,
    attempt=1,
    pod="pod_benchmark",
    provider="voltagegpu",
    method="POST",
    path="/v1/confidential/chat/completions",
    policy_sha256="a" * 64,
    evidence_sha256=("b" * 64,),
    verdict="verified",
    spki_sha256=("c" * 64,),
    generation=1,
    model="meta-llama/Llama-3.1-70B-Instruct-TEE",
    request_bytes=2048,
    request_hmac="d" * 64,
)


def timed(call: Callable[[], object]) -> float:
    """Microseconds of one call."""
    start = perf_counter()
    call()
    return (perf_counter() - start) * 1e6


def report(name: str, microseconds: list[float]) -> None:
    """Print median and 99th percentile."""
    ranked = sorted(microseconds)
    print(f"  {name:34}{statistics.median(ranked):9.0f}{ranked[int(len(ranked) * 0.99)]:9.0f}")


def main() -> None:
    """Parse the arguments and print everything."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=500, help="interleaved rounds (500)")
    parser.add_argument("--directory", default=None, help="where the log is written; default: the system's temporary directory")
    arguments = parser.parse_args()
    rounds: int = arguments.rounds
    with tempfile.TemporaryDirectory(dir=arguments.directory) as folder:
        log = AuditLog(Path(folder) / "audit.jsonl")
        log.append(EVENT, at=AT)
        size = log.path.stat().st_size
        bare = os.open(Path(folder) / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

        def write_and_sync() -> None:
            os.write(bare, bytes(size))
            os.fsync(bare)

        ways: dict[str, Callable[[], object]] = {
            "bare write and fsync": write_and_sync,
            "durable record": lambda: log.append(EVENT, at=AT),
            "record left to the next sync": lambda: log.append(EVENT, at=AT, durable=False),
        }
        samples: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                samples[name].append(timed(way))
        os.close(bare)
        print(f"one writer, {rounds} interleaved rounds, in us              median      p99")
        for name, microseconds in samples.items():
            report(name, microseconds)

        print("\nthreads, durable records a second")
        for threads in (1, 4, 16, 50):
            number = max(threads, rounds)
            with ThreadPoolExecutor(threads) as pool:
                start = perf_counter()
                list(pool.map(lambda _: log.append(EVENT, at=AT), range(number)))
                print(f"  {threads:3}{number / (perf_counter() - start):12.0f}")

        start = perf_counter()
        found = verify_audit_log(log.path)
        print(f"\nverified {found.records} records in {perf_counter() - start:.2f} s")
        if not found.is_intact:
            raise SystemExit("the log does not verify")


if __name__ == "__main__":
    main()
