"""The pinned roots of trust. Each root's file, source, date and SHA-256 stand in :data:`PINNED_ROOTS` beside it.

Whoever verifies under other roots (the simulator does, a test lab may) says so with :meth:`TrustRoots.from_pem`; every result
made that way carries a warning, in every rendering.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Final

from voltage_attest.errors import TrustRootError

__all__ = ["INTEL_ISSUING_CERTIFICATES", "PINNED_ROOTS", "PinnedRoot", "TrustRoots", "known_issuing_certificates"]

_BEGIN: Final = "-----BEGIN CERTIFICATE-----"
_END: Final = "-----END CERTIFICATE-----"


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
        source="PyPI tinfoil 0.15.0, tinfoil/attestation/intel_root_ca.py; equal, byte for byte, to the last certificate of "
        "every quote in fixtures/real",
        retrieved="2026-11-24",
        valid="2018-05-21 to 2049-12-31",
    ),
    "nvidia-device": PinnedRoot(
        name="NVIDIA Device Identity CA",
        file="nvidia_device_identity_ca.pem",
        sha256="102bf659d5419614c9d8e6aecebc80454eb26b1df6a769ac720b9a690b167b48",
        source="PyPI nv-local-gpu-verifier 2.7.3, verifier/certs/verifier_device_root.pem; equal to the last certificate of "
        "the sample chain in the same package",
        retrieved="2026-11-24",
        valid="2021-11-05 to 9999-12-31",
    ),
    "nvidia-rim": PinnedRoot(
        name="NVIDIA CoRIM signing Root CA",
        file="nvidia_corim_root_ca.pem",
        sha256="12977b5115acb0381179279fffeb5a8c4d264971ebb32298023a465fa41df5d1",
        source="PyPI nv-local-gpu-verifier 2.7.3, verifier/certs/verifier_RIM_root.pem; equal, byte for byte, to the last "
        "certificate of every manifest in fixtures/real",
        retrieved="2026-11-24",
        valid="2023-03-16 to 2053-03-08",
    ),
}
"""By role.

* ``intel``: the older variant of the root with the same key (SHA-256 fc64f807...) is deliberately not pinned.
* ``nvidia-device``: device chains end in its *key*, since two self-signed certificates carry it. The older one (SHA-256
  8805700f..., 2020-01-01 to 9999-12-31) is accepted and not shipped.
* ``nvidia-rim``: reference integrity manifests end in this certificate. NVIDIA's debug root (``NVIDIA CoRIM L1 Root CA Debug
  Only``) is deliberately not pinned: what it signs is no production firmware.
"""


INTEL_ISSUING_CERTIFICATES: Final = {
    "22eb770dca215b607b5ccfc21a672b1da5cc660b1ad0365020567979edcaa0e1": "Intel SGX PCK Platform CA, 2018-05-21 to 2033-05-21",
    "13b2dccef8fc4ec977ee5249743b0f758ebd1e28d768b2e1e12bc348adaa09fb": "Intel SGX PCK Processor CA, 2018-05-21 to 2033-05-21",
    "c0575e76d0303b61d09cde8cbdb70db34a74f38318300d7c0e6ba8cf4bf45aea": "Intel SGX TCB Signing, 2025-05-06 to 2032-05-06",
}
"""SHA-256 of the certificates through which nearly every quote and document of today leads to the pinned root.

They are not roots: nothing ends in them, and dates and revocation are judged as for any other. That the root signed them is
a constant, proven by the test suite rather than once more in each verification. Source: the issuer chains in PyPI dcap-qvl
0.7.0 (``sgx_quote_collateral.json``, ``tdx_quote_collateral.json``), taken 2026-11-24; file ``intel_issuing_certificates.pem``.
"""


@dataclass(frozen=True, slots=True)
class TrustRoots:
    """The roots a verification ends in, as DER bytes, and which of them are not the pinned ones.

    ``nras`` is a certificate of NVIDIA's attestation service whose key is trusted in place of the pinned ones; None for those.
    """

    intel: bytes
    nvidia_device: bytes
    nvidia_rim: bytes
    nras: bytes | None = None
    replaced: tuple[str, ...] = ()

    @staticmethod
    def default() -> TrustRoots:
        """The pinned roots, each compared with its recorded SHA-256 when first loaded."""
        return _load_pinned()

    @staticmethod
    def from_pem(
        *,
        intel: str | bytes | None = None,
        nvidia_device: str | bytes | None = None,
        nvidia_rim: str | bytes | None = None,
        nras: str | bytes | None = None,
    ) -> TrustRoots:
        """The pinned roots with the named ones replaced; :class:`TrustRootError` unless each PEM holds one certificate."""
        pinned = TrustRoots.default()
        given = {"intel": intel, "nvidia_device": nvidia_device, "nvidia_rim": nvidia_rim, "nras": nras}
        ders = {role: _single_pem(pem, f"the {role} root") for role, pem in given.items() if pem is not None}
        changed = {role: der for role, der in ders.items() if der != getattr(pinned, role)}
        return replace(pinned, **changed, replaced=tuple([role.replace("_", "-") for role in changed]))


@cache
def _load_pinned() -> TrustRoots:
    intel, nvidia_device, nvidia_rim = (_load(PINNED_ROOTS[role]) for role in ("intel", "nvidia-device", "nvidia-rim"))
    return TrustRoots(intel, nvidia_device, nvidia_rim)


def _load(pinned: PinnedRoot) -> bytes:
    der = _single_pem(files(__name__).joinpath(pinned.file).read_bytes(), pinned.name)
    if hashlib.sha256(der).hexdigest() != pinned.sha256:
        raise TrustRootError(
            f"{pinned.file} in the installed package was altered",
            expected=f"SHA-256 {pinned.sha256}",
            remedy="Install voltage-attest again from a source you trust.",
        )
    return der


@cache
def known_issuing_certificates() -> tuple[bytes, ...]:
    """DER bytes of :data:`INTEL_ISSUING_CERTIFICATES`; :class:`TrustRootError` if the installed file was altered."""
    text = files(__name__).joinpath("intel_issuing_certificates.pem").read_text("ascii")
    ders = tuple([_single_pem(block + _END, "an issuing certificate") for block in text.split(_END) if block.strip()])
    if {hashlib.sha256(der).hexdigest() for der in ders} != set(INTEL_ISSUING_CERTIFICATES):
        raise TrustRootError(
            "intel_issuing_certificates.pem in the installed package was altered",
            expected="the certificates listed beside it",
            remedy="Install voltage-attest again from a source you trust.",
        )
    return ders


def _single_pem(pem: str | bytes, what: str) -> bytes:
    text = pem.encode("ascii", "replace") if isinstance(pem, str) else pem
    body = text.strip().removeprefix(_BEGIN.encode()).removesuffix(_END.encode())
    try:
        if len(text.strip()) - len(body) != len(_BEGIN + _END):
            raise binascii.Error("no single PEM certificate")
        return base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error as error:
        raise TrustRootError(
            f"{what}: {error}", expected="one certificate in PEM", remedy="Pass the root certificate alone, in PEM."
        ) from None
