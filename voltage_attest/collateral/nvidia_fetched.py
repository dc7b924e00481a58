"""What a fetch from NVIDIA's services brings: documents, where each came from, and why others could not be had."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from voltage_attest.collateral.nvidia import NvidiaCollateral
from voltage_attest.collateral.nvidia_requests import NvidiaKind
from voltage_attest.errors import InputError, TransportError

__all__ = ["FetchedNvidia", "NvidiaFailure", "NvidiaSource", "combined"]


@dataclass(frozen=True, slots=True)
class NvidiaSource:
    """Where one document came from, and its own window (UTC; None where it names none).

    ``name`` is what :class:`NvidiaCollateral` calls it, ``sha256`` (hex) the hash of its bytes there. ``url`` is where it is
    kept in the cache, or was fetched from. No nonce is in it.
    """

    kind: NvidiaKind
    name: str
    sha256: str
    url: str
    from_cache: bool = False
    issued: datetime | None = None
    next_update: datetime | None = None


@dataclass(frozen=True, slots=True)
class NvidiaFailure:
    """Why one document could not be had."""

    kind: NvidiaKind
    name: str
    reason: str
    error: TransportError | InputError


@dataclass(frozen=True, slots=True)
class FetchedNvidia:
    """What was found: documents (absent ones with their reason), where each came from, and what the user should know."""

    collateral: NvidiaCollateral
    sources: tuple[NvidiaSource, ...] = ()
    failures: tuple[NvidiaFailure, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether everything that was asked for was found, whatever it is worth."""
        return not self.failures


def combined(*parts: FetchedNvidia) -> FetchedNvidia:
    """All of them as one."""
    held = [part.collateral for part in parts]
    return FetchedNvidia(
        NvidiaCollateral(
            rims=tuple([rim for part in held for rim in part.rims]),
            ocsp=tuple([answer for part in held for answer in part.ocsp]),
            crls=tuple([crl for part in held for crl in part.crls]),
            nras=tuple([answer for part in held for answer in part.nras]),
            jwks=tuple([keys for part in held for keys in part.jwks]),
            absences=tuple([absence for part in held for absence in part.absences]),
        ),
        tuple([source for part in parts for source in part.sources]),
        tuple([failure for part in parts for failure in part.failures]),
        tuple(dict.fromkeys([warning for part in parts for warning in part.warnings])),
    )
