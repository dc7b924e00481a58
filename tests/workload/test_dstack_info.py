"""The documents beside a dstack quote, in every shape that they come in."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given, settings

from tests.event_log.logs import SHARED, near, needs_vectors
from tests.support.mutations import mutated_bytes
from tests.support.parsers import assert_read_or_refused
from tests.support.sampling import examples
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.dstack_info import DstackInfo, parse_dstack_info
from voltage_attest.pods.near import parse_near

NESTED = {"tcb_info": {"app_compose": "compose"}, "vm_config": '{"mr_config":"document"}'}
BOTH = DstackInfo(b"compose", b"document")


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        (NESTED, BOTH),
        (NESTED | {"tcb_info": '{"app_compose":"compose"}'}, BOTH),
        (NESTED | {"vm_config": {"mr_config": "document"}}, BOTH),
        ({"app_compose": "compose"}, DstackInfo(b"compose", None)),
        ({"tcb_info": "", "vm_config": ""}, DstackInfo(None, None)),
        ({"tcb_info": {"app_compose": ""}}, DstackInfo(None, None)),
        ({}, DstackInfo(None, None)),
    ],
)
def test_documents_are_found(info: object, expected: DstackInfo) -> None:
    assert parse_dstack_info(json.dumps(info).encode()) == expected


@pytest.mark.parametrize("text", [b"", b"[]", b'{"tcb_info":7}', b'{"tcb_info":"x"}', b'{"tcb_info":{"app_compose":7}}'])
def test_another_shape_is_refused(text: bytes) -> None:
    with pytest.raises(EvidenceFormatError):
        parse_dstack_info(text)


@needs_vectors
def test_the_document_of_a_recorded_answer_is_the_one_that_was_measured() -> None:
    """As the reader of NEAR's answers hands it on."""
    (body,) = (SHARED / "gpu").glob("teep-nearcloud*/0001*.body")
    for evidence, role in zip(parse_near(body.read_bytes()), ("gateway", "model"), strict=True):
        info = parse_dstack_info(dict(evidence.binding_inputs)["dstack_info"])
        assert info.compose == near(role).compose
        assert hashlib.sha256(info.compose or b"").digest() == near(role).quote.td_report.mr_config_id[1:33]


@settings(max_examples=examples(200))
@given(data=mutated_bytes([json.dumps(NESTED).encode()]))
def test_mutated_infos_are_read_or_refused(data: bytes) -> None:
    assert_read_or_refused(parse_dstack_info, data, EvidenceFormatError)
