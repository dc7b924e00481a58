"""The devices' nonce: derived by each provider's rule, read from the signed reports, and compared in full."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace

import pytest

from tests.gpu.fake_nvidia import NONCE, DeviceShape, fake_item
from tests.gpu.judging import FAKE, verified
from tests.gpu.real_devices import H100, H100_NONCE
from voltage_attest.appraise.gpu_binding import GPU_NONCES, GpuNonceCase, gpu_nonce
from voltage_attest.evidence.model import Evidence
from voltage_attest.evidence.nras_request import parse_nras_request
from voltage_attest.policy.model import ChannelPolicy, GpuPolicy, Policy, TdxPolicy
from voltage_attest.result import Status

ALONE = Policy(name="devices alone", sha256="", gpu=GpuPolicy(count=1))


def bound(binding: str) -> Policy:
    return Policy(name=binding, sha256="", tdx=TdxPolicy(pins={}), gpu=GpuPolicy(count=1), channel=ChannelPolicy(binding))


def case(
    shape: DeviceShape, policy: Policy = ALONE, nonce: bytes | None = NONCE, evidence: Evidence | None = None
) -> GpuNonceCase:
    device = verified(fake_item(shape), "gpu[0]", FAKE)
    return GpuNonceCase((device,), evidence or Evidence(), None, policy, nonce)


UNBOUND = replace(bound("near"), channel=None)
"""A policy for a quote and GPUs, without [channel]."""

REFUSED = {
    "d9_another_nonce": DeviceShape(nonce=bytes(32)),
    "d9_the_static_nonce_of_nvidias_samples": DeviceShape(nonce=H100_NONCE),
    "d9_the_expected_nonce_is_the_responders": DeviceShape(nonce=bytes(32), responder_nonce=NONCE),
    "d9_a_nonce_with_one_other_bit": DeviceShape(nonce=NONCE[:-1] + b"\x1e"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("policy", [ALONE, bound("near"), bound("tinfoil-v3")], ids=lambda policy: policy.name)
def test_refuses(name: str, policy: Policy) -> None:
    finding = gpu_nonce(case(REFUSED[name], policy))
    assert finding.status is Status.FAILED
    assert NONCE.hex() in (finding.expected or "")
    assert "gpu[0]" in (finding.actual or "")


@pytest.mark.parametrize("policy", [ALONE, bound("near"), bound("tinfoil-v3")], ids=lambda policy: policy.name)
def test_the_verifiers_own_nonce_is_accepted(policy: Policy) -> None:
    assert gpu_nonce(case(DeviceShape(), policy)).status is Status.PASSED


@pytest.mark.parametrize("wrong", [b"", NONCE[:31], NONCE + b"\0"], ids=["none", "31 bytes", "33 bytes"])
def test_d9_refuses_to_expect_a_nonce_of_another_length(wrong: bytes) -> None:
    assert gpu_nonce(case(DeviceShape(), nonce=wrong)).status is Status.FAILED


def test_d9_the_nonce_beside_the_report_counts_for_nothing() -> None:
    """The request names the expected nonce; the report in it was signed over another."""
    item = fake_item(DeviceShape(nonce=bytes(32)))
    given = {"evidence": item.report, "certificate": item.certificate_chain}
    member = {name: base64.b64encode(data).decode() for name, data in given.items()}
    request = parse_nras_request(json.dumps({"nonce": NONCE.hex(), "arch": "HOPPER", "evidence_list": [member]}).encode())
    assert request.claimed_nonce == NONCE
    device = verified(request.items[0], "gpu[0]", FAKE)
    assert gpu_nonce(GpuNonceCase((device,), Evidence(), None, ALONE, NONCE)).status is Status.FAILED


def test_one_device_of_several_is_named() -> None:
    good, bad = (verified(fake_item(shape), name, FAKE) for name, shape in (("gpu[0]", DeviceShape()), ("gpu[1]", OTHER)))
    finding = gpu_nonce(GpuNonceCase((good, bad), Evidence(), None, ALONE, NONCE))
    assert finding.status is Status.FAILED
    assert (finding.actual or "").endswith("in gpu[1]")


MANIFEST = b'{"challenge":"%s","format":"voltage-verify-manifest/1","workload":{}}'
OTHER = DeviceShape(nonce=bytes(32), label="another GPU")


def test_voltage_verify_derives_it_from_the_manifest() -> None:
    manifest = MANIFEST % NONCE.hex().encode()
    shape = DeviceShape(nonce=hashlib.sha256(manifest).digest())
    evidence = Evidence(binding_inputs=(("manifest", manifest),))
    assert gpu_nonce(case(shape, bound("voltage-verify/1"), evidence=evidence)).status is Status.PASSED
    other = replace(evidence, binding_inputs=(("manifest", manifest.replace(b"{}", b'{"a":1}')),))
    assert gpu_nonce(case(shape, bound("voltage-verify/1"), evidence=other)).status is Status.FAILED
    assert gpu_nonce(case(shape, bound("voltage-verify/1"), bytes(32), evidence)).status is Status.FAILED
    broken = replace(evidence, binding_inputs=(("manifest", manifest + b"!"),))
    assert gpu_nonce(case(shape, bound("voltage-verify/1"), evidence=broken)).status is Status.ERROR
    assert gpu_nonce(case(shape, bound("voltage-verify/1"))).status is Status.ERROR


def test_without_a_nonce_or_binding_nothing_is_claimed() -> None:
    assert gpu_nonce(case(DeviceShape(), nonce=None)).status is Status.SKIPPED
    assert gpu_nonce(case(DeviceShape(), UNBOUND, nonce=None)).status is Status.SKIPPED
    assert gpu_nonce(case(DeviceShape(), bound("near"), nonce=None)).status is Status.ERROR


def test_without_a_channel_a_nonce_that_was_given_is_judged_beside_a_quote_as_well() -> None:
    assert gpu_nonce(case(DeviceShape(), UNBOUND)).status is Status.PASSED
    assert gpu_nonce(case(DeviceShape(nonce=bytes(32)), UNBOUND)).status is Status.FAILED


def test_a_real_report_carries_the_nonce_of_its_request() -> None:
    device = verified(H100, "gpu[0]")
    assert gpu_nonce(GpuNonceCase((device,), Evidence(), None, ALONE, H100_NONCE)).status is Status.PASSED
    assert gpu_nonce(GpuNonceCase((device,), Evidence(), None, ALONE, NONCE)).status is Status.FAILED


def test_every_binding_has_a_rule_for_devices() -> None:
    from voltage_attest.appraise.binding import BINDINGS

    assert set(GPU_NONCES) == set(BINDINGS)
