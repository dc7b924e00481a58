"""The public keys of NVIDIA's attestation service (NRAS), as it publishes them: a JSON Web Key Set (RFC 7517).

``GET https://nras.attestation.nvidia.com/.well-known/jwks.json``::

    {"keys": [{"kty": "EC", "crv": "P-384", "kid": "nv-eat-kid-prod-...", "x": ..., "y": ..., "x5c": [leaf, issuer]}, ...]}

Nothing of the set is signed, so none of it is believed: what counts is where the certificates in ``x5c`` lead. A key lives two
days and is listed no longer (some thirty at a time), so a set from the days of the token is needed to judge it later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from voltage_attest.errors import CollateralFormatError, EvidenceFormatError
from voltage_attest.evidence.eat import strict_base64url
from voltage_attest.evidence.json_text import JsonObject, JsonView, parse_json

__all__ = ["MAX_JWKS_SIZE", "MAX_KID_LENGTH", "Jwk", "JwkSet", "parse_jwks"]

MAX_JWKS_SIZE: Final = 1024 * 1024
"""Bytes of JSON. Real sets of 32 keys have 80970."""
MAX_KID_LENGTH: Final = 256
"""Characters of a key's name. Real ones have 70."""

_MAX_KEYS: Final = 256
_MAX_CERTIFICATES: Final = 4
_MAX_CERTIFICATE_TEXT: Final = 8 * 1024
"""Characters of base64. The largest real certificate takes 1664."""
_COORDINATE_SIZE: Final = 48
_CURVE: Final = ("EC", "P-384")


@dataclass(frozen=True, slots=True)
class Jwk:
    """A P-384 key: its coordinates (48 bytes each), and the DER bytes of its certificate and of the issuers named with it."""

    kid: str
    x: bytes
    y: bytes
    x5c: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class JwkSet:
    """P-384 keys by ``kid``. Keys of another kind are no use here (RFC 7517, section 5): ``foreign`` are their names."""

    keys: Mapping[str, Jwk]
    foreign: frozenset[str]


def parse_jwks(data: bytes) -> JwkSet:
    """Read a key set; :class:`CollateralFormatError` on anything else, and on a ``kid`` that occurs twice."""
    try:
        return _read(parse_json(data, "the JWKS", limit=MAX_JWKS_SIZE).as_object())
    except EvidenceFormatError as error:
        raise CollateralFormatError(
            error.found,
            expected=error.expected,
            document="jwks",
            remedy="Fetch the key set again from NRAS and keep its bytes unchanged.",
        ) from None


def _read(document: JsonObject) -> JwkSet:
    keys: dict[str, Jwk] = {}
    foreign: set[str] = set()
    for view in document.required("keys").as_list(_MAX_KEYS):
        member = view.as_object()
        kid = member.required("kid").as_text(MAX_KID_LENGTH)
        if not kid.isprintable() or not kid:
            raise member.required("kid").wrong("printable text")
        if kid in keys or kid in foreign:
            raise EvidenceFormatError(f"the JWKS has two keys named {kid!r}", expected="each kid once")
        if (member.required("kty").as_text(64), _curve(member)) == _CURVE:
            keys[kid] = _key(kid, member)
        else:
            foreign.add(kid)
    return JwkSet(keys, frozenset(foreign))


def _curve(member: JsonObject) -> str | None:
    curve = member.optional("crv")
    return None if curve is None else curve.as_text(64)


def _key(kid: str, member: JsonObject) -> Jwk:
    x5c = member.required("x5c").as_list(_MAX_CERTIFICATES)
    if len(x5c) < 2:
        raise member.required("x5c").wrong("the key's certificate and its issuer's at least")
    x, y = (_coordinate(member.required(name)) for name in ("x", "y"))
    return Jwk(kid, x, y, tuple([_certificate(view) for view in x5c]))


def _coordinate(view: JsonView) -> bytes:
    octets = strict_base64url(view.as_text(_COORDINATE_SIZE * 4 // 3), view.where)
    if len(octets) != _COORDINATE_SIZE:
        raise view.wrong(f"{_COORDINATE_SIZE} bytes in base64url")
    return octets


def _certificate(view: JsonView) -> bytes:
    """Standard base64 of DER, unlike all else in a key (RFC 7517, section 4.7)."""
    view.as_text(_MAX_CERTIFICATE_TEXT)
    return view.as_base64()
