"""NVIDIA's collateral for the devices of one node (RATS: Endorsements, Reference Values), as received and not yet believed.

Every document is signed by NVIDIA, so it does not matter who hands it over: NVIDIA's services, a cache, a file or a bundle.
Checks read these bytes, tell whose they are, and judge them at the appraisal time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from voltage_attest.collateral.rim import RimDocument

__all__ = ["MAX_CRLS", "MAX_NRAS", "MAX_OCSP", "MAX_RIMS", "NrasAnswer", "NvidiaCollateral", "OcspAnswer"]

MAX_RIMS: Final = 128
"""Manifests of one node: of 64 devices each has a driver's and a firmware's."""
MAX_OCSP: Final = 1024
"""Answers: three for each device and each manifest, twice over."""
MAX_CRLS: Final = 128
MAX_NRAS: Final = 16
"""Answers of NRAS, and key sets: one of GPUs, one of switches, a few more from other days."""


@dataclass(frozen=True, slots=True)
class OcspAnswer:
    """One OCSP response in DER (RFC 6960), and what was asked.

    ``certificate_sha256`` (32 bytes) is the hash of the DER bytes of the certificate whose status was asked for. ``nonce`` is
    what the request carried; None where it carried none, as for answers that a cache may hold.
    """

    certificate_sha256: bytes
    der: bytes
    nonce: bytes | None = None


@dataclass(frozen=True, slots=True)
class NrasAnswer:
    """What NVIDIA's attestation service (NRAS) said of GPUs or switches: the JSON text of a detached EAT, as received."""

    body: bytes


@dataclass(frozen=True, slots=True)
class NvidiaCollateral:
    """All that is at hand. ``absences`` say why others are not: pairs of a document's name and a reason.

    Names are a manifest's id (``NV_GPU_DRIVER_GH100_570.124.06``), ``ocsp:`` and the certificate's SHA-256 in hex, ``crl:`` and
    its address, ``jwks``, ``nras``. ``crls`` are DER, ``jwks`` the key sets of NRAS as JSON text.
    """

    rims: tuple[RimDocument, ...] = ()
    ocsp: tuple[OcspAnswer, ...] = ()
    crls: tuple[bytes, ...] = ()
    nras: tuple[NrasAnswer, ...] = ()
    jwks: tuple[bytes, ...] = ()
    absences: tuple[tuple[str, str], ...] = field(default=())

    def why_absent(self, name: str) -> str | None:
        """Why the document of that name could not be had; None where nobody said."""
        return dict(self.absences).get(name)
