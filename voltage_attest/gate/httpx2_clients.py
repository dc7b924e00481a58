"""Gated clients of httpx2, which openai 3 stands on. It is not installed with voltage-attest, but with what needs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import httpx2

from voltage_attest.gate.gate import AttestationGate
from voltage_attest.gate.stream_hooks import guard_streams
from voltage_attest.gate.transport import Refuse, bind
from voltage_attest.gate.transport_async import AsyncGatedTransport
from voltage_attest.gate.transport_sync import GatedTransport

__all__ = ["attested_async_httpx2_client", "attested_httpx2_client"]

_TIMEOUT: Final = httpx2.Timeout(600.0, connect=10.0)
"""Seconds: models think long."""

_Transport: Final = bind(GatedTransport, httpx2)
_AsyncTransport: Final = bind(AsyncGatedTransport, httpx2)


def attested_httpx2_client(
    gate: AttestationGate,
    *,
    timeout: httpx2.Timeout | float | None = _TIMEOUT,
    limits: httpx2.Limits | None = None,
    headers: Mapping[str, str] | None = None,
    refuse: Refuse | None = None,
    unsafe_accept_truncated_streams: bool = False,
) -> httpx2.Client:
    """Make a client that sends nothing while the gate is shut, and to its origin only.

    It follows no redirect and ignores proxies, certificates and credentials of the environment. Closing it closes its
    connections, not the gate. Its refusals are :class:`~voltage_attest.errors.GateRefused`, or what ``refuse`` makes of them.
    An event stream that ends without its terminator raises :class:`~voltage_attest.errors.StreamTruncated`, unless
    ``unsafe_accept_truncated_streams``.
    """
    transport: httpx2.BaseTransport = _Transport(gate.wiring(refuse), limits)  # type: ignore[assignment]
    client = httpx2.Client(transport=transport, trust_env=False, follow_redirects=False, timeout=timeout, headers=headers)
    if not unsafe_accept_truncated_streams:
        guard_streams(client)
    return client


def attested_async_httpx2_client(
    gate: AttestationGate,
    *,
    timeout: httpx2.Timeout | float | None = _TIMEOUT,
    limits: httpx2.Limits | None = None,
    headers: Mapping[str, str] | None = None,
    refuse: Refuse | None = None,
    unsafe_accept_truncated_streams: bool = False,
) -> httpx2.AsyncClient:
    """As :func:`attested_httpx2_client`, for asyncio."""
    transport: httpx2.AsyncBaseTransport = _AsyncTransport(gate.wiring(refuse), limits)  # type: ignore[assignment]
    client = httpx2.AsyncClient(transport=transport, trust_env=False, follow_redirects=False, timeout=timeout, headers=headers)
    if not unsafe_accept_truncated_streams:
        guard_streams(client)
    return client
