"""What NVIDIA's attestation service (NRAS) answers: a detached bundle of Entity Attestation Tokens (EAT, RFC 9711).

::

    [["JWT", OVERALL], {"GPU-0": DEVICE, "GPU-1": DEVICE, ...}]                                  NRAS itself
    [["JWT", T], {"REMOTE_GPU_CLAIMS": [["JWT", OVERALL], {"GPU-0": DEVICE, ...}]}]              NVIDIA's Python SDK around it

Each token is a JSON Web Token in compact form (RFC 7515, section 7.1; RFC 7519): header, claims and signature in base64url.
``OVERALL`` names every device token by the SHA-256 of its text. ``T`` is the SDK's own token, made on the machine that is to
be judged and signed with a key everybody knows: it is never read. Switches are named ``SWITCH-0`` and so on, under
``REMOTE_SWITCH_CLAIMS``; one answer is of one class.

Nothing is believed here: tokens are taken apart, and claims read where a check asks for them.

Sources: NRAS API v3 and v4 (docs.nvidia.com/attestation); nv-attestation-sdk 2.7.3; attestation-sdk 2.0.0, ``nras.cpp``.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.json_text import JsonObject, JsonView, parse_json
from voltage_attest.limits import MAX_DEVICES, NONCE_SIZE

__all__ = [
    "MAX_EAT_SIZE",
    "OVERALL",
    "DetachedEat",
    "EatToken",
    "claimed_digests",
    "claimed_nonce",
    "claimed_time",
    "parse_detached_eat",
    "strict_base64url",
]

MAX_EAT_SIZE: Final = 2 * 1024 * 1024
"""Bytes of JSON: 64 devices with the largest token that may be. Eight real GPUs take 17522."""
_MAX_TOKEN_SIZE: Final = 24 * 1024
"""Characters of one token. Real ones have 900 to 2400."""
OVERALL: Final = "overall"
"""How the token that speaks for all devices is named in findings."""

_WRAPPERS: Final = frozenset({"REMOTE_GPU_CLAIMS", "REMOTE_SWITCH_CLAIMS"})
_LOCAL_WRAPPERS: Final = frozenset({"LOCAL_GPU_CLAIMS", "LOCAL_SWITCH_CLAIMS"})
_DEVICE_NAME: Final = re.compile(r"(GPU|SWITCH)-(?:0|[1-9][0-9]?)")
_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]*")
_DIGEST_SIZE: Final = 32
_LAST_SECOND: Final = 253402300799
"""9999-12-31T23:59:59Z, the last that a datetime holds."""


@dataclass(frozen=True, slots=True)
class EatToken:
    """One token: ``overall``, or a device's by its name; its text as received, its header and its claims, none believed."""

    name: str
    text: str = field(repr=False)
    header: JsonObject = field(repr=False)
    claims: JsonObject = field(repr=False)

    @property
    def is_switch(self) -> bool:
        """Whether it speaks of an NVSwitch."""
        return self.name.startswith("SWITCH-")


@dataclass(frozen=True, slots=True)
class DetachedEat:
    """The token about all devices and one token for each, all GPUs or all switches, in the order given."""

    overall: EatToken
    devices: tuple[EatToken, ...]

    @property
    def tokens(self) -> tuple[EatToken, ...]:
        """All of them, the overall one first."""
        return self.overall, *self.devices


def parse_detached_eat(data: bytes) -> DetachedEat:
    """Read the answer, bare or as the Python SDK wraps it; :class:`EvidenceFormatError` on anything else."""
    overall, members = _split_pair(parse_json(data, "the NRAS answer", limit=MAX_EAT_SIZE))
    if _LOCAL_WRAPPERS.intersection(members.members):
        raise EvidenceFormatError(
            "the NRAS answer holds claims of the SDK's local verifier",
            expected="tokens signed by NRAS",
            remedy="Ask for remote attestation: local claims are signed by the machine that makes them, with a known key.",
        )
    if len(members.members) == 1 and _WRAPPERS.issuperset(members.members):
        overall, members = _split_pair(next(iter(members.members.values())))
    names = {name: _DEVICE_NAME.fullmatch(name) for name in members.members}
    classes = {match.group(1) if match else None for match in names.values()}
    if not 1 <= len(names) <= MAX_DEVICES or len(classes) != 1 or None in classes:
        shown = ", ".join(repr(name[:40]) for name in list(names)[:8]) or "nothing"
        raise EvidenceFormatError(
            f"{members.where} names {shown}", expected=f"1 to {MAX_DEVICES} devices, all GPU-n or all SWITCH-n"
        )
    return DetachedEat(
        _parse_token(OVERALL, overall), tuple([_parse_token(name, view) for name, view in members.members.items()])
    )


def _split_pair(view: JsonView) -> tuple[JsonView, JsonObject]:
    """The token's text and the object beside it, of ``[["JWT", text], {...}]``."""
    pair = view.as_list(2)
    head = pair[0].as_list(2) if len(pair) == 2 else ()
    if len(head) != 2 or head[0].value != "JWT":
        raise view.wrong('[["JWT", token], {name: token, ...}]')
    head[1].as_text(_MAX_TOKEN_SIZE)
    return head[1], pair[1].as_object()


def _parse_token(name: str, view: JsonView) -> EatToken:
    """Take a token apart; each part must be base64url in its one canonical form, so that no two texts mean the same."""
    what = f"the token {name}"
    text = view.as_text(_MAX_TOKEN_SIZE)
    parts = text.split(".")
    if len(parts) != 3:
        raise EvidenceFormatError(f"{what} has {len(parts)} parts", expected="header.claims.signature")
    header, claims, _ = (strict_base64url(part, what) for part in parts)
    return EatToken(
        name,
        text,
        parse_json(header, f"{what}, header", limit=_MAX_TOKEN_SIZE).as_object(),
        parse_json(claims, f"{what}, claims", limit=_MAX_TOKEN_SIZE).as_object(),
    )


def strict_base64url(text: str, what: str) -> bytes:
    """Decode base64url without padding (RFC 7515, section 2) in its canonical form; :class:`EvidenceFormatError` otherwise."""
    if _BASE64URL.fullmatch(text) and len(text) % 4 != 1:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        if base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii") == text:
            return raw
    raise EvidenceFormatError(f"{what} is not base64url", expected="canonical base64url without padding")


def claimed_time(token: EatToken, claim: str) -> int:
    """A time claim (``iat``, ``nbf``, ``exp``) in whole seconds since 1970 (UTC); :class:`EvidenceFormatError` otherwise."""
    view = token.claims.required(claim)
    if type(view.value) is not int or not 0 <= view.value <= _LAST_SECOND:
        raise view.wrong("whole seconds since 1970")
    return view.value


def claimed_nonce(token: EatToken) -> bytes:
    """``eat_nonce``, 32 bytes; :class:`EvidenceFormatError` where it is absent or of another size."""
    return token.claims.required("eat_nonce").as_hex(NONCE_SIZE)


def claimed_digests(token: EatToken) -> Mapping[str, bytes]:
    """The ``submods`` of the overall token: device name to the SHA-256 (32 bytes) of its token's text.

    Each is ``["DIGEST", ["SHA-256", hex]]`` (RFC 9711, section 4.2.18); :class:`EvidenceFormatError` on another form.
    """
    submodules = token.claims.required("submods").as_object().members
    return {name: _digest(view) for name, view in submodules.items()}


def _digest(view: JsonView) -> bytes:
    pair = view.as_list(2)
    algorithm = pair[1].as_list(2) if len(pair) == 2 and pair[0].value == "DIGEST" else ()
    if len(algorithm) != 2 or algorithm[0].value != "SHA-256":
        raise view.wrong('["DIGEST", ["SHA-256", hex]]')
    return algorithm[1].as_hex(_DIGEST_SIZE)
