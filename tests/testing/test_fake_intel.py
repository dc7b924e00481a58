"""The fake Intel agrees with parsers it does not share code with, and makes the same bytes every time."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

import voltage_attest.testing
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.pck_extension import parse_pck_extension
from voltage_attest.evidence.pem import parse_pem_chain
from voltage_attest.evidence.quote import parse_quote
from voltage_attest.evidence.td_report import TdReport15, TdReport15Ex
from voltage_attest.testing import (
    APPRAISED_AT,
    PROCESSOR_PCK,
    PROCESSOR_PCK_LEAF,
    TCB_SIGNING,
    FakeIntel,
    PckFields,
    QeFields,
    QuoteShape,
    RevocationFields,
    Signer,
    TdReportFields,
    derive_key,
    pad_components,
)

INTEL = FakeIntel()
PLATFORM = INTEL.platform()

# Written down, so that a library version, machine or year that changes a byte is noticed.
QUOTE_SHA256 = "7d3f9d6672447edd0f48722e44b91ee46e4da5220117087890ede768231c0c83"
COLLATERAL_SHA256 = "d22893a4222853513613833eebc715ab980ae9ab6f638abce3aacef995f03563"


def _verifies(signer: x509.Certificate, signature: bytes, message: bytes) -> bool:
    public_key = signer.public_key()
    assert isinstance(public_key, ec.EllipticCurvePublicKey)
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    public_key.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
    return True


@pytest.mark.parametrize("shape", QuoteShape)
def test_parser_reads_every_quote_shape(shape: QuoteShape) -> None:
    td = TdReportFields(rtmr3=b"\x33" * 48, tee_tcb_svn2=b"\x22" * 16, td_id=b"\x1d" * 32, cur_servtd_attr=b"\xca" * 8)
    quote = parse_quote(PLATFORM.quote(td, shape=shape, padding=307))
    assert (quote.version, quote.padding) == (shape.version, 307)
    assert len(quote.signed_bytes) == 48 + (0 if shape.body_type is None else 6) + shape.body_size
    assert (quote.td_report.rtmr3, quote.td_report.mrtd) == (td.rtmr3, td.mrtd)
    if isinstance(quote.td_report, TdReport15):
        assert quote.td_report.tee_tcb_svn2 == td.tee_tcb_svn2
    if isinstance(quote.td_report, TdReport15Ex):
        assert (quote.td_report.td_id, quote.td_report.cur_servtd_attr) == (td.td_id, td.cur_servtd_attr)


def test_quote_is_signed_by_its_key_and_its_key_vouched_for() -> None:
    quote = parse_quote(PLATFORM.quote())
    attestation_key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + quote.attestation_key)
    assert attestation_key == PLATFORM.attestation_key.public_key()
    r, s = int.from_bytes(quote.signature[:32], "big"), int.from_bytes(quote.signature[32:], "big")
    attestation_key.verify(encode_dss_signature(r, s), quote.signed_bytes, ec.ECDSA(hashes.SHA256()))
    assert quote.qe_report.report_data == sha256(quote.attestation_key + quote.qe_auth_data).digest() + bytes(32)
    assert _verifies(PLATFORM.leaf.certificate, quote.qe_report_signature, quote.qe_report.raw)


def test_sgx_quote_is_refused_as_sgx() -> None:
    with pytest.raises(EvidenceFormatError, match="SGX quote"):
        parse_quote(PLATFORM.sgx_quote())


@pytest.mark.parametrize(
    "pck",
    [
        PckFields(),
        PROCESSOR_PCK,
        PckFields(components=pad_components(255, 128, 127), pce_svn=32768, fmspc=b"\x00\x80\xff\x01\x02\x03"),
        PckFields(pce_svn=65535, cpu_svn=b"\xee" * 16, smt_enabled=False),
    ],
)
def test_parser_reads_the_pck_extension(pck: PckFields) -> None:
    leaf = INTEL.platform(pck).leaf.certificate
    extension = leaf.extensions.get_extension_for_oid(x509.ObjectIdentifier("1.2.840.113741.1.13.1"))
    assert not extension.critical
    assert isinstance(extension.value, x509.UnrecognizedExtension)
    parsed = parse_pck_extension(extension.value.value)
    assert (parsed.components, parsed.pce_svn) == (pck.components, pck.pce_svn)
    assert (parsed.fmspc, parsed.ppid, parsed.pce_id) == (pck.fmspc, pck.ppid, pck.pce_id)
    assert parsed.cpu_svn == (pck.cpu_svn or bytes(pck.components))
    assert parsed.platform_instance_id == pck.platform_instance_id
    assert (parsed.dynamic_platform, parsed.smt_enabled) == (pck.dynamic_platform, pck.smt_enabled)


@pytest.mark.parametrize("ca", [INTEL.platform_ca, INTEL.processor_ca], ids=["platform", "processor"])
def test_certificates_link_up_to_the_root(ca: Signer) -> None:
    platform = INTEL.platform(ca=ca)
    chain = [x509.load_der_x509_certificate(der) for der in parse_pem_chain(platform.chain_pem.encode(), "chain")]
    assert len(chain) == 3
    for certificate, issuer in zip(chain, (*chain[1:], chain[-1]), strict=True):
        certificate.verify_directly_issued_by(issuer)


def test_collateral_documents_are_what_their_keys_say() -> None:
    documents = json.loads(INTEL.collateral(PLATFORM).to_json())
    assert len(documents) == 9
    for kind in ("tcb_info", "qe_identity"):
        signer, root = parse_pem_chain(documents[f"{kind}_issuer_chain"].encode(), kind)
        assert root == INTEL.root.der
        signature = bytes.fromhex(documents[f"{kind}_signature"])
        assert _verifies(x509.load_der_x509_certificate(signer), signature, documents[kind].encode())
    for kind, issuer in (("root_ca_crl", INTEL.root), ("pck_crl", INTEL.platform_ca)):
        crl = x509.load_der_x509_crl(bytes.fromhex(documents[kind]))
        public_key = issuer.certificate.public_key()
        assert isinstance(public_key, ec.EllipticCurvePublicKey)
        assert crl.is_signature_valid(public_key)
        assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 1
        authority = crl.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
        subject = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        assert authority.key_identifier == subject.digest


def test_absent_document_is_not_in_the_file() -> None:
    collateral = replace(INTEL.collateral(PLATFORM), pck_crl=None, pck_certificate_chain=PLATFORM.chain_pem)
    documents = json.loads(collateral.to_json())
    assert "pck_crl" not in documents
    assert documents["pck_certificate_chain"] == PLATFORM.chain_pem


def test_revoked_certificate_stands_in_the_list() -> None:
    crl = x509.load_der_x509_crl(INTEL.pck_crl(PLATFORM, PLATFORM.leaf))
    assert crl.get_revoked_certificate_by_serial_number(PLATFORM.leaf.serial) is not None
    assert INTEL.platform(PckFields(pce_svn=10)).leaf.serial != PLATFORM.leaf.serial


def test_revocation_list_may_lack_what_is_mandatory() -> None:
    fields = RevocationFields(
        this_update=APPRAISED_AT,
        next_update=APPRAISED_AT + timedelta(days=1),
        number=None,
        names_authority=False,
        critical_extensions=(
            x509.IssuingDistributionPoint(
                full_name=None,
                relative_name=None,
                only_contains_user_certs=True,
                only_contains_ca_certs=False,
                only_some_reasons=None,
                indirect_crl=False,
                only_contains_attribute_certs=False,
            ),
        ),
    )
    crl = x509.load_der_x509_crl(INTEL.root.revocation_list(fields))
    assert [extension.oid.dotted_string for extension in crl.extensions] == ["2.5.29.28"]


def test_wrong_field_size_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 885"):
        PLATFORM.quote(TdReportFields(mrtd=bytes(47)))


def test_two_instances_make_equal_bytes() -> None:
    first, second = FakeIntel(), FakeIntel("fake intel")
    for shape in QuoteShape:
        assert first.platform().quote(shape=shape) == second.platform().quote(shape=shape)
    collateral = first.collateral(first.platform()).to_json()
    assert collateral == second.collateral(second.platform()).to_json()
    assert sha256(PLATFORM.quote()).hexdigest() == QUOTE_SHA256
    assert sha256(collateral).hexdigest() == COLLATERAL_SHA256


def test_look_alike_has_equal_names_and_other_keys() -> None:
    other = FakeIntel("look-alike")
    assert other.root.certificate.subject == INTEL.root.certificate.subject
    assert other.root.der != INTEL.root.der
    assert other.root.certificate.public_key() != INTEL.root.certificate.public_key()


def test_keys_differ_by_label() -> None:
    second = INTEL.root.issue(replace(TCB_SIGNING, label="second"))
    assert second.serial != INTEL.tcb_signer.serial
    assert second.certificate.subject == INTEL.tcb_signer.certificate.subject
    assert derive_key("a").private_numbers() == derive_key("a").private_numbers()


def test_every_public_name_is_exported() -> None:
    for name in voltage_attest.testing.__all__:
        assert hasattr(voltage_attest.testing, name)


@pytest.mark.parametrize("shape", QuoteShape)
def test_dcap_qvl_finds_default_quotes_up_to_date(shape: QuoteShape) -> None:
    assert _dcap_qvl_status(INTEL, PLATFORM.quote(shape=shape)) == ("UpToDate", [])


def test_dcap_qvl_accepts_the_processor_ca() -> None:
    platform = INTEL.platform(PROCESSOR_PCK, ca=INTEL.processor_ca, certificate=PROCESSOR_PCK_LEAF)
    collateral = INTEL.collateral(platform).to_json()
    assert _dcap_qvl_status(INTEL, platform.quote(), collateral) == ("UpToDate", [])


def test_dcap_qvl_finds_an_older_platform_out_of_date() -> None:
    platform = INTEL.platform(PckFields(components=pad_components(3, 3, 2, 2, 4, 1, 0, 5)))
    status, advisories = _dcap_qvl_status(INTEL, platform.quote(), INTEL.collateral(platform).to_json())
    assert status == "OutOfDate"
    assert "INTEL-SA-01192" in advisories


def test_dcap_qvl_refuses_a_report_signed_by_another_key() -> None:
    pytest.importorskip("dcap_qvl")
    quote = PLATFORM.quote(qe=QeFields(report_key=derive_key("another")))
    with pytest.raises(ValueError, match="Signature is invalid for qe_report"):
        _dcap_qvl_status(INTEL, quote)


def test_world_can_be_moved_to_the_present() -> None:
    later = FakeIntel(issued_at=APPRAISED_AT + timedelta(days=1000))
    info = json.loads(later.tcb_info(later.platform()).to_json())
    assert info["issueDate"] == "2029-08-11T12:00:00Z"
    assert info["nextUpdate"] == "2029-09-10T12:00:00Z"


def _dcap_qvl_status(intel: FakeIntel, quote: bytes, collateral: bytes | None = None) -> tuple[str, list[str]]:
    """Ask an implementation that shares no code with ours (Rust)."""
    dcap_qvl = pytest.importorskip("dcap_qvl")
    documents = dcap_qvl.QuoteCollateralV3.from_json((collateral or intel.collateral(PLATFORM).to_json()).decode())
    report = dcap_qvl.verify_with_root_ca(quote, documents, intel.root.der, int(APPRAISED_AT.timestamp()))
    return report.status, list(report.advisory_ids)
