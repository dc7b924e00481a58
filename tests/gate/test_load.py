"""A thousand requests over fifty threads and over fifty tasks, and the pod's key changes in the middle."""

from __future__ import annotations

import asyncio
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import httpx
import pytest

from tests.gate.test_requests import Log
from tests.gate.world import BODY, KINDS, Kind, Scene, client_of
from voltage_attest.gate.model import Outcome
from voltage_attest.testing import ATTESTATION

REQUESTS = 1000
WORKERS = 50

SLOW_TWINS: Final = (1, 2)
"""httpx with tasks, and httpx2 with threads: of the four kinds, one of each library and of each way is enough for every run."""
ON_ONE_OF_EACH: Final = pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=pytest.mark.slow) if place in SLOW_TWINS else kind for place, kind in enumerate(KINDS)],
    ids=str,
)


def headers(number: int) -> dict[str, str]:
    """Every tenth request ends its connection, so that new ones are made all the time."""
    return {"Connection": "close"} if number % 10 == 0 else {}


def run_threads(client: httpx.Client, scene: Scene, rotate: threading.Event) -> list[int]:
    def send(number: int) -> int:
        if number == REQUESTS // 2:
            scene.pod.rotate_key()
            rotate.set()
        return client.post(scene.url, json=BODY, headers=headers(number)).status_code

    with client, ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(send, range(REQUESTS)))


def run_tasks(client: httpx.AsyncClient, scene: Scene, rotate: threading.Event) -> list[int]:
    numbers, found = itertools.count(), []

    async def work() -> None:
        while (number := next(numbers)) < REQUESTS:
            if number == REQUESTS // 2:
                scene.pod.rotate_key()
                rotate.set()
            found.append((await client.post(scene.url, json=BODY, headers=headers(number))).status_code)

    async def run() -> None:
        async with client:
            await asyncio.gather(*[work() for _ in range(WORKERS)])

    asyncio.run(run())
    return found


@ON_ONE_OF_EACH
def test_one_attestation_a_generation_none_unproven_none_lost(scene: Scene, kind: Kind) -> None:
    log, rotated = Log(), threading.Event()
    gate = scene.gate(audit=log)
    first = scene.pod.spki_sha256.hex()
    client = client_of(kind, gate, None, scene.pod.api_key)
    run = run_tasks if kind.is_async else run_threads
    assert run(client, scene, rotated) == [200] * REQUESTS  # type: ignore[arg-type]
    assert rotated.is_set()
    assert scene.inferences == REQUESTS
    assert scene.pod.traffic.requests_below(ATTESTATION) == 2
    assert gate.status().attestations == 2
    second = scene.pod.spki_sha256.hex()
    complete = [end for end in log.ends if end.outcome is Outcome.COMPLETE]
    assert len(complete) == REQUESTS
    assert {end.key for end in complete} == {first, second}
    announced = {(record.request_id, record.attempt): record.keys for record in log.records}
    assert all(end.key in announced[end.request_id, end.attempt] for end in complete)
    refused = [end for end in log.ends if end.outcome is not Outcome.COMPLETE]
    assert all(end.bytes_sent == 0 for end in refused)
    assert gate.status().in_flight == 0


@ON_ONE_OF_EACH
def test_a_name_that_is_hijacked_under_load_gives_nothing_away(scene: Scene, kind: Kind) -> None:
    gate = scene.gate()
    client = client_of(kind, gate, None, scene.pod.api_key)
    refused = itertools.count()

    def hijack(number: int) -> None:
        if number == 100:
            scene.door.divert_to(scene.twin)

    def send(number: int) -> None:
        hijack(number)
        try:
            client.post(scene.url, json=BODY, headers=headers(number))
        except Exception:  # noqa: BLE001 - which one is another test's claim
            next(refused)

    async def work(numbers: itertools.count[int]) -> None:
        while (number := next(numbers)) < 300:
            hijack(number)
            try:
                await client.post(scene.url, json=BODY, headers=headers(number))  # type: ignore[misc]
            except Exception:  # noqa: BLE001
                next(refused)

    async def run() -> None:
        numbers = itertools.count()
        async with client:  # type: ignore[union-attr]
            await asyncio.gather(*[work(numbers) for _ in range(20)])

    if kind.is_async:
        asyncio.run(run())
    else:
        with client, ThreadPoolExecutor(20) as pool:  # type: ignore[union-attr]
            list(pool.map(send, range(300)))
    assert next(refused) > 0
    scene.twin.close()
    assert scene.twin.traffic.application_bytes == 0
