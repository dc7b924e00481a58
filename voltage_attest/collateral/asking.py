"""Several pursuits of documents at the same time, followed by threads or by tasks: what the services that fetch share.

A pursuit is a generator without I/O: it yields questions, is sent what came of each, and returns what it has found.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from voltage_attest.collateral.http_core import HttpAnswer, HttpRequest, Limits
from voltage_attest.errors import FetchError

if TYPE_CHECKING:
    import httpx

    from voltage_attest.collateral.http import Pace

__all__ = ["DEFAULT_DEADLINE", "MOST_AT_ONCE", "Asker", "Question", "Reply"]

DEFAULT_DEADLINE: Final = 30.0
"""Seconds that one fetch may take, with all its requests."""

MOST_AT_ONCE: Final = 8
"""Requests that are under way at the same time."""

Reply = HttpAnswer | FetchError
Outcome = TypeVar("Outcome")


@dataclass(frozen=True, slots=True)
class Question:
    """A request to make now; ``endpoints_left`` counts this one and those that may be asked after it for the same end."""

    request: HttpRequest
    endpoints_left: int = 1


@dataclass(frozen=True, slots=True, repr=False)
class Asker:
    """Puts questions over the network. The fields are those of :class:`~voltage_attest.collateral.http.BoundedClient`.

    It holds no connection: each call makes a client and closes it.
    """

    proxy: str | None = None
    tls_ca: Path | str | None = None
    limits: Limits | None = None
    pace: Pace | None = None
    transport: httpx.BaseTransport | None = None
    async_transport: httpx.AsyncBaseTransport | None = None

    def follow(self, pursuits: Sequence[Generator[Question, Reply, Outcome]], *, ends: float) -> list[Outcome]:
        """Follow all to their ends, in order of the pursuits; no request takes longer than to ``ends`` (monotonic seconds)."""
        from concurrent.futures import ThreadPoolExecutor

        from voltage_attest.collateral.http import BoundedClient

        with (
            BoundedClient(
                proxy=self.proxy, tls_ca=self.tls_ca, limits=self.limits, pace=self.pace, transport=self.transport
            ) as client,
            ThreadPoolExecutor(min(len(pursuits), MOST_AT_ONCE), "collateral") as pool,
        ):

            def ask(question: Question) -> Reply:
                try:
                    return client.send(question.request, deadline=_share(question, ends))
                except FetchError as error:
                    return error

            def converse(pursuit: Generator[Question, Reply, Outcome]) -> Outcome:
                try:
                    question = next(pursuit)
                    while True:
                        question = pursuit.send(ask(question))
                except StopIteration as end:
                    outcome: Outcome = end.value
                    return outcome

            return list(pool.map(converse, pursuits))

    async def follow_async(self, pursuits: Sequence[Generator[Question, Reply, Outcome]], *, ends: float) -> list[Outcome]:
        """As :meth:`follow`, for asyncio."""
        import asyncio

        from voltage_attest.collateral.http import AsyncBoundedClient

        async with AsyncBoundedClient(
            proxy=self.proxy, tls_ca=self.tls_ca, limits=self.limits, pace=self.pace, transport=self.async_transport
        ) as client:
            turns = asyncio.Semaphore(MOST_AT_ONCE)

            async def ask(question: Question) -> Reply:
                try:
                    return await client.send(question.request, deadline=_share(question, ends))
                except FetchError as error:
                    return error

            async def converse(pursuit: Generator[Question, Reply, Outcome]) -> Outcome:
                async with turns:
                    try:
                        question = next(pursuit)
                        while True:
                            question = pursuit.send(await ask(question))
                    except StopIteration as end:
                        outcome: Outcome = end.value
                        return outcome

            return list(await asyncio.gather(*map(converse, pursuits)))


def _share(question: Question, ends: float) -> float:
    """Seconds for this request: one that hangs leaves an equal share of the time to each endpoint after it."""
    return max(0.0, ends - time.monotonic()) / question.endpoints_left
