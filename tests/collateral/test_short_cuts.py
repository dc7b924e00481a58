"""What is read by a short way where it stands as Intel writes it is read, or refused, exactly as the long way would."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import count
from typing import TypeVar

import pytest
from hypothesis import given as drawn
from hypothesis import settings

from tests.support.mutations import mutated_bytes
from tests.support.real_evidence import DCAP_QVL, collateral_documents, pck_chain
from tests.support.sampling import examples
from voltage_attest.collateral import strict_json
from voltage_attest.collateral.tcb_info import parse_tcb_info
from voltage_attest.crypto.certificates import load_certificate
from voltage_attest.errors import InputError
from voltage_attest.evidence import pck_extension
from voltage_attest.evidence.pck_extension import PCK_EXTENSION_OID, parse_pck_extension

Given = TypeVar("Given")

NAMES = ("tdx_quote", "tdx_quote_td15ex", "tdx_quote_outdated")
INFOS = {name: collateral_documents(name)["tcb_info"] for name in NAMES}
EXTENSIONS = [
    load_certificate(pck_chain(DCAP_QVL / name)[0], "leaf").extensions.values[PCK_EXTENSION_OID]
    for name in ("tdx_quote", "tdx_quote_td15ex")
]


def outcome(read: Callable[[Given], object], given: Given) -> object:
    """What reading gives: a value, or the error's three parts."""
    try:
        return read(given)
    except InputError as error:
        return error.found, error.expected, error.remedy


def the_long_way(read: Callable[[Given], object], given: Given) -> object:
    """The outcome without short cuts."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(strict_json, "_is_accounted_for", lambda *_: False)
        patched.setattr(pck_extension, "_read_tcb_as_issued", lambda _: None)
        return outcome(read, given)


def doubled(text: str, colon: str = ":", spell: Callable[[str], str] = lambda key: key) -> Iterator[str]:
    """The document once for each of its keys, with that key and its value written a second time."""

    def write(value: object, counter: Iterator[int], which: int) -> str:
        if isinstance(value, list):
            return f"[{','.join(write(member, counter, which) for member in value)}]"
        if not isinstance(value, dict):
            return json.dumps(value)
        members: list[str] = []
        for key, member in value.items():
            number, inner = next(counter), write(member, counter, which)
            members.append(f'"{key}":{inner}')
            if number == which:
                members.append(f'"{spell(key)}"{colon}{inner}')
        return f"{{{','.join(members)}}}"

    parsed = json.loads(text)
    total = count()
    assert write(parsed, total, -1) == text
    for which in range(next(total)):
        yield write(parsed, count(), which)


@pytest.mark.parametrize("name", NAMES)
def test_real_tcb_info_takes_the_short_way(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were it not so, it would still be right, and slow."""
    monkeypatch.setattr(strict_json, "_DECODER", None)
    assert parse_tcb_info(INFOS[name]).levels


@pytest.mark.parametrize(
    ("colon", "spell"),
    [(":", str), (" \n: ", str), (":", lambda key: f"\\u{ord(key[0]):04x}{key[1:]}")],
    ids=["plain", "spaced", "escaped"],
)
def test_each_key_of_a_tcb_info_written_twice_is_refused(colon: str, spell: Callable[[str], str]) -> None:
    """In every object, the ones nothing is read from too, however the second one is spelled."""
    for text in doubled(INFOS["tdx_quote"], colon, spell):
        assert "occurs twice" in str(outcome(parse_tcb_info, text))


@pytest.mark.parametrize(
    "text",
    [
        # One colon more than a key in a text that was dropped, or in one that nobody reads; as many colons as keys by chance.
        INFOS["tdx_quote"].replace('"svn":2', '"svn":":","svn":2', 1),
        INFOS["tdx_quote"].replace('"category":"BIOS"', '"category":"BI:OS"', 1),
        INFOS["tdx_quote"].replace('"id":"TDX"', '"id":"TDX","x":{"a":1,"a":":"}', 1),
        INFOS["tdx_quote"].replace('"tcbType":0', '"tcbType":0,"tcbType":0,"x":"\\u003a"', 1),
        INFOS["tdx_quote"].replace('"tcbLevels":[{', '"tcbLevels":["tcb",{', 1),
        INFOS["tdx_quote"].replace('"tdxModule":{', '"tdxModule":3,"_":{', 1),
        '["tcbLevels"]',
        '"tcbLevels"',
        "{}",
    ],
)
def test_a_document_of_another_shape_is_read_the_long_way(text: str) -> None:
    """The same value or the same error."""
    assert outcome(parse_tcb_info, text) == the_long_way(parse_tcb_info, text)


@settings(max_examples=examples(300))
@drawn(mutated_bytes([text.encode() for text in INFOS.values()]))
def test_a_changed_tcb_info_comes_out_as_the_long_way(data: bytes) -> None:
    """Cut, doubled, exchanged and overwritten at any place."""
    text = data.decode("utf-8", "replace")
    assert outcome(parse_tcb_info, text) == the_long_way(parse_tcb_info, text)


def test_real_pck_extensions_take_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """A TCB read entry by entry would fail here."""
    monkeypatch.setattr(pck_extension, "_CPU_SVN", None)
    for value in EXTENSIONS:
        assert len(parse_pck_extension(value).components) == 16


@pytest.mark.parametrize("value", EXTENSIONS)
def test_each_octet_of_a_pck_extension_changed_comes_out_as_the_long_way(value: bytes) -> None:
    """Every octet, to each of the values at which an SVN changes its length, a tag its meaning or a length its form."""
    for position in range(len(value)):
        for octet in (0x00, 0x01, 0x02, 0x04, 0x10, 0x11, 0x12, 0x30, 0x7F, 0x80, 0xFF):
            changed = value[:position] + bytes((octet,)) + value[position + 1 :]
            assert outcome(parse_pck_extension, changed) == the_long_way(parse_pck_extension, changed)


@settings(max_examples=examples(300))
@drawn(mutated_bytes(EXTENSIONS))
def test_a_changed_pck_extension_comes_out_as_the_long_way(value: bytes) -> None:
    """Cut, doubled, exchanged and overwritten at any place."""
    assert outcome(parse_pck_extension, value) == the_long_way(parse_pck_extension, value)
