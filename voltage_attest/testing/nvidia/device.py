"""A GPU or NVSwitch of the fake NVIDIA: its certificates, and the reports it signs.

::

    request, 37 bytes:  11 E0 01 FF | nonce 32 | slot 00
    response:           11 60 00 00 | u8 blocks, u24 size, record | responder nonce 32 | u16 size, opaque data | signature 96
    block, 55 bytes:    u8 index from 1 | 01 (DMTF) | u16 51 | 01 | u16 48 | digest 48

The signature (ECDSA P-384, r || s, 96 bytes) covers everything before it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from voltage_attest.testing.nvidia.certificates import NvidiaSigner
from voltage_attest.testing.nvidia.fields import NvGpuFields, NvSwitchFields, device_pdi
from voltage_attest.testing.nvidia.world import Chip

__all__ = ["NvidiaDevice", "evidence_json", "gpu_nonce"]

_REQUEST_HEAD: Final = bytes.fromhex("11e001ff")
_RESPONSE_HEAD: Final = bytes.fromhex("11600000")
_NONCE_SIZE: Final = 32


def gpu_nonce(report_data: bytes) -> bytes:
    """Return the nonce (32 bytes) of the binding ``voltage-attest/1``: SHA-256("voltage-attest/1/gpu" 00 || REPORTDATA)."""
    return sha256(b"voltage-attest/1/gpu\0" + report_data).digest()


@dataclass(frozen=True, slots=True)
class NvidiaDevice:
    """A device, made by :meth:`FakeNvidia.gpu` or :meth:`FakeNvidia.switch`.

    ``leaf`` is its attestation key's certificate, its issuers behind it: BROM, provisioner, family, root.
    ``replace(device, leaf=...)`` gives it another chain, ``replace(device, leaf=replace(device.leaf, key=...))`` a report that
    another key signs.
    """

    fields: NvGpuFields | NvSwitchFields
    leaf: NvidiaSigner

    @property
    def is_switch(self) -> bool:
        """Whether it is an NVSwitch."""
        return isinstance(self.fields, NvSwitchFields)

    @property
    def chip(self) -> Chip:
        """Its chip."""
        return self.fields.chip

    @property
    def chain_pem(self) -> str:
        """Its five certificates in PEM, leaf first."""
        return self.leaf.chain_pem

    @property
    def ueid(self) -> str:
        """The leaf's serial number in decimal, as NVIDIA writes a device's identity."""
        return str(self.leaf.serial)

    @property
    def pdi(self) -> bytes:
        """Its PDI (8 bytes), the low bytes of its BROM certificate's serial number."""
        return self.fields.pdi or device_pdi(self.fields.label)

    def report(self, nonce: bytes, *, opaque: bytes | None = None) -> bytes:
        """Report for a nonce of 32 bytes; ``opaque`` replaces the opaque data. Some 4200 bytes, 2200 for a switch."""
        if len(nonce) != _NONCE_SIZE:
            raise ValueError(f"a nonce of {len(nonce)} bytes, expected {_NONCE_SIZE}")
        data = self.fields.opaque if opaque is None else opaque
        blocks = [_block(number, digest) for number, digest in enumerate(self.fields.measured, start=1)]
        record = b"".join(blocks)
        signed = b"".join(
            (
                *(_REQUEST_HEAD, nonce, b"\0"),
                *(_RESPONSE_HEAD, bytes((len(blocks),)), len(record).to_bytes(3, "little"), record),
                sha256(b"responder nonce/" + self.ueid.encode() + nonce).digest(),
                *(len(data).to_bytes(2, "little"), data),
            )
        )
        return signed + self.leaf.sign(signed)

    def evidence(self, nonce: bytes) -> dict[str, str]:
        """Report and chain as a member of ``evidence_list``, both in base64."""
        return {"evidence": _base64(self.report(nonce)), "certificate": _base64(self.chain_pem.encode("ascii"))}


def evidence_json(devices: Sequence[NvidiaDevice], nonce: bytes, *, arch: str | None = None) -> str:
    """Return the devices' evidence in the shape of a request to NVIDIA's attestation service; ``arch`` relabels them."""
    label = arch or devices[0].chip.architecture
    return json.dumps(
        {"nonce": nonce.hex(), "arch": label, "evidence_list": [device.evidence(nonce) for device in devices]}, indent=1
    )


def _block(number: int, digest: bytes) -> bytes:
    size = len(digest)
    return bytes((number, 1)) + (size + 3).to_bytes(2, "little") + b"\1" + size.to_bytes(2, "little") + digest


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
