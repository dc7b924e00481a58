"""For your own tests: a simulated Intel whose platforms quote whatever TD you describe, a simulated NVIDIA whose GPUs report
what you like, and a pod that serves both over TLS.

A simulation: its private keys are in this package for everyone to read, and only a verifier that was given its roots
in place of the vendors' believes it. Evidence and documents are the same to the byte everywhere. Describe what should differ::

    from dataclasses import replace
    from voltage_attest.testing import APPRAISED_AT, FakeIntel, PckFields, TdReportFields, pad_components

    intel = FakeIntel()
    platform = intel.platform()                                             # an updated server
    quote = platform.quote(TdReportFields(td_attributes=bytes.fromhex("0100001000000000")))  # debug, genuinely signed
    collateral = intel.collateral(platform)                                 # the nine documents
    revoked = intel.collateral(platform, pck_crl=intel.pck_crl(platform, platform.leaf))
    out_of_date = intel.platform(PckFields(components=pad_components(3, 3, 2, 2, 4, 1, 0, 5)))
    forged = replace(collateral, tcb_info_signature="00" * 64)

    from voltage_attest.testing import H200_GPU, FakeNvidia, OcspFields, OcspStatus

    nvidia = FakeNvidia()
    node = nvidia.node(gpus=8, switches=4, gpu=H200_GPU)                    # in protected PCIe mode
    evidence = node.gpu_evidence(bytes(32))                                 # for that nonce, as providers send it
    manifests = nvidia.rims(node.devices)                                   # by id
    other = nvidia.gpu(replace(H200_GPU, measurements={25: bytes(48)}))     # measured something else
    # nvidia.ocsp_answer(request, OcspFields(status=OcspStatus.HOLD)), nvidia.crl(...), nvidia.token(...), nvidia.jwks()

The same over HTTPS on loopback, for what fetches: :class:`SimulatedPod` and its :class:`HostileTwin`. The names below are
loaded when they are first used (PEP 562), so that the pytest plugin of this package costs nothing where it is not used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from voltage_attest.testing.intel.authority import FakeIntel
    from voltage_attest.testing.intel.collateral import Collateral
    from voltage_attest.testing.intel.pck import PROCESSOR_PCK, PckFields, SgxType, encode_pck_extension
    from voltage_attest.testing.intel.platform import Platform
    from voltage_attest.testing.intel.quote import Certification, HeaderFields, QeFields, QuoteShape
    from voltage_attest.testing.intel.tcb import (
        IsvLevel,
        QeIdentity,
        TcbInfo,
        TcbLevel,
        TdxModule,
        TdxModuleIdentity,
        pad_components,
    )
    from voltage_attest.testing.intel.td_report import TdReportFields
    from voltage_attest.testing.intel.world import (
        APPRAISED_AT,
        ISSUED_AT,
        PCK_LEAF,
        PLATFORM_CA,
        PROCESSOR_CA,
        PROCESSOR_PCK_LEAF,
        ROOT_CA,
        TCB_SIGNING,
    )
    from voltage_attest.testing.keys import derive_key, derive_p384_key
    from voltage_attest.testing.nvidia.authority import FakeNvidia
    from voltage_attest.testing.nvidia.certificates import NvidiaCertificateFields, NvidiaSigner
    from voltage_attest.testing.nvidia.device import NvidiaDevice, evidence_json, gpu_nonce
    from voltage_attest.testing.nvidia.fields import GB100_GPU, H100_GPU, H200_GPU, GpuMode, NvGpuFields, NvSwitchFields
    from voltage_attest.testing.nvidia.node import NvidiaNode
    from voltage_attest.testing.nvidia.nras import TokenFields, jwks_of, sign_jwt
    from voltage_attest.testing.nvidia.ocsp import OcspError, OcspFields, OcspStatus, ocsp_error
    from voltage_attest.testing.nvidia.rim import RimFields, RimKind, sign_xml
    from voltage_attest.testing.nvidia.world import NVIDIA_ISSUED_AT, Chip
    from voltage_attest.testing.pod import HostileTwin, PodOptions, SimulatedPod
    from voltage_attest.testing.pod_faults import (
        ATTESTATION,
        COLLATERAL,
        EVERYTHING,
        INFERENCE,
        NVIDIA,
        Answers,
        CutConnection,
        Disturbance,
        Fault,
        HtmlPage,
        OversizedBody,
        Redirects,
        Slow,
        Trickle,
        WrongContentType,
    )
    from voltage_attest.testing.pod_inference import ANSWER, MODELS
    from voltage_attest.testing.pod_listener import Traffic
    from voltage_attest.testing.pod_wire import Reply, Request
    from voltage_attest.testing.signer import CertificateFields, RevocationFields, Signer
    from voltage_attest.testing.tls import TlsIdentity, WebAuthority

__all__ = [
    "ANSWER",
    "APPRAISED_AT",
    "ATTESTATION",
    "COLLATERAL",
    "EVERYTHING",
    "GB100_GPU",
    "H100_GPU",
    "H200_GPU",
    "INFERENCE",
    "ISSUED_AT",
    "MODELS",
    "NVIDIA",
    "NVIDIA_ISSUED_AT",
    "PCK_LEAF",
    "PLATFORM_CA",
    "PROCESSOR_CA",
    "PROCESSOR_PCK",
    "PROCESSOR_PCK_LEAF",
    "ROOT_CA",
    "TCB_SIGNING",
    "Answers",
    "CertificateFields",
    "Certification",
    "Chip",
    "Collateral",
    "CutConnection",
    "Disturbance",
    "FakeIntel",
    "FakeNvidia",
    "Fault",
    "GpuMode",
    "HeaderFields",
    "HostileTwin",
    "HtmlPage",
    "IsvLevel",
    "NvGpuFields",
    "NvSwitchFields",
    "NvidiaCertificateFields",
    "NvidiaDevice",
    "NvidiaNode",
    "NvidiaSigner",
    "OcspError",
    "OcspFields",
    "OcspStatus",
    "OversizedBody",
    "PckFields",
    "Platform",
    "PodOptions",
    "QeFields",
    "QeIdentity",
    "QuoteShape",
    "Redirects",
    "Reply",
    "Request",
    "RevocationFields",
    "RimFields",
    "RimKind",
    "SgxType",
    "Signer",
    "SimulatedPod",
    "Slow",
    "TcbInfo",
    "TcbLevel",
    "TdReportFields",
    "TdxModule",
    "TdxModuleIdentity",
    "TlsIdentity",
    "TokenFields",
    "Traffic",
    "Trickle",
    "WebAuthority",
    "WrongContentType",
    "derive_key",
    "derive_p384_key",
    "encode_pck_extension",
    "evidence_json",
    "gpu_nonce",
    "jwks_of",
    "ocsp_error",
    "pad_components",
    "sign_jwt",
    "sign_xml",
]

_EXPORTS: Final = {
    "intel.authority": ("FakeIntel",),
    "intel.collateral": ("Collateral",),
    "intel.pck": ("PROCESSOR_PCK", "PckFields", "SgxType", "encode_pck_extension"),
    "intel.platform": ("Platform",),
    "intel.quote": ("Certification", "HeaderFields", "QeFields", "QuoteShape"),
    "intel.tcb": ("IsvLevel", "QeIdentity", "TcbInfo", "TcbLevel", "TdxModule", "TdxModuleIdentity", "pad_components"),
    "intel.td_report": ("TdReportFields",),
    "intel.world": (
        "APPRAISED_AT",
        "ISSUED_AT",
        "PCK_LEAF",
        "PLATFORM_CA",
        "PROCESSOR_CA",
        "PROCESSOR_PCK_LEAF",
        "ROOT_CA",
        "TCB_SIGNING",
    ),
    "keys": ("derive_key", "derive_p384_key"),
    "nvidia.authority": ("FakeNvidia",),
    "nvidia.certificates": ("NvidiaCertificateFields", "NvidiaSigner"),
    "nvidia.device": ("NvidiaDevice", "evidence_json", "gpu_nonce"),
    "nvidia.fields": ("GB100_GPU", "H100_GPU", "H200_GPU", "GpuMode", "NvGpuFields", "NvSwitchFields"),
    "nvidia.node": ("NvidiaNode",),
    "nvidia.nras": ("TokenFields", "jwks_of", "sign_jwt"),
    "nvidia.ocsp": ("OcspError", "OcspFields", "OcspStatus", "ocsp_error"),
    "nvidia.rim": ("RimFields", "RimKind", "sign_xml"),
    "nvidia.world": ("NVIDIA_ISSUED_AT", "Chip"),
    "pod": ("HostileTwin", "PodOptions", "SimulatedPod"),
    "pod_faults": (
        "ATTESTATION",
        "COLLATERAL",
        "EVERYTHING",
        "INFERENCE",
        "NVIDIA",
        "Answers",
        "CutConnection",
        "Disturbance",
        "Fault",
        "HtmlPage",
        "OversizedBody",
        "Redirects",
        "Slow",
        "Trickle",
        "WrongContentType",
    ),
    "pod_inference": ("ANSWER", "MODELS"),
    "pod_listener": ("Traffic",),
    "pod_wire": ("Reply", "Request"),
    "signer": ("CertificateFields", "RevocationFields", "Signer"),
    "tls": ("TlsIdentity", "WebAuthority"),
}
_HOME: Final = {name: f"{__name__}.{module}" for module, names in _EXPORTS.items() for name in names}


def __getattr__(name: str) -> object:
    """Load an exported name from its module on first use, and keep it."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(importlib.import_module(home), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """The exported names, loaded or not."""
    return sorted({*globals(), *__all__})
