"""What a Verifier remembers, and what it never does: signatures by all their bytes, but no date, no revocation, no refusal."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.outcomes import failed_ids, open_policy
from tests.support.real_evidence import ACCEPTED_PAIRS, RealPair
from tests.support.simulation import INTEL, PLATFORM, ROOTS, World
from voltage_attest.errors import VerificationError
from voltage_attest.result import Verdict
from voltage_attest.testing import APPRAISED_AT, TdReportFields
from voltage_attest.verifier import Evidence, Verifier

PAIRS = pytest.mark.parametrize("pair", ACCEPTED_PAIRS, ids=lambda pair: pair.name)


@PAIRS
def test_the_same_evidence_again_costs_no_signature(pair: RealPair) -> None:
    """Cold, some; warm, none; and the result is the same."""
    verifier = Verifier(open_policy())
    first = verifier.examine(Evidence(quote=pair.quote), pair.collateral, at=pair.inside)
    cold = verifier.signatures_computed
    second = verifier.examine(Evidence(quote=pair.quote), pair.collateral, at=pair.inside)
    assert first == second
    assert cold > 0
    assert verifier.signatures_computed == cold


def test_a_new_quote_of_the_same_platform_costs_two_signatures() -> None:
    """Collateral and chain are remembered; QE report and quote are new."""
    verifier = Verifier(open_policy(), roots=ROOTS)
    collateral = World().collateral()
    verifier.verify(Evidence(quote=World().quote()), collateral, at=APPRAISED_AT)
    cold = verifier.signatures_computed
    other = World(td=TdReportFields(report_data=b"\x01" * 64), qe=replace(World().qe, auth_data=b"\x02" * 32))
    verifier.verify(Evidence(quote=other.quote()), collateral, at=APPRAISED_AT)
    assert verifier.signatures_computed == cold + 2


@PAIRS
def test_dates_are_judged_anew(pair: RealPair) -> None:
    """A good verdict now is none a second after the window ends, nor before it begins; and is again inside."""
    verifier = Verifier(open_policy())

    def failed_at(offset: timedelta) -> frozenset[str]:
        return failed_ids(verifier.examine(Evidence(quote=pair.quote), pair.collateral, at=pair.inside + offset))

    half, second = pair.last - pair.inside, timedelta(seconds=1)
    assert failed_at(timedelta()) == frozenset()
    assert failed_at(half + second) == {pair.fails_after}
    assert failed_at(-half - 2 * second) == {pair.fails_before}
    assert failed_at(timedelta()) == frozenset()


def test_a_platform_revoked_since_is_refused() -> None:
    """The same quote, with a newer CRL that names its certificate."""
    verifier = Verifier(open_policy(), roots=ROOTS)
    quote = Evidence(quote=PLATFORM.quote())
    verifier.verify(quote, INTEL.collateral(PLATFORM).to_json(), at=APPRAISED_AT)
    revoked = INTEL.collateral(PLATFORM, pck_crl=INTEL.pck_crl(PLATFORM, PLATFORM.leaf)).to_json()
    assert failed_ids(verifier.examine(quote, revoked, at=APPRAISED_AT)) == {"tdx.pck.revocation"}
    verifier.verify(quote, INTEL.collateral(PLATFORM).to_json(), at=APPRAISED_AT)


def test_a_refusal_is_not_remembered_against_good_evidence() -> None:
    """Bad signatures first, then the good ones under the same keys."""
    verifier = Verifier(open_policy(), roots=ROOTS)
    collateral, quote = INTEL.collateral(PLATFORM), PLATFORM.quote()
    spoilt = replace(collateral, tcb_info_signature="00" * 64)
    assert failed_ids(verifier.examine(Evidence(quote=quote), spoilt.to_json(), at=APPRAISED_AT)) == {"tdx.tcb_info.signature"}
    assert verifier.examine(Evidence(quote=quote), collateral.to_json(), at=APPRAISED_AT).verdict is Verdict.VERIFIED


def test_a_signature_is_not_lent_to_another_document() -> None:
    """TCB info and QE identity have one signer: a good signature of one is not good for the other."""
    verifier = Verifier(open_policy(), roots=ROOTS)
    collateral, quote = INTEL.collateral(PLATFORM), Evidence(quote=PLATFORM.quote())
    verifier.verify(quote, collateral.to_json(), at=APPRAISED_AT)
    exchanged = replace(
        collateral,
        tcb_info_signature=collateral.qe_identity_signature,
        qe_identity_signature=collateral.tcb_info_signature,
    )
    assert failed_ids(verifier.examine(quote, exchanged.to_json(), at=APPRAISED_AT)) == {
        "tdx.tcb_info.signature",
        "tdx.qe_identity.signature",
    }


def test_one_verifier_serves_many_threads() -> None:
    """Two pairs, judged by eight threads at once, inside and outside their windows."""
    verifier = Verifier(open_policy())

    def judge(number: int) -> tuple[Verdict, Verdict]:
        pair = ACCEPTED_PAIRS[number % 2]
        good = verifier.examine(Evidence(quote=pair.quote), pair.collateral, at=pair.inside)
        late = verifier.examine(Evidence(quote=pair.quote), pair.collateral, at=pair.last + timedelta(seconds=1))
        return good.verdict, late.verdict

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(judge, range(64))) == {(Verdict.VERIFIED, Verdict.REFUSED)}


def test_verify_raises_what_examine_returns() -> None:
    """The same result travels in the error, and its text names the failed check."""
    verifier, pair = Verifier(open_policy()), ACCEPTED_PAIRS[0]
    late = pair.last + timedelta(seconds=1)
    with pytest.raises(VerificationError, match=pair.fails_after) as raised:
        verifier.verify(Evidence(quote=pair.quote), pair.collateral, at=late)
    assert raised.value.result == verifier.examine(Evidence(quote=pair.quote), pair.collateral, at=late)


def test_no_quote_is_refused_before_anything_is_believed() -> None:
    """An opinion without evidence: nothing is claimed."""
    result = Verifier(open_policy()).examine(Evidence(), ACCEPTED_PAIRS[0].collateral, at=ACCEPTED_PAIRS[0].inside)
    assert failed_ids(result) == {"evidence.quote_present"}
    assert result.tdx is None
    assert result.evidence == ()
