"""The DICE extensions of device leaves, which carry the firmware identity (FWID) that the report repeats.

::

    Hopper, LS10   2.23.133.5.4.1    SEQUENCE {INTEGER 1, SubjectPublicKeyInfo of the BROM key, SEQUENCE {OID sha384, FWID}}
    Blackwell      2.23.133.5.4.1.1  DiceTcbInfo: vendor, model, version, SVN, layer, index, [6] {FWID, 48 zero bytes}, flags

Sources: the leaves of an H100, a GB100 and an LS10; TCG DICE Attestation Architecture 1.1, section 6.1.
"""

from __future__ import annotations

from typing import Final

from cryptography import x509

from voltage_attest.testing.nvidia.der import context, integer, octet_string, oid, sequence, tlv

__all__ = ["composite_device_id", "dice_tcb_info"]

_SHA384: Final = "2.16.840.1.101.3.4.2.2"
_VENDOR, _MODEL, _VERSION, _SVN, _LAYER, _INDEX, _FLAGS, _VENDOR_INFO, _TYPE = (
    0x80,
    0x81,
    0x82,
    0x83,
    0x84,
    0x85,
    0x87,
    0x88,
    0x89,
)
_FWIDS: Final = 6


def composite_device_id(brom_spki: bytes, fwid: bytes) -> x509.UnrecognizedExtension:
    """Return Hopper's and LS10's extension."""
    value = sequence(integer(1), brom_spki, _fwid(fwid))
    return x509.UnrecognizedExtension(x509.ObjectIdentifier("2.23.133.5.4.1"), value)


def dice_tcb_info(model: str, fwid: bytes) -> x509.UnrecognizedExtension:
    """Return Blackwell's extension; ``model`` as in ``GB100 A01 GSP``."""
    value = sequence(
        tlv(_VENDOR, b"NVIDIA"),
        tlv(_MODEL, model.encode("ascii")),
        tlv(_VERSION, b"01"),
        tlv(_SVN, b"\x01"),
        tlv(_LAYER, b"\0"),
        tlv(_INDEX, b"\0"),
        context(_FWIDS, _fwid(fwid), _fwid(bytes(48))),
        tlv(_FLAGS, bytes.fromhex("0080000001")),
        tlv(_VENDOR_INFO, b"\xc0"),
        tlv(_TYPE, b"\0"),
    )
    return x509.UnrecognizedExtension(x509.ObjectIdentifier("2.23.133.5.4.1.1"), value)


def _fwid(digest: bytes) -> bytes:
    return sequence(oid(_SHA384), octet_string(digest))
