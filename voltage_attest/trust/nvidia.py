"""NVIDIA's pinned root of trust: the key that device certificate chains of GPUs and NVSwitches end in.

Two self-signed certificates carry this key. The newer is shipped; the key (SHA-256 of its SubjectPublicKeyInfo) is what counts.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import Final

from voltage_attest.errors import TrustRootError
from voltage_attest.trust import PinnedRoot

__all__ = [
    "NVIDIA_DEVICE_ROOT",
    "NVIDIA_DEVICE_ROOT_OLDER_SHA256",
    "NVIDIA_DEVICE_ROOT_SPKI_SHA256",
    "nvidia_device_root",
]

NVIDIA_DEVICE_ROOT: Final = PinnedRoot(
    name="NVIDIA Device Identity CA",
    file="nvidia_device_identity_ca.pem",
    sha256="102bf659d5419614c9d8e6aecebc80454eb26b1df6a769ac720b9a690b167b48",
    source="PyPI nv-local-gpu-verifier 2.7.3, verifier/certs/verifier_device_root.pem; equal to the last certificate of the "
    "sample chain in the same package",
    retrieved="2026-11-24",
    valid="2021-11-05 to 9999-12-31",
)

NVIDIA_DEVICE_ROOT_SPKI_SHA256: Final = bytes.fromhex("a90c4eb5acfd3e3d03a25db6a26b84f720ad0503196c627c21ddd48dd85b06a4")
"""SHA-256 of the root's SubjectPublicKeyInfo."""

NVIDIA_DEVICE_ROOT_OLDER_SHA256: Final = "8805700fd307db6801f9a8a7a91acbf72e513cdf8ed16e0bfeaf62318037ad96"
"""The older certificate with the same key (2020-01-01 to 9999-12-31, serial 3aaf87db...): accepted, not shipped."""

_BEGIN: Final = "-----BEGIN CERTIFICATE-----"
_END: Final = "-----END CERTIFICATE-----"


@cache
def nvidia_device_root() -> bytes:
    """DER bytes of :data:`NVIDIA_DEVICE_ROOT`; :class:`TrustRootError` if the installed file was altered."""
    text = files("voltage_attest.trust").joinpath(NVIDIA_DEVICE_ROOT.file).read_text("ascii")
    der = base64.b64decode(text.strip().removeprefix(_BEGIN).removesuffix(_END))
    if hashlib.sha256(der).hexdigest() != NVIDIA_DEVICE_ROOT.sha256:
        raise TrustRootError(
            f"{NVIDIA_DEVICE_ROOT.file} in the installed package was altered",
            expected=f"SHA-256 {NVIDIA_DEVICE_ROOT.sha256}",
            remedy="Install voltage-attest again from a source you trust.",
        )
    return der
