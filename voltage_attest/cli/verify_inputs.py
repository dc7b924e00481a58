"""What ``verify`` and ``pin`` read: the policy, the roots, a nonce. What cannot be used ends in a message, not a verdict."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from voltage_attest.cli.exits import CannotUse
from voltage_attest.cli.files import STDIN, read_input

if TYPE_CHECKING:
    from voltage_attest.policy.model import Policy
    from voltage_attest.trust import TrustRoots
    from voltage_attest.verifier import Verifier

__all__ = ["DEFAULT_POLICY", "make_verifier", "read_nonce", "read_policy", "read_roots"]

DEFAULT_POLICY: Final = "voltage-attest.toml"

_ROLES: Final = ("intel", "nvidia-device", "nvidia-rim", "nras")

_NONCE: Final = re.compile(r"[0-9a-fA-F]{64}")

_HOW_TO_START: Final = """\
there is no policy: {name} does not exist here, and --policy names no other. A policy says what evidence must look like.
`voltage-attest pin POD_ID` writes one from what a pod measures now. To write it yourself: `voltage-attest inspect QUOTE`
prints the values of a quote. Compare them with those your provider published, and save as {name}:

schema = "voltage-attest/policy/1"
name = "my-policy"

[tdx]
mrtd  = ["<96 hex digits>"]
rtmr0 = ["<96 hex digits>"]
rtmr1 = ["<96 hex digits>"]
rtmr2 = ["<96 hex digits>"]
rtmr3 = {{ unpinned = "why it is left open" }}"""


def read_policy(name: str | None) -> Policy:
    """The policy that is named, ``-`` for standard input, else the one of its usual name; CannotUse if there is none."""
    from voltage_attest.errors import PolicyError
    from voltage_attest.policy.load import load_policy, parse_policy

    if name is None and not Path(DEFAULT_POLICY).exists():
        raise CannotUse(_HOW_TO_START.format(name=DEFAULT_POLICY))
    try:
        if name != STDIN:
            return load_policy(Path(name or DEFAULT_POLICY))
        return parse_policy(read_input(STDIN, "--policy").decode("utf-8"))
    except PolicyError as error:
        raise CannotUse(f"the policy cannot be used. {error}") from None
    except UnicodeDecodeError as error:
        raise CannotUse(f"--policy: byte {error.start} of standard input is not UTF-8. Save the policy as UTF-8.") from None


def read_roots(names: Sequence[str]) -> TrustRoots | None:
    """The roots that replace the pinned ones, each ``ROLE=FILE`` or the file of Intel's alone; None where none is named."""
    from voltage_attest.errors import TrustRootError
    from voltage_attest.trust import TrustRoots

    if not names:
        return None
    pems: dict[str, bytes] = {}
    for name in names:
        role, found, file = name.partition("=")
        role, file = (role, file) if found and role in _ROLES else ("intel", name)
        if role in pems:
            raise CannotUse(f"--trust-root names two roots for {role}. Give each role once: {', '.join(_ROLES)}.")
        pems[role] = read_input(file, "--trust-root")
    try:
        return TrustRoots.from_pem(
            intel=pems.get("intel"),
            nvidia_device=pems.get("nvidia-device"),
            nvidia_rim=pems.get("nvidia-rim"),
            nras=pems.get("nras"),
        )
    except TrustRootError as error:
        raise CannotUse(f"--trust-root: {error}") from None


def make_verifier(policy: Policy, roots: TrustRoots | None) -> Verifier:
    """The verifier; CannotUse where a root is none after all."""
    from voltage_attest.errors import InputError
    from voltage_attest.verifier import Verifier

    try:
        return Verifier(policy, roots=roots)
    except InputError as error:
        raise CannotUse(f"--trust-root: {error}") from None


def read_nonce(text: str | None) -> bytes | None:
    """The nonce that evidence was asked for with, 32 bytes."""
    if text is None:
        return None
    if not _NONCE.fullmatch(text):
        raise CannotUse(f"--nonce: {text[:80]!r} is no nonce; expected 64 hex digits, as they were sent with the request.")
    return bytes.fromhex(text)
