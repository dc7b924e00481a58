"""For your own tests: a simulated Intel whose platforms quote whatever TD you describe.

A simulation: its private keys are in this package for everyone to read, and only a verifier that was given its root
in place of Intel's believes it. Everything is deterministic to the byte. Describe what should differ, keep the rest::

    from dataclasses import replace
    from voltage_attest.testing import APPRAISED_AT, FakeIntel, PckFields, TdReportFields, pad_components

    intel = FakeIntel()
    platform = intel.platform()                                             # an updated server
    quote = platform.quote(TdReportFields(td_attributes=bytes.fromhex("0100001000000000")))  # debug, genuinely signed
    collateral = intel.collateral(platform)                                 # the nine documents
    revoked = intel.collateral(platform, pck_crl=intel.pck_crl(platform, platform.leaf))
    out_of_date = intel.platform(PckFields(components=pad_components(3, 3, 2, 2, 4, 1, 0, 5)))
    forged = replace(collateral, tcb_info_signature="00" * 64)
"""

from __future__ import annotations

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
from voltage_attest.testing.signer import CertificateFields, RevocationFields, Signer

__all__ = [
    "APPRAISED_AT",
    "ISSUED_AT",
    "PCK_LEAF",
    "PLATFORM_CA",
    "PROCESSOR_CA",
    "PROCESSOR_PCK",
    "PROCESSOR_PCK_LEAF",
    "ROOT_CA",
    "TCB_SIGNING",
    "CertificateFields",
    "Certification",
    "Collateral",
    "FakeIntel",
    "HeaderFields",
    "IsvLevel",
    "PckFields",
    "Platform",
    "QeFields",
    "QeIdentity",
    "QuoteShape",
    "RevocationFields",
    "SgxType",
    "Signer",
    "TcbInfo",
    "TcbLevel",
    "TdReportFields",
    "TdxModule",
    "TdxModuleIdentity",
    "derive_key",
    "encode_pck_extension",
    "pad_components",
]
