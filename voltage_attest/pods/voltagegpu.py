"""The VoltageGPU API: ``GET {base}/v1/pods/{POD_ID}/attestation?nonce=<64 hex>`` with ``Authorization: Bearer KEY``.

::

    tdx_version, measurement_valid, mr_td     the operator's opinion: compared with the quote, never believed
    nonce             64 hex                  the nonce it was made for
    quote             base64                  a TDX quote; without one the answer is an opinion (evidence.quote_present)
    event_log         JSON                    as JSON, or as JSON in a string
    gpu_evidence, switch_evidence             NRAS shape
    tls_certificate   PEM                     the pod's; its key counts once its hash is in REPORTDATA
    e2ee_public_key   base64                  likewise

Base address ``https://api.voltagegpu.com``. Unknown keys are ignored and named in ``Evidence.warnings``.
"""

from __future__ import annotations

import re
from typing import Final

from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.json_text import JsonObject, JsonView, maybe
from voltage_attest.evidence.model import Evidence, ProviderOpinion
from voltage_attest.pods.answer import read_answer
from voltage_attest.pods.certificate import leaf_of_pem, spki_sha256
from voltage_attest.pods.devices import nras_devices

__all__ = ["DEFAULT_BASE", "NAME", "attestation_path", "parse_voltagegpu"]

NAME: Final = "voltagegpu"
DEFAULT_BASE: Final = "https://api.voltagegpu.com"

_POD_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_KEYS: Final = (
    *("tdx_version", "measurement_valid", "mr_td", "nonce", "quote", "event_log"),
    *("gpu_evidence", "switch_evidence", "tls_certificate", "e2ee_public_key"),
)


def attestation_path(pod_id: str, nonce: bytes) -> str:
    """Path and query of the request for one pod's attestation; ``nonce`` is 32 bytes, drawn by the verifier.

    :class:`EvidenceFormatError` on a pod id that could mean another path.
    """
    if not _POD_ID.fullmatch(pod_id):
        raise EvidenceFormatError(
            f"the pod id {pod_id[:140]!r}",
            expected="1 to 128 letters, digits, - and _",
            remedy="Copy the pod id from the dashboard or the API, without spaces or slashes.",
        )
    if len(nonce) != 32:
        raise ValueError(f"a nonce of {len(nonce)} bytes: draw secrets.token_bytes(32)")
    return f"/v1/pods/{pod_id}/attestation?nonce={nonce.hex()}"


def parse_voltagegpu(body: bytes, *, pod_id: str | None = None) -> Evidence:
    """Read an attestation answer of at most 4 MiB; :class:`EvidenceFormatError` says what was found."""
    answer = read_answer(body, "the pod's answer")
    what = "the pod's tls_certificate"
    pem = maybe(answer.optional("tls_certificate"), JsonView.as_text)
    certificate = maybe(pem, lambda text: leaf_of_pem(text, what))
    quote = maybe(answer.optional("quote"), JsonView.as_base64)
    return Evidence(
        quote=quote or None,
        nonce=maybe(answer.optional("nonce"), lambda view: view.as_hex(32)),
        tls_spki_sha256=maybe(certificate, lambda der: spki_sha256(der, what)),
        e2ee_public_key=maybe(answer.optional("e2ee_public_key"), JsonView.as_base64),
        opinion=_read_opinion(answer),
        event_log=maybe(answer.optional("event_log"), JsonView.as_json_text),
        gpu_evidence=nras_devices(answer.optional("gpu_evidence")),
        switch_evidence=nras_devices(answer.optional("switch_evidence")),
        binding_inputs=() if certificate is None else (("tls_certificate", certificate),),
        provider=NAME,
        pod_id=pod_id,
        warnings=answer.unknown(_KEYS),
    )


def _read_opinion(answer: JsonObject) -> ProviderOpinion | None:
    opinion = ProviderOpinion(
        measurement_valid=maybe(answer.optional("measurement_valid"), JsonView.as_bool),
        mr_td=maybe(answer.optional("mr_td"), _read_mr_td),
        tdx_version=maybe(answer.optional("tdx_version"), _read_version),
    )
    return None if opinion == ProviderOpinion() else opinion


def _read_mr_td(view: JsonView) -> str:
    view.as_hex(48)
    return view.as_text()


def _read_version(view: JsonView) -> str:
    """``"1.5"`` or, from servers that mean the same, ``1.5``."""
    if isinstance(view.value, str):
        return view.as_text(32)
    if isinstance(view.value, int | float) and not isinstance(view.value, bool) and len(view.raw) <= 32:
        return view.raw
    raise view.wrong('a version like "1.5"')
