"""Phala / Redpill, the legacy interface: ``GET https://api.redpill.ai/v1/attestation/report?model=&nonce=``.

A gateway with several kinds of backend, which shows in the answer: ``attestation_type: "chutes"`` is Chutes' evidence
(:mod:`voltage_attest.pods.chutes`), ``gateway_attestation`` or ``model_attestations`` is NEAR's wrapping
(:mod:`voltage_attest.pods.near`), and anything else is a flat dstack report (:mod:`voltage_attest.pods.dstack`), bound by
``near``. The newer ACI interface (``/v1/aci/attestation``) has another shape and is not read here.

Sources: Phala's public ``verify`` scripts (``select_attestation``); private-ai-gateway.
"""

from __future__ import annotations

from typing import Final

from voltage_attest.evidence.model import Evidence
from voltage_attest.pods.answer import MAX_FLEET_SIZE, read_answer
from voltage_attest.pods.chutes import read_relayed
from voltage_attest.pods.dstack import read_flat
from voltage_attest.pods.near import is_gateway, read_gateway

__all__ = ["DEFAULT_BASE", "NAME", "parse_phala"]

NAME: Final = "phala"
DEFAULT_BASE: Final = "https://api.redpill.ai"


def parse_phala(body: bytes) -> tuple[Evidence, ...]:
    """Read an answer of at most 16 MiB; :class:`EvidenceFormatError` says what was found."""
    answer = read_answer(body, "the Phala answer", limit=MAX_FLEET_SIZE)
    backend = answer.optional("attestation_type")
    if backend is not None:
        if backend.as_text(32) != "chutes":
            raise backend.wrong('"chutes", the one backend that names itself')
        return read_relayed(answer, NAME)
    return read_gateway(answer, NAME) if is_gateway(answer) else read_flat(answer, NAME)
