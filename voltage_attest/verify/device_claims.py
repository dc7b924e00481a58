"""What a result says of verified GPUs and switches, and of NVIDIA's documents that were used."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from voltage_attest.collateral.nvidia import NvidiaCollateral
from voltage_attest.result import CollateralRecord, EvidenceRecord, GpuClaims, SwitchClaims
from voltage_attest.verify.device_evidence import NamedDevice
from voltage_attest.verify.gpu import reported_mode
from voltage_attest.verify.gpu_case import VerifiedDevice

__all__ = ["device_records", "gpu_claims", "nvidia_records", "switch_claims"]


def device_records(devices: Iterable[NamedDevice]) -> tuple[EvidenceRecord, ...]:
    """A record of each report."""
    return tuple(
        [
            EvidenceRecord(
                "switch-report" if item.architecture.is_switch else "gpu-report",
                None,
                hashlib.sha256(item.report).hexdigest(),
                len(item.report),
            )
            for _, item in devices
        ]
    )


def nvidia_records(collateral: NvidiaCollateral, known: tuple[CollateralRecord, ...]) -> tuple[CollateralRecord, ...]:
    """A record of each of NVIDIA's documents: the fetcher's, found by its hash, else one of a file without a window."""
    by_hash = {record.sha256: record for record in known}
    documents = (
        *[("nvidia-rim", rim.data) for rim in collateral.rims],
        *[("nvidia-ocsp", answer.der) for answer in collateral.ocsp],
        *[("nvidia-crl", crl) for crl in collateral.crls],
        *[("nvidia-jwks", keys) for keys in collateral.jwks],
        *[("nvidia-nras", answer.body) for answer in collateral.nras],
    )
    digests = [(kind, hashlib.sha256(octets).hexdigest()) for kind, octets in documents]
    return tuple([by_hash.get(digest) or CollateralRecord(kind, "file", digest) for kind, digest in digests])


def gpu_claims(device: VerifiedDevice, manifests: tuple[str, ...]) -> GpuClaims | None:
    """The claims of a GPU; None if it is a switch."""
    gpu, chain, report = device.report.gpu, device.chain, device.report
    if gpu is None:
        return None
    mode = reported_mode(gpu)
    return GpuClaims(
        device=device.name,
        architecture=report.architecture.value,
        chip=chain.chip,
        board=gpu.board,
        driver_version=gpu.driver_version,
        vbios_version=gpu.vbios_version,
        mode=None if mode is None else mode.value,
        protected_pcie=gpu.protected_pcie,
        ueid=chain.ueid,
        pdi=chain.pdi.hex(),
        fwid=None if chain.fwid is None else chain.fwid.hex(),
        nonce=report.exchange.nonce.hex(),
        measurements=len(report.exchange.measurements),
        manifests=manifests,
    )


def switch_claims(device: VerifiedDevice, manifests: tuple[str, ...]) -> SwitchClaims | None:
    """The claims of a switch; None if it is a GPU."""
    switch, chain, report = device.report.switch, device.chain, device.report
    if switch is None:
        return None
    return SwitchClaims(
        device=device.name,
        architecture=report.architecture.value,
        chip=chain.chip,
        bios_version=switch.vbios_version,
        locked=switch.locked,
        ueid=chain.ueid,
        pdi=chain.pdi.hex(),
        gpu_pdis=tuple([pdi.hex() for pdi in switch.gpu_pdis]),
        nonce=report.exchange.nonce.hex(),
        measurements=len(report.exchange.measurements),
        manifests=manifests,
    )
