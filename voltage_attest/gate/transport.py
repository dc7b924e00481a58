"""What the transports for threads and for asyncio share: how a client is wired to a gate, and what of a request is judged.

One text serves httpx and httpx2, whose interfaces are the same: :func:`bind` gives a transport the library's base class.
Nothing of a library is used but what it documents: ``HTTPTransport`` by its constructor's arguments, ``Request`` and
``Response`` with their ``stream`` and ``extensions`` (``trace``, ``network_stream``).
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

from voltage_attest.errors import GateRefused
from voltage_attest.gate.core import RequestFacts
from voltage_attest.gate.engine import _NotAdmitted
from voltage_attest.gate.exchange import MOST_ATTEMPTS, Desk, Exchange, Visit
from voltage_attest.gate.model import Outcome

if TYPE_CHECKING:
    import httpx

__all__ = ["Refuse", "Shell", "Wiring", "bind", "conclude"]

Refuse = Callable[[GateRefused], Exception]
"""Makes the exception that callers of a client shall see."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """What connects a client to a gate. ``proxy_context`` is for the TLS of an HTTPS proxy; ``refuse`` makes what is raised."""

    desk: Desk
    context: ssl.SSLContext
    proxy: str | None
    proxy_context: ssl.SSLContext | None
    refuse: Refuse | None = None


class Shell:
    """A transport without its library: :func:`bind` sets ``library`` to httpx or httpx2."""

    library: ModuleType

    def __init__(self, wiring: Wiring, limits: object = None) -> None:
        self.wiring = wiring
        self.engine = wiring.desk.engine
        self.limits = limits
        self.engine.register(self)

    def retire(self, epoch: int | None) -> None:
        """As :class:`~voltage_attest.gate.shelf.Pools` says; None: every pool."""
        raise NotImplementedError

    def abandon(self) -> None:
        """As :class:`~voltage_attest.gate.shelf.Pools` says."""
        raise NotImplementedError

    def make_inner(self, name: str) -> object:
        """Make a transport of the library, with the pin and without the environment."""
        library, proxy = self.library, self.wiring.proxy
        return getattr(library, name)(
            verify=self.wiring.context,
            trust_env=False,
            http1=True,
            http2=False,
            limits=self.limits or library.Limits(max_connections=1000, max_keepalive_connections=100),
            proxy=None if proxy is None else library.Proxy(proxy, ssl_context=self.wiring.proxy_context),
            retries=0,
        )

    def receive(self, request: httpx.Request) -> Visit:
        """Judge what can be judged without attestation; raises :class:`GateRefused`."""
        url, extensions = request.url, request.extensions
        headers = {name.lower(): value for name, value in request.headers.raw}  # one pass: a lookup by name decodes them all
        facts = RequestFacts(
            url.scheme,
            url.raw_host.decode("ascii").rstrip("."),
            url.port,
            request.method,
            _text(headers.get(b"host")),
            upgrade=b"upgrade" in headers,
            detour="sni_hostname" in extensions or "target" in extensions,
        )
        try:
            content: bytes | None = request.content
        except self.library.RequestNotRead:
            content = None
        return self.wiring.desk.receive(facts, url.path, _text(headers.get(b"content-type")), content)

    def refused(self, error: GateRefused) -> Exception:
        """Count a refusal, and make the exception that the caller sees."""
        self.engine.count_refused(error)
        if self.wiring.refuse is not None:
            return self.wiring.refuse(error)
        if isinstance(error, _NotAdmitted):
            return GateRefused(error.found, expected=error.expected, remedy=error.remedy, result=error.result)
        return error

    @contextlib.contextmanager
    def prepared(self, request: httpx.Request, stream: object, trace: object) -> Iterator[None]:
        """The request as it goes out; afterwards it is as the caller made it, and can be sent again."""
        before = request.stream, request.extensions
        request.stream, request.extensions = stream, {**request.extensions, "trace": trace}  # type: ignore[assignment]
        try:
            yield
        finally:
            request.stream, request.extensions = before


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")


Kind = TypeVar("Kind", bound=Shell)


def bind(shell: type[Kind], library: ModuleType) -> type[Kind]:
    """The shell as a transport of this library."""
    base = library.AsyncBaseTransport if shell.__name__.startswith("Async") else library.BaseTransport
    return type(shell.__name__, (shell, base), {"library": library})


def is_final(visit: Visit, error: _NotAdmitted, *, has_proved: bool) -> bool:
    """Whether no other attempt follows: one fresh attestation a request, and not for ever anew where epochs change."""
    return visit.attempts == MOST_ATTEMPTS or (has_proved and error.key is not None)


def conclude(exchange: Exchange, error: BaseException | None, *, is_complete: bool) -> None:
    """End an exchange whose answer is closed."""
    if error is not None:
        exchange.failed(error)
    else:
        exchange.end(Outcome.COMPLETE if is_complete else Outcome.ABANDONED)
