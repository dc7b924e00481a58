"""Cases of the quote itself: its shape, its header, its signatures and its quoting enclave."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

from tests.cases.model import INTEL, LOOK_ALIKE, PLATFORM, QUOTE, Case, case, case_family, flipped, spliced
from voltage_attest.testing import (
    HeaderFields,
    PckFields,
    QeFields,
    QuoteShape,
    TdReportFields,
    derive_key,
)
from voltage_attest.testing.keys import public_point, sign_raw

_SIGNATURE_DATA = 48 + 584
_SIGNATURE = _SIGNATURE_DATA + 4
_ATTESTATION_KEY = _SIGNATURE + 64
_OUTER_TYPE = _ATTESTATION_KEY + 64
_OUTER_SIZE = _OUTER_TYPE + 2
_QE_REPORT = _OUTER_SIZE + 4
_AUTH_SIZE = _QE_REPORT + 384 + 64
_QE = QeFields()


def _u32(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 4], "little")


def _malformed(quote: bytes) -> Case:
    return Case(failed=frozenset({"tdx.quote.parse"}), quote=quote)


@case
def no_quote() -> Case:
    """The answer holds no quote: an operator's word is not evidence."""
    return Case(failed=frozenset({"evidence.quote_present"}), quote=None)


@case
def empty_quote() -> Case:
    """The quote has no bytes."""
    return _malformed(b"")


@case
def sgx_quote() -> Case:
    """A genuinely signed SGX quote (version 3) is no evidence of a TD."""
    return _malformed(PLATFORM.sgx_quote())


@case
def sgx_tee_type() -> Case:
    """A version 4 quote that says it is of an SGX enclave."""
    return _malformed(PLATFORM.quote(header=HeaderFields(tee_type=0)))


@case
def unknown_version() -> Case:
    """A quote of version 6."""
    return _malformed(spliced(QUOTE, 0, b"\x06\x00"))


@case
def p384_key_type() -> Case:
    """A quote that announces an ECDSA P-384 attestation key, which no quoting enclave in production has."""
    return _malformed(PLATFORM.quote(header=HeaderFields(attestation_key_type=3)))


@case_family("header", "body", "signature", "certification", "last_byte")
def truncated(where: str) -> Case:
    """The quote ends early: Python's slices would clamp silently."""
    end = {"header": 20, "body": 300, "signature": 650, "certification": 2000, "last_byte": len(QUOTE) - 1}[where]
    return _malformed(QUOTE[:end])


@case
def trailing_bytes() -> Case:
    """Other than zero bytes follow the declared end."""
    return _malformed(QUOTE + bytes(70) + b"\x01")


@case
def oversized() -> Case:
    """More than 64 KiB, even if it is padding."""
    return _malformed(PLATFORM.quote(padding=64 * 1024))


@case
def outer_certification_type() -> Case:
    """The outer certification data claims to be a platform manifest (type 7) and not a QE report (type 6)."""
    return _malformed(spliced(QUOTE, _OUTER_TYPE, b"\x07\x00"))


@case
def slack_in_signature_data() -> Case:
    """Four bytes of slack hide inside the signature data."""
    size = _u32(QUOTE, _SIGNATURE_DATA)
    return _malformed(spliced(QUOTE, _SIGNATURE_DATA, (size + 4).to_bytes(4, "little")) + bytes(4))


@case
def slack_in_certification_data() -> Case:
    """Four bytes of slack hide inside the QE certification data, all outer sizes adjusted."""
    quote = spliced(QUOTE, _SIGNATURE_DATA, (_u32(QUOTE, _SIGNATURE_DATA) + 4).to_bytes(4, "little"))
    quote = spliced(quote, _OUTER_SIZE, (_u32(quote, _OUTER_SIZE) + 4).to_bytes(4, "little"))
    return _malformed(quote + bytes(4))


@case
def authentication_data_out_of_bounds() -> Case:
    """The QE authentication data claims 65535 bytes."""
    return _malformed(spliced(QUOTE, _AUTH_SIZE, b"\xff\xff"))


@case
def signature_data_out_of_bounds() -> Case:
    """The signature data claims 4 GiB."""
    return _malformed(spliced(QUOTE, _SIGNATURE_DATA, b"\xff\xff\xff\xff"))


@case
def inner_certification_type() -> Case:
    """The inner certification data is of type 6 again: nesting without end."""
    return _malformed(spliced(QUOTE, _AUTH_SIZE + 2 + 32, b"\x06\x00"))


@case
def v5_body_size() -> Case:
    """A version 5 descriptor whose size is not that of its type."""
    return _malformed(spliced(PLATFORM.quote(shape=QuoteShape.V5_TD15), 50, (584).to_bytes(4, "little")))


@case
def v5_sgx_body() -> Case:
    """A version 5 TDX quote with the body type of an SGX report."""
    return _malformed(spliced(PLATFORM.quote(shape=QuoteShape.V5_TD10), 48, b"\x01\x00"))


@case
def reserved_header_bytes() -> Case:
    """Reserved header bytes are not zero, and everything is signed nonetheless."""
    quote = PLATFORM.quote(header=HeaderFields(reserved=b"\x00\x00\x01\x00"))
    return Case(failed=frozenset({"tdx.quote.header"}), quote=quote)


@case
def foreign_qe_vendor() -> Case:
    """The header names another vendor's quoting enclave, and everything is signed nonetheless."""
    quote = PLATFORM.quote(header=HeaderFields(qe_vendor_id=b"\x93" * 16))
    return Case(failed=frozenset({"tdx.quote.header"}), quote=quote)


@case
def altered_report_data() -> Case:
    """One bit of REPORTDATA was changed after signing: the replay of a quote for another nonce."""
    return Case(failed=frozenset({"tdx.quote.signature"}), quote=flipped(QUOTE, 48 + 520))


@case
def altered_user_data() -> Case:
    """One bit of the header's user data was changed after signing."""
    return Case(failed=frozenset({"tdx.quote.signature"}), quote=flipped(QUOTE, 30))


@case
def quote_signed_by_another_key() -> Case:
    """The quote names the vouched-for attestation key and is signed with another."""
    quote = PLATFORM.quote(quote_key=derive_key("attacker"))
    return Case(failed=frozenset({"tdx.quote.signature"}), quote=quote)


@case
def descriptor_outside_signature() -> Case:
    """The signature of a version 5 quote leaves out the six bytes of the body descriptor."""
    quote = PLATFORM.quote(shape=QuoteShape.V5_TD15)
    end = 48 + 6 + 648
    signature = sign_raw(PLATFORM.attestation_key, quote[:48] + quote[54:end])
    return Case(failed=frozenset({"tdx.quote.signature"}), quote=spliced(quote, end + 4, signature))


@case
def zero_signature() -> Case:
    """The quote's signature is r = s = 0."""
    return Case(failed=frozenset({"tdx.quote.signature"}), quote=spliced(QUOTE, _SIGNATURE, bytes(64)))


@case
def attestation_key_off_the_curve() -> Case:
    """The attestation key is no point on P-256, and the quoting enclave vouches for it nonetheless."""
    point = b"\x01" * 64
    qe = replace(_QE, report_data=sha256(point + _QE.auth_data).digest() + bytes(32))
    return Case(failed=frozenset({"tdx.quote.signature"}), quote=spliced(PLATFORM.quote(qe=qe), _ATTESTATION_KEY, point))


@case
def replaced_attestation_key() -> Case:
    """An attacker signs with a key of his own; the genuine QE report vouches for another."""
    attacker = derive_key("attacker")
    genuine = QeFields(report_data=sha256(public_point(PLATFORM.attestation_key) + _QE.auth_data).digest() + bytes(32))
    quote = replace(PLATFORM, attestation_key=attacker).quote(qe=genuine)
    return Case(failed=frozenset({"tdx.qe.binds_key"}), quote=quote)


@case
def report_data_tail() -> Case:
    """The QE report vouches for the right key, and carries something more in bytes 32 to 63."""
    binding = sha256(public_point(PLATFORM.attestation_key) + _QE.auth_data).digest()
    quote = PLATFORM.quote(qe=replace(_QE, report_data=binding + bytes(31) + b"\x01"))
    return Case(failed=frozenset({"tdx.qe.binds_key"}), quote=quote)


@case
def altered_authentication_data() -> Case:
    """The authentication data, which is part of the binding, was changed."""
    return Case(failed=frozenset({"tdx.qe.binds_key"}), quote=flipped(QUOTE, _AUTH_SIZE + 2))


@case
def qe_report_signed_by_another_key() -> Case:
    """The QE report is signed by a key that Intel never certified."""
    quote = PLATFORM.quote(qe=replace(_QE, report_key=derive_key("attacker")))
    return Case(failed=frozenset({"tdx.qe.report_signature"}), quote=quote)


@case
def qe_report_of_another_platform() -> Case:
    """A platform's quote with the PCK chain of another: its QE report is signed by its own PCK key."""
    other = INTEL.platform(PckFields(ppid=b"\x22" * 16))
    quote = PLATFORM.quote(certification=other.certification)
    return Case(failed=frozenset({"tdx.qe.report_signature"}), quote=quote)


@case
def everything_by_a_look_alike() -> Case:
    """A look-alike Intel, equal in every name: its quote with genuine collateral."""
    failed = frozenset({"tdx.pck.chain", "tdx.crl.issuer_chain"})
    return Case(failed=failed, quote=LOOK_ALIKE.platform().quote())


@case_family("mr_signer", "isv_prod_id", "misc_select", "attributes")
def foreign_enclave(field: str) -> Case:
    """A certified platform's report of an enclave that is not Intel's TD quoting enclave."""
    qe = {
        "mr_signer": replace(_QE, mr_signer=b"\xdc" * 32),
        "isv_prod_id": replace(_QE, isv_prod_id=1),
        "misc_select": replace(_QE, misc_select=b"\x01\x00\x00\x00"),
        "attributes": replace(_QE, attributes=bytes.fromhex("3500000000000000e700000000000000")),
    }[field]
    return Case(failed=frozenset({"tdx.qe.identity"}), quote=PLATFORM.quote(qe=qe))


_DEBUG_QE = replace(_QE, attributes=bytes.fromhex("1700000000000000e700000000000000"))


@case
def debug_enclave_under_a_lenient_mask() -> Case:
    """A debug quoting enclave, and a QE identity whose mask does not cover the debug bit."""
    identity = replace(INTEL.qe_identity(), attributes_mask=bytes.fromhex("f9ffffffffffffff0000000000000000"))
    collateral = INTEL.collateral(PLATFORM, qe_identity=identity)
    return Case(failed=frozenset({"tdx.qe.debug"}), quote=PLATFORM.quote(qe=_DEBUG_QE), collateral=collateral.to_json())


@case
def debug_enclave() -> Case:
    """A debug quoting enclave under Intel's own identity."""
    return Case(failed=frozenset({"tdx.qe.debug", "tdx.qe.identity"}), quote=PLATFORM.quote(qe=_DEBUG_QE))


@case
def quote_of_another_td() -> Case:
    """Header and signature data of one quote around the body of another TD."""
    body = PLATFORM.quote(TdReportFields(rtmr3=bytes(48)))[48:_SIGNATURE_DATA]
    return Case(failed=frozenset({"tdx.quote.signature"}), quote=spliced(QUOTE, 48, body))
