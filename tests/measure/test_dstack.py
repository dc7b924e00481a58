"""RTMR3 from a compose document: the register of real quotes, computed without their logs' digests."""

from __future__ import annotations

import hashlib

import pytest

from tests.event_log.logs import COMPOSE_HASH, fixture, near, needs_vectors
from voltage_attest.evidence.event_log import sha384
from voltage_attest.evidence.event_log_text import parse_event_log
from voltage_attest.measure import DstackApplication, measure_dstack


def measured(text: bytes) -> dict[str, bytes]:
    return {event.name: event.payload for event in parse_event_log(text).events if event.is_runtime}


@needs_vectors
@pytest.mark.parametrize("role", ["gateway", "model"])
def test_rtmr3_of_a_real_quote_is_computed_from_its_compose_document(role: str) -> None:
    """What else the guest measures is given: where keys come from, and which instance it is."""
    boot = near(role)
    payloads = measured(boot.text)
    storage = payloads.get("storage-fs")
    application = DstackApplication(
        compose=boot.compose or b"",
        instance_id=payloads["instance-id"],
        key_provider=payloads["key-provider"],
        app_id=payloads["app-id"],
        mr_kms=payloads["mr-kms"],
        os_image_hash=payloads["os-image-hash"],
        storage_fs=None if storage is None else storage.decode(),
    )
    assert measure_dstack(application).value == boot.quote.td_report.rtmr3
    changed = DstackApplication(
        **{name: getattr(application, name) for name in application.__slots__} | {"compose": (boot.compose or b"") + b" "}
    )
    assert measure_dstack(changed).value != boot.quote.td_report.rtmr3


@needs_vectors
def test_the_root_file_system_stands_before_the_application() -> None:
    """An older guest, whose compose document is not at hand: the order and the other digests are compared."""
    boot = fixture("dstack-examples-rtmr3-tdx-v4-b0c06f")
    payloads = measured(boot.text)
    application = DstackApplication(
        compose=b"another",
        instance_id=payloads["instance-id"],
        key_provider=payloads["key-provider"],
        app_id=payloads["app-id"],
        rootfs_hash=payloads["rootfs-hash"],
    )
    real = {event.name: event.digest for event in parse_event_log(boot.text).events if event.is_runtime}
    computed = dict(measure_dstack(application).events)
    assert list(computed) == list(real)
    assert {name for name in computed if computed[name] != real[name]} == {"compose-hash"}


def test_the_applications_id_follows_from_its_document() -> None:
    events = dict(DstackApplication(compose=b"compose", instance_id=b"", key_provider=b"{}").events())
    assert (events["app-id"], events["compose-hash"]) == (COMPOSE_HASH[:20], COMPOSE_HASH)
    assert list(events) == [
        *("system-preparing", "app-id", "compose-hash", "instance-id", "boot-mr-done", "key-provider", "system-ready")
    ]


def test_the_second_rule_gives_other_digests() -> None:
    second = DstackApplication(compose=b"compose", instance_id=b"", key_provider=b"{}", preimage_version=2)
    name, digest = measure_dstack(second).events[0]
    assert (name, digest) == ("system-preparing", sha384(b'{"name":"system-preparing","payload":"","type":134217729}'))
    assert hashlib.sha384(b"").digest_size == len(measure_dstack(second).value)
