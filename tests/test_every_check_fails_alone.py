"""Every check can fail, fails alone, and takes with it exactly what depends on it."""

from __future__ import annotations

from functools import cache

import pytest

from tests.cases.all_cases import CASES, Case
from tests.cases.model import INTEL, policy_text
from voltage_attest.checks import REGISTRY
from voltage_attest.policy import parse_policy
from voltage_attest.policy.model import Policy
from voltage_attest.result import AttestationResult, Status, Verdict
from voltage_attest.trust import TrustRoots
from voltage_attest.verifier import Verifier

ROOTS = TrustRoots.from_pem(intel=INTEL.root_pem)


@cache
def verifier_for(policy: str) -> Verifier:
    return Verifier(parse_policy(policy), roots=ROOTS)


@cache
def judged(case_id: str) -> tuple[Case, AttestationResult]:
    case = CASES[case_id]()
    return case, case.examined_by(verifier_for(case.policy))


def dependents(check_ids: frozenset[str]) -> frozenset[str]:
    """Every check that requires one of these, directly or through others, without these themselves."""
    reached = set(check_ids)
    for check in REGISTRY.values():  # a prerequisite always stands earlier
        if not reached.isdisjoint(check.requires):
            reached.add(check.id)
    return frozenset(reached - check_ids)


def expected_rows(policy: Policy) -> frozenset[str]:
    """Every check has a row, but for those of a kind of evidence that the policy does not speak of: one row says so."""
    of_gpus = {check_id for check_id in REGISTRY if check_id.startswith(("gpu.", "nras."))} | {"binding.gpu_nonce"}
    of_quotes = {check_id for check_id in REGISTRY if check_id.startswith("tdx.")}
    return frozenset(set(REGISTRY) - (of_gpus if policy.gpu is None else set()) - (of_quotes if policy.tdx is None else set()))


def ids(result: AttestationResult, status: Status) -> frozenset[str]:
    return frozenset(row.id for row in result.by_status()[status])


@pytest.mark.parametrize("case_id", CASES)
def test_case_ends_exactly_as_it_must(case_id: str) -> None:
    case, result = judged(case_id)
    reasons = {row.id: row.reason for row in result.checks if row.status.closes_gate}
    assert ids(result, Status.FAILED) == case.failed, reasons
    assert ids(result, Status.ERROR) == case.errors, reasons
    assert ids(result, Status.NOT_RUN) == dependents(case.closing) & expected_rows(verifier_for(case.policy).policy)
    assert {row.id for row in result.checks} == expected_rows(verifier_for(case.policy).policy)
    assert result.verdict == case.verdict
    if case.tcb_status is not None:
        assert result.tdx is not None
        assert result.tdx.tcb_status == case.tcb_status


@pytest.mark.parametrize("case_id", CASES)
def test_every_closing_row_says_what_was_expected_and_found(case_id: str) -> None:
    _, result = judged(case_id)
    for row in result.checks:
        if row.status is Status.FAILED:
            assert row.finding.expected, row.id
            assert row.finding.actual is not None, row.id
        if row.status in {Status.FAILED, Status.ERROR, Status.NOT_RUN, Status.SKIPPED}:
            assert row.reason, row.id


@pytest.mark.parametrize("check_id", REGISTRY)
def test_check_has_a_case_in_which_it_fails_alone(check_id: str) -> None:
    # Cases that are merely undecided do not count: absence of a document says little about the check.
    assert check_id in {only for make in CASES.values() for only in alone(make())}


def alone(case: Case) -> frozenset[str]:
    return case.failed if len(case.failed) == 1 and not case.errors else frozenset()


def test_every_verdict_has_cases() -> None:
    assert {make().verdict for make in CASES.values()} == {verdict.value for verdict in Verdict}


def test_a_verifier_that_remembers_judges_as_one_that_does_not() -> None:
    # One Verifier for everything, good and bad in turn: what it keeps of one case must not colour another.
    warm = Verifier(parse_policy(policy_text()), roots=ROOTS)
    cases = [case for case in (make() for make in CASES.values()) if case.policy == policy_text()]
    for case in (*cases, *reversed(cases)):
        fresh = Verifier(parse_policy(case.policy), roots=ROOTS)
        assert case.examined_by(warm) == case.examined_by(fresh)
