"""A gate's life: once for all who wait, renewed ahead of time, shut in time, and a whole day of it without waiting."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random

import pytest

from tests.gate.results import BAD, UNKNOWN, result
from tests.gate.results import A as KEY
from tests.gate.world import NO_HOLD, Clock, Scene
from voltage_attest.errors import GateRefused, PolicyError
from voltage_attest.gate import AttestationGate, Lifecycle
from voltage_attest.gate.courses import drive
from voltage_attest.gate.engine import _NotAdmitted
from voltage_attest.gate.model import EventKind, GateEvent
from voltage_attest.gate.pace import Pace
from voltage_attest.policy import Policy, parse_policy
from voltage_attest.result import AttestationResult
from voltage_attest.testing import Fault, SimulatedPod

MAX_AGE = 900.0


@pytest.fixture(scope="module")
def policy() -> Policy:
    return parse_policy(SimulatedPod().policy_toml())


class FakePod:
    """Answers when it is asked, as told; counts, and may be made to take its time."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.asked = 0
        self.answer: AttestationResult | Exception = result(KEY)
        self.takes = 0.0
        self.was_asked = threading.Event()
        self.may_answer = threading.Event()
        self.may_answer.set()

    def __call__(self) -> AttestationResult:
        self.asked += 1
        self.was_asked.set()
        self.may_answer.wait(30)
        self.clock.advance(self.takes)
        if isinstance(self.answer, Exception):
            raise self.answer
        return replace(self.answer, appraised_at=datetime.fromtimestamp(self.clock.wall, UTC))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fake(clock: Clock) -> FakePod:
    return FakePod(clock)


def inline(pace: Pace, *, draw: Random | None = None) -> Pace:
    """Attest where it is asked for, instead of in a thread."""
    return replace(pace, spawn=lambda work: work(), draw=pace.draw if draw is None else draw.random)


def make(
    policy: Policy, fake: FakePod, pace: Pace, lifecycle: Lifecycle = NO_HOLD, events: list[GateEvent] | None = None
) -> AttestationGate:
    listener = None if events is None else events.append
    return AttestationGate("pod_1", policy, "key", ask=fake, pace=pace, lifecycle=lifecycle, listener=listener)


def test_a_day_of_renewals(policy: Policy, clock: Clock, fake: FakePod) -> None:
    """Open at every second of 24 hours; renewals neither bunch nor drift; each attestation is one generation."""
    events: list[GateEvent] = []
    fake.takes = 3.0
    gate = make(policy, fake, inline(clock.pace(), draw=Random(7)), Lifecycle(), events)  # noqa: S311 - a day that can be repeated
    gate.open()
    opened: list[float] = []
    began = clock.steady
    while clock.steady - began < 86_400:
        seconds = gate.tend()
        assert seconds is not None
        assert gate.result is not None, "the gate was shut for a moment"
        if len(opened) < fake.asked:
            opened.append(clock.steady)
        clock.advance(max(seconds, 0.001))
    gaps = [later - earlier for earlier, later in pairwise(opened)]
    # A renewal begins when 20 to 30 % of a life is left, which counts from when the evidence was asked for.
    assert all(0.69 * MAX_AGE <= gap <= 0.81 * MAX_AGE for gap in gaps)
    assert len({round(gap) for gap in gaps}) > 20
    assert Counter(event.kind for event in events) == {EventKind.ATTESTING: fake.asked, EventKind.OPENED: fake.asked}
    assert gate.status().epoch == fake.asked
    assert 110 <= fake.asked <= 140


def test_a_day_with_a_pod_that_falls_silent_for_an_hour(policy: Policy, clock: Clock, fake: FakePod) -> None:
    """What was proven stays so until its end and no longer; nobody is asked more often than once a minute for long."""
    gate = make(policy, fake, inline(clock.pace()), Lifecycle())
    gate.open()
    began, shut_for, asked_in_silence = clock.steady, 0.0, 0
    while clock.steady - began < 86_400:
        silent = 36_000 <= clock.steady - began < 39_600
        fake.answer = result(KEY, finding=UNKNOWN) if silent else result(KEY)
        before = fake.asked
        gate.tend()
        try:
            gate.open()
        except GateRefused:
            assert silent or clock.steady - began < 39_600 + 60
            shut_for += 5.0
        asked_in_silence += (fake.asked - before) * silent
        clock.advance(5.0)
    assert 3600 - MAX_AGE < shut_for < 3600 - MAX_AGE * 0.7 + 60 + 60
    assert asked_in_silence < 160


def test_a_refused_renewal_shuts_the_gate_at_once(policy: Policy, clock: Clock, fake: FakePod) -> None:
    gate = make(policy, fake, inline(clock.pace()))
    gate.open()
    fake.answer = result(KEY, finding=BAD)
    clock.advance(MAX_AGE * 0.8)
    gate.tend()
    assert gate.result is None
    with pytest.raises(GateRefused, match="it differs"):
        gate.open()
    assert gate.status().last_refusal is not None


def test_no_stale_attestation_is_used_while_a_new_one_is_fetched(policy: Policy, clock: Clock, fake: FakePod) -> None:
    gate = make(policy, fake, clock.pace())
    gate.open()
    clock.advance(MAX_AGE)
    fake.may_answer.clear()
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(gate.open)
        assert not waiting.done()
        assert gate.result is None
        fake.may_answer.set()
        assert waiting.result(30) is gate.result


def test_one_attestation_serves_threads_and_tasks_that_wait_together(policy: Policy, clock: Clock, fake: FakePod) -> None:
    gate = make(policy, fake, clock.pace())
    fake.may_answer.clear()

    async def all_tasks() -> list[AttestationResult]:
        return await asyncio.gather(*[gate.open_async() for _ in range(20)])

    with ThreadPoolExecutor(41) as pool:
        threads = [pool.submit(gate.open) for _ in range(20)]
        loops = [pool.submit(asyncio.run, all_tasks()) for _ in range(2)]
        assert fake.was_asked.wait(30)
        fake.may_answer.set()
        found = [waiting.result(30) for waiting in threads] + [each for loop in loops for each in loop.result(30)]
    assert fake.asked == 1
    assert len(found) == 60
    assert all(each is found[0] for each in found)


def test_a_cancelled_task_does_not_cancel_the_attestation_of_others(policy: Policy, clock: Clock, fake: FakePod) -> None:
    gate = make(policy, fake, clock.pace())
    fake.may_answer.clear()

    async def run() -> AttestationResult:
        first, second = asyncio.create_task(gate.open_async()), asyncio.create_task(gate.open_async())
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait([first])
        assert first.cancelled()
        fake.may_answer.set()
        return await second

    assert asyncio.run(run()) is gate.result
    assert fake.asked == 1


def test_after_a_refusal_nothing_is_asked_again_for_a_while(policy: Policy, clock: Clock, fake: FakePod) -> None:
    gate = make(policy, fake, inline(clock.pace()), Lifecycle(hold=timedelta(seconds=10), max_hold=timedelta(seconds=40)))
    fake.answer = result(KEY, finding=BAD)
    for _ in range(1000):
        with pytest.raises(GateRefused, match="it differs"):
            gate.open()
    assert fake.asked == 1
    clock.advance(7.5)  # ten seconds, less half of what chance may take off
    fake.answer = result(KEY)
    gate.open()


@pytest.mark.parametrize("error", [OSError("disk /secret"), ValueError("a password"), RuntimeError("who knows")])
def test_an_attestation_that_breaks_leaves_the_gate_shut_and_tells_no_text(
    policy: Policy, clock: Clock, fake: FakePod, error: Exception
) -> None:
    gate = make(policy, fake, clock.pace())
    fake.answer = error
    with pytest.raises(GateRefused, match=f"{type(error).__name__} was raised") as caught:
        gate.open()
    assert str(error) not in str(caught.value)
    fake.answer = result(KEY)
    gate.open()


def test_the_keeper_renews_by_itself_and_ends_with_the_gate(policy: Policy, fake: FakePod) -> None:
    """In real time, with a life of one second."""
    fast = replace(policy, channel=replace(policy.channel, max_age=timedelta(seconds=1)))  # type: ignore[type-var]
    renewed = threading.Event()

    def tell(event: GateEvent) -> None:
        if event.kind is EventKind.OPENED and event.epoch >= 3:
            renewed.set()

    gate = AttestationGate("pod_1", fast, "key", ask=lambda: result(KEY), lifecycle=NO_HOLD, listener=tell)
    gate.open()
    assert renewed.wait(30)
    gate.close()
    keepers = [thread for thread in threading.enumerate() if thread.name == "voltage-attest gate"]
    for thread in keepers:
        thread.join(30)
    assert not any(thread.is_alive() for thread in keepers)
    del fake


def test_status_tells_what_a_health_check_asks(policy: Policy, clock: Clock, fake: FakePod) -> None:
    gate = make(policy, fake, inline(clock.pace()))
    before = gate.status()
    assert not before.is_open
    assert before.open_until is None
    gate.open()
    status = gate.status()
    assert status.is_open
    assert status.keys == (KEY,)
    assert status.open_until is not None
    assert status.refresh_at is not None
    assert abs(status.open_until.timestamp() - clock.wall - MAX_AGE) < 0.001
    assert status.attestations == 1
    gate.close()
    assert gate.status().is_closed
    assert not gate.status().is_open


def test_a_gate_can_be_a_context_of_both_kinds(policy: Policy, clock: Clock, fake: FakePod) -> None:
    async def run() -> AttestationGate:
        async with make(policy, fake, clock.pace()) as gate:
            assert await gate.open_async() is gate.result
        return gate

    assert asyncio.run(run()).status().is_closed
    with make(policy, fake, clock.pace()) as gate:
        pass
    with pytest.raises(GateRefused, match="closed"):
        gate.open()


def test_whoever_waits_learns_at_once_that_the_gate_was_closed(policy: Policy, clock: Clock, fake: FakePod) -> None:
    gate = make(policy, fake, clock.pace())
    fake.may_answer.clear()
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(gate.open)
        assert fake.was_asked.wait(30)
        gate.close()
        with pytest.raises(GateRefused, match="closed"):
            waiting.result(30)
        fake.may_answer.set()
    assert gate.result is None


def test_a_stranger_that_was_proven_after_all_leaves_no_backoff(policy: Policy, clock: Clock, fake: FakePod) -> None:
    gate = make(policy, fake, inline(clock.pace()), Lifecycle())
    gate.open()
    engine = gate.wiring().desk.engine
    for _ in range(20):
        fake.answer = result(f"{fake.asked:064x}")
        with pytest.raises(_NotAdmitted) as met:
            engine.judge(f"{fake.asked:064x}")
        assert drive(engine.proof(met.value))
    assert gate.status().attestations == 21


def test_many_who_meet_a_stranger_together_count_as_one_failure(policy: Policy, clock: Clock, fake: FakePod) -> None:
    gate = make(policy, fake, inline(clock.pace()), Lifecycle())
    gate.open()
    engine, met = gate.wiring().desk.engine, []
    for _ in range(50):
        with pytest.raises(_NotAdmitted) as caught:
            engine.judge("ee" * 32)
        met.append(caught.value)
    assert not any(drive(engine.proof(each)) for each in met)
    assert fake.asked == 2
    clock.advance(1.0)
    with pytest.raises(_NotAdmitted) as caught:
        engine.judge("ee" * 32)
    assert not drive(engine.proof(caught.value))
    assert fake.asked == 3


def test_a_listener_that_raises_decides_nothing(policy: Policy, clock: Clock, fake: FakePod) -> None:
    def tell(event: GateEvent) -> None:
        raise RuntimeError(event.kind)

    AttestationGate("pod_1", policy, "key", ask=fake, pace=inline(clock.pace()), listener=tell).open()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[tdx]\nmrtd = { unpinned = "why" }\n', "tdx.mrtd"),
        (f'[tdx]\nmrtd = ["{"0" * 96}"]\n', "channel"),
    ],
)
def test_a_policy_that_pins_no_mrtd_or_has_no_channel_makes_no_gate(text: str, key: str) -> None:
    rest = "".join(f'rtmr{number} = {{ unpinned = "a test" }}\n' for number in range(4))
    channel = "" if key == "channel" else "[channel]\n"
    loose = parse_policy(f'schema = "voltage-attest/policy/1"\nname = "n"\n{text}{rest}{channel}')
    with pytest.raises(PolicyError) as caught:
        AttestationGate("pod_1", loose, "key")
    assert caught.value.key == key


def test_without_a_key_there_is_no_gate(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VOLTAGEGPU_API_KEY", "VOLT_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match="no API key"):
        AttestationGate("pod_1", policy)
    monkeypatch.setenv("VOLT_API_KEY", "k")
    assert AttestationGate("pod_1", policy).base_url == "https://api.voltagegpu.com/v1/confidential"


def test_a_gate_reads_its_policy_from_a_file(scene: Scene) -> None:
    path = scene.ca.with_name("voltage-attest.toml")
    path.write_text(scene.pod.policy_toml(), "utf-8")
    with AttestationGate(
        scene.pod.pod_id,
        path,
        scene.pod.api_key,
        scene.pod.api_base,
        scene.pod.pccs_base,
        scene.pod.roots,
        scene.ca,
        cache=None,
    ) as gate:
        assert gate.open().policy is not None
        assert gate.result is not None
        with scene.pod.faulty(Fault.DEBUG_TD):
            assert gate.open() is gate.result
        assert "pod_simulated" in repr(gate)


def test_the_address_check_needs_no_attestation(policy: Policy) -> None:
    gate = AttestationGate("pod_1", policy, "key")
    assert gate.refusal_of_url(gate.base_url) is None
    for url in ("https://elsewhere.example/v1", "http://api.voltagegpu.com", "nonsense"):
        assert gate.refusal_of_url(url) is not None
