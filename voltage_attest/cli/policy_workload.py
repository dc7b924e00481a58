"""``[workload]`` in words, for ``voltage-attest policy show``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from voltage_attest.policy.model import WorkloadPolicy

__all__ = ["workload_entries"]

_DIGESTS: Final = (
    *("compose_sha256", "image_digests", "app_id", "os_image_hash", "boot_loader", "partition_table", "kernel", "initrd"),
    "boot_files",
)


def workload_entries(workload: WorkloadPolicy | None) -> Iterator[tuple[str, str]]:
    """Labels and texts: what is pinned, key by key; what is not is not listed."""
    if workload is None:
        yield "boot log", "none expected, none judged"
        return
    yield "boot log", "must explain the quote's registers"
    for key in _DIGESTS:
        digests = getattr(workload, key)
        if digests is not None:
            yield key, _hex(digests)
    if workload.key_provider is not None:
        yield "key_provider", " or ".join(sorted(workload.key_provider))
    if workload.sealed_storage:
        yield "sealed_storage", "key provider, file system and root file system must be measured"
    if workload.secure_boot is not None:
        yield "secure_boot", "on" if workload.secure_boot else "off"
    if workload.kernel_cmdline is not None:
        yield "kernel_cmdline", " or ".join(sorted(repr(line) for line in workload.kernel_cmdline))
    for model, digests in sorted(workload.models.items()):
        yield "model digest", f"{model}: {_hex(digests)}"
    yield from _event_entries(workload)


def _event_entries(workload: WorkloadPolicy) -> Iterator[tuple[str, str]]:
    for name, payloads in sorted(workload.require_events.items()):
        yield "required event", f"{name}: {' or '.join(sorted(map(_payload, payloads))) or 'with any payload'}"
    if workload.forbid_events:
        yield "forbidden events", ", ".join(sorted(workload.forbid_events))
    for register, digests in sorted(workload.events.items()):
        yield "boot events", f"in RTMR{register} nothing but {_hex(digests)}"


def _hex(digests: Iterable[bytes]) -> str:
    return " or ".join(sorted(digest.hex() for digest in digests))


def _payload(payload: bytes) -> str:
    """As a policy writes it: text, or hex where it is none."""
    text = payload.decode("utf-8", "replace")
    return repr(text) if text.isprintable() and text.encode("utf-8") == payload else f"hex:{payload.hex()}"
