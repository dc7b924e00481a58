"""Whatever bytes evidence and NVIDIA's documents consist of, judging them ends in a result, and colours no later one."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cases.all_cases import CASES
from tests.cases.model import NVIDIA, ROOTS
from tests.support.mutations import mutated_bytes
from tests.support.sampling import examples
from voltage_attest.collateral.nvidia import NrasAnswer, NvidiaCollateral
from voltage_attest.evidence.model import DeviceEvidence
from voltage_attest.policy import parse_policy
from voltage_attest.result import Verdict
from voltage_attest.verifier import Verifier

Item = TypeVar("Item")
GOOD: Final = CASES["gpus_that_nras_vouches_for"]()
FULL: Final = replace(GOOD, nvidia=replace(GOOD.nvidia, crls=(NVIDIA.crl(NVIDIA.family()), NVIDIA.crl(NVIDIA.root))))
VERIFIER: Final = Verifier(parse_policy(FULL.policy), roots=ROOTS)


def with_document(kind: str, place: int, data: bytes) -> NvidiaCollateral:
    """NVIDIA's documents with one of a kind replaced."""
    held = FULL.nvidia
    if kind == "rims":
        return replace(held, rims=_put(held.rims, place, replace(held.rims[place % len(held.rims)], data=data)))
    if kind == "ocsp":
        return replace(held, ocsp=_put(held.ocsp, place, replace(held.ocsp[place % len(held.ocsp)], der=data)))
    if kind == "nras":
        return replace(held, nras=(NrasAnswer(data),))
    return replace(held, crls=_put(held.crls, place, data)) if kind == "crls" else replace(held, jwks=(data,))


def _put(items: tuple[Item, ...], place: int, item: Item) -> tuple[Item, ...]:
    at = place % len(items)
    return (*items[:at], item, *items[at + 1 :])


def contents(kind: str) -> list[bytes]:
    """The bytes of all good documents of a kind."""
    held = FULL.nvidia
    found: dict[str, list[bytes]] = {
        "rims": [rim.data for rim in held.rims],
        "ocsp": [answer.der for answer in held.ocsp],
        "crls": [*held.crls],
        "nras": [answer.body for answer in held.nras],
        "jwks": [*held.jwks],
    }
    return found[kind]


KINDS: Final = ("rims", "ocsp", "crls", "nras", "jwks")


def test_unaltered_all_of_it_verifies() -> None:
    assert FULL.examined_by(VERIFIER).verdict is Verdict.VERIFIED


@settings(max_examples=examples(150))
@given(st.data(), st.sampled_from(KINDS), st.integers(0, 20))
def test_altered_documents_of_nvidias_end_in_a_result(data: st.DataObject, kind: str, place: int) -> None:
    good = contents(kind)[place % len(contents(kind))]
    altered = data.draw(mutated_bytes([good]))
    replace(FULL, nvidia=with_document(kind, place, altered)).examined_by(VERIFIER)
    assert FULL.examined_by(VERIFIER).verdict is Verdict.VERIFIED  # and nothing bad was remembered


@settings(max_examples=examples(100))
@given(mutated_bytes([FULL.claims.gpu_evidence[0].json.encode()]))
def test_altered_evidence_ends_in_a_result(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    replace(FULL, claims=replace(FULL.claims, gpu_evidence=(DeviceEvidence(text),))).examined_by(VERIFIER)


@settings(max_examples=examples(60))
@given(st.binary(max_size=200), st.sampled_from(KINDS), st.integers(0, 20))
def test_random_bytes_in_place_of_a_document_never_verify(data: bytes, kind: str, place: int) -> None:
    """A document that cannot be read refuses, even where others would do."""
    result = replace(FULL, nvidia=with_document(kind, place, data)).examined_by(VERIFIER)
    assert result.verdict is not Verdict.VERIFIED
