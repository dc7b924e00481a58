"""What to ask of NVIDIA: made by the judges, who know the certificates, for the fetcher, who knows the network."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["RevocationQuestion"]


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
