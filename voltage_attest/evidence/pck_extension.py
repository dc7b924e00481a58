"""The SGX extension of a PCK certificate, OID 1.2.840.113741.1.13.1: which platform, at which TCB.

{OID, value} entries: .1 PPID (16 bytes), .2 TCB {.1-.16 component SVNs, .17 PCESVN, .18 CPUSVN}, .3 PCEID (2), .4 FMSPC (6),
.5 SGX type; under the Platform CA also .6 platform instance id (16) and .7 configuration {dynamic platform, cached keys, SMT}.
Every entry occurs exactly once, none is unknown, nothing trails.

Source: Intel SGX PCK Certificate and CRL Profile Specification, section 1.3.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.der import (
    BOOLEAN,
    ENUMERATED,
    INTEGER,
    OBJECT_IDENTIFIER,
    OCTET_STRING,
    SEQUENCE,
    read_members,
    read_single,
)

__all__ = ["PCK_EXTENSION_OID", "PckExtension", "parse_pck_extension"]

PCK_EXTENSION_OID: Final = bytes.fromhex("2a864886f84d010d01")
"""1.2.840.113741.1.13.1, as DER content octets; the entries' OIDs begin with it."""

_SGX_TYPES: Final = ("Standard", "Scalable", "Scalable with Integrity")


@dataclass(frozen=True, slots=True)
class PckExtension:
    """What Intel certified about the platform.

    ``ppid`` 16 bytes, ``components`` 16 SVNs (0 to 255), ``pce_svn`` 0 to 65535, ``cpu_svn`` 16, ``pce_id`` 2, ``fmspc`` 6,
    ``platform_instance_id`` 16 or None. The flags are None where the Processor CA issued the certificate.
    """

    ppid: bytes
    components: tuple[int, ...]
    pce_svn: int
    cpu_svn: bytes
    pce_id: bytes
    fmspc: bytes
    sgx_type: str
    platform_instance_id: bytes | None = None
    dynamic_platform: bool | None = None
    cached_keys: bool | None = None
    smt_enabled: bool | None = None


_PPID, _TCB, _PCE_ID, _FMSPC, _SGX_TYPE, _INSTANCE_ID, _CONFIGURATION = range(1, 8)
_NAMES: Final = {
    _PPID: "PPID",
    _TCB: "TCB",
    _PCE_ID: "PCEID",
    _FMSPC: "FMSPC",
    _SGX_TYPE: "SGX type",
    _INSTANCE_ID: "platform instance id",
    _CONFIGURATION: "configuration",
}
_MANDATORY: Final = (_PPID, _TCB, _PCE_ID, _FMSPC, _SGX_TYPE)
_PCE_SVN: Final = 17
_CPU_SVN: Final = 18
_TCB_ENTRIES: Final = range(1, _CPU_SVN + 1)
_DYNAMIC_PLATFORM, _CACHED_KEYS, _SMT_ENABLED = range(1, 4)
_FLAGS: Final = range(_DYNAMIC_PLATFORM, _SMT_ENABLED + 1)


def _entry_head(number: int, value_head: bytes, size: int) -> bytes:
    """What stands in a TCB entry before the last ``size`` octets, those of its value that differ."""
    oid = PCK_EXTENSION_OID + bytes((_TCB, number))
    entry = bytes((OBJECT_IDENTIFIER, len(oid))) + oid + value_head
    return bytes((SEQUENCE, len(entry) + size)) + entry


_SVN_HEADS: Final = tuple(
    [(_entry_head(number, b"\x02\x01", 1), _entry_head(number, b"\x02\x02\0", 1)) for number in range(1, _CPU_SVN)]
)
"""Of an SVN below 128; and of one up to 255, where DER puts a zero octet so that the INTEGER is not negative."""
_CPU_SVN_HEAD: Final = _entry_head(_CPU_SVN, b"\x04\x10", 16)

_Entries = dict[int, tuple[int, bytes]]
"""Last OID arc to (tag, value)."""


def parse_pck_extension(value: bytes) -> PckExtension:
    """Read the extension's value (the octets inside the X.509 extension); :class:`EvidenceFormatError` otherwise."""
    entries = _read_entries(read_single(value, SEQUENCE, "PCK extension"), b"", range(1, 8), "PCK extension")
    missing = [_NAMES[number] for number in _MANDATORY if number not in entries]
    if missing:
        raise EvidenceFormatError(f"PCK extension without {', '.join(missing)}", expected="all mandatory entries")
    components, pce_svn, cpu_svn = _read_tcb(_octets(entries, _TCB, SEQUENCE, None))
    flags = _read_flags(entries)
    return PckExtension(
        ppid=_octets(entries, _PPID, OCTET_STRING, 16),
        components=components,
        pce_svn=pce_svn,
        cpu_svn=cpu_svn,
        pce_id=_octets(entries, _PCE_ID, OCTET_STRING, 2),
        fmspc=_octets(entries, _FMSPC, OCTET_STRING, 6),
        sgx_type=_sgx_type(_octets(entries, _SGX_TYPE, ENUMERATED, 1)[0]),
        platform_instance_id=_octets(entries, _INSTANCE_ID, OCTET_STRING, 16) if _INSTANCE_ID in entries else None,
        dynamic_platform=flags.get(_DYNAMIC_PLATFORM),
        cached_keys=flags.get(_CACHED_KEYS),
        smt_enabled=flags.get(_SMT_ENABLED),
    )


def _read_tcb(octets: bytes) -> tuple[tuple[int, ...], int, bytes]:
    """Components, PCESVN and CPUSVN; the order of the entries is free."""
    issued = _read_tcb_as_issued(octets)
    if issued is not None:
        return issued
    tcb = _read_entries(octets, bytes((_TCB,)), _TCB_ENTRIES, "TCB")
    if len(tcb) != len(_TCB_ENTRIES):
        raise EvidenceFormatError(f"TCB with {len(tcb)} entries", expected=f"{len(_TCB_ENTRIES)} entries")
    return (
        tuple([_unsigned(tcb, number, 0xFF) for number in range(1, _PCE_SVN)]),
        _unsigned(tcb, _PCE_SVN, 0xFFFF),
        _octets(tcb, _CPU_SVN, OCTET_STRING, 16),
    )


def _read_tcb_as_issued(octets: bytes) -> tuple[tuple[int, ...], int, bytes] | None:
    """The same where it stands as Intel issues it, entries in order and SVNs below 256: compared, not taken apart."""
    position, svns = 0, b""
    for short, long in _SVN_HEADS:
        head = short if octets.startswith(short, position) else long
        if not octets.startswith(head, position):
            return None
        position += len(head)
        svn = octets[position : position + 1]
        if (svn >= b"\x80") is not (head is long):
            return None
        position += 1
        svns += svn
    cpu_svn = octets[position + len(_CPU_SVN_HEAD) :]
    if not octets.startswith(_CPU_SVN_HEAD, position) or len(cpu_svn) != 16:
        return None
    *components, pce_svn = svns
    return tuple(components), pce_svn, cpu_svn


def _read_entries(octets: bytes, arc: bytes, allowed: range, what: str) -> _Entries:
    """Read {OID, value} entries; keys are the OID's last arc below the extension's own and ``arc``."""
    prefix = PCK_EXTENSION_OID + arc
    head = bytes((OBJECT_IDENTIFIER, len(prefix) + 1)) + prefix  # an entry's first octets, all but the last arc
    size = len(head)
    entries: _Entries = {}
    for tag, entry in read_members(octets, what):
        values = read_members(entry[size + 1 :], what) if entry.startswith(head) else []
        if tag != SEQUENCE or len(values) != 1:
            raise _foreign_entry(tag, entry, what)
        number = entry[size]
        if number not in allowed:
            raise _foreign_entry(tag, entry, what)
        if number in entries:
            raise EvidenceFormatError(f"{what}: entry {number} occurs twice", expected="each entry once")
        entries[number] = values[0]
    return entries


def _foreign_entry(tag: int, entry: bytes, what: str) -> EvidenceFormatError:
    members = read_members(entry, what)
    if tag != SEQUENCE or len(members) != 2 or members[0][0] != OBJECT_IDENTIFIER:
        return EvidenceFormatError(f"{what}: an entry {entry.hex()}", expected="a SEQUENCE of OID and value")
    return EvidenceFormatError(f"{what}: unknown entry {members[0][1].hex()}", expected="only the specified entries")


def _octets(entries: _Entries, number: int, tag: int, size: int | None) -> bytes:
    found, octets = entries[number]
    if found != tag or (size is not None and len(octets) != size):
        raise EvidenceFormatError(
            f"entry {number}: tag {found:#04x}, {len(octets)} bytes",
            expected=f"tag {tag:#04x}" + ("" if size is None else f", {size} bytes"),
        )
    return octets


def _unsigned(entries: _Entries, number: int, limit: int) -> int:
    """A non-negative INTEGER, minimally encoded (a leading zero octet exactly where the next has its high bit set)."""
    tag, octets = entries[number]
    value = int.from_bytes(octets, "big", signed=True)
    if tag != INTEGER:
        _octets(entries, number, INTEGER, None)
    if not octets or not 0 <= value <= limit or len(octets) != value.bit_length() // 8 + 1:
        raise EvidenceFormatError(f"entry {number}: INTEGER {octets.hex()}", expected=f"0 to {limit}, minimally encoded")
    return value


def _sgx_type(number: int) -> str:
    if number >= len(_SGX_TYPES):
        raise EvidenceFormatError(f"SGX type {number}", expected="0, 1 or 2")
    return _SGX_TYPES[number]


def _read_flags(entries: _Entries) -> dict[int, bool]:
    if _CONFIGURATION not in entries:
        return {}
    arc = bytes((_CONFIGURATION,))
    configuration = _read_entries(_octets(entries, _CONFIGURATION, SEQUENCE, None), arc, _FLAGS, "configuration")
    flags = {number: _octets(configuration, number, BOOLEAN, 1)[0] for number in configuration}
    if not set(flags.values()) <= {0x00, 0xFF}:
        raise EvidenceFormatError(f"BOOLEAN {sorted(flags.values())}", expected="0 or 255 (DER)")
    return {number: octet == 0xFF for number, octet in flags.items()}
