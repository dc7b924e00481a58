"""NVIDIA's services as a function from a request to an answer; served by mocks and by sockets. Nothing here would verify."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import NameOID

from tests.collateral_fetch.fake_pcs import AT, Wire
from tests.collateral_fetch.loopback import Received, answer
from voltage_attest.collateral.nvidia_questions import RevocationQuestion

__all__ = [
    "CRL_PATH",
    "CRL_URL",
    "DRIVER",
    "NONCE",
    "VBIOS",
    "FakeNvidia",
    "certificate",
    "crl",
    "jwks",
    "ocsp_answer",
    "question",
    "rim_answer",
]

DRIVER: Final = "NV_GPU_DRIVER_GH100_570.124.06"
VBIOS: Final = "NV_GPU_VBIOS_1010_0200_882_96009F0001"
CRL_URL: Final = "http://crl.ndis.nvidia.com/crl/l2-gh100.crl"
CRL_PATH: Final = "/crl/l2-gh100.crl"
NONCE: Final = bytes.fromhex("5ec3e7") * 10 + b"\x01\x02"

_KEY: Final = ec.derive_private_key(7, ec.SECP384R1())
_BEGIN: Final = AT - timedelta(hours=12)
_DAY: Final = timedelta(days=1)


def certificate(serial: int = 1, begin: datetime = _BEGIN, life: timedelta = 30 * _DAY) -> x509.Certificate:
    """A self-signed one with these dates."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"GH100 A01 GSP BROM {serial}")])
    builder = x509.CertificateBuilder().issuer_name(name).subject_name(name).public_key(_KEY.public_key())
    builder = builder.serial_number(serial).not_valid_before(begin).not_valid_after(begin + life)
    return builder.sign(_KEY, hashes.SHA384(), ecdsa_deterministic=True)


def question(serial: int = 1, nonce: bytes | None = None, *crl_urls: str, ocsp_url: str | None = "") -> RevocationQuestion:
    """About the certificate with that serial number."""
    asked = certificate(serial)
    builder = ocsp.OCSPRequestBuilder().add_certificate(asked, asked, hashes.SHA256())
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return RevocationQuestion(
        hashlib.sha256(asked.public_bytes(Encoding.DER)).digest(),
        f"GH100 A01 GSP BROM {serial}",
        "http://ocsp.ndis.nvidia.com" if ocsp_url == "" else ocsp_url,
        builder.build().public_bytes(Encoding.DER),
        nonce,
        crl_urls or (CRL_URL,),
    )


def ocsp_answer(request: bytes, begin: datetime = _BEGIN, life: timedelta | None = _DAY) -> bytes:
    """``good``, with these dates and the request's nonce."""
    asked = ocsp.load_der_ocsp_request(request)
    responder = certificate()
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response_by_hash(
            asked.issuer_name_hash,
            asked.issuer_key_hash,
            asked.serial_number,
            asked.hash_algorithm,
            ocsp.OCSPCertStatus.GOOD,
            begin,
            None if life is None else begin + life,
            None,
            None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, responder)
    )
    for extension in asked.extensions:
        builder = builder.add_extension(extension.value, critical=False)
    return builder.sign(_KEY, hashes.SHA384()).public_bytes(Encoding.DER)


def crl(begin: datetime = _BEGIN, life: timedelta = 7 * _DAY) -> bytes:
    """An empty one."""
    builder = x509.CertificateRevocationListBuilder().issuer_name(certificate().subject)
    builder = builder.last_update(begin).next_update(begin + life)
    return builder.sign(_KEY, hashes.SHA384(), ecdsa_deterministic=True).public_bytes(Encoding.DER)


def rim_answer(rim_id: str, *signers: x509.Certificate, more: str = "") -> bytes:
    """The service's JSON with something that carries certificates as a manifest does."""
    listed = "".join([_xml(signer) for signer in signers or (certificate(),)])
    manifest = f'<SoftwareIdentity xmlns:ds="x">{rim_id}{more}<ds:X509Data>{listed}</ds:X509Data></SoftwareIdentity>'.encode()
    found = {"id": rim_id, "rim": base64.b64encode(manifest).decode(), "sha256": hashlib.sha256(manifest).hexdigest()}
    return json.dumps(found).encode()


def _xml(signer: x509.Certificate) -> str:
    text = base64.b64encode(signer.public_bytes(Encoding.DER)).decode()
    return f"<ds:X509Certificate>{text[:64]}\n{text[64:]}</ds:X509Certificate>"


def jwks(*kids: str, begin: datetime = _BEGIN) -> bytes:
    """Keys of these names, each a little newer than the one before."""
    keys = []
    for position, kid in enumerate(kids or ("kid-1",)):
        leaf = certificate(begin=begin + position * timedelta(hours=1), life=2 * _DAY)
        keys.append({"kid": kid, "x5c": [base64.b64encode(leaf.public_bytes(Encoding.DER)).decode()]})
    return json.dumps({"keys": keys}).encode()


_TOKENS: Final = Wire(b'[["JWT","a.b.c"],{"GPU-0":"d.e.f"}]')
_POSTS: Final[Mapping[str, Callable[[bytes], Wire]]] = {
    "/": lambda body: Wire(ocsp_answer(body), "application/ocsp-response"),
    **dict.fromkeys(["/v3/attest/gpu", "/v4/attest/gpu", "/v4/attest/switch"], lambda _body: _TOKENS),
}
_GETS: Final[Mapping[str, Callable[[str], Wire]]] = {
    "/.well-known/jwks.json": lambda _path: Wire(jwks()),
    "/crl/": lambda _path: Wire(crl(), "application/pkix-crl"),
    "/v1/rim/NV_": lambda path: Wire(rim_answer(path.removeprefix("/v1/rim/"))),
}


@dataclass(slots=True)
class FakeNvidia:
    """Answers by path; what is in ``instead`` takes the place of the genuine answer. ``asked`` lists (method, URL, body)."""

    instead: Mapping[str, Wire] = field(default_factory=dict)
    asked: list[tuple[str, str, bytes]] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def urls(self) -> list[str]:
        """What was asked, in order of the addresses."""
        return sorted([url for _, url, _ in self.asked])

    def find(self, method: str, url: str, body: bytes) -> Wire:
        """The answer to a request."""
        with self._lock:
            self.asked.append((method, url, body))
        path = urlsplit(url).path or "/"
        if path in self.instead:
            return self.instead[path]
        if method == "POST":
            return _POSTS[path](body) if path in _POSTS else Wire(status=404)
        return next((make(path) for start, make in _GETS.items() if path.startswith(start)), Wire(status=404))

    @property
    def transport(self) -> httpx.MockTransport:
        """In place of the network."""
        return httpx.MockTransport(self._respond)

    def script(self, connection: socket.socket, request: Received) -> None:
        """For :func:`tests.collateral_fetch.loopback.serving_requests`."""
        found = self.find(request.method, request.target, request.body)
        status = f"{found.status} {HTTPStatus(found.status).phrase}"
        connection.sendall(answer(found.body, *found.headers, status=status, content_type=found.content_type))

    def _respond(self, request: httpx.Request) -> httpx.Response:
        self.headers.append(dict(request.headers))
        found = self.find(request.method, str(request.url), request.content)
        headers = [("Content-Type", found.content_type), *found.headers]
        return httpx.Response(found.status, headers=headers, content=found.body)
