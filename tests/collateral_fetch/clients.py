"""Both clients behind one call, and a clock that no test has to wait for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import httpx

from voltage_attest.collateral.http import AsyncBoundedClient, BoundedClient, HttpAnswer, HttpRequest, Limits, Pace

__all__ = ["Clockwork", "Getter", "get_async", "get_sync"]


class Getter(Protocol):
    """One ``get`` with a fresh client."""

    def __call__(
        self,
        request: HttpRequest,
        *,
        deadline: float = 10.0,
        proxy: str | None = None,
        tls_ca: Path | None = None,
        limits: Limits | None = None,
        pace: Pace | None = None,
        transport: httpx.MockTransport | None = None,
    ) -> HttpAnswer:
        """Ask, and return the answer or raise."""


def get_sync(
    request: HttpRequest,
    *,
    deadline: float = 10.0,
    proxy: str | None = None,
    tls_ca: Path | None = None,
    limits: Limits | None = None,
    pace: Pace | None = None,
    transport: httpx.MockTransport | None = None,
) -> HttpAnswer:
    with BoundedClient(proxy=proxy, tls_ca=tls_ca, limits=limits, pace=pace, transport=transport) as client:
        return client.get(request, deadline=deadline)


def get_async(
    request: HttpRequest,
    *,
    deadline: float = 10.0,
    proxy: str | None = None,
    tls_ca: Path | None = None,
    limits: Limits | None = None,
    pace: Pace | None = None,
    transport: httpx.MockTransport | None = None,
) -> HttpAnswer:
    async def ask() -> HttpAnswer:
        async with AsyncBoundedClient(proxy=proxy, tls_ca=tls_ca, limits=limits, pace=pace, transport=transport) as client:
            return await client.get(request, deadline=deadline)

    return asyncio.run(ask())


@dataclass(slots=True)
class Clockwork:
    """Time that passes only by sleeping, and dice that always fall the same way."""

    now: float = 1000.0
    wall: float = 1_780_000_000.0
    chance: float = 0.5
    slept: list[float] = field(default_factory=list)

    @property
    def pace(self) -> Pace:
        return Pace(
            monotonic=lambda: self.now,
            wall=lambda: self.wall,
            sleep=self._sleep,
            sleep_async=self._sleep_async,
            draw=lambda: self.chance,
        )

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        self.wall += seconds

    async def _sleep_async(self, seconds: float) -> None:
        self._sleep(seconds)
