"""Pools on their shelf: one an epoch and event loop, closed when nothing goes on in it, and never used again."""

from __future__ import annotations

import itertools

from voltage_attest.gate.shelf import Shelf


def shelf() -> Shelf[int]:
    numbers = itertools.count()
    return Shelf(lambda: next(numbers))


def test_requests_of_one_epoch_share_a_pool() -> None:
    made = shelf()
    first, _ = made.lease(1)
    second, _ = made.lease(1)
    assert first is second
    assert first.in_flight == 2


def test_a_later_epoch_gets_a_pool_of_its_own_even_before_it_was_told_of() -> None:
    made = shelf()
    first, _ = made.lease(1)
    second, idle = made.lease(2)
    assert second.inner != first.inner
    assert idle is None  # a request is under way in the first
    assert made.release(first)
    assert not made.release(second)


def test_an_idle_pool_is_handed_over_to_be_closed_when_the_next_takes_its_place() -> None:
    made = shelf()
    first, _ = made.lease(1)
    made.release(first)
    assert made.lease(2)[1] is first


def test_a_request_of_an_earlier_epoch_takes_the_newer_pool() -> None:
    """It is judged again before anything is sent; what it must not do is bring the old pool back."""
    made = shelf()
    newer, _ = made.lease(2)
    assert made.lease(1)[0] is newer


def test_another_event_loop_gets_another_pool() -> None:
    made = shelf()
    here, there = object(), object()
    assert made.lease(1, here)[0] is not made.lease(1, there)[0]


def test_retiring_hands_over_what_is_idle_and_leaves_what_is_of_this_epoch() -> None:
    made = shelf()
    pool, _ = made.lease(3)
    assert made.retire(3) is None
    made.release(pool)
    assert made.retire(3) is None
    assert made.retire(4) is pool
    assert made.retire(5) is None


def test_a_forked_child_knows_no_pool() -> None:
    made = shelf()
    pool, _ = made.lease(1)
    made.forget()
    assert made.lease(1)[0] is not pool
