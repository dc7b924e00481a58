"""What a policy asks for beside attestation, put together with what the gate's maker asks for: guards, hooks, listeners."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from voltage_attest.errors import AuditError
from voltage_attest.gate.compliance import guard_for
from voltage_attest.gate.model import (
    EventKind,
    GateEvent,
    Guard,
    Listener,
    RequestEnd,
    RequestHook,
    RequestRecord,
    RequestWatch,
)
from voltage_attest.gate.request_rules import RequestRules, hook_for
from voltage_attest.policy import Policy

__all__ = ["Rules"]

_LOG: Final = logging.getLogger("voltage_attest.gate")


@dataclass(frozen=True, slots=True)
class Rules:
    """The policy's own guard and hook, and the clock that its log goes by (seconds since 1970 UTC)."""

    guard: Guard | None
    requests: RequestRules | None
    wall: Callable[[], float]

    @classmethod
    def of(cls, policy: Policy, wall: Callable[[], float]) -> Rules:
        """What [compliance], [models] and [audit] of the policy ask for."""
        return cls(guard_for(policy), hook_for(policy), wall)

    def guards(self, given: Sequence[Guard]) -> tuple[Guard, ...]:
        """All guards, the policy's first."""
        return (*(() if self.guard is None else (self.guard,)), *given)

    def hook(self, given: RequestHook | None) -> RequestHook | None:
        """Both hooks as one: the policy's is announced to first."""
        if self.requests is None or given is None:
            return self.requests or given
        return _Both(self.requests, given)

    def listener(self, given: Listener | None) -> Listener | None:
        """The listener that is given, and the policy's log, which is told first."""
        requests = self.requests
        if requests is None or not requests.listens:
            return given

        def listen(event: GateEvent) -> None:
            try:
                requests.told(event, datetime.fromtimestamp(self.wall(), UTC))
            except AuditError as error:
                _LOG.error("an event of the gate could not be written to the audit log: %s", error)
                if given is not None:
                    given(GateEvent(EventKind.AUDIT_FAILED, event.epoch, type(error).__name__))
            if given is not None:
                given(event)

        return listen


class _Both:
    """Two hooks as one."""

    def __init__(self, first: RequestHook, second: RequestHook) -> None:
        self._first = first
        self._second = second

    def announce(self, record: RequestRecord) -> RequestWatch:
        """Both must have taken note."""
        return _BothWatch(self._first.announce(record), self._second.announce(record))


class _BothWatch:
    """Two watches as one."""

    def __init__(self, first: RequestWatch, second: RequestWatch) -> None:
        self._first = first
        self._second = second

    def sent(self, chunk: bytes) -> None:
        """Tell both."""
        self._first.sent(chunk)
        self._second.sent(chunk)

    def received(self, chunk: bytes) -> None:
        """Tell both."""
        self._first.received(chunk)
        self._second.received(chunk)

    def ended(self, end: RequestEnd) -> None:
        """Tell both, the second also where the first fails."""
        try:
            self._first.ended(end)
        finally:
            self._second.ended(end)
