"""What an evidence bundle holds, whichever file format it came from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from voltage_attest.evidence.model import Evidence

__all__ = ["BundleCollateral", "BundleDocument", "BundleSource", "EvidenceBundle"]


@dataclass(frozen=True, slots=True)
class BundleSource:
    """Where a document of the collateral came from."""

    kind: str
    url: str | None = None
    from_cache: bool = False


@dataclass(frozen=True, slots=True)
class BundleCollateral:
    """Intel's documents by their nine (or ten) keys, as received; why others are absent; where they came from."""

    documents: tuple[tuple[str, str], ...] = ()
    absences: tuple[tuple[str, str], ...] = ()
    sources: tuple[BundleSource, ...] = ()


@dataclass(frozen=True, slots=True)
class BundleDocument:
    """Another document, as received. ``kind`` is a lower-case word ("nvidia-nras"); ``name`` tells several of a kind apart."""

    kind: str
    content: bytes
    name: str | None = None


@dataclass(frozen=True, slots=True)
class EvidenceBundle:
    """One attestation as kept in a file.

    ``nonce`` (32 bytes) is what the verifier drew; None where the file cannot know it. ``binding`` names the rule of
    REPORTDATA; ``tls_spki_sha256`` (32 bytes) is the key that the verifier met, None where it met none. ``created_at`` is the
    writer's word, brought to UTC and whole seconds; naive times are a ValueError.
    """

    evidence: Evidence
    nonce: bytes | None = None
    binding: str | None = None
    tls_spki_sha256: bytes | None = None
    created_at: datetime | None = None
    collateral: BundleCollateral = BundleCollateral()
    documents: tuple[BundleDocument, ...] = ()
    policy_name: str | None = None
    policy_sha256: str | None = None

    def __post_init__(self) -> None:
        if self.created_at is not None:
            if self.created_at.tzinfo is None:
                raise ValueError("created_at has no time zone: pass an aware datetime, such as datetime.now(UTC)")
            object.__setattr__(self, "created_at", self.created_at.astimezone(UTC).replace(microsecond=0))
