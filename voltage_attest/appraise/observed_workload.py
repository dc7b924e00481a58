"""What a verified event log would be pinned to: a ``[workload]`` of what it binds, for ``pin`` to propose.

Only facts are proposed: runtime events, the images of a proven compose document, the state of Secure Boot. Digests of RTMR1 and
RTMR2 are facts too, but what they are of is the pod's word, so they are left to whoever can compute them from artefacts.
"""

from __future__ import annotations

from voltage_attest.appraise.boot_chain import WorkloadAppraisal, secure_boot
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.compose import parse_compose
from voltage_attest.evidence.key_provider import parse_key_provider
from voltage_attest.policy.model import WorkloadPolicy
from voltage_attest.verify.event_log import VerifiedEventLog

__all__ = ["observed_workload"]


def observed_workload(log: VerifiedEventLog) -> WorkloadPolicy | None:
    """A policy that this log meets, or None where it binds nothing that could be pinned."""
    state = secure_boot(WorkloadAppraisal(log, WorkloadPolicy())).actual
    found = WorkloadPolicy(
        compose_sha256=_one(log.payload("compose-hash"), 32),
        app_id=_one(log.payload("app-id"), 20),
        os_image_hash=_one(log.payload("os-image-hash"), 32),
        key_provider=_key_provider(log.payload("key-provider")),
        image_digests=_images(log.compose),
        secure_boot=None if state is None else state == "on",
    )
    return None if found == WorkloadPolicy() else found


def _one(value: bytes | None, size: int) -> frozenset[bytes] | None:
    return None if value is None or len(value) != size else frozenset({value})


def _key_provider(payload: bytes | None) -> frozenset[str] | None:
    """Its name with its id, where both can be written in a policy."""
    if payload is None:
        return None
    try:
        provider = parse_key_provider(payload)
    except EvidenceFormatError:
        return None
    if provider.name not in {"none", "local-sgx", "kms", "tpm"}:
        return None
    return frozenset({f"{provider.name}:{provider.id.hex()}" if provider.id else provider.name})


def _images(compose: bytes | None) -> frozenset[bytes] | None:
    """All of them, or none where one is not pinned by digest: half a list would refuse the pod that it was taken from."""
    if compose is None:
        return None
    try:
        digests = [image.digest for image in parse_compose(compose).images]
    except EvidenceFormatError:
        return None
    pinned = frozenset([digest for digest in digests if digest is not None])
    return pinned if pinned and len(pinned) == len(set(digests)) else None
