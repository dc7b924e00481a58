"""A stand-in for NVIDIA's attestation service, with keys that follow from their names: certificates, key sets and tokens."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from voltage_attest.collateral.nvidia import NrasAnswer
from voltage_attest.verify.nras_case import NrasCase, NrasKeySets

__all__ = [
    "AT",
    "NONCE",
    "STAGING",
    "Answer",
    "Authority",
    "SigningKey",
    "b64url",
    "device_claims",
    "device_claims_3",
    "distinguished_name",
    "p384",
    "rsa_key",
    "signed",
]

AT: Final = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
NONCE: Final = hashlib.sha256(b"the question").digest()
STAGING: Final = "https://nras.attestation-stg.nvidia.com"
_ISSUER: Final = "https://nras.attestation.nvidia.com"
_P384_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973
_GOOD_CHAIN: Final = {
    "x-nvidia-cert-status": "valid",
    "x-nvidia-cert-ocsp-status": "good",
    "x-nvidia-cert-expiration-date": "9999-12-31T23:59:59Z",
    "x-nvidia-cert-revocation-reason": None,
}

Claims = dict[str, object]


@cache
def p384(name: str) -> ec.EllipticCurvePrivateKey:
    """The P-384 key of that name."""
    number = int.from_bytes(hashlib.sha384(f"nras test key/{name}".encode()).digest(), "big")
    return ec.derive_private_key(number % (_P384_ORDER - 1) + 1, ec.SECP384R1())


@cache
def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def distinguished_name(*common_names: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name) for name in common_names])


@dataclass(frozen=True)
class Authority:
    """An intermediate CA; with ``rsa_bits`` its key is of that kind, as that of NVIDIA's older one."""

    name: str = "NVIDIA Attestation Service GPU Intermediate 900"
    is_ca: bool = True
    may_certify: bool = True
    rsa_bits: int = 0
    curve: type[ec.EllipticCurve] = ec.SECP384R1
    not_after: datetime = AT + timedelta(days=900)
    key_name: str = "intermediate"

    @cached_property
    def key(self) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
        if self.curve is not ec.SECP384R1:
            return ec.derive_private_key(900, self.curve())
        return rsa_key(self.rsa_bits) if self.rsa_bits else p384(self.key_name)

    @cached_property
    def certificate(self) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(distinguished_name(self.name))
            .issuer_name(distinguished_name("NVIDIA Attestation Service CA 001"))
            .public_key(self.key.public_key())
            .serial_number(900)
            .not_valid_before(AT - timedelta(days=100))
            .not_valid_after(self.not_after)
            .add_extension(x509.BasicConstraints(ca=self.is_ca, path_length=None), critical=True)
            .add_extension(key_usage(sign=not self.may_certify, certify=self.may_certify), critical=True)
        )
        return builder.sign(p384("root"), hashes.SHA384())

    @property
    def pin(self) -> bytes:
        spki = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha256(spki).digest()


def key_usage(*, sign: bool, certify: bool, agree: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=agree,
        key_cert_sign=certify,
        crl_sign=certify,
        encipher_only=False,
        decipher_only=False,
    )


@dataclass(frozen=True)
class SigningKey:
    """A key of the service, valid for two days; ``stated`` is the key whose point stands beside its certificate.

    ``certified`` puts another public key into the certificate; ``+`` separates several common names.
    """

    kid: str = "nv-eat-kid-test-1"
    name: str = "NVIDIA Attestation Service GPU GH100"
    authority: Authority = Authority()
    key_name: str = "signing"
    stated: str = "signing"
    not_before: datetime = AT - timedelta(days=1)
    not_after: datetime = AT + timedelta(days=1)
    is_ca: bool = False
    may_sign: bool = True
    may_agree: bool = False
    may_certify: bool = False
    digest: type[hashes.SHA224 | hashes.SHA256] = hashes.SHA256
    shown_authority: Authority | None = None

    certified: ec.EllipticCurvePublicKey | rsa.RSAPublicKey | None = None

    @property
    def key(self) -> ec.EllipticCurvePrivateKey:
        return p384(self.key_name)

    @cached_property
    def certificate(self) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(distinguished_name(*self.name.split("+")))
            .issuer_name(distinguished_name(self.authority.name))
            .public_key(self.certified or self.key.public_key())
            .serial_number(7)
            .not_valid_before(self.not_before)
            .not_valid_after(self.not_after)
            .add_extension(key_usage(sign=self.may_sign, certify=self.may_certify, agree=self.may_agree), critical=True)
        )
        if self.is_ca:
            builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        return builder.sign(self.authority.key, self.digest())

    @property
    def x5c(self) -> list[str]:
        shown = (self.certificate, (self.shown_authority or self.authority).certificate)
        return [base64.b64encode(certificate.public_bytes(Encoding.DER)).decode() for certificate in shown]

    @cached_property
    def jwk(self) -> dict[str, object]:
        point = p384(self.stated).public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]
        return {
            "kty": "EC",
            "crv": "P-384",
            "kid": self.kid,
            "x": b64url(point[:48]),
            "y": b64url(point[48:]),
            "x5c": self.x5c,
        }


def b64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def signed(claims: Mapping[str, object], key: SigningKey, header: Mapping[str, object] | None = None) -> str:
    """A token by that key, ES384, whatever its header says."""
    parts = ({"kid": key.kid, "alg": "ES384"} if header is None else header, claims)
    text = ".".join(b64url(json.dumps(part).encode()) for part in parts)
    r, s = decode_dss_signature(key.key.sign(text.encode(), ec.ECDSA(hashes.SHA384(), deterministic_signing=True)))
    return f"{text}.{b64url(r.to_bytes(48, 'big') + s.to_bytes(48, 'big'))}"


def device_claims(number: int) -> Claims:
    """Claims 2.0 of a GPU, as recorded."""
    flags = {
        f"x-nvidia-gpu-{name}": True
        for name in (
            "arch-check",
            *(f"attestation-report-{what}" for what in ("cert-chain-validated", "parsed", "nonce-match", "signature-verified")),
            *(
                f"{rim}-rim-{what}"
                for rim in ("driver", "vbios")
                for what in ("fetched", "schema-validated", "cert-validated", "signature-verified", "measurements-available")
            ),
            "vbios-index-no-conflict",
        )
    }
    return {
        "eat_nonce": NONCE.hex(),
        "measres": "success",
        "secboot": True,
        "dbgstat": "disabled",
        "hwmodel": "GH100",
        "ueid": str(480910018549012728605404376455163052010055515000 + number),
        "oemid": "5703",
        "x-nvidia-attestation-warning": None,
        **flags,
    }


def device_claims_3(number: int) -> Claims:
    """The same in 3.0: an object for each chain."""
    old = device_claims(number)
    kept = {name: value for name, value in old.items() if "cert-" not in name and "cert-chain" not in name}
    chains = {
        f"x-nvidia-gpu-{name}-cert-chain": dict(_GOOD_CHAIN) for name in ("attestation-report", "driver-rim", "vbios-rim")
    }
    return {**kept, **chains, "hwmodel": "GH100 A01 GSP BROM", "x-nvidia-gpu-attestation-report-cert-chain-fwid-match": True}


def _unchanged(_: Claims) -> None:
    pass


@dataclass(frozen=True)
class Answer:
    """One answer about ``count`` devices. Hooks change claims before they are signed, and texts before they are sent.

    ``on_device`` gets each device's number and claims, ``on_overall`` the overall claims; ``on_tokens`` the device tokens by
    name, after the overall token has named their digests.
    """

    count: int = 2
    key: SigningKey = SigningKey()
    issued: datetime = AT - timedelta(minutes=5)
    version: str = "2.0"
    on_device: Callable[[int, Claims], None] = lambda _, __: None
    on_overall: Callable[[Claims], None] = _unchanged
    on_tokens: Callable[[dict[str, str]], None] = lambda _: None
    device_key: SigningKey | None = None
    header: Mapping[str, object] | None = None

    def device_token(self, number: int) -> str:
        claims = (device_claims if self.version == "2.0" else device_claims_3)(number)
        claims |= self._standard()
        self.on_device(number, claims)
        return signed(claims, self.device_key or self.key)

    @cached_property
    def tokens(self) -> tuple[str, dict[str, str]]:
        """The overall token's text, and each device's by name."""
        devices = {f"GPU-{number}": self.device_token(number) for number in range(self.count)}
        digests = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in devices.items()}
        overall: Claims = {
            **self._standard(),
            "sub": "NVIDIA-PLATFORM-ATTESTATION",
            "x-nvidia-ver": self.version,
            "x-nvidia-overall-att-result": True,
            "eat_nonce": NONCE.hex(),
            "submods": {name: ["DIGEST", ["SHA-256", digest]] for name, digest in digests.items()},
        }
        self.on_overall(overall)
        self.on_tokens(devices)
        return signed(overall, self.key, self.header), devices

    @property
    def body(self) -> bytes:
        overall, devices = self.tokens
        return json.dumps([["JWT", overall], devices]).encode()

    @property
    def ueids(self) -> frozenset[str]:
        return frozenset(str(device_claims(number)["ueid"]) for number in range(self.count))

    @property
    def jwks(self) -> bytes:
        """The key set that lists the keys of its tokens."""
        keys = {key.kid: key.jwk for key in (self.device_key or self.key, self.key)}
        return json.dumps({"keys": list(keys.values())}).encode()

    def case(self, *jwks: bytes, **changes: object) -> NrasCase:
        """The case in which this answer passes if nothing is wrong with it, beside ``jwks`` or its own key set."""
        whole = NrasCase(
            NrasAnswer(self.body),
            NrasKeySets(jwks or (self.jwks,)),
            frozenset({self.key.authority.pin}),
            AT,
            nonce=NONCE,
            ueids=self.ueids,
        )
        return replace(whole, **changes)  # type: ignore[arg-type]  # each test names a field and its value

    def _standard(self) -> Claims:
        seconds = int(self.issued.timestamp())
        return {"iss": _ISSUER, "iat": seconds, "nbf": seconds, "exp": seconds + 3600, "jti": "00000000"}
