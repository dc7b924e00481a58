"""Checks of Intel's collateral that need no quote: is each document Intel's own, and current?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

from voltage_attest.crypto.certificates import Certificate, why_chain_fails
from voltage_attest.crypto.crl import RevocationList, why_not_issued_by
from voltage_attest.crypto.signatures import p256_verifies
from voltage_attest.evidence.pck_extension import PCK_EXTENSION_OID
from voltage_attest.ledger import CheckTable
from voltage_attest.result import Finding, failed, passed
from voltage_attest.verify.case import CollateralCase
from voltage_attest.verify.documents import SignedDocument
from voltage_attest.verify.unreadable import Unreadable, given

__all__ = ["COLLATERAL_CHECKS", "crl_is_signed", "judge_certificate_dates", "judge_window"]

_TCB_SIGNER: Final = "Intel SGX TCB Signing"
_SIGNER_CHAIN_LENGTH: Final = 2

_Check = Callable[[CollateralCase], Finding]


def stamp(moment: datetime) -> str:
    """``moment`` (UTC) as RFC 3339."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


@lru_cache(maxsize=1024)
def _shown(start: datetime, end: datetime) -> str:
    return f"{stamp(start)} to {stamp(end)}"


def judge_window(start: datetime, end: datetime, at: datetime, what: str) -> Finding:
    """Whether ``start <= at <= end``; both ends belong to the window."""
    window = _shown(start, end)
    if start <= at <= end:
        return passed(window)
    lapse = "is not yet valid" if at < start else "has expired"
    return failed(expected=window, actual=stamp(at), reason=f"{what} {lapse} at the appraisal time")


def judge_certificate_dates(chain: tuple[Certificate, ...], window: tuple[datetime, datetime], at: datetime) -> Finding:
    """Whether ``at`` lies in ``window``, the one that all certificates have in common; the first that fails is named."""
    start, end = window
    if start <= at <= end:
        return passed(_shown(start, end))
    outside = next(certificate for certificate in chain if not certificate.not_before <= at <= certificate.not_after)
    return judge_window(outside.not_before, outside.not_after, at, outside.common_name)


def crl_is_signed(case: CollateralCase, crl: RevocationList, issuer: Certificate) -> Finding:
    """Whether ``crl`` is ``issuer``'s own list, with lists found good remembered by all their bytes."""
    if case.memo.holds((b"crl", issuer.der, crl.der), lambda: why_not_issued_by(crl, issuer) is None):
        return passed(f"CRL number {crl.crl_number}")
    return failed(
        expected=f"a CRL issued and signed by {issuer.common_name}",
        actual=f"{why_not_issued_by(crl, issuer)}",
        reason="the revocation list is not this CA's own",
    )


def root_crl(case: CollateralCase) -> Finding:
    """tdx.crl.root."""
    crl = case.documents.root_crl
    return crl.finding if isinstance(crl, Unreadable) else crl_is_signed(case, crl, case.root)


def root_crl_validity(case: CollateralCase) -> Finding:
    """tdx.crl.root_validity."""
    crl = given(case.documents.root_crl)
    return judge_window(crl.this_update, crl.next_update, case.at, "the root CA's CRL")


@dataclass(frozen=True, slots=True)
class _SignerChecks:
    """The checks on signer and signature that TCB info and QE identity share, for the document that ``pick`` takes."""

    prefix: str
    name: str
    pick: Callable[[CollateralCase], SignedDocument]

    def table(self) -> dict[str, _Check]:
        """Check id to function, in order."""
        checks = (self.chain, self.signer, self.signer_validity, self.signer_revocation, self.signature)
        return {f"{self.prefix}.{check.__name__}": check for check in checks}

    def chain(self, case: CollateralCase) -> Finding:
        found = self.pick(case).chain
        if isinstance(found, Unreadable):
            return found.finding
        if len(found) != _SIGNER_CHAIN_LENGTH:
            reason: str | None = f"{len(found)} certificates"
        else:
            reason = why_chain_fails(found, case.root, case.memo)
        if reason is None:
            return passed(found[0].common_name)
        return failed(
            expected="two certificates: TCB signer, pinned Intel root",
            actual=reason,
            reason=f"the {self.name}'s signer is not proven to be Intel's",
        )

    def signer(self, case: CollateralCase) -> Finding:
        certificate = given(self.pick(case).chain)[0]
        extensions = certificate.extensions
        if certificate.common_name != _TCB_SIGNER:
            actual = certificate.common_name
        elif PCK_EXTENSION_OID in extensions.values:
            actual = "a certificate with the SGX (PCK) extension"
        elif extensions.is_ca or extensions.may_certify:
            actual = "a CA certificate"
        elif not extensions.may_sign:
            actual = "a certificate that may not sign"
        else:
            return passed(certificate.common_name)
        return failed(
            expected=f"an end-entity certificate named {_TCB_SIGNER!r}",
            actual=actual,
            reason=f"this certificate has no authority to sign a {self.name}",
        )

    def signer_validity(self, case: CollateralCase) -> Finding:
        document = self.pick(case)
        return judge_certificate_dates(given(document.chain), given(document.window), case.at)

    def signer_revocation(self, case: CollateralCase) -> Finding:
        certificate = given(self.pick(case).chain)[0]
        if not given(case.documents.root_crl).revokes(certificate):
            return passed(f"serial {certificate.serial_number:x}")
        return failed(
            expected="a serial that is not in the root CRL",
            actual=f"serial {certificate.serial_number:x}",
            reason=f"Intel has revoked the certificate that signed this {self.name}",
        )

    def signature(self, case: CollateralCase) -> Finding:
        document = self.pick(case)
        message, signature = document.message, document.signature
        if isinstance(message, Unreadable):
            return message.finding
        if isinstance(signature, Unreadable):
            return signature.finding
        certificate = given(document.chain)[0]
        key = (b"document", certificate.der, signature, message)
        if case.memo.holds(key, lambda: p256_verifies(certificate.public_key, signature, message)):
            return passed(f"{len(message)} bytes")
        return failed(
            expected=f"a signature by {certificate.common_name} over these {len(message)} bytes",
            actual="a signature that does not verify",
            reason=f"the {self.name} was altered, or is another's",
        )


_TCB_INFO_SIGNER: Final = _SignerChecks("tdx.tcb_info", "TCB info", lambda case: case.documents.signed_tcb_info)
_QE_IDENTITY_SIGNER: Final = _SignerChecks("tdx.qe_identity", "QE identity", lambda case: case.documents.signed_qe_identity)


def tcb_info_parse(case: CollateralCase) -> Finding:
    """tdx.tcb_info.parse."""
    info = case.documents.tcb_info
    if isinstance(info, Unreadable):
        return info.finding
    return passed(f"{len(info.levels)} levels, evaluation data number {info.tcb_evaluation_data_number}")


def tcb_info_validity(case: CollateralCase) -> Finding:
    """tdx.tcb_info.validity."""
    info = given(case.documents.tcb_info)
    return judge_window(info.issue_date, info.next_update, case.at, "the TCB info")


def qe_identity_parse(case: CollateralCase) -> Finding:
    """tdx.qe_identity.parse."""
    identity = case.documents.qe_identity
    if isinstance(identity, Unreadable):
        return identity.finding
    return passed(f"{len(identity.levels)} levels, evaluation data number {identity.tcb_evaluation_data_number}")


def qe_identity_validity(case: CollateralCase) -> Finding:
    """tdx.qe_identity.validity."""
    identity = given(case.documents.qe_identity)
    return judge_window(identity.issue_date, identity.next_update, case.at, "the QE identity")


COLLATERAL_CHECKS: Final = CheckTable[CollateralCase](
    {
        "tdx.crl.root": root_crl,
        "tdx.crl.root_validity": root_crl_validity,
        **_TCB_INFO_SIGNER.table(),
        "tdx.tcb_info.parse": tcb_info_parse,
        "tdx.tcb_info.validity": tcb_info_validity,
        **_QE_IDENTITY_SIGNER.table(),
        "tdx.qe_identity.parse": qe_identity_parse,
        "tdx.qe_identity.validity": qe_identity_validity,
    }
)
"""Check id to function, in order; each needs only what stands above it."""
