"""Whatever a server sends, reading it ends in Evidence or in EvidenceFormatError with all three parts of its text."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pods.answers import (
    NONCE,
    chutes_evidence,
    chutes_instances,
    dstack_report,
    encode,
    gpu_evidence,
    near_gateway,
    quote_over,
    relayed_chutes,
    tinfoil_v2,
    tinfoil_v3_flat,
    tinfoil_v3_sections,
    voltagegpu,
)
from tests.support.mutations import mutated_bytes, mutated_json
from tests.support.parsers import assert_read_or_refused
from tests.support.sampling import examples
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.pods import PROVIDERS, parse_answer

KEYS = encode(chutes_instances())
GPUS = encode(gpu_evidence())


def reader(provider: str, companion: bytes | None = None) -> Callable[[bytes], object]:
    return lambda body: parse_answer(provider, body, companion=companion, nonce=NONCE)


def second(provider: str, body: bytes) -> Callable[[bytes], object]:
    return lambda companion: parse_answer(provider, body, companion=companion, nonce=NONCE)


BODIES: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "voltagegpu": (reader("voltagegpu"), encode(voltagegpu())),
    "dstack": (reader("dstack"), encode({**dstack_report(), "all_attestations": [dstack_report(b"\1" * 20)]})),
    "near": (reader("near"), encode(near_gateway())),
    "phala": (reader("phala"), encode(relayed_chutes())),
    "chutes": (reader("chutes", KEYS), encode(chutes_evidence())),
    "chutes, keys": (second("chutes", encode(chutes_evidence())), KEYS),
    "tinfoil v2": (reader("tinfoil"), encode(tinfoil_v2())),
    "tinfoil v3, flat": (reader("tinfoil"), tinfoil_v3_flat()),
    "tinfoil v3, sections": (reader("tinfoil"), encode(tinfoil_v3_sections())),
    "secretvm": (reader("secretvm", GPUS), quote_over(NONCE).hex().encode()),
    "secretvm, gpus": (second("secretvm", quote_over(NONCE).hex().encode()), GPUS),
}
JSON_BODIES = sorted(set(BODIES) - {"secretvm"})

HOSTILE = {
    "nothing": b"",
    "blank": b" \r\n",
    "null": b"null",
    "a number": b"7",
    "a list": b"[]",
    "a word": b"Unauthorized",
    "HTML": b"<!doctype html><html><body>Sign in</body></html>",
    "XML": b'\n<?xml version="1.0"?><Error/>',
    "UTF-16": '{"quote": ""}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "a stray byte": b'{"quote": "\xff"}',
    "two values": b"{} {}",
    "a comment": b"{} // done",
    "a trailing comma": b'{"nonce": "00",}',
    "a key twice": b'{"a": 1, "a": 2}',
    "a key twice, escaped": b'{"nonce": 1, "\\u006eonce": 2}',
    "a key twice, deep": b'{"a": [{"b": {"c": 1, "c": 2}}]}',
    "not a number": b'{"a": NaN}',
    "infinity": b'{"a": -Infinity}',
    "a number beyond floats": b'{"a": 1e999}',
    "a number of 10,000 digits": b'{"a": 1' + b"0" * 10_000 + b"}",
    "half a surrogate pair": b'{"a": "\\ud800"}',
    "half a surrogate pair as key": b'{"\\udfff": 1}',
    "100 levels": b'{"a": ' * 100 + b"1" + b"}" * 100,
    "100,000 levels": b"[" * 100_000,
    "100,000 levels in an object": b'{"a": ' * 100_000,
    "a control character": b'{"a": "\x00"}',
    "20 MiB": b'{"a": "' + b"A" * (20 << 20) + b'"}',
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_answers_are_refused(name: str, hostile: str) -> None:
    read, _ = BODIES[name]
    with pytest.raises(EvidenceFormatError) as refused:
        read(HOSTILE[hostile])
    assert all((refused.value.found, refused.value.expected, refused.value.remedy))
    assert len(str(refused.value)) < 1000


@pytest.mark.parametrize("name", BODIES)
def test_cut_anywhere_an_answer_is_refused(name: str) -> None:
    """A quote in hex is the exception: what is left of it may be one, and its own check finds out."""
    read, body = BODIES[name]
    for size in range(1, len(body), max(1, len(body) // 60)):
        if name == "secretvm":
            assert_read_or_refused(read, body[:-size], EvidenceFormatError)
        else:
            with pytest.raises(EvidenceFormatError):
                read(body[:-size])


@pytest.mark.parametrize("name", BODIES)
@given(data=st.binary(max_size=512))
def test_noise_is_refused(name: str, data: bytes) -> None:
    assert_read_or_refused(BODIES[name][0], data, EvidenceFormatError)


@pytest.mark.parametrize("name", BODIES)
@settings(max_examples=examples(40))
@given(data=st.data())
def test_mutated_bytes_are_read_or_refused(name: str, data: st.DataObject) -> None:
    read, body = BODIES[name]
    assert_read_or_refused(read, data.draw(mutated_bytes([body])), EvidenceFormatError)


@pytest.mark.parametrize("name", JSON_BODIES)
@settings(max_examples=examples(60))
@given(data=st.data())
def test_documents_of_almost_the_right_shape_are_read_or_refused(name: str, data: st.DataObject) -> None:
    read, body = BODIES[name]
    assert_read_or_refused(read, encode(data.draw(mutated_json(json.loads(body), edits=2))), EvidenceFormatError)


def test_every_provider_is_among_the_hostile_answers() -> None:
    assert {name.split(",")[0].split()[0] for name in BODIES} == set(PROVIDERS)
