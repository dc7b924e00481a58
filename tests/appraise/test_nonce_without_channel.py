"""Without [channel] a nonce that was given is judged all the same: bare, or by the binding that the quote follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.cases.all_cases import CASES
from tests.cases.devices import GPU, NONCE, answered, evidence_of, pair
from tests.cases.model import ROOTS, Case, policy_text
from voltage_attest.policy import parse_policy
from voltage_attest.result import CheckResult, Status
from voltage_attest.verifier import Verifier

OTHER = b"\x77" * 32
BARE = Case(claims=evidence_of([GPU]), policy=policy_text(gpu={"count": "1"}), nonce=NONCE, nvidia=answered([GPU]))
"""A quote that commits to nothing, and a GPU that signed the nonce itself."""


def bound() -> Case:
    """Quote and GPUs of a pod, bound by voltage-attest/1."""
    return replace(CASES["gpus_bound_to_the_quote"](), policy=policy_text(gpu={"count": "2"}))


def row(case: Case) -> CheckResult:
    found = case.examined_by(Verifier(parse_policy(case.policy), roots=ROOTS)).check("binding.gpu_nonce")
    assert found is not None
    return found


@pytest.mark.parametrize(("case", "rule"), [(lambda: BARE, "the verifier's nonce"), (bound, "voltage-attest/1")])
def test_devices_that_signed_it_or_what_follows_from_it_pass(case: Callable[[], Case], rule: str) -> None:
    found = row(case())
    assert (found.status, str(found.finding.actual).partition(":")[0]) == (Status.PASSED, rule)


@pytest.mark.parametrize("case", [lambda: BARE, bound])
def test_another_nonce_refuses_them(case: Callable[[], Case]) -> None:
    assert row(replace(case(), nonce=OTHER)).status is Status.FAILED


@pytest.mark.parametrize("case", [lambda: BARE, bound])
def test_without_a_nonce_their_age_is_not_judged(case: Callable[[], Case]) -> None:
    found = row(replace(case(), nonce=None))
    assert (found.status, "age is not proven" in str(found.reason)) == (Status.SKIPPED, True)


def test_a_quote_bound_to_it_does_not_excuse_a_gpu_of_another_request() -> None:
    other = evidence_of(pair(), nonce=OTHER)
    assert row(replace(bound(), claims=replace(bound().claims, gpu_evidence=other.gpu_evidence))).status is Status.FAILED
