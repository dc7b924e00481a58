"""What a result rests on that ends soon: for whoever renews it before a gate closes at night."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from voltage_attest.report.plain import one_or_many, utc
from voltage_attest.result import AttestationResult, CollateralRecord, Verdict

__all__ = ["expiring_of"]


def expiring_of(result: AttestationResult, within: timedelta) -> Iterator[str]:
    """A sentence for each document that ends within ``within`` of the appraisal, and for whatever ends the verdict then.

    Documents that last no longer than ``within`` altogether are left out: they are fetched anew each time.
    """
    horizon = result.appraised_at + within
    told = False
    for record in result.collateral:
        if record.next_update is None or not result.appraised_at <= record.next_update <= horizon:
            continue
        told = True
        if _lasts_longer(record, within):
            left = _left(record.next_update - result.appraised_at)
            yield f"{record.kind} from {record.source} ends {utc(record.next_update)}, {left}"
    until = result.valid_until
    if result.verdict is Verdict.VERIFIED and until is not None and until <= horizon and not told:
        yield f"a certificate or a rule of the policy ends {utc(until)}, {_left(until - result.appraised_at)}"


def _lasts_longer(record: CollateralRecord, within: timedelta) -> bool:
    return record.issued is None or record.next_update is None or record.next_update - record.issued > within


def _left(time: timedelta) -> str:
    return f"in {one_or_many(time.days, 'day')}" if time.days else f"in {one_or_many(time.seconds // 3600, 'hour')}"
