"""The nine-key JSON: every key once, text in each, nothing foreign; a missing document is missing, not malformed."""

from __future__ import annotations

import json
from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.mutations import json_values, mutated_bytes, mutated_json
from tests.support.parsers import assert_read_or_refused
from tests.support.real_evidence import ACCEPTED_PAIRS, DCAP_QVL, RealPair, collateral_documents
from tests.support.sampling import examples
from voltage_attest.collateral.intel import MAX_COLLATERAL_SIZE, IntelCollateral, parse_intel_collateral
from voltage_attest.errors import CollateralFormatError

KEYS = (
    "pck_crl_issuer_chain",
    "root_ca_crl",
    "pck_crl",
    "tcb_info_issuer_chain",
    "tcb_info",
    "tcb_info_signature",
    "qe_identity_issuer_chain",
    "qe_identity",
    "qe_identity_signature",
)
DOCUMENTS = collateral_documents("tdx_quote")


def encode(documents: object) -> bytes:
    """A collateral file."""
    return json.dumps(documents).encode()


def refused(data: bytes) -> CollateralFormatError:
    """The error that reading this file must raise."""
    with pytest.raises(CollateralFormatError) as raised:
        parse_intel_collateral(data)
    return raised.value


@pytest.mark.parametrize("pair", ACCEPTED_PAIRS, ids=lambda pair: pair.name)
def test_real_collateral_reads_byte_for_byte(pair: RealPair) -> None:
    """Each document is the text of its key, unchanged; nothing is missing."""
    collateral = parse_intel_collateral(pair.collateral)
    assert {key: getattr(collateral, key) for key in collateral_documents(pair.name)} == collateral_documents(pair.name)
    assert collateral.missing() == ()


def test_the_nine_keys_are_mandatory_and_the_tenth_is_not() -> None:
    """pck_certificate_chain may be there."""
    assert parse_intel_collateral(b"{}").missing() == KEYS
    assert {field.name for field in fields(IntelCollateral)} >= {*KEYS, "pck_certificate_chain"}


@pytest.mark.parametrize("key", KEYS)
def test_a_document_that_is_absent_or_null_is_missing(key: str) -> None:
    """Absence ends undecided later; here it is only recorded."""
    without = {name: text for name, text in DOCUMENTS.items() if name != key}
    for documents in (without, {**without, key: None}):
        collateral = parse_intel_collateral(encode(documents))
        assert collateral.missing() == (key,)
        assert getattr(collateral, key) is None


@pytest.mark.parametrize("key", [*KEYS, "pck_certificate_chain"])
@pytest.mark.parametrize("value", [1, True, 1.5, [], {}, ["text"], {"tcbInfo": {}}], ids=repr)
def test_a_document_that_is_not_text_is_refused_by_key(key: str, value: object) -> None:
    """An embedded object cannot be verified: its exact bytes are gone."""
    error = refused(encode({**DOCUMENTS, key: value}))
    assert error.found == f"{key} is a {type(value).__name__}"
    assert (error.expected, error.document) == ("text", key)


@pytest.mark.parametrize("key", ["tcbInfo", "PCK_CRL", "pck_crl ", "", "absences", "version", "__class__"])
def test_a_foreign_key_is_refused_by_name(key: str) -> None:
    """Another layout, another case, and names of our own fields that are no documents."""
    assert repr(key) in refused(encode({**DOCUMENTS, key: "text"})).found


def test_a_key_that_occurs_twice_is_refused() -> None:
    """Whichever value a reader takes, the other one is an attacker's."""
    text = encode(DOCUMENTS)[:-1] + b', "pck_crl": "00"}'
    assert "the key 'pck_crl' occurs twice" in refused(text).found


def test_a_quote_in_place_of_collateral_is_named() -> None:
    """The two files exchanged: the remedy says so."""
    for name in ("tdx_quote", "tdx_quote_td15ex", "sgx_quote"):
        error = refused((DCAP_QVL / name).read_bytes())
        assert error.found == "the file holds a quote"
        assert "were the two files exchanged" in error.remedy


def test_the_size_is_bounded() -> None:
    """4 MiB are read, one byte more is not even decoded."""
    filled = encode(DOCUMENTS)
    largest = filled + b" " * (MAX_COLLATERAL_SIZE - len(filled))
    assert parse_intel_collateral(largest).missing() == ()
    assert refused(largest + b" ").found == f"the collateral has {MAX_COLLATERAL_SIZE + 1} bytes"


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b'"text"', b"\xff", b"-----BEGIN CERTIFICATE-----"], ids=repr)
def test_what_is_no_collateral_is_refused(data: bytes) -> None:
    """Empty, another JSON value, bytes that are no text, PEM."""
    assert refused(data).document == "collateral"


@settings(max_examples=examples(300))
@given(data=mutated_bytes([pair.collateral for pair in ACCEPTED_PAIRS]))
def test_mutated_files_are_read_or_refused(data: bytes) -> None:
    """Real files with bits flipped, slices cut, inserted, doubled."""
    assert_read_or_refused(parse_intel_collateral, data, CollateralFormatError)


@settings(max_examples=examples(150))
@given(document=mutated_json(DOCUMENTS) | json_values())
def test_documents_of_any_shape_are_read_or_refused(document: object) -> None:
    """The nine keys with values gone, renamed or replaced by any JSON."""
    assert_read_or_refused(parse_intel_collateral, encode(document), CollateralFormatError)


@given(data=st.binary(max_size=1024))
def test_random_bytes_are_refused(data: bytes) -> None:
    """Noise is no collateral."""
    assert_read_or_refused(parse_intel_collateral, data, CollateralFormatError)
