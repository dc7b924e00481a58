"""How a device gets its certificates: the boot ROM's in the factory, the attestation key's by the boot ROM, at each start."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from typing import Final

from cryptography import x509

from voltage_attest.testing.nvidia.certificates import NvidiaCertificateFields, NvidiaSigner, spki_der
from voltage_attest.testing.nvidia.device import NvidiaDevice
from voltage_attest.testing.nvidia.dice import composite_device_id, dice_tcb_info
from voltage_attest.testing.nvidia.fields import NvGpuFields, NvSwitchFields, device_pdi
from voltage_attest.testing.nvidia.world import FOREVER, PROVISIONED_AT, Addresses, Chip

__all__ = ["certify_device"]

_GPU_PREFIX, _SWITCH_PREFIX = b"\x41", b"\x50"
"""First byte of a boot ROM certificate's serial number; the PDI is the rest."""
_VENDOR_PREFIX: Final = "48B02D"
"""NVIDIA's in the IEEE's register, with which device names begin."""


@lru_cache(maxsize=256)
def certify_device(fields: NvGpuFields | NvSwitchFields, provisioner: NvidiaSigner, addresses: Addresses) -> NvidiaDevice:
    """Certify the device's boot ROM under ``provisioner``, and its attestation key, which follows from its firmware."""
    chip, pdi = fields.chip, fields.pdi or device_pdi(fields.label)
    prefix = _SWITCH_PREFIX if chip is Chip.LS10 else _GPU_PREFIX
    model = f"{chip} A01 {chip.part}"
    brom = provisioner.issue(
        NvidiaCertificateFields(
            common_name=f"{model} BROM",
            label=f"{fields.label} {pdi.hex()}",
            country="US",
            shows_serial=True,
            serial=int.from_bytes(prefix + pdi, "big"),
            not_before=PROVISIONED_AT,
            not_after=FOREVER,
            ca=True,
            signs_crls=False,
            ocsp_url=addresses.ocsp if chip is Chip.GB100 else None,
        )
    )
    leaf = NvidiaCertificateFields(
        common_name=f"{model} FMC LF",
        label=(fields.fwid or b"").hex(),
        country="US",
        shows_serial=True,
        not_before=PROVISIONED_AT,
        not_after=FOREVER,
        basic_constraints=False,
        device_name=f"NVIDIA:{chip}:{_VENDOR_PREFIX}{sha256(pdi).hexdigest()[:10].upper()}",
        extensions=() if fields.fwid is None else (_dice(chip, model, brom, fields.fwid),),
    )
    return NvidiaDevice(fields, brom.issue(leaf))


def _dice(chip: Chip, model: str, brom: NvidiaSigner, fwid: bytes) -> x509.UnrecognizedExtension:
    if chip is Chip.GB100:
        return dice_tcb_info(model, fwid)
    return composite_device_id(spki_der(brom.key.public_key()), fwid)
