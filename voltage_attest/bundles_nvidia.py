"""NVIDIA's documents in an evidence bundle: each as received, and beside them where they came from and why others are absent.

Kinds are ``nvidia-rim`` (named by its id), ``nvidia-ocsp`` (named by the SHA-256 of the certificate it was asked about, and the
nonce of the request if it carried one), ``nvidia-crl``, ``nvidia-jwks`` and ``nvidia-nras``. Of each there are at most as many
as a node has use for: every one costs its judge time, and a bundle may come from anybody.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final

from voltage_attest.collateral.nvidia import MAX_CRLS, MAX_NRAS, MAX_OCSP, MAX_RIMS, NrasAnswer, NvidiaCollateral, OcspAnswer
from voltage_attest.collateral.nvidia_fetched import FetchedNvidia, NvidiaSource
from voltage_attest.collateral.nvidia_requests import NvidiaKind
from voltage_attest.collateral.rim import RimDocument
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.bundle_model import BundleDocument
from voltage_attest.evidence.json_text import JsonObject, JsonView, maybe, parse_json

__all__ = ["nvidia_documents", "nvidia_of", "other_documents"]

_ORIGINS: Final = "nvidia-origins"
"""Kind of the document that says where the others came from: ``{"absences": {name: reason}, "sources": [...]}``."""
_VENDORS: Final = "voltage-verify-nvidia"
"""What the vendor's own bundle holds: ``{"mode", "nras", "jwks"}``."""
_KINDS: Final = frozenset({*NvidiaKind, _ORIGINS})
_OCSP_NAME: Final = re.compile(r"([0-9a-f]{64})(?::([0-9a-f]{2,128}))?")
_MAX_ORIGINS: Final = 1024 * 1024
_MAX_SOURCES: Final = 1024
_MAX_ABSENCES: Final = 1024
_MAX_ABSENCES_TEXT: Final = 256 * 1024
"""Characters of JSON: what is written must also be read again."""
_LONGEST_TEXT: Final = 1024
_MOST: Final[Mapping[str, int]] = {
    NvidiaKind.RIM: MAX_RIMS,
    NvidiaKind.OCSP: MAX_OCSP,
    NvidiaKind.CRL: MAX_CRLS,
    NvidiaKind.JWKS: MAX_NRAS,
    NvidiaKind.NRAS: MAX_NRAS,
    _ORIGINS: 1,
    _VENDORS: 1,
}
"""Documents of each kind in one bundle."""


def nvidia_documents(fetched: FetchedNvidia | None) -> tuple[BundleDocument, ...]:
    """All documents for the bundle; none where the policy expected no GPU."""
    if fetched is None:
        return ()
    held = fetched.collateral
    origins = {
        "absences": _absences(held.absences),
        "sources": [_members(source) for source in fetched.sources[:_MAX_SOURCES]],
    }
    return (
        *[BundleDocument(NvidiaKind.RIM.value, rim.data, rim.rim_id) for rim in held.rims],
        *[BundleDocument(NvidiaKind.OCSP.value, answer.der, _ocsp_name(answer)) for answer in held.ocsp],
        *[BundleDocument(NvidiaKind.CRL.value, crl) for crl in held.crls],
        *[BundleDocument(NvidiaKind.JWKS.value, keys) for keys in held.jwks],
        *[BundleDocument(NvidiaKind.NRAS.value, answer.body) for answer in held.nras],
        BundleDocument(_ORIGINS, json.dumps(origins).encode("ascii")),
    )


def _absences(absences: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Names to reasons: the first of them, where there are more than a bundle holds."""
    kept: dict[str, str] = {}
    room = _MAX_ABSENCES_TEXT
    for name, reason in absences:
        told = reason[:_LONGEST_TEXT]
        room -= len(json.dumps({name: told}))
        if room < 0 or len(kept) >= _MAX_ABSENCES:
            break
        kept[name] = told
    return kept


def nvidia_of(documents: Iterable[BundleDocument]) -> FetchedNvidia:
    """What the bundle holds of NVIDIA's; :class:`EvidenceFormatError` where it is too much, or a name or origin is wrong."""
    found: dict[str, list[BundleDocument]] = {}
    for document in documents:
        found.setdefault(document.kind, []).append(document)
    for kind, most in _MOST.items():
        number = len(found.get(kind, []))
        if number > most:
            raise EvidenceFormatError(f"the bundle has {number} documents {kind}", expected=f"at most {most}")
    absences, sources = _read_origins(found.get(_ORIGINS, []))
    vendors = [_read_vendors(document) for document in found.get(_VENDORS, [])]
    collateral = NvidiaCollateral(
        rims=tuple([RimDocument(document.content, document.name) for document in found.get(NvidiaKind.RIM, [])]),
        ocsp=tuple([_ocsp(document) for document in found.get(NvidiaKind.OCSP, [])]),
        crls=tuple([document.content for document in found.get(NvidiaKind.CRL, [])]),
        nras=tuple([NrasAnswer(text) for text in _contents(found, NvidiaKind.NRAS) + [nras for nras, _ in vendors if nras]]),
        jwks=tuple(_contents(found, NvidiaKind.JWKS) + [jwks for _, jwks in vendors if jwks]),
        absences=absences,
    )
    return FetchedNvidia(collateral, sources)


def _contents(found: dict[str, list[BundleDocument]], kind: str) -> list[bytes]:
    return [document.content for document in found.get(kind, [])]


def _read_vendors(document: BundleDocument) -> tuple[bytes | None, bytes | None]:
    """The answer of NRAS and its keys in the vendor's bundle, as JSON text cut out as it stands."""
    members = parse_json(document.content, f"the bundle's {_VENDORS}", limit=_MAX_ORIGINS).as_object()
    nras, jwks = members.optional("nras"), members.optional("jwks")
    return maybe(nras, lambda view: view.raw.encode()), maybe(jwks, lambda view: view.raw.encode())


def other_documents(documents: Iterable[BundleDocument]) -> tuple[BundleDocument, ...]:
    """Those that are not NVIDIA's."""
    return tuple([document for document in documents if document.kind not in _KINDS])


def _ocsp_name(answer: OcspAnswer) -> str:
    return answer.certificate_sha256.hex() + ("" if answer.nonce is None else f":{answer.nonce.hex()}")


def _ocsp(document: BundleDocument) -> OcspAnswer:
    match = _OCSP_NAME.fullmatch(document.name or "")
    if match is None:
        raise EvidenceFormatError(
            f"the bundle's {document.kind} is named {str(document.name)[:80]!r}",
            expected="the SHA-256 of a certificate in hex, and a nonce after a colon where one was sent",
        )
    nonce = match.group(2)
    return OcspAnswer(bytes.fromhex(match.group(1)), document.content, None if nonce is None else bytes.fromhex(nonce))


def _members(source: NvidiaSource) -> dict[str, object]:
    return {
        "kind": source.kind.value,
        "name": source.name,
        "sha256": source.sha256,
        "url": source.url,
        "from_cache": source.from_cache,
        "issued": None if source.issued is None else source.issued.isoformat(),
        "next_update": None if source.next_update is None else source.next_update.isoformat(),
    }


def _read_origins(documents: list[BundleDocument]) -> tuple[tuple[tuple[str, str], ...], tuple[NvidiaSource, ...]]:
    if not documents:
        return (), ()
    origins = parse_json(documents[0].content, f"the bundle's {_ORIGINS}", limit=_MAX_ORIGINS).as_object()
    listed = origins.required("absences")
    absences = listed.as_object().members
    if len(absences) > _MAX_ABSENCES:
        raise listed.wrong(f"an object of at most {_MAX_ABSENCES} members")
    sources = origins.required("sources").as_list(_MAX_SOURCES)
    return (
        tuple([(name, view.as_text(_LONGEST_TEXT)) for name, view in absences.items()]),
        tuple([_source(view.as_object()) for view in sources]),
    )


def _source(found: JsonObject) -> NvidiaSource:
    kind = found.required("kind")
    if kind.as_text() not in set(NvidiaKind):
        raise kind.wrong(f"one of {', '.join(NvidiaKind)}")
    return NvidiaSource(
        NvidiaKind(kind.as_text()),
        found.required("name").as_text(_LONGEST_TEXT),
        found.required("sha256").as_hex(32).hex(),
        found.required("url").as_text(_LONGEST_TEXT),
        maybe(found.optional("from_cache"), JsonView.as_bool) or False,
        maybe(found.optional("issued"), _moment),
        maybe(found.optional("next_update"), _moment),
    )


def _moment(view: JsonView) -> datetime:
    try:
        moment = datetime.fromisoformat(view.as_text(40))
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise view.wrong("a time in ISO 8601 with its offset") from None
