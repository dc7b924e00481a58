"""Read a policy file, strictly: whatever is unknown, empty, doubled or of the wrong length is an error with a remedy."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import Final

from voltage_attest.errors import PolicyError
from voltage_attest.policy.gate import read_audit, read_compliance, read_models
from voltage_attest.policy.gpu import read_gpu
from voltage_attest.policy.model import POLICY_SCHEMA, Policy
from voltage_attest.policy.table import Table
from voltage_attest.policy.tdx import read_tdx
from voltage_attest.policy.transport import read_channel
from voltage_attest.policy.workload import read_workload

__all__ = ["MAX_POLICY_SIZE", "load_policy", "parse_policy"]

MAX_POLICY_SIZE: Final = 1024 * 1024
"""Bytes."""

_SECTIONS: Final = ("tdx", "gpu", "workload", "channel", "models", "compliance", "audit")


def load_policy(path: Path) -> Policy:
    """Read the policy file at ``path``; :class:`PolicyError` names file, key, line and what to write instead."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_POLICY_SIZE + 1)
    except OSError as error:
        raise PolicyError(
            f"cannot be read ({error.strerror})", expected="a policy file", remedy=_how_to_start(path), path=path
        ) from None
    if len(data) > MAX_POLICY_SIZE:
        raise PolicyError(
            f"more than {MAX_POLICY_SIZE} bytes", expected="a policy file", remedy="Name the right file.", path=path
        )
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise PolicyError(
            f"byte {error.start} is not UTF-8", expected="TOML in UTF-8", remedy="Save the file as UTF-8.", path=path
        ) from None
    return parse_policy(text, path=path)


def parse_policy(text: str, *, path: Path | None = None) -> Policy:
    """Read a policy from TOML text; ``path`` is only named in errors and results."""
    try:
        digest = hashlib.sha256(text.encode("utf-8")).hexdigest()
        found = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # TOMLDecodeError, or an integer of too many digits
        raise PolicyError(
            f"not TOML ({error})", expected="TOML 1.0", remedy="Mend the syntax at that line.", path=path
        ) from None
    top = Table.top(found, text, path)
    schema = top.text("schema")
    if schema != POLICY_SCHEMA:
        raise top.error("schema", repr(schema), repr(POLICY_SCHEMA), f'Write schema = "{POLICY_SCHEMA}".')
    top.expect("schema", "name", "valid_until", *_SECTIONS)
    if "tdx" not in found and "gpu" not in found:
        raise top.error(
            None,
            "a policy that expects no evidence",
            "a [tdx] or a [gpu] section",
            'Add [tdx] with mrtd and rtmr0 to rtmr3, each a list of values or { unpinned = "why" }, or [gpu] with count.',
        )
    if "channel" in found and "tdx" not in found:
        raise top.error(
            "channel",
            "[channel] without [tdx]",
            "[channel] beside [tdx]",
            "Add [tdx], or remove [channel]: what binds evidence to nonce and TLS key is a TDX quote.",
        )
    if "workload" in found and "tdx" not in found:
        raise top.error(
            "workload",
            "[workload] without [tdx]",
            "[workload] beside [tdx]",
            "Add [tdx], or remove [workload]: what an event log is compared with is a TDX quote.",
        )
    policy = Policy(
        name=top.text("name"),
        valid_until=top.optional_date("valid_until"),
        tdx=read_tdx(top.table("tdx")) if "tdx" in top else None,
        gpu=read_gpu(top.table("gpu")) if "gpu" in top else None,
        workload=read_workload(top.table("workload")) if "workload" in top else None,
        channel=read_channel(top.table("channel")) if "channel" in top else None,
        models=read_models(top.table("models")) if "models" in top else None,
        compliance=read_compliance(top.table("compliance")) if "compliance" in top else None,
        audit=read_audit(top.table("audit")) if "audit" in top else None,
        sha256=digest,
        path=None if path is None else str(path),
        locations=top.locations(),
    )
    top.finish()
    return policy


def _how_to_start(path: Path) -> str:
    name = path.name or "voltage-attest.toml"
    return f"Write {name} as docs/policy.md shows, with the values that `voltage-attest inspect QUOTE` prints."
