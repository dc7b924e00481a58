"""Checks of a TD's event log: whether it explains the quote's registers, and whether its words can be recomputed."""

from __future__ import annotations

from typing import Final

from voltage_attest.checks.model import Actor, Check
from voltage_attest.checks.tdx import AUTHENTIC_QUOTE

__all__ = ["AUTHENTIC_LOG", "EVENT_LOG_CHECKS"]

_MODULE: Final = "Intel TDX Module ABI specification, TDG.MR.RTMR.EXTEND"
_DSTACK: Final = "dstack, cc-eventlog/src/runtime_events.rs"
_SUSPECT: Final = (
    "Ask the pod for fresh evidence. If log and quote still disagree, do not send anything: the log was tampered with."
)

_MEANINGS: Final = (
    "firmware configuration",
    "boot loader and kernel",
    "kernel command line and initrd",
    "what the guest extends at run time",
)


def _register(register: int, meaning: str) -> Check:
    return Check(
        f"tdx.event_log.rtmr{register}",
        f"The event log explains RTMR{register} ({meaning})",
        f"Replayed with SHA-384 from zero, the log's digests for this register give the quote's RTMR{register}: none is "
        "changed, missing, added or moved.",
        "The names and payloads beside the digests: what of them is bound is shown event by event.",
        _MODULE,
        _SUSPECT,
        Actor.PROVIDER,
        (*AUTHENTIC_QUOTE, "tdx.event_log.parse"),
    )


_REGISTERS: Final = tuple([_register(register, meaning) for register, meaning in enumerate(_MEANINGS)])

EVENT_LOG_CHECKS: Final = (
    Check(
        "tdx.event_log.parse",
        "The event log is at hand and well formed",
        "It is a CCEL (TCG2 crypto-agile log) or dstack's JSON, within its bounds, with nothing after its end.",
        "That any of it is true.",
        "TCG PC Client Platform Firmware Profile 1.06, section 10; dstack, cc-eventlog",
        "Ask the pod for its event log, and pass its bytes unchanged. A policy without [workload] needs none.",
        Actor.PROVIDER,
    ),
    *_REGISTERS,
    Check(
        "tdx.event_log.runtime",
        "Every runtime event is what was measured",
        "The digest of each is recomputed from its type, name and payload, by one of dstack's two rules; RTMR3 holds no other.",
        "That the application's own events are true: they are its word, bound to its measurement.",
        _DSTACK,
        _SUSPECT,
        Actor.PROVIDER,
        ("tdx.event_log.rtmr3",),
    ),
    Check(
        "tdx.event_log.order",
        "The system's events come once, and before the application's",
        "app-id, compose-hash and instance-id stand before boot-mr-done, each event of the system stands once and before "
        "system-ready, and everything else after it: an application cannot add a second compose-hash.",
        "That the system told the truth: that rests on MRTD and RTMR0 to RTMR2, which pin it.",
        "dstack, dstack-util/src/system_setup.rs",
        "Do not use the pod: its application may pose as another. If dstack has a new event of its own, update voltage-attest.",
        Actor.PROVIDER,
        ("tdx.event_log.runtime",),
    ),
    Check(
        "tdx.event_log.compose",
        "The compose document is the one that was measured",
        "The SHA-256 of the document, byte for byte, is the payload of the bound compose-hash event.",
        "That the document is harmless: pin it with workload.compose_sha256, or its images with workload.image_digests.",
        "dstack, dstack-util/src/system_setup.rs",
        "Ask for the document exactly as it was deployed: one changed space gives another hash.",
        Actor.PROVIDER,
        ("tdx.event_log.order",),
    ),
    Check(
        "tdx.event_log.mr_config_id",
        "What was configured at launch is what the guest measured",
        "MRCONFIGID is dstack's form 1, 2 or 3 of the measured compose hash, app id and key provider.",
        "Anything where MRCONFIGID is zero, or where the guest is none of dstack's.",
        "dstack, dstack-types/src/mr_config.rs",
        "Ask the provider which application it launched, and pass its mr_config document where MRCONFIGID begins with 03.",
        Actor.PROVIDER,
        ("tdx.event_log.order",),
    ),
)
"""In order."""

AUTHENTIC_LOG: Final = (*[check.id for check in _REGISTERS], "tdx.event_log.runtime", "tdx.event_log.order")
"""The checks that make a log's bound content believable; without all of them nothing of it is appraised."""
