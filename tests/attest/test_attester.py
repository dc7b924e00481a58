"""The attester: sync and async through one course, what it asks for, and when it asks again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.outcomes import failed_ids, ids_with, open_policy
from tests.support.sampling import every
from voltage_attest.attest import (
    NONCE_SIZE,
    AsyncAttester,
    Attestation,
    Attester,
    Connections,
    draw_nonce,
    open_attester,
    open_attester_async,
    why_not_fetched,
)
from voltage_attest.collateral.cache import CollateralCache
from voltage_attest.collateral.intel import IntelCollateral, parse_intel_collateral
from voltage_attest.collateral.service import CollateralRequest, DocumentKind, DocumentSource, FetchedCollateral
from voltage_attest.errors import EvidenceFormatError, FetchError, OfflineError, TrustRootError
from voltage_attest.evidence.model import Evidence
from voltage_attest.policy import parse_policy
from voltage_attest.result import CheckResult, Status, Verdict
from voltage_attest.testing import APPRAISED_AT, COLLATERAL, FakeIntel, Fault, SimulatedPod
from voltage_attest.trust import TrustRoots
from voltage_attest.verifier import Verifier

INTEL = FakeIntel()
PLATFORM = INTEL.platform()
GOOD = parse_intel_collateral(INTEL.collateral(PLATFORM).to_json())
BAD = parse_intel_collateral(INTEL.collateral(PLATFORM).to_json().replace(b"OutOfDate", b"UpToDate"))
ROOTS = TrustRoots.from_pem(intel=INTEL.root_pem)


@pytest.fixture
def pod() -> Iterator[SimulatedPod]:
    with SimulatedPod() as running:
        yield running


@pytest.fixture
def how(pod: SimulatedPod, tmp_path: Path) -> Connections:
    """How the pod is reached, with a cache of the test's own."""
    (tmp_path / "ca.pem").write_bytes(pod.ca_pem)
    return Connections(
        api_key=pod.api_key,
        api_base=pod.api_base,
        pccs=[pod.pccs_base],
        roots=pod.roots,
        tls_ca=tmp_path / "ca.pem",
        cache=CollateralCache(tmp_path / "cache" / "collateral"),
    )


def attest(pod: SimulatedPod, how: Connections) -> Attestation:
    with open_attester(parse_policy(pod.policy_toml()), **how) as attester:
        return attester.attest(pod.pod_id)


def attest_async(pod: SimulatedPod, how: Connections) -> Attestation:
    async def run() -> Attestation:
        async with open_attester_async(parse_policy(pod.policy_toml()), **how) as attester:
            return await attester.attest(pod.pod_id)

    return asyncio.run(run())


Run = Callable[[SimulatedPod, Connections], Attestation]
BOTH = pytest.mark.parametrize("run", [attest, attest_async], ids=["sync", "async"])


@BOTH
def test_a_pod_is_verified(run: Run, pod: SimulatedPod, how: Connections) -> None:
    attestation = run(pod, how)
    assert attestation.result.verdict is Verdict.VERIFIED
    assert attestation.result.freshness.fresh
    assert attestation.nonce is not None
    assert len(attestation.nonce) == NONCE_SIZE
    assert {source.kind for source in attestation.sources} == set(DocumentKind)


def outline(rows: tuple[CheckResult, ...]) -> list[tuple[str, str, str | None]]:
    """Id, status and reason: what does not depend on the nonce."""
    return [(row.id, row.status.value, row.reason) for row in rows]


@pytest.mark.parametrize("fault", every(4, [None, *Fault]), ids=str)
def test_both_give_the_same_rows(pod: SimulatedPod, how: Connections, fault: Fault | None) -> None:
    if fault is not None:
        pod.set_faults(fault)
    first, second = attest(pod, how).result, attest_async(pod, how).result
    assert outline(first.checks) == outline(second.checks)
    assert (first.tdx is None) == (second.tdx is None)


@BOTH
def test_a_wrong_key_is_a_result_not_an_exception(run: Run, pod: SimulatedPod, how: Connections) -> None:
    attestation = run(pod, how | {"api_key": "another"})
    assert attestation.result.verdict is Verdict.UNDECIDED
    assert "evidence.fetch" in ids_with(attestation.result, Status.ERROR)
    assert attestation.collateral.why_absent("tcb_info") is not None


@BOTH
def test_a_second_run_takes_every_document_from_the_cache(run: Run, pod: SimulatedPod, how: Connections) -> None:
    run(pod, how)
    second = run(pod, how)
    assert all(source.from_cache for source in second.sources)
    assert pod.traffic.requests_below(COLLATERAL) == 4


@BOTH
def test_without_a_key_no_pod_is_asked(run: Run, pod: SimulatedPod, how: Connections) -> None:
    with pytest.raises(ValueError, match="no API key to ask the pod with: pass api_key, or set VOLTAGEGPU_API_KEY"):
        run(pod, how | {"api_key": None})


@BOTH
def test_offline_no_pod_is_asked(run: Run, pod: SimulatedPod, how: Connections) -> None:
    with pytest.raises(ValueError, match="no API key"):
        run(pod, how | {"offline": True})
    assert pod.traffic.connections == 0


@BOTH
def test_the_key_is_looked_for_in_the_environment(
    run: Run, pod: SimulatedPod, how: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOLTAGEGPU_API_KEY", pod.api_key)
    how.pop("api_key")
    assert run(pod, how).result.verdict is Verdict.VERIFIED


@BOTH
@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (Connections(api_base="http://example.org"), "it is http, not https"),
        (Connections(pccs=["ftp://example.org"]), "the PCCS address cannot be used"),
        (Connections(api_key="two\nlines"), "the API key from the caller holds blanks"),
    ],
)
def test_what_cannot_be_used_is_said_at_once(
    run: Run, pod: SimulatedPod, how: Connections, changed: Connections, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        run(pod, how | changed)


@BOTH
def test_a_tls_ca_that_is_none_is_said_at_once(run: Run, pod: SimulatedPod, how: Connections, tmp_path: Path) -> None:
    with pytest.raises(TrustRootError):
        run(pod, how | {"tls_ca": tmp_path / "absent.pem"})


@BOTH
def test_collateral_at_hand_is_not_asked_for(run: Run, pod: SimulatedPod, how: Connections) -> None:
    collateral = parse_intel_collateral(pod.collateral().to_json())
    attestation = run(pod, how | {"collateral": collateral})
    assert attestation.result.verdict is Verdict.VERIFIED
    assert {record.source for record in attestation.result.collateral} == {"file"}
    assert pod.traffic.requests_below(COLLATERAL) == 0


@BOTH
def test_progress_tells_of_the_pod_and_of_each_document(run: Run, pod: SimulatedPod, how: Connections) -> None:
    told: list[tuple[str, str]] = []
    run(pod, how | {"progress": lambda what, words: told.append((what, words))})
    assert told[:2] == [("pod", "asking for evidence"), ("pod", "answered")]
    assert {what for what, _ in told} == {"pod", *DocumentKind}


class Shelf:
    """An origin that hands out what it was given, in order, and remembers how it was asked."""

    def __init__(self, *found: FetchedCollateral) -> None:
        self.found = list(found)
        self.asked: list[tuple[CollateralRequest, datetime, bool]] = []

    def fetch(
        self, request: CollateralRequest, *, now: datetime, refresh: bool = False, progress: object = None
    ) -> FetchedCollateral:
        assert progress is None
        self.asked.append((request, now, refresh))
        return self.found.pop(0)

    async def fetch_async(
        self, request: CollateralRequest, *, now: datetime, refresh: bool = False, progress: object = None
    ) -> FetchedCollateral:
        return self.fetch(request, now=now, refresh=refresh, progress=progress)


def found(collateral: IntelCollateral, *, from_cache: bool, warnings: tuple[str, ...] = ()) -> FetchedCollateral:
    sources = tuple(DocumentSource(kind, f"https://pcs/{kind}", from_cache) for kind in DocumentKind)
    return FetchedCollateral(collateral, sources, warnings=warnings)


def examine(shelf: Shelf, *, tcb: str = "") -> Attestation:
    attester = Attester(Verifier(open_policy(tcb=tcb), roots=ROOTS), None, shelf)
    return attester.examine(Evidence(quote=PLATFORM.quote()), at=APPRAISED_AT)


def test_evidence_at_hand_is_judged_for_the_time_asked_for() -> None:
    shelf = Shelf(found(GOOD, from_cache=False))
    attestation = examine(shelf)
    assert attestation.result.verdict is Verdict.VERIFIED
    assert attestation.result.appraised_at == APPRAISED_AT
    assert [(now, refresh) for _, now, refresh in shelf.asked] == [(APPRAISED_AT, False)]


def test_evidence_at_hand_is_judged_alike_by_the_async_twin() -> None:
    shelf = Shelf(found(BAD, from_cache=True), found(GOOD, from_cache=False))
    evidence = Evidence(quote=PLATFORM.quote())
    attester = AsyncAttester(Verifier(open_policy(), roots=ROOTS), None, shelf)
    attestation = asyncio.run(attester.examine(evidence, at=APPRAISED_AT))
    assert attestation.result == examine(Shelf(found(GOOD, from_cache=False))).result


def test_documents_from_the_cache_that_fail_are_asked_for_once_more() -> None:
    shelf = Shelf(found(BAD, from_cache=True, warnings=("odd",)), found(GOOD, from_cache=False, warnings=("odd", "mended")))
    attestation = examine(shelf)
    assert attestation.result.verdict is Verdict.VERIFIED
    assert [refresh for *_, refresh in shelf.asked] == [False, True]
    assert attestation.warnings == ("odd", "mended")


def test_it_is_asked_once_more_and_not_for_ever() -> None:
    attestation = examine(Shelf(found(BAD, from_cache=True), found(BAD, from_cache=True)))
    assert "tdx.tcb_info.signature" in failed_ids(attestation.result)


def test_documents_from_the_network_that_fail_are_refused_at_once() -> None:
    shelf = Shelf(found(BAD, from_cache=False))
    assert "tdx.tcb_info.signature" in failed_ids(examine(shelf).result)
    assert len(shelf.asked) == 1


def test_a_cached_issue_older_than_the_policy_demands_is_asked_for_once_more() -> None:
    shelf = Shelf(found(GOOD, from_cache=True), found(GOOD, from_cache=False))
    attestation = examine(shelf, tcb="min_tcb_evaluation_data_number = 999")
    assert failed_ids(attestation.result) == {"tdx.policy.tcb_evaluation"}
    assert len(shelf.asked) == 2


@pytest.mark.parametrize("quote", [None, b"", b"nonsense", PLATFORM.quote()[:600]])
def test_nothing_is_asked_of_intel_without_a_platform(quote: bytes | None) -> None:
    shelf = Shelf()
    attester = Attester(Verifier(open_policy(), roots=ROOTS), None, shelf)
    attestation = attester.examine(Evidence(quote=quote), at=APPRAISED_AT)
    assert attestation.result.verdict is Verdict.REFUSED
    assert "no readable quote says which platform" in (attestation.collateral.why_absent("tcb_info") or "")


def test_the_policy_says_which_issue_is_asked_for() -> None:
    text = 'schema = "voltage-attest/policy/1"\nname = "n"\n[tdx]\n'
    pins = "".join(f'{key} = {{ unpinned = "a test" }}\n' for key in ("mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3"))
    policy = parse_policy(f"{text}{pins}[tdx.collateral]\ntcb_evaluation_data_number = 20\n")
    shelf = Shelf(found(GOOD, from_cache=False))
    Attester(Verifier(policy, roots=ROOTS), None, shelf).examine(Evidence(quote=PLATFORM.quote()), at=APPRAISED_AT)
    assert shelf.asked[0][0] == CollateralRequest(PLATFORM.pck.fmspc, "platform", "standard", 20)


def test_now_is_in_whole_seconds(pod: SimulatedPod, how: Connections) -> None:
    at = attest(pod, how).result.appraised_at
    assert at.microsecond == 0
    assert abs((datetime.now(UTC) - at).total_seconds()) < 60


def test_every_nonce_is_another() -> None:
    drawn = {draw_nonce() for _ in range(100)}
    assert len(drawn) == 100
    assert {len(nonce) for nonce in drawn} == {NONCE_SIZE}


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (FetchError("it", happened="failed", remedy="Wait."), Status.ERROR),
        (FetchError("it", happened="redirected", remedy="Look.", refused=True), Status.FAILED),
        (OfflineError("it", happened="no network", remedy="Connect."), Status.ERROR),
        (EvidenceFormatError("junk", expected="JSON"), Status.FAILED),
    ],
)
def test_a_failure_to_fetch_becomes_a_finding(error: FetchError | OfflineError | EvidenceFormatError, status: Status) -> None:
    finding = why_not_fetched(error)
    assert finding.status is status
    assert finding.reason
