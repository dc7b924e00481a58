"""Key sets are read once for all answers that are judged together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.cases.all_cases import CASES
from tests.cases.model import ROOTS
from voltage_attest.collateral.jwks import JwkSet, parse_jwks
from voltage_attest.policy import parse_policy
from voltage_attest.result import Verdict
from voltage_attest.verifier import Verifier
from voltage_attest.verify import nras_case


def test_eight_answers_read_each_key_set_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bytes] = []

    def counting(document: bytes) -> JwkSet:
        read.append(document)
        return parse_jwks(document)

    monkeypatch.setattr(nras_case, "parse_jwks", counting)
    case = CASES["gpus_that_nras_vouches_for"]()
    many = replace(case, nvidia=replace(case.nvidia, nras=case.nvidia.nras * 8, jwks=case.nvidia.jwks * 2))
    result = many.examined_by(Verifier(parse_policy(case.policy), roots=ROOTS))
    assert result.verdict is Verdict.VERIFIED
    assert read == list(many.nvidia.jwks)
