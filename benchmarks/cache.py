"""What the cache costs: a verification with collateral from disk, beside one with collateral in memory plus reading the files.

``python benchmarks/cache.py [--rounds N]`` prints medians of interleaved rounds in one process, and how many HTTP requests a
first and a second run take.

Warm, where the Verifier has seen platform and collateral, but not the quote:

* memory: the collateral object at hand, and the bytes of the four cache files read and dropped: what no cache could save.
* kept service: ``CollateralService.fetch`` of a service that has read these files before, then the same verification.

First, where a program verifies once, and nothing has been seen:

* nine-key file: collateral from one file, as with ``--collateral``.
* new service: from the cache.
"""

from __future__ import annotations

import argparse
import functools
import json
import statistics
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter_ns
from typing import Final
from urllib.parse import quote

import httpx

from voltage_attest.collateral.cache import CollateralCache
from voltage_attest.collateral.intel import IntelCollateral, parse_intel_collateral
from voltage_attest.collateral.service import CollateralRequest, CollateralService
from voltage_attest.evidence.quote import parse_quote
from voltage_attest.policy import parse_policy
from voltage_attest.result import Verdict
from voltage_attest.verifier import Evidence, Verifier

SAMPLES: Final = Path(__file__).resolve().parent.parent / "fixtures" / "real" / "dcap-qvl-0.7.0"
AT: Final = datetime(2025, 6, 19, 12, tzinfo=UTC)
REQUEST: Final = CollateralRequest(bytes.fromhex("b0c06f000000"), "platform")
RATIO_LIMIT: Final = 1.3
QUOTE: Final = (SAMPLES / "tdx_quote").read_bytes()
POLICY: Final = parse_policy(
    'schema = "voltage-attest/policy/1"\nname = "benchmark"\n[tdx]\n'
    + "".join(f'{name} = {{ unpinned = "benchmark" }}\n' for name in ("mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3"))
)


class RecordedPcs(httpx.BaseTransport):
    """Intel PCS as it was when the sample was collected; counts what it is asked."""

    def __init__(self) -> None:
        self.requests = 0
        self._documents: dict[str, str] = json.loads((SAMPLES / "tdx_quote_collateral.json").read_text("utf-8"))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer in the shape of PCS v4."""
        self.requests += 1
        path, documents = request.url.path, self._documents
        if path.endswith("IntelSGXRootCA.der"):
            return self._answer(bytes.fromhex(documents["root_ca_crl"]), "application/pkix-crl")
        if path.endswith("/pckcrl"):
            chain = {"SGX-PCK-CRL-Issuer-Chain": quote(documents["pck_crl_issuer_chain"])}
            return self._answer(bytes.fromhex(documents["pck_crl"]), "application/pkix-crl", chain)
        key, member, header = (
            ("tcb_info", "tcbInfo", "TCB-Info-Issuer-Chain")
            if path.endswith("/tcb")
            else ("qe_identity", "enclaveIdentity", "SGX-Enclave-Identity-Issuer-Chain")
        )
        body = f'{{"{member}":{documents[key]},"signature":"{documents[f"{key}_signature"]}"}}'
        return self._answer(body.encode(), "application/json", {header: quote(documents[f"{key}_issuer_chain"])})

    @staticmethod
    def _answer(body: bytes, content_type: str, headers: dict[str, str] | None = None) -> httpx.Response:
        return httpx.Response(200, headers={"Content-Type": content_type, **(headers or {})}, content=body)


def another_quote() -> bytes:
    """A quote of the same platform whose own two signatures are zeros: it primes a Verifier with all but the quote itself."""
    parsed = parse_quote(QUOTE)
    return QUOTE.replace(parsed.signature, bytes(64), 1).replace(parsed.qe_report_signature, bytes(64), 1)


PRIMER: Final = another_quote()


def primed(collateral: IntelCollateral) -> Verifier:
    """A Verifier that knows platform and collateral."""
    verifier = Verifier(POLICY)
    verifier.examine(Evidence(quote=PRIMER), collateral, at=AT)
    return verifier


def judge(verifier: Verifier, collateral: IntelCollateral) -> None:
    """Verify and insist: a benchmark of refusals would flatter us."""
    if verifier.examine(Evidence(quote=QUOTE), collateral, at=AT).verdict is not Verdict.VERIFIED:
        raise SystemExit("the sample does not verify")


def timed(call: Callable[[], None]) -> int:
    """Nanoseconds of one call."""
    start = perf_counter_ns()
    call()
    return perf_counter_ns() - start


def measure(directory: Path, nine_keys: Path, rounds: int) -> dict[str, dict[str, float]]:
    """Median microseconds of each way, in interleaved rounds; the cache is warm."""

    def service() -> CollateralService:
        return CollateralService(cache=CollateralCache(directory), offline=True)

    kept = service()
    at_hand = kept.fetch(REQUEST, now=AT).collateral
    files = sorted(directory.iterdir())

    def in_memory(verifier: Verifier) -> None:
        for file in files:
            file.read_bytes()
        judge(verifier, at_hand)

    ways: dict[str, dict[str, Callable[[Verifier], None]]] = {
        "warm": {
            "memory": in_memory,
            "kept service": lambda verifier: judge(verifier, kept.fetch(REQUEST, now=AT).collateral),
        },
        "first": {
            "nine-key file": lambda verifier: judge(verifier, parse_intel_collateral(nine_keys.read_bytes())),
            "new service": lambda verifier: judge(verifier, service().fetch(REQUEST, now=AT).collateral),
        },
    }
    samples: dict[str, dict[str, list[int]]] = {kind: {name: [] for name in group} for kind, group in ways.items()}
    for _ in range(rounds):
        for kind, group in ways.items():
            for name, way in group.items():
                verifier = primed(at_hand) if kind == "warm" else Verifier(POLICY)
                samples[kind][name].append(timed(functools.partial(way, verifier)))
    return {kind: {name: statistics.median(ns) / 1e3 for name, ns in group.items()} for kind, group in samples.items()}


def main() -> None:
    """Parse the arguments and print everything."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=300, help="interleaved rounds (300)")
    rounds: int = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        directory, pcs = Path(folder) / "cache", RecordedPcs()
        for run in ("cold", "warm"):
            before = pcs.requests
            service = CollateralService(cache=CollateralCache(directory), transport=pcs)
            judge(Verifier(POLICY), service.fetch(REQUEST, now=AT).collateral)
            print(f"HTTP requests, {run}: {pcs.requests - before}")
        found = measure(directory, SAMPLES / "tdx_quote_collateral.json", rounds)
    for kind, group in found.items():
        least = next(iter(group.values()))
        print(f"\n{kind} verification, medians of {rounds} interleaved rounds, in us")
        for name, median in group.items():
            limit = f"   limit {RATIO_LIMIT}" if kind == "warm" else ""
            print(f"  {name:14}{median:7.0f}   ratio {median / least:5.2f}{limit}")


if __name__ == "__main__":
    main()
