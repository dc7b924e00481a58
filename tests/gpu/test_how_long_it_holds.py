"""How long a result about devices holds: until the first of the certificates, documents and tokens it rests on ends."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.cases.all_cases import CASES
from tests.cases.devices import device_case
from tests.cases.model import ROOTS, Case
from voltage_attest.collateral.nvidia import NvidiaCollateral
from voltage_attest.evidence.eat import claimed_time, parse_detached_eat
from voltage_attest.policy import parse_policy
from voltage_attest.result import AttestationResult, Status, Verdict
from voltage_attest.verifier import Verifier


def examined(case: Case) -> AttestationResult:
    return case.examined_by(Verifier(parse_policy(case.policy), roots=ROOTS))


def test_no_longer_than_a_certificate_of_the_devices_chain() -> None:
    case = CASES["provisioner_out_of_date_expired"]()
    end = case.at - timedelta(seconds=1)
    refused = examined(case)
    assert [row.id for row in refused.checks if row.status is Status.FAILED] == ["gpu.chain_validity"]
    result = examined(replace(case, at=end - timedelta(seconds=1)))
    assert (result.verdict, result.valid_until) == (Verdict.VERIFIED, end)


@pytest.mark.parametrize("required", ["require", "accept"])
def test_no_longer_than_a_token_that_was_judged_live(required: str) -> None:
    case = CASES["group_that_nras_vouches_for"]()
    case = replace(case, policy=case.policy.replace('"require"', f'"{required}"'))
    tokens = [token for answer in case.nvidia.nras for token in parse_detached_eat(answer.body).tokens]
    end = min([datetime.fromtimestamp(claimed_time(token, "exp"), UTC) for token in tokens])
    assert examined(replace(case, fresh=True)).valid_until == end
    kept = examined(case)
    assert kept.valid_until is not None
    assert kept.valid_until > end, "a copy kept beside the evidence says what NRAS found then, and has no end"


def test_manifests_are_named_only_where_measurements_were_compared() -> None:
    good = device_case()
    assert len(examined(good).gpus[0].manifests) == 2
    assert examined(replace(good, nvidia=NvidiaCollateral())).gpus[0].manifests == ()
    left_out = replace(good, policy=good.policy + 'unsafe_skip_rim = "a test"\n')
    assert examined(left_out).gpus[0].manifests == ()


def test_half_a_surrogate_pair_in_the_evidence_is_refused() -> None:
    from voltage_attest.evidence.model import DeviceEvidence

    good = device_case()
    for text in ("\ud800", json.dumps({"arch": "\ud800"}, ensure_ascii=False)):
        result = examined(replace(good, claims=replace(good.claims, gpu_evidence=(DeviceEvidence(text),))))
        assert [row.id for row in result.checks if row.status is Status.FAILED] == ["gpu.evidence.parse"]


def test_what_the_policy_leaves_out_does_not_shorten_it() -> None:
    """Answers that live for a day lie beside evidence whose revocation is not judged."""
    good = device_case()
    judged, left_out = (replace(good, policy=good.policy + line) for line in ("", 'unsafe_skip_revocation = "a test"\n'))
    ends = [examined(case).valid_until for case in (judged, left_out)]
    assert ends[0] is not None
    assert ends[1] is not None
    assert ends[0] < ends[1]
