"""``fetch`` and ``fetch_async`` behind one call, over a fake PCS."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

import httpx

from tests.collateral_fetch.fake_pcs import AT, REQUEST
from voltage_attest.collateral.cache import CollateralCache
from voltage_attest.collateral.http import Limits
from voltage_attest.collateral.service import (
    INTEL_PCS,
    CollateralRequest,
    CollateralService,
    FetchedCollateral,
    PcsEndpoint,
)

__all__ = ["Fetcher", "fetch_async", "fetch_sync", "service_over"]

_QUICK = Limits(attempts=2, backoff=0.0)


def service_over(
    transport: httpx.MockTransport,
    *endpoints: PcsEndpoint,
    cache: Path | None = None,
    offline: bool = False,
    max_age: timedelta | None = None,
) -> CollateralService:
    """A service whose network is ``transport``; Intel is asked where no endpoint is named."""
    return CollateralService(
        endpoints or (INTEL_PCS,),
        cache=None if cache is None else CollateralCache(cache),
        offline=offline,
        max_age=max_age,
        limits=_QUICK,
        transport=transport,
        async_transport=transport,
    )


class Fetcher(Protocol):
    """One fetch."""

    def __call__(
        self,
        service: CollateralService,
        request: CollateralRequest = REQUEST,
        *,
        now: datetime = AT,
        refresh: bool = False,
    ) -> FetchedCollateral:
        """Fetch, and return what was found."""


def fetch_sync(
    service: CollateralService, request: CollateralRequest = REQUEST, *, now: datetime = AT, refresh: bool = False
) -> FetchedCollateral:
    return service.fetch(request, now=now, refresh=refresh)


def fetch_async(
    service: CollateralService, request: CollateralRequest = REQUEST, *, now: datetime = AT, refresh: bool = False
) -> FetchedCollateral:
    return asyncio.run(service.fetch_async(request, now=now, refresh=refresh))


def kinds(fetched: FetchedCollateral, *, from_cache: bool) -> Sequence[str]:
    """Which documents came from the cache, or did not."""
    return sorted(source.kind.value for source in fetched.sources if source.from_cache is from_cache)
