"""What a quote says of its platform, before anything is verified: just enough to ask Intel for the right documents.

The answer chooses two query parameters, each checked for its shape, and never an address. A quote that lies here only gets
collateral that then does not match it.
"""

from __future__ import annotations

from dataclasses import dataclass

from voltage_attest.crypto.certificates import CertificateLoader
from voltage_attest.evidence.quote import TdxQuote
from voltage_attest.verify.case import PckChain, PckReader

__all__ = ["PlatformName", "name_platform"]

_CAS = {"Intel SGX PCK Platform CA": "platform", "Intel SGX PCK Processor CA": "processor"}


@dataclass(frozen=True, slots=True)
class PlatformName:
    """FMSPC (6 bytes) and which CA issued the PCK certificate: ``platform`` or ``processor``."""

    fmspc: bytes
    ca: str


def name_platform(quote: TdxQuote) -> PlatformName | None:
    """Read FMSPC and CA from the quote's PCK chain; None where it has no readable chain or an unknown CA."""
    chain = PckReader().read(quote, CertificateLoader())
    if not isinstance(chain, PckChain) or chain.ca.common_name not in _CAS:
        return None
    return PlatformName(chain.extension.fmspc, _CAS[chain.ca.common_name])
