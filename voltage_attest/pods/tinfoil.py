"""Tinfoil: ``GET https://{enclave}/.well-known/tinfoil-attestation[?nonce=<64 hex>]``, in the shapes that it has had.

::

    v2  {format: ".../predicate/tdx-guest/v2", body: base64(gzip(quote))}
        REPORTDATA: SHA-256(TLS SPKI) || HPKE key(32). No nonce: proves no freshness, and no policy can bind it.
        Also inside {domain, enclaveAttestationReport, digest, releaseTag, sigstoreBundle, vcek, enclaveCert} of an ATC server.
    v3  {format: ".../predicate/attestation/v3", ...}: see pods/tinfoil_v3.py, in two forms

AMD SEV-SNP enclaves answer at the same address; they are refused here, since this verifier judges Intel TDX.

Sources: tinfoil 0.15.0 (``attestation/attestation.py``, ``bundle.py``); tinfoil-go.
"""

from __future__ import annotations

import zlib
from typing import Final

from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.encoding import MAX_QUOTE_SIZE
from voltage_attest.evidence.json_text import JsonObject, JsonView, maybe
from voltage_attest.evidence.model import Evidence
from voltage_attest.pods.answer import read_answer
from voltage_attest.pods.certificate import leaf_of_pem, spki_sha256
from voltage_attest.pods.tinfoil_v3 import FORMAT_V3, parse_tinfoil_v3

__all__ = ["NAME", "attestation_path", "parse_tinfoil"]

NAME: Final = "tinfoil"

_FORMAT_V2: Final = "https://tinfoil.sh/predicate/tdx-guest/v2"
_GZIP: Final = 16 + zlib.MAX_WBITS
_ATC_KEYS: Final = ("domain", "enclaveAttestationReport", "digest", "releaseTag", "sigstoreBundle", "vcek", "enclaveCert")
_NOT_FRESH: Final = "Tinfoil v2 evidence holds no nonce: when it was made is unknown"


def attestation_path(nonce: bytes) -> str:
    """Path and query of the request; an enclave that knows only v2 ignores the nonce."""
    return f"/.well-known/tinfoil-attestation?nonce={nonce.hex()}"


def parse_tinfoil(body: bytes) -> tuple[Evidence, ...]:
    """Read an answer of at most 4 MiB, v2 or v3; :class:`EvidenceFormatError` says what was found."""
    answer = read_answer(body, "the Tinfoil answer")
    if answer.optional("enclaveAttestationReport") is not None:
        return (_parse_atc(answer),)
    if answer.required("format").value == FORMAT_V3:
        return (parse_tinfoil_v3(answer, NAME),)
    quote = _read_v2_quote(answer)
    return (Evidence(quote=quote, provider=NAME, warnings=(_NOT_FRESH, *answer.unknown(("format", "body")))),)


def _parse_atc(answer: JsonObject) -> Evidence:
    what = "the Tinfoil answer: enclaveCert"
    pem = maybe(answer.optional("enclaveCert"), JsonView.as_text) or None
    certificate = maybe(pem, lambda text: leaf_of_pem(text, what))
    return Evidence(
        quote=_read_v2_quote(answer.required("enclaveAttestationReport").as_object()),
        tls_spki_sha256=maybe(certificate, lambda der: spki_sha256(der, what)),
        binding_inputs=() if certificate is None else (("tls_certificate", certificate),),
        provider=NAME,
        pod_id=maybe(answer.optional("domain"), lambda view: view.as_text(256)),
        warnings=(_NOT_FRESH, *answer.unknown(_ATC_KEYS)),
    )


def _read_v2_quote(report: JsonObject) -> bytes:
    predicate = report.required("format")
    if predicate.value != _FORMAT_V2:
        raise predicate.wrong(f"{_FORMAT_V2} or {FORMAT_V3}")
    body = report.required("body")
    return _gunzip(body.as_base64(), body.where)


def _gunzip(data: bytes, what: str) -> bytes:
    """One gzip member, whole, that opens to at most 64 KiB: not a byte more is ever unpacked."""
    opener = zlib.decompressobj(_GZIP)
    try:
        opened = opener.decompress(data, MAX_QUOTE_SIZE + 1)
    except zlib.error as error:
        raise EvidenceFormatError(f"{what} is not gzip ({error})", expected="a gzip'd quote") from None
    if len(opened) > MAX_QUOTE_SIZE:
        raise EvidenceFormatError(f"{what} opens to more than {MAX_QUOTE_SIZE} bytes", expected="a gzip'd quote")
    if not opener.eof or opener.unused_data:
        raise EvidenceFormatError(f"{what} is cut off or goes on after its end", expected="one gzip member, whole")
    return opened
