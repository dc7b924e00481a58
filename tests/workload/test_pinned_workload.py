"""The policy that pin writes from a boot log: what differs per instance is left to the events, and only that."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.cases.boot_cases import BOOTED, MR_CONFIG, Booted
from tests.cases.model import INTEL, PLATFORM, ROOTS
from voltage_attest.appraise.observed_workload import observed_workload
from voltage_attest.collateral.intel import parse_intel_collateral
from voltage_attest.evidence.model import Evidence
from voltage_attest.policy import Policy, Unpinned, parse_policy
from voltage_attest.policy.model import WorkloadPolicy
from voltage_attest.policy.write import observing_policy, write_policy
from voltage_attest.testing import APPRAISED_AT, FakeIntel
from voltage_attest.verifier import Verifier
from voltage_attest.verifier_boot import verified_log
from voltage_attest.verify.mr_config import mr_config_id_v1, mr_config_id_v3

COLLATERAL = parse_intel_collateral(INTEL.collateral(PLATFORM).to_json())


def evidence_of(boot: Booted) -> Evidence:
    return replace(boot.evidence, quote=boot.quote)


def pinned(boot: Booted, *, workload: WorkloadPolicy | None = None) -> Policy:
    """What is written of that boot, and accepts it."""
    evidence = evidence_of(boot)
    log = verified_log(evidence, COLLATERAL, roots=ROOTS, at=APPRAISED_AT)
    assert log is not None
    found = workload or observed_workload(log)
    looked = Verifier(observing_policy(None, workload=True), roots=ROOTS)
    result = looked.verify(evidence, COLLATERAL, at=APPRAISED_AT)
    policy = parse_policy(write_policy(result, name="ward", binding=None, workload=found))
    Verifier(policy, roots=ROOTS).verify(evidence, COLLATERAL, at=APPRAISED_AT)
    return policy


def is_open(policy: Policy, key: str) -> bool:
    assert policy.tdx is not None
    return isinstance(policy.tdx.pins.get(key), Unpinned) or key not in policy.tdx.pins


def test_rtmr3_is_left_to_its_events_and_nothing_else_is() -> None:
    policy = pinned(BOOTED)
    assert [key for key in ("mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3", "mr_config_id") if is_open(policy, key)] == ["rtmr3"]
    assert policy.workload is not None
    assert policy.workload.image_digests


def test_a_form_of_mrconfigid_that_holds_the_instance_is_left_to_its_check() -> None:
    assert is_open(pinned(Booted(mr_config_id=mr_config_id_v3(MR_CONFIG), mr_config=MR_CONFIG)), "mr_config_id")


def test_a_form_of_mrconfigid_that_holds_the_application_is_pinned() -> None:
    boot = Booted(mr_config_id=mr_config_id_v1(next(r.payload for r in BOOTED.records if r.name == "compose-hash")))
    assert not is_open(pinned(boot), "mr_config_id")


def test_where_the_log_names_no_application_rtmr3_is_pinned() -> None:
    assert not is_open(pinned(BOOTED, workload=WorkloadPolicy(secure_boot=True)), "rtmr3")


def test_looking_expects_a_log() -> None:
    looked = Verifier(observing_policy(None, workload=True), roots=ROOTS)
    evidence = replace(evidence_of(BOOTED), event_log=None)
    assert looked.examine(evidence, COLLATERAL, at=APPRAISED_AT).verdict == "undecided"


@pytest.mark.parametrize(
    "evidence",
    [
        Evidence(),
        replace(evidence_of(BOOTED), quote=b"no quote"),
        replace(evidence_of(BOOTED), event_log=None),
        evidence_of(Booted(log="[]")),
        evidence_of(Booted(registers={"rtmr1": bytes(48)})),
    ],
    ids=["nothing", "no quote", "no log", "an empty log", "another quote"],
)
def test_what_is_not_genuine_gives_no_log(evidence: Evidence) -> None:
    assert verified_log(evidence, COLLATERAL, roots=ROOTS, at=APPRAISED_AT) is None


def test_under_other_roots_there_is_no_log() -> None:
    assert verified_log(evidence_of(BOOTED), COLLATERAL, at=APPRAISED_AT) is None
    stranger = FakeIntel("stranger").platform().quote()
    assert verified_log(replace(evidence_of(BOOTED), quote=stranger), COLLATERAL, roots=ROOTS, at=APPRAISED_AT) is None
