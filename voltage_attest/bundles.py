"""Attestations to evidence bundles and back: what is kept of one, so that the same verdict can be computed years later.

A bundle holds evidence, nonce and collateral as they were received, and how the evidence was come by. The verdict is not among
them: it is computed anew, by the reader's policy and for the time that the reader names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, NamedTuple

from voltage_attest.attestation import Attestation
from voltage_attest.bundles_nvidia import nvidia_documents, nvidia_of, other_documents
from voltage_attest.collateral.intel import IntelCollateral
from voltage_attest.collateral.nvidia_fetched import FetchedNvidia
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.bundle_model import BundleCollateral, BundleDocument, BundleSource, EvidenceBundle
from voltage_attest.evidence.json_text import JsonView, maybe, parse_json
from voltage_attest.evidence.model import Evidence
from voltage_attest.result import CollateralSource, Finding, Status

__all__ = ["FETCH_DOCUMENT", "BundledEvidence", "bundle_of", "evidence_of", "fetched_of", "others_of"]

FETCH_DOCUMENT: Final = "voltage-attest-fetch"
"""Kind of the document that says what became of fetching: ``{"status", "expected", "actual", "reason"}``."""

_LONGEST_TEXT: Final = 1024
_MAX_FETCH: Final = 64 * 1024
_FETCHED: Final = {status.value: status for status in (Status.PASSED, Status.FAILED, Status.ERROR)}


class BundledEvidence(NamedTuple):
    """What a bundle holds for :meth:`Verifier.examine`. ``sources`` go by kind of Intel's documents."""

    evidence: Evidence
    collateral: IntelCollateral
    nonce: bytes | None
    sources: Mapping[str, CollateralSource]
    nvidia: FetchedNvidia


def bundle_of(attestation: Attestation) -> EvidenceBundle:
    """Everything of an attestation that is needed to judge it again, whatever its verdict.

    Texts of more than 1,024 characters are cut: they are reasons and warnings of ours.
    """
    result, collateral = attestation.result, attestation.collateral
    documents = {key: getattr(collateral, key) for key in _DOCUMENT_KEYS}
    return EvidenceBundle(
        replace(attestation.evidence, warnings=tuple(map(_cut, attestation.evidence.warnings))),
        nonce=attestation.nonce,
        binding=result.channel.binding,
        created_at=result.appraised_at,
        collateral=BundleCollateral(
            documents=tuple((key, text) for key, text in documents.items() if text is not None),
            absences=tuple((key, _cut(reason)) for key, reason in collateral.absences),
            sources=tuple(BundleSource(source.kind.value, source.url, source.from_cache) for source in attestation.sources),
        ),
        documents=(
            *attestation.documents,
            *nvidia_documents(attestation.nvidia),
            *_fetch_document(result.check("evidence.fetch").finding),
        ),
        policy_name=None if result.policy is None else _cut(result.policy.name),
        policy_sha256=None if result.policy is None else result.policy.sha256,
    )


def evidence_of(bundle: EvidenceBundle) -> BundledEvidence:
    """What the bundle holds, to be judged like evidence that has just arrived; :class:`EvidenceFormatError` as nvidia_of."""
    kept = bundle.collateral
    collateral = IntelCollateral(**dict(kept.documents), absences=kept.absences)
    sources = {source.kind: CollateralSource(source.url or "file", source.from_cache) for source in kept.sources}
    return BundledEvidence(bundle.evidence, collateral, bundle.nonce, sources, nvidia_of(bundle.documents))


def fetched_of(bundle: EvidenceBundle) -> Finding | None:
    """What became of fetching when the bundle was made; None where it does not say, or the evidence was given.

    A writer's word, and harmless: without a quote nothing is verified, whatever it says. :class:`EvidenceFormatError` where it
    is malformed.
    """
    content = next((document.content for document in bundle.documents if document.kind == FETCH_DOCUMENT), None)
    if content is None:
        return None
    found = parse_json(content, f"the bundle's {FETCH_DOCUMENT}", limit=_MAX_FETCH).as_object()
    status = _FETCHED.get(found.required("status").as_text())
    if status is None:
        raise EvidenceFormatError(f"the bundle's {FETCH_DOCUMENT} has another status", expected=f"one of {', '.join(_FETCHED)}")
    expected, actual, reason = (maybe(found.optional(key), JsonView.as_text) for key in ("expected", "actual", "reason"))
    return Finding(status, actual, expected, reason)


def others_of(bundle: EvidenceBundle) -> tuple[BundleDocument, ...]:
    """The documents that are neither Intel's nor NVIDIA's nor about fetching, as received."""
    return tuple([document for document in other_documents(bundle.documents) if document.kind != FETCH_DOCUMENT])


_DOCUMENT_KEYS: Final = (
    *("pck_crl_issuer_chain", "root_ca_crl", "pck_crl", "tcb_info_issuer_chain", "tcb_info", "tcb_info_signature"),
    *("qe_identity_issuer_chain", "qe_identity", "qe_identity_signature", "pck_certificate_chain"),
)


def _fetch_document(finding: Finding) -> tuple[BundleDocument, ...]:
    if finding.status.value not in _FETCHED:
        return ()
    words = {"status": finding.status.value, "expected": finding.expected, "actual": finding.actual, "reason": finding.reason}
    return (BundleDocument(FETCH_DOCUMENT, json.dumps(words).encode("ascii")),)


def _cut(text: str) -> str:
    return text[:_LONGEST_TEXT]
