"""The chain of trust as steps: from the vendors' roots down to the TLS key, each with what its checks came to.

Which checks a step stands for is said by the beginnings of their ids, so that a check of a later version finds its step.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from voltage_attest.report.plain import one_or_many
from voltage_attest.result import AttestationResult, CheckResult, Status, Verdict

__all__ = ["Lane", "Step", "Tone", "binding_steps", "lanes_of", "tone_of"]


class Tone(StrEnum):
    """How a step, a row or a document is shown: holds, does not, is open, or was not judged."""

    GOOD = "good"
    BAD = "bad"
    WAIT = "wait"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Step:
    """One link: what it is, which one it is, what it proves, and what came of it."""

    title: str
    detail: str
    meaning: str
    tone: Tone


@dataclass(frozen=True, slots=True)
class Lane:
    """One vendor's steps, the root first."""

    vendor: str
    steps: tuple[Step, ...]


def tone_of(status: Status, *, unsafe: bool = False) -> Tone:
    """The tone of one row."""
    if status.closes_gate:
        return Tone.BAD if status is Status.FAILED else Tone.WAIT
    if unsafe:
        return Tone.WAIT
    return Tone.GOOD if status is Status.PASSED else Tone.NONE


_REPLACED: Final = re.compile(r"Roots? of trust (.+?) (?:was|were) replaced")
_ROLE: Final = re.compile(r"'([a-z-]+)'")
"""The warning of :class:`~voltage_attest.verifier.Verifier` is where a result says that its roots are not the pinned ones."""

_WORST: Final = (Tone.BAD, Tone.WAIT, Tone.GOOD)


def lanes_of(result: AttestationResult) -> tuple[Lane, ...]:
    """Intel's lane where a quote was judged, NVIDIA's where devices were."""
    rows = result.checks
    lanes = []
    if result.tdx is not None or any(row.id.startswith("tdx.") for row in rows):
        lanes.append(Lane("INTEL", tuple(_intel(result))))
    if result.gpus or result.switches or any(row.id.startswith(("gpu.", "nras.")) for row in rows):
        lanes.append(Lane("NVIDIA", tuple(_nvidia(result))))
    return tuple(lanes)


def _intel(result: AttestationResult) -> Iterator[Step]:
    tdx, rows = result.tdx, result.checks
    yield _root(result, "intel", "Intel SGX Root CA", "Everything below is worth what this key is worth.")
    yield Step(
        "Processor certificate",
        "not proven" if tdx is None else f"platform {tdx.fmspc}",
        "Intel made this processor, and has not revoked it.",
        _tone(rows, "tdx.pck.", "tdx.crl."),
    )
    yield Step(
        "Security updates",
        "not known" if tdx is None or tdx.tcb_status is None else tdx.tcb_status,
        "Intel's own list says which updates this host has.",
        _tone(rows, "tdx.tcb_info.", "tdx.qe_identity.", "tdx.collateral.", "tdx.module.", "tdx.tcb.", *_TCB_RULES),
    )
    yield Step(
        "Quote",
        "not proven" if tdx is None else f"version {tdx.quote_version}",
        "The processor's quoting enclave signed these measurements.",
        _tone(rows, "tdx.quote.", "tdx.qe."),
    )
    yield Step(
        "Confidential machine",
        "not proven" if tdx is None else f"MRTD {tdx.mrtd[:12]}...",
        "It runs the software that the policy names, without debugger.",
        _tone(rows, "tdx.td.", "tdx.policy.", "tdx.event_log.", "workload.", besides=_TCB_RULES),
    )


_TCB_RULES: Final = ("tdx.policy.tcb", "tdx.policy.advisories", "tdx.policy.collateral_age", "tdx.policy.tee_tcb_svn")


def _nvidia(result: AttestationResult) -> Iterator[Step]:
    rows = result.checks
    devices = [one_or_many(len(result.gpus), "GPU")] if result.gpus else []
    if result.switches:
        devices.append(one_or_many(len(result.switches), "switch", "switches"))
    yield _root(result, "nvidia", "NVIDIA's roots", "Device Identity CA, and the CA of reference values.")
    yield Step(
        "Device certificates",
        ", ".join(dict.fromkeys(gpu.chip for gpu in result.gpus)) or "not proven",
        "NVIDIA made these devices, and has not revoked them.",
        _tone(rows, "gpu.chain", "gpu.revocation", "gpu.architecture"),
    )
    yield Step(
        "Device reports",
        " and ".join(devices) or "not proven",
        "Each device signed what it measured.",
        _tone(rows, "gpu.evidence.", "gpu.report.", "gpu.fwid", "evidence.gpu_present"),
    )
    manifests = {manifest for devices in (result.gpus, result.switches) for device in devices for manifest in device.manifests}
    yield Step(
        "Reference values",
        one_or_many(len(manifests), "manifest") if manifests else "not compared",
        "Driver and firmware are what NVIDIA published.",
        _tone(rows, "gpu.rim.", "gpu.measurements"),
    )
    yield Step(
        "The node",
        ", ".join(dict.fromkeys(gpu.mode for gpu in result.gpus if gpu.mode)) or "mode not known",
        "The devices are those of one machine, in a confidential mode, as the policy names them.",
        _tone(rows, "gpu.", "nras.", besides=_DEVICE_STEPS),
    )


_DEVICE_STEPS: Final = (
    *("gpu.chain", "gpu.revocation", "gpu.architecture", "gpu.evidence.", "gpu.report.", "gpu.fwid"),
    *("gpu.rim.", "gpu.measurements"),
)


def binding_steps(result: AttestationResult) -> tuple[Step, ...]:
    """What ties the evidence to this moment and to one TLS key, and the key."""
    channel, fresh = result.channel, result.freshness.fresh
    bound = _tone(result.checks, "binding.")
    key = "none" if channel.spki_sha256 is None else f"SHA-256 {channel.spki_sha256[:16]}..."
    return (
        Step(
            "Nonce and keys in the evidence",
            channel.binding or "not bound",
            "The evidence was made for this request and commits to the key below."
            if fresh
            else "Nothing proves when the evidence was made.",
            bound,
        ),
        Step(
            "TLS key",
            key,
            _what_the_key_is_worth(result, bound),
            bound if channel.spki_sha256 is not None else Tone.NONE,
        ),
    )


def _what_the_key_is_worth(result: AttestationResult, bound: Tone) -> str:
    if result.channel.spki_sha256 is None or bound is not Tone.GOOD:
        return "No connection is vouched for."
    if result.verdict is not Verdict.VERIFIED:
        return "It is the key of the machine above, which is not verified: send nothing."
    return "What is sent to this key reaches the machine above, and nobody else."


def _root(result: AttestationResult, role: str, title: str, meaning: str) -> Step:
    """A pinned root holds by itself; one that was replaced says nothing about real hardware."""
    told = [_REPLACED.match(warning) for warning in result.warnings]
    replaced = any(name.startswith(role) for found in told if found for name in _ROLE.findall(found[1]))
    return Step(title, "REPLACED" if replaced else "pinned", meaning, Tone.WAIT if replaced else Tone.GOOD)


def _tone(rows: Sequence[CheckResult], *begins: str, besides: tuple[str, ...] = ()) -> Tone:
    tones = {
        tone_of(row.status, unsafe=row.finding.unsafe)
        for row in rows
        if row.id.startswith(begins) and not (besides and row.id.startswith(besides))
    }
    held_up = any(
        row.status is Status.NOT_RUN and row.id.startswith(begins) and not (besides and row.id.startswith(besides))
        for row in rows
    )
    worst = next((tone for tone in _WORST if tone in tones), Tone.NONE)
    return Tone.NONE if worst is Tone.GOOD and held_up else worst
