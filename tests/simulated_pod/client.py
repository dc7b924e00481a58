"""A plain HTTPS client of the standard library: no retries, no redirects, nothing that would hide what the server did."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256

from cryptography import x509

from voltage_attest.testing import HostileTwin, SimulatedPod
from voltage_attest.testing.tls import spki_sha256

NONCE = sha256(b"a nonce").digest()


@dataclass(frozen=True, slots=True)
class Response:
    """What came back; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, object]:
        document = json.loads(self.body)
        assert isinstance(document, dict)
        return document


@contextmanager
def connected(server: SimulatedPod | HostileTwin) -> Iterator[http.client.HTTPSConnection]:
    """One connection, kept alive."""
    connection = http.client.HTTPSConnection("localhost", server.port, context=server.client_context(), timeout=20)
    try:
        yield connection
    finally:
        connection.close()


def ask(
    connection: http.client.HTTPSConnection,
    path: str,
    *,
    api_key: str | None = "simulated-key",
    body: object = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """GET, or POST if there is a body: bytes as they are, anything else as JSON."""
    sent = dict(headers or {})
    if api_key is not None:
        sent["Authorization"] = f"Bearer {api_key}"
    content = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    connection.request("GET" if content is None else "POST", path, body=content, headers=sent)
    response = connection.getresponse()
    return Response(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())


def get(server: SimulatedPod | HostileTwin, path: str, *, api_key: str | None = "simulated-key") -> Response:
    """One GET on a connection of its own."""
    with connected(server) as connection:
        return ask(connection, path, api_key=api_key)


def post(server: SimulatedPod | HostileTwin, path: str, body: object, *, headers: Mapping[str, str] | None = None) -> Response:
    """One POST on a connection of its own."""
    with connected(server) as connection:
        return ask(connection, path, body=body, headers=headers)


def attestation_path(pod: SimulatedPod, nonce: bytes = NONCE) -> str:
    return f"/v1/pods/{pod.pod_id}/attestation?nonce={nonce.hex()}"


def chat(text: str = "hello", *, stream: bool = False) -> dict[str, object]:
    return {
        "model": "m",
        "messages": [{"role": "user", "content": text}],
        "stream": stream,
        "confidential": True,
        "no_log": True,
    }


def peer_spki(server: SimulatedPod | HostileTwin, name: str = "localhost") -> bytes:
    """Shake hands under that server name, send nothing, and return the hash of the key that was met."""
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=20) as plain,
        server.client_context().wrap_socket(plain, server_hostname=name) as connection,
    ):
        return spki_of(connection)


def spki_of(connection: ssl.SSLSocket) -> bytes:
    der = connection.getpeercert(binary_form=True)
    assert der is not None
    return spki_sha256(x509.load_der_x509_certificate(der))
