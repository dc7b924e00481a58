"""What to ask NVIDIA's services for the devices of one node, and where. No I/O.

==============  ==========================================================  ===========================================
kind            request                                                     kept in the cache under
==============  ==========================================================  ===========================================
nvidia-rim      GET {rim}/v1/rim/{id}                                       that address
nvidia-ocsp     POST the certificate's responder, by https                  {url}/{base64 of the request}, as RFC 6960
                                                                            (appendix A.1) writes it for GET; only if it
                                                                            carries no nonce
nvidia-crl      GET the certificate's distribution point, by https          that address
nvidia-jwks     GET {nras}/.well-known/jwks.json                            that address
nvidia-nras     POST {nras}/v4/attest/gpu|switch, JSON                      never
==============  ==========================================================  ===========================================

Where to ask is the user's choice, never the evidence's. A manifest's id has a fixed alphabet. Addresses of OCSP responders and
CRLs come from certificates that nobody has verified yet, so they are followed to hosts of nvidia.com alone, and by https:
NVIDIA's certificates say http, and its servers speak both. Where the user names other endpoints, those are asked instead.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Final, Literal
from urllib.parse import quote

from voltage_attest.collateral.http_core import HttpRequest, Post, why_unusable_url
from voltage_attest.collateral.nvidia_questions import NVIDIA_ADDRESS, NVIDIA_OCSP_URL, RevocationQuestion
from voltage_attest.collateral.rim import MAX_ANSWER_SIZE
from voltage_attest.errors import EvidenceFormatError, FetchError

__all__ = [
    "NVIDIA",
    "NrasApi",
    "NrasKind",
    "NvidiaEndpoints",
    "NvidiaKind",
    "Wanted",
    "explain_failure",
    "is_rim_id",
    "want_crl",
    "want_jwks",
    "want_nras",
    "want_ocsp",
    "want_rim",
]

NrasKind = Literal["gpu", "switch"]
NrasApi = Literal["v3", "v4"]

_RIM_ID: Final = re.compile(r"NV_[A-Z0-9][A-Z0-9._-]{0,126}")
_CRL_TYPES: Final = (
    "application/pkix-crl",
    "application/x-pkcs7-crl",
    "application/x-pem-file",
    "application/octet-stream",
    "binary/octet-stream",
)


class NvidiaKind(StrEnum):
    """Kinds of documents, by the names they have in results and in the cache."""

    RIM = "nvidia-rim"
    OCSP = "nvidia-ocsp"
    CRL = "nvidia-crl"
    JWKS = "nvidia-jwks"
    NRAS = "nvidia-nras"


_MAX_BYTES: Final = {
    NvidiaKind.RIM: MAX_ANSWER_SIZE,
    NvidiaKind.OCSP: 16 * 1024,
    NvidiaKind.CRL: 1024 * 1024,
    NvidiaKind.JWKS: 1024 * 1024,
    NvidiaKind.NRAS: 1024 * 1024,
}
"""Real ones have 24 to 35 KB (RIM), 81 KB (JWKS, 32 keys), and 3 KB a device (NRAS)."""


@dataclass(frozen=True, slots=True)
class NvidiaEndpoints:
    """Where NVIDIA's services are: https, or http on loopback, else ValueError.

    Another ``ocsp`` than NVIDIA's is asked about all certificates, whatever responder they name. ``crl`` is a mirror of
    NVIDIA's CRLs by their paths. Where it is None they are fetched from NVIDIA, or, if another ``ocsp`` is named, from there:
    whoever stands in for the one stands in for both.
    """

    rim: str = "https://rim.attestation.nvidia.com"
    ocsp: str = NVIDIA_OCSP_URL
    nras: str = "https://nras.attestation.nvidia.com"
    crl: str | None = None

    def __post_init__(self) -> None:
        for each in fields(self):
            url: str | None = getattr(self, each.name)
            why = None if url is None else why_unusable_url(url)
            if why is None and url is not None and "?" in url:
                why = "it holds a query"
            if why is not None:
                raise ValueError(
                    f"the address of NVIDIA's {each.name.upper()} service cannot be used: {why}; "
                    "expected a URL like https://nvidia-mirror.example.org. Correct the address."
                )

    @classmethod
    def at(cls, base: str) -> NvidiaEndpoints:
        """One server that stands in for all of them, such as a simulator or a caching proxy."""
        return cls(rim=base, ocsp=base, nras=base, crl=base)

    @property
    def other_ocsp(self) -> str | None:
        """Who is asked instead of NVIDIA's responders, or None."""
        return None if self.ocsp.rstrip("/") == NVIDIA_OCSP_URL else self.ocsp.rstrip("/")

    @property
    def other_crl(self) -> str | None:
        """Where CRLs are instead of at NVIDIA's, or None."""
        return self.other_ocsp if self.crl is None else self.crl.rstrip("/")


NVIDIA: Final = NvidiaEndpoints()
"""NVIDIA's own services. None of them needs a key."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One document to get hold of.

    ``name`` is what :class:`~voltage_attest.collateral.nvidia.NvidiaCollateral` calls it. ``kept_as`` is its address in the
    cache, None where it is neither taken from there nor kept. What was asked is the ``rim_id`` of a manifest, the ``question``
    of an OCSP answer, the ``kids`` of a set of keys. ``alternatives`` counts what may be asked afterwards for the same end.
    """

    kind: NvidiaKind
    name: str
    request: HttpRequest
    kept_as: str | None
    rim_id: str | None = None
    question: RevocationQuestion | None = None
    kids: frozenset[str] = frozenset()
    alternatives: int = 0

    @property
    def label(self) -> str:
        """What to call it while it is waited for. Certificates name themselves: nothing that steers a terminal stays in it."""
        return self.name.removeprefix("crl:") if self.question is None else ascii(self.question.name[:60])[1:-1]


def is_rim_id(text: str) -> bool:
    """Whether it could be a manifest's id: nothing else is put into an address."""
    return _RIM_ID.fullmatch(text) is not None


def want_rim(rim_id: str, endpoints: NvidiaEndpoints, key: str | None = None) -> Wanted | EvidenceFormatError:
    """The manifest of that id; an error if it is none."""
    if not is_rim_id(rim_id):
        return EvidenceFormatError(f"{rim_id[:80]!a} is no RIM id", expected="one like NV_GPU_DRIVER_GH100_570.124.06")
    url = f"{endpoints.rim.rstrip('/')}/v1/rim/{rim_id}"
    request = HttpRequest(url, f"the RIM {rim_id}", _MAX_BYTES[NvidiaKind.RIM], ("application/json",), _authorization(key))
    return Wanted(NvidiaKind.RIM, rim_id, request, url, rim_id=rim_id)


def want_ocsp(question: RevocationQuestion, endpoints: NvidiaEndpoints, *, keep: bool) -> Wanted:
    """The OCSP answer to that question: kept if it may be, else time is left to ask for CRLs if it fails."""
    named = NVIDIA_ADDRESS.fullmatch(question.ocsp_url or "")
    url = endpoints.other_ocsp or (NVIDIA_OCSP_URL if named is None else f"https://{named['host']}{named['path']}")
    asked = base64.b64encode(question.ocsp_request).decode("ascii")
    return Wanted(
        NvidiaKind.OCSP,
        f"ocsp:{question.certificate_sha256.hex()}",
        HttpRequest(
            url,
            f"the OCSP answer about the certificate {question.name[:80]!r}",
            _MAX_BYTES[NvidiaKind.OCSP],
            ("application/ocsp-response",),
            post=Post(question.ocsp_request, "application/ocsp-request", may_be_repeated=True),
        ),
        f"{url}/{quote(asked, safe='')}" if keep and question.nonce is None else None,
        question=question,
        alternatives=1 if question.crl_urls and not keep else 0,
    )


def want_crl(url: str, endpoints: NvidiaEndpoints) -> Wanted | FetchError:
    """The CRL at a certificate's distribution point; an error where that is not followed."""
    what = f"the CRL at {url[:200]!a}"
    address = NVIDIA_ADDRESS.fullmatch(url)
    if address is None or not address["path"] or url.endswith("/"):
        return FetchError(
            what,
            happened="a certificate names it, and it is no plain address of a host of nvidia.com, so it was not asked for",
            remedy="Nobody but NVIDIA publishes CRLs for its certificates: do not trust that one.",
        )
    found = f"{endpoints.other_crl or 'https://' + address['host']}{address['path']}"
    return Wanted(NvidiaKind.CRL, f"crl:{url}", HttpRequest(found, what, _MAX_BYTES[NvidiaKind.CRL], _CRL_TYPES), found)


def want_jwks(kids: Iterable[str], endpoints: NvidiaEndpoints) -> Wanted:
    """The keys of NRAS; a cached set will do if it holds all of ``kids``, or if none are named, while its keys are current."""
    url = f"{endpoints.nras.rstrip('/')}/.well-known/jwks.json"
    request = HttpRequest(
        url, "NVIDIA's attestation keys (JWKS)", _MAX_BYTES[NvidiaKind.JWKS], ("application/json", "application/jwk-set+json")
    )
    return Wanted(NvidiaKind.JWKS, "jwks", request, url, kids=frozenset(kids))


def want_nras(kind: NrasKind, body: bytes, endpoints: NvidiaEndpoints, api: NrasApi, key: str | None = None) -> Wanted:
    """NVIDIA's opinion of that evidence, a request in JSON."""
    request = HttpRequest(
        f"{endpoints.nras.rstrip('/')}/{api}/attest/{kind}",
        f"NVIDIA's attestation (NRAS) of the {'GPUs' if kind == 'gpu' else 'switches'}",
        _MAX_BYTES[NvidiaKind.NRAS],
        ("application/json",),
        _authorization(key),
        Post(body, "application/json", may_be_repeated=True),
    )
    return Wanted(NvidiaKind.NRAS, "nras", request, None)


def _authorization(key: str | None) -> tuple[tuple[str, str], ...]:
    return () if key is None else (("Authorization", f"Bearer {key}"),)


def explain_failure(wanted: Wanted, error: FetchError) -> str:
    """Why the document could not be had, in a sentence for the person who asked: what a status means there, else the error."""
    if wanted.kind is NvidiaKind.RIM and error.status == 404:
        return (
            f"NVIDIA publishes no RIM {wanted.name} (HTTP 404): there are no reference values for this version. "
            "Use a driver, VBIOS or switch BIOS version that NVIDIA lists for confidential computing, "
            "or pass the manifest with --rim if you have it."
        )
    if wanted.kind is NvidiaKind.CRL and error.status == 404:
        return f"NVIDIA publishes no CRL at {wanted.request.place} (HTTP 404). Ask by OCSP instead."
    return str(error)
