"""For your own tests: a simulated Intel whose platforms quote whatever TD you describe, and a pod that serves them over TLS.

A simulation: its private keys are in this package for everyone to read, and only a verifier that was given its root
in place of Intel's believes it. Quotes and documents are the same to the byte everywhere. Describe what should differ::

    from dataclasses import replace
    from voltage_attest.testing import APPRAISED_AT, FakeIntel, PckFields, TdReportFields, pad_components

    intel = FakeIntel()
    platform = intel.platform()                                             # an updated server
    quote = platform.quote(TdReportFields(td_attributes=bytes.fromhex("0100001000000000")))  # debug, genuinely signed
    collateral = intel.collateral(platform)                                 # the nine documents
    revoked = intel.collateral(platform, pck_crl=intel.pck_crl(platform, platform.leaf))
    out_of_date = intel.platform(PckFields(components=pad_components(3, 3, 2, 2, 4, 1, 0, 5)))
    forged = replace(collateral, tcb_info_signature="00" * 64)

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
    from voltage_attest.testing.keys import derive_key
    from voltage_attest.testing.pod import HostileTwin, PodOptions, SimulatedPod
    from voltage_attest.testing.pod_faults import (
        ATTESTATION,
        COLLATERAL,
        EVERYTHING,
        INFERENCE,
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
    "INFERENCE",
    "ISSUED_AT",
    "MODELS",
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
    "Collateral",
    "CutConnection",
    "Disturbance",
    "FakeIntel",
    "Fault",
    "HeaderFields",
    "HostileTwin",
    "HtmlPage",
    "IsvLevel",
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
    "Traffic",
    "Trickle",
    "WebAuthority",
    "WrongContentType",
    "derive_key",
    "encode_pck_extension",
    "pad_components",
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
    "keys": ("derive_key",),
    "pod": ("HostileTwin", "PodOptions", "SimulatedPod"),
    "pod_faults": (
        "ATTESTATION",
        "COLLATERAL",
        "EVERYTHING",
        "INFERENCE",
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
