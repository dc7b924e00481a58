"""Every check can fail, fails alone, and takes with it exactly what depends on it: on its device, and on the node."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Final

import pytest

from tests.cases.all_cases import CASES, Case
from tests.cases.boot_cases import boot_policy
from tests.cases.devices import device_policy
from tests.cases.model import ROOTS, policy_text
from voltage_attest.checks import REGISTRY
from voltage_attest.policy import parse_policy
from voltage_attest.result import AttestationResult, Status, Verdict
from voltage_attest.verifier import Verifier

Row = tuple[str, str | None]
"""The id of a check and the device that the row is about: ``gpu[0]``, ``switch[3]``, ``nras[0]``; None for all others."""

OF_NODES: Final = ("gpu.evidence.", "gpu.node.", "gpu.topology")
"""Beginnings of checks that look at all devices together; the other ``gpu.`` checks look at one."""
OF_GPUS: Final = frozenset({check_id for check_id in REGISTRY if check_id.startswith("gpu.")} | {"binding.gpu_nonce"})
OF_DEVICES: Final = frozenset(
    {check_id for check_id in REGISTRY if check_id.startswith("gpu.") and not check_id.startswith(OF_NODES)}
)
OF_ANSWERS: Final = frozenset({check_id for check_id in REGISTRY if check_id.startswith("nras.")})
OF_QUOTES: Final = frozenset({check_id for check_id in REGISTRY if check_id.startswith("tdx.")})
OF_WORKLOADS: Final = frozenset(
    {check_id for check_id in REGISTRY if check_id.startswith(("tdx.event_log.", "workload."))} - {"tdx.event_log.parse"}
)


@cache
def verifier_for(policy: str) -> Verifier:
    return Verifier(parse_policy(policy), roots=ROOTS)


@cache
def made(case_id: str) -> Case:
    return CASES[case_id]()


@cache
def judged(case_id: str) -> tuple[Case, AttestationResult]:
    case = made(case_id)
    return case, case.examined_by(verifier_for(case.policy))


def expected_rows(case: Case) -> list[Row]:
    """Every check has a row, one for each device or answer it is about; but those of a kind that the policy leaves out."""
    return [(check_id, subject) for check_id in REGISTRY for subject in _subjects(check_id, case)]


def _subjects(check_id: str, case: Case) -> Iterable[str | None]:
    policy = verifier_for(case.policy).policy
    if check_id in OF_WORKLOADS and policy.workload is None:
        return []
    if check_id in OF_QUOTES:
        return [] if policy.tdx is None else [None]
    if check_id in OF_ANSWERS:
        return [] if policy.gpu is None or policy.gpu.nras == "off" else _answers(case, required=policy.gpu.nras == "require")
    if check_id in OF_DEVICES:
        return [] if policy.gpu is None else case.devices
    return [] if check_id in OF_GPUS and policy.gpu is None else [None]


def _answers(case: Case, *, required: bool) -> list[str]:
    """One for each answer; where there is none, for the one that is missing; where one is required, for each class."""
    classes = 2 if required and case.claims.switch_evidence else 1
    return [f"nras[{number}]" for number in range(max(classes, len(case.nvidia.nras)))]


def rows_of(check_ids: Iterable[str], case: Case) -> frozenset[Row]:
    """The rows of these checks: of each device that the case names, where they are about devices."""
    per_subject = OF_DEVICES | OF_ANSWERS
    return frozenset(
        {
            (check_id, subject)
            for check_id in check_ids
            for subject in _subjects(check_id, case)
            if check_id not in per_subject or subject in case.on
        }
    )


def dependents(case: Case) -> frozenset[Row]:
    """Every row that rests on a closing one, directly or through others, without these themselves.

    What is about one device rests on rows of that device; what is about all of them, on the rows of each.
    """
    closing = rows_of(case.closing, case)
    stopped = set(closing)
    for check_id, subject in expected_rows(case):  # a prerequisite always stands earlier
        if any(not stopped.isdisjoint(_grounds(required, subject, case)) for required in REGISTRY[check_id].requires):
            stopped.add((check_id, subject))
    return frozenset(stopped - closing)


def _grounds(required: str, subject: str | None, case: Case) -> Iterator[Row]:
    """The rows that a row about ``subject`` needs where its check requires that other one."""
    for other in _subjects(required, case):
        if subject is None or other in {None, subject}:
            yield required, other


def ids(result: AttestationResult, status: Status) -> frozenset[Row]:
    return frozenset((row.id, row.device) for row in result.by_status()[status])


@pytest.mark.parametrize("case_id", CASES)
def test_case_ends_exactly_as_it_must(case_id: str) -> None:
    case, result = judged(case_id)
    reasons = {(row.id, row.device): row.reason for row in result.checks if row.status.closes_gate}
    assert ids(result, Status.FAILED) == rows_of(case.failed, case), reasons
    assert ids(result, Status.ERROR) == rows_of(case.errors, case), reasons
    assert ids(result, Status.NOT_RUN) == dependents(case)
    rows = [(row.id, row.device) for row in result.checks]
    assert len(rows) == len(set(rows))
    assert set(rows) == set(expected_rows(case))
    assert result.verdict == case.verdict
    if case.tcb_status is not None:
        assert result.tdx is not None
        assert result.tdx.tcb_status == case.tcb_status


@pytest.mark.parametrize("case_id", CASES)
def test_case_names_the_devices_on_which_its_checks_fail(case_id: str) -> None:
    case = made(case_id)
    per_subject = case.closing & (OF_DEVICES | OF_ANSWERS)
    assert bool(case.on) == bool(per_subject)
    assert all(case.on & frozenset(_subjects(check_id, case)) for check_id in per_subject)


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
    assert check_id in {only for case_id in CASES for only in alone(made(case_id))}


def alone(case: Case) -> frozenset[str]:
    return case.failed if len(case.failed) == 1 and len(case.on) <= 1 and not case.errors else frozenset()


def test_every_verdict_has_cases() -> None:
    assert {made(case_id).verdict for case_id in CASES} == {verdict.value for verdict in Verdict}


@pytest.mark.parametrize(
    "policy",
    [policy_text(), device_policy(), device_policy({"count": "8", "switches": "4"}), boot_policy()],
    ids=["a quote", "one GPU", "a group", "a boot"],
)
def test_a_verifier_that_remembers_judges_as_one_that_does_not(policy: str) -> None:
    # One Verifier for everything, good and bad in turn: what it keeps of one case must not colour another.
    warm = Verifier(parse_policy(policy), roots=ROOTS)
    cases = [case for case in map(made, CASES) if case.policy == policy]
    assert len(cases) > 4
    for case in (*cases, *reversed(cases)):
        fresh = Verifier(parse_policy(case.policy), roots=ROOTS)
        assert case.examined_by(warm) == case.examined_by(fresh)
