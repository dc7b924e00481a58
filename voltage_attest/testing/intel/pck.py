"""What a PCK certificate certifies: the platform, encoded as the SGX extension, OID 1.2.840.113741.1.13.1.

An encoder of its own, not the inverse of the parser in ``evidence``: a mistake in one must not be cancelled by the
other.

Source: Intel SGX PCK Certificate and CRL Profile Specification, section 1.3.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from cryptography import x509

__all__ = ["PROCESSOR_PCK", "PckFields", "SgxType", "encode_pck_extension"]

_EXTENSION: Final = x509.ObjectIdentifier("1.2.840.113741.1.13.1")
_ARC: Final = bytes.fromhex("2a864886f84d010d01")

_BOOLEAN, _INTEGER, _OCTET_STRING, _OID, _ENUMERATED, _SEQUENCE = 0x01, 0x02, 0x04, 0x06, 0x0A, 0x30


class SgxType(IntEnum):
    """How the platform protects SGX memory, entry .5."""

    STANDARD = 0
    SCALABLE = 1
    SCALABLE_WITH_INTEGRITY = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class PckFields:
    """One platform at one TCB. The default is an Emerald Rapids server, fully updated in November 2026.

    ``components``: 16 SVNs, 0 to 255. ``pce_svn``: 0 to 65535. ``cpu_svn``: 16 bytes, the components themselves
    unless given. ``ppid`` 16 bytes, ``pce_id`` 2, ``fmspc`` 6. ``platform_instance_id`` (16) and the three flags are
    certified by the Platform CA only; None leaves them out.
    """

    fmspc: bytes = bytes.fromhex("b0c06f000000")
    pce_id: bytes = bytes(2)
    ppid: bytes = bytes.fromhex("f1c710a5f1c710a5f1c710a5f1c710a5")
    components: tuple[int, ...] = (4, 4, 2, 2, 4, 1, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0)
    pce_svn: int = 11
    cpu_svn: bytes | None = None
    sgx_type: SgxType = SgxType.SCALABLE
    platform_instance_id: bytes | None = bytes.fromhex("f1c71057a7e0f1c71057a7e0f1c71057")
    dynamic_platform: bool | None = True
    cached_keys: bool | None = True
    smt_enabled: bool | None = True


PROCESSOR_PCK: Final = PckFields(
    platform_instance_id=None, dynamic_platform=None, cached_keys=None, smt_enabled=None, sgx_type=SgxType.STANDARD
)
"""A platform as the Processor CA certifies it: without platform instance id and flags."""


def encode_pck_extension(fields: PckFields) -> x509.UnrecognizedExtension:
    """Return the X.509 extension: SEQUENCE of {OID, value}, entries .1 to .5, and .6 and .7 where certified."""
    entries = [
        _entry((1,), _tlv(_OCTET_STRING, fields.ppid)),
        _entry((2,), _encode_tcb(fields)),
        _entry((3,), _tlv(_OCTET_STRING, fields.pce_id)),
        _entry((4,), _tlv(_OCTET_STRING, fields.fmspc)),
        _entry((5,), _tlv(_ENUMERATED, bytes((fields.sgx_type,)))),
    ]
    if fields.platform_instance_id is not None:
        entries.append(_entry((6,), _tlv(_OCTET_STRING, fields.platform_instance_id)))
    flags = (fields.dynamic_platform, fields.cached_keys, fields.smt_enabled)
    if any(flag is not None for flag in flags):
        entries.append(_entry((7,), _encode_flags(flags)))
    return x509.UnrecognizedExtension(_EXTENSION, _tlv(_SEQUENCE, b"".join(entries)))


def _encode_tcb(fields: PckFields) -> bytes:
    svns = [*fields.components, fields.pce_svn]
    entries = [_entry((2, number), _integer(svn)) for number, svn in enumerate(svns, start=1)]
    cpu_svn = bytes(fields.components) if fields.cpu_svn is None else fields.cpu_svn
    return _tlv(_SEQUENCE, b"".join((*entries, _entry((2, len(svns) + 1), _tlv(_OCTET_STRING, cpu_svn)))))


def _encode_flags(flags: tuple[bool | None, ...]) -> bytes:
    return _tlv(
        _SEQUENCE,
        b"".join(
            _entry((7, number), _tlv(_BOOLEAN, b"\xff" if flag else b"\x00"))
            for number, flag in enumerate(flags, start=1)
            if flag is not None
        ),
    )


def _entry(arcs: tuple[int, ...], value: bytes) -> bytes:
    return _tlv(_SEQUENCE, _tlv(_OID, _ARC + bytes(arcs)) + value)


def _integer(number: int) -> bytes:
    """A non-negative INTEGER: one bit more than the number needs keeps it so."""
    return _tlv(_INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def _tlv(tag: int, value: bytes) -> bytes:
    size = len(value)
    if size < 0x80:
        return bytes((tag, size)) + value
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + value
