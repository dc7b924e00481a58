"""Another verifier (dcap-qvl, in Rust, sharing no code with us) reads the same cases and comes to the same statuses."""

from __future__ import annotations

import pytest

from tests.cases.all_cases import CASES, Case
from tests.cases.model import INTEL

dcap_qvl = pytest.importorskip("dcap_qvl")

DIFFERENCES = {
    "instant_last": "it counts the instant of nextUpdate as expired",
    "order_of_levels_reversed": "it takes the levels of a QE identity in the order of the JSON",
    "order_of_levels_rotated": "it takes the levels of a QE identity in the order of the JSON",
    "debug_td_allowed": "it refuses debug TDs whatever a policy says",
    "sept_ve_allowed": "it refuses TDs without SEPT_VE_DISABLE whatever a policy says",
    "pinned_service_td": "it refuses every service TD",
}
"""Cases that we verify and it refuses, each with the reason."""

AGREED = [name for name, make in CASES.items() if make().quote and (make().tcb_status or make().verdict == "verified")]


def dcap_qvl_status(case: Case) -> str:
    assert case.quote is not None
    documents = dcap_qvl.QuoteCollateralV3.from_json(case.collateral.decode())
    at = int(case.at.timestamp())
    return str(dcap_qvl.verify_with_root_ca(case.quote, documents, INTEL.root.der, at).status)


@pytest.mark.parametrize("case_id", [name for name in AGREED if name not in DIFFERENCES])
def test_statuses_agree(case_id: str) -> None:
    case = CASES[case_id]()
    status = dcap_qvl_status(case)
    assert case.tcb_status in {None, status}


@pytest.mark.parametrize("case_id", DIFFERENCES)
def test_differences_are_still_there(case_id: str) -> None:
    with pytest.raises(ValueError):
        dcap_qvl_status(CASES[case_id]())
