"""A quote as it describes itself: every field of header, TD report, QE report and certification data."""

from __future__ import annotations

from dataclasses import fields
from typing import Final

from voltage_attest.cli.inspect_bits import sgx_attributes, td_attributes, tee_tcb_svn, xfam
from voltage_attest.cli.inspect_certificates import certificate_rows, unreadable
from voltage_attest.cli.inspect_tree import Branch, Inspection, Leaf, Node
from voltage_attest.errors import InputError
from voltage_attest.evidence.cursor import Cursor
from voltage_attest.evidence.enclave_report import ENCLAVE_REPORT_SIZE, EnclaveReport, parse_enclave_report
from voltage_attest.evidence.pem import parse_pem_chain
from voltage_attest.evidence.quote import INTEL_QE_VENDOR_ID, CertificationDataType, TdxQuote, parse_quote
from voltage_attest.evidence.td_report import TdReport

__all__ = ["QUOTE_VERSIONS", "inspect_quote"]

QUOTE_VERSIONS: Final = (b"\x03\x00", b"\x04\x00", b"\x05\x00")
"""How a raw quote begins."""

_TDX_WORKLOAD: Final = ("mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3")
_MEANING: Final = {
    "mr_seam": "the TDX module",
    "mr_signer_seam": "its signer; zero for Intel",
    "mrtd": "initial memory: the virtual firmware",
    "rtmr0": "firmware configuration",
    "rtmr1": "boot loader and kernel",
    "rtmr2": "kernel command line and initrd",
    "rtmr3": "what the guest extends at run time",
    "report_data": "what the guest put in",
}


def inspect_quote(raw: bytes) -> Inspection:
    """Decode a raw quote; an SGX quote is recognised and its header shown. InputError if a TDX quote is malformed."""
    if _is_sgx(raw):
        return _inspect_sgx(raw)
    quote = parse_quote(raw)
    return Inspection(
        "tdx-quote",
        f"TDX quote, version {quote.version}",
        (
            _header(quote),
            Branch("td_report", (Leaf("type", quote.body_type.name), *_td_report(quote.td_report))),
            Branch("signature_data", _signature_data(quote)),
            Branch("qe_report", _enclave_report(quote.qe_report)),
            Branch("certification_data", _certification_data(quote)),
            Branch("extent", (Leaf("declared_size", len(quote.raw)), Leaf("padding", quote.padding, "zero bytes after it"))),
        ),
        _policy_lines(quote.td_report),
    )


def _is_sgx(raw: bytes) -> bool:
    return len(raw) >= 8 and (raw[:2] == QUOTE_VERSIONS[0] or raw[4:8] == bytes(4))


def _inspect_sgx(raw: bytes) -> Inspection:
    cursor = Cursor(raw, "SGX quote")
    version, key_type, tee_type = cursor.u16("version"), cursor.u16("attestation key type"), cursor.u32("TEE type")
    header = (
        Leaf("version", version),
        Leaf("attestation_key_type", key_type),
        Leaf("tee_type", tee_type, "0 is SGX; a TDX quote has 129 (0x81)"),
        Leaf("qe_svn", cursor.u16("QE SVN")),
        Leaf("pce_svn", cursor.u16("PCE SVN")),
        Leaf("qe_vendor_id", cursor.take(16, "QE vendor id").hex()),
        Leaf("user_data", cursor.take(20, "user data").hex()),
    )
    body: tuple[Node, ...] = ()
    if version != 5:
        body = (Branch("enclave_report", _enclave_report(parse_enclave_report(cursor.take(ENCLAVE_REPORT_SIZE, "report")))),)
    problem = Leaf("problem", "an SGX enclave's quote, not TDX: it says nothing about a virtual machine")
    return Inspection("sgx-quote", f"SGX quote, version {version}: NOT TDX", (problem, Branch("header", header), *body))


def _header(quote: TdxQuote) -> Branch:
    vendor = "Intel" if quote.qe_vendor_id == INTEL_QE_VENDOR_ID else "NOT Intel"
    return Branch(
        "header",
        (
            Leaf("version", quote.version),
            Leaf("reserved", quote.reserved.hex()),
            Leaf("qe_vendor_id", quote.qe_vendor_id.hex(), vendor),
            Leaf("user_data", quote.user_data.hex(), "its first 16 bytes are the QE id"),
        ),
    )


def _td_report(report: TdReport) -> tuple[Node, ...]:
    nodes: list[Node] = []
    for field in fields(report):
        raw: bytes = getattr(report, field.name)
        if field.name == "td_attributes":
            nodes.append(td_attributes(raw))
        elif field.name == "xfam":
            nodes.append(xfam(raw))
        elif field.name.startswith("tee_tcb_svn"):
            nodes.append(tee_tcb_svn(field.name, raw))
        else:
            nodes.append(Leaf(field.name, raw.hex(), _note(field.name, raw)))
    return tuple(nodes)


def _note(name: str, raw: bytes) -> str:
    return ", ".join(part for part in (_MEANING.get(name), None if any(raw) else "all zero") if part)


def _signature_data(quote: TdxQuote) -> tuple[Node, ...]:
    return (
        Leaf("signature", quote.signature.hex(), "r||s"),
        Leaf("attestation_key", quote.attestation_key.hex(), "P-256, x||y"),
        Leaf("qe_report_signature", quote.qe_report_signature.hex(), "r||s"),
        Leaf("qe_auth_data", quote.qe_auth_data.hex()),
    )


def _enclave_report(report: EnclaveReport) -> tuple[Node, ...]:
    return (
        Leaf("cpu_svn", report.cpu_svn.hex()),
        Leaf("misc_select", report.misc_select.hex()),
        sgx_attributes(report.attributes),
        Leaf("mr_enclave", report.mr_enclave.hex()),
        Leaf("mr_signer", report.mr_signer.hex()),
        Leaf("isv_prod_id", report.isv_prod_id),
        Leaf("isv_svn", report.isv_svn),
        Leaf("report_data", report.report_data.hex()),
    )


def _certification_data(quote: TdxQuote) -> tuple[Node, ...]:
    kind = quote.certification_data_type
    head = (Leaf("type", int(kind), kind.name), Leaf("size", len(quote.certification_data)))
    if kind is not CertificationDataType.PCK_CHAIN:
        return (*head, Leaf("value", quote.certification_data.hex()))
    try:
        chain = parse_pem_chain(quote.certification_data.removesuffix(b"\0"), "PCK chain")
        return (*head, certificate_rows("certificates", chain))
    except InputError as error:
        return (*head, unreadable(error))


def _policy_lines(report: TdReport) -> tuple[str, ...]:
    pins = [f'{name:<5} = ["{getattr(report, name).hex()}"]' for name in _TDX_WORKLOAD]
    return (
        "# For your policy: what this quote says, not what is trustworthy.",
        "# Compare each value with the one its publisher gives before you pin it.",
        "[tdx]",
        *pins,
    )
