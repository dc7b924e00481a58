"""Quotes byte by byte: header, body, signature data, and who signs what.

::

    v4: header 48 | TD report 584                         | u32 size | signature data
    v5: header 48 | u16 body type, u32 body size | report | u32 size | signature data
    v3: header 48 | SGX report 384                        | u32 size | signature data without the nesting
    signature data:  signature 64 | attestation key 64 | u16 6, u32 size | QE certification data
    QE certification data:  QE report 384 | signature 64 | u16 n, auth data n | u16 type, u32 size | certification data

All integers are little-endian. The attestation key signs everything before ``u32 size``. Source: Intel TDX DCAP
Quoting Library API, A.3; Intel SGX ECDSA Quote Library API, appendix A; ``sgx_quote_4.h``, ``sgx_quote_5.h``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from hashlib import sha256
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from voltage_attest.testing.keys import public_point, sign_raw

__all__ = ["Certification", "HeaderFields", "QeFields", "QuoteShape", "assemble_quote", "assemble_sgx_quote"]

_QE_REPORT_CERTIFICATION: Final = 6


class QuoteShape(Enum):
    """Quote version, v5 body type (None: no descriptor) and size of the body in bytes."""

    _value_: tuple[int, int | None, int]

    V4 = (4, None, 584)
    V5_TD10 = (5, 2, 584)
    V5_TD15 = (5, 3, 648)
    V5_TD15_EX = (5, 4, 885)

    @property
    def version(self) -> int:
        """4 or 5."""
        return self._value_[0]

    @property
    def body_type(self) -> int | None:
        """2, 3 or 4; None in a v4 quote."""
        return self._value_[1]

    @property
    def body_size(self) -> int:
        """584, 648 or 885."""
        return self._value_[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderFields:
    """The header after its version, 46 bytes: key type u16, TEE type u32, reserved 4, vendor id 16, user data 20."""

    attestation_key_type: int = 2
    tee_type: int = 0x81
    reserved: bytes = bytes(4)
    qe_vendor_id: bytes = bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")
    user_data: bytes = sha256(b"voltage-attest simulated QE id").digest()[:16] + bytes(4)

    def encode(self, version: int) -> bytes:
        """Return the 48 bytes of the header."""
        return (
            _u16(version)
            + _u16(self.attestation_key_type)
            + _u32(self.tee_type)
            + self.reserved
            + self.qe_vendor_id
            + self.user_data
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class QeFields:
    """The quoting enclave: its report, 384 bytes, and what it vouches for.

    ``cpu_svn`` and ``attributes`` 16 bytes (flags 8, XFRM 8), ``misc_select`` 4, ``mr_enclave`` and ``mr_signer`` 32.
    ``auth_data`` goes into the binding. ``report_data`` (64) is SHA-256(attestation key || auth data) and zeros
    unless given. ``report_key`` signs the report in place of the PCK leaf's key.
    """

    cpu_svn: bytes = bytes.fromhex("04041a1b04ff00060000000000000000")
    misc_select: bytes = bytes(4)
    attributes: bytes = bytes.fromhex("1500000000000000e700000000000000")
    mr_enclave: bytes = sha256(b"voltage-attest simulated TD quoting enclave").digest()
    mr_signer: bytes = bytes.fromhex("dc9e2a7c6f948f17474e34a7fc43ed030f7c1563f1babddf6340c82e0e54a8c5")
    isv_prod_id: int = 2
    isv_svn: int = 6
    auth_data: bytes = bytes(range(32))
    report_data: bytes | None = None
    report_key: ec.EllipticCurvePrivateKey | None = field(default=None, repr=False)

    def encode_report(self, attestation_key: bytes) -> bytes:
        """Return the 384 bytes of the enclave's report for that attestation key (x || y, 64 bytes)."""
        report_data = self.report_data
        if report_data is None:
            report_data = sha256(attestation_key + self.auth_data).digest() + bytes(32)
        return b"".join(
            (
                self.cpu_svn,
                self.misc_select,
                bytes(28),
                self.attributes,
                self.mr_enclave,
                bytes(32),
                self.mr_signer,
                bytes(96),
                _u16(self.isv_prod_id),
                _u16(self.isv_svn),
                bytes(60),
                report_data,
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Certification:
    """What leads from the QE report to the root: type 5 is the PCK chain in PEM, leaf first, then one NUL byte."""

    data: bytes
    type: int = 5


def assemble_quote(
    signed: bytes,
    *,
    attestation_key: ec.EllipticCurvePrivateKey,
    quote_key: ec.EllipticCurvePrivateKey,
    qe: QeFields,
    pck_key: ec.EllipticCurvePrivateKey,
    certification: Certification,
) -> bytes:
    """Append signature data, version 4 and 5, to the signed bytes.

    ``attestation_key`` is the one named in the quote and vouched for, ``quote_key`` the one that signs.
    """
    point = public_point(attestation_key)
    qe_data = _qe_certification(point, qe, pck_key, certification)
    signature_data = sign_raw(quote_key, signed) + point + _u16(_QE_REPORT_CERTIFICATION) + _sized(qe_data)
    return signed + _sized(signature_data)


def assemble_sgx_quote(
    signed: bytes,
    *,
    attestation_key: ec.EllipticCurvePrivateKey,
    qe: QeFields,
    pck_key: ec.EllipticCurvePrivateKey,
    certification: Certification,
) -> bytes:
    """Append signature data, version 3: the same parts without the outer certification type and size."""
    point = public_point(attestation_key)
    signature_data = sign_raw(attestation_key, signed) + point + _qe_certification(point, qe, pck_key, certification)
    return signed + _sized(signature_data)


def _qe_certification(point: bytes, qe: QeFields, pck_key: ec.EllipticCurvePrivateKey, certification: Certification) -> bytes:
    report = qe.encode_report(point)
    return b"".join(
        (
            report,
            sign_raw(qe.report_key or pck_key, report),
            _u16(len(qe.auth_data)) + qe.auth_data,
            _u16(certification.type) + _sized(certification.data),
        )
    )


def _u16(number: int) -> bytes:
    return number.to_bytes(2, "little")


def _u32(number: int) -> bytes:
    return number.to_bytes(4, "little")


def _sized(data: bytes) -> bytes:
    return _u32(len(data)) + data
