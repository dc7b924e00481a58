"""The core decides without I/O: a table of time, keys and results."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from tests.gate.results import BAD, CHECK, T0, UNKNOWN, A, B, result
from voltage_attest.gate.core import Backoff, GateCore, RequestFacts, judge_answer, judge_request, why_shut
from voltage_attest.gate.model import Lifecycle, Moment, Open, Origin, Refusal
from voltage_attest.result import AttestationResult

ORIGIN = Origin("https", "pod.example", 443)


def core(max_age: float = 900.0, lifecycle: Lifecycle | None = None) -> GateCore:
    return GateCore(ORIGIN, timedelta(seconds=max_age), lifecycle or Lifecycle(), lambda: 0.5)


def is_open(gate: GateCore, now: Moment, key: str | None = None) -> bool:
    return isinstance(gate.decide(ORIGIN, key, now), Open)


def test_nothing_is_open_before_the_first_attestation() -> None:
    decision = core().decide(ORIGIN, None, T0)
    assert isinstance(decision, Refusal)
    assert decision.curable


def test_an_attestation_opens_for_its_key_alone() -> None:
    gate = core()
    assert gate.admit(result(A), T0, T0.after(1)) is None
    assert is_open(gate, T0.after(1))
    assert is_open(gate, T0.after(1), A)
    assert not is_open(gate, T0.after(1), B)


def test_age_counts_from_when_the_evidence_was_asked_for() -> None:
    gate = core(max_age=900)
    gate.admit(result(), T0, T0.after(60))
    assert is_open(gate, T0.after(899.9))
    assert not is_open(gate, T0.after(900))


def test_a_document_that_ends_sooner_ends_the_generation() -> None:
    gate = core(max_age=900)
    gate.admit(result(valid_for=100), T0, T0.after(60))
    assert is_open(gate, T0.after(99.9))
    assert not is_open(gate, T0.after(100))


def test_a_wall_clock_set_back_prolongs_nothing() -> None:
    gate = core(max_age=900)
    gate.admit(result(valid_for=600), T0, T0)
    assert not is_open(gate, Moment(T0.wall - 10_000, T0.steady + 600))


def test_a_machine_that_slept_gains_nothing() -> None:
    gate = core(max_age=900)
    gate.admit(result(), T0, T0)
    assert not is_open(gate, Moment(T0.wall + 900, T0.steady + 1))


def test_several_keys_stand_side_by_side_each_until_its_own_end() -> None:
    gate = core(max_age=900)
    gate.admit(result(A), T0, T0)
    gate.admit(result(B), T0.after(300), T0.after(300))
    assert is_open(gate, T0.after(301), A)
    assert is_open(gate, T0.after(301), B)
    assert not is_open(gate, T0.after(900), B)  # until the next epoch has begun
    assert gate.lapse(T0.after(900))
    assert is_open(gate, T0.after(900), B)
    assert not is_open(gate, T0.after(900), A)


def test_a_renewal_takes_the_place_of_the_same_key_and_begins_an_epoch() -> None:
    gate = core()
    gate.admit(result(A), T0, T0)
    before = gate.epoch
    gate.admit(result(A), T0.after(10), T0.after(10))
    assert [generation.number for generation in gate.generations] == [2]
    assert gate.epoch == before + 1


def test_a_refused_renewal_shuts_at_once_and_an_undecided_one_does_not() -> None:
    gate = core()
    gate.admit(result(A), T0, T0)
    assert gate.admit(result(A, finding=UNKNOWN), T0.after(10), T0.after(10)) is not None
    assert is_open(gate, T0.after(10))
    refusal = gate.admit(result(A, finding=BAD), T0.after(20), T0.after(20))
    assert refusal is not None
    assert refusal.result is not None
    assert gate.decide(ORIGIN, None, T0.after(20)) == refusal


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        (result(finding=BAD), "refused: " + CHECK.id),
        (result(finding=UNKNOWN), "undecided: " + CHECK.id),
        (result(fresh=False), "proves no TLS key"),
        (result(key=None), "proves no TLS key"),
        (replace(result(), checks=()), "no check passed"),
    ],
)
def test_what_is_not_verified_fresh_and_bound_opens_nothing(shown: AttestationResult, words: str) -> None:
    refusal = why_shut(shown)
    assert refusal is not None
    assert words in refusal.found
    gate = core()
    assert gate.admit(shown, T0, T0) == refusal
    assert not is_open(gate, T0)


def test_an_attestation_that_took_longer_than_its_life_opens_nothing() -> None:
    gate = core(max_age=30)
    refusal = gate.admit(result(), T0, T0.after(30))
    assert refusal is not None
    assert "had ended" in refusal.found


def test_renewal_is_due_ahead_of_the_end_and_chance_brings_it_forward() -> None:
    moments = []
    for chance in (0.0, 0.5, 1.0):
        lifecycle = Lifecycle(refresh_ahead=0.2, jitter=0.5)
        gate = GateCore(ORIGIN, timedelta(seconds=1000), lifecycle, partial(float, chance))
        gate.admit(result(), T0, T0)
        assert gate.refresh is not None
        moments.append(gate.refresh.seconds_from(T0))
    assert moments == [800.0, 750.0, 700.0]


def test_a_lapse_of_an_older_key_does_not_postpone_the_renewal() -> None:
    gate = core()
    gate.admit(result(A), T0, T0)
    gate.admit(result(B), T0.after(300), T0.after(300))
    due = gate.refresh
    gate.lapse(T0.after(900))
    assert gate.refresh == due


def test_closed_is_for_good() -> None:
    gate = core()
    gate.admit(result(), T0, T0)
    gate.close(T0)
    assert gate.admit(result(), T0, T0) is not None
    gate.withdraw(T0)
    decision = gate.decide(ORIGIN, None, T0)
    assert isinstance(decision, Refusal)
    assert not decision.curable


def test_another_origin_is_refused_whatever_is_attested() -> None:
    gate = core()
    gate.admit(result(), T0, T0)
    for other in (ORIGIN._replace(port=8443), ORIGIN._replace(host="pod.example.org"), ORIGIN._replace(scheme="http")):
        assert isinstance(gate.decide(other, A, T0), Refusal)


def facts(**changes: object) -> RequestFacts:
    return replace(RequestFacts("https", "pod.example", None, "POST", "pod.example"), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"scheme": "http"}, "plain text"),
        ({"scheme": "ws"}, "websocket"),
        ({"scheme": "wss"}, "websocket"),
        ({"upgrade": True}, "websocket"),
        ({"method": "CONNECT"}, "tunnel"),
        ({"hostname": "pod.example.evil"}, "another origin"),
        ({"port": 444}, "another origin"),
        ({"scheme": "ftp"}, "another origin"),
        ({"host": "other.example"}, "another host"),
        ({"host": "pod.example:444"}, "another host"),
        ({"host": "a@b"}, "another host"),
        ({"detour": True}, "another host"),
    ],
)
def test_requests_that_go_elsewhere_or_leave_http_are_refused(changed: dict[str, object], words: str) -> None:
    refusal = judge_request(facts(**changed), ORIGIN)
    assert refusal is not None
    assert words in refusal.found
    assert not refusal.curable


@pytest.mark.parametrize("changed", [{}, {"port": 443}, {"host": "POD.example:443"}, {"method": "DELETE"}, {"host": None}])
def test_requests_to_the_origin_may_ask_what_they_like(changed: dict[str, object]) -> None:
    assert judge_request(facts(**changed), ORIGIN) is None


@pytest.mark.parametrize(
    ("status", "passes"),
    [(200, True), (304, True), (500, True), (301, False), (302, False), (303, False), (307, False), (308, False)],
)
def test_redirects_do_not_reach_the_caller(status: int, passes: bool) -> None:  # noqa: FBT001 - a table
    assert (judge_answer(status) is None) is passes


@pytest.mark.parametrize(
    "url", ["http://pod.example", "https://", "https://user:pw@pod.example", "pod.example", "https://[::1", "https://a:b"]
)
def test_addresses_that_name_no_https_origin_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="expected https://host") as caught:
        Origin.of(url)
    assert "pw" not in str(caught.value)


def test_origins_are_compared_by_scheme_host_and_port() -> None:
    assert Origin.of("https://POD.example./v1?x#y") == ORIGIN == Origin.of("https://pod.example:443")
    assert Origin.of("https://bücher.example") == Origin.of("https://xn--bcher-kva.example")
    assert str(Origin.of("https://[::1]:8443/x")) == "https://[::1]:8443"


def test_backoff_doubles_to_its_longest_and_ends_with_success() -> None:
    backoff = Backoff(timedelta(seconds=1), timedelta(seconds=5), lambda: 0.0)
    waits = []
    for _ in range(5):
        backoff.failed(T0)
        waits.append(backoff.seconds_left(T0))
    assert waits == [1, 2, 4, 5, 5]
    backoff.succeeded()
    assert backoff.seconds_left(T0) == 0


@pytest.mark.parametrize("wrong", [{"refresh_ahead": 0.0}, {"refresh_ahead": 0.5}, {"jitter": 1.1}, {"drain": timedelta(-1)}])
def test_a_lifecycle_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must lie between|cannot be negative"):
        Lifecycle(**wrong)  # type: ignore[arg-type]
