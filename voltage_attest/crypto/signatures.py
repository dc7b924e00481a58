"""ECDSA P-256 over raw r||s signatures, and the memory of signatures already found good.

Quotes, TCB info and QE identities carry signatures as 64 bytes r||s, big-endian; keys in quotes are 64 bytes x||y.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

__all__ = ["SIGNATURE_SIZE", "PointLoader", "SignatureMemo", "load_p256_point", "p256_verifies", "p256_verifies_der"]

SIGNATURE_SIZE: Final = 64
"""Bytes of a raw P-256 signature r||s."""

_SHA256: Final = ec.ECDSA(hashes.SHA256())


def load_p256_point(point: bytes) -> ec.EllipticCurvePublicKey | None:
    """Return the P-256 key for x||y (64 bytes), or None if that is no point on the curve."""
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + point)
    except ValueError:
        return None


class PointLoader:
    """Loads keys and keeps those that are on the curve: a quoting enclave signs many quotes with one. Bounded; thread-safe."""

    __slots__ = ("_capacity", "_known")

    def __init__(self, capacity: int = 256) -> None:
        self._capacity = capacity
        self._known: dict[bytes, ec.EllipticCurvePublicKey] = {}

    def load(self, point: bytes) -> ec.EllipticCurvePublicKey | None:
        """As :func:`load_p256_point`."""
        key = self._known.get(point) or load_p256_point(point)
        if key is not None:
            if len(self._known) >= self._capacity:
                self._known.clear()
            self._known[point] = key
        return key


def p256_verifies(key: ec.EllipticCurvePublicKey, signature: bytes, message: bytes) -> bool:
    """Whether ``signature`` (r||s, 64 bytes) over SHA-256 of ``message`` was made with ``key``, a P-256 key. Never raises."""
    if len(signature) != SIGNATURE_SIZE:
        return False
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    return p256_verifies_der(key, encode_dss_signature(r, s), message)


def p256_verifies_der(key: ec.EllipticCurvePublicKey, signature: bytes, message: bytes) -> bool:
    """The same for a signature in DER, as X.509 carries it."""
    try:
        key.verify(signature, message, _SHA256)
    except InvalidSignature:
        return False
    return True


class SignatureMemo:
    """Remembers which signatures were found good, by the key, signature and message they consist of, byte for byte.

    Only true answers are kept, under all bytes they depend on and nothing else, so a remembered answer is the answer that
    computing it again would give. Dates and revocation are never part of it. ``known`` are true answers to begin with.
    Bounded; safe to share between threads.
    """

    __slots__ = ("_capacity", "_good", "_known", "computed")

    def __init__(self, known: Iterable[tuple[bytes, ...]] = (), capacity: int = 1024) -> None:
        self._capacity = capacity
        self._known = frozenset(known)
        self._good: dict[tuple[bytes, ...], None] = {}
        self.computed = 0
        """How many signature verifications were computed rather than remembered (for benchmarks)."""

    def holds(self, key: tuple[bytes, ...], compute: Callable[[], bool]) -> bool:
        """Return the remembered True for ``key``, or compute the answer and remember it if it is True."""
        if key in self._good or key in self._known:
            return True
        self.computed += 1
        if not compute():
            return False
        if len(self._good) >= self._capacity:
            self._good.clear()
        self._good[key] = None
        return True
