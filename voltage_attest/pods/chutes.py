"""Chutes: two documents, one for the keys and one for the evidence.

::

    GET {base}/e2e/instances/{chute}             {instances: [{instance_id, e2e_pubkey(b64), nonces[]}], nonce_expires_in, ...}
    GET {base}/chutes/{chute}/evidence?nonce=    {evidence: [{instance_id, quote(b64), gpu_evidence[], certificate(b64 DER)}],
                                                  failed_instance_ids[]}
    GET http://{instance}:8002/evidence?nonce=   the evidence of one instance; plaintext, so never asked for here

Base ``https://api.chutes.ai``, ``Authorization: Bearer KEY``. Each instance becomes one Evidence (``pod_id`` its instance
id); the evidence answer is the body, the instances answer its companion. ``e2e_pubkey`` is an ML-KEM-768 key (1184 bytes).

REPORTDATA (binding ``chutes``): [0:32] SHA-256 over text, nonce in hex || e2e_pubkey in base64, which is also the nonce the
GPUs sign; [32:64] SHA-256 of the TLS certificate's SubjectPublicKeyInfo. The evidence names no nonce: it is made for the one
in the request, which the caller hands in. Through Redpill the same comes as one document, ``{attestation_type: "chutes",
nonce, all_attestations: [{instance_id, nonce, e2e_pubkey, intel_quote, gpu_evidence}]}``, without the certificate.

Sources: recorded answers of 2026-05-20 in the test vectors; chutes-e2ee 0.1.0 ``discovery.py``; private-ai-gateway.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote as escaped

from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.json_text import JsonObject, JsonView, maybe
from voltage_attest.evidence.model import Evidence
from voltage_attest.pods.answer import MAX_FLEET_SIZE, read_answer
from voltage_attest.pods.certificate import spki_sha256
from voltage_attest.pods.devices import framed_devices

__all__ = ["DEFAULT_BASE", "NAME", "evidence_path", "instances_path", "parse_chutes", "read_relayed"]

NAME: Final = "chutes"
DEFAULT_BASE: Final = "https://api.chutes.ai"

_MAX_INSTANCES: Final = 256
_ANSWER_KEYS: Final = ("evidence", "failed_instance_ids")
_INSTANCE_KEYS: Final = ("instance_id", "quote", "intel_quote", "gpu_evidence", "certificate", "nonce", "e2e_pubkey")


def instances_path(chute_id: str) -> str:
    """Path of the request for the instances' keys."""
    return f"/e2e/instances/{escaped(chute_id, safe='')}"


def evidence_path(chute_id: str, nonce: bytes) -> str:
    """Path and query of the request for evidence; the nonce in lower-case hex, the very text that REPORTDATA hashes."""
    return f"/chutes/{escaped(chute_id, safe='')}/evidence?nonce={nonce.hex()}"


def parse_chutes(body: bytes, companion: bytes | None = None, *, nonce: bytes | None = None) -> tuple[Evidence, ...]:
    """Read the evidence answer with the instances answer beside it; or Redpill's one document.

    ``nonce`` is what was sent in the request for ``body``; without it, or without the companion, the evidence is read and its
    binding stays undecided. :class:`EvidenceFormatError` says what was found.
    """
    answer = read_answer(body, "the Chutes answer", limit=MAX_FLEET_SIZE)
    if answer.optional("attestation_type") is not None:
        return read_relayed(answer, NAME)
    if answer.optional("evidence") is None and answer.optional("instances") is not None:
        raise EvidenceFormatError(
            "the Chutes answer holds instances, which are keys",
            expected="evidence",
            remedy="Pass the answer of /chutes/{chute}/evidence as evidence and this one as its companion.",
        )
    keys = {} if companion is None else _read_keys(companion)
    entries = answer.required("evidence").as_list(_MAX_INSTANCES)
    if not entries:
        raise EvidenceFormatError("the Chutes answer has no evidence", expected="the evidence of at least one instance")
    asides = (*answer.unknown(_ANSWER_KEYS), *_failed_instances(answer))
    return tuple(
        _read_instance(entry.as_object(), NAME, keys, nonce, asides if number == 0 else ())
        for number, entry in enumerate(entries)
    )


def read_relayed(answer: JsonObject, provider: str) -> tuple[Evidence, ...]:
    """Redpill's one document: every entry with its own key; the nonce is the entry's or the document's."""
    nonce = maybe(answer.optional("nonce"), lambda view: view.as_hex(32))
    entries = answer.required("all_attestations").as_list(_MAX_INSTANCES)
    if not entries:
        raise EvidenceFormatError(f"{answer.where} has no evidence", expected="the evidence of at least one instance")
    asides = answer.unknown(("attestation_type", "nonce", "all_attestations"))
    return tuple(
        _read_instance(entry.as_object(), provider, {}, nonce, asides if number == 0 else ())
        for number, entry in enumerate(entries)
    )


def _read_instance(
    entry: JsonObject, provider: str, keys: dict[str, _Key], nonce: bytes | None, asides: tuple[str, ...]
) -> Evidence:
    instance_id = entry.required("instance_id").as_text(128)
    own_key = entry.optional("e2e_pubkey")
    key = keys.get(instance_id) if own_key is None else _read_key(own_key)
    certificate = maybe(entry.optional("certificate"), JsonView.as_base64)
    nonce = maybe(entry.optional("nonce"), lambda view: view.as_hex(32)) or nonce
    what = f"{entry.where}: certificate"
    inputs = {
        "nonce_hex": maybe(nonce, lambda octets: octets.hex().encode("ascii")),
        "e2e_pubkey_b64": maybe(key, lambda found: found.text),
        "tls_certificate": certificate,
    }
    missing = () if key else (f"{entry.where}: no e2e_pubkey for this instance: pass the answer of /e2e/instances beside it",)
    quote = entry.optional("quote") or entry.optional("intel_quote")
    return Evidence(
        quote=maybe(quote, JsonView.as_base64) or None,
        nonce=nonce,
        tls_spki_sha256=maybe(certificate, lambda der: spki_sha256(der, what)),
        e2ee_public_key=maybe(key, lambda found: found.octets),
        gpu_evidence=framed_devices(entry.optional("gpu_evidence")),
        binding_inputs=tuple((name, value) for name, value in inputs.items() if value is not None),
        provider=provider,
        pod_id=instance_id,
        warnings=(*asides, *entry.unknown(_INSTANCE_KEYS), *missing),
    )


@dataclass(frozen=True, slots=True)
class _Key:
    """An E2EE key, as text and as bytes. The text is what is hashed, so it must be the one text that stands for the bytes."""

    text: bytes
    octets: bytes


def _read_key(view: JsonView) -> _Key:
    octets = view.as_base64()
    return _Key(view.as_text().encode("ascii"), octets)


def _read_keys(companion: bytes) -> dict[str, _Key]:
    """Instance id to E2EE key, from the instances answer. An id twice is refused: it would leave the key open."""
    answer = read_answer(companion, "the Chutes instances")
    keys: dict[str, _Key] = {}
    for view in answer.required("instances").as_list(_MAX_INSTANCES):
        instance = view.as_object()
        name = instance.required("instance_id").as_text(128)
        if name in keys:
            raise EvidenceFormatError(f"the Chutes instances name {name!r} twice", expected="every instance once")
        keys[name] = _read_key(instance.required("e2e_pubkey"))
    return keys


def _failed_instances(answer: JsonObject) -> tuple[str, ...]:
    view = answer.optional("failed_instance_ids")
    failed = () if view is None else view.as_list(_MAX_INSTANCES)
    return (f"the Chutes answer: {len(failed)} instances gave no evidence",) if failed else ()
