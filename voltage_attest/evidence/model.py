"""Evidence as it came from a pod (RATS: Evidence): raw bytes and claims, nothing of it believed.

Whatever shape a provider answers in, :mod:`voltage_attest.pods` brings it into this one. Parts that later verifiers judge
(event log, GPU and switch evidence) are carried as received.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["DeviceEvidence", "Evidence", "ProviderOpinion"]


@dataclass(frozen=True, slots=True)
class ProviderOpinion:
    """What the operator says of its own pod. Compared with the quote, shown, and never believed.

    ``mr_td`` is hex as received; each field is None where the answer did not hold it.
    """

    measurement_valid: bool | None = None
    mr_td: str | None = None
    tdx_version: str | None = None


@dataclass(frozen=True, slots=True)
class DeviceEvidence:
    """GPU or NVSwitch evidence in NRAS shape, as received: JSON text of ``{"nonce", "arch", "evidence_list"}``."""

    json: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """One attestation's evidence.

    ``quote`` is raw, hex or base64, as received; None where the answer held none. ``nonce`` is what the answer says it was made
    for (32 bytes), ``tls_spki_sha256`` (32 bytes) is the hash of the key in the TLS certificate that the answer names: a claim
    until REPORTDATA holds it. ``e2ee_public_key`` is raw bytes. ``binding_inputs`` holds what other providers' bindings hash
    (signing address, the nonce as text, ...), by the names that :mod:`voltage_attest.appraise.binding` documents.
    """

    quote: bytes | None = None
    nonce: bytes | None = None
    tls_spki_sha256: bytes | None = None
    e2ee_public_key: bytes | None = None
    opinion: ProviderOpinion | None = None
    event_log: str | None = None
    gpu_evidence: tuple[DeviceEvidence, ...] = ()
    switch_evidence: tuple[DeviceEvidence, ...] = ()
    binding_inputs: tuple[tuple[str, bytes], ...] = ()
    provider: str | None = None
    pod_id: str | None = None
    warnings: tuple[str, ...] = field(default=())

    def binding_input(self, name: str) -> bytes | None:
        """The named input, or None."""
        return dict(self.binding_inputs).get(name)
