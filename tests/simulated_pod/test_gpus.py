"""Pods with GPUs: their evidence beside the quote, bound to it; NVIDIA's services on the same origin; and what can be wrong."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import pairwise
from types import MappingProxyType
from typing import Final

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from tests.simulated_pod.client import NONCE, Response, ask, attestation_path, connected, get
from voltage_attest.collateral.nvidia import NrasAnswer, NvidiaCollateral, OcspAnswer
from voltage_attest.collateral.rim import parse_rim_answer
from voltage_attest.evidence.model import Evidence
from voltage_attest.evidence.nras_request import parse_nras_request
from voltage_attest.evidence.quote import parse_quote
from voltage_attest.pods.voltagegpu import parse_voltagegpu
from voltage_attest.policy import parse_policy
from voltage_attest.result import AttestationResult, Verdict
from voltage_attest.testing import (
    ATTESTATION,
    GB100_GPU,
    H200_GPU,
    NVIDIA,
    Answers,
    FakeNvidia,
    Fault,
    HostileTwin,
    PodOptions,
    SimulatedPod,
)
from voltage_attest.testing.nvidia.collateral import ocsp_request
from voltage_attest.verifier import Verifier

OCSP: Final = "application/ocsp-request"


@pytest.fixture
def node() -> Iterator[SimulatedPod]:
    with SimulatedPod(gpus=8, switches=4, gpu=H200_GPU) as running:
        yield running


def post(pod: SimulatedPod | HostileTwin, path: str, body: bytes, content_type: str) -> Response:
    """As NVIDIA is asked: without a key."""
    with connected(pod) as connection:
        return ask(connection, path, api_key=None, body=body, headers={"Content-Type": content_type})


def collect(pod: SimulatedPod, evidence: Evidence) -> NvidiaCollateral:
    """All that can be had over the wire, about what the evidence shows."""
    items = [
        item
        for shown in (*evidence.gpu_evidence, *evidence.switch_evidence)
        for item in parse_nras_request(shown.json.encode()).items
    ]
    chains = [x509.load_pem_x509_certificates(item.certificate_chain)[1:] for item in items]
    signers = [pod.nvidia.rim_signer(chip) for chip in {device.chip for device in pod.node.devices}]
    chains += [[each.certificate for each in signer.chain] for signer in signers]
    questions = {certificate: issuer for chain in chains for certificate, issuer in pairwise(chain)}
    with connected(pod) as connection:
        rims = [
            parse_rim_answer(response.body, rim_id)
            for rim_id in pod.rims()
            if (response := ask(connection, f"/v1/rim/{rim_id}", api_key=None)).status == 200
        ]
        answers = [
            OcspAnswer(sha256(certificate.public_bytes(Encoding.DER)).digest(), response.body)
            for certificate, issuer in questions.items()
            if (response := ask_status(connection, certificate, issuer)).status == 200
        ]
        jwks = ask(connection, "/.well-known/jwks.json", api_key=None).body
    return NvidiaCollateral(rims=tuple(rims), ocsp=tuple(answers), jwks=(jwks,))


def ask_status(connection: http.client.HTTPSConnection, certificate: x509.Certificate, issuer: x509.Certificate) -> Response:
    """POST a question about the certificate."""
    request = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, SHA256()).build().public_bytes(Encoding.DER)
    return ask(connection, "/ocsp", api_key=None, body=request, headers={"Content-Type": OCSP})


def judge(pod: SimulatedPod) -> AttestationResult:
    """Judge what the pod answers at this moment, under the policy that accepts it when well."""
    evidence = parse_voltagegpu(get(pod, attestation_path(pod)).body, pod_id=pod.pod_id)
    verifier = Verifier(parse_policy(pod.policy_toml()), roots=pod.roots)
    nvidia, at = collect(pod, evidence), datetime.now(UTC)
    return verifier.examine(evidence, pod.collateral().to_json(), at=at, nonce=NONCE, nvidia=nvidia)


def closing(result: AttestationResult) -> set[str]:
    return {row.id for row in result.checks if row.status.closes_gate}


PODS: Final[dict[str, PodOptions]] = {
    "one": {"gpus": 1},
    "one with a driver that does not tell its mode": {"gpus": 1, "gpu": replace(H200_GPU, driver="570.172.08")},
    "four Blackwells": {"gpus": 4, "gpu": GB100_GPU},
    "eight with switches": {"gpus": 8, "switches": 4, "gpu": H200_GPU},
}


@pytest.mark.parametrize("options", PODS.values(), ids=PODS.keys())
def test_pod_with_gpus_verifies_under_its_policy_and_roots(options: PodOptions) -> None:
    with SimulatedPod(**options) as pod:
        result = judge(pod)
    assert result.verdict is Verdict.VERIFIED, closing(result)
    assert pod.roots.replaced == ("intel", "nvidia-device", "nvidia-rim", "nras")


def test_pod_without_gpus_has_neither_evidence_nor_services_nor_a_section_in_its_policy(pod: SimulatedPod) -> None:
    answer = json.loads(pod.attest(NONCE))
    assert not {"gpu_evidence", "switch_evidence"} & set(answer)
    assert "[gpu]" not in pod.policy_toml()
    assert pod.roots.replaced == ("intel",)
    assert get(pod, "/crl/l1-root.crl", api_key=None).status == 404
    assert get(pod, "/v1/rim/ids", api_key=None).status == 401


def test_evidence_is_bound_to_the_quote_beside_it(node: SimulatedPod) -> None:
    answer = json.loads(node.attest(NONCE))
    report_data = parse_quote(base64.b64decode(answer["quote"])).td_report.report_data
    expected = sha256(b"voltage-attest/1/gpu\0" + report_data).digest()
    for key, number in (("gpu_evidence", 8), ("switch_evidence", 4)):
        request = parse_nras_request(json.dumps(answer[key]).encode())
        assert (request.claimed_nonce, len(request.items)) == (expected, number)
        assert {item.report[4:36] for item in request.items} == {expected}


def test_two_pods_have_different_devices() -> None:
    first, second = SimulatedPod(gpus=1), SimulatedPod(gpus=1, pod_id="pod_b")
    assert first.node.gpus[0].ueid != second.node.gpus[0].ueid


STOPPED_BY: Final = MappingProxyType(
    {
        Fault.GPU_WRONG_NONCE: {"binding.gpu_nonce"},
        Fault.GPU_DUPLICATE: {"gpu.node.distinct"},
        Fault.GPU_WRONG_CHIP: {"gpu.architecture"},
        Fault.GPU_MEASUREMENT_CHANGED: {"gpu.measurements"},
        Fault.GPU_REVOKED: {"gpu.revocation"},
        Fault.GPU_HOLD: {"gpu.revocation"},
        Fault.GPU_RIM_MISSING: {"gpu.rim.parse"},
        Fault.SWITCH_FOREIGN: {"gpu.topology"},
        Fault.SWITCH_UNLOCKED: {"gpu.node.switch_lock"},
        Fault.OCSP_DOWN: {"gpu.revocation", "gpu.rim.revocation"},
        Fault.OCSP_STALE: {"gpu.revocation", "gpu.rim.revocation"},
    }
)
UNDECIDED: Final = {Fault.GPU_RIM_MISSING, Fault.OCSP_DOWN}


@pytest.mark.parametrize(("fault", "checks"), STOPPED_BY.items())
def test_fault_is_stopped_by_its_own_checks(node: SimulatedPod, fault: Fault, checks: set[str]) -> None:
    with node.faulty(fault):
        result = judge(node)
    assert closing(result) == checks
    assert result.verdict is (Verdict.UNDECIDED if fault in UNDECIDED else Verdict.REFUSED)


def test_every_fault_of_devices_is_named_here() -> None:
    prefixes = ("GPU_", "SWITCH_", "OCSP_")
    assert set(STOPPED_BY) == {fault for fault in Fault if fault.name.startswith(prefixes)}


def test_a_single_gpu_shown_twice_is_one_too_many() -> None:
    with SimulatedPod(gpus=1) as pod, pod.faulty(Fault.GPU_DUPLICATE):
        assert closing(judge(pod)) == {"gpu.node.count", "gpu.node.distinct"}


def test_gpus_follow_the_quote_into_a_replay(node: SimulatedPod) -> None:
    with node.faulty(Fault.REPLAYED_QUOTE):
        assert closing(judge(node)) == {"binding.report_data"}


def test_manifest_comes_in_the_services_json(node: SimulatedPod) -> None:
    for rim_id, data in node.rims().items():
        answer = get(node, f"/v1/rim/{rim_id}", api_key=None).json()
        assert (answer["id"], answer["rim_format"]) == (rim_id, "TCG")
        assert base64.b64decode(str(answer["rim"])) == data
        assert answer["sha256"] == sha256(data).hexdigest()
    assert get(node, "/v1/rim/NV_GPU_DRIVER_GH100_1.2", api_key=None).status == 404


@pytest.mark.parametrize("path", ["/ocsp", "/"])
def test_ocsp_is_answered_by_post_and_dated_now(node: SimulatedPod, path: str) -> None:
    response = post(node, path, ocsp_request(node.nvidia.provisioner()), OCSP)
    assert (response.status, response.headers["content-type"]) == (200, "application/ocsp-response")
    found = ocsp.load_der_ocsp_response(response.body)
    assert timedelta(0) <= datetime.now(UTC) - found.this_update_utc < timedelta(minutes=1)


@pytest.mark.parametrize(("body", "status"), [(b"", 1), (b"no request", 1)])
def test_malformed_ocsp_request_is_answered_as_such(node: SimulatedPod, body: bytes, status: int) -> None:
    assert post(node, "/ocsp", body, OCSP).body == bytes((0x30, 3, 0x0A, 1, status))


def test_ocsp_request_of_another_type_is_refused(node: SimulatedPod) -> None:
    assert post(node, "/ocsp", b"{}", "application/json").status == 415


@pytest.mark.parametrize(
    ("fault", "reason"),
    [(Fault.GPU_REVOKED, x509.ReasonFlags.key_compromise), (Fault.GPU_HOLD, x509.ReasonFlags.certificate_hold)],
)
def test_revocation_is_told_by_crl_as_well(node: SimulatedPod, fault: Fault, reason: x509.ReasonFlags) -> None:
    serial = node.nvidia.provisioner().serial
    with node.faulty(fault):
        crl = x509.load_der_x509_crl(get(node, "/crl/l2-gh100.crl", api_key=None).body)
    entry = crl.get_revoked_certificate_by_serial_number(serial)
    assert entry is not None
    assert entry.extensions.get_extension_for_class(x509.CRLReason).value.reason is reason
    well = x509.load_der_x509_crl(get(node, "/crl/l2-gh100.crl", api_key=None).body)
    assert well.get_revoked_certificate_by_serial_number(serial) is None


@pytest.mark.parametrize("path", ["/crl/l1-root.crl", "/crl/l2-gh100.crl", "/crl/l2-gb100.crl", "/crl-corim/l1-corim"])
def test_crls_stand_where_certificates_name_them(node: SimulatedPod, path: str) -> None:
    response = get(node, path, api_key=None)
    assert (response.status, response.headers["content-type"]) == (200, "application/pkix-crl")
    assert x509.load_der_x509_crl(response.body).next_update_utc is not None
    assert get(node, "/crl/other.crl", api_key=None).status == 404


def attested(pod: SimulatedPod, path: str, request: dict[str, object]) -> tuple[str, dict[str, str]]:
    """The overall token and those of the devices."""
    response = post(pod, path, json.dumps(request).encode(), "application/json")
    assert response.status == 200, response.body
    (_, overall), tokens = json.loads(response.body)
    return overall, tokens


def claims_of(pod: SimulatedPod, token: str) -> dict[str, object]:
    """The claims, verified against the key set and the clock."""
    keys = jwt.PyJWKSet.from_json(get(pod, "/.well-known/jwks.json", api_key=None).body.decode())
    claims: dict[str, object] = jwt.decode(token, keys[jwt.get_unverified_header(token)["kid"]], algorithms=["ES384"])
    return claims


@pytest.mark.parametrize(
    ("path", "asked", "version"),
    [
        ("/v3/attest/gpu", {}, "2.0"),
        ("/v4/attest/gpu", {}, "3.0"),
        ("/v4/attest/gpu", {"claims_version": "2.0"}, "2.0"),
        ("/v3/attest/switch", {}, "2.0"),
        ("/v4/attest/switch", {"claims_version": "4.0"}, "4.0"),
    ],
)
def test_attestation_service_vouches_for_the_pods_devices(
    node: SimulatedPod, path: str, asked: dict[str, object], version: str
) -> None:
    devices = node.node.switches if path.endswith("switch") else node.node.gpus
    evidence = [device.evidence(NONCE) for device in devices]
    overall, tokens = attested(node, path, {"nonce": NONCE.hex(), "evidence_list": evidence, **asked})
    claims = claims_of(node, overall)
    assert (claims["x-nvidia-ver"], claims["x-nvidia-overall-att-result"]) == (version, True)
    assert [claims_of(node, token)["ueid"] for token in tokens.values()] == [device.ueid for device in devices]


def test_attestation_service_says_what_is_wrong(node: SimulatedPod) -> None:
    first, second, third = node.node.gpus[:3]
    other = FakeNvidia().gpu()
    altered = replace(third, fields=replace(H200_GPU, measurements={25: bytes(48)}))
    evidence = [first.evidence(bytes(32)), other.evidence(NONCE), second.evidence(NONCE), altered.evidence(NONCE)]
    overall, tokens = attested(node, "/v4/attest/gpu", {"nonce": NONCE.hex(), "evidence_list": evidence})
    assert claims_of(node, overall)["x-nvidia-overall-att-result"] is False
    found = [claims_of(node, token) for token in tokens.values()]
    details = [claims.get("x-nvidia-error-details", {}) for claims in found]
    assert [each.get("code") for each in details if isinstance(each, dict)] == [4010, 4007, None, None]
    assert [claims.get("measres") for claims in found] == [None, None, "success", "fail"]


@pytest.mark.parametrize(
    "request_body",
    [
        b"no JSON",
        b"[]",
        b"{}",
        b'{"nonce": 7, "evidence_list": []}',
        b'{"nonce": "00", "evidence_list": [{"evidence": "", "certificate": ""}]}',
        b'{"nonce": "%b", "evidence_list": []}' % NONCE.hex().encode(),
        b'{"nonce": "%b", "evidence_list": [{"evidence": "", "certificate": ""}], "claims_version": []}' % NONCE.hex().encode(),
    ],
)
def test_malformed_request_to_attest_is_refused(node: SimulatedPod, request_body: bytes) -> None:
    assert post(node, "/v4/attest/gpu", request_body, "application/json").status == 400


def test_services_without_subject_are_not_there() -> None:
    with SimulatedPod(gpus=1) as pod:
        assert post(pod, "/v4/attest/switch", b"{}", "application/json").status == 404
        assert get(pod, "/v4/attest/gpu", api_key=None).status == 404


def test_pods_own_nvidia_dates_everything() -> None:
    issued = datetime(2026, 11, 15, 11, 30, tzinfo=UTC)
    with SimulatedPod(gpus=1, nvidia=FakeNvidia(issued_at=issued)) as pod:
        answer = post(pod, "/ocsp", ocsp_request(pod.nvidia.family()), OCSP)
    assert ocsp.load_der_ocsp_response(answer.body).this_update_utc == issued


def test_twin_passes_on_nvidias_documents(node: SimulatedPod) -> None:
    with HostileTwin(node) as twin:
        response = get(twin, "/v1/rim/ids", api_key=None)
        assert response.json()["ids"] == [*node.rims()]
        assert get(twin, "/IntelSGXRootCA.der", api_key=None).status == 200
        assert get(twin, attestation_path(node)).status == 200


def test_nvidias_services_can_be_disturbed_alone(node: SimulatedPod) -> None:
    with node.faulty(Answers(status=503, on=NVIDIA)):
        assert get(node, "/v1/rim/ids", api_key=None).status == 503
        assert get(node, attestation_path(node)).status == 200
    with node.faulty(Answers(status=503, on=ATTESTATION)):
        assert get(node, "/v1/rim/ids", api_key=None).status == 200


def test_tokens_satisfy_a_policy_that_requires_them() -> None:
    with SimulatedPod(gpus=1) as pod:
        evidence = parse_voltagegpu(get(pod, attestation_path(pod)).body)
        request = json.loads(evidence.gpu_evidence[0].json)
        body = json.dumps({**request, "claims_version": "3.0"}).encode()
        answer = post(pod, "/v4/attest/gpu", body, "application/json").body
        policy = parse_policy(pod.policy_toml().replace("[gpu]", '[gpu]\nnras = "require"'))
        collateral = replace(collect(pod, evidence), nras=(NrasAnswer(answer),))
        intel, at = pod.collateral().to_json(), datetime.now(UTC)
        result = Verifier(policy, roots=pod.roots).examine(evidence, intel, at=at, nonce=NONCE, nvidia=collateral)
    assert result.verdict is Verdict.VERIFIED, closing(result)
