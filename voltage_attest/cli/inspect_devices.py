"""What NVIDIA's files say: reports of GPUs and switches, their requests, manifests, tokens, keys and OCSP answers."""

from __future__ import annotations

import hashlib
from typing import Final

from voltage_attest.cli.inspect_certificates import certificate_rows, unreadable
from voltage_attest.cli.inspect_tree import Branch, Inspection, Leaf, Node, Rows, Value, stamp
from voltage_attest.collateral.jwks import parse_jwks
from voltage_attest.collateral.rim import parse_rim_answer, parse_rim_file
from voltage_attest.crypto.ocsp import OcspResponse, parse_ocsp_response
from voltage_attest.crypto.signatures import P384
from voltage_attest.crypto.xml_signature import Refused, parse_signed_xml, verify_signed_xml
from voltage_attest.errors import EvidenceFormatError, InputError
from voltage_attest.evidence.eat import EatToken, parse_detached_eat
from voltage_attest.evidence.gpu_fields import GpuFields, SwitchFields
from voltage_attest.evidence.gpu_report import Architecture, DeviceReport, parse_device_report
from voltage_attest.evidence.json_text import JsonView
from voltage_attest.evidence.nras_request import DeviceItem, parse_nras_request
from voltage_attest.evidence.pem import parse_pem_chain

__all__ = [
    "REPORT_START",
    "inspect_eat",
    "inspect_gpu_evidence",
    "inspect_jwks",
    "inspect_ocsp",
    "inspect_report",
    "inspect_rim",
    "inspect_rim_answer",
]

REPORT_START: Final = b"\x11\xe0"
"""SPDM 1.1, GET_MEASUREMENTS: how every report begins."""

_LONGEST_CLAIM: Final = 200
_MOST_CLAIMS: Final = 64


def inspect_report(data: bytes) -> Inspection:
    """A raw report; by the table of a GPU, or of a switch where that does not fit. InputError if neither does."""
    try:
        report = parse_device_report(data, Architecture.HOPPER)
    except EvidenceFormatError as error:
        try:
            report = parse_device_report(data, Architecture.LS10)
        except EvidenceFormatError:
            raise error from None
    kind = "gpu-report" if report.gpu else "switch-report"
    return Inspection(kind, "NVIDIA attestation report (SPDM 1.1)", _report(report))


def inspect_gpu_evidence(data: bytes) -> Inspection:
    """NRAS's request, or the bare list of its devices; InputError if it is malformed."""
    request = parse_nras_request(data)
    nonce = request.claimed_nonce
    return Inspection(
        "gpu-evidence",
        "Evidence of GPUs or switches",
        (
            Leaf("nonce", None if nonce is None else nonce.hex(), "the sender's word: each report holds the one that counts"),
            Rows("devices", tuple([Branch("device", _device(item)) for item in request.items])),
        ),
        request.warnings,
    )


def inspect_rim(data: bytes) -> Inspection:
    """A reference integrity manifest in XML; InputError if it has another shape. Its signature is tried, its chain is not."""
    return Inspection("nvidia-rim", "Reference integrity manifest", _manifest(parse_rim_file(data).data))


def inspect_rim_answer(data: bytes) -> Inspection:
    """The same as the RIM service sends it, in JSON."""
    document = parse_rim_answer(data, None)
    return Inspection("nvidia-rim", "Reference integrity manifest", (Leaf("id", document.rim_id), *_manifest(document.data)))


def inspect_eat(data: bytes) -> Inspection:
    """An answer of NRAS; InputError if it is malformed."""
    eat = parse_detached_eat(data)
    return Inspection(
        "nvidia-nras",
        "Answer of NVIDIA's attestation service",
        (Rows("tokens", tuple([Branch("token", _token(token)) for token in eat.tokens])),),
        ("No signature was verified: `voltage-attest verify` does that, with --nras and --jwks.",),
    )


def inspect_jwks(data: bytes) -> Inspection:
    """Keys of NRAS; InputError if they are malformed."""
    keys = parse_jwks(data)
    rows = [Branch("key", (Leaf("kid", kid), certificate_rows("certificates", key.x5c))) for kid, key in keys.keys.items()]
    return Inspection(
        "nvidia-jwks",
        "Keys of NVIDIA's attestation service",
        (Leaf("p384_keys", len(rows)), Leaf("other_keys", len(keys.foreign)), Rows("keys", tuple(rows))),
    )


def inspect_ocsp(data: bytes) -> Inspection | None:
    """An OCSP answer in DER, or None if it is none."""
    try:
        answer = parse_ocsp_response(data, "the OCSP answer")
    except EvidenceFormatError:
        return None
    title = "OCSP answer"
    if not isinstance(answer, OcspResponse):
        return Inspection("nvidia-ocsp", title, (Leaf("response_status", answer.status),))
    return Inspection(
        "nvidia-ocsp",
        title,
        (
            Leaf("certificate_status", answer.status.name.lower()),
            Leaf("revocation_reason", None if answer.reason is None else answer.reason.value),
            Leaf("serial_number", f"{answer.certificate_id.serial_number:x}"),
            Leaf("this_update", stamp(answer.this_update)),
            Leaf("next_update", stamp(answer.next_update)),
            Leaf("nonce", None if answer.nonce is None else answer.nonce.hex()),
            certificate_rows("responders", [certificate.der for certificate in answer.certificates]),
        ),
    )


def _device(item: DeviceItem) -> tuple[Node, ...]:
    try:
        report = _report(parse_device_report(item.report, item.architecture))
    except EvidenceFormatError as error:
        report = (unreadable(error),)
    try:
        chain: Node = certificate_rows("certificates", parse_pem_chain(item.certificate_chain, "the chain"))
    except EvidenceFormatError as error:
        chain = Branch("certificates", (unreadable(error),))
    return Leaf("architecture", item.architecture.value), *report, chain


def _report(report: DeviceReport) -> tuple[Node, ...]:
    exchange, opaque = report.exchange, report.opaque
    version = "legacy" if opaque.version is None else "NVDAOD " + ".".join(map(str, opaque.version))
    measured = [Leaf(str(block.index - 1), block.digest.hex()) for block in exchange.measurements]
    return (
        Leaf("size", len(exchange.raw)),
        Leaf("sha256", hashlib.sha256(exchange.raw).hexdigest()),
        Leaf("nonce", exchange.nonce.hex(), "the verifier's, as signed"),
        Leaf("responder_nonce", exchange.responder_nonce.hex(), "the device's own"),
        Leaf("opaque_data", version),
        *(_gpu(report.fields) if isinstance(report.fields, GpuFields) else _switch(report.fields)),
        Branch("measurements", tuple(measured)),
    )


def _gpu(gpu: GpuFields) -> tuple[Node, ...]:
    switches = {pdi.hex() for pdi in gpu.switch_pdis if pdi is not None}
    return (
        Leaf("driver_version", gpu.driver_version),
        Leaf("vbios_version", gpu.vbios_version),
        Leaf("board", gpu.board, "PROJECT_PROJECTSKU_CHIPSKU, as gpu.boards of a policy names it"),
        Leaf("chip_info", gpu.chip_info),
        Leaf("mode", None if gpu.feature_flag is None else gpu.feature_flag.value),
        Leaf("protected_pcie", gpu.protected_pcie),
        Leaf("fwid", None if gpu.fwid is None else gpu.fwid.hex()),
        Leaf("switch_pdis", tuple(sorted(switches))),
    )


def _switch(switch: SwitchFields) -> tuple[Node, ...]:
    return (
        Leaf("bios_version", switch.vbios_version),
        Leaf("device_pdi", None if switch.device_pdi is None else switch.device_pdi.hex()),
        Leaf("locked", switch.locked),
        Leaf("gpu_pdis", tuple([pdi.hex() for pdi in switch.gpu_pdis])),
    )


def _manifest(data: bytes) -> tuple[Node, ...]:
    """What it says it is for; and what was signed, if the leaf beside it signed it at all."""
    from voltage_attest.collateral.rim_content import parse_rim_content
    from voltage_attest.crypto.certificates import load_certificate

    document = parse_signed_xml(data, "RIM")
    product, edition, version = document.claimed
    head = (
        Leaf("product", product),
        Leaf("edition", edition),
        Leaf("version", version),
        Leaf("sha256", hashlib.sha256(data).hexdigest()),
    )
    chain = certificate_rows("certificates", document.certificates)
    try:
        signed = verify_signed_xml(document, load_certificate(document.certificates[0], "the signer", P384))
        if isinstance(signed, Refused):
            return *head, Leaf("signature", signed.reason), chain
        content = parse_rim_content(signed)
    except InputError as error:
        return *head, unreadable(error), chain
    golden = [
        Leaf(str(one.index), tuple([value.hex() for value in one.alternatives]), one.name) for one in content.measurements
    ]
    floors = [Leaf(str(one.opaque_type), one.minimum, one.name) for one in content.minimum_svns]
    return (
        *head,
        Leaf("signature", "fits the first certificate; nothing says that NVIDIA issued that"),
        Leaf("tag_id", content.tag_id),
        Branch("measurements", tuple(golden)),
        Branch("minimum_svns", tuple(floors)),
        chain,
    )


def _token(token: EatToken) -> tuple[Node, ...]:
    return (
        Leaf("name", token.name),
        Branch("header", tuple([Leaf(name, _claim(view)) for name, view in token.header.members.items()])),
        Branch("claims", tuple([Leaf(name, _claim(view)) for name, view in list(token.claims.members.items())[:_MOST_CLAIMS]])),
    )


def _claim(view: JsonView) -> Value:
    value = view.value
    return value if value is None or isinstance(value, str | int | bool) else view.raw[:_LONGEST_CLAIM]
