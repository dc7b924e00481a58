"""The connection pools of one client: one an epoch, counted in and out, so that each is closed when nothing goes on in it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

__all__ = ["Pool", "Pools", "Shelf"]

Inner = TypeVar("Inner")


class Pools(Protocol):
    """The connection pools of one client."""

    def retire(self, epoch: int) -> None:
        """Use no pool of an earlier epoch again; close each as soon as nothing is under way in it."""

    def abandon(self) -> None:
        """Forget all pools, in a forked child: their locks are the parent's."""


@dataclass(slots=True, eq=False)
class Pool(Generic[Inner]):
    """A transport of the HTTP library, for the connections of one epoch; ``place`` is the event loop that it belongs to."""

    inner: Inner
    epoch: int
    place: object
    in_flight: int = 0
    is_retired: bool = False


class Shelf(Generic[Inner]):
    """Thread-safe; ``make`` makes a transport. Whoever is handed one to close closes it, without any lock held."""

    def __init__(self, make: Callable[[], Inner]) -> None:
        self._make = make
        self.forget()

    def forget(self) -> None:
        """Know nothing of any pool, as a forked child must."""
        self._lock = threading.Lock()
        self._current: Pool[Inner] | None = None

    def lease(self, epoch: int, place: object = None) -> tuple[Pool[Inner], Pool[Inner] | None]:
        """The pool for this epoch, with one more request in it; and one to be closed, if it took the place of an idle one."""
        with self._lock:
            current, idle = self._current, None
            if current is None or current.epoch < epoch or current.place is not place:
                idle = self._retire()
                current = self._current = Pool(self._make(), epoch, place)
            current.in_flight += 1
            return current, idle

    def release(self, pool: Pool[Inner]) -> bool:
        """One request fewer; True if the pool is to be closed now."""
        with self._lock:
            pool.in_flight -= 1
            return pool.is_retired and not pool.in_flight

    def retire(self, epoch: int | None = None) -> Pool[Inner] | None:
        """Use the pool no more if it is of an earlier epoch, or at all where None is given; it is returned if it is idle."""
        with self._lock:
            if self._current is None or (epoch is not None and self._current.epoch >= epoch):
                return None
            return self._retire()

    def _retire(self) -> Pool[Inner] | None:
        pool, self._current = self._current, None
        if pool is None:
            return None
        pool.is_retired = True
        return None if pool.in_flight else pool
