"""What a result says of evidence and collateral: claims of a verified quote, and a record of each document used."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from voltage_attest.collateral.qe_identity import QeIdentity
from voltage_attest.collateral.tcb_info import TcbInfo
from voltage_attest.crypto.crl import RevocationList
from voltage_attest.evidence.td_report import TdReport15
from voltage_attest.result import CollateralRecord, CollateralSource, TdxClaims
from voltage_attest.verify.documents import Documents
from voltage_attest.verify.types import VerifiedQuote
from voltage_attest.verify.unreadable import Unreadable

__all__ = ["collateral_records", "earliest_end", "tdx_claims"]


def tdx_claims(verified: VerifiedQuote) -> TdxClaims:
    """The fields of a verified quote and its PCK certificate, as hex text."""
    quote, pck, tcb = verified.quote, verified.pck, verified.tcb
    report = quote.td_report
    return TdxClaims(
        quote_version=quote.version,
        td_report=quote.body_type.name,
        tee_tcb_svn=report.tee_tcb_svn.hex(),
        mr_seam=report.mr_seam.hex(),
        mr_signer_seam=report.mr_signer_seam.hex(),
        seam_attributes=report.seam_attributes.hex(),
        td_attributes=report.td_attributes.hex(),
        xfam=report.xfam.hex(),
        mrtd=report.mrtd.hex(),
        mr_config_id=report.mr_config_id.hex(),
        mr_owner=report.mr_owner.hex(),
        mr_owner_config=report.mr_owner_config.hex(),
        rtmr0=report.rtmr0.hex(),
        rtmr1=report.rtmr1.hex(),
        rtmr2=report.rtmr2.hex(),
        rtmr3=report.rtmr3.hex(),
        report_data=report.report_data.hex(),
        mr_service_td=report.mr_service_td.hex() if isinstance(report, TdReport15) else None,
        fmspc=pck.fmspc.hex(),
        pce_id=pck.pce_id.hex(),
        pce_svn=pck.pce_svn,
        ppid=pck.ppid.hex(),
        platform_instance_id=None if pck.platform_instance_id is None else pck.platform_instance_id.hex(),
        tcb_status=None if tcb is None else tcb.status.value,
        tcb_date=None if tcb is None else tcb.tcb_date,
        advisory_ids=() if tcb is None else tcb.advisory_ids,
        tcb_evaluation_data_number=None if tcb is None else tcb.tcb_evaluation_data_number,
    )


def _window(document: object) -> tuple[datetime | None, datetime | None]:
    if isinstance(document, RevocationList):
        return document.this_update, document.next_update
    if isinstance(document, TcbInfo | QeIdentity):
        return document.issue_date, document.next_update
    return None, None


_FROM_FILE: Final = CollateralSource()


def collateral_records(documents: Documents, sources: Mapping[str, CollateralSource]) -> tuple[CollateralRecord, ...]:
    """One record for each of the four dated documents that was given, with its SHA-256 as received."""
    key = ("records", frozenset(sources.items()))
    return documents.remembered(key, lambda: _records(documents, sources))


def _records(documents: Documents, sources: Mapping[str, CollateralSource]) -> tuple[CollateralRecord, ...]:
    return tuple(
        [
            _record(kind, sources.get(kind, _FROM_FILE), documents.sha256[kind], *_window(document))
            for kind, document in (
                ("root-ca-crl", documents.root_crl),
                ("pck-crl", documents.pck_crl),
                ("tdx-tcb-info", documents.tcb_info),
                ("td-qe-identity", documents.qe_identity),
            )
            if kind in documents.sha256
        ]
    )


def _record(
    kind: str, source: CollateralSource, sha256: str, issued: datetime | None, next_update: datetime | None
) -> CollateralRecord:
    return CollateralRecord(kind, source.url, sha256, issued, next_update, source.from_cache)


def earliest_end(documents: Documents, *others: datetime | None) -> datetime | None:
    """The first instant at which a document used here ends, or one of ``others``; None when nothing has an end."""
    ends = [end for end in others if end is not None]
    return min((*documents.remembered("end", lambda: _first_end(documents)), *ends), default=None)


def _first_end(documents: Documents) -> tuple[datetime, ...]:
    """When the first document or certificate of the collateral ends; nothing where none has an end."""
    chains = (documents.signed_tcb_info.chain, documents.signed_qe_identity.chain, documents.pck_crl_issuer_chain)
    ends = [certificate.not_after for chain in chains if not isinstance(chain, Unreadable) for certificate in chain]
    windows = map(_window, (documents.root_crl, documents.pck_crl, documents.tcb_info, documents.qe_identity))
    return tuple(sorted((*ends, *[end for _, end in windows if end is not None]))[:1])
