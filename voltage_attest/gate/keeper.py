"""The keeper: a thread that tends one engine whenever something is due, and ends with it."""

from __future__ import annotations

import logging
import threading
import weakref
from typing import Final, Protocol

__all__ = ["Tended", "start_keeper"]

_LOG: Final = logging.getLogger("voltage_attest.gate")
_LONGEST_SLEEP: Final = 60.0
"""Seconds: a wall clock that is set forward is noticed by then."""


class Tended(Protocol):
    """What can be tended."""

    @property
    def is_over(self) -> bool:
        """Whether there will never be anything to do again."""

    def tend(self) -> float | None:
        """Do what is due; seconds until there is more, None if nothing is foreseen."""


def start_keeper(engine: Tended) -> threading.Event:
    """Start the thread; setting the event wakes it. It holds no reference: a gate that nobody holds any more is not kept."""
    wake = threading.Event()
    weakref.finalize(engine, wake.set)
    threading.Thread(target=_keep, args=(weakref.ref(engine), wake), name="voltage-attest gate", daemon=True).start()
    return wake


def _keep(found: weakref.ref[Tended], wake: threading.Event) -> None:
    while True:
        engine = found()
        if engine is None or engine.is_over:
            return
        try:
            seconds = engine.tend()
        except Exception:  # noqa: BLE001 - a pool that cannot be closed must not end the watch over the others
            _LOG.warning("the gate's keeper stumbled", exc_info=True)
            seconds = 1.0
        del engine
        wake.wait(_LONGEST_SLEEP if seconds is None else min(seconds, _LONGEST_SLEEP))
        wake.clear()
