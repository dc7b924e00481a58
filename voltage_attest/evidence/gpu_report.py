"""An NVIDIA attestation report: an SPDM measurement exchange whose opaque data says what the device is.

GPU and NVSwitch reports have the same outer shape and different tables inside; the architecture that the sender states (and
that the certificate chain must confirm) chooses the table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.encoding import strict_base64
from voltage_attest.evidence.gpu_fields import GpuFields, SwitchFields, read_gpu_fields, read_switch_fields
from voltage_attest.evidence.gpu_opaque import OpaqueData, parse_opaque_data
from voltage_attest.evidence.spdm import MAX_REPORT_SIZE, MeasurementExchange, parse_exchange

__all__ = ["Architecture", "DeviceReport", "decode_report_bytes", "parse_device_report"]

_TEXT: Final = frozenset(range(0x21, 0x7F)) | frozenset(b" \t\r\n")
_HEX_BYTES: Final = re.compile(rb"(?:(?:0[xX])?[0-9a-fA-F]{2}[\s,]*)+")
_NO_DIGITS: Final = re.compile(rb"0[xX]|[\s,]")


class Architecture(StrEnum):
    """NRAS's names of device architectures."""

    HOPPER = "HOPPER"
    BLACKWELL = "BLACKWELL"
    LS10 = "LS10"

    @property
    def is_switch(self) -> bool:
        """LS10 is the third NVSwitch generation; the others are GPUs."""
        return self is Architecture.LS10


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """One report: the exchange, its opaque data by type, and what the table of its device class reads out of that."""

    architecture: Architecture
    exchange: MeasurementExchange
    opaque: OpaqueData
    fields: GpuFields | SwitchFields

    @property
    def gpu(self) -> GpuFields | None:
        """The fields, if it is a GPU's report."""
        return self.fields if isinstance(self.fields, GpuFields) else None

    @property
    def switch(self) -> SwitchFields | None:
        """The fields, if it is a switch's report."""
        return self.fields if isinstance(self.fields, SwitchFields) else None


def parse_device_report(data: bytes, architecture: Architecture) -> DeviceReport:
    """Read a raw report (request and response) by the table of ``architecture``; :class:`EvidenceFormatError` otherwise."""
    exchange = parse_exchange(data)
    opaque = parse_opaque_data(exchange.opaque_data)
    fields = read_switch_fields(opaque) if architecture.is_switch else read_gpu_fields(opaque)
    return DeviceReport(architecture, exchange, opaque, fields)


def decode_report_bytes(data: bytes) -> bytes:
    """Return the raw bytes of a report given raw, in hex (``0x``, commas and white space allowed) or in base64.

    A raw report begins with ``11 E0``, which no text holds. :class:`EvidenceFormatError` on anything else.
    """
    if not data or len(data) > 6 * MAX_REPORT_SIZE:
        raise EvidenceFormatError(f"the report has {len(data)} bytes", expected=f"1 to {MAX_REPORT_SIZE}, or as many in text")
    if not _TEXT.issuperset(data):
        return data
    text = data.strip()
    if _HEX_BYTES.fullmatch(text):
        return bytes.fromhex(_NO_DIGITS.sub(b"", text).decode("ascii"))
    return strict_base64(text, "the report")
