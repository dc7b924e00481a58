"""Fixed keys: every private key of the simulation follows from its name, and so is public knowledge.

Whoever reads this file can make all of them. That is the point, and why nothing signed by them may ever be trusted
outside a test: same name, same key, same bytes, on every machine.
"""

from __future__ import annotations

from hashlib import sha256, sha512
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

__all__ = ["derive_key", "derive_p384_key", "hash_for", "public_point", "sign_raw"]

_DOMAIN: Final = b"voltage-attest simulation key/"
_P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_P384_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973


def derive_key(name: str) -> ec.EllipticCurvePrivateKey:
    """Return the P-256 private key of that name: SHA-256 of domain and name, brought into 1..n-1."""
    digest = int.from_bytes(sha256(_DOMAIN + name.encode()).digest(), "big")
    return ec.derive_private_key(digest % (_P256_ORDER - 1) + 1, ec.SECP256R1())


def derive_p384_key(name: str) -> ec.EllipticCurvePrivateKey:
    """Return the P-384 private key of that name: SHA-512 of domain and name, brought into 1..n-1."""
    digest = int.from_bytes(sha512(_DOMAIN + name.encode()).digest(), "big")
    return ec.derive_private_key(digest % (_P384_ORDER - 1) + 1, ec.SECP384R1())


def public_point(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return the public key as quotes carry it: x || y, 64 bytes, big-endian, without the 0x04 of SEC 1."""
    numbers = key.public_key().public_numbers()
    return numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")


def hash_for(key: ec.EllipticCurvePrivateKey) -> hashes.SHA256 | hashes.SHA384:
    """Return the hash that goes with the key's curve: SHA-256 with P-256 (Intel), SHA-384 with P-384 (NVIDIA)."""
    return hashes.SHA384() if isinstance(key.curve, ec.SECP384R1) else hashes.SHA256()


def sign_raw(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """Sign with ECDSA and :func:`hash_for` the key, deterministically (RFC 6979): r || s, 64 or 96 bytes, big-endian."""
    signature = key.sign(message, ec.ECDSA(hash_for(key), deterministic_signing=True))
    r, s = decode_dss_signature(signature)
    size = key.key_size // 8
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")
