"""Tokens of NVIDIA's attestation service (NRAS): ES384, in a detached EAT, and the key set that they verify with.

::

    [["JWT", overall], {"GPU-0": device token, "GPU-1": ...}]

The overall token names each device token by the SHA-256 of its text. Deterministic, unlike what JWT libraries sign.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from voltage_attest.testing.nvidia.certificates import NvidiaCertificateFields, NvidiaSigner
from voltage_attest.testing.nvidia.claims import CLAIMS_3, device_claims, error_claims
from voltage_attest.testing.nvidia.device import NvidiaDevice
from voltage_attest.testing.nvidia.world import NRAS_ISSUER, TOKEN_LIFE
from voltage_attest.testing.pod_wire import Json

__all__ = ["TokenFields", "detached_eat", "jwks_of", "key_id", "nras_leaf_fields", "sign_jwt"]

_SUBJECT: Final = "NVIDIA-PLATFORM-ATTESTATION"
_LEAF_LIFE: Final = timedelta(days=2)
_COORDINATE: Final = 48
"""Bytes of a P-384 coordinate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFields:
    """What NRAS says. The default: every device is in order, said at ``issued_at`` (None: when the fake NVIDIA issues).

    ``errors`` are codes by device name (``GPU-0``): such a device has an error token, and the overall result is false.
    ``overall`` and ``claims`` (by device name) are laid over the claims, after all else.
    """

    claims_version: str = CLAIMS_3
    issuer: str = NRAS_ISSUER
    issued_at: datetime | None = None
    life: timedelta = TOKEN_LIFE
    errors: Mapping[str, int] = field(default_factory=dict, hash=False)
    overall: Mapping[str, Json] = field(default_factory=dict, hash=False)
    claims: Mapping[str, Mapping[str, Json]] = field(default_factory=dict, hash=False)


def nras_leaf_fields(issued_at: datetime) -> NvidiaCertificateFields:
    """The certificate of a token key, to be issued by an intermediate: it lasts two days."""
    return NvidiaCertificateFields(
        common_name="NVIDIA Attestation Service GPU GH100",
        country="US",
        not_before=issued_at - timedelta(hours=1),
        not_after=issued_at - timedelta(hours=1) + _LEAF_LIFE,
        basic_constraints=False,
        key_usage=x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=True,
            data_encipherment=False,
            key_agreement=True,
            key_cert_sign=False,
            crl_sign=False,
            encipher_only=False,
            decipher_only=False,
        ),
        extensions=(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),),
    )


def key_id(signer: NvidiaSigner) -> str:
    """The ``kid`` of a token key: when its certificate begins, and what follows from its serial number."""
    return f"nv-eat-kid-prod-{signer.certificate.not_valid_before_utc:%Y%m%d%H%M%S}000-{_uuid(str(signer.serial))}"


def sign_jwt(claims: Mapping[str, Json], signer: NvidiaSigner, *, header: Mapping[str, Json] | None = None) -> str:
    """Sign a JWT with ES384; ``header`` is laid over the usual one, which names the signer's key."""
    head = {"kid": key_id(signer), "alg": "ES384", **(header or {})}
    signed = f"{_encode(head)}.{_encode(claims)}"
    return f"{signed}.{_base64url(signer.sign(signed.encode('ascii')))}"


def detached_eat(
    devices: Sequence[NvidiaDevice], nonce: bytes, fields: TokenFields, signer: NvidiaSigner, issued_at: datetime
) -> str:
    """Return the JSON text that NRAS answers for these devices, all GPUs or all switches."""
    begin = fields.issued_at or issued_at
    names = [f"{'SWITCH' if device.is_switch else 'GPU'}-{number}" for number, device in enumerate(devices)]
    tokens: dict[str, Json] = {}
    for name, device in zip(names, devices, strict=True):
        code = fields.errors.get(name)
        found = device_claims(device, fields.claims_version) if code is None else error_claims(code)
        found |= {"eat_nonce": nonce.hex(), **_times(fields, begin, f"{name}/{device.ueid}/{nonce.hex()}")}
        tokens[name] = sign_jwt({**found, **fields.claims.get(name, {})}, signer)
    overall: dict[str, Json] = {
        "sub": _SUBJECT,
        "x-nvidia-ver": fields.claims_version,
        "x-nvidia-overall-att-result": not fields.errors,
        "submods": {name: ["DIGEST", ["SHA-256", sha256(str(token).encode()).hexdigest()]] for name, token in tokens.items()},
        "eat_nonce": nonce.hex(),
        **_times(fields, begin, f"overall/{nonce.hex()}"),
    }
    return json.dumps([["JWT", sign_jwt({**overall, **fields.overall}, signer)], tokens])


def jwks_of(*signers: NvidiaSigner) -> str:
    """Return the key set in which ``x5c`` holds each key's certificate and its intermediate's, as NRAS publishes it."""
    return json.dumps({"keys": [_jwk(signer) for signer in signers]})


def _jwk(signer: NvidiaSigner) -> Json:
    numbers = signer.key.public_key().public_numbers()
    shown = signer.chain[:2]
    return {
        "kty": "EC",
        "crv": "P-384",
        "kid": key_id(signer),
        "x5c": [base64.b64encode(each.der).decode("ascii") for each in shown],
        "x": _base64url(numbers.x.to_bytes(_COORDINATE, "big")),
        "y": _base64url(numbers.y.to_bytes(_COORDINATE, "big")),
    }


def _times(fields: TokenFields, begin: datetime, subject: str) -> dict[str, Json]:
    issued = int(begin.timestamp())
    expires = int((begin + fields.life).timestamp())
    return {"iss": fields.issuer, "nbf": issued, "iat": issued, "exp": expires, "jti": _uuid(f"{subject}/{issued}")}


def _uuid(text: str) -> str:
    """A UUID's form, which follows from the text."""
    digits = sha256(text.encode()).hexdigest()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32]))


def _encode(document: Mapping[str, Json]) -> str:
    return _base64url(json.dumps(document, separators=(",", ":")).encode())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
