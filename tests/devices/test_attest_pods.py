"""From a POD_ID to a verdict about its GPUs, over loopback: fetched, cached, kept in a bundle, and judged again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final

import pytest

from voltage_attest.attest import Attestation, Connections, open_attester, open_attester_async
from voltage_attest.bundles import bundle_of, evidence_of, fetched_of
from voltage_attest.collateral.cache import CachedAnswer, CollateralCache, decode_entry, encode_entry
from voltage_attest.collateral.nvidia import NvidiaCollateral
from voltage_attest.evidence.bundle import dump_bundle, parse_bundle
from voltage_attest.evidence.bundle_model import EvidenceBundle
from voltage_attest.evidence.model import DeviceEvidence, Evidence
from voltage_attest.nvidia_course import converse_with_nvidia
from voltage_attest.policy import Policy, parse_policy
from voltage_attest.result import AttestationResult, Status, Verdict
from voltage_attest.testing import GB100_GPU, H200_GPU, NVIDIA, Answers, Fault, PodOptions, SimulatedPod
from voltage_attest.verifier import Verifier

PODS: Final[dict[str, PodOptions]] = {
    "one H100": {"gpus": 1},
    "four Blackwells": {"gpus": 4, "gpu": GB100_GPU},
    "eight H200 and four switches": {"gpus": 8, "switches": 4, "gpu": H200_GPU},
}
NRAS: Final = ("/v3/attest/", "/v4/attest/", "/.well-known/")


@pytest.fixture(scope="module")
def node() -> Iterator[SimulatedPod]:
    with SimulatedPod(**PODS["eight H200 and four switches"]) as running:
        yield running


@pytest.fixture
def cache(tmp_path: Path) -> CollateralCache:
    return CollateralCache(tmp_path / "cache" / "collateral")


def reached(pod: SimulatedPod, folder: Path, cache: CollateralCache | None = None) -> Connections:
    """How the pod and its vendors' services are reached."""
    (folder / "ca.pem").write_bytes(pod.ca_pem)
    return Connections(
        api_key=pod.api_key,
        api_base=pod.api_base,
        pccs=[pod.pccs_base],
        nvidia_base=pod.nvidia_base,
        roots=pod.roots,
        tls_ca=folder / "ca.pem",
        cache=cache,
    )


def policy_of(pod: SimulatedPod, more: str = "") -> Policy:
    """The policy that accepts the pod; ``more`` are further lines of ``[gpu]``."""
    return parse_policy(pod.policy_toml().replace("[gpu]\n", f"[gpu]\n{more}\n"))


def attest(pod: SimulatedPod, how: Connections, more: str = "") -> Attestation:
    with open_attester(policy_of(pod, more), **how) as attester:
        return attester.attest(pod.pod_id)


def attest_async(pod: SimulatedPod, how: Connections, more: str = "") -> Attestation:
    async def run() -> Attestation:
        async with open_attester_async(policy_of(pod, more), **how) as attester:
            return await attester.attest(pod.pod_id)

    return asyncio.run(run())


def closing(result: AttestationResult) -> dict[str, Status]:
    """The checks that close the gate, and how."""
    return {row.id: row.status for row in result.checks if row.status.closes_gate}


def outline(result: AttestationResult) -> list[tuple[str, str | None, Status]]:
    return [(row.id, row.device, row.status) for row in result.checks]


def paths_of(pod: SimulatedPod, prefixes: tuple[str, ...], since: int) -> list[str]:
    """What was asked of those paths after the first ``since`` requests."""
    return [request.path for request in pod.received[since:] if request.path.startswith(prefixes)]


Run = Callable[[SimulatedPod, Connections, str], Attestation]
BOTH = pytest.mark.parametrize("run", [attest, attest_async], ids=["sync", "async"])


@BOTH
@pytest.mark.parametrize("name", PODS)
def test_a_pod_with_gpus_is_verified(run: Run, name: str, tmp_path: Path) -> None:
    with SimulatedPod(**PODS[name]) as pod:
        attestation = run(pod, reached(pod, tmp_path), "")
    result = attestation.result
    assert closing(result) == {}
    assert result.verdict is Verdict.VERIFIED
    assert result.freshness.fresh
    assert (len(result.gpus), len(result.switches)) == (len(pod.node.gpus), len(pod.node.switches))
    assert {gpu.ueid for gpu in result.gpus} == {gpu.ueid for gpu in pod.node.gpus}
    assert result.check("binding.gpu_nonce").status is Status.PASSED
    assert {record.kind for record in result.evidence} >= {"tdx-quote", "gpu-report"}
    assert {record.kind for record in result.collateral} >= {"nvidia-rim", "nvidia-ocsp"}
    assert result.valid_until is not None


REFUSED_BY: Final = MappingProxyType(
    {
        Fault.GPU_WRONG_NONCE: {"binding.gpu_nonce"},
        Fault.GPU_DUPLICATE: {"gpu.node.distinct"},
        Fault.GPU_WRONG_CHIP: {"gpu.architecture"},
        Fault.GPU_MEASUREMENT_CHANGED: {"gpu.measurements"},
        Fault.GPU_REVOKED: {"gpu.revocation"},
        Fault.GPU_HOLD: {"gpu.revocation"},
        Fault.SWITCH_FOREIGN: {"gpu.topology"},
        Fault.SWITCH_UNLOCKED: {"gpu.node.switch_lock"},
        Fault.OCSP_STALE: {"gpu.revocation", "gpu.rim.revocation"},
    }
)
UNDECIDED_BY: Final = MappingProxyType(
    {
        Fault.GPU_RIM_MISSING: {"gpu.rim.parse"},
        Fault.OCSP_DOWN: {"gpu.revocation", "gpu.rim.revocation"},
    }
)


@pytest.mark.parametrize(("fault", "checks"), REFUSED_BY.items(), ids=[fault.name for fault in REFUSED_BY])
def test_a_lie_is_refused_by_its_own_checks(node: SimulatedPod, fault: Fault, checks: set[str], tmp_path: Path) -> None:
    with node.faulty(fault):
        result = attest(node, reached(node, tmp_path)).result
    assert closing(result) == dict.fromkeys(checks, Status.FAILED)
    assert result.verdict is Verdict.REFUSED


@pytest.mark.parametrize(("fault", "checks"), UNDECIDED_BY.items(), ids=[fault.name for fault in UNDECIDED_BY])
def test_what_cannot_be_had_ends_undecided(node: SimulatedPod, fault: Fault, checks: set[str], tmp_path: Path) -> None:
    with node.faulty(fault):
        result = attest(node, reached(node, tmp_path)).result
    assert closing(result) == dict.fromkeys(checks, Status.ERROR)
    assert result.verdict is Verdict.UNDECIDED


def test_every_fault_of_devices_is_met_here() -> None:
    prefixes = ("GPU_", "SWITCH_", "OCSP_")
    assert {*REFUSED_BY, *UNDECIDED_BY} == {fault for fault in Fault if fault.name.startswith(prefixes)}


def test_a_manifest_that_is_missing_is_named_with_what_to_do(node: SimulatedPod, tmp_path: Path) -> None:
    with node.faulty(Fault.GPU_RIM_MISSING):
        result = attest(node, reached(node, tmp_path)).result
    reason = str(result.check("gpu.rim.parse", "gpu[0]").reason)
    assert "NVIDIA publishes no RIM NV_GPU_DRIVER_GH100_590.12 (HTTP 404)" in reason
    assert "--rim" in reason


def test_hold_is_accepted_where_the_policy_says_so(node: SimulatedPod, tmp_path: Path) -> None:
    with node.faulty(Fault.GPU_HOLD):
        accepting = attest(node, reached(node, tmp_path), 'certificate_hold = { device = "accept" }').result
    assert accepting.verdict is Verdict.VERIFIED
    assert "on hold" in str(accepting.check("gpu.revocation", "gpu[7]").finding.actual)


def test_shared_documents_are_asked_for_once(node: SimulatedPod, tmp_path: Path) -> None:
    since = len(node.received)
    attest(node, reached(node, tmp_path))
    manifests = paths_of(node, ("/v1/rim/",), since)
    assert sorted(manifests) == sorted(f"/v1/rim/{rim_id}" for rim_id in node.rims())
    chains = [device.leaf.chain[1:-1] for device in node.node.devices]
    signers = [node.nvidia.rim_signer(chip).chain[:-1] for chip in {device.chip for device in node.node.devices}]
    subjects = {certificate.der for chain in (*chains, *signers) for certificate in chain}
    asked = [request.body for request in node.received[since:] if request.method == "POST"]
    assert len(asked) == len(set(asked)) == len(subjects)


def read_again(attestation: Attestation) -> EvidenceBundle:
    """The attestation kept in a file, and read from it."""
    return parse_bundle(dump_bundle(bundle_of(attestation)).encode())


@pytest.mark.parametrize("fault", [None, Fault.GPU_MEASUREMENT_CHANGED, Fault.GPU_HOLD, Fault.GPU_RIM_MISSING], ids=str)
@pytest.mark.parametrize("nras", ["off", "require"])
def test_a_bundle_comes_to_the_same_rows(node: SimulatedPod, fault: Fault | None, nras: str, tmp_path: Path) -> None:
    more = f'nras = "{nras}"'
    with node.faulty(*([] if fault is None else [fault])):
        first = attest(node, reached(node, tmp_path), more)
    bundle = read_again(first)
    kept = evidence_of(bundle)
    again = Verifier(policy_of(node, more), roots=node.roots).examine(
        kept.evidence,
        kept.collateral,
        at=first.result.appraised_at,
        fetched=fetched_of(bundle),
        nonce=kept.nonce,
        sources=kept.sources,
        nvidia=kept.nvidia.collateral,
    )
    assert outline(again) == outline(first.result)
    assert (again.gpus, again.switches) == (first.result.gpus, first.result.switches)
    assert first.nvidia is not None
    assert kept.nvidia.collateral == first.nvidia.collateral
    assert kept.nvidia.sources == first.nvidia.sources


def test_offline_a_warm_cache_is_enough(node: SimulatedPod, cache: CollateralCache, tmp_path: Path) -> None:
    """In ocsp-mode cached nothing carries a nonce, so answers of the last day may be kept."""
    how = reached(node, tmp_path, cache)
    first = attest(node, how | Connections(ocsp_mode="cached"))
    assert closing(first.result) == {}
    since = len(node.received)
    with open_attester(policy_of(node), **how | Connections(offline=True)) as attester:
        second = attester.examine(first.evidence, nonce=first.nonce)
    assert closing(second.result) == {}
    assert node.received[since:] == ()
    assert {record.from_cache for record in second.result.collateral} == {True}


def test_offline_without_a_cache_all_of_it_is_missing(node: SimulatedPod, cache: CollateralCache, tmp_path: Path) -> None:
    evidence = attest(node, reached(node, tmp_path)).evidence
    how = reached(node, tmp_path, cache) | Connections(offline=True)
    with open_attester(policy_of(node), **how) as attester:
        result = attester.examine(evidence).result
    assert result.verdict is Verdict.UNDECIDED
    assert {"gpu.rim.parse", "gpu.revocation"} <= closing(result).keys()
    assert set(closing(result).values()) == {Status.ERROR}


def test_online_every_answer_about_revocation_is_fresh(node: SimulatedPod, cache: CollateralCache, tmp_path: Path) -> None:
    """Manifests are kept, and asked about anew: each request carries a nonce, which its answer must repeat."""
    how = reached(node, tmp_path, cache)
    attest(node, how)
    since = len(node.received)
    second = attest(node, how)
    assert paths_of(node, ("/v1/rim/",), since) == []
    assert second.nvidia is not None
    assert all(answer.nonce is not None for answer in second.nvidia.collateral.ocsp)
    assert len([request for request in node.received[since:] if request.method == "POST"]) == len(second.nvidia.collateral.ocsp)


def test_a_cached_manifest_that_was_altered_is_fetched_anew(node: SimulatedPod, cache: CollateralCache, tmp_path: Path) -> None:
    how = reached(node, tmp_path, cache)
    attest(node, how)
    spoiled = 0
    for file in (tmp_path / "cache" / "collateral").glob("*.json"):
        entry = decode_entry(file.read_bytes())
        if entry is not None and entry.kind == "nvidia-rim":
            body = entry.body.replace(b'"rim": "P', b'"rim": "Q')
            assert body != entry.body
            file.write_bytes(encode_entry(CachedAnswer(entry.kind, entry.url, entry.headers, body)))
            spoiled += 1
    assert spoiled == len(node.rims())
    assert closing(attest(node, how).result) == {}


class TestTheAttestationService:
    """NRAS learns when a clinic verifies what: nobody asks it unless the policy says so."""

    @pytest.mark.parametrize("use", ["off", "accept"])
    def test_without_require_it_gets_no_request(self, node: SimulatedPod, use: str, tmp_path: Path) -> None:
        since = len(node.received)
        result = attest(node, reached(node, tmp_path), f'nras = "{use}"').result
        assert closing(result) == {}
        assert paths_of(node, NRAS, since) == []
        rows = [row for row in result.checks if row.id.startswith("nras.")]
        assert {row.status for row in rows} == (set() if use == "off" else {Status.SKIPPED})

    def test_with_require_it_is_asked_about_gpus_and_switches(self, node: SimulatedPod, tmp_path: Path) -> None:
        since = len(node.received)
        result = attest(node, reached(node, tmp_path), 'nras = "require"').result
        assert closing(result) == {}
        assert sorted(paths_of(node, NRAS, since)) == ["/.well-known/jwks.json", "/v4/attest/gpu", "/v4/attest/switch"]
        assert {row.device for row in result.checks if row.id == "nras.ueids"} == {"nras[0]", "nras[1]"}
        assert {row.status for row in result.checks if row.id.startswith("nras.")} == {Status.PASSED}

    def test_what_it_refuses_is_refused(self, node: SimulatedPod, tmp_path: Path) -> None:
        with node.faulty(Fault.GPU_MEASUREMENT_CHANGED):
            result = attest(node, reached(node, tmp_path), 'nras = "require"').result
        assert closing(result).keys() == {"gpu.measurements", "nras.result", "nras.devices"}

    def test_if_it_does_not_answer_the_verdict_is_undecided(self, node: SimulatedPod, tmp_path: Path) -> None:
        with node.faulty(Answers(status=503, on=NRAS[:2])):
            result = attest(node, reached(node, tmp_path), 'nras = "require"').result
        assert closing(result) == {"nras.parse": Status.ERROR, "nras.jwks": Status.ERROR}
        assert result.verdict is Verdict.UNDECIDED


def test_what_is_at_hand_is_not_asked_for(node: SimulatedPod, tmp_path: Path) -> None:
    first = attest(node, reached(node, tmp_path))
    assert first.nvidia is not None
    since = len(node.received)
    how = reached(node, tmp_path) | Connections(nvidia=first.nvidia.collateral)
    with open_attester(policy_of(node), **how) as attester:
        assert closing(attester.examine(first.evidence, nonce=first.nonce).result) == {}
    assert paths_of(node, NVIDIA, since) == []


def test_safeguards_that_the_policy_leaves_out_are_not_asked_about(node: SimulatedPod, tmp_path: Path) -> None:
    since = len(node.received)
    more = 'unsafe_skip_rim = "a test"\nunsafe_skip_revocation = "a test"'
    result = attest(node, reached(node, tmp_path), more).result
    assert result.verdict is Verdict.VERIFIED
    assert paths_of(node, NVIDIA, since) == []
    assert sum("switches a safeguard off" in warning for warning in result.warnings) == 2


def test_the_conversation_asks_nothing_where_evidence_cannot_be_read(node: SimulatedPod) -> None:
    devices = Verifier(policy_of(node, 'nras = "require"'), roots=node.roots).devices
    assert devices is not None
    for evidence in (Evidence(), Evidence(gpu_evidence=(DeviceEvidence("{}"),))):
        asking = converse_with_nvidia(devices, evidence, NvidiaCollateral(), now=datetime.now(UTC), draw_nonce=None)
        with pytest.raises(StopIteration):
            next(asking)
