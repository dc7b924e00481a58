"""What every TLS connection of the house starts from: the platform's own roots, at most one more file of them, no environment.

The gate's contexts (:mod:`voltage_attest.gate.pin`) are stricter still; they begin with this one.
"""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx

from voltage_attest.errors import TrustRootError

__all__ = ["tls_context"]


def tls_context(tls_ca: Path | str | None, oldest: ssl.TLSVersion, *, server: str) -> ssl.SSLContext:
    """A context that asks for a valid certificate and for TLS ``oldest`` or newer.

    ``tls_ca`` is a PEM file of CA certificates to trust besides; :class:`~voltage_attest.errors.TrustRootError` if it holds
    none or cannot be read. ``server`` is what that error calls the other side.
    """
    context = httpx.create_ssl_context(trust_env=False)
    context.minimum_version = oldest
    if tls_ca is not None:
        try:
            context.load_verify_locations(cafile=tls_ca)
        except (OSError, ssl.SSLError):
            raise TrustRootError(
                f"{tls_ca} holds no certificates, or cannot be read",
                expected="a PEM file of CA certificates",
                remedy=f"Name the file of the CA that issued the {server}'s certificate.",
            ) from None
    return context
