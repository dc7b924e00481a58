"""The vendor's bundle, ``voltage-verify-bundle/1``, as the ``voltage-verify`` tool writes it inside the VM.

::

    format, tool, created_at
    manifest      {format: "voltage-verify-manifest/1", challenge: 64 lower-case hex, created_at, workload, statement}
    commitments   {sha256, sha512}      of the canonical manifest; recomputed here, a difference is refused
    tdx           {quote_b64, report_data_hex}
    nvidia        {mode, nras, jwks}    carried as JSON text, kind "voltage-verify-nvidia"
    collateral    {intel: {tcb_info, qe_identity: {kind, body, issuer_chain_pem}, pck_crl_pem, root_crl_der_b64, fetched_at}}
    environment   free facts of the VM, carried likewise

Canonical manifest: JSON with keys sorted by code point, no white space, UTF-8 unescaped, no floats. Binding
``voltage-verify/1``: REPORTDATA is its SHA-512, the GPU's nonce its SHA-256. The challenge stands inside the manifest and is
therefore bound; whether the verifier drew it only the verifier knows, so :attr:`EvidenceBundle.nonce` stays None.

The signed JSON of TCB info and QE identity is cut out of ``body`` as it stands. The bundle holds no issuer chain for the PCK
CRL: it is the quote's own chain without its leaf.

Source: voltage-verify 0.2.3 (MIT), ``bundle.py``, ``canonical.py``, ``manifest.py``, ``pcs.py``.
"""

from __future__ import annotations

import binascii
import hashlib
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.bundle_model import BundleCollateral, BundleDocument, EvidenceBundle
from voltage_attest.evidence.json_text import JsonObject, JsonView, maybe, parse_json
from voltage_attest.evidence.model import Evidence
from voltage_attest.evidence.quote import CertificationDataType, TdxQuote, parse_quote

__all__ = ["BINDING", "VOLTAGE_VERIFY_FORMAT", "canonical_manifest", "manifest_for", "read_voltage_verify"]

VOLTAGE_VERIFY_FORMAT: Final = "voltage-verify-bundle/1"
BINDING: Final = "voltage-verify/1"

_MANIFEST_FORMAT: Final = "voltage-verify-manifest/1"
_PROVIDER: Final = "voltage-verify"
_CHALLENGE: Final = re.compile(r"[0-9a-f]{64}")
_KEYS: Final = (*("format", "tool", "created_at", "manifest", "commitments", "tdx", "nvidia", "collateral", "environment"),)
_BEGIN_CERTIFICATE: Final = "-----BEGIN CERTIFICATE-----"
_BEGIN_CRL: Final = "-----BEGIN X509 CRL-----"
_END_CRL: Final = "-----END X509 CRL-----"
_NOT_HELD: Final = "the voltage-verify bundle holds none"
_MAX_BODY: Final = 4 * 1024 * 1024


def read_voltage_verify(bundle: JsonObject) -> EvidenceBundle:
    """Read the bundle; :class:`EvidenceFormatError` where it is malformed or contradicts itself.

    A quote that cannot be read is handed on: it fails the quote's own check.
    """
    named = bundle.required("format")
    if named.value != VOLTAGE_VERIFY_FORMAT:
        raise named.wrong(VOLTAGE_VERIFY_FORMAT)
    manifest = bundle.required("manifest")
    canonical, challenge = canonical_manifest(manifest), _read_challenge(manifest.as_object())
    _require_commitments(bundle.required("commitments").as_object(), canonical)
    raw, quote = _read_quote(bundle.required("tdx").as_object())
    kept = (("voltage-verify-nvidia", "nvidia"), ("voltage-verify-environment", "environment"))
    return EvidenceBundle(
        Evidence(
            quote=raw,
            nonce=challenge,
            binding_inputs=(("manifest", canonical),),
            provider=_PROVIDER,
            warnings=bundle.unknown(_KEYS),
        ),
        binding=BINDING,
        created_at=_read_time(bundle.required("created_at")),
        collateral=_read_collateral(bundle, quote),
        documents=tuple(
            BundleDocument(kind, view.raw.encode("utf-8"))
            for kind, view in ((kind, bundle.optional(key)) for kind, key in kept)
            if view is not None
        ),
    )


def canonical_manifest(manifest: JsonView) -> bytes:
    """The bytes that are committed to; :class:`EvidenceFormatError` where the manifest holds a float."""
    manifest.as_object()
    _refuse_floats(manifest.value, manifest.where)
    return json.dumps(manifest.value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def manifest_for(challenge: bytes, manifest: bytes) -> bytes:
    """The canonical manifest with that challenge (32 bytes) in it: ``manifest`` itself, if it was made for it.

    :class:`EvidenceFormatError` where it is none.
    """
    view = parse_json(manifest, "the manifest", limit=_MAX_BODY)
    _read_challenge(view.as_object())
    members = {name: member.value for name, member in view.as_object().members.items()} | {"challenge": challenge.hex()}
    return canonical_manifest(replace(view, value=members))


def _refuse_floats(value: object, where: str) -> None:
    if isinstance(value, float):
        raise EvidenceFormatError(f"{where} holds the number {value}", expected="no fractions, which have no canonical form")
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for member in members:
        _refuse_floats(member, where)


def _read_challenge(manifest: JsonObject) -> bytes:
    named = manifest.required("format")
    if named.value != _MANIFEST_FORMAT:
        raise named.wrong(_MANIFEST_FORMAT)
    challenge = manifest.required("challenge")
    if not _CHALLENGE.fullmatch(challenge.as_text()):
        raise challenge.wrong("64 lower-case hex digits")
    manifest.required("workload").as_object()
    return challenge.as_hex(32)


def _require_commitments(commitments: JsonObject, canonical: bytes) -> None:
    for name in ("sha256", "sha512"):
        view, computed = commitments.required(name), hashlib.new(name, canonical).hexdigest()
        if view.value != computed:
            raise EvidenceFormatError(
                f"{view.where} is {view.as_text()[:140]!r}",
                expected=f"{computed}, which the manifest beside it has",
                remedy="The manifest was changed after it was committed to: ask for the bundle as the VM wrote it.",
            )


def _read_quote(tdx: JsonObject) -> tuple[bytes, TdxQuote | None]:
    raw, said = tdx.required("quote_b64").as_base64(), tdx.required("report_data_hex")
    report_data = said.as_hex(64)
    try:
        quote = parse_quote(raw)
    except EvidenceFormatError:
        return raw, None
    if quote.td_report.report_data != report_data:
        raise said.wrong(f"{quote.td_report.report_data.hex()}, which the quote beside it has")
    return raw, quote


def _read_time(view: JsonView) -> datetime:
    wrong = view.wrong("a time in ISO 8601 with its offset")
    try:
        time = datetime.fromisoformat(view.as_text(40))
        if time.tzinfo is None:
            raise wrong
        return time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise wrong from None


def _read_collateral(bundle: JsonObject, quote: TdxQuote | None) -> BundleCollateral:
    outer = maybe(bundle.optional("collateral"), JsonView.as_object)
    intel = None if outer is None else maybe(outer.optional("intel"), JsonView.as_object)
    documents: dict[str, str | None] = dict.fromkeys(_DOCUMENTS)
    if intel is not None:
        documents |= _read_signed(intel.required("tcb_info").as_object(), "tcb_info", "tcbInfo")
        documents |= _read_signed(intel.required("qe_identity").as_object(), "qe_identity", "enclaveIdentity")
        documents["pck_crl"] = maybe(intel.optional("pck_crl_pem"), _crl_of_pem)
        documents["root_ca_crl"] = maybe(intel.optional("root_crl_der_b64"), lambda view: view.as_base64().hex())
        if documents["pck_crl"] is not None and quote is not None:
            documents["pck_crl_issuer_chain"] = _chain_above_leaf(quote)
    return BundleCollateral(
        documents=tuple((key, text) for key, text in documents.items() if text is not None),
        absences=tuple((key, _NOT_HELD) for key, text in documents.items() if text is None),
    )


_DOCUMENTS: Final = (
    *("pck_crl_issuer_chain", "root_ca_crl", "pck_crl", "tcb_info_issuer_chain", "tcb_info", "tcb_info_signature"),
    *("qe_identity_issuer_chain", "qe_identity", "qe_identity_signature"),
)


def _read_signed(document: JsonObject, key: str, member: str) -> dict[str, str | None]:
    """Chain, signed text and signature of one PCS answer, the text cut out of the body as it stands."""
    body = document.required("body")
    answer = parse_json(body.as_text().encode("utf-8"), body.where, limit=_MAX_BODY).as_object()
    return {
        f"{key}_issuer_chain": document.required("issuer_chain_pem").as_text(),
        key: answer.required(member).raw,
        f"{key}_signature": answer.required("signature").as_text(),
    }


def _crl_of_pem(view: JsonView) -> str:
    """Hex DER of a CRL in PEM: one block, and line breaks as the only other thing."""
    text = view.as_text().strip("\r\n")
    body = text.removeprefix(_BEGIN_CRL).removesuffix(_END_CRL)
    if len(body) != len(text) - len(_BEGIN_CRL) - len(_END_CRL) or not body.isascii():
        raise view.wrong("one CRL in PEM")
    try:
        return binascii.a2b_base64(body.translate({10: None, 13: None}), strict_mode=True).hex()
    except binascii.Error:
        raise view.wrong("one CRL in PEM") from None


def _chain_above_leaf(quote: TdxQuote) -> str | None:
    """The CA certificates of the quote's PEM chain, as they stand; None where it holds no such chain."""
    if quote.certification_data_type is not CertificationDataType.PCK_CHAIN:
        return None
    text = quote.certification_data.rstrip(b"\0").decode("ascii", "replace")
    _, begin, rest = text.partition(_BEGIN_CERTIFICATE)[2].partition(_BEGIN_CERTIFICATE)
    return begin + rest if begin else None
