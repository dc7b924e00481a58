"""What NVIDIA's attestation service (NRAS) claims of a device it found in order, in claims versions 2.0, 3.0 and 4.0.

Names and values are those of tokens that NRAS has issued for GPUs and switches; of 4.0 none was at hand, and what it adds is as
NVIDIA's attestation-sdk 2.0.0 reads it.
"""

from __future__ import annotations

from typing import Final

from voltage_attest.testing.nvidia.device import NvidiaDevice
from voltage_attest.testing.nvidia.fields import NvSwitchFields
from voltage_attest.testing.nvidia.world import FOREVER
from voltage_attest.testing.pod_wire import Json

__all__ = ["CLAIMS_2", "CLAIMS_3", "CLAIMS_4", "device_claims", "error_claims"]

CLAIMS_2: Final = "2.0"
CLAIMS_3: Final = "3.0"
CLAIMS_4: Final = "4.0"

_ERRORS: Final = {
    4003: ("INVALID_REQUEST", "The request is invalid."),
    4007: ("INVALID_CERTIFICATE_CHAIN", "The certificate chain is invalid."),
    4010: ("NONCE_NOT_MATCHING", "The nonce in the evidence does not match the nonce in the request."),
}


def device_claims(device: NvidiaDevice, version: str) -> dict[str, Json]:
    """Return the claims of a device in order, without times, issuer and nonce."""
    fields = device.fields
    claims: dict[str, Json] = {
        "ueid": device.ueid,
        "secboot": True,
        "dbgstat": "disabled",
        "measres": "success",
        "oemid": "5703",
        "x-nvidia-attestation-warning": None,
    }
    kind, manifests = "gpu", ["driver", "vbios"]
    if isinstance(fields, NvSwitchFields):
        kind, manifests = "switch", ["bios"]
        claims |= {"oemid": None, "x-nvidia-switch-bios-version": fields.vbios}
    else:
        claims |= {
            "x-nvidia-gpu-driver-version": fields.driver,
            "x-nvidia-gpu-vbios-version": fields.vbios,
            "x-nvidia-gpu-vbios-index-no-conflict": True,
        }
    for name in ("parsed", "nonce-match", "signature-verified"):
        claims[f"x-nvidia-{kind}-attestation-report-{name}"] = True
    claims[f"x-nvidia-{kind}-arch-check"] = True
    for manifest in manifests:
        for name in ("fetched", "schema-validated", "signature-verified", "measurements-available"):
            claims[f"x-nvidia-{kind}-{manifest}-rim-{name}"] = True
    return claims | _of_version(device, version, f"x-nvidia-{kind}", manifests)


def error_claims(code: int) -> dict[str, Json]:
    """Return the one claim of a device that NRAS could not judge; its token is signed like any other."""
    message, description = _ERRORS.get(code, ("ERROR", "The evidence could not be judged."))
    details: dict[str, Json] = {"code": code, "httpStatus": 400, "message": message, "description": description}
    return {"x-nvidia-error-details": details}


def _of_version(device: NvidiaDevice, version: str, prefix: str, manifests: list[str]) -> dict[str, Json]:
    """What the two versions say differently: chains as one flag, or as an object."""
    report = f"{prefix}-attestation-report-cert-chain"
    if version == CLAIMS_2:
        validated: dict[str, Json] = {f"{prefix}-{manifest}-rim-cert-validated": True for manifest in manifests}
        return {"hwmodel": device.chip.product, f"{report}-validated": True, **validated}
    if version not in {CLAIMS_3, CLAIMS_4}:
        raise ValueError(f"claims version {version!r}, expected {CLAIMS_2}, {CLAIMS_3} or {CLAIMS_4}")
    chains: dict[str, Json] = {}
    if version == CLAIMS_4:
        chains |= {"x-nvidia-gpu-claims-version": version, "x-nvidia-mismatch-opaque-data-records": None}
    for manifest in manifests:
        chains[f"{prefix}-{manifest}-rim-cert-chain"] = _chain("2032-01-07T08:35:22Z")
        chains[f"{prefix}-{manifest}-rim-version-match"] = True
    brom = f"{device.chip} A01 {device.chip.part} BROM"
    return {"hwmodel": brom, report: _chain(f"{FOREVER:%Y-%m-%dT%H:%M:%SZ}"), f"{report}-fwid-match": True, **chains}


def _chain(expires: str) -> Json:
    return {
        "x-nvidia-cert-status": "valid",
        "x-nvidia-cert-ocsp-status": "good",
        "x-nvidia-cert-expiration-date": expires,
        "x-nvidia-cert-revocation-reason": None,
    }
