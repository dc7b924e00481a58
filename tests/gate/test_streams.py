"""Answers under way: they may outlive their proof by the configured time, and then end with an error, never quietly."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest

from tests.gate.world import BODY, Kind, Scene, client_of
from voltage_attest.errors import GateRefused
from voltage_attest.gate import AttestationGate, Lifecycle
from voltage_attest.gate.model import EventKind
from voltage_attest.testing import INFERENCE, Fault, Slow, Trickle

STREAM = {**BODY, "stream": True}
LIFE = 900.0
DRAIN = Lifecycle(hold=timedelta(0), drain=timedelta(seconds=30))


@pytest.fixture
def gate(scene: Scene) -> AttestationGate:
    return scene.gate(pace=scene.clock.pace(spawn=lambda work: work()), lifecycle=DRAIN)


def outlive(scene: Scene, gate: AttestationGate) -> None:
    """Let the proof end without another, and the time after it, too."""
    scene.pod.set_faults(Fault.OTHER_MRTD)
    scene.clock.advance(LIFE)
    gate.tend()
    scene.clock.advance(31)
    gate.tend()


def read_stream(kind: Kind, scene: Scene, gate: AttestationGate, between: Callable[[], object]) -> list[bytes]:
    """Read a streamed answer; ``between`` is called after its first piece."""
    client = client_of(kind, gate, None, scene.pod.api_key)
    pieces: list[bytes] = []
    if isinstance(client, httpx.Client) or not kind.is_async:
        with client as sync, sync.stream("POST", scene.url, json=STREAM) as answer:  # type: ignore[union-attr]
            for piece in answer.iter_raw():
                if not pieces:
                    between()
                pieces.append(piece)
        return pieces

    async def run() -> None:
        async with client as using, using.stream("POST", scene.url, json=STREAM) as answer:
            async for piece in answer.aiter_raw():
                if not pieces:
                    await asyncio.to_thread(between)
                pieces.append(piece)

    asyncio.run(run())
    return pieces


def test_an_answer_that_outlives_its_proof_ends_with_an_error(scene: Scene, kind: Kind, gate: AttestationGate) -> None:
    scene.pod.set_faults(Trickle(seconds=0.2, on=INFERENCE))
    with pytest.raises(GateRefused, match="outlived its proof"):
        read_stream(kind, scene, gate, lambda: outlive(scene, gate))
    assert scene.count(EventKind.CUT) == 1
    assert gate.status().in_flight == 0


def test_an_answer_may_go_on_for_the_time_it_was_given(scene: Scene, kind: Kind, gate: AttestationGate) -> None:
    scene.pod.set_faults(Trickle(seconds=0.02, on=INFERENCE))

    def lapse() -> None:
        scene.clock.advance(LIFE)
        gate.tend()
        scene.clock.advance(29)
        gate.tend()

    assert b"[DONE]" in b"".join(read_stream(kind, scene, gate, lapse))
    assert gate.result is None


def test_an_answer_goes_on_while_its_key_is_proven_anew(scene: Scene, kind: Kind, gate: AttestationGate) -> None:
    scene.pod.set_faults(Trickle(seconds=0.02, on=INFERENCE))

    def renew() -> None:
        for _ in range(5):
            scene.clock.advance(LIFE - 1)
            gate.tend()
            gate.open()

    assert b"[DONE]" in b"".join(read_stream(kind, scene, gate, renew))
    assert gate.status().attestations > 4


def test_an_answer_ends_at_once_when_the_gate_is_closed(scene: Scene, kind: Kind, gate: AttestationGate) -> None:
    scene.pod.set_faults(Trickle(seconds=0.2, on=INFERENCE))
    with pytest.raises(GateRefused, match="outlived its proof"):
        read_stream(kind, scene, gate, gate.close)


def test_waiting_for_the_head_of_an_answer_ends_as_well(scene: Scene, kind: Kind, gate: AttestationGate) -> None:
    scene.pod.set_faults(Slow(seconds=60, on=INFERENCE))

    def end_it() -> None:
        assert scene.pod.wait_for_requests(below=INFERENCE)
        outlive(scene, gate)

    gate.open()
    ending = threading.Thread(target=end_it)
    ending.start()
    with pytest.raises(GateRefused, match="outlived its proof"):
        read_stream(kind, scene, gate, lambda: None)
    ending.join()


def test_an_answer_without_length_that_is_cut_does_not_look_complete(scene: Scene, kind: Kind, gate: AttestationGate) -> None:
    """The connection's end is such an answer's end; a cut must not pass for it."""
    scene.pod.set_faults(Trickle(seconds=0.2, on=INFERENCE), Fault.TRUNCATED_STREAM)
    with pytest.raises(GateRefused, match="outlived its proof"):
        read_stream(kind, scene, gate, lambda: outlive(scene, gate))


def test_a_connection_that_was_waited_for_beyond_its_epoch_carries_nothing(scene: Scene, gate: AttestationGate) -> None:
    """One connection, two requests: the second waits for it while the attestation ends, and goes over a new one."""
    from voltage_attest.gate import attested_http_client

    limits = httpx.Limits(max_connections=1)
    with attested_http_client(gate, limits=limits, headers={"Authorization": f"Bearer {scene.pod.api_key}"}) as client:
        scene.pod.set_faults(Trickle(seconds=0.1, on=INFERENCE))
        answers: list[int] = []

        def second() -> None:
            answers.append(client.post(scene.url, json=BODY).status_code)

        waiting = threading.Thread(target=second)
        with client.stream("POST", scene.url, json=STREAM) as answer:
            pieces = answer.iter_raw()
            next(pieces)
            waiting.start()
            while gate.status().requests_passed < 2:
                time.sleep(0.01)
            scene.clock.advance(LIFE)
            gate.tend()
            gate.open()
            list(pieces)
        waiting.join(30)
    assert answers == [200]
    requests = [request for request in scene.pod.received if request.path.startswith(INFERENCE)]
    assert len({request.connection for request in requests}) == 2
