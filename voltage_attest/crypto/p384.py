"""ECDSA P-384 with SHA-384: over raw r||s signatures as NVIDIA's devices make them, and over DER as certificates carry them."""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

__all__ = ["P384_SIGNATURE_SIZE", "p384_verifies", "p384_verifies_der"]

P384_SIGNATURE_SIZE: Final = 96
"""Bytes of a raw P-384 signature r||s, both big-endian."""

_HALF: Final = P384_SIGNATURE_SIZE // 2
_SHA384: Final = ec.ECDSA(hashes.SHA384())


def p384_verifies(key: ec.EllipticCurvePublicKey, signature: bytes, message: bytes) -> bool:
    """Whether ``signature`` (r||s, 96 bytes) over SHA-384 of ``message`` was made with ``key``, a P-384 key. Never raises."""
    if len(signature) != P384_SIGNATURE_SIZE:
        return False
    r, s = int.from_bytes(signature[:_HALF], "big"), int.from_bytes(signature[_HALF:], "big")
    return p384_verifies_der(key, encode_dss_signature(r, s), message)


def p384_verifies_der(key: ec.EllipticCurvePublicKey, signature: bytes, message: bytes) -> bool:
    """The same for a signature in DER, as X.509 carries it."""
    try:
        key.verify(signature, message, _SHA384)
    except InvalidSignature:
        return False
    return True
