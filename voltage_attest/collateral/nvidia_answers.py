"""Answers of NVIDIA's services, read as far as it takes to know whether to ask on. Bytes in, bytes out; nothing is believed.

OCSP answers and CRLs name their windows. A manifest holds as long as all certificates in it: NVIDIA signs it anew before they
end. A set of keys (JWKS) is current until its newest key ends: new ones come several times a day, and each lasts two days.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from voltage_attest.collateral.nvidia import NrasAnswer, NvidiaCollateral, OcspAnswer
from voltage_attest.collateral.nvidia_questions import RevocationQuestion
from voltage_attest.collateral.nvidia_requests import NvidiaKind, Wanted
from voltage_attest.collateral.rim import parse_rim_answer
from voltage_attest.collateral.strict_json import JsonObject, parse_strict_json, take_list
from voltage_attest.collateral.windows import (
    Window,
    certificate_window,
    crl_der,
    crl_window,
    intersection,
    ocsp_reading,
    ocsp_subjects,
)
from voltage_attest.errors import CollateralFormatError, EvidenceFormatError
from voltage_attest.evidence.encoding import strict_base64

__all__ = ["NvidiaDocument", "read_answer", "read_kept_window"]

_XML_CERTIFICATE: Final = re.compile(rb"<(?:[\w-]{1,20}:)?X509Certificate>([A-Za-z0-9+/=\s]{1,16384})</")
_MOST_KEYS: Final = 1024


@dataclass(frozen=True, slots=True)
class NvidiaDocument:
    """One document: as the collateral that holds it alone, the SHA-256 (hex) of its bytes, its window, its keys' ids.

    ``window`` is None where the document names none, or none that could be read.
    """

    part: NvidiaCollateral
    sha256: str
    window: Window | None = None
    kids: frozenset[str] = frozenset()


def read_answer(wanted: Wanted, body: bytes) -> NvidiaDocument:
    """Read an answer with status 200; :class:`CollateralFormatError` if it is none to what was asked."""
    try:
        match wanted.kind:
            case NvidiaKind.RIM:
                return _read_rim(body, wanted.rim_id)
            case NvidiaKind.OCSP if wanted.question is not None:
                return _read_ocsp(body, wanted.question)
            case NvidiaKind.CRL:
                return _read_crl(body)
            case NvidiaKind.JWKS:
                return _read_jwks(body)
            case _:
                return _document(NvidiaCollateral(nras=(NrasAnswer(body),)), body)
    except EvidenceFormatError as error:
        raise CollateralFormatError(error.found, expected=error.expected, document=wanted.kind) from None


def read_kept_window(kind: NvidiaKind, body: bytes) -> Window | None:
    """The window of a document in the cache, whatever it was asked for; CollateralFormatError or EvidenceFormatError."""
    readers: dict[NvidiaKind, Callable[[bytes], Window | None]] = {
        NvidiaKind.RIM: lambda body: _read_rim(body, None).window,
        NvidiaKind.OCSP: lambda body: ocsp_reading(body).window,
        NvidiaKind.CRL: lambda body: _read_crl(body).window,
        NvidiaKind.JWKS: lambda body: _read_jwks(body).window,
    }
    reader = readers.get(kind)
    return None if reader is None else reader(body)


def _document(
    part: NvidiaCollateral, content: bytes, window: Window | None = None, kids: frozenset[str] = frozenset()
) -> NvidiaDocument:
    return NvidiaDocument(part, hashlib.sha256(content).hexdigest(), window, kids)


def _read_rim(body: bytes, rim_id: str | None) -> NvidiaDocument:
    rim = parse_rim_answer(body, rim_id)
    windows = [_window_or_none(match[1]) for match in _XML_CERTIFICATE.finditer(rim.data)]
    known = [window for window in windows if window is not None]
    return _document(NvidiaCollateral(rims=(rim,)), rim.data, intersection(known) if len(known) == len(windows) else None)


def _read_ocsp(body: bytes, question: RevocationQuestion) -> NvidiaDocument:
    window, subjects = ocsp_reading(body)
    if not ocsp_subjects(question.ocsp_request) <= subjects:
        raise EvidenceFormatError("the OCSP answer is about another certificate", expected="the one that was asked for")
    answer = OcspAnswer(question.certificate_sha256, body, question.nonce)
    return _document(NvidiaCollateral(ocsp=(answer,)), body, window)


def _read_crl(body: bytes) -> NvidiaDocument:
    der = crl_der(body, "the CRL")
    return _document(NvidiaCollateral(crls=(der,)), der, crl_window(der, "the CRL"))


def _read_jwks(body: bytes) -> NvidiaDocument:
    """Its window runs from the beginning to the end of the newest certificate among those of its keys."""
    keys = [key for key in take_list(parse_strict_json(body, "jwks"), "keys", "jwks", _MOST_KEYS) if isinstance(key, dict)]
    windows = [window for key in keys if (window := _key_window(key)) is not None]
    kids = frozenset([kid for key in keys if isinstance(kid := key.get("kid"), str)])
    return _document(NvidiaCollateral(jwks=(body,)), body, max(windows, default=None), kids)


def _key_window(key: JsonObject) -> Window | None:
    chain = key.get("x5c")
    leaf = chain[0] if isinstance(chain, list) and chain else None
    return _window_or_none(leaf.encode("ascii", "replace")) if isinstance(leaf, str) else None


def _window_or_none(certificate_base64: bytes) -> Window | None:
    try:
        return certificate_window(strict_base64(b"".join(certificate_base64.split()), "a certificate"))
    except EvidenceFormatError:
        return None
