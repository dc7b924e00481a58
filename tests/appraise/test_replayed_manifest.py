"""voltage-verify/1: a manifest counts with our nonce in it, whatever challenge it was sent with, and vouches for no TLS key."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest

from tests.cases.devices import GPU, answered, evidence_of
from tests.cases.model import INTEL, PLATFORM, ROOTS, policy_text
from voltage_attest.appraise.binding import BINDINGS, WITHOUT_KEY, voltage_verify_report_data
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.bundle_voltage_verify import manifest_for
from voltage_attest.evidence.model import Evidence
from voltage_attest.policy import parse_policy
from voltage_attest.result import AttestationResult, Status
from voltage_attest.testing import APPRAISED_AT, TdReportFields
from voltage_attest.verifier import Verifier

OLD, NEW = b"\x11" * 32, b"\x22" * 32
POLICY = policy_text(channel={"binding": '"voltage-verify/1"'}, gpu={"count": "1"})


def manifest(challenge: bytes, **members: object) -> bytes:
    """As the VM writes it: canonical."""
    whole = {"challenge": challenge.hex(), "format": "voltage-verify-manifest/1", "workload": {}, **members}
    return json.dumps(whole, sort_keys=True, separators=(",", ":")).encode()


def judged(committed: bytes, sent: bytes, *, gpu: bytes | None = None) -> AttestationResult:
    """A quote over ``committed`` and a GPU's report for ``gpu`` (that manifest's hash, if not given), shown with ``sent``."""
    devices = evidence_of([GPU], nonce=hashlib.sha256(committed if gpu is None else gpu).digest())
    quote = PLATFORM.quote(TdReportFields(report_data=voltage_verify_report_data(committed)))
    evidence = replace(devices, quote=quote, nonce=NEW, binding_inputs=(("manifest", sent),))
    verifier = Verifier(parse_policy(POLICY), roots=ROOTS)
    collateral = INTEL.collateral(PLATFORM).to_json()
    return verifier.examine(evidence, collateral, at=APPRAISED_AT, nonce=NEW, fresh=True, nvidia=answered([GPU]))


def closing(result: AttestationResult) -> dict[str, Status]:
    return {row.id: row.status for row in result.checks if row.status.closes_gate}


def test_evidence_for_this_nonce_is_fresh() -> None:
    result = judged(manifest(NEW), manifest(NEW))
    assert (closing(result), result.freshness.fresh) == ({}, True)


def test_evidence_made_for_another_nonce_is_refused_though_its_quote_commits_to_the_manifest() -> None:
    result = judged(manifest(OLD), manifest(OLD))
    assert closing(result) == {"binding.report_data": Status.FAILED}
    assert not result.freshness.fresh


def test_gpu_reports_made_for_another_nonce_are_refused_beside_a_quote_for_this_one() -> None:
    """The manifest sent may hold the old challenge: the devices' nonce follows from the one that REPORTDATA commits to."""
    assert closing(judged(manifest(NEW), manifest(OLD), gpu=manifest(OLD))) == {"binding.gpu_nonce": Status.FAILED}


@pytest.mark.parametrize(
    "sent",
    [b"", b"[]", b"{}", b"\xff", manifest(NEW)[:-1], manifest(NEW, share=0.5), manifest(NEW[:31]), manifest(NEW, workload=[])],
    ids=["nothing", "list", "empty", "no text", "cut off", "fraction", "short challenge", "no workload"],
)
def test_what_is_no_manifest_is_refused(sent: bytes) -> None:
    assert closing(judged(manifest(NEW), sent)) == {"binding.report_data": Status.FAILED}
    with pytest.raises(EvidenceFormatError):
        manifest_for(NEW, sent)


def test_a_manifest_made_for_the_challenge_stands_as_it_is() -> None:
    text = manifest(NEW, statement={"b": [1, {"z": None, "a": "ü"}], "a": True})
    assert (
        manifest_for(NEW, text)
        == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    )
    assert manifest_for(NEW, manifest(OLD)) == manifest(NEW)


@pytest.mark.parametrize("binding", BINDINGS)
def test_the_bindings_without_a_key_are_those_that_do_without_one(binding: str) -> None:
    """With every other input at hand, a rule either asks for the TLS key or does not depend on it."""
    names = ("signing_address", "e2e_pubkey_b64", "hpke_public_key", "gpu_evidence_hash")
    inputs = (("manifest", manifest(NEW)), *[(name, bytes(32)) for name in names])
    keys = (Evidence(tls_spki_sha256=bytes((number,)) * 32, binding_inputs=inputs) for number in (1, 2))
    first, second = (BINDINGS[binding](evidence, NEW) for evidence in keys)
    assert (first == second) is (binding in WITHOUT_KEY)
