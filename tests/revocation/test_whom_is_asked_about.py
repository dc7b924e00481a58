"""The status of certificates is asked for only where their chains lead to the pinned roots: forgers choose no addresses."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from tests.cases.devices import GPU, NONCE, OTHER_NVIDIA, answered, evidence_of
from tests.cases.model import NVIDIA, ROOTS, policy_text
from voltage_attest.collateral.nvidia import NvidiaCollateral
from voltage_attest.evidence.model import Evidence
from voltage_attest.policy import parse_policy
from voltage_attest.testing import NvidiaDevice
from voltage_attest.verifier import Verifier

DEVICES = Verifier(parse_policy(policy_text(gpu={"count": "1"})), roots=ROOTS).devices
RIMS = replace(answered([GPU]), ocsp=())


def asked(evidence: Evidence, collateral: NvidiaCollateral) -> set[bytes]:
    """The SHA-256 of the certificates that are asked about."""
    assert DEVICES is not None
    return {question.certificate_sha256 for question in DEVICES.status_questions(evidence, collateral, None)}


def above_the_leaf(device: NvidiaDevice) -> set[bytes]:
    return {hashlib.sha256(party.der).digest() for party in device.leaf.chain[1:-1]}


def beside_manifests() -> set[bytes]:
    return {hashlib.sha256(party.der).digest() for party in NVIDIA.rim_signer(GPU.chip).chain[:-1]}


def test_all_is_asked_about_chains_that_lead_to_the_pinned_roots() -> None:
    assert asked(evidence_of([GPU]), RIMS) == above_the_leaf(GPU) | beside_manifests()


def test_nothing_is_asked_about_a_device_of_a_look_alike() -> None:
    forged = OTHER_NVIDIA.gpu()
    assert asked(evidence_of([forged]), NvidiaCollateral()) == set()
    assert asked(evidence_of([GPU, forged]), NvidiaCollateral()) == above_the_leaf(GPU)


def test_nothing_is_asked_about_a_chain_with_one_signature_that_does_not_hold() -> None:
    """The leaf of one device above the certificates of another: names fit, and whoever spliced them chose them."""
    other = NVIDIA.node(1, 0, label="another").gpus[0]
    spliced = replace(GPU, leaf=replace(GPU.leaf, issuer=other.leaf.issuer))
    assert asked(evidence_of([spliced], nonce=NONCE), NvidiaCollateral()) == set()


def test_nothing_is_asked_about_the_signer_of_a_look_alikes_manifest() -> None:
    forged = NvidiaCollateral(rims=answered([GPU], OTHER_NVIDIA.rims([GPU]), signer=OTHER_NVIDIA.rim_signer(GPU.chip)).rims)
    assert asked(evidence_of([GPU]), forged) == above_the_leaf(GPU)
