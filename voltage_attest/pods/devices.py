"""GPU and switch evidence in the one shape that later verifiers read: ``{"nonce", "arch", "evidence_list"}`` as JSON text.

NVIDIA's attestation service (NRAS) defined it: ``evidence_list`` holds ``{"evidence": base64, "certificate": base64 of a PEM
chain}``. Where a provider sends the list alone it is put into that frame, its own text unchanged. ``nonce`` is what the sender
says; the verifier reads the nonce from the signed report.
"""

from __future__ import annotations

import json

from voltage_attest.evidence.json_text import JsonObject, JsonView, parse_json
from voltage_attest.evidence.model import DeviceEvidence
from voltage_attest.limits import MAX_DEVICES

__all__ = ["MAX_DEVICES", "check_device", "framed_devices", "nras_devices"]


def nras_devices(view: JsonView | None) -> tuple[DeviceEvidence, ...]:
    """Read evidence in NRAS shape: one object, a list of such objects, or either as JSON in a string."""
    if view is None:
        return ()
    if isinstance(view.value, str):
        data = view.value.encode("utf-8")
        view = parse_json(data, view.where, limit=len(data))
    if isinstance(view.value, list):
        return tuple(DeviceEvidence(_checked(element).raw) for element in view.as_list(MAX_DEVICES))
    return (DeviceEvidence(_checked(view).raw),)


def framed_devices(devices: JsonView | None) -> tuple[DeviceEvidence, ...]:
    """Put a bare list of ``{"arch", "evidence", "certificate"}`` into the frame; an empty list is no evidence.

    ``arch`` of the frame is the first device's; a mixed list shows in the reports themselves.
    """
    listed = () if devices is None else devices.as_list(MAX_DEVICES)
    if devices is None or not listed:
        return ()
    arches = [check_device(device).required("arch").as_text(64) for device in listed]
    return (DeviceEvidence(f'{{"arch": {json.dumps(arches[0])}, "evidence_list": {devices.raw}}}'),)


def _checked(view: JsonView) -> JsonView:
    for device in view.as_object().required("evidence_list").as_list(MAX_DEVICES):
        check_device(device)
    return view


def check_device(view: JsonView) -> JsonObject:
    """The members of one device's evidence, which must hold evidence and certificate as text."""
    device = view.as_object()
    for key in ("evidence", "certificate"):
        device.required(key).as_text()
    return device
