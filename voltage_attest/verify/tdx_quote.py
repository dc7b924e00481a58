"""Checks of a TDX quote: does its signature chain lead to Intel, and is it what this collateral speaks of?"""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache
from typing import Final

from voltage_attest.crypto.certificates import Certificate, why_chain_fails
from voltage_attest.crypto.signatures import p256_verifies
from voltage_attest.evidence.quote import INTEL_QE_VENDOR_ID
from voltage_attest.ledger import CheckTable
from voltage_attest.result import Finding, failed, passed, skipped
from voltage_attest.verify.case import QuoteCase
from voltage_attest.verify.tdx_collateral import crl_is_signed, judge_certificate_dates, judge_window
from voltage_attest.verify.unreadable import Unreadable, given

__all__ = ["QUOTE_CHECKS"]

_PCK_LEAF: Final = "Intel SGX PCK Certificate"
_PCK_CAS: Final = frozenset({"Intel SGX PCK Platform CA", "Intel SGX PCK Processor CA"})
_RESERVED: Final = bytes(4)
_ZERO_TAIL: Final = bytes(32)


def header(case: QuoteCase) -> Finding:
    """tdx.quote.header."""
    quote = case.quote
    if quote.qe_vendor_id == INTEL_QE_VENDOR_ID and quote.reserved == _RESERVED:
        return passed(quote.qe_vendor_id.hex())
    return failed(
        expected=f"QE vendor {INTEL_QE_VENDOR_ID.hex()}, reserved bytes 00000000",
        actual=f"QE vendor {quote.qe_vendor_id.hex()}, reserved bytes {quote.reserved.hex()}",
        reason="Intel's quoting enclave does not write such a header",
    )


def pck_parse(case: QuoteCase) -> Finding:
    """tdx.pck.parse."""
    pck = case.pck
    if isinstance(pck, Unreadable):
        return pck.finding
    return passed(f"FMSPC {pck.extension.fmspc.hex()}, PCEID {pck.extension.pce_id.hex()}")


def pck_chain(case: QuoteCase) -> Finding:
    """tdx.pck.chain."""
    reason = why_chain_fails(given(case.pck).certificates, case.collateral.root, case.workshop.memo)
    if reason is None:
        return passed(f"root {_sha256(case.collateral.root.der)}")
    return failed(
        expected=f"a chain to {case.collateral.root.common_name}, byte for byte the pinned one",
        actual=reason,
        reason="nothing proves that this platform's key was certified by Intel",
    )


@lru_cache(maxsize=8)
def _sha256(root: bytes) -> str:
    return hashlib.sha256(root).hexdigest()


def pck_roles(case: QuoteCase) -> Finding:
    """tdx.pck.roles."""
    pck = given(case.pck)
    leaf, ca = pck.leaf, pck.ca
    if leaf.common_name != _PCK_LEAF:
        actual = f"leaf {leaf.common_name!r}"
    elif leaf.extensions.is_ca or leaf.extensions.may_certify:
        actual = "a leaf that is a CA"
    elif not leaf.extensions.may_sign:
        actual = "a leaf that may not sign"
    elif ca.common_name not in _PCK_CAS:
        actual = f"CA {ca.common_name!r}"
    else:
        return passed(f"{leaf.common_name} under {ca.common_name}")
    return failed(
        expected=f"leaf {_PCK_LEAF!r} under {' or '.join(sorted(_PCK_CAS))}",
        actual=actual,
        reason="a certificate of Intel's is used in a role it was not issued for",
    )


def pck_validity(case: QuoteCase) -> Finding:
    """tdx.pck.validity."""
    pck = given(case.pck)
    return judge_certificate_dates(pck.certificates, pck.window, case.collateral.at)


def collateral_pck_chain(case: QuoteCase) -> Finding:
    """tdx.collateral.pck_chain."""
    if case.collateral.documents.raw.pck_certificate_chain is None:
        return skipped("the collateral brings no PCK chain of its own")
    chain = case.collateral.documents.pck_certificate_chain
    if isinstance(chain, Unreadable):
        return chain.finding
    return _same_certificates(chain, given(case.pck).certificates, "the quote's PCK chain")


def crl_issuer_chain(case: QuoteCase) -> Finding:
    """tdx.crl.issuer_chain."""
    chain = case.collateral.documents.pck_crl_issuer_chain
    if isinstance(chain, Unreadable):
        return chain.finding
    return _same_certificates(chain, (given(case.pck).ca, case.collateral.root), "the quote's PCK CA and the pinned root")


def _same_certificates(found: tuple[Certificate, ...], wanted: tuple[Certificate, ...], what: str) -> Finding:
    if found == wanted:  # what is equal in its bytes is equal in all that was read of them
        return passed(", ".join([certificate.common_name for certificate in found]))
    return failed(
        expected=f"{what}: {_named(wanted)}",
        actual=_named(found),
        reason="the collateral was not fetched for this quote",
    )


def _named(chain: tuple[Certificate, ...]) -> str:
    return ", ".join(f"{certificate.common_name} ({certificate.serial_number:x})" for certificate in chain)


def pck_crl(case: QuoteCase) -> Finding:
    """tdx.crl.pck."""
    crl = case.collateral.documents.pck_crl
    return crl.finding if isinstance(crl, Unreadable) else crl_is_signed(case.collateral, crl, given(case.pck).ca)


def pck_crl_validity(case: QuoteCase) -> Finding:
    """tdx.crl.pck_validity."""
    crl = given(case.collateral.documents.pck_crl)
    return judge_window(crl.this_update, crl.next_update, case.collateral.at, "the PCK CRL")


def pck_revocation(case: QuoteCase) -> Finding:
    """tdx.pck.revocation."""
    pck, documents = given(case.pck), case.collateral.documents
    if given(documents.pck_crl).revokes(pck.leaf):
        revoked = pck.leaf
    elif given(documents.root_crl).revokes(pck.ca):
        revoked = pck.ca
    else:
        return passed(f"serial {pck.leaf.serial_number:x}")
    return failed(
        expected="serials on no revocation list",
        actual=f"{revoked.common_name}, serial {revoked.serial_number:x}",
        reason="Intel has revoked this certificate",
    )


def tcb_info_fmspc(case: QuoteCase) -> Finding:
    """tdx.tcb_info.fmspc."""
    return _same_id(given(case.collateral.documents.tcb_info).fmspc, given(case.pck).extension.fmspc, "FMSPC")


def tcb_info_pce_id(case: QuoteCase) -> Finding:
    """tdx.tcb_info.pce_id."""
    return _same_id(given(case.collateral.documents.tcb_info).pce_id, given(case.pck).extension.pce_id, "PCEID")


def _same_id(in_tcb_info: bytes, in_pck: bytes, name: str) -> Finding:
    if in_tcb_info == in_pck:
        return passed(in_pck.hex())
    return failed(
        expected=f"TCB info for {name} {in_pck.hex()}",
        actual=f"TCB info for {name} {in_tcb_info.hex()}",
        reason="this TCB info is about other platforms",
    )


def qe_report_signature(case: QuoteCase) -> Finding:
    """tdx.qe.report_signature."""
    quote, leaf = case.quote, given(case.pck).leaf
    key = (b"qe report", leaf.der, quote.qe_report_signature, quote.qe_report.raw)
    if case.workshop.memo.holds(key, lambda: p256_verifies(leaf.public_key, quote.qe_report_signature, quote.qe_report.raw)):
        return passed()
    return failed(
        expected="a signature by the PCK leaf over the QE report",
        actual="a signature that does not verify",
        reason="the quoting enclave's report was altered, or made on another platform",
    )


def qe_binds_key(case: QuoteCase) -> Finding:
    """tdx.qe.binds_key."""
    quote = case.quote
    expected = hashlib.sha256(quote.attestation_key + quote.qe_auth_data).digest() + _ZERO_TAIL
    if hmac.compare_digest(quote.qe_report.report_data, expected):
        return passed(expected[:32].hex())
    return failed(
        expected=expected.hex(),
        actual=quote.qe_report.report_data.hex(),
        reason="the quoting enclave vouches for another attestation key",
    )


def qe_identity(case: QuoteCase) -> Finding:
    """tdx.qe.identity."""
    report, identity = case.quote.qe_report, given(case.collateral.documents.qe_identity)
    misc_select = masked(report.misc_select, identity.misc_select_mask)
    attributes = masked(report.attributes, identity.attributes_mask)
    if report.mr_signer != identity.mr_signer:
        name, found, wanted = "MRSIGNER", report.mr_signer, identity.mr_signer
    elif report.isv_prod_id != identity.isv_prod_id:
        name, found, wanted = "ISVPRODID", report.isv_prod_id.to_bytes(2, "big"), identity.isv_prod_id.to_bytes(2, "big")
    elif misc_select != identity.misc_select:
        name, found, wanted = "MISCSELECT", misc_select, identity.misc_select
    elif attributes != identity.attributes:
        name, found, wanted = "ATTRIBUTES", attributes, identity.attributes
    else:
        return passed(f"MRSIGNER {report.mr_signer.hex()}, ISVPRODID {report.isv_prod_id}")
    return failed(
        expected=f"{name} {wanted.hex()}",
        actual=f"{name} {found.hex()}",
        reason="the report is not that of Intel's TD quoting enclave",
    )


def masked(value: bytes, mask: bytes) -> bytes:
    """``value & mask``, byte by byte; both have one length."""
    return (int.from_bytes(value, "big") & int.from_bytes(mask, "big")).to_bytes(len(value), "big")


def qe_debug(case: QuoteCase) -> Finding:
    """tdx.qe.debug."""
    attributes = case.quote.qe_report.attributes.hex()
    if not case.quote.qe_report.debug:
        return passed(attributes)
    return failed(
        expected="ATTRIBUTES with bit 1 (DEBUG) clear",
        actual=attributes,
        reason="a debug enclave's keys can be read from outside",
    )


def quote_signature(case: QuoteCase) -> Finding:
    """tdx.quote.signature."""
    quote = case.quote
    key = case.workshop.attestation_keys.load(quote.attestation_key)
    if key is None:
        actual = "an attestation key that is no point on P-256"
    elif case.workshop.memo.holds(
        (b"quote", quote.attestation_key, quote.signature, quote.signed_bytes),
        lambda: p256_verifies(key, quote.signature, quote.signed_bytes),
    ):
        return passed(f"{len(quote.signed_bytes)} bytes")
    else:
        actual = "a signature that does not verify"
    return failed(
        expected=f"a signature by the attestation key over the first {len(quote.signed_bytes)} bytes",
        actual=actual,
        reason="header or TD report were altered",
    )


QUOTE_CHECKS: Final = CheckTable[QuoteCase](
    {
        "tdx.quote.header": header,
        "tdx.pck.parse": pck_parse,
        "tdx.pck.chain": pck_chain,
        "tdx.pck.roles": pck_roles,
        "tdx.pck.validity": pck_validity,
        "tdx.collateral.pck_chain": collateral_pck_chain,
        "tdx.crl.issuer_chain": crl_issuer_chain,
        "tdx.crl.pck": pck_crl,
        "tdx.crl.pck_validity": pck_crl_validity,
        "tdx.pck.revocation": pck_revocation,
        "tdx.tcb_info.fmspc": tcb_info_fmspc,
        "tdx.tcb_info.pce_id": tcb_info_pce_id,
        "tdx.qe.report_signature": qe_report_signature,
        "tdx.qe.binds_key": qe_binds_key,
        "tdx.qe.identity": qe_identity,
        "tdx.qe.debug": qe_debug,
        "tdx.quote.signature": quote_signature,
    }
)
"""Check id to function, in order; they follow :data:`COLLATERAL_CHECKS`."""
