"""The SGX report of the quoting enclave, 384 bytes (Intel SDM vol. 3D, REPORT; ``sgx_report_body_t``)."""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple

from voltage_attest.errors import EvidenceFormatError

__all__ = ["ENCLAVE_REPORT_SIZE", "EnclaveReport", "parse_enclave_report"]

_LAYOUT: Final = Struct("<16s4s28x16s32s32x32s96xHH60x64s")
"""CPUSVN, MISCSELECT, ATTRIBUTES, MRENCLAVE, MRSIGNER, ISVPRODID, ISVSVN, REPORTDATA; what lies between is reserved."""

ENCLAVE_REPORT_SIZE: Final = _LAYOUT.size
"""384 bytes."""


class EnclaveReport(NamedTuple):
    """The fields that identify an enclave; ``raw`` is the 384 bytes that the PCK key signed.

    ``cpu_svn`` 16, ``misc_select`` 4, ``attributes`` 16 (flags 8, XFRM 8), ``mr_enclave`` 32, ``mr_signer`` 32,
    ``report_data`` 64. ``isv_prod_id`` and ``isv_svn`` are little-endian u16.
    """

    raw: bytes
    cpu_svn: bytes
    misc_select: bytes
    attributes: bytes
    mr_enclave: bytes
    mr_signer: bytes
    isv_prod_id: int
    isv_svn: int
    report_data: bytes

    @property
    def debug(self) -> bool:
        """ATTRIBUTES.DEBUG, bit 1 of the flags."""
        return bool(self.attributes[0] & 0x02)


def parse_enclave_report(raw: bytes) -> EnclaveReport:
    """Read an SGX report body; :class:`EvidenceFormatError` unless ``raw`` has 384 bytes."""
    if len(raw) != ENCLAVE_REPORT_SIZE:
        raise EvidenceFormatError(f"an SGX report of {len(raw)} bytes", expected=f"{ENCLAVE_REPORT_SIZE} bytes")
    return EnclaveReport(raw, *_LAYOUT.unpack(raw))
