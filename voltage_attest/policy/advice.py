"""What a reviewer needs to see of a policy: what it leaves open, what ends soon, and what it switches off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from voltage_attest.policy.model import (
    ChannelPolicy,
    CompliancePolicy,
    GpuPolicy,
    Pin,
    Policy,
    TdxPolicy,
    Unpinned,
    WorkloadPolicy,
)
from voltage_attest.result import Location

__all__ = ["Advice", "advise"]


@dataclass(frozen=True, slots=True)
class Advice:
    """Something in a policy that deserves a look. ``urgent`` where it has ended, cannot pass, or switches a safeguard off."""

    key: str
    text: str
    urgent: bool = False
    location: Location | None = None


@dataclass(frozen=True, slots=True)
class _Horizon:
    """The day the policy is looked at, and how far ahead."""

    today: date
    warn_within: timedelta

    def ending(self, key: str, what: str, until: date, location: Location | None) -> Iterator[Advice]:
        """Whether ``what`` has ended, or ends within the horizon."""
        if until < self.today:
            yield Advice(key, f"{what} ended on {until}", urgent=True, location=location)
        elif until - self.today <= self.warn_within:
            yield Advice(key, f"{what} ends on {until}, in {(until - self.today).days} days", location=location)


_GUEST_WORDS: Final = (
    *("compose_sha256", "image_digests", "app_id", "os_image_hash", "key_provider", "sealed_storage", "models"),
    *("require_events", "forbid_events"),
)
"""Keys of ``[workload]`` that are as true as the software of the guest is."""
_UNSAFE_TDX: Final = ("unsafe_allow_debug", "unsafe_allow_sept_ve")
_UNSAFE_GPU: Final = {
    "unsafe_skip_rim": "measurements are compared with no reference value",
    "unsafe_skip_revocation": "nobody is asked whether certificates were revoked",
}
_OPEN_GPU: Final = {
    "modes": "no mode is asked for: a driver before 580 does not even say which it runs in",
    "min_driver": "no floor: an older driver with known faults is accepted while its manifest is in date",
    "min_vbios": "no floor: an older VBIOS with known faults is accepted while its manifest is in date",
}


def advise(policy: Policy, *, today: date, warn_within: timedelta) -> tuple[Advice, ...]:
    """Everything that ends within ``warn_within`` or has ended, every field left open, every safeguard switched off."""
    return tuple(_advice(policy, _Horizon(today, warn_within)))


def _advice(policy: Policy, horizon: _Horizon) -> Iterator[Advice]:
    if policy.valid_until is None:
        yield Advice("valid_until", "the policy never ends: nobody is made to review it")
    else:
        yield from horizon.ending("valid_until", "the policy", policy.valid_until, policy.locations.get("valid_until"))
    if policy.tdx is None:
        yield Advice("tdx", "no [tdx]: GPUs are judged alone, and nothing says which machine they sit in, or when")
    else:
        yield from _tdx_advice(policy.tdx, horizon)
        if policy.workload is not None:
            yield from _workload_advice(policy, policy.tdx, policy.workload)
        yield from _channel_advice(policy.channel)
    if policy.gpu is not None:
        yield from _gpu_advice(policy.gpu)
    if policy.compliance is not None:
        yield from _compliance_advice(policy.compliance, horizon)


def _tdx_advice(tdx: TdxPolicy, horizon: _Horizon) -> Iterator[Advice]:
    for exception in tdx.tcb.exceptions:
        what = f"the exception for {exception.status}"
        yield from horizon.ending("tdx.tcb.exception", what, exception.until, exception.location)
    for key, pin in tdx.pins.items():
        if isinstance(pin, Unpinned):
            yield Advice(f"tdx.{key}", f"is left open: {pin.reason}", location=pin.location)
    for key in _UNSAFE_TDX:
        if getattr(tdx, key):
            yield Advice(f"tdx.{key}", "a safeguard is switched off", urgent=True, location=tdx.locations.get(key))
    beyond = sorted(tdx.tcb.accept - {"UpToDate"})
    if beyond:
        text = f"accepts {', '.join(beyond)} without end or advisories: an exception would end and name them"
        yield Advice("tdx.tcb.accept", text, location=tdx.tcb.locations.get("accept"))
    if tdx.tcb.min_tcb_evaluation_data_number is None:
        yield Advice("tdx.tcb.min_tcb_evaluation_data_number", "no floor: older collateral that is still in date is accepted")


def _workload_advice(policy: Policy, tdx: TdxPolicy, workload: WorkloadPolicy) -> Iterator[Advice]:
    """What rests on the word of a guest or an application that nothing pins, and models that can never pass."""
    words = [key for key in _GUEST_WORDS if getattr(workload, key)]
    unknown = [key for key in ("mrtd", "rtmr1", "rtmr2") if not _guest_is_pinned(key, tdx, workload)]
    if words and unknown:
        text = f"the guest's own word, and nothing pins {', '.join(unknown)}: any other guest can say the same"
        for key in words:
            yield Advice(f"workload.{key}", text, location=workload.locations.get(key))
    application = workload.compose_sha256 or workload.app_id or workload.image_digests
    if workload.models and not application:
        text = "the application's own word, and nothing pins the application: compose_sha256 does"
        yield Advice("workload.models", text, location=workload.locations.get("models"))
    if workload.image_digests is not None and workload.compose_sha256 is None:
        text = "how the images are run is left open (commands, volumes, scripts): compose_sha256 pins that"
        yield Advice("workload.image_digests", text, location=workload.locations.get("image_digests"))
    unmeasured = [] if policy.models is None or not workload.models else sorted(set(policy.models.allow) - set(workload.models))
    if unmeasured:
        text = f"[models] lets requests name {', '.join(unmeasured)}, of which no digest is here: it can never pass"
        yield Advice("workload.models", text, urgent=True, location=workload.locations.get("models"))


def _guest_is_pinned(key: str, tdx: TdxPolicy, workload: WorkloadPolicy) -> bool:
    """Whether a field is pinned by its value, by its events, or by what is measured into it."""
    if isinstance(tdx.pins.get(key), Pin):
        return True
    if key == "rtmr1":
        return 1 in workload.events or workload.boot_loader is not None or workload.kernel is not None
    return key == "rtmr2" and (2 in workload.events or workload.kernel_cmdline is not None)


def _gpu_advice(gpu: GpuPolicy) -> Iterator[Advice]:
    for key, why in _UNSAFE_GPU.items():
        reason = getattr(gpu, key)
        if reason is not None:
            text = f"a safeguard is switched off ({why}): {reason}"
            yield Advice(f"gpu.{key}", text, urgent=True, location=gpu.locations.get(key))
    if gpu.ueids is not None and len(gpu.ueids) < gpu.count:
        text = f"{len(gpu.ueids)} named, {gpu.count} expected: one at least can never pass"
        yield Advice("gpu.ueids", text, urgent=True, location=gpu.locations.get("ueids"))
    if gpu.accept_hold:
        chains = ", ".join(sorted(gpu.accept_hold))
        text = f"a certificate that NVIDIA has put on hold is accepted ({chains}), without end"
        yield Advice("gpu.certificate_hold", text, location=gpu.locations.get("certificate_hold"))
    for key, text in _OPEN_GPU.items():
        if getattr(gpu, key) is None:
            yield Advice(f"gpu.{key}", text)
    if gpu.chips is None and gpu.boards is None:
        yield Advice("gpu.boards", "neither chips nor boards are named: any NVIDIA GPU that can attest is accepted")
    if gpu.nras == "off" and gpu.nras_intermediates:
        text = "has no effect while gpu.nras is off"
        yield Advice("gpu.nras_intermediates", text, location=gpu.locations.get("nras_intermediates"))


def _channel_advice(channel: ChannelPolicy | None) -> Iterator[Advice]:
    if channel is None:
        yield Advice("channel", "no [channel]: evidence is bound to no nonce and no TLS key, so it may be old or relayed")
    elif channel.webpki != "require":
        text = "no certificate authority is asked: the attested key alone is trusted"
        yield Advice("channel.webpki", text, location=channel.locations.get("webpki"))


def _compliance_advice(compliance: CompliancePolicy, horizon: _Horizon) -> Iterator[Advice]:
    reference, until = compliance.baa_reference, compliance.baa_valid_until
    if compliance.require_baa and (reference is None or until is None):
        lacking = "none is named" if reference is None else f"{reference} has no last day"
        text = f"an agreement (BAA) is required, and {lacking}: no gate opens"
        yield Advice("compliance.require_baa", text, urgent=True, location=compliance.locations.get("require_baa"))
    if until is not None:
        location = compliance.locations.get("baa_valid_until")
        yield from horizon.ending("compliance.baa_valid_until", f"the agreement {reference}", until, location)
