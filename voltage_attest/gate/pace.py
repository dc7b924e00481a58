"""What makes a gate wait and act by itself: clocks, chance and threads, all replaceable, so that a day can pass in a test."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import SystemRandom

from voltage_attest.gate.model import Moment

__all__ = ["Pace"]


def _start_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="voltage-attest attestation", daemon=True).start()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """``wall`` is seconds since 1970 UTC, ``steady`` monotonic seconds; ``draw`` yields numbers from 0 to 1.

    ``spawn`` runs an attestation, by default in a thread of its own. Without ``background`` nothing happens by itself: whoever
    holds the gate calls :meth:`~voltage_attest.gate.gate.AttestationGate.tend` as often as it asks for.
    """

    wall: Callable[[], float] = time.time
    steady: Callable[[], float] = time.monotonic
    draw: Callable[[], float] = SystemRandom().random
    spawn: Callable[[Callable[[], None]], None] = _start_thread
    background: bool = True

    def now(self) -> Moment:
        """This moment."""
        return Moment(self.wall(), self.steady())
