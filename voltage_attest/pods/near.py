"""NEAR AI Cloud: ``GET https://cloud-api.near.ai/v1/attestation/report?model=&nonce=&signing_algo=&include_tls_fingerprint=true``.

::

    gateway_attestation    the gateway's report: the TD whose TLS key the client meets
    model_attestations     list of reports: the TDs with the GPUs behind it
    tls_certificate        PEM: the gateway's chain; its leaf key has the fingerprint of gateway_attestation

Each report (:mod:`voltage_attest.pods.dstack`) becomes one Evidence, gateway first, ``pod_id`` "gateway" or the model's name.
A model's own endpoint (direct proxy) answers with one flat report. ``compose_manager_attestation``, a third quote about
deployments whose REPORTDATA is SHA-256(actions) || nonce, is not carried. Binding: ``near``.

Sources: recorded answer of 2026-04-24 in the test vectors; nearai/vllm-proxy.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.json_text import JsonObject, JsonView, maybe
from voltage_attest.evidence.model import Evidence
from voltage_attest.pods.answer import MAX_FLEET_SIZE, read_answer
from voltage_attest.pods.certificate import leaf_of_pem, spki_sha256
from voltage_attest.pods.dstack import MAX_NODES, read_flat, read_report

__all__ = ["DEFAULT_BASE", "NAME", "is_gateway", "parse_near", "read_gateway"]

NAME: Final = "near"
DEFAULT_BASE: Final = "https://cloud-api.near.ai"

_KEYS: Final = ("gateway_attestation", "model_attestations", "all_attestations", "tls_certificate")
_CERTIFICATE: Final = "the gateway's tls_certificate"


def parse_near(body: bytes) -> tuple[Evidence, ...]:
    """Read an answer of at most 16 MiB; :class:`EvidenceFormatError` says what was found."""
    answer = read_answer(body, "the NEAR answer", limit=MAX_FLEET_SIZE)
    return read_gateway(answer, NAME) if is_gateway(answer) else read_flat(answer, NAME)


def is_gateway(answer: JsonObject) -> bool:
    """Whether reports are wrapped by role, not flat."""
    return any(answer.optional(key) is not None for key in ("gateway_attestation", "model_attestations"))


def read_gateway(answer: JsonObject, provider: str) -> tuple[Evidence, ...]:
    """The gateway's report, then the models'."""
    pem = maybe(answer.optional("tls_certificate"), JsonView.as_text)
    certificate = maybe(pem, lambda text: leaf_of_pem(text, _CERTIFICATE))
    gateway = answer.optional("gateway_attestation")
    reports: list[Evidence] = []
    if gateway is not None:
        report = read_report(gateway.as_object(), provider, pod_id="gateway")
        reports.append(report if certificate is None else _with_certificate(report, certificate))
    models = answer.optional("model_attestations")
    if models is not None:
        reports += [read_report(view.as_object(), provider) for view in models.as_list(MAX_NODES)]
    if not reports:
        raise EvidenceFormatError(f"{answer.where} holds no report", expected="a gateway_attestation or model_attestations")
    reports[0] = replace(reports[0], warnings=(*reports[0].warnings, *answer.unknown(_KEYS)))
    return tuple(reports)


def _with_certificate(report: Evidence, certificate: bytes) -> Evidence:
    """Keep the certificate beside the fingerprint that binds; whether they agree is said, since only the fingerprint counts."""
    kept = (*report.binding_inputs, ("tls_certificate", certificate))
    differs = report.tls_spki_sha256 not in {None, spki_sha256(certificate, _CERTIFICATE)}
    warning = "the gateway's tls_certificate has another key than its tls_cert_fingerprint: the fingerprint counts"
    return replace(report, binding_inputs=kept, warnings=(*report.warnings, warning) if differs else report.warnings)
