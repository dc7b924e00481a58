"""What to ask Intel PCS (API version 4), or a PCCS that mirrors it, for the collateral of one TDX platform. No I/O.

===============  ====================================================================  =====================================
kind             path                                                                  keys of :class:`IntelCollateral`
===============  ====================================================================  =====================================
root-ca-crl      Intel: IntelSGXRootCA.der; PCCS: /sgx/certification/v4/rootcacrl      root_ca_crl
pck-crl          /sgx/certification/v4/pckcrl?ca=platform|processor&encoding=der       pck_crl and its issuer chain
tdx-tcb-info     /tdx/certification/v4/tcb?fmspc=...&update=... or                     tcb_info, signature, issuer chain
                 &tcbEvaluationDataNumber=N
td-qe-identity   /tdx/certification/v4/qe/identity?update=... or                       qe_identity, signature, issuer chain
                 ?tcbEvaluationDataNumber=N
===============  ====================================================================  =====================================

Addresses are made of an endpoint that the user named and of values whose shape is checked; evidence never chooses where to ask.
Answers are read by :mod:`voltage_attest.collateral.pcs_answers`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final
from urllib.parse import urlencode

from voltage_attest.collateral.http_core import HttpRequest, why_unusable_url
from voltage_attest.errors import FetchError

__all__ = [
    "INTEL_PCS",
    "KEYS_OF",
    "CollateralRequest",
    "DocumentKind",
    "PcsEndpoint",
    "describe",
    "document_url",
    "explain_failure",
    "http_request",
    "pccs_endpoint",
]

_FMSPC_SIZE: Final = 6
_LARGEST_NUMBER: Final = 0xFFFF_FFFF
_JSON_TYPES: Final = ("application/json",)
_CRL_TYPES: Final = (
    "application/pkix-crl",
    "application/x-pem-file",
    "application/octet-stream",
    "binary/octet-stream",  # the file store behind certificates.trustedservices.intel.com
    "text/plain",
    "text/html",  # older PCCS send the hex text without saying what it is, and their framework guesses this
)


class DocumentKind(StrEnum):
    """The four dated documents, by the names they have in results."""

    ROOT_CA_CRL = "root-ca-crl"
    PCK_CRL = "pck-crl"
    TCB_INFO = "tdx-tcb-info"
    QE_IDENTITY = "td-qe-identity"


KEYS_OF: Final = {
    DocumentKind.ROOT_CA_CRL: ("root_ca_crl",),
    DocumentKind.PCK_CRL: ("pck_crl", "pck_crl_issuer_chain"),
    DocumentKind.TCB_INFO: ("tcb_info", "tcb_info_signature", "tcb_info_issuer_chain"),
    DocumentKind.QE_IDENTITY: ("qe_identity", "qe_identity_signature", "qe_identity_issuer_chain"),
}
"""The keys of the nine-key JSON that one answer fills; the first is the document itself."""

_MAX_BYTES: Final = {
    DocumentKind.ROOT_CA_CRL: 128 * 1024,
    DocumentKind.PCK_CRL: 1024 * 1024,
    DocumentKind.TCB_INFO: 512 * 1024,
    DocumentKind.QE_IDENTITY: 64 * 1024,
}
"""Real ones have 300 bytes, 3.4 KB, 4 to 20 KB and 0.6 KB. Together, as the nine-key JSON, they stay below its 4 MiB."""


@dataclass(frozen=True, slots=True)
class CollateralRequest:
    """For which platform, and which issue: ValueError where a value cannot be asked for.

    ``fmspc`` is 6 bytes, ``ca`` is ``platform`` or ``processor``: whoever issued the PCK certificate. ``update`` is
    ``standard`` (after Intel's grace time) or ``early`` (the newest TCB recovery); ``tcb_evaluation_data_number`` replaces it.
    """

    fmspc: bytes
    ca: str
    update: str = "standard"
    tcb_evaluation_data_number: int | None = None

    def __post_init__(self) -> None:
        if len(self.fmspc) != _FMSPC_SIZE:
            raise ValueError(f"an FMSPC of {len(self.fmspc)} bytes; expected {_FMSPC_SIZE}")
        if self.ca not in {"platform", "processor"}:
            raise ValueError(f"the CA {self.ca!r}; expected 'platform' or 'processor'")
        if self.update not in {"standard", "early"}:
            raise ValueError(f"the update {self.update!r}; expected 'standard' or 'early'")
        number = self.tcb_evaluation_data_number
        if number is not None and (self.update != "standard" or not 0 < number <= _LARGEST_NUMBER):
            raise ValueError("tcb_evaluation_data_number is a positive number, and excludes update='early'")


@dataclass(frozen=True, slots=True)
class PcsEndpoint:
    """Where to ask. ``name`` begins sentences about it; ``base`` has no slash at its end."""

    name: str
    base: str
    root_crl_url: str


INTEL_PCS: Final = PcsEndpoint(
    "Intel",
    "https://api.trustedservices.intel.com",
    "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der",
)
"""Intel's own service. None of these documents needs a subscription key."""

_API_PATHS: Final = ("/sgx/certification/v4", "/tdx/certification/v4")


def pccs_endpoint(url: str) -> PcsEndpoint:
    """Return the endpoint of a PCCS by its URL, with or without ``/sgx/certification/v4``; ValueError if it cannot be used.

    http is accepted for a loopback host alone. Intel's own address gives :data:`INTEL_PCS`.
    """
    why = why_unusable_url(url)
    if why is None and "?" in url:
        why = "it holds a query"
    if why is not None:
        raise ValueError(
            f"the PCCS address cannot be used: {why}; expected a URL like https://pccs.example.org:8081. Correct the address."
        )
    base = url.rstrip("/")
    for path in _API_PATHS:
        base = base.removesuffix(path)
    if base == INTEL_PCS.base:
        return INTEL_PCS
    return PcsEndpoint(base, base, f"{base}/sgx/certification/v4/rootcacrl")


def describe(kind: DocumentKind, request: CollateralRequest) -> str:
    """The document in words, without article: "TDX TCB info for FMSPC 90c06f000000"."""
    number = request.tcb_evaluation_data_number
    issue = "" if number is None else f" with evaluation data number {number}"
    match kind:
        case DocumentKind.ROOT_CA_CRL:
            return "root CA CRL"
        case DocumentKind.PCK_CRL:
            return f"PCK CRL of the {request.ca} CA"
        case DocumentKind.TCB_INFO:
            return f"TDX TCB info for FMSPC {request.fmspc.hex()}{issue}"
        case DocumentKind.QE_IDENTITY:
            return f"TD QE identity{issue}"


def http_request(kind: DocumentKind, endpoint: PcsEndpoint, request: CollateralRequest) -> HttpRequest:
    """What to GET for that document."""
    types = _JSON_TYPES if kind in {DocumentKind.TCB_INFO, DocumentKind.QE_IDENTITY} else _CRL_TYPES
    return HttpRequest(document_url(kind, endpoint, request), f"the {describe(kind, request)}", _MAX_BYTES[kind], types)


@lru_cache(maxsize=1024)
def document_url(kind: DocumentKind, endpoint: PcsEndpoint, request: CollateralRequest) -> str:
    """The document's address, under which the cache keeps it too."""
    number = request.tcb_evaluation_data_number
    issue = {"update": request.update} if number is None else {"tcbEvaluationDataNumber": str(number)}
    match kind:
        case DocumentKind.ROOT_CA_CRL:
            return endpoint.root_crl_url
        case DocumentKind.PCK_CRL:
            return _with_query(endpoint, "/sgx/certification/v4/pckcrl", {"ca": request.ca, "encoding": "der"})
        case DocumentKind.TCB_INFO:
            return _with_query(endpoint, "/tdx/certification/v4/tcb", {"fmspc": request.fmspc.hex(), **issue})
        case DocumentKind.QE_IDENTITY:
            return _with_query(endpoint, "/tdx/certification/v4/qe/identity", issue)


def _with_query(endpoint: PcsEndpoint, path: str, query: dict[str, str]) -> str:
    return f"{endpoint.base}{path}?{urlencode(query)}"


_MEANINGS: Final = {
    400: ("does not accept the request for", "Check FMSPC and number; a PCCS may be too old for TDX."),
    404: ("has no", "Check FMSPC and number; the platform may be unknown there, or newer than the number asked for."),
    410: ("no longer serves", "Ask for a newer evaluation data number, or for none."),
}


def explain_failure(kind: DocumentKind, endpoint: PcsEndpoint, request: CollateralRequest, error: FetchError) -> str:
    """Why the document could not be had, in a sentence for the person who asked: what PCS means by a status, else the error."""
    meaning = _MEANINGS.get(error.status or 0)
    if meaning is None:
        return str(error)
    verb, remedy = meaning
    return f"{endpoint.name} {verb} {describe(kind, request)} (HTTP {error.status}). {remedy}"
