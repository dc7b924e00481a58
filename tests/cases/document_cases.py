"""Cases of TCB info and QE identity as signed documents: who signs, in which role, when, over what.

Both are judged by the same rules, so each case here exists for both; in each, the other document is genuine.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from tests.cases.model import INTEL, LOOK_ALIKE, PLATFORM, Case, case, case_family, changed_text
from voltage_attest.testing import (
    APPRAISED_AT,
    PCK_LEAF,
    TCB_SIGNING,
    Collateral,
    PckFields,
    QeIdentity,
    Signer,
    TcbInfo,
    derive_key,
    encode_pck_extension,
)

DOCUMENTS: Final = ("tcb_info", "qe_identity")

_INFO: Final = INTEL.tcb_info(PLATFORM)
_IDENTITY: Final = INTEL.qe_identity()
_SECOND: Final = timedelta(seconds=1)


def _signed_by(document: str, signer: Signer, *, root_crl: bytes | None = None) -> Collateral:
    if document == "tcb_info":
        return INTEL.collateral(PLATFORM, tcb_info_signer=signer, root_crl=root_crl)
    return INTEL.collateral(PLATFORM, qe_identity_signer=signer, root_crl=root_crl)


def _text_of(document: str, text: str) -> Collateral:
    """The text, signed by Intel as it stands."""
    if document == "tcb_info":
        return INTEL.collateral(PLATFORM, tcb_info=text)
    return INTEL.collateral(PLATFORM, qe_identity=text)


def _genuine_text(document: str) -> str:
    return (_INFO if document == "tcb_info" else _IDENTITY).to_json()


def _unsigned(document: str, text: str, part: str) -> Collateral:
    """Replace one of a document's three texts after signing: ``""``, ``"_signature"`` or ``"_issuer_chain"``."""
    collateral = INTEL.collateral(PLATFORM)
    if document == "tcb_info":
        return {
            "": replace(collateral, tcb_info=text),
            "_signature": replace(collateral, tcb_info_signature=text),
            "_issuer_chain": replace(collateral, tcb_info_issuer_chain=text),
        }[part]
    return {
        "": replace(collateral, qe_identity=text),
        "_signature": replace(collateral, qe_identity_signature=text),
        "_issuer_chain": replace(collateral, qe_identity_issuer_chain=text),
    }[part]


def _refused(collateral: Collateral, *checks: str) -> Case:
    return Case(failed=frozenset(checks), collateral=collateral.to_json())


@case_family(*DOCUMENTS)
def look_alike_signer(document: str) -> Case:
    """The document is signed by a TCB signer under a root that only has Intel's name."""
    return _refused(_signed_by(document, LOOK_ALIKE.tcb_signer), f"tdx.{document}.chain")


@case_family(*DOCUMENTS)
def look_alike_signer_under_the_pinned_root(document: str) -> Case:
    """The look-alike's TCB signer is shown with the pinned root, which never signed it."""
    signer = replace(LOOK_ALIKE.tcb_signer, issuer=INTEL.root)
    return _refused(_signed_by(document, signer), f"tdx.{document}.chain")


@case_family(*DOCUMENTS)
def self_signed_signer(document: str) -> Case:
    """The document is signed by a root of the attacker's own, with a chain of one."""
    return _refused(_signed_by(document, LOOK_ALIKE.root), f"tdx.{document}.chain")


@case_family(*DOCUMENTS)
def signed_by_a_pck_leaf(document: str) -> Case:
    """Role confusion: a platform's own PCK key signs the document; its chain does lead to Intel's root."""
    return _refused(_signed_by(document, PLATFORM.leaf), f"tdx.{document}.chain")


@case_family(*DOCUMENTS)
def signed_by_a_pck_leaf_without_its_ca(document: str) -> Case:
    """Role confusion: as before, with a chain of two certificates that do not link."""
    signer = replace(PLATFORM.leaf, issuer=INTEL.root)
    return _refused(_signed_by(document, signer), f"tdx.{document}.chain")


@case_family(*DOCUMENTS)
def issuer_chain_without_root(document: str) -> Case:
    """The issuer chain stops short of the root."""
    return _refused(_unsigned(document, INTEL.tcb_signer.pem, "_issuer_chain"), f"tdx.{document}.chain")


@case_family(*DOCUMENTS)
def issuer_chain_with_a_third_certificate(document: str) -> Case:
    """The issuer chain holds a certificate more than it should."""
    chain = INTEL.tcb_signer.pem + INTEL.platform_ca.chain_pem
    return _refused(_unsigned(document, chain, "_issuer_chain"), f"tdx.{document}.chain")


@case_family(*DOCUMENTS)
def signer_of_another_name(document: str) -> Case:
    """The root did issue the signer's certificate, but for another purpose."""
    signer = INTEL.root.issue(replace(TCB_SIGNING, common_name="Intel SGX Attestation Report Signing"))
    return _refused(_signed_by(document, signer), f"tdx.{document}.signer")


@case_family(*DOCUMENTS)
def signer_with_sgx_extension(document: str) -> Case:
    """The signer has the TCB signer's name and a platform's SGX extension."""
    extension = encode_pck_extension(PckFields())
    signer = INTEL.root.issue(replace(TCB_SIGNING, label="platform", extensions=(extension,)))
    return _refused(_signed_by(document, signer), f"tdx.{document}.signer")


@case_family(*DOCUMENTS)
def pck_certificate_under_the_root(document: str) -> Case:
    """The signer is a PCK certificate directly under the root."""
    signer = INTEL.root.issue(replace(PCK_LEAF, extensions=(encode_pck_extension(PckFields()),)))
    return _refused(_signed_by(document, signer), f"tdx.{document}.signer")


@case_family(*DOCUMENTS)
def signed_by_a_ca(document: str) -> Case:
    """Role confusion: the PCK CA, issued by the root itself, signs the document."""
    return _refused(_signed_by(document, INTEL.platform_ca), f"tdx.{document}.signer")


@case_family(*DOCUMENTS)
def signed_by_a_ca_named_as_signer(document: str) -> Case:
    """The signer has the TCB signer's name and could certify further keys."""
    signer = INTEL.root.issue(replace(TCB_SIGNING, label="ca", ca=True))
    return _refused(_signed_by(document, signer), f"tdx.{document}.signer")


@case_family(*DOCUMENTS)
def expired_signer(document: str) -> Case:
    """The signer's certificate has expired; its signature is right."""
    signer = INTEL.root.issue(replace(TCB_SIGNING, label="expired", not_after=APPRAISED_AT - _SECOND))
    return _refused(_signed_by(document, signer), f"tdx.{document}.signer_validity")


@case_family(*DOCUMENTS)
def signer_not_yet_valid(document: str) -> Case:
    """The signer's certificate is not yet valid."""
    signer = INTEL.root.issue(replace(TCB_SIGNING, label="early", not_before=APPRAISED_AT + _SECOND))
    return _refused(_signed_by(document, signer), f"tdx.{document}.signer_validity")


@case_family(*DOCUMENTS)
def revoked_signer(document: str) -> Case:
    """The signer is revoked by the root; the other document has another signer."""
    signer = INTEL.root.issue(replace(TCB_SIGNING, label="leaked"))
    return _refused(_signed_by(document, signer, root_crl=INTEL.root_crl(signer)), f"tdx.{document}.signer_revocation")


@case_family(*DOCUMENTS)
def two_signers(document: str) -> Case:
    """TCB info and QE identity may have different signers, as in the months after Intel renews one."""
    return _refused(_signed_by(document, INTEL.root.issue(replace(TCB_SIGNING, label="renewed"))))


@case_family(*DOCUMENTS)
def signature_by_another_key(document: str) -> Case:
    """The signature is another key's, the certificate shown is Intel's."""
    signer = replace(INTEL.tcb_signer, key=derive_key("attacker"))
    return _refused(_signed_by(document, signer), f"tdx.{document}.signature")


@case_family(*DOCUMENTS)
def altered_text(document: str) -> Case:
    """One level's date was changed after signing."""
    text = _genuine_text(document)
    changed = text.replace("2025-08-13", "2025-08-14", 1)
    return _refused(_unsigned(document, changed, ""), f"tdx.{document}.signature")


@case_family(*DOCUMENTS)
def serialised_again(document: str) -> Case:
    """The same content with a space more: other bytes than those that were signed."""
    text = changed_text(_genuine_text(document), '"version":', '"version": ')
    return _refused(_unsigned(document, text, ""), f"tdx.{document}.signature")


@case_family(*DOCUMENTS)
def zero_document_signature(document: str) -> Case:
    """The signature is r = s = 0."""
    return _refused(_unsigned(document, "00" * 64, "_signature"), f"tdx.{document}.signature")


@case_family(*DOCUMENTS)
def short_document_signature(document: str) -> Case:
    """The signature has 63 bytes."""
    return _refused(_unsigned(document, "11" * 63, "_signature"), f"tdx.{document}.signature")


@case
def exchanged_signatures() -> Case:
    """Each document carries the other's signature."""
    genuine = INTEL.collateral(PLATFORM)
    collateral = replace(
        genuine,
        tcb_info_signature=genuine.qe_identity_signature,
        qe_identity_signature=genuine.tcb_info_signature,
    )
    return _refused(collateral, "tdx.tcb_info.signature", "tdx.qe_identity.signature")


@case_family(*DOCUMENTS)
def duplicate_json_key(document: str) -> Case:
    """Intel's signature is over a text in which a key occurs twice."""
    text = changed_text(_genuine_text(document), '"version":', '"nextUpdate":"2099-01-01T00:00:00Z","version":')
    return _refused(_text_of(document, text), f"tdx.{document}.parse")


@case_family(*DOCUMENTS)
def unknown_status(document: str) -> Case:
    """A level has a status that this version does not know: it must not count as good."""
    text = _genuine_text(document).replace('"UpToDate"', '"UpToDateish"')
    return _refused(_text_of(document, text), f"tdx.{document}.parse")


@case_family(*DOCUMENTS)
def no_levels(document: str) -> Case:
    """The list of levels is empty."""
    text = (replace(_INFO, levels=()) if document == "tcb_info" else replace(_IDENTITY, levels=())).to_json()
    return _refused(_text_of(document, text), f"tdx.{document}.parse")


@case_family(*DOCUMENTS)
def not_a_number(document: str) -> Case:
    """A number is NaN, which Python's JSON reader would accept."""
    text = changed_text(_genuine_text(document), '"tcbEvaluationDataNumber":20', '"tcbEvaluationDataNumber":NaN')
    return _refused(_text_of(document, text), f"tdx.{document}.parse")


@case_family(*DOCUMENTS)
def impossible_date(document: str) -> Case:
    """A date does not exist."""
    text = changed_text(_genuine_text(document), "2026-12-01T00:00:00Z", "2026-12-32T00:00:00Z")
    return _refused(_text_of(document, text), f"tdx.{document}.parse")


_OTHER_INFOS: Final = {
    "sgx": replace(_INFO, id="SGX", module=None, module_identities=None, levels=(replace(_INFO.levels[0], tdx=None),)),
    "sgx_named_tdx": replace(_INFO, module=None, module_identities=None, levels=(replace(_INFO.levels[0], tdx=None),)),
    "version_2": replace(_INFO, version=2),
    "tcb_type_1": replace(_INFO, tcb_type=1),
    "15_components": replace(_INFO, levels=(replace(_INFO.levels[0], sgx=_INFO.levels[0].sgx[:15]), *_INFO.levels[1:])),
    "17_components": replace(_INFO, levels=(replace(_INFO.levels[0], sgx=(*_INFO.levels[0].sgx, 0)),)),
    "15_tdx_components": replace(_INFO, levels=(replace(_INFO.levels[0], tdx=_INFO.levels[0].sgx[:15]),)),
    "component_256": replace(_INFO, levels=(replace(_INFO.levels[0], sgx=(256, *_INFO.levels[0].sgx[1:])),)),
    "short_fmspc": replace(_INFO, fmspc=bytes(5)),
}


@case_family(*_OTHER_INFOS)
def other_tcb_info(which: str) -> Case:
    """Intel signs other TCB infos too: they are not TDX TCB info V3."""
    return _refused(_text_of("tcb_info", _OTHER_INFOS[which].to_json()), "tdx.tcb_info.parse")


_OTHER_IDENTITIES: Final = {
    "sgx_qe": replace(_IDENTITY, id="QE"),
    "qve": replace(_IDENTITY, id="QVE"),
    "version_1": replace(_IDENTITY, version=1),
    "short_mask": replace(_IDENTITY, attributes_mask=b"\xfb" * 8),
}


@case_family(*_OTHER_IDENTITIES)
def other_identity(which: str) -> Case:
    """Intel signs other enclaves' identities too: they are not the TD quoting enclave's V2."""
    return _refused(_text_of("qe_identity", _OTHER_IDENTITIES[which].to_json()), "tdx.qe_identity.parse")


def _dated(document: str, issue_date: datetime, next_update: datetime) -> Collateral:
    info, identity = _INFO, _IDENTITY
    if document == "tcb_info":
        info = replace(info, issue_date=issue_date, next_update=next_update)
    else:
        identity = replace(identity, issue_date=issue_date, next_update=next_update)
    return INTEL.collateral(PLATFORM, tcb_info=info, qe_identity=identity)


@case_family(*DOCUMENTS)
def stale_document(document: str) -> Case:
    """The document's next update is past."""
    collateral = _dated(document, datetime(2026, 10, 1, tzinfo=UTC), APPRAISED_AT - _SECOND)
    return _refused(collateral, f"tdx.{document}.validity")


@case_family(*DOCUMENTS)
def document_of_the_future(document: str) -> Case:
    """The document is issued after the appraisal time."""
    collateral = _dated(document, APPRAISED_AT + _SECOND, datetime(2026, 12, 31, tzinfo=UTC))
    return _refused(collateral, f"tdx.{document}.validity")


def _info(info: TcbInfo) -> Collateral:
    return INTEL.collateral(PLATFORM, tcb_info=info)


def _identity(identity: QeIdentity) -> Collateral:
    return INTEL.collateral(PLATFORM, qe_identity=identity)


@case
def tcb_info_of_another_family() -> Case:
    """TCB info is genuine, and about another FMSPC."""
    return _refused(_info(replace(_INFO, fmspc=bytes.fromhex("00806f050000"))), "tdx.tcb_info.fmspc")


@case
def tcb_info_of_another_pce() -> Case:
    """TCB info is genuine, and about another PCEID."""
    return _refused(_info(replace(_INFO, pce_id=b"\x01\x00")), "tdx.tcb_info.pce_id")


@case
def lower_case_hex() -> Case:
    """Intel writes hex in both cases: both mean the same."""
    text = changed_text(_INFO.to_json(), "B0C06F000000", "b0c06f000000")
    return _refused(_text_of("tcb_info", text))


@case
def identity_of_another_signer() -> Case:
    """QE identity is genuine in form, and names another MRSIGNER than the quoting enclave has."""
    return _refused(_identity(replace(_IDENTITY, mr_signer=b"\x8c" * 32)), "tdx.qe.identity")
