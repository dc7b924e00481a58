"""The real evidence that ships with the repository: what verifies, from when to when, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from tests.support.outcomes import failed_ids, ids_with, open_policy
from tests.support.real_evidence import ACCEPTED_PAIRS, DCAP_QVL, VOLTAGE_VERIFY, RealPair, collateral_documents
from voltage_attest.collateral.intel import IntelCollateral, parse_intel_collateral
from voltage_attest.result import AttestationResult, Status, Verdict
from voltage_attest.verifier import Evidence, Verifier

SECOND = timedelta(seconds=1)
PAIRS = pytest.mark.parametrize("pair", ACCEPTED_PAIRS, ids=lambda pair: pair.name)


def examine(pair: RealPair, at: datetime) -> AttestationResult:
    """Judge a pair at that instant by a policy that pins nothing."""
    return Verifier(open_policy()).examine(Evidence(quote=pair.quote), pair.collateral, at=at)


@PAIRS
def test_a_real_quote_verifies_as_up_to_date_inside_its_window(pair: RealPair) -> None:
    """In the middle and at both ends, which belong to the window."""
    for at in (pair.first, pair.inside, pair.last):
        result = examine(pair, at)
        assert failed_ids(result) == frozenset()
        assert result.verdict is Verdict.VERIFIED
        assert result.tdx is not None
        assert (result.tdx.tcb_status, result.tdx.advisory_ids) == ("UpToDate", ())


@PAIRS
def test_one_second_before_its_window_one_document_is_not_yet_valid(pair: RealPair) -> None:
    """Exactly the check of the document that was issued last."""
    result = examine(pair, pair.first - SECOND)
    assert failed_ids(result) == {pair.fails_before}
    assert "is not yet valid" in (result.check(pair.fails_before).reason or "")
    assert result.verdict is Verdict.REFUSED


@PAIRS
def test_one_second_after_its_window_one_document_has_expired(pair: RealPair) -> None:
    """Exactly the check of the document that ends first."""
    result = examine(pair, pair.last + SECOND)
    assert failed_ids(result) == {pair.fails_after}
    assert "has expired" in (result.check(pair.fails_after).reason or "")
    assert result.verdict is Verdict.REFUSED


@PAIRS
def test_the_result_says_until_when_it_holds(pair: RealPair) -> None:
    """valid_until is the last instant at which the same evidence verifies."""
    assert examine(pair, pair.inside).valid_until == pair.last


@PAIRS
@pytest.mark.parametrize(
    "at",
    [datetime(1, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)],
)
def test_an_absurd_time_is_refused_with_every_validity_check(pair: RealPair, at: datetime) -> None:
    """Far before and far after, every window is missed, and nothing else fails."""
    assert failed_ids(examine(pair, at)) == {
        "tdx.pck.validity",
        "tdx.crl.root_validity",
        "tdx.crl.pck_validity",
        "tdx.tcb_info.signer_validity",
        "tdx.tcb_info.validity",
        "tdx.qe_identity.signer_validity",
        "tdx.qe_identity.validity",
    }


@PAIRS
def test_the_time_zone_of_the_appraisal_time_is_honoured(pair: RealPair) -> None:
    """The same instant in another zone is the same instant."""
    zone = timezone(timedelta(hours=13, minutes=45))
    assert examine(pair, pair.last.astimezone(zone)).verdict is Verdict.VERIFIED
    assert failed_ids(examine(pair, (pair.last + SECOND).astimezone(zone))) == {pair.fails_after}


def test_a_time_without_zone_is_no_time() -> None:
    """A caller's mistake, not a verdict."""
    pair = ACCEPTED_PAIRS[0]
    with pytest.raises(ValueError, match="at has no time zone"):
        examine(pair, pair.inside.replace(tzinfo=None))


@pytest.mark.parametrize(
    "at",
    [
        datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone(timedelta(hours=-1))),
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
    ],
)
def test_a_time_that_does_not_exist_in_utc_is_no_time(at: datetime) -> None:
    """One hour past the last hour of the calendar: the documented ValueError, no OverflowError."""
    with pytest.raises(ValueError, match="at "):
        examine(ACCEPTED_PAIRS[0], at)


def test_the_outdated_quote_matches_no_tcb_level() -> None:
    """tdx_quote_outdated: genuine, and older than anything Intel lists."""
    quote, collateral = (DCAP_QVL / "tdx_quote_outdated"), DCAP_QVL / "tdx_quote_outdated_collateral.json"
    result = Verifier(open_policy()).examine(
        Evidence(quote=quote.read_bytes()), collateral.read_bytes(), at=datetime(2026, 3, 1, tzinfo=UTC)
    )
    assert failed_ids(result) == {"tdx.tcb.platform"}
    assert "TCB_NOT_SUPPORTED" in (result.check("tdx.tcb.platform").reason or "")
    assert result.tdx is not None
    assert result.tdx.tcb_status is None


def test_a_quote_with_the_collateral_of_another_family_is_refused() -> None:
    """Collateral of FMSPC 90c06f000000 for a quote of b0c06f000000."""
    other = (DCAP_QVL / "tdx_quote_outdated_collateral.json").read_bytes()
    result = Verifier(open_policy()).examine(
        Evidence(quote=ACCEPTED_PAIRS[0].quote), other, at=datetime(2026, 3, 1, tzinfo=UTC)
    )
    assert failed_ids(result) == {"tdx.tcb_info.fmspc"}


def test_sgx_collateral_is_wrong_for_any_tdx_quote() -> None:
    """Genuine documents of another kind: both are refused by their ids."""
    result = Verifier(open_policy()).examine(
        Evidence(quote=ACCEPTED_PAIRS[0].quote),
        (DCAP_QVL / "sgx_quote_collateral.json").read_bytes(),
        at=ACCEPTED_PAIRS[0].inside,
    )
    assert {"tdx.tcb_info.parse", "tdx.qe_identity.parse"} <= failed_ids(result)


def test_an_sgx_quote_is_refused_as_not_tdx() -> None:
    """Nothing of it is claimed."""
    result = Verifier(open_policy()).examine(
        Evidence(quote=(DCAP_QVL / "sgx_quote").read_bytes()),
        ACCEPTED_PAIRS[0].collateral,
        at=ACCEPTED_PAIRS[0].inside,
    )
    assert failed_ids(result) == {"tdx.quote.parse"}
    assert result.tdx is None
    assert "an SGX quote" in (result.check("tdx.quote.parse").finding.actual or "")


def test_quote_and_collateral_exchanged_are_both_named() -> None:
    """The commonest mistake of the command line."""
    pair = ACCEPTED_PAIRS[0]
    result = Verifier(open_policy()).examine(Evidence(quote=pair.collateral), pair.quote, at=pair.inside)
    assert failed_ids(result) == {"tdx.collateral.parse", "tdx.quote.parse"}
    for check in ("tdx.collateral.parse", "tdx.quote.parse"):
        assert "exchanged" in (result.check(check).reason or "")


@PAIRS
def test_each_absent_document_leaves_the_verdict_undecided(pair: RealPair) -> None:
    """Absence is an error row, not a failure: what could not be decided is not refused, and not verified."""
    documents = collateral_documents(pair.name)
    verifier = Verifier(open_policy())
    for key in set(documents) - {"pck_certificate_chain"}:
        rest = json.dumps({name: text for name, text in documents.items() if name != key}).encode()
        result = verifier.examine(Evidence(quote=pair.quote), rest, at=pair.inside)
        assert result.verdict is Verdict.UNDECIDED, key
        assert failed_ids(result) == frozenset()
        assert any(key in (row.reason or "") for row in result.by_status()[Status.ERROR]), key


@PAIRS
def test_collateral_of_the_other_pair_is_refused_document_by_document(pair: RealPair) -> None:
    """Each document, genuine in itself, exchanged for the other pair's: dates, signatures or links refuse it."""
    (other,) = (found for found in ACCEPTED_PAIRS if found is not pair)
    mine, theirs = parse_intel_collateral(pair.collateral), parse_intel_collateral(other.collateral)
    verifier = Verifier(open_policy())
    for key in ("root_ca_crl", "pck_crl", "tcb_info", "tcb_info_signature", "qe_identity", "qe_identity_signature"):
        mixed = replace(mine, **{key: getattr(theirs, key)})
        result = verifier.examine(Evidence(quote=pair.quote), mixed, at=pair.inside)
        assert result.verdict is Verdict.REFUSED, key


H200_AT = datetime(2026, 9, 15, tzinfo=UTC)
H200_QUOTE = (VOLTAGE_VERIFY / "quote_h200_2026-09-04.bin").read_bytes()


def inner_text(body: str, key: str) -> str:
    """The exact text of the one member ``key`` of a PCS answer ``{"key":{...},"signature":"..."}``: what Intel signed."""
    start = len(f'{{"{key}":')
    assert body.startswith(f'{{"{key}":')
    _, end = json.JSONDecoder().raw_decode(body, start)
    assert body[end:].startswith(',"signature":"')
    return body[start:end]


def h200_collateral() -> IntelCollateral:
    """The vendor's own layout, converted: two signed documents with their chains, and no CRL at all."""
    found = json.loads((VOLTAGE_VERIFY / "intel_collateral_90c06f000000_2026-09-12.json").read_text("utf-8"))
    assert found["pck_crl_pem"] is found["root_crl_der_b64"] is None
    info, identity = found["tcb_info"], found["qe_identity"]
    return IntelCollateral(
        tcb_info=inner_text(info["body"], "tcbInfo"),
        tcb_info_signature=json.loads(info["body"])["signature"],
        tcb_info_issuer_chain=info["issuer_chain_pem"],
        qe_identity=inner_text(identity["body"], "enclaveIdentity"),
        qe_identity_signature=json.loads(identity["body"])["signature"],
        qe_identity_issuer_chain=identity["issuer_chain_pem"],
    )


def test_the_h200_quote_proves_its_signatures_and_stays_undecided_without_crls() -> None:
    """A VoltageGPU pod of September 2026: chain and signatures hold, revocation cannot be decided."""
    result = Verifier(open_policy()).examine(Evidence(quote=H200_QUOTE), h200_collateral(), at=H200_AT)
    assert result.verdict is Verdict.UNDECIDED
    assert failed_ids(result) == frozenset()
    assert ids_with(result, Status.ERROR) == {"tdx.crl.root", "tdx.crl.issuer_chain"}
    assert ids_with(result, Status.NOT_RUN) == {
        "tdx.crl.root_validity",
        "tdx.crl.pck",
        "tdx.crl.pck_validity",
        "tdx.pck.revocation",
        "tdx.tcb_info.signer_revocation",
        "tdx.qe_identity.signer_revocation",
    }
    for check in (
        *("tdx.pck.chain", "tdx.tcb_info.chain", "tdx.qe_identity.chain"),
        *("tdx.tcb_info.signature", "tdx.qe_identity.signature"),
        *("tdx.qe.report_signature", "tdx.qe.binds_key", "tdx.quote.signature"),
    ):
        assert result.check(check).status is Status.PASSED


def test_the_h200_quote_carries_the_report_data_of_the_file_beside_it() -> None:
    """All 64 bytes, claimed because the signature chain holds."""
    result = Verifier(open_policy()).examine(Evidence(quote=H200_QUOTE), h200_collateral(), at=H200_AT)
    assert result.tdx is not None
    assert bytes.fromhex(result.tdx.report_data) == (VOLTAGE_VERIFY / "report_data_h200_2026-09-04.bin").read_bytes()


def test_converted_documents_must_be_the_exact_signed_bytes() -> None:
    """Serialised again, the same JSON no longer carries Intel's signature."""
    collateral = h200_collateral()
    again = json.dumps(json.loads(collateral.tcb_info or ""))
    result = Verifier(open_policy()).examine(Evidence(quote=H200_QUOTE), replace(collateral, tcb_info=again), at=H200_AT)
    assert failed_ids(result) == {"tdx.tcb_info.signature"}


def test_the_spr_e4_quote_is_refused_for_the_words_behind_it() -> None:
    """39 bytes of text after the declared end; without them it parses and its signatures hold."""
    data = (VOLTAGE_VERIFY / "third-party" / "tdx_prod_quote_SPR_E4.dat").read_bytes()
    verifier, pair = Verifier(open_policy()), ACCEPTED_PAIRS[0]
    assert failed_ids(verifier.examine(Evidence(quote=data), pair.collateral, at=pair.inside)) == {"tdx.quote.parse"}
    cut = verifier.examine(Evidence(quote=data[:4935]), pair.collateral, at=pair.inside)
    for check in ("tdx.quote.parse", "tdx.pck.chain", "tdx.qe.report_signature", "tdx.qe.binds_key", "tdx.quote.signature"):
        assert cut.check(check).status is Status.PASSED
