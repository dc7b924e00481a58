"""The gate: no byte of a patient's data before proof. TLS pinning, transports for httpx and httpx2, the audit log.

The names below are loaded when they are first used (PEP 562). ``attested_httpx2_client`` and its twin need httpx2, which is
no dependency of this package: whatever is built on it, such as openai 3, brings it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from voltage_attest.gate.gate import AttestationGate
    from voltage_attest.gate.httpx2_clients import attested_async_httpx2_client, attested_httpx2_client
    from voltage_attest.gate.httpx_clients import attested_async_http_client, attested_http_client
    from voltage_attest.gate.model import (
        EventKind,
        GateEvent,
        GateStatus,
        Lifecycle,
        Outcome,
        Refusal,
        RequestEnd,
        RequestHook,
        RequestRecord,
        RequestWatch,
    )

__all__ = [
    "AttestationGate",
    "EventKind",
    "GateEvent",
    "GateStatus",
    "Lifecycle",
    "Outcome",
    "Refusal",
    "RequestEnd",
    "RequestHook",
    "RequestRecord",
    "RequestWatch",
    "attested_async_http_client",
    "attested_async_httpx2_client",
    "attested_http_client",
    "attested_httpx2_client",
]

_EXPORTS: Final = {
    "gate": ("AttestationGate",),
    "httpx2_clients": ("attested_async_httpx2_client", "attested_httpx2_client"),
    "httpx_clients": ("attested_async_http_client", "attested_http_client"),
    "model": (
        "EventKind",
        "GateEvent",
        "GateStatus",
        "Lifecycle",
        "Outcome",
        "Refusal",
        "RequestEnd",
        "RequestHook",
        "RequestRecord",
        "RequestWatch",
    ),
}
_HOME: Final = {name: f"{__name__}.{module}" for module, names in _EXPORTS.items() for name in names}


def __getattr__(name: str) -> object:
    """Load an exported name from its module on first use, and keep it."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        found: object = getattr(importlib.import_module(home), name)
    except ModuleNotFoundError as error:
        if error.name != "httpx2":
            raise
        raise ModuleNotFoundError(f"{name} needs httpx2; install it with `pip install httpx2`.", name="httpx2") from None
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """The exported names, loaded or not."""
    return sorted({*globals(), *__all__})
