"""Every real quote of the shared vectors: the status and advisories that Intel's rules give it, and the verdict they make."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.outcomes import failed_ids, ids_with, open_policy
from tests.support.real_evidence import VECTORS, each_vector, is_tdx, vector_json
from voltage_attest.result import AttestationResult, Status, Verdict
from voltage_attest.verifier import Evidence, Verifier

CLEAR_SEPT_VE = {"ita-azure-tdx-v4-00806f", "gotdx-spr-e4-tdx-v4-50806f-2023"}
"""TDs that their hosts started without SEPT_VE_DISABLE."""
FOLDERS = 12
"""Folders with ``intel_semantics.json``: eleven TDX quotes and one of SGX."""


def status_of(folder: Path) -> tuple[str, list[str]]:
    """Converged status (or TCB_NOT_SUPPORTED) and advisories by Intel's rules."""
    semantics = vector_json(folder, "intel_semantics.json")
    status, advisories = semantics["intel_qvl_semantics_status"], semantics["advisories"]
    assert isinstance(status, str)
    assert isinstance(advisories, list)
    return status.partition(" ")[0].partition("(")[0], advisories


def appraised_at(folder: Path) -> datetime:
    """The instant at which a second implementation took its verdict."""
    now = vector_json(folder, "dcap_qvl_verdict.json")["now"]
    assert isinstance(now, int)
    return datetime.fromtimestamp(now, UTC)


def examine(folder: Path, *, tdx: dict[str, str] | None = None, tcb: str = "") -> AttestationResult:
    """Judge the folder's quote at that instant by a policy that pins nothing."""
    verifier = Verifier(open_policy(tdx=tdx, tcb=tcb))
    quote, collateral = (folder / "quote.bin").read_bytes(), (folder / "collateral.json").read_bytes()
    return verifier.examine(Evidence(quote=quote), collateral, at=appraised_at(folder))


def is_listed(folder: Path) -> bool:
    """Whether Intel's TCB info has a level for this platform, so that a policy can accept its status."""
    return is_tdx(folder) and status_of(folder)[0] != "TCB_NOT_SUPPORTED"


def is_no_longer_listed(folder: Path) -> bool:
    """Whether no level matches."""
    return is_tdx(folder) and not is_listed(folder)


def dcap_qvl_verdict(folder: Path) -> dict[str, object]:
    """What dcap-qvl said of the quote at that instant."""
    verdict = vector_json(folder, "dcap_qvl_verdict.json")["verify"]
    assert isinstance(verdict, dict)
    return verdict


@pytest.mark.skipif(not VECTORS.is_dir(), reason="../shared/vectors is not beside this repository")
def test_every_folder_is_judged() -> None:
    """A folder that lost its file would silently drop out."""
    assert len(list(VECTORS.glob("*/intel_semantics.json"))) == FOLDERS


@each_vector("intel_semantics.json", where=is_tdx)
def test_the_claims_are_the_status_and_advisories_of_intels_rules(folder: Path) -> None:
    """The same converged status and the same advisories; no level matches where Intel supports the TCB no longer."""
    status, advisories = status_of(folder)
    result = examine(folder)
    assert result.tdx is not None, "every one of these quotes is genuine"
    if status == "TCB_NOT_SUPPORTED":
        assert (result.tdx.tcb_status, result.tdx.advisory_ids) == (None, ())
        assert result.check("tdx.tcb.converged").status is Status.NOT_RUN
    else:
        assert (result.tdx.tcb_status, list(result.tdx.advisory_ids)) == (status, advisories)


@each_vector("intel_semantics.json")
def test_exactly_the_checks_fail_that_must(folder: Path) -> None:
    """Not TDX, no TCB level, SEPT_VE_DISABLE clear, a status that is not accepted; nothing else, and nothing undecided."""
    status, _ = status_of(folder)
    expected: set[str] = set()
    if not is_tdx(folder):
        expected = {"tdx.quote.parse", "tdx.tcb_info.parse", "tdx.qe_identity.parse"}
    else:
        expected |= {"tdx.td.sept_ve_disable"} if folder.name in CLEAR_SEPT_VE else set()
        expected |= {"tdx.tcb.platform"} if status == "TCB_NOT_SUPPORTED" else set()
        expected |= {"tdx.policy.tcb"} if status not in {"UpToDate", "TCB_NOT_SUPPORTED"} else set()
    result = examine(folder)
    assert failed_ids(result) == expected
    assert ids_with(result, Status.ERROR) == frozenset()
    assert result.verdict is (Verdict.REFUSED if expected else Verdict.VERIFIED)


@each_vector("intel_semantics.json", where=is_listed)
def test_a_status_is_accepted_only_when_the_policy_accepts_it(folder: Path) -> None:
    """With its status accepted and SEPT_VE_DISABLE excused, a quote verifies; with another status accepted, it does not."""
    status, _ = status_of(folder)
    relaxed = {"unsafe_allow_sept_ve": "true"}
    assert examine(folder, tdx=relaxed, tcb=f'accept = ["{status}"]').verdict is Verdict.VERIFIED
    refused = examine(folder, tdx=relaxed, tcb='accept = ["ConfigurationNeeded"]')
    assert failed_ids(refused) == {"tdx.policy.tcb"}


@each_vector("intel_semantics.json", where=is_no_longer_listed)
def test_no_policy_accepts_a_tcb_that_intel_no_longer_lists(folder: Path) -> None:
    """TCB_NOT_SUPPORTED is no status that a policy could name: every status accepted, it stays refused."""
    accept = '["UpToDate", "SWHardeningNeeded", "ConfigurationNeeded", "OutOfDate", "OutOfDateConfigurationNeeded"]'
    result = examine(folder, tdx={"unsafe_allow_sept_ve": "true"}, tcb=f"accept = {accept}")
    assert failed_ids(result) == {"tdx.tcb.platform"}
    assert "TCB_NOT_SUPPORTED" in (result.check("tdx.tcb.platform").reason or "")


@each_vector("intel_semantics.json", where=lambda folder: is_tdx(folder) and bool(dcap_qvl_verdict(folder)["ok"]))
def test_the_second_implementation_agrees(folder: Path) -> None:
    """Where dcap-qvl accepted a quote, it saw the same status and advisories."""
    verdict = dcap_qvl_verdict(folder)
    result = examine(folder)
    assert result.tdx is not None
    assert (result.tdx.tcb_status, list(result.tdx.advisory_ids)) == (verdict["status"], verdict["advisory_ids"])


@pytest.mark.skipif(not VECTORS.is_dir(), reason="../shared/vectors is not beside this repository")
def test_the_platforms_status_is_never_replaced_by_the_modules() -> None:
    """automata-gcp: platform OutOfDate, TDX module UpToDate. A verifier that overwrites says UpToDate."""
    result = examine(VECTORS / "automata-gcp-tdx-v4-00806f-2025")
    assert result.tdx is not None
    assert result.check("tdx.tcb.module").finding.actual is not None
    assert (result.check("tdx.tcb.module").finding.actual or "").startswith("UpToDate")
    assert result.tdx.tcb_status == "OutOfDate"
    assert failed_ids(result) == {"tdx.policy.tcb"}


@pytest.mark.skipif(not VECTORS.is_dir(), reason="../shared/vectors is not beside this repository")
@pytest.mark.parametrize("name", sorted(CLEAR_SEPT_VE))
def test_a_clear_sept_ve_disable_is_refused_unless_the_policy_allows_it(name: str) -> None:
    """The claims are made all the same; the switch leaves an unsafe row, never a passed one."""
    strict, relaxed = examine(VECTORS / name), examine(VECTORS / name, tdx={"unsafe_allow_sept_ve": "true"})
    assert "tdx.td.sept_ve_disable" in failed_ids(strict)
    assert strict.tdx is not None
    row = relaxed.check("tdx.td.sept_ve_disable")
    assert (row.status, row.finding.unsafe) == (Status.SKIPPED, True)
    assert failed_ids(relaxed) == failed_ids(strict) - {"tdx.td.sept_ve_disable"}
