"""Results to render: built by hand so that every kind of row is there, and judged from real evidence."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final

from tests.support.real_evidence import ACCEPTED_PAIRS
from voltage_attest.checks import REGISTRY, Check
from voltage_attest.policy import load_policy
from voltage_attest.result import (
    AttestationResult,
    Channel,
    CheckResult,
    CollateralRecord,
    EvidenceRecord,
    Finding,
    Freshness,
    Location,
    PolicyRecord,
    Status,
    Subject,
    TdxClaims,
    failed,
    passed,
    skipped,
    undecided,
)
from voltage_attest.verifier import Evidence, Verifier

__all__ = [
    "AT",
    "CLAIMS",
    "REFUSED",
    "SAMPLES",
    "UNDECIDED",
    "UNKNOWN_CHECK",
    "VERIFIED",
    "check_golden",
    "real_result",
    "row",
]

REPOSITORY: Final = Path(__file__).resolve().parents[2]
GOLDEN: Final = Path(__file__).parent / "golden"
AT: Final = datetime(2026, 11, 15, 12, tzinfo=UTC)

UNKNOWN_CHECK: Final = Check(
    "gpu.of_a_later_version", "The GPU's certificates lead to NVIDIA", "", "", "a later version", "Update."
)
"""A check of another version: all that a result in JSON says of it."""

CLAIMS: Final = TdxClaims(
    quote_version=4,
    td_report="TD_REPORT_10",
    tee_tcb_svn="06010300" + "00" * 12,
    mr_seam="5b" * 48,
    mr_signer_seam="00" * 48,
    seam_attributes="00" * 8,
    td_attributes="0000001000000000",
    xfam="e702060000000000",
    mrtd="91eb" * 24,
    mr_config_id="00" * 48,
    mr_owner="00" * 48,
    mr_owner_config="00" * 48,
    rtmr0="a0" * 48,
    rtmr1="a1" * 48,
    rtmr2="a2" * 48,
    rtmr3="a3" * 48,
    report_data="9a" * 64,
    mr_service_td=None,
    fmspc="b0c06f000000",
    pce_id="0000",
    pce_svn=11,
    ppid="81" * 16,
    platform_instance_id=None,
    tcb_status="OutOfDate",
    tcb_date=datetime(2024, 3, 13, tzinfo=UTC),
    advisory_ids=("INTEL-SA-00615", "INTEL-SA-01192"),
    tcb_evaluation_data_number=17,
)


def row(check_id: str, finding: Finding, device: str | None = None) -> CheckResult:
    """A row under its registered check."""
    return CheckResult(REGISTRY[check_id], finding, device)


def _not_run(check_id: str, needs: str) -> CheckResult:
    return row(check_id, Finding(Status.NOT_RUN, reason=f"needs {needs}"))


_COLLATERAL: Final = (
    CollateralRecord("root-ca-crl", "file", "ad" * 32, datetime(2026, 3, 20, tzinfo=UTC), datetime(2027, 4, 3, tzinfo=UTC)),
    CollateralRecord(
        kind="pck-crl",
        source="file",
        sha256="e5" * 32,
        issued=datetime(2026, 9, 1, tzinfo=UTC),
        next_update=datetime(2026, 10, 1, tzinfo=UTC),
        from_cache=True,
    ),
    CollateralRecord("tdx-tcb-info", "file", "36" * 32, datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
    CollateralRecord("td-qe-identity", "file", "26" * 32),
)
_EVIDENCE: Final = (EvidenceRecord("tdx-quote", 4, "f1" * 32, 4936),)
_POLICY: Final = PolicyRecord("clinic", "2c" * 32, "voltage-attest.toml")

VERIFIED: Final = AttestationResult(
    appraised_at=AT,
    verifier_version="0.0.0",
    valid_until=datetime(2026, 12, 1, 10, 0, 35, 123456, tzinfo=UTC),
    subject=Subject("pod_7", "example"),
    policy=_POLICY,
    evidence=_EVIDENCE,
    collateral=_COLLATERAL[:1],
    freshness=Freshness("0f" * 32, fresh=True),
    channel=Channel("voltage-attest/1", "5a" * 32),
    tdx=replace(CLAIMS, tcb_status="UpToDate", advisory_ids=()),
    checks=(
        row("tdx.quote.parse", passed("version 4, TD_REPORT_10")),
        row(
            "tdx.policy.tcb",
            Finding(
                Status.PASSED,
                "SWHardeningNeeded (INTEL-SA-00615)",
                "SWHardeningNeeded, excepted until 2027-01-31: vendor ticket 4711",
                location=Location("voltage-attest.toml", 21),
            ),
        ),
        row("tdx.policy.mrtd", passed("91eb" * 24)),
        row("tdx.policy.mr_seam", skipped("not pinned by the policy", actual="5b" * 48)),
        row("tdx.policy.xfam", skipped("not pinned by the policy", actual="e702060000000000")),
    ),
)
"""Everything passed or skipped; one row passed by an exception."""

UNSAFE: Final = replace(
    VERIFIED,
    freshness=Freshness(),
    channel=Channel(),
    warnings=("Root of trust 'intel' was replaced: this result says nothing about real hardware.",),
    checks=(
        *VERIFIED.checks,
        row(
            "tdx.td.debug",
            skipped(
                "the TD runs in debug mode and the policy allows it (unsafe_allow_debug): its operator can read its memory",
                actual="0100001000000000",
                unsafe=True,
                location=Location("voltage-attest.toml", 12),
            ),
        ),
    ),
)
"""Verified, with a safeguard switched off and a root replaced."""

REFUSED: Final = AttestationResult(
    appraised_at=AT,
    verifier_version="0.0.0",
    policy=_POLICY,
    evidence=_EVIDENCE,
    collateral=_COLLATERAL,
    tdx=CLAIMS,
    checks=(
        row("tdx.quote.parse", passed("version 4, TD_REPORT_10")),
        row("tdx.crl.pck", failed(expected="issued by the PCK CA", actual="issued by 'CN=Mallory'", reason="not the PCK CA's")),
        _not_run("tdx.crl.pck_validity", "tdx.crl.pck"),
        _not_run("tdx.pck.revocation", "tdx.crl.pck"),
        row("tdx.tcb_info.parse", undecided("tcb_info is not in the collateral", expected="tcb_info", actual="absent")),
        _not_run("tdx.tcb_info.validity", "tdx.tcb_info.parse"),
        _not_run("tdx.tcb.module", "tdx.tcb_info.parse"),
        row(
            "tdx.policy.mrtd",
            failed(
                expected=" or ".join(["91eb" * 24, "c0de" * 24]),
                actual="dead" * 24,
                reason="mrtd is not one of the 2 pinned values",
                location=Location("voltage-attest.toml", 5),
            ),
        ),
        CheckResult(UNKNOWN_CHECK, failed(expected="a", actual="b", reason="made by another version"), "gpu[0]"),
        CheckResult(UNKNOWN_CHECK, passed("fine"), "gpu[1]"),
    ),
)
"""Failures of every kind, beside an undecided row and what could not run."""

UNDECIDED: Final = AttestationResult(
    appraised_at=AT,
    verifier_version="0.0.0",
    checks=(
        row("tdx.quote.parse", passed("version 4, TD_REPORT_10")),
        row("tdx.crl.root", undecided("root_ca_crl is not in the collateral", expected="root_ca_crl", actual="absent")),
        _not_run("tdx.crl.root_validity", "tdx.crl.root"),
    ),
)
"""A document is missing, and there is no policy, evidence or collateral to name."""

SAMPLES: Final = {"verified": VERIFIED, "unsafe": UNSAFE, "refused": REFUSED, "undecided": UNDECIDED}


@cache
def real_result() -> AttestationResult:
    """The README's example: a real quote, its collateral and the example policy."""
    pair = ACCEPTED_PAIRS[0]
    path = Path("examples/verify/voltage-attest.toml")
    policy = replace(load_policy(REPOSITORY / path), path=path.as_posix())
    result = Verifier(policy).examine(Evidence(quote=pair.quote), pair.collateral, at=datetime(2025, 6, 19, 12, tzinfo=UTC))
    return replace(result, verifier_version="0.0.0")


def check_golden(name: str, text: str) -> None:
    """Compare with the file of that name; ``UPDATE_GOLDEN=1`` writes it instead, to be read in the diff."""
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN") == "1":
        path.write_bytes(text.encode("utf-8"))
    assert path.read_bytes().decode("utf-8") == text, f"UPDATE_GOLDEN=1 pytest writes {path.name} anew"
