"""What to ask of NVIDIA: made by the judges, who know the certificates, for the fetcher, who knows the network."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

__all__ = ["NVIDIA_ADDRESS", "NVIDIA_OCSP_URL", "RevocationQuestion"]

NVIDIA_OCSP_URL: Final = "https://ocsp.ndis.nvidia.com"
"""Answers also for certificates that name no responder, as NVIDIA's tools ask it."""
NVIDIA_ADDRESS: Final = re.compile(
    r"https?://(?P<host>(?:[a-z0-9-]{1,63}\.){1,5}nvidia\.com)(?P<path>(?:/[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}){0,8})/?"
)
"""The only addresses named in certificates that are followed: of a host of NVIDIA's, without anything to be escaped."""


@dataclass(frozen=True, slots=True)
class RevocationQuestion:
    """Where the revocation status of one certificate is to be had, and what to send.

    ``certificate_sha256`` (32 bytes) is the hash of its DER bytes, ``name`` its common name, for messages. ``ocsp_request`` is
    the DER to POST to ``ocsp_url`` (RFC 6960, appendix A). It carries ``nonce``; where that is None it carries none, and its
    answer may be kept. ``ocsp_url`` is None where only CRLs can tell. ``crl_urls`` are its CRL distribution points.
    """

    certificate_sha256: bytes
    name: str
    ocsp_url: str | None
    ocsp_request: bytes
    nonce: bytes | None
    crl_urls: tuple[str, ...] = ()
