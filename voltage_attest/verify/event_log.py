"""Checks of a TD's event log against its quote: does it explain the registers, and how much of it can be believed?

A log that replays proves the order and the digests, not the words beside them. So its content is believed only where a digest
was recomputed from it (:class:`~voltage_attest.evidence.event_log.Binding`). dstack's runtime events must all be of that kind,
each of its own events must be there once and in its place, and what applications add comes after them: an application that
extends a second ``compose-hash`` once it runs would otherwise choose which of the two is read.

Sources: Intel TDX Module ABI specification, TDG.MR.RTMR.EXTEND; dstack ``cc-eventlog`` and ``dstack-util/src/system_setup.rs``.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import InitVar, dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Final

from voltage_attest.checks.event_log import AUTHENTIC_LOG
from voltage_attest.errors import InputError
from voltage_attest.evidence.event_log import DIGEST_SIZE, REGISTERS, Binding, BootEvent, EventLog, sha384
from voltage_attest.evidence.event_log_text import parse_event_log
from voltage_attest.evidence.td_report import TdReport
from voltage_attest.result import Finding, failed, passed, skipped, undecided
from voltage_attest.verify.mr_config import why_mr_config_id_differs
from voltage_attest.verify.types import SEAL, VerifiedQuote
from voltage_attest.verify.unreadable import Unreadable, given

__all__ = ["EVENT_LOG_CHECKS", "SYSTEM_EVENTS", "EventLogCase", "VerifiedEventLog", "replay", "seal_event_log"]

SYSTEM_EVENTS: Final = frozenset(
    {
        *("system-preparing", "rootfs-hash", "app-id", "upgraded-app-id", "compose-hash", "ca-cert-hash", "instance-id"),
        *("gpu-policy-hash", "gpu-attestation", "boot-mr-done", "mr-kms", "os-image-hash", "key-provider", "storage-fs"),
        "system-ready",
    }
)
"""What dstack's guest extends itself, each at most once and before the application runs."""

_IDENTITY: Final = ("app-id", "compose-hash", "instance-id")
"""What stands before ``boot-mr-done``, in this order."""
_RUNTIME_REGISTER: Final = 3


@dataclass(frozen=True)
class EventLogCase:
    """An event log under judgement beside a verified quote (None where the quote did not verify: then only reading is judged).

    ``text`` is the log as it travels, None where there is none. ``compose`` is dstack's app-compose document and ``mr_config``
    the MRCONFIGID document of version 3, each exactly as received, None where not given.
    """

    text: bytes | None
    quote: VerifiedQuote | None
    compose: bytes | None = None
    mr_config: bytes | None = None

    @cached_property
    def log(self) -> EventLog | Unreadable:
        """The log, or why it cannot be read."""
        if self.text is None:
            return Unreadable(undecided("no event log was given", expected="a CCEL or dstack's event log"))
        try:
            return parse_event_log(self.text)
        except InputError as error:
            return Unreadable(failed(expected=error.expected, actual=error.found, reason="the event log cannot be read"))

    @cached_property
    def runtime(self) -> tuple[BootEvent, ...]:
        """What says of itself that the guest extended it at run time."""
        return tuple([event for event in given(self.log).events if event.is_runtime])

    @property
    def report(self) -> TdReport:
        """The TD report that the log is compared with."""
        if self.quote is None:
            raise RuntimeError("an event log was compared with a quote that did not verify")
        return self.quote.quote.td_report

    def payload_of(self, name: str) -> bytes | None:
        """The payload of the first runtime event of that name, bound or not: the order check sees to there being one."""
        return next((event.payload for event in self.runtime if event.name == name), None)


@dataclass(frozen=True, slots=True)
class VerifiedEventLog:
    """A log whose four registers replay to those of a verified quote, with dstack's events in order and recomputed.

    ``compose`` is the app-compose document, if one was given and its SHA-256 is the measured compose hash. Of a boot event only
    what its ``binding`` covers is a fact; :meth:`runtime` gives nothing but facts.
    """

    log: EventLog
    report: TdReport
    compose: bytes | None
    seal: InitVar[object] = None

    def __post_init__(self, seal: object) -> None:
        if seal is not SEAL:
            raise TypeError("a VerifiedEventLog is made by voltage_attest.verify and by nothing else")

    def runtime(self, name: str | None = None) -> tuple[BootEvent, ...]:
        """The runtime events, all of them or those of that name: name and payload are what was measured."""
        events = [event for event in self.log.events if event.is_runtime and event.binding is Binding.EVENT]
        return tuple([event for event in events if name in {None, event.name}])

    def payload(self, name: str) -> bytes | None:
        """What the guest measured under one of dstack's own names, None where it did not."""
        return next((event.payload for event in self.runtime(name)), None)


def replay(log: EventLog, register: int) -> bytes:
    """What the register holds after the log's events: SHA-384 of register and digest, from 48 zero bytes."""
    value = bytes(DIGEST_SIZE)
    for event in log.of(register):
        value = sha384(value + event.digest)
    return value


def parse(case: EventLogCase) -> Finding:
    """tdx.event_log.parse."""
    log = case.log
    if isinstance(log, Unreadable):
        return log.finding
    bound = sum(event.binding is not Binding.NONE for event in log.events)
    return passed(f"{log.format}, {len(log.events)} events, the content of {bound} bound")


def _register_check(register: int) -> Callable[[EventLogCase], Finding]:
    def replays(case: EventLogCase) -> Finding:
        log = given(case.log)
        events, found = len(log.of(register)), replay(log, register)
        expected: bytes = getattr(case.report, f"rtmr{register}")
        if found == expected:
            return passed(f"{found.hex()}, {events} events")
        return failed(
            expected=f"{expected.hex()} (the quote's RTMR{register})",
            actual=f"{found.hex()}, from {events} events",
            reason="an event was changed, left out, added or moved: the log is not what this TD measured"
            if events
            else "the log does not say what was extended into this register",
        )

    return replays


def runtime(case: EventLogCase) -> Finding:
    """tdx.event_log.runtime."""
    if not case.runtime:
        return skipped("the log has no runtime events")
    for event in case.runtime:
        if event.register != _RUNTIME_REGISTER:
            return failed(
                expected="runtime events in RTMR3 alone",
                actual=f"event {event.number} in RTMR{event.register}",
                reason="dstack's guest extends no other register at run time",
            )
        if event.binding is not Binding.EVENT:
            ambiguous = event.preimage_version == 1 and ":" in event.name
            return failed(
                expected="a name without a colon" if ambiguous else "the SHA-384 of type, name and payload",
                actual=f"event {event.number} ({_shown(event.name)}) with the digest {event.digest.hex()}",
                reason="where its name ends is not fixed by its digest" if ambiguous else "its name or payload was replaced",
            )
    foreign = [event for event in given(case.log).of(_RUNTIME_REGISTER) if not event.is_runtime]
    if foreign:
        return failed(
            expected="nothing but runtime events in RTMR3",
            actual=f"event {foreign[0].number} of type {foreign[0].event_type:#x}",
            reason="a runtime event whose type is changed says nothing that can be recomputed",
        )
    return passed(f"{len(case.runtime)} runtime events recomputed")


def order(case: EventLogCase) -> Finding:
    """tdx.event_log.order."""
    names = [event.name for event in case.runtime]
    if not names:
        return skipped("the log has no runtime events")
    reason = _why_disordered(names)
    if reason is None:
        return passed(
            f"{names.index('system-ready') + 1} events of the system, then {len(names) - names.index('system-ready') - 1}"
        )
    return failed(
        expected="app-id, compose-hash and instance-id before boot-mr-done; each system event once, before system-ready; "
        "applications' events after it",
        actual=reason,
        reason="an application could pass its own word off as the system's",
    )


def _why_disordered(names: list[str]) -> str | None:
    counted = Counter(names)
    for name in sorted(SYSTEM_EVENTS):
        if counted[name] > 1:
            return f"{name} {counted[name]} times"
    if "system-ready" not in counted:
        return "no system-ready"
    ready = names.index("system-ready")
    for place, name in enumerate(names):
        if name in SYSTEM_EVENTS and place > ready:
            return f"{name} after system-ready"
        if name not in SYSTEM_EVENTS and place < ready:
            return f"{_shown(name)} before system-ready"
    identity = [name for name in names if name in {*_IDENTITY, "boot-mr-done"}]
    expected = [name for name in (*_IDENTITY, "boot-mr-done") if name in counted]
    if identity and "boot-mr-done" not in counted:
        return "no boot-mr-done"
    return None if identity == expected else ", ".join(identity)


def compose(case: EventLogCase) -> Finding:
    """tdx.event_log.compose."""
    measured = case.payload_of("compose-hash")
    if case.compose is None:
        return skipped("no compose document was given", actual=None if measured is None else measured.hex())
    found = hashlib.sha256(case.compose).digest()
    if found == measured:
        return passed(found.hex())
    return failed(
        expected="no compose document: none was measured" if measured is None else f"{measured.hex()} (measured compose-hash)",
        actual=f"{found.hex()} (SHA-256 of the document, {len(case.compose)} bytes)",
        reason="the document is not the one that this TD runs",
    )


def mr_config_id(case: EventLogCase) -> Finding:
    """tdx.event_log.mr_config_id."""
    value = case.report.mr_config_id
    if not any(value):
        return skipped("MRCONFIGID is zero: nothing was configured at launch")
    if not case.runtime:
        return skipped("the log has no runtime events to compare MRCONFIGID with: pin mr_config_id", actual=value.hex())
    return why_mr_config_id_differs(value, case.payload_of, case.mr_config) or passed(value.hex())


def _shown(name: str) -> str:
    return repr(name if len(name) <= 60 else name[:60] + "...")


EVENT_LOG_CHECKS: Final[Mapping[str, Callable[[EventLogCase], Finding]]] = MappingProxyType(
    {
        "tdx.event_log.parse": parse,
        **{f"tdx.event_log.rtmr{register}": _register_check(register) for register in range(REGISTERS)},
        "tdx.event_log.runtime": runtime,
        "tdx.event_log.order": order,
        "tdx.event_log.compose": compose,
        "tdx.event_log.mr_config_id": mr_config_id,
    }
)
"""Check id to function, in order."""


def seal_event_log(case: EventLogCase, holds: Callable[..., bool]) -> VerifiedEventLog | None:
    """Seal a log as verified if the checks that make it authentic hold, else None. ``holds`` is the ledger's."""
    log = case.log
    if isinstance(log, Unreadable) or case.quote is None or not holds(*AUTHENTIC_LOG):
        return None
    return VerifiedEventLog(log, case.report, case.compose if holds("tdx.event_log.compose") else None, SEAL)
