"""The firmware identity (FWID) in an NVIDIA leaf certificate: a SHA-384 digest that the report must repeat (TCG DICE).

::

    Hopper, LS10   2.23.133.5.4.1    SEQUENCE {INTEGER 1, SubjectPublicKeyInfo, SEQUENCE {OID sha384, OCTET STRING 48}}
    Blackwell      2.23.133.5.4.1.1  DiceTcbInfo, SEQUENCE of context tags; fwids is [6], SEQUENCE {OID sha384, OCTET STRING}+

Of DiceTcbInfo's digests the first counts; the second is all zeros on the device at hand, so taking the extension's last 48
bytes, as for Hopper, would give nothing at all.

Sources: TCG DICE Attestation Architecture 1.1, section 6.1; nv-local-gpu-verifier 2.7.3, ``cc_admin_utils.py``.
"""

from __future__ import annotations

from typing import Final

from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.der import INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, read_members, read_single

__all__ = ["COMPOSITE_DEVICE_ID_OID", "DICE_TCB_INFO_OID", "parse_composite_device_fwid", "parse_tcb_info_fwid"]

COMPOSITE_DEVICE_ID_OID: Final = bytes.fromhex("678105050401")
DICE_TCB_INFO_OID: Final = bytes.fromhex("67810505040101")

_SHA384: Final = bytes.fromhex("608648016503040202")
_DIGEST_SIZE: Final = 48
_VERSION: Final = (INTEGER, b"\x01")
_FWIDS: Final = 0xA6


def parse_composite_device_fwid(octets: bytes, what: str) -> bytes:
    """Return the FWID (48 bytes) of Hopper's and LS10's extension value; :class:`EvidenceFormatError` otherwise."""
    members = read_members(read_single(octets, SEQUENCE, what), what)
    if len(members) != 3 or members[0] != _VERSION or [tag for tag, _ in members[1:]] != [SEQUENCE, SEQUENCE]:
        raise EvidenceFormatError(f"{what}: a DICE extension of other shape", expected="version 1, a key, and a FWID")
    return _digest(members[2][1], what)


def parse_tcb_info_fwid(octets: bytes, what: str) -> bytes:
    """Return the first FWID (48 bytes) of Blackwell's DiceTcbInfo; :class:`EvidenceFormatError` otherwise."""
    lists = [value for tag, value in read_members(read_single(octets, SEQUENCE, what), what) if tag == _FWIDS]
    fwids = read_members(lists[0], what) if len(lists) == 1 else []
    if not fwids or fwids[0][0] != SEQUENCE:
        raise EvidenceFormatError(f"{what}: DiceTcbInfo with {len(fwids)} FWIDs", expected="one list of one FWID at least")
    return _digest(fwids[0][1], what)


def _digest(content: bytes, what: str) -> bytes:
    members = read_members(content, what)
    if len(members) != 2 or members[0] != (OBJECT_IDENTIFIER, _SHA384) or members[1][0] != OCTET_STRING:
        raise EvidenceFormatError(f"{what}: a FWID of another algorithm", expected="SHA-384 and its digest")
    if len(members[1][1]) != _DIGEST_SIZE:
        raise EvidenceFormatError(f"{what}: a FWID of {len(members[1][1])} bytes", expected=f"{_DIGEST_SIZE} bytes")
    return members[1][1]
