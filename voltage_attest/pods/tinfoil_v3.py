"""Tinfoil's attestation document v3, in the two forms that carry the same ``format``.

Flat (the first deployments)::

    report_data   {tls_key_fp, hpke_key, nonce, gpu_evidence_hash, nvswitch_evidence_hash}, 64 hex each
    cpu           {platform: "tdx", report: base64 quote}
    gpu           {evidences: [{arch, certificate, evidence, nonce}]}      hashed as these JSON bytes stand
    nvswitch      {evidences: [...], result_code, result_message}          likewise
    certificate   PEM;  signature base64, by the certificate's key over the document (REPORTDATA already binds what counts)

    REPORTDATA[0:32] = SHA-256(tls_key_fp || hpke_key || nonce || gpu_evidence_hash [|| nvswitch_evidence_hash]), rest zero

Sections (later)::

    challenge        {nonce, report_data, report_data_algorithm: ".../report-data/v1"}
    cpu_evidence     {format: ".../format/tdx-quote/v1", report_base64, endorsed: {crypto_material_hash, device_evidence_hash}}
    crypto_material  base64 of JSON {format, items: [{id: "tls" | "hpke" | ..., format, data: hex}]}
    device_evidence  base64 of JSON {format, items: [{id, kind, vendor, format, evidence}]}
    collateral       list

    REPORTDATA[0:32] = SHA-256(report_data_algorithm || nonce || SHA-256(crypto_material) || SHA-256(device_evidence))

Every hash handed on in ``binding_inputs`` is computed here over the bytes received; a hash that the document names is compared
and otherwise not used. Known to differ: the flat form's ``nvswitch_evidence_hash``, which its server took before the JSON was
written again; such evidence ends refused, as its switch evidence is bound to nothing.

Sources: tinfoil-go ``document``; the public write-up of the NVSwitch hash in 13rac1/teep.
"""

from __future__ import annotations

import hashlib
import json
from typing import Final

from voltage_attest.evidence.json_text import JsonObject, JsonView, maybe, parse_json
from voltage_attest.evidence.model import DeviceEvidence, Evidence
from voltage_attest.pods.answer import MAX_ANSWER_SIZE
from voltage_attest.pods.certificate import leaf_of_pem, spki_sha256
from voltage_attest.pods.devices import MAX_DEVICES, check_device, framed_devices

__all__ = ["FORMAT_V3", "parse_tinfoil_v3"]

FORMAT_V3: Final = "https://tinfoil.sh/predicate/attestation/v3"

_ALGORITHM: Final = "https://tinfoil.sh/report-data/v1"
_TDX_QUOTE: Final = "https://tinfoil.sh/format/tdx-quote/v1"
_CRYPTO_MATERIAL: Final = "https://tinfoil.sh/crypto-material/v1"
_DEVICE_EVIDENCE: Final = "https://tinfoil.sh/device-evidence/v1"
_KEY_FORMATS: Final = {
    "tls": "https://tinfoil.sh/key/spki-fp-sha256/v1",
    "hpke": "https://tinfoil.sh/key/x25519-hpke/v1",
}
_FLAT_KEYS: Final = ("format", "report_data", "cpu", "gpu", "nvswitch", "certificate", "signature", "vcek")
_SECTION_KEYS: Final = ("format", "challenge", "cpu_evidence", "crypto_material", "device_evidence", "collateral")
_CERTIFICATE: Final = "the Tinfoil answer: certificate"
_MAX_ITEMS: Final = 256


def parse_tinfoil_v3(answer: JsonObject, provider: str) -> Evidence:
    """Read the document in either form; :class:`EvidenceFormatError` says what was found."""
    return _parse_sections(answer, provider) if answer.optional("challenge") is not None else _parse_flat(answer, provider)


def _parse_flat(answer: JsonObject, provider: str) -> Evidence:
    claims, cpu = answer.required("report_data").as_object(), answer.required("cpu").as_object()
    platform = cpu.required("platform")
    if platform.value != "tdx":
        raise platform.wrong('"tdx": this verifier judges Intel TDX')
    fingerprint, hpke_key = claims.required("tls_key_fp").as_hex(32), claims.required("hpke_key").as_hex(32)
    gpu, switch = answer.optional("gpu"), answer.optional("nvswitch")
    pem = maybe(answer.optional("certificate"), JsonView.as_text) or None
    certificate = maybe(pem, lambda text: leaf_of_pem(text, _CERTIFICATE))
    inputs = {
        "hpke_public_key": hpke_key,
        "gpu_evidence_hash": _hash(gpu),
        "nvswitch_evidence_hash": None if switch is None else _hash(switch),
        "gpu_evidence_json": maybe(gpu, _octets),
        "nvswitch_evidence_json": maybe(switch, _octets),
        "tls_certificate": certificate,
    }
    notes = [_note_hash(claims, "gpu_evidence_hash", gpu), _note_hash(claims, "nvswitch_evidence_hash", switch)]
    if certificate is not None and spki_sha256(certificate, _CERTIFICATE) != fingerprint:
        notes.append("the Tinfoil answer: certificate has another key than tls_key_fp: the fingerprint counts")
    return Evidence(
        quote=cpu.required("report").as_base64(),
        nonce=claims.required("nonce").as_hex(32),
        tls_spki_sha256=fingerprint,
        e2ee_public_key=hpke_key,
        gpu_evidence=framed_devices(maybe(gpu, _listed)),
        switch_evidence=framed_devices(maybe(switch, _listed)),
        binding_inputs=tuple((name, value) for name, value in inputs.items() if value is not None),
        provider=provider,
        warnings=(*[note for note in notes if note], *answer.unknown(_FLAT_KEYS)),
    )


def _octets(view: JsonView) -> bytes:
    return view.raw.encode("utf-8")


def _hash(view: JsonView | None) -> bytes:
    """SHA-256 over the JSON as received; empty where there is none, and so adds nothing to what REPORTDATA hashes."""
    return b"" if view is None else hashlib.sha256(_octets(view)).digest()


def _listed(view: JsonView) -> JsonView:
    return view.as_object().required("evidences")


def _note_hash(claims: JsonObject, name: str, view: JsonView | None) -> str | None:
    claimed = claims.optional(name)
    if (b"" if claimed is None or claimed.value == "" else claimed.as_hex(32)) == _hash(view):
        return None
    return f"the Tinfoil answer: {name} is not the hash of the evidence beside it, which alone counts"


def _parse_sections(answer: JsonObject, provider: str) -> Evidence:
    challenge, cpu = answer.required("challenge").as_object(), answer.required("cpu_evidence").as_object()
    for view, expected in ((challenge.required("report_data_algorithm"), _ALGORITHM), (cpu.required("format"), _TDX_QUOTE)):
        if view.value != expected:
            raise view.wrong(expected)
    material, devices = answer.required("crypto_material").as_base64(), answer.required("device_evidence").as_base64()
    keys = {
        item.required("id").as_text(64): item
        for item in _items(material, "the Tinfoil answer: crypto_material", _CRYPTO_MATERIAL)
    }
    tls, hpke = _key(keys, "tls"), _key(keys, "hpke")
    gpus, switches, notes = _sort_devices(devices)
    inputs = {
        "report_data_algorithm": _ALGORITHM.encode("ascii"),
        "crypto_material": material,
        "device_evidence": devices,
        "hpke_public_key": hpke,
    }
    return Evidence(
        quote=cpu.required("report_base64").as_base64(),
        nonce=challenge.required("nonce").as_hex(32),
        tls_spki_sha256=tls,
        e2ee_public_key=hpke,
        gpu_evidence=gpus,
        switch_evidence=switches,
        binding_inputs=tuple((name, value) for name, value in inputs.items() if value is not None),
        provider=provider,
        warnings=(*notes, *answer.unknown(_SECTION_KEYS)),
    )


def _items(section: bytes, what: str, expected: str) -> list[JsonObject]:
    """The items of an endorsed section, each id once."""
    envelope = parse_json(section, what, limit=MAX_ANSWER_SIZE).as_object()
    named = envelope.required("format")
    if named.value != expected:
        raise named.wrong(expected)
    items = [view.as_object() for view in envelope.required("items").as_list(_MAX_ITEMS)]
    seen: set[str] = set()
    for item in items:
        name = item.required("id")
        if name.as_text(64) in seen:
            raise name.wrong("an id that no other item has")
        seen.add(name.as_text(64))
    return items


def _key(items: dict[str, JsonObject], name: str) -> bytes | None:
    """A 32-byte key or fingerprint by its conventional id; None where the enclave endorses none."""
    item = items.get(name)
    if item is None:
        return None
    named = item.required("format")
    if named.value != _KEY_FORMATS[name]:
        raise named.wrong(_KEY_FORMATS[name])
    return item.required("data").as_hex(32)


def _sort_devices(section: bytes) -> tuple[tuple[DeviceEvidence, ...], tuple[DeviceEvidence, ...], list[str]]:
    """GPUs and switches in NRAS's frame, each device's own text unchanged; other items are named in notes."""
    found: dict[str, list[JsonView]] = {"gpu": [], "nvswitch": []}
    notes: list[str] = []
    for item in _items(section, "the Tinfoil answer: device_evidence", _DEVICE_EVIDENCE):
        kind, vendor = item.required("kind").as_text(64), maybe(item.optional("vendor"), lambda view: view.as_text(64))
        if kind in found and vendor == "nvidia":
            found[kind].append(item.required("evidence"))
        elif len(notes) < MAX_DEVICES:
            notes.append(f"{item.where}: evidence of kind {kind!r} is not judged")
    return _framed(found["gpu"]), _framed(found["nvswitch"]), notes


def _framed(devices: list[JsonView]) -> tuple[DeviceEvidence, ...]:
    if not devices:
        return ()
    arches = [check_device(device).required("arch").as_text(64) for device in devices]
    listed = ", ".join(device.raw for device in devices)
    return (DeviceEvidence(f'{{"arch": {json.dumps(arches[0])}, "evidence_list": [{listed}]}}'),)
