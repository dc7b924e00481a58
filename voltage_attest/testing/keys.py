"""Fixed keys: every private key of the simulation follows from its name, and so is public knowledge.

Whoever reads this file can make all of them. That is the point, and why nothing signed by them may ever be trusted
outside a test: same name, same key, same bytes, on every machine.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

__all__ = ["derive_key", "public_point", "sign_raw"]

_DOMAIN: Final = b"voltage-attest simulation key/"
_P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def derive_key(name: str) -> ec.EllipticCurvePrivateKey:
    """Return the P-256 private key of that name: SHA-256 of domain and name, brought into 1..n-1."""
    digest = int.from_bytes(sha256(_DOMAIN + name.encode()).digest(), "big")
    return ec.derive_private_key(digest % (_P256_ORDER - 1) + 1, ec.SECP256R1())


def public_point(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return the public key as quotes carry it: x || y, 64 bytes, big-endian, without the 0x04 of SEC 1."""
    numbers = key.public_key().public_numbers()
    return numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")


def sign_raw(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """Sign with ECDSA P-256 and SHA-256, deterministically (RFC 6979): r || s, 64 bytes, big-endian."""
    signature = key.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    r, s = decode_dss_signature(signature)
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")
