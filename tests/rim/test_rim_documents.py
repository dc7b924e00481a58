"""Ids from what a report says, the service's answer, and files: the bytes of a manifest, or one documented error."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.mutations import mutated_bytes, mutated_json
from tests.support.parsers import assert_read_or_refused
from tests.support.sampling import examples
from voltage_attest.collateral.rim import (
    MAX_ANSWER_SIZE,
    MAX_RIM_SIZE,
    driver_rim_id,
    parse_rim_answer,
    parse_rim_file,
    switch_rim_id,
    vbios_rim_id,
)
from voltage_attest.errors import CollateralFormatError, EvidenceFormatError

MANIFEST = b"<SoftwareIdentity/>\n"
RIM_ID = "NV_GPU_DRIVER_GH100_550.90.07"


def answer(**changes: object) -> dict[str, object]:
    """The service's answer, as recorded in the wild, with keys replaced; None removes one."""
    whole = {
        "id": RIM_ID,
        "rim": base64.b64encode(MANIFEST).decode(),
        "sha256": hashlib.sha256(MANIFEST).hexdigest(),
        "last_updated": "2025-03-14T15:09:03.011000",
        "rim_format": "TCG",
        "request_id": "ca80a80a-054c-476e-bdd2-7be7e3047fe5",
        **changes,
    }
    return {key: value for key, value in whole.items() if value is not None}


def encoded(**changes: object) -> bytes:
    return json.dumps(answer(**changes)).encode()


def test_hopper_and_later_chips_have_driver_ids_of_their_own() -> None:
    assert driver_rim_id("GH100", "550.90.07") == RIM_ID
    assert driver_rim_id("GB100", "590.16") == "NV_GPU_CC_DRIVER_GB100_590.16"


def test_vbios_ids_name_board_and_version_without_dots() -> None:
    assert vbios_rim_id("1010", "0200", "882", "96.00.9f.00.01") == "NV_GPU_VBIOS_1010_0200_882_96009F0001"
    assert vbios_rim_id("G520", "0280", "895", "96.00.D9.00.0F") == "NV_GPU_VBIOS_G520_0280_895_9600D9000F"


def test_switch_ids_name_the_one_board_there_is() -> None:
    assert switch_rim_id("96.10.55.00.01") == "NV_SWITCH_BIOS_5612_0002_890_9610550001"


@pytest.mark.parametrize(
    "part", ["", "..", "../ids", "550/../../ids", "550 90", "550%2f90", "550?x", "é", "a" * 3, "5" * 33, "5\n"]
)
def test_refuses_parts_that_would_change_the_address(part: str) -> None:
    """They come from a report, so from whoever made it."""
    with pytest.raises(EvidenceFormatError):
        driver_rim_id("GH100", part)
    with pytest.raises(EvidenceFormatError):
        vbios_rim_id("1010", part, "882", "96.00.9F.00.01")


@given(st.text(max_size=40), st.text(max_size=40))
def test_an_id_is_a_plain_path_segment_or_refused(chip: str, version: str) -> None:
    try:
        rim_id = driver_rim_id(chip, version)
    except EvidenceFormatError:
        return
    assert rim_id.isascii()
    assert not set(rim_id) - set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


def test_reads_the_services_answer() -> None:
    document = parse_rim_answer(encoded(), RIM_ID)
    assert (document.data, document.rim_id) == (MANIFEST, RIM_ID)
    assert document.sha256 == hashlib.sha256(MANIFEST).hexdigest()


def test_reads_an_answer_of_only_the_three_keys() -> None:
    assert parse_rim_answer(encoded(last_updated=None, rim_format=None, request_id=None), RIM_ID).data == MANIFEST


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"id": "NV_GPU_DRIVER_GH100_550.90.08"}, "the id"),
        ({"id": None}, "id"),
        ({"id": "../../etc"}, "the id"),
        ({"rim": None}, "rim"),
        ({"rim": 5}, "rim"),
        ({"rim": "PFNv%%"}, "base64"),
        ({"rim": "é"}, "base64"),
        ({"rim": ""}, "0 bytes"),
        ({"rim": base64.b64encode(MANIFEST + b" ").decode()}, "digest"),
        ({"sha256": "00" * 32}, "digest"),
        ({"sha256": "00"}, "sha256"),
        ({"rim_format": "CORIM"}, "CORIM"),
        ({"rim": base64.b64encode(bytes(MAX_RIM_SIZE + 1)).decode()}, str(MAX_RIM_SIZE + 1)),
    ],
)
def test_refuses_an_answer_that_is_damaged_or_another(changes: dict[str, object], found: str) -> None:
    with pytest.raises(CollateralFormatError) as refusal:
        parse_rim_answer(encoded(**changes), RIM_ID)
    assert found in refusal.value.found


def test_refuses_an_answer_beyond_all_bounds() -> None:
    with pytest.raises(CollateralFormatError):
        parse_rim_answer(b" " * (MAX_ANSWER_SIZE + 1), RIM_ID)


def test_reads_files_of_both_kinds() -> None:
    assert parse_rim_file(MANIFEST).rim_id is None
    assert parse_rim_file(MANIFEST).data == MANIFEST
    assert parse_rim_file(encoded()).rim_id == RIM_ID


@pytest.mark.parametrize("data", [b"", b" \n", b"PK\x03\x04", b" <a/>", b"<" + b" " * MAX_RIM_SIZE, b"{}"])
def test_refuses_files_of_other_kinds(data: bytes) -> None:
    with pytest.raises(CollateralFormatError):
        parse_rim_file(data)


@given(st.binary(max_size=512) | mutated_bytes([encoded(), MANIFEST]))
def test_any_file_is_read_or_refused(data: bytes) -> None:
    assert_read_or_refused(parse_rim_file, data, CollateralFormatError)


@settings(max_examples=examples(200))
@given(mutated_json(answer()))
def test_any_answer_is_read_or_refused(found: object) -> None:
    assert_read_or_refused(lambda data: parse_rim_answer(data, RIM_ID), json.dumps(found).encode(), CollateralFormatError)
