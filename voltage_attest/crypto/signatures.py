"""ECDSA over P-256 and P-384, and the memory of signatures already found good.

Raw signatures are r||s, both big-endian: 64 bytes in Intel's quotes and collateral, 96 in NVIDIA's reports. X.509 carries DER.
Keys in quotes are 64 bytes x||y.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from voltage_attest.evidence.der import SEQUENCE

__all__ = [
    "P256",
    "P384",
    "P384_SIGNATURE_SIZE",
    "P384_STATUS",
    "SIGNATURE_SIZE",
    "Curve",
    "PointLoader",
    "SignatureMemo",
    "load_p256_point",
    "p256_verifies",
    "p256_verifies_der",
    "p384_verifies",
    "verifies_der",
]

SIGNATURE_SIZE: Final = 64
"""Bytes of a raw P-256 signature r||s."""
P384_SIGNATURE_SIZE: Final = 96
"""Bytes of a raw P-384 signature r||s."""

_SHA256: Final = ec.ECDSA(hashes.SHA256())
_SHA384: Final = ec.ECDSA(hashes.SHA384())
_ECDSA_WITH_SHA256: Final = (SEQUENCE, bytes.fromhex("06082a8648ce3d040302"))
_ECDSA_WITH_SHA384: Final = (SEQUENCE, bytes.fromhex("06082a8648ce3d040303"))
"""AlgorithmIdentifiers {1.2.840.10045.4.3.2} and {...3}, without parameters (RFC 5758, section 3.2)."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A curve, and how signatures with its keys may be made: tag and content of an AlgorithmIdentifier to the hash it names."""

    name: str
    field: type[ec.EllipticCurve]
    scheme: str
    algorithms: Mapping[tuple[int, bytes], ec.ECDSA]


P256: Final = Curve("P-256", ec.SECP256R1, "ECDSA-SHA256", {_ECDSA_WITH_SHA256: _SHA256})
"""Intel's."""
P384: Final = Curve("P-384", ec.SECP384R1, "ECDSA-SHA384", {_ECDSA_WITH_SHA384: _SHA384})
"""NVIDIA's devices and manifests."""
P384_STATUS: Final = Curve(
    "P-384",
    ec.SECP384R1,
    "ECDSA-SHA384 or ECDSA-SHA256",
    {_ECDSA_WITH_SHA384: _SHA384, _ECDSA_WITH_SHA256: _SHA256},
)
"""What says whether a certificate of NVIDIA's is revoked: its CRLs are signed with P-384 keys over SHA-256."""


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
    return verifies_der(key, signature, message, _SHA256)


def p384_verifies(key: ec.EllipticCurvePublicKey, signature: bytes, message: bytes) -> bool:
    """Whether ``signature`` (r||s, 96 bytes) over SHA-384 of ``message`` was made with ``key``, a P-384 key. Never raises."""
    if len(signature) != P384_SIGNATURE_SIZE:
        return False
    r, s = int.from_bytes(signature[:48], "big"), int.from_bytes(signature[48:], "big")
    return verifies_der(key, encode_dss_signature(r, s), message, _SHA384)


def verifies_der(key: ec.EllipticCurvePublicKey, signature: bytes, message: bytes, ecdsa: ec.ECDSA) -> bool:
    """Whether ``signature`` (DER) over ``message`` was made with ``key`` and that hash. Never raises."""
    try:
        key.verify(signature, message, ecdsa)
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
