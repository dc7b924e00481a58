"""``verify_many``: any executor, the order of the items, documents fetched once, and memory for a few results."""

from __future__ import annotations

import json
import multiprocessing
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import API_KEY
from voltage_attest.errors import PolicyError
from voltage_attest.many import Bundle, How, Judged, Pod, verify_many
from voltage_attest.result import Verdict
from voltage_attest.testing import COLLATERAL, Answers, SimulatedPod
from voltage_attest.trust import TrustRoots


def verdicts(judged: Iterator[Judged]) -> list[tuple[str, str]]:
    return [(one.item.name, one.result.verdict.value) for one in judged]


EXPECTED = [("proofs/a.json", "verified"), ("proofs/b.json", "refused"), ("proofs/c.json", "undecided")]
ITEMS = [Bundle(name) for name, _ in EXPECTED]


@pytest.fixture
def roots(folder: Path, bundles: Path) -> TrustRoots:
    assert bundles.is_dir()
    return TrustRoots.from_pem(intel=(folder / "root.pem").read_bytes())


def executors() -> list[type[Executor] | None]:
    return [None, ThreadPoolExecutor, ProcessPoolExecutor]


@pytest.mark.parametrize("kind", executors(), ids=str)
def test_every_executor_gives_the_same_in_the_order_of_the_items(
    kind: type[Executor] | None, roots: TrustRoots, folder: Path
) -> None:
    policy, at = folder / "voltage-attest.toml", datetime.now(UTC).replace(microsecond=0)
    if kind is None:
        assert verdicts(verify_many(ITEMS, policy, roots=roots, at=at)) == EXPECTED
        return
    pool = (
        ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) if kind is ProcessPoolExecutor else ThreadPoolExecutor(2)
    )
    with pool:
        assert verdicts(verify_many(ITEMS, policy, executor=pool, roots=roots, at=at)) == EXPECTED


def test_results_are_equal_to_the_bit_whether_they_come_from_a_thread_or_a_process(roots: TrustRoots, folder: Path) -> None:
    policy, at = folder / "voltage-attest.toml", datetime.now(UTC).replace(microsecond=0)
    here = list(verify_many(ITEMS, policy, roots=roots, at=at))
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert list(verify_many(ITEMS, policy, executor=pool, roots=roots, at=at)) == here


def test_dask_distributed_is_an_executor_like_any_other(roots: TrustRoots, folder: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed here")
    policy, at = folder / "voltage-attest.toml", datetime.now(UTC).replace(microsecond=0)
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1") as cluster,
        distributed.Client(cluster) as client,
    ):
        items = [Bundle(str((folder / item.name).resolve())) for item in ITEMS]
        found = verdicts(verify_many(items, policy, executor=client.get_executor(), roots=roots, at=at))
    assert [verdict for _, verdict in found] == [verdict for _, verdict in EXPECTED]


class Watched(ThreadPoolExecutor):
    """Counts what was handed out and not yet collected."""

    def __init__(self) -> None:
        super().__init__(2)
        self.handed_out = 0

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.handed_out += 1
        return super().submit(fn, *args, **kwargs)


def test_no_more_items_are_handed_out_than_may_be_in_flight(roots: TrustRoots, folder: Path) -> None:
    with Watched() as pool:
        found = verify_many(ITEMS[:1] * 50, folder / "voltage-attest.toml", executor=pool, roots=roots, in_flight=4)
        for collected, _ in enumerate(found):
            assert pool.handed_out - collected <= 4


def test_whoever_stops_early_leaves_no_work_behind(roots: TrustRoots, folder: Path) -> None:
    with Watched() as pool:
        found = verify_many(iter(ITEMS[:1] * 50), folder / "voltage-attest.toml", executor=pool, roots=roots, in_flight=4)
        next(found)
        found.close()  # type: ignore[attr-defined] # a generator
        assert pool.handed_out <= 5


def test_what_pods_share_is_fetched_once(pod: SimulatedPod, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOLTAGEGPU_API_KEY", API_KEY)
    (folder / "ca.pem").write_bytes(pod.ca_pem)
    how = How(api_base=pod.api_base, pccs=(pod.pccs_base,), tls_ca="ca.pem", cache=False)
    items = [Pod("pod_7")] * 12
    found = list(verify_many(items, pod.policy_toml(), roots=pod.roots, how=how))
    assert {one.result.verdict for one in found} == {Verdict.VERIFIED}
    assert len({one.result.freshness.nonce for one in found}) == 12, "a nonce each"
    asked = [request.path for request in pod.received if "/certification/" in request.path]
    assert len(asked) == len(set(asked)) == 4


def test_what_could_not_be_fetched_is_asked_for_again(pod: SimulatedPod, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOLTAGEGPU_API_KEY", API_KEY)
    monkeypatch.setattr("voltage_attest.many.time.sleep", lambda _seconds: pod.set_faults())
    (folder / "ca.pem").write_bytes(pod.ca_pem)
    pod.set_faults(Answers(status=404, on=COLLATERAL))
    how = How(api_base=pod.api_base, pccs=(pod.pccs_base,), tls_ca="ca.pem", cache=False, retries=2)
    (judged,) = verify_many([Pod("pod_7")], pod.policy_toml(), roots=pod.roots, how=how)
    assert (judged.result.verdict, judged.attempts) == (Verdict.VERIFIED, 2)


def test_progress_is_told_once_an_item(roots: TrustRoots, folder: Path) -> None:
    told, lock = [0], threading.Lock()

    def progress() -> None:
        with lock:
            told[0] += 1

    list(verify_many(ITEMS, folder / "voltage-attest.toml", roots=roots, progress=progress))
    assert told == [3]


def test_a_policy_that_cannot_be_used_is_an_error_before_anything_is_judged(folder: Path) -> None:
    with pytest.raises(PolicyError):
        verify_many([], folder / "absent.toml")
    with pytest.raises(PolicyError):
        verify_many([], "name = 1")


def test_a_pod_without_a_key_is_an_error(pod: SimulatedPod, folder: Path) -> None:
    assert folder.is_dir()
    with pytest.raises(ValueError, match="no API key"):
        list(verify_many([Pod("pod_7")], pod.policy_toml(), roots=pod.roots))


def test_a_bundle_of_any_bytes_is_a_result(roots: TrustRoots, folder: Path) -> None:
    (folder / "bytes.json").write_bytes(b"\xff\x00")
    (folder / "list.json").write_text(json.dumps([]), "utf-8")
    names = ("bytes.json", "list.json", "absent.json", ".")
    found = verdicts(verify_many([Bundle(name) for name in names], folder / "voltage-attest.toml", roots=roots))
    assert [verdict for _, verdict in found] == ["refused", "refused", "undecided", "undecided"]


def test_nvidias_manifests_are_fetched_once_and_revocation_is_asked_for_each_pod(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SimulatedPod(pod_id="pod_g", api_key=API_KEY, gpus=1) as pod:
        monkeypatch.setenv("VOLTAGEGPU_API_KEY", API_KEY)
        (folder / "ca.pem").write_bytes(pod.ca_pem)
        how = How(api_base=pod.api_base, pccs=(pod.pccs_base,), tls_ca="ca.pem", cache=False, nvidia_base=pod.nvidia_base)
        found = list(verify_many([Pod("pod_g")] * 4, pod.policy_toml(), roots=pod.roots, how=how))
        paths = [request.path for request in pod.received]
    assert {one.result.verdict for one in found} == {Verdict.VERIFIED}
    manifests = [path for path in paths if "rim" in path.lower()]
    assert len(manifests) == len(set(manifests)) == 2, manifests
    assert sum("certification" not in path and "/v1/pods/" not in path and path not in manifests for path in paths) >= 4
