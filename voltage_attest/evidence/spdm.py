"""An SPDM 1.1 measurement exchange: the request that carries the verifier's nonce, and the signed response.

::

    request, 37 bytes:  11 E0 | param1 | param2 | nonce 32 | slot
    response:           11 60 | 00 00 | u8 blocks, u24 record size | record | responder nonce 32 | u16 size, data | signature 96
    block:              u8 index | u8 1 (DMTF) | u16 size | u8 value type | u16 value size | value 48

Integers are little-endian, sizes nest exactly, nothing follows the signature. What a device's key signs is request and response
without the last 96 bytes. The verifier's nonce is the one of the **request**; the responder's is random and proves nothing.
Stricter than NVIDIA's own tools, which look at version and code of the request alone: it must ask for a signature (param1 1)
over all measurements (param2 FF) from certificate slot 0.

Sources: DMTF DSP0274 1.1, sections 10.11.1 and 10.11.2; NVIDIA attestation-sdk 1.2.2, ``spdm/spdm_req.cpp``, ``spdm_resp.cpp``.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Final

from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.cursor import Cursor
from voltage_attest.limits import NONCE_SIZE

__all__ = [
    "DIGEST_SIZE",
    "MAX_REPORT_SIZE",
    "NONCE_SIZE",
    "REQUEST_SIZE",
    "SIGNATURE_SIZE",
    "Measurement",
    "MeasurementExchange",
    "parse_exchange",
]

REQUEST_SIZE: Final = 37
SIGNATURE_SIZE: Final = 96
"""Bytes of ECDSA P-384, r||s."""
DIGEST_SIZE: Final = 48
"""Bytes of a measurement: a SHA-384 digest."""

MAX_REPORT_SIZE: Final = 32 * 1024
"""Bytes. Real reports have 2168 to 4277."""

_REQUEST_HEAD: Final = bytes.fromhex("11e001ff")
_RESPONSE_HEAD: Final = bytes.fromhex("11600000")
_DMTF: Final = 1
_RAW_BIT_STREAM: Final = 0x80
_BLOCK: Final = Struct(f"<BBHBH{DIGEST_SIZE}s")
"""Index, specification, measurement size, value type, value size, digest: 55 bytes."""
_SIZES: Final = (DIGEST_SIZE + 3, DIGEST_SIZE)


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measurement block: its SPDM index (from 1; NVIDIA's reference values count from 0), type and digest (48 bytes)."""

    index: int
    value_type: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class MeasurementExchange:
    """Request and response as one: ``raw`` is all of it, ``signed_bytes`` all but the signature r||s (96 bytes, P-384).

    ``nonce`` is the verifier's (request), ``responder_nonce`` the device's own. ``measurements`` are in order of arrival.
    """

    raw: bytes
    nonce: bytes
    measurements: tuple[Measurement, ...]
    responder_nonce: bytes
    opaque_data: bytes
    signed_bytes: bytes
    signature: bytes


def parse_exchange(data: bytes) -> MeasurementExchange:
    """Read a raw exchange of at most 32 KiB; :class:`EvidenceFormatError` names the first thing that does not fit."""
    if len(data) > MAX_REPORT_SIZE:
        raise EvidenceFormatError(f"the report has {len(data)} bytes", expected=f"at most {MAX_REPORT_SIZE}")
    cursor = Cursor(data, "attestation report")
    nonce = _read_request(cursor)
    head = cursor.take(4, "response header")
    if head != _RESPONSE_HEAD:
        raise EvidenceFormatError(
            f"SPDM response {head.hex()}", expected=f"{_RESPONSE_HEAD.hex()} (1.1, MEASUREMENTS)", offset=REQUEST_SIZE
        )
    count = cursor.u8("number of blocks")
    size = int.from_bytes(cursor.take(3, "measurement record size"), "little")
    measurements = _read_record(cursor.nested(size, "measurement record"), count)
    responder_nonce = cursor.take(NONCE_SIZE, "responder nonce")
    opaque_data = cursor.take(cursor.u16("opaque data size"), "opaque data")
    signed_bytes = data[: cursor.position]
    signature = cursor.take(SIGNATURE_SIZE, "signature")
    cursor.finish()
    return MeasurementExchange(data, nonce, measurements, responder_nonce, opaque_data, signed_bytes, signature)


def _read_request(cursor: Cursor) -> bytes:
    """The verifier's nonce out of the request's 37 bytes."""
    head = cursor.take(4, "request header")
    if head != _REQUEST_HEAD:
        raise EvidenceFormatError(
            f"SPDM request {head.hex()}",
            expected=f"{_REQUEST_HEAD.hex()} (1.1, GET_MEASUREMENTS, signed, all measurements)",
            remedy="Pass the attestation report's bytes: request and response, as the device's driver returns them.",
            offset=0,
        )
    nonce = cursor.take(NONCE_SIZE, "request nonce")
    slot = cursor.u8("certificate slot")
    if slot:
        raise EvidenceFormatError(f"certificate slot {slot}", expected="slot 0, NVIDIA's own", offset=REQUEST_SIZE - 1)
    return nonce


def _read_record(record: Cursor, count: int) -> tuple[Measurement, ...]:
    """The blocks, all of the one size that a digest gives them."""
    start = record.position
    if not count or record.remaining != count * _BLOCK.size:
        raise EvidenceFormatError(
            f"a measurement record of {record.remaining} bytes for {count} blocks",
            expected=f"one block at least, of {_BLOCK.size} bytes each",
            offset=start,
        )
    measurements: dict[int, Measurement] = {}
    blocks = _BLOCK.iter_unpack(record.take(record.remaining, "measurement record"))
    for place, (index, specification, size, value_type, value_size, digest) in enumerate(blocks):
        if not index or specification != _DMTF or value_type >= _RAW_BIT_STREAM or (size, value_size) != _SIZES:
            raise EvidenceFormatError(
                f"measurement block {index}: specification {specification}, type {value_type:#04x}, "
                f"sizes {size} and {value_size}",
                expected="index from 1, DMTF (1), a digest (type below 0x80) of 48 bytes in a measurement of 51",
                offset=start + place * _BLOCK.size,
            )
        if index in measurements:
            raise EvidenceFormatError(
                f"measurement index {index} occurs twice", expected="each index once", offset=start + place * _BLOCK.size
            )
        measurements[index] = Measurement(index, value_type, digest)
    return tuple(measurements.values())
