"""One attestation: what was judged, and what came of it. Light to load, for whoever only carries it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from voltage_attest.evidence.model import Evidence
from voltage_attest.result import AttestationResult

if TYPE_CHECKING:
    from voltage_attest.collateral.intel import IntelCollateral
    from voltage_attest.collateral.nvidia_fetched import FetchedNvidia
    from voltage_attest.collateral.pursuit import DocumentSource
    from voltage_attest.evidence.bundle_model import BundleDocument

__all__ = ["Attestation"]


@dataclass(frozen=True, slots=True)
class Attestation:
    """One attestation: its result, and all that is needed to judge it again.

    ``nvidia`` is None where the policy expects no GPU, ``nonce`` where nobody drew one. ``warnings`` are about the cache, for
    the user to see; ``documents`` are others that a bundle held.
    """

    result: AttestationResult
    evidence: Evidence
    collateral: IntelCollateral
    nonce: bytes | None
    sources: tuple[DocumentSource, ...] = ()
    warnings: tuple[str, ...] = ()
    documents: tuple[BundleDocument, ...] = ()
    nvidia: FetchedNvidia | None = None
