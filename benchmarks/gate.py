"""What the gate costs a warm request: a gated client beside a plain one, interleaved, over the same TLS server.

``python benchmarks/gate.py [--requests N]`` prints p50 and p95 in milliseconds. The server is a simulated pod in a process of
its own. The clients send the same request in turns, each over one kept connection; the pod counts them. ``cpu`` is what
the gate adds by the client thread's CPU clock, which other work on the machine disturbs less. The last columns say what an
fsync before each request adds, which is the disk's doing and not the gate's.

It fails if a gated request's p50 is above the plain one's by more than 2 % or 0.2 ms, whichever is larger, or takes another
connection or request.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter, thread_time
from types import ModuleType
from typing import Final

import httpx
import openai

from voltage_attest import gate as room
from voltage_attest.gate import AttestationGate, RequestEnd, RequestRecord
from voltage_attest.policy import parse_policy
from voltage_attest.testing import INFERENCE, SimulatedPod
from voltage_attest.testing.tls import client_context
from voltage_attest.trust import TrustRoots

LIMIT_MS: Final = 0.2
LIMIT_SHARE: Final = 0.02
WARM_UP: Final = 50
MESSAGES: Final = [{"role": "user", "content": "How much paracetamol may an adult take in a day?"}]
BODY: Final = {"model": "m", "messages": MESSAGES, "confidential": True, "no_log": True}


Times = tuple[float, float]
"""Milliseconds of one request: by the clock on the wall, and by that of the thread's CPU."""


@dataclass(frozen=True, slots=True)
class Pod:
    """The pod in the other process: what a client must know, and a way to ask what it has counted."""

    process: subprocess.Popen[str]
    facts: dict[str, str]

    def counted(self) -> tuple[int, int]:
        """Connections and inference requests so far."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("count\n")
        self.process.stdin.flush()
        connections, requests = json.loads(self.process.stdout.readline())
        return connections, requests


def serve() -> None:
    """Be the pod: say what it is, answer whoever asks what it counted, end with stdin."""
    with SimulatedPod() as pod:
        facts = {
            "base": pod.base,
            "pod_id": pod.pod_id,
            "key": pod.api_key,
            "policy": pod.policy_toml(),
            "ca": pod.ca_pem.decode(),
            "root": pod.root_pem.decode(),
        }
        print(json.dumps(facts), flush=True)
        for _ in sys.stdin:
            print(json.dumps([pod.traffic.connections, pod.traffic.requests_below(INFERENCE)]), flush=True)


class SyncedLines:
    """A line on the disk before each request: what any audit log must wait for."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)

    def announce(self, record: RequestRecord) -> SyncedLines:
        """Write and wait."""
        os.write(self._file, f"{record.request_id} {'.' * 600}\n".encode())
        os.fsync(self._file)
        return self

    def sent(self, chunk: bytes) -> None:
        """Nothing."""

    def received(self, chunk: bytes) -> None:
        """Nothing."""

    def ended(self, end: RequestEnd) -> None:
        """Nothing."""


def make_gate(pod: Pod, folder: Path, *, audited: bool = False) -> AttestationGate:
    """A gate for the pod, open."""
    facts, ca = pod.facts, folder / "ca.pem"
    ca.write_text(facts["ca"])
    gate = AttestationGate(
        facts["pod_id"],
        parse_policy(facts["policy"]),
        facts["key"],
        facts["base"],
        facts["base"],
        TrustRoots.from_pem(intel=facts["root"].encode()),
        ca,
        cache=None,
        audit=SyncedLines(folder / "audit.jsonl") if audited else None,
    )
    gate.open()
    return gate


def libraries() -> list[ModuleType]:
    """httpx, and httpx2 where it is installed."""
    names = ["httpx", "httpx2"] if importlib.util.find_spec("httpx2") else ["httpx"]
    return [importlib.import_module(name) for name in names]


def gated_client(library: ModuleType, gate: AttestationGate, *, is_async: bool) -> httpx.Client:
    """The gated client of a library; all are typed as httpx's for threads."""
    suffix = "http_client" if library.__name__ == "httpx" else "httpx2_client"
    make = getattr(room, f"attested_{'async_' if is_async else ''}{suffix}")
    client: httpx.Client = make(gate, timeout=60.0)
    return client


def run_sync(senders: Sequence[Callable[[], object]], requests: int) -> list[list[Times]]:
    """Milliseconds of each sender's requests, sent in turns."""
    times: list[list[Times]] = [[] for _ in senders]
    for number in range(WARM_UP + requests):
        for send, kept in zip(senders, times, strict=True):
            began, busy = perf_counter(), thread_time()
            send()
            if number >= WARM_UP:
                kept.append(((perf_counter() - began) * 1e3, (thread_time() - busy) * 1e3))
    return times


async def run_async(senders: Sequence[Callable[[], Awaitable[object]]], requests: int) -> list[list[Times]]:
    """As :func:`run_sync`."""
    times: list[list[Times]] = [[] for _ in senders]
    for number in range(WARM_UP + requests):
        for send, kept in zip(senders, times, strict=True):
            began, busy = perf_counter(), thread_time()
            await send()
            if number >= WARM_UP:
                kept.append(((perf_counter() - began) * 1e3, (thread_time() - busy) * 1e3))
    return times


@dataclass(frozen=True, slots=True)
class Run:
    """One line of the report: a plain client, a gated one, and one whose gate writes to the disk before each request."""

    pod: Pod
    gates: tuple[AttestationGate, AttestationGate]
    library: ModuleType
    is_async: bool
    through_openai: bool

    @property
    def name(self) -> str:
        """Its name in the report."""
        return f"{'openai' if self.through_openai else self.library.__name__} {'async' if self.is_async else 'sync'}"

    def measure(self, requests: int) -> list[list[Times]]:
        """Milliseconds of each client's requests."""
        kind = self.library.AsyncClient if self.is_async else self.library.Client
        plain = kind(verify=client_context(self.pod.facts["ca"].encode()), trust_env=False, timeout=60.0)
        clients = [plain, *[gated_client(self.library, gate, is_async=self.is_async) for gate in self.gates]]
        senders = [self._sender(client) for client in clients]
        if not self.is_async:
            times = run_sync(senders, requests)
            for client in clients:
                client.close()
            return times

        async def run() -> list[list[Times]]:
            found = await run_async(senders, requests)
            for client in clients:
                await client.aclose()
            return found

        return asyncio.run(run())

    def _sender(self, client: httpx.Client) -> Callable[[], Awaitable[object]]:
        """Sends one chat request; what it returns is awaited where the client is async."""
        base, key = self.gates[0].base_url, self.pod.facts["key"]
        if self.through_openai:
            kind = openai.AsyncOpenAI if self.is_async else openai.OpenAI
            sdk = kind(api_key=key, base_url=base, http_client=client)  # type: ignore[arg-type]
            extra = {"confidential": True, "no_log": True}
            create = sdk.chat.completions.create
            return partial(create, model="m", messages=MESSAGES, extra_body=extra)  # type: ignore[return-value]
        headers = {"Authorization": f"Bearer {key}"}
        return partial(client.post, f"{base}/chat/completions", json=BODY, headers=headers)  # type: ignore[return-value]


def quantile(times: list[Times], share: float, *, clock: int = 0) -> float:
    """The time that this share of requests does not exceed."""
    return sorted(each[clock] for each in times)[min(int(len(times) * share), len(times) - 1)]


def report(name: str, times: list[list[Times]]) -> bool:
    """Print a line; True if the gate stays within its limit."""
    plain, gated, audited = times
    p50 = [quantile(each, 0.5) for each in (plain, gated, audited)]
    p95 = [quantile(each, 0.95) for each in (plain, gated, audited)]
    print(
        f"{name:14} p50 {p50[0]:6.3f} {p50[1]:6.3f} {p50[1] - p50[0]:+7.3f}   "
        f"p95 {p95[0]:6.3f} {p95[1]:6.3f} {p95[1] - p95[0]:+7.3f}   "
        f"cpu {quantile(gated, 0.5, clock=1) - quantile(plain, 0.5, clock=1):+6.3f}   "
        f"fsync p50 {p50[2] - p50[1]:+7.3f} p95 {p95[2] - p95[1]:+7.3f}"
    )
    return p50[1] - p50[0] <= max(LIMIT_MS, LIMIT_SHARE * p50[0])


def runs(pod: Pod, gates: tuple[AttestationGate, AttestationGate]) -> Iterator[Run]:
    """All lines of the report."""
    own = libraries()
    sdk = own[0] if issubclass(openai.DefaultHttpxClient, httpx.Client) else own[-1]
    for is_async in (False, True):
        for library in own:
            yield Run(pod, gates, library, is_async, through_openai=False)
        yield Run(pod, gates, sdk, is_async, through_openai=True)


def main() -> int:
    """Measure all, and judge."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--requests", type=int, default=1000, help="of each client, after some to warm up (default: 1000)")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve()
        return 0
    command = [sys.executable, __file__, "--serve"]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        pod = Pod(process, json.loads(process.stdout.readline()))
        gates = make_gate(pod, Path(folder)), make_gate(pod, Path(folder), audited=True)
        print(f"{'':18}  plain  gated             plain  gated")
        is_good = True
        for run in runs(pod, gates):
            before = pod.counted()
            is_good = report(run.name, run.measure(arguments.requests)) and is_good
            counted = tuple(now - then for now, then in zip(pod.counted(), before, strict=True))
            if counted != (3, 3 * (WARM_UP + arguments.requests)):
                print(f"  the pod counted {counted} connections and requests: not one connection a client, or other requests")
                is_good = False
        for gate in gates:
            gate.close()
        process.stdin.close()
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
