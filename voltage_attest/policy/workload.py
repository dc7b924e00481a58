"""``[workload]`` of a policy: which software runs in the TD, by what its event log binds."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from voltage_attest.policy.model import WorkloadPolicy
from voltage_attest.policy.table import Table

__all__ = ["ANY_PAYLOAD", "read_workload"]

ANY_PAYLOAD: Final = "*"
"""In ``require_events``: the event must be there, with whatever payload."""

_KEYS: Final = (
    *("compose_sha256", "app_id", "os_image_hash", "key_provider", "image_digests", "sealed_storage", "models"),
    *("require_events", "forbid_events", "secure_boot", "boot_loader", "partition_table", "kernel", "initrd"),
    *("kernel_cmdline", "boot_files", "events"),
)
_PROVIDERS: Final = ("none", "local-sgx", "kms", "tpm")
_REGISTERS: Final = ("rtmr0", "rtmr1", "rtmr2", "rtmr3")
_APP_ID_SIZE: Final = 20
_SHA256_SIZE: Final = 32
_SHA384_SIZE: Final = 48
_EVENT: Final = re.compile(r"[^\x00-\x1f\x7f]{1,256}")
_MODEL: Final = re.compile(r"[^\s*\x00-\x1f\x7f]+")
_PROVIDER_ID: Final = re.compile(r"(?:[0-9a-fA-F]{2})+")
_HEX_PREFIX: Final = "hex:"


def read_workload(table: Table) -> WorkloadPolicy:
    """Read ``[workload]``; it must pin something, and what could never match does not load."""
    table.expect(*_KEYS)
    if not any(key in table for key in _KEYS):
        raise table.error(
            None,
            "[workload] without a pin",
            "at least one key",
            'Pin what runs, as in compose_sha256 = ["<64 hex digits>"], or remove the section: it then needs no event log.',
        )
    sealed, secure_boot = table.optional("sealed_storage", bool, "true"), table.optional("secure_boot", bool, "true")
    if sealed is False:
        raise table.error("sealed_storage", "false", "true", "Remove it: what is not asked for is not judged.")
    policy = WorkloadPolicy(
        compose_sha256=_digests(table, "compose_sha256", _SHA256_SIZE),
        app_id=_digests(table, "app_id", _APP_ID_SIZE),
        os_image_hash=_digests(table, "os_image_hash", _SHA256_SIZE),
        key_provider=_key_providers(table),
        image_digests=_digests(table, "image_digests", _SHA256_SIZE, prefix="sha256:"),
        sealed_storage=sealed is True,
        models=_sub_table(table, "models", '"meta-llama/Llama-3.1-70B" = ["<64 hex digits>"]', _read_model),
        require_events=_sub_table(table, "require_events", 'storage-fs = ["zfs"]', _read_payloads),
        forbid_events=_events(table, "forbid_events"),
        secure_boot=None if secure_boot is None else secure_boot is True,
        boot_loader=_digests(table, "boot_loader", _SHA384_SIZE),
        partition_table=_digests(table, "partition_table", _SHA384_SIZE),
        kernel=_digests(table, "kernel", _SHA384_SIZE),
        initrd=_digests(table, "initrd", _SHA384_SIZE),
        kernel_cmdline=_texts(table, "kernel_cmdline", "console=hvc0 root=/dev/vda ro"),
        boot_files=_digests(table, "boot_files", _SHA384_SIZE),
        events=_read_registers(table),
        locations=MappingProxyType(table.locations()),
    )
    table.finish()
    return policy


def _texts(table: Table, key: str, example: str) -> frozenset[str] | None:
    texts = table.optional_texts(key, example)
    return None if texts is None else frozenset(texts)


def _digests(table: Table, key: str, size: int, *, prefix: str = "") -> frozenset[bytes] | None:
    texts = table.optional_texts(key, f"{prefix}<{2 * size} hex digits>")
    return None if texts is None else frozenset([table.hex_bytes(key, text.removeprefix(prefix), size) for text in texts])


def _key_providers(table: Table) -> frozenset[str] | None:
    """``"kms"``, or ``"kms:<hex>"`` for that one alone; the hex in lower case."""
    texts = table.optional_texts("key_provider", "kms")
    for text in texts or ():
        name, colon, identity = text.partition(":")
        if name not in _PROVIDERS or (colon and not _PROVIDER_ID.fullmatch(identity)):
            raise table.error(
                "key_provider",
                repr(text),
                f"one of {', '.join(_PROVIDERS)}, alone or with its id, as in kms:3059...",
                "Copy it from the key-provider event that `voltage-attest inspect` shows.",
            )
    return None if texts is None else frozenset([text.lower() for text in texts])


def _events(table: Table, key: str) -> frozenset[str]:
    names = table.optional_texts(key, "debug-shell") or ()
    for name in names:
        _check_event(table, key, name)
    return frozenset(names)


def _check_event(table: Table, key: str, name: str) -> None:
    if not _EVENT.fullmatch(name):
        raise table.error(
            key, repr(name), "the name of a runtime event, without control characters", "Write it as it is logged."
        )


def _sub_table(
    table: Table, key: str, example: str, read: Callable[[Table, str], frozenset[bytes]]
) -> Mapping[str, frozenset[bytes]]:
    """A table of lists by name; absent is empty."""
    if key not in table:
        return MappingProxyType({})
    if not table.holds_table(key):
        raise table.error(key, "a value or a list", f"{{ {example} }}", f"Write {key} = {{ {example} }}.")
    pinned = table.table(key)
    found = {name: read(pinned, name) for name in pinned.remaining()}
    if not found:
        raise table.error(key, "an empty table", f"{{ {example} }}", "Name at least one, or remove the key.")
    return MappingProxyType(found)


def _read_model(pinned: Table, name: str) -> frozenset[bytes]:
    if not _MODEL.fullmatch(name):
        raise pinned.error(name, repr(name), "a model's name", "Write it as requests name it: it is compared whole.")
    return _digests(pinned, name, _SHA256_SIZE, prefix="sha256:") or frozenset()


def _read_payloads(pinned: Table, name: str) -> frozenset[bytes]:
    """Accepted payloads, written as text or as ``hex:``; empty accepts any."""
    _check_event(pinned, name, name)
    texts = pinned.optional_texts(name, "zfs") or ()
    if ANY_PAYLOAD in texts:
        if len(texts) > 1:
            raise pinned.error(name, "* among other payloads", '["*"] alone', "Remove the others, or the *.")
        return frozenset()
    return frozenset([_payload(pinned, name, text) for text in texts])


def _payload(pinned: Table, name: str, text: str) -> bytes:
    digits = text.removeprefix(_HEX_PREFIX)
    if not text.startswith(_HEX_PREFIX):
        return text.encode("utf-8")
    return pinned.hex_bytes(name, digits, max(len(digits) // 2, 1))


def _read_registers(table: Table) -> Mapping[int, frozenset[bytes]]:
    """Accepted digests by register."""
    if "events" not in table:
        return MappingProxyType({})
    example = f'{{ rtmr1 = ["<{2 * _SHA384_SIZE} hex digits>"] }}'
    if not table.holds_table("events"):
        raise table.error("events", "a value or a list", example, f"Write events = {example}.")
    pinned = table.table("events")
    pinned.expect(*_REGISTERS)
    found = {number: _digests(pinned, key, _SHA384_SIZE) for number, key in enumerate(_REGISTERS)}
    registers = {number: digests for number, digests in found.items() if digests is not None}
    if not registers:
        raise table.error("events", "an empty table", example, "Pin the events of one register, or remove the key.")
    return MappingProxyType(registers)
