"""The pinned roots of trust. Each root's file, source, date and SHA-256 stand in :data:`PINNED_ROOTS` beside it.

Whoever verifies under other roots (the simulator does, a test lab may) says so with :meth:`TrustRoots.from_pem`; every result
made that way carries a warning, in every rendering.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from voltage_attest.errors import TrustRootError

__all__ = ["PINNED_ROOTS", "PinnedRoot", "TrustRoots"]


@dataclass(frozen=True, slots=True)
class PinnedRoot:
    """One root of trust: file in this package, SHA-256 of its DER bytes, and where and when it was taken from."""

    name: str
    file: str
    sha256: str
    source: str
    retrieved: str
    valid: str


PINNED_ROOTS: Final = {
    "intel": PinnedRoot(
        name="Intel SGX Root CA",
        file="intel_sgx_root_ca.pem",
        sha256="44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3",
        source="PyPI tinfoil 0.15.0, tinfoil/attestation/intel_root_ca.py; equal to the DER in PyPI dcap-qvl 0.7.0 and to "
        "https://certificates.trustedservices.intel.com/Intel_SGX_Provisioning_Certification_RootCA.pem",
        retrieved="2026-11-24",
        valid="2018-05-21 to 2049-12-31",
    ),
}
"""By role. The older variant of Intel's root with the same key (SHA-256 fc64f807...) is deliberately not pinned."""


@dataclass(frozen=True, slots=True)
class TrustRoots:
    """The roots a verification ends in: DER bytes by role, and which of them are not the pinned ones."""

    intel: bytes
    replaced: tuple[str, ...] = ()

    @staticmethod
    def default() -> TrustRoots:
        """The pinned roots, each compared with its recorded SHA-256 when first loaded."""
        return _load_pinned()

    @staticmethod
    def from_pem(*, intel: str | bytes | None = None) -> TrustRoots:
        """The pinned roots with the named ones replaced; :class:`TrustRootError` unless PEM holds one certificate."""
        if intel is None:
            return TrustRoots.default()
        der = _single_pem(intel, "the Intel root")
        pinned = TrustRoots.default()
        return pinned if der == pinned.intel else TrustRoots(der, ("intel",))


@cache
def _load_pinned() -> TrustRoots:
    pinned = PINNED_ROOTS["intel"]
    der = _single_pem(files(__name__).joinpath(pinned.file).read_bytes(), pinned.name)
    if hashlib.sha256(der).hexdigest() != pinned.sha256:
        raise TrustRootError(
            f"{pinned.file} in the installed package was altered",
            expected=f"SHA-256 {pinned.sha256}",
            remedy="Install voltage-attest again from a source you trust.",
        )
    return TrustRoots(der)


def _single_pem(pem: str | bytes, what: str) -> bytes:
    text = pem.encode("ascii", "replace") if isinstance(pem, str) else pem
    body = text.strip().removeprefix(b"-----BEGIN CERTIFICATE-----").removesuffix(b"-----END CERTIFICATE-----")
    try:
        if len(text.strip()) - len(body) != len(b"-----BEGIN CERTIFICATE-----" + b"-----END CERTIFICATE-----"):
            raise binascii.Error("no single PEM certificate")
        return base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error as error:
        raise TrustRootError(
            f"{what}: {error}", expected="one certificate in PEM", remedy="Pass the root certificate alone, in PEM."
        ) from None
