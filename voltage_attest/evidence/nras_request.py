"""GPU and switch evidence as files and providers carry it: the request that NVIDIA's attestation service (NRAS) takes.

::

    {"nonce": hex64, "arch": "HOPPER", "evidence_list": [{"evidence": base64 of the report, "certificate": base64 of PEM}, ...]}

Also read: the list alone, each member with its own ``arch``, as NVIDIA's ``nvattest`` saves it and providers send it. One
request is of one architecture. ``nonce`` is what the sender says; nothing judges by it, since the signed report holds the
real one.

Source: NRAS API v3 and v4 (docs.nvidia.com/attestation); NVIDIA attestation-sdk 1.2.2, ``gpu/evidence.cpp``.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.gpu_report import Architecture
from voltage_attest.evidence.json_text import JsonObject, JsonView, maybe, parse_json
from voltage_attest.evidence.spdm import MAX_REPORT_SIZE
from voltage_attest.limits import MAX_DEVICES, NONCE_SIZE

__all__ = [
    "MAX_DEVICES",
    "MAX_REQUEST_SIZE",
    "DeviceItem",
    "NrasRequest",
    "nras_path",
    "nras_request",
    "parse_nras_request",
]

MAX_CHAIN_SIZE: Final = 32 * 1024
"""Bytes of one PEM chain. Real ones have 4825 to 4902."""
MAX_REQUEST_SIZE: Final = 8 * 1024 * 1024
"""Bytes of JSON: 64 devices of the largest size that may be, encoded."""

_KEYS: Final = ("nonce", "arch", "evidence_list", "claims_version")
_ITEM_KEYS: Final = ("evidence", "certificate", "arch", "nonce", "version")


@dataclass(frozen=True, slots=True)
class DeviceItem:
    """One device's evidence, undigested: the report's raw bytes and its certificate chain in PEM, leaf first."""

    architecture: Architecture
    report: bytes
    certificate_chain: bytes


@dataclass(frozen=True, slots=True)
class NrasRequest:
    """The devices of one request in the order given, the nonce that the sender names (32 bytes, or None), and warnings."""

    items: tuple[DeviceItem, ...]
    claimed_nonce: bytes | None
    warnings: tuple[str, ...]


def parse_nras_request(data: bytes) -> NrasRequest:
    """Read the request, or the bare list; :class:`EvidenceFormatError` on anything else, or if it holds no device."""
    view = parse_json(data, "the GPU evidence", limit=MAX_REQUEST_SIZE)
    if isinstance(view.value, list):
        return _read(None, None, view, ())
    frame = view.as_object()
    nonce = maybe(frame.optional("nonce"), lambda given: given.as_hex(NONCE_SIZE, prefix=True))
    architecture = maybe(frame.optional("arch"), _architecture)
    return _read(nonce, architecture, frame.required("evidence_list"), frame.unknown(_KEYS))


def _read(nonce: bytes | None, architecture: Architecture | None, listed: JsonView, warnings: tuple[str, ...]) -> NrasRequest:
    members = [member.as_object() for member in listed.as_list(MAX_DEVICES)]
    if not members:
        raise EvidenceFormatError(f"{listed.where} is empty", expected="one device at least")
    items = [_read_item(member, architecture) for member in members]
    named = {item.architecture for item in items} | ({architecture} if architecture else set())
    if len(named) != 1:
        raise EvidenceFormatError(
            f"{listed.where} mixes {', '.join(sorted(named))}",
            expected="devices of one architecture",
            remedy="Put GPUs and switches into requests of their own, as NRAS requires.",
        )
    notes = [note for member in members for note in member.unknown(_ITEM_KEYS)]
    return NrasRequest(tuple(items), nonce, (*warnings, *notes))


def _read_item(member: JsonObject, architecture: Architecture | None) -> DeviceItem:
    own = maybe(member.optional("arch"), _architecture) or architecture
    if own is None:
        raise EvidenceFormatError(f"{member.where} names no architecture", expected=f"arch, one of {', '.join(Architecture)}")
    report = _bounded(member.required("evidence"), MAX_REPORT_SIZE)
    return DeviceItem(own, report, _bounded(member.required("certificate"), MAX_CHAIN_SIZE))


def _bounded(view: JsonView, limit: int) -> bytes:
    view.as_text(limit * 4 // 3 + 4)
    return view.as_base64()


def _architecture(view: JsonView) -> Architecture:
    try:
        return Architecture(view.as_text(64))
    except ValueError:
        raise view.wrong(f"one of {', '.join(Architecture)}") from None


def nras_path(architecture: Architecture, claims_version: str | None = None) -> str:
    """Where on NRAS the request goes: v3 answers with claims 2.0 and takes no version, v4 with the version asked for."""
    return f"/{'v3' if claims_version is None else 'v4'}/attest/{'switch' if architecture.is_switch else 'gpu'}"


def nras_request(items: Sequence[DeviceItem], nonce: bytes, claims_version: str | None = None) -> bytes:
    """Write the body for :func:`nras_path`; the devices' reports must carry ``nonce`` (32 bytes), or NRAS answers error 4010.

    ``ValueError`` unless there are 1 to 64 devices of one architecture.
    """
    architectures = {item.architecture for item in items}
    if not 1 <= len(items) <= MAX_DEVICES or len(architectures) != 1 or len(nonce) != NONCE_SIZE:
        raise ValueError(f"a request holds 1 to {MAX_DEVICES} devices of one architecture and a nonce of {NONCE_SIZE} bytes")
    evidence = [
        {
            "evidence": base64.b64encode(item.report).decode("ascii"),
            "certificate": base64.b64encode(item.certificate_chain).decode("ascii"),
        }
        for item in items
    ]
    body: dict[str, object] = {"nonce": nonce.hex(), "arch": architectures.pop().value, "evidence_list": evidence}
    if claims_version is not None:
        body["claims_version"] = claims_version
    return json.dumps(body, separators=(",", ":")).encode("ascii")
