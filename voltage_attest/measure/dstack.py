"""RTMR3 of a TD that runs a dstack application, from its compose document and what else the guest will measure.

The compose hash is the SHA-256 of the document's bytes, and the application's id its first 20 bytes unless a KMS gave another.
Source: dstack ``dstack-util/src/system_setup.rs`` (0.5).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from voltage_attest.evidence.event_log import sha384
from voltage_attest.evidence.event_log_dstack import runtime_preimage
from voltage_attest.measure.registers import Measurement

__all__ = ["DstackApplication", "measure_dstack"]

_APP_ID_SIZE = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class DstackApplication:
    """One deployment. What is None is not measured; ``instance_id`` is empty where the document says ``no_instance_id``.

    ``key_provider`` is the event's JSON as the guest writes it. ``preimage_version`` says how events are hashed: 1 or 2.
    """

    compose: bytes
    instance_id: bytes
    key_provider: bytes
    app_id: bytes | None = None
    rootfs_hash: bytes | None = None
    mr_kms: bytes | None = None
    os_image_hash: bytes | None = None
    storage_fs: str | None = None
    preimage_version: int = 1

    def events(self) -> Iterator[tuple[str, bytes]]:
        """Names and payloads in the order in which the guest measures them."""
        compose_hash = hashlib.sha256(self.compose).digest()
        optional = {
            "rootfs-hash": self.rootfs_hash,
            "mr-kms": self.mr_kms,
            "os-image-hash": self.os_image_hash,
            "storage-fs": None if self.storage_fs is None else self.storage_fs.encode("utf-8"),
        }
        fixed = {
            "system-preparing": b"",
            "app-id": compose_hash[:_APP_ID_SIZE] if self.app_id is None else self.app_id,
            "compose-hash": compose_hash,
            "instance-id": self.instance_id,
            "boot-mr-done": b"",
            "key-provider": self.key_provider,
            "system-ready": b"",
        }
        for name in _ORDER:
            payload = fixed.get(name, optional.get(name))
            if payload is not None:
                yield name, payload


_ORDER = (
    *("system-preparing", "rootfs-hash", "app-id", "compose-hash", "instance-id", "boot-mr-done"),
    *("mr-kms", "os-image-hash", "key-provider", "storage-fs", "system-ready"),
)


def measure_dstack(application: DstackApplication) -> Measurement:
    """RTMR3 when the application starts; what it extends itself comes after."""
    version = application.preimage_version
    events = [(name, sha384(runtime_preimage(name, payload, version))) for name, payload in application.events()]
    return Measurement(3, tuple(events))
