"""The pin: a TLS context whose handshakes end only with a key that the gate admits. No byte of HTTP goes before.

``sslsocket_class`` and ``sslobject_class`` are public attributes of :class:`ssl.SSLContext`, and every client of the standard
library's TLS comes through one of them: ``wrap_socket`` (httpcore's threads) or ``wrap_bio`` (asyncio, and TLS inside the TLS
of an HTTPS proxy). ``do_handshake`` is judged where it returns, which is before either lets anybody write. In TLS 1.3 the
server has then proven by its CertificateVerify that it holds the key.

The context itself is a plain one: WebPKI and host name are checked by OpenSSL before the key is judged, unless the policy
trusts the attested key alone.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Final, Protocol
from weakref import WeakSet

from voltage_attest.collateral.tls import tls_context
from voltage_attest.errors import EvidenceFormatError, GateRefused
from voltage_attest.pods.certificate import spki_sha256

__all__ = ["Judge", "NetworkStream", "Pinned", "key_met", "pinned_context", "proxy_context"]

_ATTRIBUTE: Final = "attested_key"

Judge = Callable[[str], None]
"""Given the key a connection met (SHA-256 of its SPKI in hex), raises :class:`GateRefused` unless it is admitted."""


class NetworkStream(Protocol):
    """What httpx calls ``network_stream`` among the extensions of a response."""

    def get_extra_info(self, info: str) -> object:
        """The ``socket`` or ``ssl_object`` below."""


class Pinned:
    """The connections that were made under the pin, by the key they met."""

    def __init__(self) -> None:
        self._sockets: WeakSet[ssl.SSLSocket] = WeakSet()

    def add(self, connection: ssl.SSLSocket) -> None:
        """Keep an eye on a connection; not on those of asyncio, which are ended by their own loop."""
        self._sockets.add(connection)

    def keys(self) -> frozenset[str]:
        """The keys that open connections met."""
        return frozenset(key for connection in tuple(self._sockets) if (key := _key_of(connection)) is not None)

    def cut(self, keys: AbstractSet[str]) -> None:
        """Shut the connections to these keys below TLS, which wakes whoever waits for them."""
        for connection in tuple(self._sockets):
            if (_key_of(connection) or "") in keys:
                with contextlib.suppress(OSError):  # closed already
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)  # SSLSocket's own would go on in plain text

    def forget(self) -> None:
        """Close this process's copies of all connections, as a forked child must; the parent's stay open."""
        for connection in tuple(self._sockets):
            connection.close()
        self._sockets = WeakSet()


def pinned_context(judge: Judge, pinned: Pinned, *, webpki: bool, tls_ca: Path | str | None) -> ssl.SSLContext:
    """A client's context, TLS 1.3 only, whose handshakes ``judge`` decides; :class:`TrustRootError` on a CA file that is none.

    On refusal the socket is closed first, then the exception raised: httpcore would leave it open. With asyncio the handshake's
    last message is not even sent.
    """

    class PinnedSocket(ssl.SSLSocket):
        def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - the base's signature
            super().do_handshake(block)
            try:
                setattr(self, _ATTRIBUTE, _judged(self.getpeercert(binary_form=True), judge))
            except BaseException:
                self.close()
                raise
            pinned.add(self)

    class PinnedObject(ssl.SSLObject):
        def do_handshake(self) -> None:
            super().do_handshake()
            setattr(self, _ATTRIBUTE, _judged(self.getpeercert(binary_form=True), judge))

    context = _context(tls_ca, ssl.TLSVersion.TLSv1_3)
    if not webpki:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.sslsocket_class = PinnedSocket
    context.sslobject_class = PinnedObject
    return context


def proxy_context(tls_ca: Path | str | None) -> ssl.SSLContext:
    """The context for the TLS of an HTTPS proxy itself, which is nobody's pod: WebPKI, no pin."""
    return _context(tls_ca, ssl.TLSVersion.TLSv1_2)


def key_met(stream: NetworkStream) -> str | None:
    """The key that the connection below a response met and the gate admitted; None if it was not made under the pin."""
    for info in ("ssl_object", "socket"):
        key = _key_of(stream.get_extra_info(info))
        if key is not None:
            return key
    return None


def _key_of(connection: object) -> str | None:
    key = getattr(connection, _ATTRIBUTE, None)
    return key if isinstance(key, str) else None


def _judged(certificate: bytes | None, judge: Judge) -> str:
    try:
        key = spki_sha256(certificate or b"", "the pod's TLS certificate").hex()
    except EvidenceFormatError as error:
        raise GateRefused(error.found, expected=error.expected, remedy="Tell the provider.") from None
    judge(key)
    return key


def _context(tls_ca: Path | str | None, oldest: ssl.TLSVersion) -> ssl.SSLContext:
    context = tls_context(tls_ca, oldest, server="pod")
    # The standard library honours SSLKEYLOGFILE even here: whoever sets it could read along.
    context.keylog_filename = None  # type: ignore[assignment]
    return context
