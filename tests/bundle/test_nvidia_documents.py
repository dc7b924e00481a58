"""NVIDIA's documents in a bundle: what is written is read again, and what anybody may have written is bounded and refused."""

from __future__ import annotations

import json

import pytest

from voltage_attest.bundles_nvidia import nvidia_documents, nvidia_of
from voltage_attest.collateral.nvidia import MAX_CRLS, MAX_NRAS, MAX_OCSP, MAX_RIMS, NrasAnswer, NvidiaCollateral, OcspAnswer
from voltage_attest.collateral.nvidia_fetched import FetchedNvidia, NvidiaSource
from voltage_attest.collateral.nvidia_requests import NvidiaKind
from voltage_attest.collateral.rim import RimDocument
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.bundle_model import BundleDocument

ORIGINS = "nvidia-origins"
SOURCE = {"kind": "nvidia-crl", "name": "crl:x", "sha256": "00" * 32, "url": "https://crl.example/x"}
MOST = {
    "nvidia-rim": MAX_RIMS,
    "nvidia-ocsp": MAX_OCSP,
    "nvidia-crl": MAX_CRLS,
    "nvidia-jwks": MAX_NRAS,
    "nvidia-nras": MAX_NRAS,
}


def origins(content: object) -> BundleDocument:
    return BundleDocument(ORIGINS, json.dumps(content).encode())


def refusal(*documents: BundleDocument) -> EvidenceFormatError:
    with pytest.raises(EvidenceFormatError) as refused:
        nvidia_of(documents)
    return refused.value


def test_what_was_fetched_is_read_again() -> None:
    fetched = FetchedNvidia(
        NvidiaCollateral(
            rims=(RimDocument(b"<rim/>", "NV_GPU_DRIVER_GH100_1"),),
            ocsp=(OcspAnswer(bytes(32), b"answer", b"nonce"),),
            crls=(b"crl",),
            nras=(NrasAnswer(b"[]"),),
            jwks=(b"{}",),
            absences=(("jwks", "HTTP 503"),),
        ),
        (NvidiaSource(NvidiaKind.CRL, "crl:x", "00" * 32, "https://crl.example/x", from_cache=True),),
    )
    assert nvidia_of(nvidia_documents(fetched)) == fetched


@pytest.mark.parametrize("kind", MOST)
def test_more_documents_of_a_kind_than_a_node_has_use_for_are_refused(kind: str) -> None:
    documents = [BundleDocument(kind, b"x", "00" * 32) for _ in range(MOST[kind])]
    nvidia_of(documents)
    assert refusal(*documents, documents[0]).expected == f"at most {MOST[kind]}"


@pytest.mark.parametrize("kind", [ORIGINS, "voltage-verify-nvidia"])
def test_what_stands_in_a_bundle_once_is_refused_twice(kind: str) -> None:
    content = b'{"absences": {}, "sources": []}'
    assert refusal(*[BundleDocument(kind, content)] * 2).found == f"the bundle has 2 documents {kind}"


@pytest.mark.parametrize("kind", [["nvidia-rim"], {"a": 1}, 1, True, "", "nvidia-origins"], ids=repr)
def test_a_source_of_another_kind_is_refused(kind: object) -> None:
    refusal(origins({"absences": {}, "sources": [{**SOURCE, "kind": kind}]}))


def test_more_absences_than_anybody_reads_are_refused() -> None:
    assert "at most 1024" in refusal(origins({"absences": {str(n): "" for n in range(1025)}, "sources": []})).expected


@pytest.mark.parametrize(
    ("name", "reason", "number"),
    [("crl:{}", "HTTP 503", 100_000), ("ü" * 900 + "{}", "ü" * 5000, 2000), ("x" * 2_000_000, "", 1)],
    ids=["many", "long", "one that is too long"],
)
def test_absences_are_written_so_that_they_can_be_read_again(name: str, reason: str, number: int) -> None:
    """Each of a hostile chain's addresses may be absent; the first of them tell enough."""
    absences = tuple((name.format(place), reason) for place in range(number))
    found = nvidia_of(nvidia_documents(FetchedNvidia(NvidiaCollateral(absences=absences)))).collateral.absences
    assert found == tuple((name, reason[:1024]) for name, reason in absences)[: len(found)]
    assert len(found) > 10 or number == 1
