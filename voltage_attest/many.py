"""Many pods or saved bundles by one policy, on any ``concurrent.futures.Executor``.

>>> with ProcessPoolExecutor() as pool:                                                    # doctest: +SKIP
...     for judged in verify_many([Bundle("a.json"), Bundle("b.json")], Path("voltage-attest.toml"), executor=pool):
...         print(judged.item.name, judged.result.verdict)

What goes to a worker is text and numbers, so that it may be a thread, a process, or another machine (``dask.distributed``'s
``Client.get_executor()``). Each process keeps one verifier and one set of connections for a run: documents that pods share are
fetched once in it and kept in the cache, signatures are computed once. Results come in the order of the items; however many
items there are, a few dozen results are in memory at a time.

An API key is never sent to a worker: it is read there, from the file that is named or the environment of the worker.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final, Literal, TypedDict, TypeVar, Unpack

from voltage_attest.attest import Attester, why_not_fetched
from voltage_attest.attest_course import nvidia_records
from voltage_attest.attest_origins import Connections, collateral_origin, nvidia_arguments, proxy_of
from voltage_attest.bundles import evidence_of, fetched_of
from voltage_attest.collateral.http import BoundedClient
from voltage_attest.collateral.intel import IntelCollateral
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.bundle import parse_any_bundle
from voltage_attest.evidence.model import Evidence
from voltage_attest.many_origins import SharedCollateral, SharedNvidia
from voltage_attest.pods.client import POD_LIMITS, PodClient
from voltage_attest.pods.credentials import find_api_key
from voltage_attest.pods.voltagegpu import DEFAULT_BASE
from voltage_attest.policy.load import load_policy, parse_policy
from voltage_attest.result import AttestationResult, Finding, Verdict, undecided
from voltage_attest.trust import TrustRoots
from voltage_attest.verifier import Verifier

if TYPE_CHECKING:
    from voltage_attest.collateral.nvidia_service import OcspMode

__all__ = ["Bundle", "How", "Item", "Judged", "Pod", "Terms", "map_many", "verify_many"]

Found = TypeVar("Found")

_LARGEST: Final = 16 * 1024 * 1024
"""Bytes read of a bundle; its parser refuses less."""

_IN_FLIGHT: Final = 32
_THREADS: Final = 8
_KEPT_JOBS: Final = 4


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod, to be asked now."""

    name: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """A saved bundle; ``name`` is its file, where the worker finds it."""

    name: str


Item = Pod | Bundle


@dataclass(frozen=True, slots=True)
class How:
    """How the network is reached, as :class:`~voltage_attest.attest_origins.Connections` says; all of it can be pickled.

    ``cache`` False keeps no documents. ``retries`` is how often a pod that ended undecided is asked again, ``retry_delay`` the
    seconds before the first of these; each later one waits twice as long.
    """

    api_base: str | None = None
    api_key_file: str | None = None
    pccs: tuple[str, ...] = ()
    tls_ca: str | None = None
    proxy: str | None = None
    cache: bool = True
    nvidia_base: str | None = None
    ocsp_mode: OcspMode | Literal["online", "cached", "off"] = "online"
    retries: int = 0
    retry_delay: float = 1.0


@dataclass(frozen=True, slots=True)
class Judged:
    """One item, what came of it, and in how many attempts. ``warnings`` are about the cache, for the user to see."""

    item: Item
    result: AttestationResult
    attempts: int = 1
    warnings: tuple[str, ...] = ()


class Terms(TypedDict, total=False):
    """How many items are judged; every key may be left out.

    ``executor`` does the work: by default eight threads, which suits pods; for bundles, processes scale with cores. ``at`` is
    the time that bundles are judged for, by default the present, the same for all; pods are always judged for the present.
    ``roots`` replace the pinned ones. ``in_flight`` items are handed out at a time. ``progress`` is called, from any thread,
    when one is done.
    """

    executor: Executor | None
    at: datetime | None
    roots: TrustRoots | None
    how: How
    in_flight: int
    progress: Callable[[], None] | None


def verify_many(items: Iterable[Item], policy: Path | str, **terms: Unpack[Terms]) -> Iterator[Judged]:
    """Judge every item and yield each in its turn, whatever its verdict.

    ``policy`` is a path, or the text of one; :class:`~voltage_attest.errors.PolicyError` as when it is loaded.
    """
    return map_many(_itself, items, policy, **terms)


def map_many(
    then: Callable[[Judged], Found], items: Iterable[Item], policy: Path | str, **terms: Unpack[Terms]
) -> Iterator[Found]:
    """As :func:`verify_many`, and yield what ``then`` makes of each, where it was judged. For processes it can be pickled."""
    path = policy if isinstance(policy, Path) else None
    if path is not None:
        load_policy(path)  # which says by name what is wrong with the file
    text = path.read_bytes().decode("utf-8") if path is not None else str(policy)
    parse_policy(text, path=path)
    present = datetime.now(UTC).replace(microsecond=0)  # noqa: TID251 - the one time that a whole run is judged for
    at, roots = terms.get("at") or present, terms.get("roots")
    job = _Job(text, None if path is None else str(path), at, roots, terms.get("how") or How())
    return _run(job, then, items, terms)


def _itself(judged: Judged) -> Judged:
    return judged


def _run(job: _Job, then: Callable[[Judged], Found], items: Iterable[Item], terms: Terms) -> Iterator[Found]:
    executor, progress, in_flight = terms.get("executor"), terms.get("progress"), terms.get("in_flight", _IN_FLIGHT)
    waiting: deque[Future[Found]] = deque()
    with ExitStack() as stack:
        stack.callback(_WORKPLACES.close, job)
        pool = stack.enter_context(ThreadPoolExecutor(_THREADS)) if executor is None else executor
        try:
            for item in items:
                future = pool.submit(_judge, job, then, item)
                if progress is not None:
                    future.add_done_callback(lambda _done: progress())
                waiting.append(future)
                if len(waiting) >= max(in_flight, 1):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


@dataclass(frozen=True, slots=True)
class _Job:
    """All that a worker is told of a run."""

    policy: str
    policy_path: str | None
    at: datetime
    roots: TrustRoots | None
    how: How


def _judge(job: _Job, then: Callable[[Judged], Found], item: Item) -> Found:
    """What a worker does with one item."""
    place = _WORKPLACES.open(job)
    return then(place.judge_pod(item) if isinstance(item, Pod) else place.judge_bundle(item))


class _Workplace:
    """What one process keeps for a run: the verifier, and once a pod is asked, the connections."""

    def __init__(self, job: _Job) -> None:
        path = None if job.policy_path is None else Path(job.policy_path)
        self._job = job
        self._verifier = Verifier(parse_policy(job.policy, path=path), roots=job.roots)
        self._attester: Attester | None = None
        self._lock, self._stack = Lock(), ExitStack()

    def close(self) -> None:
        """Close the connections."""
        self._stack.close()

    def judge_bundle(self, item: Bundle) -> Judged:
        """Judge what the bundle holds; a file that cannot be read leaves it undecided."""
        try:
            with Path(item.name).open("rb") as file:
                data = file.read(_LARGEST + 1)
        except OSError as error:
            reason = f"the bundle cannot be read ({error.strerror})"
            return Judged(item, self._without_evidence(undecided(reason, expected="a bundle", actual="none")))
        try:
            bundle = parse_any_bundle(data)
            kept, fetched = evidence_of(bundle), fetched_of(bundle)
        except EvidenceFormatError as error:
            return Judged(item, self._without_evidence(why_not_fetched(error)))
        nvidia = kept.nvidia if self._verifier.devices is not None else None
        result = self._verifier.examine(
            kept.evidence,
            kept.collateral,
            at=self._job.at,
            fetched=fetched,
            nonce=kept.nonce,
            sources=kept.sources,
            nvidia=None if nvidia is None else nvidia.collateral,
            nvidia_records=nvidia_records(nvidia),
        )
        return Judged(item, result)

    def _without_evidence(self, why: Finding) -> AttestationResult:
        return self._verifier.examine(Evidence(), IntelCollateral(), at=self._job.at, fetched=why)

    def judge_pod(self, item: Pod) -> Judged:
        """Ask the pod; again, a little later each time, while that leaves it undecided."""
        attester, how = self._connected(), self._job.how
        attestation = attester.attest(item.name)
        attempts = 1
        while attestation.result.verdict is Verdict.UNDECIDED and attempts <= how.retries:
            time.sleep(how.retry_delay * 2 ** (attempts - 1))
            attestation = attester.attest(item.name)
            attempts += 1
        return Judged(item, attestation.result, attempts, attestation.warnings)

    def _connected(self) -> Attester:
        with self._lock:
            if self._attester is None:
                self._attester = self._connect()
            return self._attester

    def _connect(self) -> Attester:
        how, policy = self._job.how, self._verifier.policy
        key_file = None if how.api_key_file is None else Path(how.api_key_file)
        key = find_api_key(key_file, os.environ)  # noqa: TID251 - a key is found where the work is done, never sent there
        connections = _connections(how, self._job.roots)
        client = self._stack.enter_context(
            BoundedClient(proxy=proxy_of(policy, connections), tls_ca=how.tls_ca, limits=POD_LIMITS)
        )
        pods = None if key is None else PodClient(client, key, base=how.api_base or DEFAULT_BASE)
        arguments = nvidia_arguments(policy, connections)
        if arguments["nvidia"] is not None:
            arguments["nvidia"] = SharedNvidia(arguments["nvidia"])
        return Attester(self._verifier, pods, SharedCollateral(collateral_origin(policy, connections)), **arguments)


def _connections(how: How, roots: TrustRoots | None) -> Connections:
    found: Connections = {"pccs": how.pccs, "roots": roots, "ocsp_mode": how.ocsp_mode}
    if how.tls_ca is not None:
        found["tls_ca"] = how.tls_ca
    if how.proxy is not None:
        found["proxy"] = how.proxy
    if how.nvidia_base is not None:
        found["nvidia_base"] = how.nvidia_base
    if not how.cache:
        found["cache"] = None
    return found


class _Workplaces:
    """The workplaces of this process by job. A worker that is never told of a run's end lets the oldest go."""

    def __init__(self) -> None:
        self._open: dict[_Job, _Workplace] = {}
        self._lock = Lock()

    def open(self, job: _Job) -> _Workplace:
        """The workplace for the job."""
        with self._lock:
            place = self._open.get(job)
            if place is None:
                for oldest in list(self._open)[: len(self._open) - _KEPT_JOBS + 1]:
                    self._open.pop(oldest).close()
                place = self._open[job] = _Workplace(job)
            return place

    def close(self, job: _Job) -> None:
        """Close it, if it is open here."""
        with self._lock:
            place = self._open.pop(job, None)
        if place is not None:
            place.close()


_WORKPLACES: Final = _Workplaces()
