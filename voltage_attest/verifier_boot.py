"""Measured boot in the verifier: the event log against the quote's registers, then the workload that the policy names.

Loaded by :mod:`voltage_attest.verifier` when a policy has ``[workload]``, and by nothing else.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from voltage_attest.appraise.boot_chain import pinned_registers
from voltage_attest.appraise.workload import WORKLOAD_APPRAISAL, WorkloadAppraisal
from voltage_attest.collateral.intel import IntelCollateral
from voltage_attest.errors import InputError
from voltage_attest.evidence.dstack_info import DstackInfo, parse_dstack_info
from voltage_attest.evidence.encoding import decode_quote_bytes
from voltage_attest.evidence.event_description import event_rows
from voltage_attest.evidence.model import Evidence
from voltage_attest.evidence.quote import parse_quote
from voltage_attest.ledger import CheckTable, Ledger
from voltage_attest.policy.model import Policy, WorkloadPolicy
from voltage_attest.result import BootEventClaims, passed
from voltage_attest.trust import TrustRoots
from voltage_attest.verify.case import CollateralCase, QuoteCase, Workshop
from voltage_attest.verify.documents import Documents
from voltage_attest.verify.event_log import EVENT_LOG_CHECKS, EventLogCase, VerifiedEventLog, seal_event_log
from voltage_attest.verify.tdx import verify_collateral, verify_quote
from voltage_attest.verify.types import VerifiedQuote

__all__ = ["judge_boot", "verified_log"]

_LOG: Final = CheckTable[EventLogCase](EVENT_LOG_CHECKS)
_WORKLOAD: Final = CheckTable[WorkloadAppraisal](WORKLOAD_APPRAISAL)


def judge_boot(
    evidence: Evidence, quote: VerifiedQuote | None, policy: Policy, workload: WorkloadPolicy, ledger: Ledger
) -> tuple[BootEventClaims, ...]:
    """Record every check of log and workload; return the log's events once its registers replay, else none."""
    case = _case(evidence, quote)
    ledger.run(_LOG, case)
    log = seal_event_log(case, ledger.holds)
    if log is None:
        ledger.leave(_WORKLOAD.ids)
        return ()
    registers = frozenset() if policy.tdx is None else pinned_registers(policy.tdx)
    models = frozenset() if policy.models is None else frozenset(policy.models.allow)
    ledger.run(_WORKLOAD, WorkloadAppraisal(log, workload, registers, models))
    return tuple([BootEventClaims(*row) for row in event_rows(log.log)])


def verified_log(
    evidence: Evidence, collateral: IntelCollateral, *, at: datetime, roots: TrustRoots | None = None
) -> VerifiedEventLog | None:
    """The boot log of a quote, both verified anew whatever was found of them before; None where either is not genuine.

    For looking, not for gating: dates, revocation and TCB are left to :class:`~voltage_attest.verifier.Verifier`.
    """
    try:
        quote = parse_quote(decode_quote_bytes(evidence.quote or b""))
    except InputError:
        return None
    workshop, ledger = Workshop.under(roots or TrustRoots.default()), Ledger()
    for check_id in ("tdx.collateral.parse", "evidence.fetch", "evidence.quote_present", "tdx.quote.parse"):
        ledger.record(check_id, passed())
    documents = CollateralCase(Documents(collateral, workshop.loader), workshop.root, at, workshop.memo)
    verify_collateral(documents, ledger)
    case = _case(evidence, verify_quote(QuoteCase(quote, documents, workshop), ledger))
    ledger.run(_LOG, case)
    return seal_event_log(case, ledger.holds)


def _case(evidence: Evidence, quote: VerifiedQuote | None) -> EventLogCase:
    info = _guest_info(evidence)
    text = None if evidence.event_log is None else evidence.event_log.encode("utf-8", "surrogatepass")
    return EventLogCase(text, quote, info.compose, info.mr_config)


def _guest_info(evidence: Evidence) -> DstackInfo:
    """The documents that dstack's guest sent along; none where they cannot be read: then nothing is proven by them."""
    info = evidence.binding_input("dstack_info")
    try:
        return DstackInfo(None, None) if info is None else parse_dstack_info(info)
    except InputError:
        return DstackInfo(None, None)
