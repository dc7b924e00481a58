"""Gated clients of httpx, for whatever takes an ``httpx.Client`` or an ``httpx.AsyncClient``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import httpx

from voltage_attest.gate.gate import AttestationGate
from voltage_attest.gate.stream_hooks import guard_streams
from voltage_attest.gate.transport import Refuse, bind
from voltage_attest.gate.transport_async import AsyncGatedTransport
from voltage_attest.gate.transport_sync import GatedTransport

__all__ = ["attested_async_http_client", "attested_http_client"]

_TIMEOUT: Final = httpx.Timeout(600.0, connect=10.0)
"""Seconds: models think long."""

_Transport: Final = bind(GatedTransport, httpx)
_AsyncTransport: Final = bind(AsyncGatedTransport, httpx)


def attested_http_client(
    gate: AttestationGate,
    *,
    timeout: httpx.Timeout | float | None = _TIMEOUT,
    limits: httpx.Limits | None = None,
    headers: Mapping[str, str] | None = None,
    refuse: Refuse | None = None,
    unsafe_accept_truncated_streams: bool = False,
) -> httpx.Client:
    """Make a client that sends nothing while the gate is shut, and to its origin only.

    It follows no redirect and ignores proxies, certificates and credentials of the environment. Closing it closes its
    connections, not the gate. Its refusals are :class:`~voltage_attest.errors.GateRefused`, or what ``refuse`` makes of them.
    An event stream that ends without its terminator raises :class:`~voltage_attest.errors.StreamTruncated`, unless
    ``unsafe_accept_truncated_streams``.
    """
    transport: httpx.BaseTransport = _Transport(gate.wiring(refuse), limits)  # type: ignore[assignment]
    client = httpx.Client(transport=transport, trust_env=False, follow_redirects=False, timeout=timeout, headers=headers)
    if not unsafe_accept_truncated_streams:
        guard_streams(client)
    return client


def attested_async_http_client(
    gate: AttestationGate,
    *,
    timeout: httpx.Timeout | float | None = _TIMEOUT,
    limits: httpx.Limits | None = None,
    headers: Mapping[str, str] | None = None,
    refuse: Refuse | None = None,
    unsafe_accept_truncated_streams: bool = False,
) -> httpx.AsyncClient:
    """As :func:`attested_http_client`, for asyncio."""
    transport: httpx.AsyncBaseTransport = _AsyncTransport(gate.wiring(refuse), limits)  # type: ignore[assignment]
    client = httpx.AsyncClient(transport=transport, trust_env=False, follow_redirects=False, timeout=timeout, headers=headers)
    if not unsafe_accept_truncated_streams:
        guard_streams(client)
    return client
