"""What a change of ``[workload]`` changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from voltage_attest.policy.change import Change, diff_accepted, diff_presence, diff_values
from voltage_attest.policy.model import WorkloadPolicy

__all__ = ["diff_workload"]

_DIGESTS: Final = (
    *("compose_sha256", "app_id", "os_image_hash", "image_digests", "boot_loader", "partition_table", "kernel", "initrd"),
)
_TEXTS: Final = ("key_provider", "kernel_cmdline")


def diff_workload(old: WorkloadPolicy | None, new: WorkloadPolicy | None) -> Iterator[Change]:
    """Differences of ``[workload]``; only its coming or going where one has none."""
    if old is None or new is None:
        yield from diff_presence(
            "workload",
            old=old is not None,
            new=new is not None,
            asked="an event log is expected, and what it binds is judged",
            dropped="no event log is expected any more, and nothing of one is judged",
        )
        return
    for key in _DIGESTS:
        yield from diff_accepted(f"workload.{key}", _hex(getattr(old, key)), _hex(getattr(new, key)))
    for key in _TEXTS:
        yield from diff_accepted(f"workload.{key}", _sorted(getattr(old, key)), _sorted(getattr(new, key)))
    yield from diff_values("workload.secure_boot", _state(old), _state(new))
    yield from diff_presence(
        "workload.sealed_storage",
        old=old.sealed_storage,
        new=new.sealed_storage,
        asked="storage must be measured",
        dropped="storage need not be measured any more",
    )
    yield from _diff_boot_files(old, new)
    yield from _diff_events(old, new)


def _diff_boot_files(old: WorkloadPolicy, new: WorkloadPolicy) -> Iterator[Change]:
    """Files that are accepted beside the others: none is the strictest, not the loosest."""
    yield from diff_accepted("workload.boot_files", _hex(old.boot_files or ()) or (), _hex(new.boot_files or ()) or ())


def _diff_events(old: WorkloadPolicy, new: WorkloadPolicy) -> Iterator[Change]:
    """What is listed by name or by register."""
    for name in sorted(old.models.keys() | new.models.keys()):
        yield from diff_accepted(f"workload.models.{name}", _hex(old.models.get(name)), _hex(new.models.get(name)))
    for register in sorted(old.events.keys() | new.events.keys()):
        before, after = old.events.get(register), new.events.get(register)
        yield from diff_accepted(f"workload.events.rtmr{register}", _hex(before), _hex(after))
    for name in sorted(old.require_events.keys() | new.require_events.keys()):
        yield from _diff_required(name, old.require_events.get(name), new.require_events.get(name))
    for name in sorted(old.forbid_events ^ new.forbid_events):
        yield from diff_presence(
            "workload.forbid_events",
            old=name in old.forbid_events,
            new=name in new.forbid_events,
            asked=f"{name} must not be measured",
            dropped=f"{name} may be measured",
        )


def _diff_required(name: str, old: frozenset[bytes] | None, new: frozenset[bytes] | None) -> Iterator[Change]:
    key = f"workload.require_events.{name}"
    yield from diff_presence(
        key, old=old is not None, new=new is not None, asked="must be measured", dropped="need not be measured any more"
    )
    if old is not None and new is not None:
        yield from diff_accepted(key, _hex(old) or None, _hex(new) or None)


def _state(policy: WorkloadPolicy) -> str:
    return {True: "on", False: "off", None: "not pinned"}[policy.secure_boot]


def _hex(values: Iterable[bytes] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(sorted(value.hex() for value in values))


def _sorted(values: Iterable[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(sorted(values))
