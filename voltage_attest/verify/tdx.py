"""Verify a TDX quote against Intel's collateral: every check, in order, and at the end what may be believed."""

from __future__ import annotations

from typing import Final

from voltage_attest.checks.tdx import AUTHENTIC_QUOTE
from voltage_attest.ledger import Ledger
from voltage_attest.verify.case import CollateralCase, PckChain, QuoteCase
from voltage_attest.verify.tdx_collateral import COLLATERAL_CHECKS
from voltage_attest.verify.tdx_quote import QUOTE_CHECKS
from voltage_attest.verify.tdx_tcb import TCB_CHECKS, TcbCase
from voltage_attest.verify.types import SEAL, VerifiedQuote

__all__ = ["QUOTE_IDS", "verify_collateral", "verify_quote"]


def verify_collateral(case: CollateralCase, ledger: Ledger) -> None:
    """Record every check of collateral that needs no quote."""
    ledger.run(COLLATERAL_CHECKS, case)


def verify_quote(case: QuoteCase, ledger: Ledger) -> VerifiedQuote | None:
    """Record every check of the quote; return it sealed as verified if its signature chain holds, else None.

    Needs :func:`verify_collateral` on the same ledger first. What is returned may still carry failed rows for
    dates, revocation or TCB: the verdict counts them, appraisal only adds to them.
    """
    ledger.run(QUOTE_CHECKS, case)
    pck = case.pck if isinstance(case.pck, PckChain) else None
    extension = None if pck is None else pck.extension
    tcb_case = TcbCase(case.quote, case.collateral.documents, extension)
    ledger.run(TCB_CHECKS, tcb_case)
    if pck is None or not ledger.holds(*AUTHENTIC_QUOTE):
        return None
    tcb = tcb_case.matched.tcb if ledger.holds("tdx.tcb.converged") else None
    _, pck_not_after = pck.window
    return VerifiedQuote(case.quote, pck.extension, pck_not_after, tcb, SEAL)


QUOTE_IDS: Final = (*QUOTE_CHECKS.ids, *TCB_CHECKS.ids)
"""The checks of :func:`verify_quote`, for whoever has to leave them because there is no readable quote."""
