"""The methods of the NVIDIA service and their counterparts for asyncio behind one call."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx

from tests.collateral_fetch.fake_pcs import AT
from voltage_attest.collateral.cache import CollateralCache
from voltage_attest.collateral.http import Limits
from voltage_attest.collateral.nvidia_questions import RevocationQuestion
from voltage_attest.collateral.nvidia_service import NVIDIA, FetchedNvidia, NvidiaEndpoints, NvidiaService, OcspMode

__all__ = ["NvidiaFetcher", "cached", "nvidia_over", "reason"]

_QUICK = Limits(attempts=2, backoff=0.0)


def nvidia_over(
    transport: httpx.MockTransport,
    *,
    endpoints: NvidiaEndpoints = NVIDIA,
    cache: Path | None = None,
    offline: bool = False,
    api_key: str | None = None,
) -> NvidiaService:
    """A service whose network is ``transport``."""
    return NvidiaService(
        endpoints,
        cache=None if cache is None else CollateralCache(cache),
        offline=offline,
        api_key=api_key,
        limits=_QUICK,
        transport=transport,
        async_transport=transport,
    )


@dataclass(frozen=True, slots=True)
class NvidiaFetcher:
    """Fetches through one of the two shells."""

    awaited: bool

    def rims(self, service: NvidiaService, *ids: str, now: datetime = AT, refresh: bool = False) -> FetchedNvidia:
        if self.awaited:
            return asyncio.run(service.fetch_rims_async(ids, now=now, refresh=refresh))
        return service.fetch_rims(ids, now=now, refresh=refresh)

    def revocation(
        self,
        service: NvidiaService,
        *questions: RevocationQuestion,
        mode: OcspMode = "cached",
        now: datetime = AT,
        refresh: bool = False,
    ) -> FetchedNvidia:
        if self.awaited:
            return asyncio.run(service.fetch_revocation_async(questions, mode=mode, now=now, refresh=refresh))
        return service.fetch_revocation(questions, mode=mode, now=now, refresh=refresh)

    def jwks(self, service: NvidiaService, kids: Iterable[str] = (), *, now: datetime = AT) -> FetchedNvidia:
        if self.awaited:
            return asyncio.run(service.fetch_jwks_async(kids=kids, now=now))
        return service.fetch_jwks(kids=kids, now=now)

    def nras(self, service: NvidiaService, body: bytes) -> FetchedNvidia:
        if self.awaited:
            return asyncio.run(service.request_nras_async("gpu", body, now=AT))
        return service.request_nras("gpu", body, now=AT)


def reason(fetched: FetchedNvidia, name: str) -> str:
    """Why that document is absent."""
    return fetched.collateral.why_absent(name) or ""


def cached(fetched: FetchedNvidia) -> list[tuple[str, bool]]:
    """What was found, by kind, and whether it came from the cache."""
    return sorted((source.kind.value, source.from_cache) for source in fetched.sources)
