"""``[workload]`` as TOML: the keys that a log can be observed for."""

from __future__ import annotations

import json
from collections.abc import Iterable

from voltage_attest.policy.model import WorkloadPolicy

__all__ = ["workload_section"]


def workload_section(policy: WorkloadPolicy) -> list[str]:
    """Its lines, beginning with an empty one; what :func:`read_workload` reads back for the keys that `pin` proposes."""
    lines = [
        *_digests("compose_sha256", policy.compose_sha256),
        *_digests("image_digests", policy.image_digests),
        *_digests("app_id", policy.app_id),
        *_digests("os_image_hash", policy.os_image_hash),
        *([] if policy.key_provider is None else [f"key_provider = {_listed(policy.key_provider)}"]),
        *([] if policy.secure_boot is None else [f"secure_boot = {'true' if policy.secure_boot else 'false'}"]),
    ]
    return ["", "[workload]", *lines] if lines else []


def _digests(key: str, digests: frozenset[bytes] | None) -> list[str]:
    return [] if digests is None else [f"{key} = {_listed(digest.hex() for digest in digests)}"]


def _listed(values: Iterable[str]) -> str:
    """A TOML array of basic strings, sorted: JSON writes them alike."""
    return json.dumps(sorted(values), ensure_ascii=False)
