"""Appraise a verified event log against ``[workload]``: is it the software that the policy names?

Everything here rests on runtime events whose digests were recomputed from name and payload. They are the word of the guest's
own software, so they are worth what MRTD and RTMR0 to RTMR2 are worth: pin those too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final

from voltage_attest.appraise.boot_chain import BOOT_APPRAISAL, WorkloadAppraisal
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.compose import parse_compose
from voltage_attest.evidence.key_provider import KeyProvider, parse_key_provider
from voltage_attest.result import Finding, failed, passed, skipped, undecided

__all__ = ["MODEL_EVENT", "WORKLOAD_APPRAISAL", "WorkloadAppraisal"]

MODEL_EVENT: Final = "model-digest"
"""The runtime event by which an application measures a model; its payload is ``NAME sha256:<64 hex>`` in UTF-8."""

_MODEL: Final = re.compile(r"(?P<name>\S+) sha256:(?P<digest>[0-9a-f]{64})")
_NOT_PINNED: Final = "not pinned by the policy"


def compose(case: WorkloadAppraisal) -> Finding:
    """workload.compose."""
    return _payload_pin(case, "compose_sha256", case.policy.compose_sha256, "compose-hash")


def app_id(case: WorkloadAppraisal) -> Finding:
    """workload.app_id."""
    return _payload_pin(case, "app_id", case.policy.app_id, "app-id")


def os_image(case: WorkloadAppraisal) -> Finding:
    """workload.os_image."""
    return _payload_pin(case, "os_image_hash", case.policy.os_image_hash, "os-image-hash")


def _payload_pin(case: WorkloadAppraisal, key: str, accepted: frozenset[bytes] | None, event: str) -> Finding:
    measured = case.log.payload(event)
    actual = None if measured is None else measured.hex()
    if accepted is None:
        return skipped(_NOT_PINNED, actual=actual)
    if measured in accepted:
        return passed(actual)
    return failed(
        expected=" or ".join(sorted(value.hex() for value in accepted)),
        actual=actual or f"no {event} event",
        reason=f"the guest did not measure a value that the policy names in workload.{key}",
        location=case.policy.locations.get(key),
    )


def images(case: WorkloadAppraisal) -> Finding:
    """workload.images: every container of the measured compose document runs an image of the list."""
    accepted, location = case.policy.image_digests, case.policy.locations.get("image_digests")
    if accepted is None:
        return skipped(_NOT_PINNED)
    if case.log.compose is None:
        return undecided("the compose document was not given, and its hash alone names no images", expected="the document")
    try:
        found = parse_compose(case.log.compose).images
    except EvidenceFormatError as error:
        return failed(
            expected=error.expected, actual=error.found, reason="its images cannot be told for certain", location=location
        )
    foreign = [image for image in found if image.digest not in accepted]
    if not foreign:
        return passed(f"{len(found)} of {len(found)} images are pinned")
    return failed(
        expected="for every service an image by digest, which is in workload.image_digests",
        actual=f"{foreign[0].service}: {foreign[0].reference}",
        reason=f"{len(foreign)} of {len(found)} services run an image that is not pinned"
        + ("" if foreign[0].digest is not None else ", the first of them by a name that can be moved"),
        location=location,
    )


def key_provider(case: WorkloadAppraisal) -> Finding:
    """workload.key_provider."""
    accepted, provider = case.policy.key_provider, _provider(case)
    actual = provider if isinstance(provider, str) else _full_name(provider)
    if accepted is None:
        return skipped(_NOT_PINNED, actual=actual)
    if isinstance(provider, KeyProvider) and not accepted.isdisjoint({provider.name, _full_name(provider)}):
        return passed(actual)
    return failed(
        expected=" or ".join(sorted(accepted)),
        actual=actual,
        reason="disk and application keys come from none that the policy names in workload.key_provider",
        location=case.policy.locations.get("key_provider"),
    )


def _provider(case: WorkloadAppraisal) -> KeyProvider | str:
    """The measured key provider, or what there is instead."""
    payload = case.log.payload("key-provider")
    if payload is None:
        return "no key-provider event"
    try:
        return parse_key_provider(payload)
    except EvidenceFormatError as error:
        return error.found


def _full_name(provider: KeyProvider) -> str:
    return f"{provider.name}:{provider.id.hex()}" if provider.id else provider.name


def sealed_storage(case: WorkloadAppraisal) -> Finding:
    """workload.sealed_storage."""
    if not case.policy.sealed_storage:
        return skipped("not asked for by the policy")
    provider, storage = _provider(case), case.log.payload("storage-fs")
    roots = [name for name in ("rootfs-hash", "os-image-hash") if case.log.payload(name)]
    missing = [
        *([] if isinstance(provider, KeyProvider) and provider.name != "none" else ["a key provider other than none"]),
        *([] if storage else ["a storage-fs event"]),
        *([] if roots else ["a rootfs-hash or os-image-hash event"]),
    ]
    if not missing and isinstance(provider, KeyProvider) and storage:
        return passed(f"keys of {provider.name}, {storage.decode('ascii', 'replace')}, {', '.join(roots)}")
    return failed(
        expected="measured: who gave the disk's keys, its file system, and the root file system",
        actual=f"without {', '.join(missing)}",
        reason="nothing measured says that what the TD stores is sealed to it",
        location=case.policy.locations.get("sealed_storage"),
    )


def models(case: WorkloadAppraisal) -> Finding:
    """workload.models: every model that may be asked for was measured, and every one that was is as pinned."""
    pins, location = case.policy.models, case.policy.locations.get("models")
    payloads = [event.payload for event in case.log.runtime(MODEL_EVENT)]
    if not pins:
        return skipped(_NOT_PINNED, actual=f"{len(payloads)} measured" if payloads else None)
    measured: dict[str, bytes] = {}
    for payload in payloads:
        match = _MODEL.fullmatch(payload.decode("utf-8", "replace"))
        if match is None or match["name"] in measured:
            actual = repr(payload[:80]) if match is None else f"{match['name']} twice"
            return _wrong_model(f"{MODEL_EVENT} events, each NAME sha256:<64 hex>, once per model", actual, location_of=case)
        measured[match["name"]] = bytes.fromhex(match["digest"])
    for name, digest in measured.items():
        if digest not in pins.get(name, ()):
            accepted = " or ".join(sorted(value.hex() for value in pins.get(name, ()))) or "no such model"
            return _wrong_model(f"{name}: {accepted}", f"{name}: {digest.hex()}", location_of=case)
    missing = sorted(case.models - measured.keys())
    if missing or not measured:
        return failed(
            expected=f"a measured digest of {' and '.join(missing) or ' or '.join(sorted(pins))}",
            actual=", ".join(sorted(measured)) or f"no {MODEL_EVENT} event",
            reason="the TD did not measure a model that it may be asked for",
            location=location,
        )
    return passed(", ".join(sorted(measured)))


def _wrong_model(expected: str, actual: str, *, location_of: WorkloadAppraisal) -> Finding:
    return failed(
        expected=expected,
        actual=actual,
        reason="a model was measured that the policy does not name",
        location=location_of.policy.locations.get("models"),
    )


def required_events(case: WorkloadAppraisal) -> Finding:
    """workload.require_events: each is there, and every payload under its name is accepted."""
    required = case.policy.require_events
    if not required:
        return skipped(_NOT_PINNED)
    for name, accepted in required.items():
        payloads = [event.payload for event in case.log.runtime(name)]
        if not payloads or (accepted and not accepted.issuperset(payloads)):
            return failed(
                expected=f"{name}: {_payloads(accepted) or 'any payload'}",
                actual=f"{name}: {_payloads(payloads) or 'not measured'}",
                reason="an event that the policy requires was not measured, or with another payload",
                location=case.policy.locations.get("require_events"),
            )
    return passed(", ".join(required))


def forbidden_events(case: WorkloadAppraisal) -> Finding:
    """workload.forbid_events: not measured, and nothing in RTMR3 whose name is only claimed."""
    forbidden = case.policy.forbid_events
    if not forbidden:
        return skipped(_NOT_PINNED)
    names = [event.name for event in case.log.runtime()]
    unnamed = len(case.log.log.of(3)) - len(names)
    found = sorted(forbidden.intersection(names))
    if not found and not unnamed:
        return passed(f"none among {len(names)} events")
    return failed(
        expected=f"no {', '.join(sorted(forbidden))}",
        actual=", ".join(found) or f"{unnamed} events of RTMR3 whose name is only claimed",
        reason="an event that the policy forbids was measured, or could have been",
        location=case.policy.locations.get("forbid_events"),
    )


def _payloads(payloads: Iterable[bytes]) -> str:
    shown = [
        payload.decode("ascii") if payload.isascii() and payload.decode("ascii").isprintable() else payload.hex()
        for payload in payloads
    ]
    return " or ".join(sorted(shown))


WORKLOAD_APPRAISAL: Final[Mapping[str, Callable[[WorkloadAppraisal], Finding]]] = MappingProxyType(
    {
        "workload.compose": compose,
        "workload.images": images,
        "workload.app_id": app_id,
        "workload.os_image": os_image,
        "workload.key_provider": key_provider,
        "workload.sealed_storage": sealed_storage,
        "workload.models": models,
        "workload.require_events": required_events,
        "workload.forbid_events": forbidden_events,
        **BOOT_APPRAISAL,
    }
)
"""Check id to function, in order."""
