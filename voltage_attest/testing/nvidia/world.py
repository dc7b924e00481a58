"""When the simulation takes place, and what NVIDIA's certificates are called.

Names, life spans and addresses are those of NVIDIA's own certificates, so that every check of a name, role or date is
exercised. The keys behind them are not NVIDIA's: see :mod:`voltage_attest.testing.keys`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from voltage_attest.testing.intel.world import APPRAISED_AT
from voltage_attest.testing.nvidia.certificates import NvidiaCertificateFields

__all__ = [
    "CRL_LIFE",
    "DEVICE_ROOT",
    "FOREVER",
    "NRAS_INTERMEDIATE",
    "NRAS_ISSUER",
    "NRAS_ROOT",
    "NVIDIA_ISSUED_AT",
    "OCSP_LIFE",
    "PROVISIONED_AT",
    "RIM_ROOT",
    "TOKEN_LIFE",
    "Addresses",
    "Chip",
    "family_ca",
    "provisioner_ca",
    "rim_ca",
    "rim_intermediate",
    "rim_signer",
]

NVIDIA_ISSUED_AT: Final = APPRAISED_AT - timedelta(minutes=30)
"""When OCSP answers, CRLs and tokens are issued, unless a :class:`FakeNvidia` is told otherwise."""

OCSP_LIFE: Final = timedelta(hours=24)
"""From thisUpdate to nextUpdate of an OCSP answer."""
CRL_LIFE: Final = timedelta(days=30)
TOKEN_LIFE: Final = timedelta(hours=1)
"""From iat to exp of a token of the attestation service."""

FOREVER: Final = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""Device certificates do not expire; revocation is what ends them."""
PROVISIONED_AT: Final = datetime(2020, 10, 17, tzinfo=UTC)
NRAS_ISSUER: Final = "https://nras.attestation.nvidia.com"


class Chip(StrEnum):
    """A chip as its certificates name it. H100 and H200 are GH100."""

    GH100 = "GH100"
    GB100 = "GB100"
    LS10 = "LS_10"

    @property
    def architecture(self) -> str:
        """The architecture's name in requests to NVIDIA's attestation service."""
        return {Chip.GH100: "HOPPER", Chip.GB100: "BLACKWELL", Chip.LS10: "LS10"}[self]

    @property
    def family(self) -> str:
        """The family CA it stands under; switches stand under Hopper's."""
        return "GB100" if self is Chip.GB100 else "GH100"

    @property
    def part(self) -> str:
        """The processor whose boot ROM and firmware its certificates name."""
        return "FSP" if self is Chip.LS10 else "GSP"

    @property
    def product(self) -> str:
        """Its name in manifests."""
        return self.value.replace("_", "")

    @property
    def rim_family(self) -> str:
        """The name in the CAs of its manifests."""
        return {Chip.GH100: "GH100", Chip.GB100: "GB1XX", Chip.LS10: "LS10"}[self]


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where certificates say that their status is to be had: NVIDIA's services, or one ``origin`` that stands for them all."""

    origin: str | None = None

    @property
    def ocsp(self) -> str:
        """The OCSP responder."""
        return "http://ocsp.ndis.nvidia.com" if self.origin is None else f"{self.origin}/ocsp"

    def crl(self, path: str) -> str:
        """A revocation list, by the path NVIDIA has it under."""
        return f"{self.origin or 'http://crl.ndis.nvidia.com'}/{path}"


DEVICE_ROOT: Final = NvidiaCertificateFields(
    common_name="NVIDIA Device Identity CA",
    organization="NVIDIA",
    not_before=datetime(2021, 11, 5, tzinfo=UTC),
    not_after=FOREVER,
    ca=True,
)
RIM_ROOT: Final = NvidiaCertificateFields(
    common_name="NVIDIA CoRIM signing Root CA",
    organization="NVIDIA",
    country="US",
    not_before=datetime(2023, 3, 16, 15, 37, 34, tzinfo=UTC),
    not_after=datetime(2053, 3, 8, 15, 37, 34, tzinfo=UTC),
    ca=True,
)
NRAS_ROOT: Final = NvidiaCertificateFields(
    common_name="NVIDIA Attestation Service CA 001",
    country="US",
    not_before=datetime(2025, 12, 1, tzinfo=UTC),
    not_after=datetime(2045, 12, 1, tzinfo=UTC),
    ca=True,
)
NRAS_INTERMEDIATE: Final = replace(
    NRAS_ROOT,
    common_name="NVIDIA Attestation Service GPU Intermediate 005",
    not_before=datetime(2026, 10, 8, tzinfo=UTC),
    not_after=datetime(2032, 10, 8, tzinfo=UTC),
)


def family_ca(family: str, at: Addresses) -> NvidiaCertificateFields:
    """``NVIDIA GH100 Identity`` or ``NVIDIA GB100 Identity``."""
    return replace(
        DEVICE_ROOT,
        common_name=f"NVIDIA {family} Identity",
        organization="NVIDIA Corporation",
        not_before=datetime(2022, 1, 12, tzinfo=UTC),
        ocsp_url=at.ocsp,
        crl_url=at.crl("crl/l1-root.crl"),
    )


def provisioner_ca(chip: Chip, at: Addresses) -> NvidiaCertificateFields:
    """``NVIDIA GH100 Provisioner ICA 1`` and the like."""
    number = "00000" if chip is Chip.GB100 else "1"
    return replace(
        DEVICE_ROOT,
        common_name=f"NVIDIA {chip} Provisioner ICA {number}",
        organization="NVIDIA Corporation",
        country="US",
        not_before=datetime(2022, 3, 1, tzinfo=UTC),
        ocsp_url=at.ocsp,
        crl_url=at.crl(f"crl/l2-{chip.family.lower()}.crl"),
    )


def rim_ca(chip: Chip, at: Addresses) -> NvidiaCertificateFields:
    """``NVIDIA Reference Value GH100 CA`` and the like."""
    return replace(
        RIM_ROOT,
        common_name=f"NVIDIA Reference Value {chip.rim_family} CA",
        organization="NVIDIA Corporation",
        not_before=datetime(2023, 5, 11, tzinfo=UTC),
        not_after=datetime(2033, 5, 11, 23, 59, 59, tzinfo=UTC),
        ocsp_url=at.ocsp,
        crl_url=at.crl("crl-corim/l1-corim"),
    )


def rim_intermediate(chip: Chip, at: Addresses) -> NvidiaCertificateFields:
    """``NVIDIA Reference Value L3 GH100 001`` and the like."""
    return replace(
        rim_ca(chip, at),
        common_name=f"NVIDIA Reference Value L3 {chip.rim_family} 001",
        not_after=datetime(2032, 11, 11, 23, 59, 59, tzinfo=UTC),
        path_length=0,
        crl_url=None,
    )


def rim_signer(chip: Chip, at: Addresses) -> NvidiaCertificateFields:
    """``HCC RIM L4 Signer`` and the like: what signs manifests. NVIDIA's lasts two years, this one into 2032."""
    names = {Chip.GH100: "HCC RIM L4 Signer", Chip.GB100: "RIM L4 Signer", Chip.LS10: "NVIDIA Reference Value L4 LS10"}
    return NvidiaCertificateFields(
        common_name=names[chip],
        country="US",
        not_before=datetime(2026, 1, 7, 8, 35, 22, tzinfo=UTC),
        not_after=datetime(2032, 1, 7, 8, 35, 22, tzinfo=UTC),
        ocsp_url=at.ocsp,
    )
