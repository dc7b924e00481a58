"""The pinned keys of NVIDIA's attestation service (NRAS): the intermediate CAs that certify the keys it signs tokens with.

NVIDIA publishes the service's root (``NVIDIA Attestation Service CA 001``) in no package, and its own SDKs trust whatever key
set TLS brings. Pinned are therefore the intermediates, by key. NVIDIA adds one about every ten months; a policy adds its key
(``nras_intermediates``) before a version of this library knows it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["NRAS_INTERMEDIATES", "NRAS_ISSUER", "PinnedKey", "nras_intermediates"]

NRAS_ISSUER: Final = "https://nras.attestation.nvidia.com"
"""The ``iss`` of every token, exactly. NVIDIA's staging service signs as ``https://nras.attestation-stg.nvidia.com``."""


@dataclass(frozen=True, slots=True)
class PinnedKey:
    """A trusted CA key: SHA-256 of its SubjectPublicKeyInfo (hex), and where and when it was taken from."""

    name: str
    spki_sha256: str
    source: str
    retrieved: str
    valid: str


_SOURCE: Final = "PyPI voltage-verify 0.2.3, tests/fixtures/nras_jwks_2026-10-22_two_intermediates.json"

NRAS_INTERMEDIATES: Final = (
    PinnedKey(
        name="NVIDIA Attestation Service GPU Intermediate 004",
        spki_sha256="fd32837f954e2c45db073105166dfe6985ae0480bb113fba63b091a75affe896",
        source=f"{_SOURCE}; also in nras_jwks_2026-09-12.json there",
        retrieved="2026-11-24",
        valid="2025-12-08 to 2029-12-08",
    ),
    PinnedKey(
        name="NVIDIA Attestation Service GPU Intermediate 005",
        spki_sha256="ba14d00377699189b6762c22c744a9dbdc62aa9396097ada7150426c6ff39afc",
        source=_SOURCE,
        retrieved="2026-11-24",
        valid="2026-10-08 to 2030-10-08",
    ),
)
"""004 holds an RSA key, 005 an EC key."""


def nras_intermediates(extra: frozenset[bytes] = frozenset()) -> frozenset[bytes]:
    """SHA-256 (32 bytes each) of the pinned keys, and of those in ``extra``."""
    return frozenset(bytes.fromhex(key.spki_sha256) for key in NRAS_INTERMEDIATES) | extra
