"""Whatever bytes come in, the parsers of evidence return a model or raise EvidenceFormatError, and nothing else."""

from __future__ import annotations

import base64
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.mutations import mutated_bytes
from tests.support.parsers import assert_read_or_refused, flipped_bits
from tests.support.quote_layout import lay_out
from tests.support.real_evidence import REAL_CERTIFICATES, REAL_QUOTES, collateral_documents
from tests.support.sampling import examples
from voltage_attest.crypto.certificates import load_certificate
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.der import first_member, read_members
from voltage_attest.evidence.encoding import decode_quote_bytes
from voltage_attest.evidence.pck_extension import PCK_EXTENSION_OID, parse_pck_extension
from voltage_attest.evidence.pem import parse_pem_chain
from voltage_attest.evidence.quote import parse_quote
from voltage_attest.testing import FakeIntel, QuoteShape

Parser = Callable[[bytes], object]

QUOTES = [path.read_bytes() for path in REAL_QUOTES]
SHAPES = [FakeIntel().platform().quote(shape=shape) for shape in QuoteShape]
TEXTS = [encoded for quote in QUOTES[:2] for encoded in (quote.hex().encode(), base64.b64encode(quote))]
CHAINS = [
    collateral_documents("tdx_quote")["pck_crl_issuer_chain"].encode(),
    lay_out(QUOTES[0])["certification_data"].of(QUOTES[0]),
]
EXTENSION = load_certificate(REAL_CERTIFICATES["PCK leaf"], "leaf").extensions.values.get(PCK_EXTENSION_OID) or b""
DER = [*REAL_CERTIFICATES.values(), EXTENSION, bytes.fromhex(collateral_documents("tdx_quote")["root_ca_crl"])]

PARSERS: dict[str, Parser] = {
    "decode_quote_bytes": decode_quote_bytes,
    "parse_quote": parse_quote,
    "parse_pem_chain": lambda data: parse_pem_chain(data, "chain"),
    "read_members": lambda data: read_members(data, "structure"),
    "first_member": lambda data: first_member(data, "structure"),
    "parse_pck_extension": parse_pck_extension,
}


def survives(parse: Parser, data: bytes) -> None:
    """Any other exception than EvidenceFormatError fails the test."""
    assert_read_or_refused(parse, data, EvidenceFormatError)


@pytest.mark.parametrize("name", PARSERS)
@given(data=st.binary(max_size=2048))
def test_random_bytes_are_read_or_refused(name: str, data: bytes) -> None:
    """No parser trips over noise."""
    survives(PARSERS[name], data)


@settings(max_examples=examples(400))
@given(data=mutated_bytes(TEXTS + QUOTES))
def test_mutated_quote_texts_are_decoded_or_refused(data: bytes) -> None:
    """Hex, base64 and raw quotes with bits flipped, slices cut, inserted, doubled."""
    survives(decode_quote_bytes, data)


@settings(max_examples=examples(400))
@given(data=mutated_bytes(QUOTES + SHAPES))
def test_mutated_quotes_are_read_or_refused(data: bytes) -> None:
    """Real quotes and every simulated shape, mutated anywhere."""
    survives(parse_quote, data)


@settings(max_examples=examples(400))
@given(data=st.data())
def test_quotes_with_any_lengths_and_types_are_read_or_refused(data: st.DataObject) -> None:
    """Mutations aimed at the few bytes that steer the parser: versions, types and lengths."""
    quote = data.draw(st.sampled_from(QUOTES + SHAPES))
    spans = lay_out(quote)
    steering = [name for name in spans if name.endswith(("size", "type", "version", "descriptor"))]
    for name in data.draw(st.lists(st.sampled_from(steering), min_size=1, max_size=3, unique=True)):
        span = spans[name]
        new = data.draw(st.binary(min_size=span.stop - span.start, max_size=span.stop - span.start))
        quote = quote[: span.start] + new + quote[span.stop :]
    survives(parse_quote, quote[: data.draw(st.integers(0, len(quote)))] if data.draw(st.booleans()) else quote)


@settings(max_examples=examples(400))
@given(data=mutated_bytes(CHAINS))
def test_mutated_chains_are_read_or_refused(data: bytes) -> None:
    """Real PEM chains, with and without the NUL that ends them in quotes."""
    survives(PARSERS["parse_pem_chain"], data)


@pytest.mark.parametrize("name", ["read_members", "first_member"])
@settings(max_examples=examples(400))
@given(data=mutated_bytes(DER))
def test_mutated_der_is_read_or_refused(name: str, data: bytes) -> None:
    """Real certificates, CRLs and extensions, taken apart at any level."""
    survives(PARSERS[name], data)


@settings(max_examples=examples(400))
@given(data=mutated_bytes([EXTENSION]))
def test_mutated_pck_extensions_are_read_or_refused(data: bytes) -> None:
    """A real PCK extension, mutated anywhere."""
    survives(parse_pck_extension, data)


def test_every_bit_of_a_real_pck_extension_carries_meaning() -> None:
    """Exhaustive: about 4,000 flips, each read as other values or refused."""
    original = parse_pck_extension(EXTENSION)
    for position, data in flipped_bits(EXTENSION):
        with suppress(EvidenceFormatError):
            assert parse_pck_extension(data) != original, f"bit {position} carries no meaning"
