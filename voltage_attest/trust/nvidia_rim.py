"""The pinned root of NVIDIA's reference integrity manifests (RIM): every manifest's certificate chain ends in it.

One certificate, compared byte for byte. NVIDIA's debug root (``NVIDIA CoRIM L1 Root CA Debug Only``) is deliberately not
pinned: what it signs is no production firmware.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import Final

from voltage_attest.errors import TrustRootError
from voltage_attest.trust import PinnedRoot

__all__ = ["NVIDIA_RIM_ROOT", "NVIDIA_RIM_ROOT_SPKI_SHA256", "nvidia_rim_root"]

NVIDIA_RIM_ROOT: Final = PinnedRoot(
    name="NVIDIA CoRIM signing Root CA",
    file="nvidia_corim_root_ca.pem",
    sha256="12977b5115acb0381179279fffeb5a8c4d264971ebb32298023a465fa41df5d1",
    source="PyPI nv-local-gpu-verifier 2.7.3, verifier/certs/verifier_RIM_root.pem; equal, byte for byte, to the last "
    "certificate of every manifest in fixtures/real",
    retrieved="2026-11-24",
    valid="2023-03-16 to 2053-03-08",
)
"""Serial 45dae3a00e5037bddf875375ecb5e270, ECDSA P-384."""

NVIDIA_RIM_ROOT_SPKI_SHA256: Final = "dec1dc316477aa851eebdf51327ae9f864bc8d89254657ed1e7eb9168af1e1a3"
"""SHA-256 of the root's SubjectPublicKeyInfo, for whoever pins keys rather than certificates."""


@cache
def nvidia_rim_root() -> bytes:
    """DER bytes of :data:`NVIDIA_RIM_ROOT`; :class:`TrustRootError` if the installed file was altered."""
    lines = files("voltage_attest.trust").joinpath(NVIDIA_RIM_ROOT.file).read_bytes().splitlines()
    der = base64.b64decode(b"".join(line for line in lines if not line.startswith(b"-----")))
    if hashlib.sha256(der).hexdigest() != NVIDIA_RIM_ROOT.sha256:
        raise TrustRootError(
            f"{NVIDIA_RIM_ROOT.file} in the installed package was altered",
            expected=f"SHA-256 {NVIDIA_RIM_ROOT.sha256}",
            remedy="Install voltage-attest again from a source you trust.",
        )
    return der
