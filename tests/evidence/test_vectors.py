"""Every quote of the shared vectors reads as the independent decoder of that folder read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.real_evidence import each_vector, is_tdx, vector_json
from voltage_attest.crypto.certificates import load_certificate
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.pck_extension import PCK_EXTENSION_OID, parse_pck_extension
from voltage_attest.evidence.pem import parse_pem_chain
from voltage_attest.evidence.quote import TdxQuote, parse_quote
from voltage_attest.evidence.td_report import BodyType, TdReport15

REPORT_FIELDS = {
    "tee_tcb_svn": "tee_tcb_svn",
    "mrseam": "mr_seam",
    "mrsignerseam": "mr_signer_seam",
    "seamattributes": "seam_attributes",
    "tdattributes": "td_attributes",
    "xfam": "xfam",
    "mrtd": "mrtd",
    "mrconfigid": "mr_config_id",
    "mrowner": "mr_owner",
    "mrownerconfig": "mr_owner_config",
    "rtmr0": "rtmr0",
    "rtmr1": "rtmr1",
    "rtmr2": "rtmr2",
    "rtmr3": "rtmr3",
    "reportdata": "report_data",
}
REPORT_15_FIELDS = {"tee_tcb_svn2": "tee_tcb_svn2", "mrservicetd": "mr_service_td"}
SGX_TYPES = {"00": "Standard", "01": "Scalable", "02": "Scalable with Integrity"}


def envelope(quote: TdxQuote) -> dict[str, object]:
    """What the decoder says of everything but the TD report, in its words."""
    report = quote.qe_report
    return {
        "version": quote.version,
        "qe_svn_pce_svn": quote.reserved.hex(),
        "vendor": quote.qe_vendor_id.hex(),
        "user_data": quote.user_data.hex(),
        "body_type": None if quote.version == 4 else int(quote.body_type),
        "signed_len": len(quote.signed_bytes),
        "siglen": len(quote.raw) - len(quote.signed_bytes) - 4,
        "trailing": quote.padding,
        "qe_auth": quote.qe_auth_data.hex(),
        "cert_type": int(quote.certification_data_type),
        "cert_size": len(quote.certification_data),
        "qe_mrsigner": report.mr_signer.hex(),
        "qe_isvprodid": report.isv_prod_id,
        "qe_isvsvn": report.isv_svn,
        "qe_attr": report.attributes.hex(),
        "qe_misc": report.misc_select.hex(),
    }


@each_vector("decoded.json", where=lambda folder: not is_tdx(folder))
def test_sgx_quotes_are_refused(folder: Path) -> None:
    """Genuine, and not of a TD."""
    with pytest.raises(EvidenceFormatError, match="an SGX quote"):
        parse_quote((folder / "quote.bin").read_bytes())


@each_vector("decoded.json", where=is_tdx)
def test_the_quote_reads_as_an_independent_decoder_read_it(folder: Path) -> None:
    """Header, TD report, signature data and certification data, field by field."""
    decoded = vector_json(folder, "decoded.json")
    data = (folder / "quote.bin").read_bytes()
    quote = parse_quote(data)
    assert {key: decoded[key] for key in envelope(quote)} == envelope(quote)
    report = quote.td_report
    fields = REPORT_FIELDS | (REPORT_15_FIELDS if quote.body_type is not BodyType.TD_REPORT_10 else {})
    assert isinstance(report, TdReport15) is (quote.body_type is not BodyType.TD_REPORT_10)
    assert {key: getattr(report, name).hex() for key, name in fields.items()} == {key: decoded[key] for key in fields}


@each_vector("decoded.json", where=is_tdx)
def test_the_pck_certificate_reads_as_an_independent_decoder_read_it(folder: Path) -> None:
    """Names, dates and every entry of the SGX extension."""
    decoded = vector_json(folder, "decoded.json")
    quote = parse_quote((folder / "quote.bin").read_bytes())
    pem = quote.certification_data.removesuffix(b"\0")
    chain = [load_certificate(der, "certificate") for der in parse_pem_chain(pem, "PCK chain")]
    value = chain[0].extensions.values.get(PCK_EXTENSION_OID)
    assert value is not None
    pck = parse_pck_extension(value)
    assert [certificate.common_name for certificate in chain] == decoded["chain"]
    assert (chain[0].not_before.isoformat(), chain[0].not_after.isoformat()) == (decoded["pck_nb"], decoded["pck_na"])
    assert {
        "fmspc": pck.fmspc.hex(),
        "pceid": pck.pce_id.hex(),
        "ppid": pck.ppid.hex(),
        "cpusvn_pck": pck.cpu_svn.hex(),
        "pcesvn": pck.pce_svn,
        "comps": list(pck.components),
    } == {key: decoded[key] for key in ("fmspc", "pceid", "ppid", "cpusvn_pck", "pcesvn", "comps")}
    assert pck.sgx_type == SGX_TYPES[str(decoded["sgxtype"])]
