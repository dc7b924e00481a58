"""dstack's vllm-proxy, and with it the entries of NEAR AI's and Phala's answers: one report of one TD.

``GET {base}/v1/attestation/report?nonce=<64 hex>&signing_algo=ecdsa|ed25519[&include_tls_fingerprint=true]``::

    signing_address      hex     ecdsa: 20 bytes (an Ethereum address, 0x allowed); ed25519: the key, 32 bytes
    signing_algo         text    ecdsa or ed25519; where absent the length of the address tells
    signing_public_key   hex     ed25519: the address again; ecdsa: 64 or 65 bytes, not bound (the address is their Keccak)
    request_nonce        64 hex
    intel_quote          hex
    event_log            list of {imr, event_type, digest, event, event_payload}, or that list as JSON in a string
    info                 app_compose, vm_config, ...: for measured boot; only RTMR3 vouches for it
    nvidia_payload       JSON in a string, NRAS shape
    tls_cert_fingerprint 64 hex  SHA-256 of the TLS key's SubjectPublicKeyInfo, where asked for
    all_attestations     entries of the same shape, one per node; the report itself is usually the first of them

REPORTDATA (binding ``near``): [0:32] the address padded with zeros, or with a TLS fingerprint SHA-256(address || fingerprint);
[32:64] the nonce. The GPUs sign the same nonce.

Sources: nearai/vllm-proxy ``src/app/quote/quote.py`` and ``api/v1/openai.py``; Dstack-TEE/vllm-proxy.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.encoding import decode_quote_bytes
from voltage_attest.evidence.json_text import JsonObject, JsonView, maybe
from voltage_attest.evidence.model import Evidence
from voltage_attest.pods.answer import MAX_FLEET_SIZE, read_answer
from voltage_attest.pods.devices import nras_devices

__all__ = ["MAX_NODES", "NAME", "parse_dstack", "read_flat", "read_report", "report_path"]

NAME: Final = "dstack"

MAX_NODES: Final = 64
"""Reports in one answer."""

_ADDRESS_SIZES: Final = {"ecdsa": 20, "ed25519": 32}
_REPORT_KEYS: Final = (
    *("signing_address", "signing_algo", "signing_public_key", "request_nonce", "intel_quote", "event_log", "info"),
    *("nvidia_payload", "tls_cert_fingerprint", "report_data", "vm_config", "quote", "model_name"),
)
_CARRIED_NOWHERE: Final = (
    *("all_attestations", "model_attestations", "gateway_attestation", "tls_certificate", "compose_manager_attestation"),
    *("ohttp_key_config", "vpc"),
)


def report_path(nonce: bytes, *, model: str | None = None, algorithm: str | None = None, tls_fingerprint: bool = False) -> str:
    """Path and query of the request. Ed25519 is worth asking for: its address is the key itself."""
    query = {
        "model": model,
        "nonce": nonce.hex(),
        "signing_algo": algorithm,
        "include_tls_fingerprint": "true" if tls_fingerprint else None,
    }
    return f"/v1/attestation/report?{urlencode({key: value for key, value in query.items() if value is not None})}"


def parse_dstack(body: bytes) -> tuple[Evidence, ...]:
    """Read an answer of at most 16 MiB: one Evidence per node; :class:`EvidenceFormatError` says what was found."""
    return read_flat(read_answer(body, "the dstack answer", limit=MAX_FLEET_SIZE), NAME)


def read_flat(answer: JsonObject, provider: str) -> tuple[Evidence, ...]:
    """The report at the top, unless ``all_attestations`` holds its quote too, and each report of that list."""
    listed = answer.optional("all_attestations")
    nodes = () if listed is None else tuple(view.as_object() for view in listed.as_list(MAX_NODES))
    reports = [read_report(node, provider) for node in nodes]
    if not nodes or answer.optional("intel_quote") is not None:
        top = read_report(answer, provider)
        if top.quote not in {report.quote for report in reports}:
            reports.insert(0, top)
    return tuple(reports)


def read_report(report: JsonObject, provider: str, *, pod_id: str | None = None) -> Evidence:
    """Read one report of one TD."""
    address, algorithm = _read_signer(report)
    info = report.optional("info")
    inputs = [("signing_address", address), ("signing_algo", algorithm.encode("ascii"))]
    if info is not None:
        inputs.append(("dstack_info", info.as_json_text().encode("utf-8")))
    return Evidence(
        quote=maybe(report.optional("intel_quote"), _read_quote),
        nonce=maybe(report.optional("request_nonce"), lambda view: view.as_hex(32)),
        tls_spki_sha256=maybe(report.optional("tls_cert_fingerprint"), lambda view: view.as_hex(32)),
        e2ee_public_key=address if algorithm == "ed25519" else None,
        event_log=maybe(report.optional("event_log"), JsonView.as_json_text),
        gpu_evidence=nras_devices(report.optional("nvidia_payload")),
        binding_inputs=tuple(inputs),
        provider=provider,
        pod_id=pod_id or maybe(report.optional("model_name"), lambda view: view.as_text(256)),
        warnings=report.unknown((*_REPORT_KEYS, *_CARRIED_NOWHERE)),
    )


def _read_quote(view: JsonView) -> bytes | None:
    """The quote's raw bytes; an empty text is none."""
    text = view.as_text()
    return decode_quote_bytes(text.encode("utf-8")) if text else None


def _read_signer(report: JsonObject) -> tuple[bytes, str]:
    """The signing address and its algorithm, checked against each other."""
    view = report.required("signing_address")
    address = view.as_hex(*_ADDRESS_SIZES.values(), prefix=True)
    named = report.optional("signing_algo")
    algorithm = next(name for name, size in _ADDRESS_SIZES.items() if size == len(address))
    if named is not None and named.as_text(32) != algorithm:
        raise named.wrong(f"{algorithm}, since the address has {len(address)} bytes")
    key = report.optional("signing_public_key")
    if algorithm == "ed25519" and key is not None and key.as_hex(32, prefix=True) != address:
        raise EvidenceFormatError(
            f"{report.where}: signing_public_key and signing_address differ",
            expected="the same 32 bytes, as Ed25519 keys are their own address",
            remedy="Do not send to this endpoint: it names a key that no quote can vouch for.",
        )
    return address, algorithm
