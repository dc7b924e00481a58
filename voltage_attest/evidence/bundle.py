"""The evidence bundle ``voltage-attest/evidence/1``: everything of one attestation in one JSON file.

::

    schema, created_at              the time is the writer's word
    subject      {pod_id, provider}
    nonce        hex                what the verifier drew; null where nobody drew one
    channel      {binding, tls_spki_sha256}            by which rule the evidence is bound, and to the key that was met
    evidence     quote, e2ee_public_key, binding_inputs: base64;  nonce, tls_spki_sha256: hex;  opinion;
                 event_log, gpu_evidence[], switch_evidence[]: JSON as text;  warnings[]
    collateral   {intel: documents by key, absences: why others are missing, sources: [{kind, url, from_cache}]}
    documents    [{kind, name, content (base64)}]      others, as received: NVIDIA's tokens and keys, ...
    policy       {name, sha256}                        for information: the policy is the reader's

Nothing is believed for standing in a bundle: it is judged like evidence that has just arrived, at the time that the reader
names. Absent and null are the same; an unknown key is refused, since what one version writes another must not drop in silence.
The JSON Schema in ``schema/evidence-1.json`` says the same to other languages.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.bundle_model import BundleCollateral, BundleDocument, BundleSource, EvidenceBundle
from voltage_attest.evidence.bundle_voltage_verify import VOLTAGE_VERIFY_FORMAT, read_voltage_verify
from voltage_attest.evidence.encoding import decode_quote_bytes
from voltage_attest.evidence.json_text import JsonObject, JsonView, maybe, parse_json
from voltage_attest.evidence.model import DeviceEvidence, Evidence, ProviderOpinion

__all__ = [
    "MAX_BUNDLE_SIZE",
    "SCHEMA",
    "BundleCollateral",
    "BundleDocument",
    "BundleSource",
    "EvidenceBundle",
    "dump_bundle",
    "parse_any_bundle",
    "parse_bundle",
    "parse_voltage_verify_bundle",
]

SCHEMA: Final = "voltage-attest/evidence/1"

MAX_BUNDLE_SIZE: Final = 16 * 1024 * 1024
"""Bytes of a bundle file. One of a node with eight GPUs and all collateral has about 300 KB."""

_KEYS: Final = (
    *("schema", "created_at", "subject", "nonce", "channel"),
    *("evidence", "collateral", "documents", "policy"),
)
_EVIDENCE_KEYS: Final = (
    *("quote", "nonce", "tls_spki_sha256", "e2ee_public_key", "opinion", "event_log"),
    *("gpu_evidence", "switch_evidence", "binding_inputs", "warnings"),
)
_INTEL_KEYS: Final = (
    *("pck_crl_issuer_chain", "root_ca_crl", "pck_crl", "tcb_info_issuer_chain", "tcb_info", "tcb_info_signature"),
    *("qe_identity_issuer_chain", "qe_identity", "qe_identity_signature", "pck_certificate_chain"),
)
_TIME: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")
_KIND: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_MAX_TEXT: Final = 1024
_MAX_MEMBERS: Final = 1024
_WHAT: Final = "the bundle"


def parse_any_bundle(data: bytes) -> EvidenceBundle:
    """Read a bundle of this format or of the vendor's, told apart by ``schema`` and ``format``."""
    bundle = parse_json(data, _WHAT, limit=MAX_BUNDLE_SIZE).as_object()
    if bundle.optional("schema") is not None:
        return _read_bundle(bundle)
    if bundle.optional("format") is not None:
        return read_voltage_verify(bundle)
    held = ", ".join(map(repr, list(bundle.members)[:6])) or "nothing"
    raise EvidenceFormatError(
        f"the bundle holds {held}",
        expected=f"a schema ({SCHEMA}) or a format ({VOLTAGE_VERIFY_FORMAT})",
        remedy="If it is a provider's answer, it belongs to --evidence; collateral alone belongs to --collateral.",
    )


def parse_bundle(data: bytes) -> EvidenceBundle:
    """Read a bundle of at most 16 MiB; :class:`EvidenceFormatError` names what does not fit."""
    return _read_bundle(parse_json(data, _WHAT, limit=MAX_BUNDLE_SIZE).as_object())


def parse_voltage_verify_bundle(data: bytes) -> EvidenceBundle:
    """Read the vendor's format; see :mod:`voltage_attest.evidence.bundle_voltage_verify`."""
    return read_voltage_verify(parse_json(data, _WHAT, limit=MAX_BUNDLE_SIZE).as_object())


def dump_bundle(bundle: EvidenceBundle) -> str:
    """Write the file: ASCII, the same text for the same bundle. The quote is written raw, whatever form it was received in.

    What is written has been read back and compared; ValueError where it would come back as something else (a nonce of another
    size, a binding input named twice, ...), for a proof that cannot be read in years to come is none.
    """
    bundle = replace(bundle, evidence=replace(bundle.evidence, quote=maybe(bundle.evidence.quote, _raw_quote)))
    text = json.dumps(_bundle_members(bundle), indent=2) + "\n"
    try:
        is_kept = parse_bundle(text.encode("ascii")) == bundle
    except EvidenceFormatError as error:
        raise ValueError(f"the bundle cannot be written: {error.found}; expected {error.expected}") from error
    if not is_kept:
        raise ValueError("the bundle cannot be written: a name occurs twice, or a hash is not in lower case")
    return text


def _read_bundle(bundle: JsonObject) -> EvidenceBundle:
    schema = bundle.required("schema")
    if schema.value != SCHEMA:
        raise schema.wrong(f"{SCHEMA}: a later version of voltage-attest may have written it")
    bundle.refuse_unknown(_KEYS)
    subject, channel, policy = (_section(bundle, name, keys) for name, keys in _SMALL_SECTIONS.items())
    return EvidenceBundle(
        _read_evidence(bundle.required("evidence").as_object(), subject),
        nonce=maybe(bundle.optional("nonce"), _hash),
        binding=maybe(channel.optional("binding"), _text),
        tls_spki_sha256=maybe(channel.optional("tls_spki_sha256"), _hash),
        created_at=maybe(bundle.optional("created_at"), _time),
        collateral=_read_collateral(bundle),
        documents=tuple(_read_document(view) for view in _listed(bundle, "documents")),
        policy_name=maybe(policy.optional("name"), _text),
        policy_sha256=maybe(policy.optional("sha256"), lambda view: _hash(view).hex()),
    )


_SMALL_SECTIONS: Final = {
    "subject": ("pod_id", "provider"),
    "channel": ("binding", "tls_spki_sha256"),
    "policy": ("name", "sha256"),
}


def _section(owner: JsonObject, name: str, keys: tuple[str, ...]) -> JsonObject:
    """The members of a section; none where it is absent."""
    view = owner.optional(name)
    section = JsonObject(f"{owner.where}: {name}", {}) if view is None else view.as_object()
    section.refuse_unknown(keys)
    return section


def _listed(owner: JsonObject, name: str) -> tuple[JsonView, ...]:
    view = owner.optional(name)
    return () if view is None else view.as_list(_MAX_MEMBERS)


def _read_evidence(evidence: JsonObject, subject: JsonObject) -> Evidence:
    evidence.refuse_unknown(_EVIDENCE_KEYS)
    inputs = evidence.optional("binding_inputs")
    named = {} if inputs is None else inputs.as_object().members
    return Evidence(
        quote=maybe(evidence.optional("quote"), JsonView.as_base64),
        nonce=maybe(evidence.optional("nonce"), _hash),
        tls_spki_sha256=maybe(evidence.optional("tls_spki_sha256"), _hash),
        e2ee_public_key=maybe(evidence.optional("e2ee_public_key"), JsonView.as_base64),
        opinion=maybe(evidence.optional("opinion"), _read_opinion),
        event_log=maybe(evidence.optional("event_log"), JsonView.as_text),
        gpu_evidence=tuple(DeviceEvidence(view.as_text()) for view in _listed(evidence, "gpu_evidence")),
        switch_evidence=tuple(DeviceEvidence(view.as_text()) for view in _listed(evidence, "switch_evidence")),
        binding_inputs=tuple((name, view.as_base64()) for name, view in named.items()),
        provider=maybe(subject.optional("provider"), _text),
        pod_id=maybe(subject.optional("pod_id"), _text),
        warnings=tuple(_text(view) for view in _listed(evidence, "warnings")),
    )


def _read_opinion(view: JsonView) -> ProviderOpinion:
    opinion = view.as_object()
    opinion.refuse_unknown(("measurement_valid", "mr_td", "tdx_version"))
    return ProviderOpinion(
        measurement_valid=maybe(opinion.optional("measurement_valid"), JsonView.as_bool),
        mr_td=maybe(opinion.optional("mr_td"), _text),
        tdx_version=maybe(opinion.optional("tdx_version"), _text),
    )


def _read_collateral(bundle: JsonObject) -> BundleCollateral:
    collateral = _section(bundle, "collateral", ("intel", "absences", "sources"))
    intel, absences = (_section(collateral, name, _INTEL_KEYS) for name in ("intel", "absences"))
    return BundleCollateral(
        documents=tuple((key, view.as_text()) for key, view in intel.members.items() if view.value is not None),
        absences=tuple((key, _text(view)) for key, view in absences.members.items() if view.value is not None),
        sources=tuple(_read_source(view) for view in _listed(collateral, "sources")),
    )


def _read_source(view: JsonView) -> BundleSource:
    source = view.as_object()
    source.refuse_unknown(("kind", "url", "from_cache"))
    return BundleSource(
        _text(source.required("kind")),
        maybe(source.optional("url"), _text),
        maybe(source.optional("from_cache"), JsonView.as_bool) or False,
    )


def _read_document(view: JsonView) -> BundleDocument:
    document = view.as_object()
    document.refuse_unknown(("kind", "name", "content"))
    kind = document.required("kind")
    if not _KIND.fullmatch(kind.as_text()):
        raise kind.wrong("a word of lower-case letters, digits, '.', '_' and '-'")
    return BundleDocument(kind.as_text(), document.required("content").as_base64(), maybe(document.optional("name"), _text))


def _text(view: JsonView) -> str:
    return view.as_text(_MAX_TEXT)


def _hash(view: JsonView) -> bytes:
    return view.as_hex(32)


def _time(view: JsonView) -> datetime:
    if _TIME.fullmatch(view.as_text()):
        try:
            return datetime.fromisoformat(view.as_text()[:-1]).replace(tzinfo=UTC)
        except ValueError:
            pass
    raise view.wrong("a time like 2026-10-08T00:09:46Z")


def _raw_quote(quote: bytes) -> bytes:
    """The quote's raw bytes; what is no quote in any form is kept as it is, so that its check fails again."""
    try:
        return decode_quote_bytes(quote)
    except EvidenceFormatError:
        return quote


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")


def _bundle_members(bundle: EvidenceBundle) -> dict[str, object]:
    evidence, collateral = bundle.evidence, bundle.collateral
    return {
        "schema": SCHEMA,
        "created_at": maybe(bundle.created_at, lambda time: time.isoformat().replace("+00:00", "Z")),
        "subject": {"pod_id": evidence.pod_id, "provider": evidence.provider},
        "nonce": maybe(bundle.nonce, bytes.hex),
        "channel": {"binding": bundle.binding, "tls_spki_sha256": maybe(bundle.tls_spki_sha256, bytes.hex)},
        "evidence": _evidence_members(evidence),
        "collateral": {
            "intel": dict(collateral.documents),
            "absences": dict(collateral.absences),
            "sources": [
                {"kind": source.kind, "url": source.url, "from_cache": source.from_cache} for source in collateral.sources
            ],
        },
        "documents": [
            {"kind": document.kind, "name": document.name, "content": _base64(document.content)}
            for document in bundle.documents
        ],
        "policy": {"name": bundle.policy_name, "sha256": bundle.policy_sha256},
    }


def _evidence_members(evidence: Evidence) -> dict[str, object]:
    opinion = evidence.opinion
    return {
        "quote": maybe(evidence.quote, _base64),
        "nonce": maybe(evidence.nonce, bytes.hex),
        "tls_spki_sha256": maybe(evidence.tls_spki_sha256, bytes.hex),
        "e2ee_public_key": maybe(evidence.e2ee_public_key, _base64),
        "opinion": None
        if opinion is None
        else {
            "measurement_valid": opinion.measurement_valid,
            "mr_td": opinion.mr_td,
            "tdx_version": opinion.tdx_version,
        },
        "event_log": evidence.event_log,
        "gpu_evidence": [device.json for device in evidence.gpu_evidence],
        "switch_evidence": [device.json for device in evidence.switch_evidence],
        "binding_inputs": {name: _base64(value) for name, value in evidence.binding_inputs},
        "warnings": list(evidence.warnings),
    }
