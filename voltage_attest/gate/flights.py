"""Requests under way, and how long they may outlive the proof of the key they speak to."""

from __future__ import annotations

import threading
from collections.abc import Set as AbstractSet
from typing import Protocol

from voltage_attest.gate.model import Moment
from voltage_attest.gate.pin import Pinned

__all__ = ["Flight", "Flights"]


class Flight(Protocol):
    """A request under way: the keys that its connection may have met, and whether it was ended for want of proof."""

    keys: frozenset[str]
    is_cut: bool

    def cut(self) -> None:
        """End it with an error; called from any thread."""


class Flights:
    """All requests under way through one gate, and the connections of threads among theirs. Thread-safe.

    ``drain`` is how many seconds they may go on after their key is no longer proven.
    """

    def __init__(self, drain: float) -> None:
        self.pinned = Pinned()
        self._drain = drain
        self._lock = threading.Lock()
        self._flights: set[Flight] = set()
        self._unproven: dict[str, Moment] = {}

    def __len__(self) -> int:
        return len(self._flights)

    def take_off(self, flight: Flight) -> None:
        """A request is under way."""
        with self._lock:
            self._flights.add(flight)

    def land(self, flight: Flight) -> None:
        """It is over."""
        with self._lock:
            self._flights.discard(flight)

    def end_unproven(self, proven: AbstractSet[str], now: Moment) -> int:
        """End those whose key has not been proven for longer than they may go on; how many."""
        with self._lock:
            flying = {key for flight in self._flights for key in flight.keys}
            unproven = (flying | self.pinned.keys()) - proven
            self._unproven = {key: self._unproven.get(key, now) for key in unproven}
            over = {key for key, since in self._unproven.items() if since.after(self._drain).has_come(now)}
            ending = [flight for flight in self._flights if flight.keys <= over and not flight.is_cut]
        self._end(ending, over)
        return len(ending)

    def seconds_until_next(self, now: Moment) -> float | None:
        """Seconds until some must end, as far as is known; None if none must."""
        with self._lock:
            waits = [since.after(self._drain).seconds_from(now) for since in self._unproven.values()]
        return min((wait for wait in waits if wait > 0), default=None)

    def end_all(self) -> None:
        """End all at once."""
        with self._lock:
            flights = list(self._flights)
        self._end(flights, self.pinned.keys())

    def _end(self, flights: list[Flight], keys: AbstractSet[str]) -> None:
        for flight in flights:
            flight.cut()  # before its socket is shut, so that it knows why that happened
        if keys:
            self.pinned.cut(keys)

    def after_fork(self) -> None:
        """In the child: none of the parent's is under way here."""
        self._lock = threading.Lock()
        self._flights = set()
        self._unproven = {}
        self.pinned.forget()
