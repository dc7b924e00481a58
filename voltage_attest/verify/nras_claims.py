"""What NRAS must say of one device, in versions 2.0, 3.0 and 4.0 of its claims.

The versions differ in how they speak of certificate chains: 2.0 has ``...-cert-chain-validated`` and ``...-cert-validated``,
true or false; later ones have an object for each chain with its status and what OCSP said. Whatever else a version or a device
class adds, a claim ``x-nvidia-...`` that is false is a fault.

``secboot`` and ``dbgstat`` are derived by NVIDIA from the measurements, not read from the device.

Sources: recorded tokens of versions 2.0 and 3.0; NVIDIA attestation-sdk 2.0.0, ``gpu/claims.cpp`` and ``claims_evaluator.cpp``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from voltage_attest.evidence.eat import EatToken

__all__ = ["CLAIMS_VERSIONS", "claims_version", "nras_error", "why_claims_fail"]

CLAIMS_VERSIONS: Final = ("2.0", "3.0", "4.0")
_PLAIN_CHAINS: Final = "2.0"
"""The version that speaks of a certificate chain in one word."""

_OWN_VERSION: Final = "x-nvidia-gpu-claims-version"
_ERROR: Final = "x-nvidia-error-details"
_REQUIRED: Final = (
    "arch-check",
    "attestation-report-parsed",
    "attestation-report-nonce-match",
    "attestation-report-signature-verified",
)
_REQUIRED_OF_RIM: Final = ("signature-verified", "measurements-available")
_GPU_CHIP: Final = re.compile(r"G[HB][0-9]{3}(?: [A-Z0-9 ]{1,40})?")
_SWITCH_CHIP: Final = re.compile(r"LS_?10(?: [A-Z0-9 ]{1,40})?")
_MISMATCHES: Final = ("x-nvidia-mismatch-measurement-records", "x-nvidia-mismatch-opaque-data-records")
_GOOD_CHAIN: Final = (("x-nvidia-cert-status", "valid"), ("x-nvidia-cert-ocsp-status", "good"))
_SHOWN: Final = 60


def claims_version(token: EatToken, overall: EatToken) -> str | None:
    """The version of a device's claims as stated: its own word where it has one, else that of the overall token."""
    own = token.claims.optional(_OWN_VERSION) or overall.claims.optional("x-nvidia-ver")
    return own.value if own is not None and isinstance(own.value, str) else None


def nras_error(token: EatToken) -> str | None:
    """The error that NRAS signed instead of claims (``4010 NONCE_NOT_MATCHING``), or None where it judged the device."""
    view = token.claims.optional(_ERROR)
    if view is None:
        return None
    details = view.value if isinstance(view.value, dict) else {}
    return f"error {_shown(details.get('code'))} {_shown(details.get('message'))}"


def why_claims_fail(token: EatToken, version: str | None) -> str | None:
    """Return the first claim of a device that is not as it must be, or None. ``version`` is one of :data:`CLAIMS_VERSIONS`."""
    return nras_error(token) or next(_faults(token, version), None)


def _faults(token: EatToken, version: str | None) -> Iterator[str]:
    values = {name: view.value for name, view in token.claims.members.items()}
    prefix = "x-nvidia-switch-" if token.is_switch else "x-nvidia-gpu-"
    rims = ("bios-rim",) if token.is_switch else ("driver-rim", "vbios-rim")

    if values.get("measres") != "success":
        yield f"measres is {_shown(values.get('measres'))}"
    yield from _not_true(values, "secboot")
    if values.get("dbgstat") not in (None, "disabled"):
        yield f"dbgstat is {_shown(values.get('dbgstat'))}"
    model = values.get("hwmodel")
    if not isinstance(model, str) or not (_SWITCH_CHIP if token.is_switch else _GPU_CHIP).fullmatch(model):
        yield f"hwmodel is {_shown(model)}"
    for name in (
        *_REQUIRED,
        *[f"{rim}-{judged}" for rim in rims for judged in _REQUIRED_OF_RIM],
    ):
        yield from _not_true(values, prefix + name)
    if version == _PLAIN_CHAINS:
        for name in ("attestation-report-cert-chain-validated", *[f"{rim}-cert-validated" for rim in rims]):
            yield from _not_true(values, prefix + name)
    else:
        for name in ("attestation-report", *rims):
            yield from _bad_chain(values, f"{prefix}{name}-cert-chain")
    yield from [f"{name} is false" for name, value in values.items() if name.startswith("x-nvidia-") and value is False]
    yield from [f"{name} lists mismatches" for name in _MISMATCHES if values.get(name) not in (None, [])]


def _not_true(values: dict[str, object], name: str) -> Iterator[str]:
    if values.get(name) is not True:
        yield f"{name} is {_shown(values.get(name))}"


def _bad_chain(values: dict[str, object], name: str) -> Iterator[str]:
    chain = values.get(name)
    if not isinstance(chain, dict):
        yield f"{name} is {_shown(chain)}"
    else:
        yield from [f"{name}: {key} is {_shown(chain.get(key))}" for key, good in _GOOD_CHAIN if chain.get(key) != good]


def _shown(value: object) -> str:
    """A claim's value for people: short, and in one line whatever it holds."""
    if value is None:
        return "absent"
    if isinstance(value, str):
        return repr(value[:_SHOWN])
    return f"a JSON {type(value).__name__}" if isinstance(value, dict | list) else str(value)[:_SHOWN].lower()
