"""When the simulation takes place, and what Intel's certificates are called.

Names and life spans are those of Intel's own certificates, so that every check of a name, role or date is exercised.
The keys behind them are not Intel's: see :mod:`voltage_attest.testing.keys`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from voltage_attest.testing.signer import CertificateFields

__all__ = [
    "APPRAISED_AT",
    "COLLATERAL_LIFE",
    "ISSUED_AT",
    "PCK_LEAF",
    "PLATFORM_CA",
    "PROCESSOR_CA",
    "PROCESSOR_PCK_LEAF",
    "ROOT_CA",
    "ROOT_CRL_LIFE",
    "TCB_SIGNING",
]

ISSUED_AT: Final = datetime(2026, 11, 1, tzinfo=UTC)
"""When TCB info, QE identity and CRLs are issued, unless a :class:`FakeIntel` is told otherwise."""

APPRAISED_AT: Final = datetime(2026, 11, 15, 12, tzinfo=UTC)
"""An instant at which everything of the default world is in date: give it to the verifier as ``at``."""

COLLATERAL_LIFE: Final = timedelta(days=30)
"""From issue to next update of TCB info, QE identity and PCK CRL; Intel's are exactly 30 days."""

ROOT_CRL_LIFE: Final = timedelta(days=365)
"""From issue to next update of the root CRL."""

_ROOT_CRL_URL: Final = "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der"
_PCK_CRL_URL: Final = "https://api.trustedservices.intel.com/sgx/certification/v4/pckcrl?ca={}&encoding=der"

ROOT_CA: Final = CertificateFields(
    common_name="Intel SGX Root CA",
    not_before=datetime(2018, 5, 21, 10, 45, 10, tzinfo=UTC),
    not_after=datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC),
    ca=True,
    path_length=1,
    crl_url=_ROOT_CRL_URL,
)
PLATFORM_CA: Final = CertificateFields(
    common_name="Intel SGX PCK Platform CA",
    not_before=datetime(2018, 5, 21, 10, 50, 10, tzinfo=UTC),
    not_after=datetime(2033, 5, 21, 10, 50, 10, tzinfo=UTC),
    ca=True,
    path_length=0,
    crl_url=_ROOT_CRL_URL,
)
PROCESSOR_CA: Final = CertificateFields(
    common_name="Intel SGX PCK Processor CA",
    not_before=datetime(2018, 5, 21, 10, 50, 10, tzinfo=UTC),
    not_after=datetime(2033, 5, 21, 10, 50, 10, tzinfo=UTC),
    ca=True,
    path_length=0,
    crl_url=_ROOT_CRL_URL,
)
TCB_SIGNING: Final = CertificateFields(
    common_name="Intel SGX TCB Signing",
    not_before=datetime(2025, 5, 6, 9, 25, tzinfo=UTC),
    not_after=datetime(2032, 5, 6, 9, 25, tzinfo=UTC),
    crl_url=_ROOT_CRL_URL,
)
PCK_LEAF: Final = CertificateFields(
    common_name="Intel SGX PCK Certificate",
    not_before=datetime(2026, 1, 23, 18, 9, 41, tzinfo=UTC),
    not_after=datetime(2033, 1, 23, 18, 9, 41, tzinfo=UTC),
    crl_url=_PCK_CRL_URL.format("platform"),
)
"""The PCK certificate of a server, as the Platform CA issues it."""

PROCESSOR_PCK_LEAF: Final = replace(PCK_LEAF, crl_url=_PCK_CRL_URL.format("processor"))
"""The PCK certificate of a single-package machine, as the Processor CA issues it."""
