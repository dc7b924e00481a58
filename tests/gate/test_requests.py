"""Each request: announced before its first byte, followed to its end, and never told of in words."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import httpx
import pytest

from tests.gate.world import BODY, PHI, Kind, Scene, calling, client_of
from voltage_attest.errors import GateRefused
from voltage_attest.gate.core import RequestFacts
from voltage_attest.gate.exchange import Exchange
from voltage_attest.gate.model import EventKind, Open, Outcome, Refusal, RequestEnd, RequestRecord, RequestWatch
from voltage_attest.result import Verdict
from voltage_attest.testing import INFERENCE, CutConnection, Fault, Redirects, Slow, Trickle


class Log:
    """An audit log in memory; ``before`` is run at each announcement, and may raise."""

    def __init__(self, before: Callable[[RequestRecord], None] | None = None) -> None:
        self.before = before
        self.records: list[RequestRecord] = []
        self.ends: list[RequestEnd] = []
        self.sent = b""
        self.received = b""
        self.threads: set[str] = set()

    def announce(self, record: RequestRecord) -> RequestWatch:
        self.threads.add(threading.current_thread().name)
        self.records.append(record)
        if self.before is not None:
            self.before(record)
        return _Watch(self)


class _Watch:
    def __init__(self, log: Log) -> None:
        self._log = log

    def sent(self, chunk: bytes) -> None:
        self._log.sent += chunk

    def received(self, chunk: bytes) -> None:
        self._log.received += chunk

    def ended(self, end: RequestEnd) -> None:
        self._log.ends.append(end)


def test_a_request_is_announced_before_its_first_byte_and_followed_to_its_end(scene: Scene, kind: Kind) -> None:
    at_announcement: list[int] = []
    log = Log(lambda _: at_announcement.append(scene.pod.traffic.requests_below(INFERENCE)))
    gate = scene.gate(audit=log)
    with calling(kind, gate) as caller:
        status, body = caller.request("POST", scene.url)
    assert status == 200
    assert at_announcement == [0]
    (record,), (end,) = log.records, log.ends
    assert record.method == "POST"
    assert record.path == "/v1/confidential/chat/completions"
    assert record.keys == (scene.pod.spki_sha256.hex(),)
    assert record.result.verdict is Verdict.VERIFIED
    assert record.content_type == "application/json"
    assert json.loads(record.content or b"") == BODY
    assert (end.request_id, end.attempt, end.outcome, end.status) == (record.request_id, 1, Outcome.COMPLETE, 200)
    assert end.key == scene.pod.spki_sha256.hex()
    assert log.sent == record.content
    assert log.received == body
    assert (end.bytes_sent, end.bytes_received) == (len(log.sent), len(body))
    assert end.at.tzinfo is UTC
    if kind.is_async:
        assert threading.main_thread().name not in log.threads  # a slow disk does not hold up the loop


def test_nothing_is_sent_if_the_announcement_fails(scene: Scene, kind: Kind) -> None:
    def full(_: RequestRecord) -> None:
        raise OSError(28, "No space left on /secret/place")

    gate = scene.gate(audit=Log(full))
    with calling(kind, gate) as caller, pytest.raises(GateRefused, match=r"audit log \(OSError\)") as caught:
        caller.request("POST", scene.url)
    assert "secret" not in str(caught.value)
    scene.pod.close()
    assert scene.inferences == 0


def test_an_announcement_that_refuses_is_heard_as_it_is(scene: Scene, kind: Kind) -> None:
    def refuse(_: RequestRecord) -> None:
        raise GateRefused("the model m is not allowed", expected="another", remedy="Change it.")

    with calling(kind, scene.gate(audit=Log(refuse))) as caller, pytest.raises(GateRefused, match="model m is not allowed"):
        caller.request("POST", scene.url)
    assert scene.inferences == 0


def test_a_request_whose_attestation_ends_while_it_is_written_down_is_announced_anew(scene: Scene, kind: Kind) -> None:
    def slow_disk(record: RequestRecord) -> None:
        if record.attempt == 1:
            scene.clock.advance(900)

    log = Log(slow_disk)
    gate = scene.gate(audit=log, pace=scene.clock.pace())
    with calling(kind, gate) as caller:
        assert caller.request("POST", scene.url)[0] == 200
    assert [(record.attempt, record.generation) for record in log.records] == [(1, 1), (2, 2)]
    assert [(end.outcome, end.bytes_sent) for end in log.ends] == [(Outcome.REFUSED, 0), (Outcome.COMPLETE, len(log.sent))]
    assert len({record.request_id for record in log.records}) == 1
    assert scene.inferences == 1


def test_a_rotation_shows_as_two_attempts_of_one_request(scene: Scene, kind: Kind) -> None:
    log = Log()
    gate = scene.gate(audit=log)
    gate.open()
    scene.pod.rotate_key()
    with calling(kind, gate) as caller:
        assert caller.request("POST", scene.url)[0] == 200
    assert [(end.attempt, end.outcome, end.bytes_sent) for end in log.ends] == [
        (1, Outcome.REFUSED, 0),
        (2, Outcome.COMPLETE, len(log.sent)),
    ]
    assert log.ends[1].key == scene.pod.spki_sha256.hex()


@pytest.mark.parametrize(
    ("trouble", "outcome"),
    [(CutConnection(on=INFERENCE), Outcome.FAILED), (Redirects(to="https://localhost:1", on=INFERENCE), Outcome.REFUSED)],
    ids=["cut", "redirect"],
)
def test_how_it_ended_is_told(scene: Scene, kind: Kind, trouble: CutConnection | Redirects, outcome: Outcome) -> None:
    log = Log()
    gate = scene.gate(audit=log)
    scene.pod.set_faults(trouble)
    with calling(kind, gate) as caller, pytest.raises(Exception, match=r".+"):
        caller.request("POST", scene.url)
    (end,) = log.ends
    assert end.outcome is outcome
    assert end.error in {"GateRefused", "RemoteProtocolError"}
    assert end.bytes_sent > 0
    assert gate.status().in_flight == 0


def test_an_answer_that_nobody_reads_to_its_end_is_told_as_abandoned(scene: Scene) -> None:
    log = Log()
    scene.pod.set_faults(Trickle(seconds=0.01, on=INFERENCE))
    client = client_of(Kind("httpx", is_async=False), scene.gate(audit=log), None, scene.pod.api_key)
    assert isinstance(client, httpx.Client)
    with client, client.stream("POST", scene.url, json={**BODY, "stream": True}) as answer:
        next(answer.iter_raw())
    assert [end.outcome for end in log.ends] == [Outcome.ABANDONED]


def test_an_end_that_cannot_be_written_is_told_to_the_listener_and_not_to_the_caller(scene: Scene, kind: Kind) -> None:
    log = Log()
    log.ends = None  # type: ignore[assignment]
    gate = scene.gate(audit=log)
    with calling(kind, gate) as caller:
        assert caller.request("POST", scene.url)[0] == 200
    assert scene.count(EventKind.AUDIT_FAILED) == 1


def test_a_body_that_is_made_while_it_is_sent_is_not_read_before_the_gate_is_open(scene: Scene) -> None:
    read: list[bool] = []
    gate = scene.gate()

    def body() -> Iterator[bytes]:
        read.append(gate.result is not None)
        yield b'{"model": "m", "messages": [], "confidential": true, '
        yield b'"no_log": true}'

    client = client_of(Kind("httpx", is_async=False), gate, None, scene.pod.api_key)
    assert isinstance(client, httpx.Client)
    with client:
        scene.pod.set_faults(Fault.DEBUG_TD)
        with pytest.raises(GateRefused):
            client.post(scene.url, content=body())
        assert not read
        scene.pod.set_faults()
        assert client.post(scene.url, content=body()).status_code < 500
    assert read == [True]


def test_a_guard_shuts_the_gate_before_anything_is_asked(scene: Scene, kind: Kind) -> None:
    asked: list[datetime] = []

    def no_contract(now: datetime) -> Refusal | None:
        asked.append(now)
        return Refusal("there is no contract", "one", "Sign it.")

    gate = scene.gate(guards=[no_contract])
    with calling(kind, gate) as caller, pytest.raises(GateRefused, match="there is no contract"):
        caller.request("POST", scene.url)
    with pytest.raises(GateRefused, match="there is no contract"):
        gate.open()
    assert scene.pod.traffic.connections == 0
    assert asked[0].tzinfo is UTC


class _Unpinned:
    """A network stream whose TLS did not come from the gate's context."""

    def get_extra_info(self, info: str) -> object:
        return info


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_a_task_that_is_cancelled_leaves_nothing_under_way(scene: Scene, library: str) -> None:
    log = Log()
    gate = scene.gate(audit=log)
    client = client_of(Kind(library, is_async=True), gate, None, scene.pod.api_key)
    scene.pod.set_faults(Slow(seconds=30, on=INFERENCE))

    async def run() -> None:
        async with client as using:  # type: ignore[union-attr]
            sending = asyncio.create_task(using.post(scene.url, json=BODY))
            await asyncio.to_thread(scene.pod.wait_for_requests, below=INFERENCE)
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending

    asyncio.run(run())
    assert gate.status().in_flight == 0
    assert [(end.outcome, end.error) for end in log.ends] == [(Outcome.FAILED, "CancelledError")]


@pytest.mark.parametrize("stream", [None, _Unpinned()], ids=["none", "foreign"])
def test_an_answer_over_a_connection_without_the_pin_is_refused(scene: Scene, stream: _Unpinned | None) -> None:
    """Should a library make a connection that bypasses the context, its answer is not taken for the pod's."""
    gate = scene.gate()
    gate.open()
    desk = gate.wiring().desk
    admitted = desk.engine.decide()
    assert isinstance(admitted, Open)
    facts = RequestFacts(*gate.origin, "GET", None)
    exchange = Exchange(desk.receive(facts, "/", None, None), admitted, None)
    with pytest.raises(GateRefused, match="not made under the pin"):
        exchange.answered(200, stream)


class OwnError(Exception):
    """What an SDK wants to see."""


def test_a_client_may_raise_refusals_as_its_own(scene: Scene, kind: Kind) -> None:
    gate = scene.gate()
    scene.door.divert_to(scene.twin)
    with (
        calling(kind, gate, refuse=lambda error: OwnError(error.found)) as caller,
        pytest.raises(OwnError, match="no attestation"),
    ):
        caller.request("POST", scene.url)
    assert gate.status().requests_refused == 1


@pytest.mark.parametrize("fault", [None, Fault.DEBUG_TD, Fault.TRUNCATED_STREAM], ids=str)
def test_no_patient_shows_in_logs_texts_or_reprs(
    scene: Scene, kind: Kind, caplog: pytest.LogCaptureFixture, fault: Fault | None
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore", "httpx2", "httpcore2", "voltage_attest"):
        caplog.set_level(logging.DEBUG, name)
    log = Log()
    gate = scene.gate(audit=log)
    shown: list[str] = []
    if fault is not None:
        scene.pod.set_faults(fault)
    with calling(kind, gate) as caller:
        for address in (scene.url, scene.twin.base, scene.url.replace("https", "http")):
            try:
                caller.request("POST", address)
            except GateRefused as error:
                shown += [str(error), repr(error), repr(error.args)]
        scene.door.divert_to(scene.twin)
        scene.door.drop_connections()
        with pytest.raises(GateRefused) as caught:
            caller.request("POST", scene.url)
        shown += [str(caught.value), repr(caught.value)]
    shown += [
        repr(gate),
        repr(gate.status()),
        caplog.text,
        *map(repr, log.records),
        *map(repr, log.ends),
        *map(repr, scene.events),
    ]
    everything = "\n".join(shown)
    assert "GateStatus" in everything
    for secret in (PHI, "Jane", "HIV", scene.pod.api_key):
        assert secret not in everything
