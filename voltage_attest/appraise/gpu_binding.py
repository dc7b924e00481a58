"""Which nonce the GPUs' and switches' reports must carry: the thread that ties them to this request and to the CPU's quote.

Each device signs the nonce of its request. A binding derives it from what the verifier drew, or from the REPORTDATA that the
CPU signed; where it is only the verifier's own nonce (NEAR, Tinfoil), reports of other machines could be spliced in, and only
the identities that a policy pins (``ueids``) tell them apart.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from voltage_attest.appraise.binding import binding_followed, voltage_attest_gpu_nonce
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.bundle_voltage_verify import manifest_for
from voltage_attest.evidence.model import Evidence
from voltage_attest.policy.model import Policy
from voltage_attest.result import Finding, failed, passed, skipped, undecided
from voltage_attest.verify.gpu_case import VerifiedDevice
from voltage_attest.verify.types import VerifiedQuote

__all__ = ["GPU_NONCES", "GpuNonceCase", "gpu_nonce"]


@dataclass(frozen=True, slots=True)
class GpuNonceCase:
    """The verified devices of an attestation, what they came with, and the nonce that the verifier drew (32 bytes, or None)."""

    devices: tuple[VerifiedDevice, ...]
    evidence: Evidence
    quote: VerifiedQuote | None
    policy: Policy
    nonce: bytes | None


def _report_data(case: GpuNonceCase) -> bytes:
    if case.quote is None:
        raise RuntimeError("the GPUs' nonce was judged before the quote")
    return case.quote.quote.td_report.report_data


def _drawn(case: GpuNonceCase) -> bytes | None:
    return case.nonce


def _manifest_hash(case: GpuNonceCase) -> bytes | None:
    """Of the manifest that REPORTDATA is the SHA-512 of: the one with our nonce in it, whatever bytes were sent."""
    manifest = case.evidence.binding_input("manifest")
    if manifest is None or case.nonce is None:
        return None
    try:
        return hashlib.sha256(manifest_for(case.nonce, manifest)).digest()
    except EvidenceFormatError:
        return None


GPU_NONCES: Final[Mapping[str, Callable[[GpuNonceCase], bytes | None]]] = {
    "voltage-attest/1": lambda case: voltage_attest_gpu_nonce(_report_data(case)),
    "near": _drawn,
    "chutes": lambda case: _report_data(case)[:32],
    "tinfoil-v3": _drawn,
    "voltage-verify/1": _manifest_hash,
}
"""Binding name to the nonce that every device must have signed; None where the answer holds too little to tell."""


def _followed(case: GpuNonceCase) -> str | None:
    """Without [channel]: the binding that the quote beside the devices follows for our nonce, if there is one."""
    if case.quote is None or case.nonce is None:
        return None
    return binding_followed(case.evidence, case.nonce, _report_data(case))


def gpu_nonce(case: GpuNonceCase) -> Finding:
    """binding.gpu_nonce."""
    channel = case.policy.channel
    if channel is None and case.nonce is None:
        return skipped("nobody drew a nonce for this evidence, and the policy has no [channel]: its age is not proven")
    binding = _followed(case) if channel is None else channel.binding
    expected = case.nonce if binding is None else GPU_NONCES[binding](case)
    if expected is None:
        return undecided("the answer holds too little to derive the devices' nonce from")
    nonces = {device.name: device.report.exchange.nonce for device in case.devices}
    wrong = [name for name, nonce in nonces.items() if not hmac.compare_digest(nonce, expected)]
    rule = binding or "the verifier's nonce"
    if not wrong:
        return passed(f"{rule}: {expected.hex()}")
    return failed(
        expected=f"{expected.hex()} by {rule}",
        actual=f"{nonces[wrong[0]].hex()} in {', '.join(wrong)}",
        reason="the reports were not made for this request: they may be recordings, or another machine's",
        location=None if channel is None else channel.locations.get("binding"),
    )
