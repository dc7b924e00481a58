"""Attestations to bundles and back, without loss."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.support.outcomes import open_policy
from voltage_attest.attest import ANSWERED, Attestation, why_not_fetched
from voltage_attest.bundles import FETCH_DOCUMENT, bundle_of, evidence_of, fetched_of
from voltage_attest.collateral.intel import IntelCollateral, parse_intel_collateral
from voltage_attest.collateral.service import DocumentKind, DocumentSource
from voltage_attest.errors import EvidenceFormatError, FetchError
from voltage_attest.evidence.bundle import BundleDocument, EvidenceBundle, dump_bundle, parse_bundle
from voltage_attest.evidence.model import Evidence
from voltage_attest.result import CollateralSource, Finding, Verdict, skipped
from voltage_attest.testing import APPRAISED_AT, FakeIntel
from voltage_attest.trust import TrustRoots
from voltage_attest.verifier import Verifier

INTEL = FakeIntel()
PLATFORM = INTEL.platform()
COLLATERAL = parse_intel_collateral(INTEL.collateral(PLATFORM).to_json())
VERIFIER = Verifier(open_policy(), roots=TrustRoots.from_pem(intel=INTEL.root_pem))
SOURCES = (
    DocumentSource(DocumentKind.ROOT_CA_CRL, "https://intel/root"),
    DocumentSource(DocumentKind.TCB_INFO, "https://intel/tcb", from_cache=True),
)


def attestation(evidence: Evidence, collateral: IntelCollateral = COLLATERAL, fetched: Finding | None = None) -> Attestation:
    sources = {source.kind.value: CollateralSource(source.url, source.from_cache) for source in SOURCES}
    result = VERIFIER.examine(evidence, collateral, at=APPRAISED_AT, fetched=fetched, nonce=bytes(32), sources=sources)
    return Attestation(result, evidence, collateral, bytes(32), SOURCES)


def read_back(bundle: EvidenceBundle) -> EvidenceBundle:
    return parse_bundle(dump_bundle(bundle).encode())


@pytest.mark.parametrize(
    "fetched",
    [
        None,
        ANSWERED,
        why_not_fetched(FetchError("it", happened="failed", remedy="Wait.")),
        why_not_fetched(FetchError("it", happened="redirected", remedy="Look.", refused=True)),
    ],
)
@pytest.mark.parametrize("evidence", [Evidence(), Evidence(quote=PLATFORM.quote(), pod_id="p", provider="x", warnings=("w",))])
def test_the_result_is_computed_again_from_the_file(evidence: Evidence, fetched: Finding | None) -> None:
    first = attestation(evidence, fetched=fetched)
    bundle = read_back(bundle_of(first))
    kept = evidence_of(bundle)
    again = VERIFIER.examine(
        kept.evidence,
        kept.collateral,
        at=APPRAISED_AT,
        fetched=fetched_of(bundle),
        nonce=kept.nonce,
        sources=kept.sources,
    )
    assert again == first.result
    assert (kept.evidence, kept.collateral, kept.nonce) == (first.evidence, first.collateral, first.nonce)


def test_the_bundle_names_policy_and_time() -> None:
    bundle = bundle_of(attestation(Evidence(quote=PLATFORM.quote())))
    assert bundle.created_at == APPRAISED_AT
    assert (bundle.policy_name, bundle.policy_sha256) == (VERIFIER.policy.name, VERIFIER.policy.sha256)
    assert bundle.binding is None


def test_absences_are_kept_with_their_reasons_and_long_ones_are_cut() -> None:
    collateral = replace(COLLATERAL, tcb_info=None, absences=(("tcb_info", "x" * 5000),))
    bundle = read_back(bundle_of(attestation(Evidence(quote=PLATFORM.quote()), collateral)))
    assert evidence_of(bundle).collateral.why_absent("tcb_info") == "x" * 1024


def test_evidence_that_was_given_says_nothing_of_fetching() -> None:
    assert bundle_of(attestation(Evidence())).documents == ()
    assert bundle_of(attestation(Evidence(), fetched=skipped("given"))).documents == ()


@pytest.mark.parametrize("words", [{"status": "skipped"}, {"status": "verified"}, {}, [], {"status": "passed", "actual": 1}])
def test_a_malformed_word_about_fetching_is_refused(words: object) -> None:
    document = BundleDocument(FETCH_DOCUMENT, json.dumps(words).encode())
    with pytest.raises(EvidenceFormatError):
        fetched_of(EvidenceBundle(Evidence(), documents=(document,)))


WORTHLESS: tuple[object, ...] = (
    "\ud800",
    "",
    "\0",
    "é",
    "00",
    "{",
    "-----BEGIN CERTIFICATE-----",
    "a" * 5000,
    1,
    1.5,
    None,
    True,
    [],
    {},
)


def leaves(document: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The paths of all values in the document that hold no others."""
    members = document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    for key, value in members:
        yield from leaves(value, (*path, key)) if isinstance(value, dict | list) and value else iter([(*path, key)])


def put(document: object, path: tuple[str | int, ...], value: object) -> object:
    """The document with another value in one place."""
    if not path:
        return value
    if isinstance(document, dict):
        return {key: put(member, path[1:], value) if key == path[0] else member for key, member in document.items()}
    assert isinstance(document, list)
    return [put(member, path[1:], value) if place == path[0] else member for place, member in enumerate(document)]


BUNDLE: dict[str, object] = json.loads(dump_bundle(bundle_of(attestation(Evidence(quote=PLATFORM.quote()), fetched=ANSWERED))))


@pytest.mark.parametrize("path", list(leaves(BUNDLE)), ids=lambda path: ".".join(map(str, path)))
def test_whatever_stands_in_a_bundle_ends_in_a_result_or_a_refusal_to_read(path: tuple[str | int, ...]) -> None:
    for value in WORTHLESS:
        try:
            bundle = parse_bundle(json.dumps(put(BUNDLE, path, value)).encode())
            fetched = fetched_of(bundle)
        except EvidenceFormatError:
            continue
        kept = evidence_of(bundle)
        result = VERIFIER.examine(kept.evidence, kept.collateral, at=APPRAISED_AT, fetched=fetched, nonce=kept.nonce)
        signed = path[0] == "collateral" and path[1] == "intel" and path[2] != "pck_certificate_chain"
        assert not (signed or path == ("evidence", "quote")) or result.verdict is not Verdict.VERIFIED
