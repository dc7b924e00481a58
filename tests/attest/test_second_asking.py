"""When documents are asked for a second time, past the cache: where one that came from it failed a row that it decides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from tests.cases.all_cases import CASES
from tests.cases.devices import device_case
from tests.cases.model import ROOTS, Case
from voltage_attest.attest import Attester
from voltage_attest.collateral.nvidia import NvidiaCollateral
from voltage_attest.collateral.nvidia_fetched import FetchedNvidia, NvidiaSource
from voltage_attest.collateral.nvidia_requests import NvidiaKind
from voltage_attest.nvidia_course import AskManifests, NvidiaQuestion
from voltage_attest.policy import parse_policy
from voltage_attest.result import AttestationResult, Status, Verdict
from voltage_attest.verifier import Verifier


@dataclass
class Origin:
    """NVIDIA, of which manifests come from a cache at first, and answers always anew."""

    rims: Callable[[bool], NvidiaCollateral]
    status: Callable[[bool], NvidiaCollateral]
    asked: list[tuple[str, bool]] = field(default_factory=list)
    cached: tuple[NvidiaKind, ...] = (NvidiaKind.RIM,)

    def answer(self, question: NvidiaQuestion, progress: object = None) -> FetchedNvidia:
        del progress
        refresh = getattr(question, "refresh", False)
        self.asked.append((type(question).__name__, refresh))
        if isinstance(question, AskManifests):
            held, kind = self.rims(refresh), NvidiaKind.RIM
        else:
            held, kind = self.status(refresh), NvidiaKind.OCSP
        return FetchedNvidia(held, (NvidiaSource(kind, "x", "00" * 32, "u", kind in self.cached and not refresh),))


class NoIntel:
    """Nobody asks Intel about GPUs alone."""

    def fetch(self, *_: object, **__: object) -> None:
        raise AssertionError("Intel was asked")


def attested(case: Case, origin: Origin) -> AttestationResult:
    verifier = Verifier(parse_policy(case.policy), roots=ROOTS)
    attester = Attester(verifier, None, NoIntel(), nvidia=origin, draw_ocsp_nonce=None)  # type: ignore[arg-type]  # asks no more
    return attester.examine(case.claims, nonce=case.nonce, at=case.at).result


def documents_of(case: Case) -> tuple[NvidiaCollateral, NvidiaCollateral]:
    """The manifests, and all else."""
    return NvidiaCollateral(rims=case.nvidia.rims), replace(case.nvidia, rims=())


GOOD = device_case()
ONCE = [("AskManifests", False), ("AskStatuses", False)]
TWICE = [*ONCE, ("AskManifests", True), ("AskStatuses", True)]


@pytest.mark.parametrize("name", ["manifest_altered_after_signing_version", "gpu_measured_otherwise_nvdec0"])
def test_a_cached_manifest_that_fails_its_rows_or_the_measurements_is_asked_for_once_more(name: str) -> None:
    """It may be genuine and superseded: then only the measurements tell."""
    case = CASES[name]()
    (bad, answers), (good, _) = documents_of(case), documents_of(GOOD)
    origin = Origin(lambda refresh: good if refresh else bad, lambda _: answers)
    result = attested(case, origin)
    assert origin.asked == TWICE
    assert any(row.status is Status.FAILED for row in result.checks) is (name == "gpu_measured_otherwise_nvdec0")


def test_a_responder_that_is_silent_is_no_reason_to_ask_for_cached_manifests_again() -> None:
    rims, _ = documents_of(GOOD)
    origin = Origin(lambda _: rims, lambda _: NvidiaCollateral(absences=(("ocsp:x", "the network is down"),)))
    assert attested(GOOD, origin).verdict is Verdict.UNDECIDED
    assert origin.asked == ONCE


def test_a_row_that_no_cached_document_decides_is_no_reason_either() -> None:
    """The answers were fetched just now, and only the manifests came from the cache."""
    case = CASES["provisioner_not_good_revoked"]()
    rims, answers = documents_of(case)
    origin = Origin(lambda _: rims, lambda _: answers)
    assert attested(case, origin).verdict is Verdict.REFUSED
    assert origin.asked == ONCE


def test_a_cached_answer_that_fails_is_asked_for_once_more() -> None:
    case = CASES["provisioner_not_good_revoked"]()
    rims, revoked = documents_of(case)
    good = documents_of(GOOD)[1]
    origin = Origin(lambda _: rims, lambda refresh: good if refresh else revoked, cached=(NvidiaKind.OCSP,))
    assert attested(case, origin).verdict is Verdict.VERIFIED
    assert origin.asked == TWICE
