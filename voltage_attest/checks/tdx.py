"""Checks of Intel TDX evidence: is this quote genuine, and what is its platform's TCB status?

Order and meaning follow Intel's Quote Verification Library (QVL); ``spec`` names its step (4.1.2.4.x) where it has one.
"""

from __future__ import annotations

from voltage_attest.checks.model import Actor, Check
from voltage_attest.checks.tdx_tcb import SIGNED_QE_IDENTITY, TCB_CHECKS

__all__ = ["AUTHENTIC_QUOTE", "TDX_CHECKS"]

_QUOTE_FORMAT = "Intel TDX DCAP Quoting Library API, section A.3 (quote format)"
_PCK_SPEC = "Intel SGX PCK Certificate and CRL Profile Specification"
_TCB_SPEC = "Intel PCS API v4, TCB Info V3"
_QE_SPEC = "Intel PCS API v4, Enclave Identity V2"
_REFETCH = "Fetch collateral again from Intel PCS or your PCCS, and verify once more."
_SUSPECT = "Do not send anything to this pod. Ask the provider for fresh evidence; if it fails again, treat the pod as hostile."

_QUOTE = (
    Check(
        "evidence.fetch",
        "The pod answered with evidence",
        "The request for evidence was answered in the agreed shape, without redirect, within bounds and in time.",
        "Anything about the content of the answer.",
        "voltage-attest, DESIGN section 6",
        "Look at the reason: a network or service failure may pass, so try again; a redirect or a page instead of evidence "
        "means that something else answers for this pod.",
        Actor.PROVIDER,
    ),
    Check(
        "evidence.quote_present",
        "The answer holds a TDX quote",
        "Evidence signed by hardware was given, not only an opinion about it.",
        "Anything about the quote's content.",
        "RFC 9334, section 4.1 (Evidence)",
        "Ask the provider for an endpoint that returns the raw quote; an operator's own 'verified: true' is not evidence.",
        Actor.PROVIDER,
        ("evidence.fetch",),
    ),
    Check(
        "tdx.quote.parse",
        "The quote is a well-formed TDX quote, version 4 or 5",
        "Every declared length fits, nesting is exact, and nothing but zero padding follows the declared end.",
        "That any of its content is true.",
        _QUOTE_FORMAT,
        "Pass the quote's bytes unchanged (raw, hex or base64). An SGX quote is not TDX evidence.",
        Actor.YOU,
        ("evidence.quote_present",),
    ),
    Check(
        "tdx.quote.header",
        "The header names Intel's quoting enclave and keeps reserved fields zero",
        "The QE vendor id is Intel's (939a7233f79c4ca9940a0db3957f0607) and bytes 8 to 11 are zero.",
        "That Intel's enclave made it: the signatures prove that.",
        "QVL Quote.cpp, Quote::validate",
        _SUSPECT,
        Actor.PROVIDER,
        ("tdx.quote.parse",),
    ),
)

_PCK = (
    Check(
        "tdx.pck.parse",
        "The quote carries a PCK certificate chain of exactly three certificates",
        "Certification data is of type 5, and the leaf's SGX extension (PPID, TCB, PCEID, FMSPC) decodes without remainder.",
        "That Intel issued it.",
        f"{_PCK_SPEC}, section 1.3.5; certification data type 5",
        "Ask the provider to embed the PCK chain (certification data type 5) in its quotes.",
        Actor.PROVIDER,
        ("tdx.quote.parse",),
    ),
    Check(
        "tdx.pck.chain",
        "The PCK chain ends in the pinned Intel SGX Root CA",
        "The third certificate equals the pinned root byte for byte, and each certificate is signed by the next.",
        "That it was in date or not revoked: separate checks do.",
        "QVL PckCertVerifier.cpp (4.1.2.4.3)",
        _SUSPECT,
        Actor.PROVIDER,
        ("tdx.pck.parse",),
    ),
    Check(
        "tdx.pck.roles",
        "Leaf and CA are what a PCK chain consists of",
        "The leaf is an 'Intel SGX PCK Certificate' that is no CA; its issuer is the PCK Platform or Processor CA.",
        "Who signed them.",
        f"{_PCK_SPEC}, section 1.3",
        _SUSPECT,
        Actor.PROVIDER,
        ("tdx.pck.parse",),
    ),
    Check(
        "tdx.pck.validity",
        "PCK leaf, PCK CA and root are in date",
        "The appraisal time lies between notBefore and notAfter of all three.",
        "That the machine's clock is right.",
        "RFC 5280, section 4.1.2.5 (QVL checks only notAfter)",
        "Check the appraisal time (--at) and this machine's clock; otherwise the provider must renew its PCK certificate.",
        Actor.PROVIDER,
        ("tdx.pck.parse",),
    ),
)

_COLLATERAL = (
    Check(
        "tdx.collateral.parse",
        "The collateral file is the nine-key JSON, without duplicate or foreign keys",
        "Each key occurs once and holds text of bounded size.",
        "That any document in it is genuine.",
        "Intel sgx_ql_qve_collateral_t (sgx_ql_lib_common.h)",
        "Export collateral anew as JSON with the nine keys of sgx_ql_qve_collateral_t.",
        Actor.YOU,
    ),
    Check(
        "tdx.collateral.pck_chain",
        "A PCK chain beside the collateral is the quote's own",
        "The optional tenth key, pck_certificate_chain, holds the same three certificates as the quote.",
        "Anything more: the quote's chain is what is verified.",
        "voltage-attest policy of exactness: unchecked input is an attacker's input",
        "Use collateral that was fetched for this quote.",
        Actor.YOU,
        ("tdx.pck.parse", "tdx.collateral.parse"),
    ),
    Check(
        "tdx.crl.issuer_chain",
        "The PCK CRL's issuer chain is the quote's PCK CA and the pinned root",
        "pck_crl_issuer_chain holds exactly these two certificates, byte for byte.",
        "That the CRL itself is genuine.",
        "QVL PckCrlVerifier.cpp",
        _REFETCH,
        Actor.YOU,
        ("tdx.pck.parse", "tdx.collateral.parse"),
    ),
    Check(
        "tdx.crl.root",
        "The root CA's revocation list is signed by the pinned root",
        "Issuer, signature, CRL number and authority key identifier of root_ca_crl are the pinned root's.",
        "That it is current.",
        "QVL PckCrlVerifier.cpp (4.1.2.4.6); RFC 5280, section 5",
        _REFETCH,
        Actor.YOU,
        ("tdx.collateral.parse",),
    ),
    Check(
        "tdx.crl.root_validity",
        "The root CA's revocation list is current",
        "thisUpdate <= appraisal time <= nextUpdate.",
        "That nothing was revoked after it was issued.",
        "RFC 5280, sections 5.1.2.4 and 5.1.2.5",
        _REFETCH,
        Actor.YOU,
        ("tdx.crl.root",),
    ),
    Check(
        "tdx.crl.pck",
        "The PCK revocation list is signed by the quote's PCK CA",
        "Issuer, signature, CRL number and authority key identifier of pck_crl are those of the CA that issued the PCK leaf.",
        "That it is current.",
        "QVL PckCrlVerifier.cpp (4.1.2.4.7)",
        _REFETCH,
        Actor.YOU,
        ("tdx.pck.chain", "tdx.crl.issuer_chain"),
    ),
    Check(
        "tdx.crl.pck_validity",
        "The PCK revocation list is current",
        "thisUpdate <= appraisal time <= nextUpdate.",
        "That nothing was revoked after it was issued.",
        "RFC 5280, sections 5.1.2.4 and 5.1.2.5",
        _REFETCH,
        Actor.YOU,
        ("tdx.crl.pck",),
    ),
    Check(
        "tdx.pck.revocation",
        "Neither the PCK leaf nor the PCK CA is revoked",
        "The leaf's serial is not in the PCK CRL and the CA's is not in the root CRL.",
        "That the platform's keys never leaked: consider pinning ppid or platform_instance_id.",
        "QVL QuoteVerifier.cpp (4.1.2.4.8, 4.1.2.4.9)",
        "Intel has revoked this platform's certificate. Do not use the pod; the provider must move it to another machine.",
        Actor.PROVIDER,
        ("tdx.crl.root", "tdx.crl.pck"),
    ),
)


def _signed_document(prefix: str, name: str, spec: str, key: str) -> tuple[Check, ...]:
    """The checks that TCB info and QE identity share: signer's chain, role, dates, revocation, signature, window."""
    return (
        Check(
            f"{prefix}.chain",
            f"The {name}'s issuer chain is one certificate under the pinned Intel root",
            f"{key}_issuer_chain holds exactly two certificates: one issued directly by the pinned root, and that root.",
            "That the certificate may sign TCB data: the signer's role is its own check.",
            "QVL TCBSigningChain.cpp",
            _REFETCH,
            Actor.YOU,
            ("tdx.collateral.parse",),
        ),
        Check(
            f"{prefix}.signer",
            f"The {name} is signed in the role of TCB signer",
            "The certificate's common name is 'Intel SGX TCB Signing'; it is no CA and carries no SGX (PCK) extension.",
            "That the signature is right.",
            "QVL TCBSigningChain.cpp; role confusion: any Intel-rooted leaf could sign otherwise",
            _SUSPECT,
            Actor.YOU,
            (f"{prefix}.chain",),
        ),
        Check(
            f"{prefix}.signer_validity",
            f"The {name}'s signing certificate and the root are in date",
            "The appraisal time lies between notBefore and notAfter of both.",
            "That the document itself is current.",
            "RFC 5280, section 4.1.2.5",
            _REFETCH,
            Actor.YOU,
            (f"{prefix}.chain",),
        ),
        Check(
            f"{prefix}.signer_revocation",
            f"The {name}'s signing certificate is not revoked",
            "Its serial is not in the root CRL.",
            "Anything after that CRL was issued.",
            "QVL TCBInfoVerifier.cpp",
            _REFETCH,
            Actor.YOU,
            (f"{prefix}.chain", "tdx.crl.root"),
        ),
        Check(
            f"{prefix}.signature",
            f"The {name} is signed by that certificate",
            "ECDSA P-256 over the exact bytes received, never over re-serialised JSON.",
            "That it is the newest one.",
            spec,
            _REFETCH,
            Actor.YOU,
            (f"{prefix}.chain",),
        ),
        Check(
            f"{prefix}.parse",
            f"The {name} is well formed and made for TDX",
            "Identifier and version are those of TDX; levels are complete; no key occurs twice; every status is known.",
            "That Intel wrote it.",
            spec,
            _REFETCH,
            Actor.YOU,
            ("tdx.collateral.parse",),
        ),
        Check(
            f"{prefix}.validity",
            f"The {name} is current",
            "issueDate <= appraisal time <= nextUpdate.",
            "That no newer one exists: use tdx.tcb.min_tcb_evaluation_data_number in the policy.",
            spec,
            _REFETCH,
            Actor.YOU,
            (f"{prefix}.parse",),
        ),
    )


_TCB_INFO = (
    *_signed_document("tdx.tcb_info", "TCB info", _TCB_SPEC, "tcb_info"),
    Check(
        "tdx.tcb_info.fmspc",
        "The TCB info is for this platform family",
        "Its FMSPC equals the FMSPC in the quote's PCK certificate.",
        "The platform's TCB status.",
        "QVL QuoteVerifier.cpp (4.1.2.4.10)",
        "Fetch TCB info for the FMSPC of this quote (voltage-attest inspect shows it).",
        Actor.YOU,
        ("tdx.pck.parse", "tdx.tcb_info.parse"),
    ),
    Check(
        "tdx.tcb_info.pce_id",
        "The TCB info is for this provisioning enclave",
        "Its PCEID equals the PCEID in the quote's PCK certificate.",
        "The platform's TCB status.",
        "QVL QuoteVerifier.cpp (4.1.2.4.10)",
        "Fetch TCB info for the FMSPC of this quote (voltage-attest inspect shows it).",
        Actor.YOU,
        ("tdx.pck.parse", "tdx.tcb_info.parse"),
    ),
)

_QE_IDENTITY = _signed_document("tdx.qe_identity", "QE identity", _QE_SPEC, "qe_identity")

_QE = (
    Check(
        "tdx.qe.report_signature",
        "The QE report is signed by the PCK leaf",
        "ECDSA P-256 over the 384 bytes of the quoting enclave's report, by the key Intel certified for this platform.",
        "That the enclave is Intel's quoting enclave.",
        "QVL QuoteVerifier.cpp (4.1.2.4.12)",
        _SUSPECT,
        Actor.PROVIDER,
        ("tdx.pck.chain",),
    ),
    Check(
        "tdx.qe.binds_key",
        "The QE report vouches for this attestation key",
        "Its REPORTDATA is SHA-256(attestation key || authentication data) followed by 32 zero bytes.",
        "That the quote is signed with it.",
        "QVL QuoteVerifier.cpp (4.1.2.4.13)",
        _SUSPECT,
        Actor.PROVIDER,
        ("tdx.quote.parse",),
    ),
    Check(
        "tdx.qe.identity",
        "The quoting enclave is Intel's TD quoting enclave",
        "MISCSELECT, ATTRIBUTES, MRSIGNER and ISVPRODID of its report match Intel's signed QE identity under the given masks.",
        "Its version: tdx.tcb.qe judges that.",
        "QVL EnclaveReportVerifier.cpp (4.1.2.9)",
        _SUSPECT,
        Actor.PROVIDER,
        (*SIGNED_QE_IDENTITY, "tdx.quote.parse"),
    ),
    Check(
        "tdx.qe.debug",
        "The quoting enclave does not run in debug mode",
        "The DEBUG bit of its ATTRIBUTES is clear, so its attestation key cannot be read from outside.",
        "Anything about the TD.",
        "Intel SDM, vol. 3D, ATTRIBUTES.DEBUG",
        _SUSPECT,
        Actor.PROVIDER,
        ("tdx.quote.parse",),
    ),
    Check(
        "tdx.quote.signature",
        "The quote is signed by the attestation key",
        "ECDSA P-256 over header and TD report, byte for byte as received.",
        "That the key is Intel's quoting enclave's: tdx.qe.binds_key and tdx.qe.report_signature prove that.",
        "QVL QuoteVerifier.cpp (4.1.2.4.16)",
        _SUSPECT,
        Actor.PROVIDER,
        ("tdx.quote.parse",),
    ),
)

AUTHENTIC_QUOTE: tuple[str, ...] = (
    "tdx.quote.header",
    "tdx.pck.chain",
    "tdx.pck.roles",
    "tdx.qe.report_signature",
    "tdx.qe.binds_key",
    "tdx.qe.identity",
    "tdx.qe.debug",
    "tdx.quote.signature",
)
"""The checks that make a quote's content believable; without all of them its fields are not appraised."""

TDX_CHECKS: tuple[Check, ...] = (*_QUOTE, *_PCK, *_COLLATERAL, *_TCB_INFO, *_QE_IDENTITY, *_QE, *TCB_CHECKS)
