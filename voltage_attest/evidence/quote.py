"""TDX quotes, version 4 and 5.

::

    v4: header 48 | TD report 1.0, 584                    | u32 size | signature data
    v5: header 48 | u16 body type, u32 body size | report | u32 size | signature data
    signature data:  signature 64 | attestation key 64 | u16 6, u32 size | QE certification data
    QE certification data:  QE report 384 | signature 64 | u16 n, auth data n | u16 type, u32 size | certification data

All integers are little-endian; sizes nest exactly. The signed bytes are everything before ``u32 size``, the six bytes of
the v5 descriptor included. After the declared end a quote may be padded with zero bytes (guests allocate for the largest
body); those are unauthenticated, are dropped and never read. Any other trailing byte is refused.

Sources: Intel TDX DCAP Quoting Library API, A.3; QVL ``QuoteVerification/Quote.cpp`` and ``QuoteStructures.cpp``;
``sgx_quote_4.h`` and ``sgx_quote_5.h``.
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import Final, NamedTuple

from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.cursor import Cursor
from voltage_attest.evidence.enclave_report import ENCLAVE_REPORT_SIZE, EnclaveReport, parse_enclave_report
from voltage_attest.evidence.encoding import MAX_QUOTE_SIZE
from voltage_attest.evidence.td_report import TD_REPORT_SIZES, BodyType, TdReport, parse_td_report

__all__ = ["HEADER_SIZE", "INTEL_QE_VENDOR_ID", "CertificationDataType", "TdxQuote", "parse_quote"]

HEADER_SIZE: Final = 48
INTEL_QE_VENDOR_ID: Final = bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")

_HEADER: Final = Struct("<HI4s16s20s")
"""What follows the version: key type, TEE type, reserved, QE vendor id, user data."""

_SIGNED: Final = Struct("<64s64sHI")
"""Quote signature, attestation key; type and size of what follows."""

_VOUCHED: Final = Struct(f"<{ENCLAVE_REPORT_SIZE}s64sH")
"""QE report, its signature; size of the authentication data that follows."""

_TYPE_AND_SIZE: Final = Struct("<HI")
_ECDSA_P256: Final = 2
_TEE_SGX: Final = 0x00
_TEE_TDX: Final = 0x81


class CertificationDataType(IntEnum):
    """What a quote carries to lead from the QE report to Intel's root (Quoting Library API, A.3.9)."""

    PPID_CLEARTEXT = 1
    PPID_RSA2048 = 2
    PPID_RSA3072 = 3
    PCK_LEAF = 4
    PCK_CHAIN = 5
    QE_REPORT = 6
    PLATFORM_MANIFEST = 7


_QE_REPORT: Final = int(CertificationDataType.QE_REPORT)
_BODY_TYPES: Final = {int(kind): kind for kind in TD_REPORT_SIZES}
_INNER_TYPES: Final = {int(kind): kind for kind in CertificationDataType if kind <= CertificationDataType.PCK_CHAIN}


class TdxQuote(NamedTuple):
    """One TDX quote. ``raw`` ends at the declared end; ``padding`` counts the zero bytes after it.

    ``signed_bytes`` is what the attestation key signed. ``signature`` is r||s (64), ``attestation_key`` x||y (64), both
    big-endian P-256. ``reserved`` is bytes 8 to 11 of the header. ``user_data`` is 20 bytes, its first 16 the QE id.
    """

    raw: bytes
    version: int
    reserved: bytes
    qe_vendor_id: bytes
    user_data: bytes
    body_type: BodyType
    td_report: TdReport
    signed_bytes: bytes
    signature: bytes
    attestation_key: bytes
    qe_report: EnclaveReport
    qe_report_signature: bytes
    qe_auth_data: bytes
    certification_data_type: CertificationDataType
    certification_data: bytes
    padding: int


def parse_quote(data: bytes) -> TdxQuote:
    """Read a raw TDX quote of at most 64 KiB; :class:`EvidenceFormatError` names the first thing that does not fit."""
    if len(data) > MAX_QUOTE_SIZE:
        raise EvidenceFormatError(f"the quote has {len(data)} bytes", expected=f"at most {MAX_QUOTE_SIZE}")
    cursor = Cursor(data, "quote")
    version = cursor.u16("version")
    if version not in (3, 4, 5):
        raise EvidenceFormatError(
            f"quote version {version}",
            expected="version 4 or 5",
            remedy="Check that the file is a quote, not a TD report or other evidence.",
            offset=0,
        )
    key_type, tee_type, reserved, qe_vendor_id, user_data = _HEADER.unpack(cursor.take(_HEADER.size, "header"))
    _require_tdx(version, tee_type)
    if key_type != _ECDSA_P256:
        raise EvidenceFormatError(
            f"attestation key type {key_type}",
            expected="2 (ECDSA P-256)",
            remedy="No Intel quoting enclave in production signs with another; ask the provider.",
            offset=2,
        )
    body_type = BodyType.TD_REPORT_10 if version == 4 else _read_body_type(cursor)
    td_report = parse_td_report(body_type, cursor.take(TD_REPORT_SIZES[body_type], "TD report"))
    signed_bytes = data[: cursor.position]

    signature_data = cursor.nested(cursor.u32("signature data size"), "signature data")
    end = cursor.position
    signature, attestation_key, outer_type, qe_size = _SIGNED.unpack(
        signature_data.take(_SIGNED.size, "quote signature and attestation key")
    )
    if outer_type != _QE_REPORT:
        raise EvidenceFormatError(
            f"outer certification data type {outer_type}",
            expected="6 (QE report certification data)",
            offset=signature_data.position - 6,
        )
    qe_data = signature_data.nested(qe_size, "QE report certification data")
    signature_data.finish()

    qe_report, qe_report_signature, auth_size = _VOUCHED.unpack(qe_data.take(_VOUCHED.size, "QE report and signature"))
    qe_auth_data = qe_data.take(auth_size, "QE authentication data")
    number, inner_size = _TYPE_AND_SIZE.unpack(qe_data.take(_TYPE_AND_SIZE.size, "type and size of certification data"))
    inner_type = _INNER_TYPES.get(number)
    if inner_type is None:
        raise EvidenceFormatError(f"inner certification data type {number}", expected="1 to 5", offset=qe_data.position - 6)
    certification_data = qe_data.take(inner_size, "certification data")
    qe_data.finish()

    return TdxQuote(
        data[:end],
        version,
        reserved,
        qe_vendor_id,
        user_data,
        body_type,
        td_report,
        signed_bytes,
        signature,
        attestation_key,
        parse_enclave_report(qe_report),
        qe_report_signature,
        qe_auth_data,
        inner_type,
        certification_data,
        _count_padding(data, end),
    )


def _require_tdx(version: int, tee_type: int) -> None:
    if version == 3 or tee_type == _TEE_SGX:
        raise EvidenceFormatError(
            f"an SGX quote (version {version}, TEE type {tee_type:#x})",
            expected="a TDX quote (version 4 or 5, TEE type 0x81)",
            remedy="An SGX enclave is not a TD: ask for the quote of the pod's virtual machine.",
            offset=0 if version == 3 else 4,
        )
    if tee_type != _TEE_TDX:
        raise EvidenceFormatError(f"TEE type {tee_type:#x}", expected="0x81 (TDX)", offset=4)


def _read_body_type(cursor: Cursor) -> BodyType:
    number, size = _TYPE_AND_SIZE.unpack(cursor.take(_TYPE_AND_SIZE.size, "body type and size"))
    body_type = _BODY_TYPES.get(number)
    if body_type is None:
        raise EvidenceFormatError(
            f"quote body type {number}", expected="2, 3 or 4 (TD report 1.0, 1.5 or 1.5ex)", offset=HEADER_SIZE
        )
    if size != TD_REPORT_SIZES[body_type]:
        raise EvidenceFormatError(
            f"quote body type {number} of {size} bytes",
            expected=f"{TD_REPORT_SIZES[body_type]} bytes",
            offset=HEADER_SIZE + 2,
        )
    return body_type


def _count_padding(data: bytes, end: int) -> int:
    padding = len(data) - end
    if data.count(0, end) != padding:
        stray = next(offset for offset in range(end, len(data)) if data[offset])
        raise EvidenceFormatError(
            f"byte {data[stray]:#04x} after the quote's declared end",
            expected=f"nothing but zero padding after byte {end}",
            offset=stray,
        )
    return padding
