"""What verification vouches for. Only :mod:`voltage_attest.verify` constructs these, so nothing unverified can be appraised."""

from __future__ import annotations

from dataclasses import InitVar, dataclass
from datetime import datetime
from typing import Final

from voltage_attest.evidence.pck_extension import PckExtension
from voltage_attest.evidence.quote import TdxQuote
from voltage_attest.tcb_status import TcbStatus

__all__ = ["PlatformTcb", "VerifiedQuote"]


class _Seal:
    """Held by the verify room alone."""


SEAL: Final = _Seal()


@dataclass(frozen=True, slots=True)
class PlatformTcb:
    """The converged TCB: status after joining platform, module and QE, its advisories united, and the earliest tcbDate.

    ``issued`` is when the older of TCB info and QE identity was issued, and the number the lower of both (UTC).
    """

    status: TcbStatus
    advisory_ids: tuple[str, ...]
    tcb_date: datetime
    issued: datetime
    tcb_evaluation_data_number: int


@dataclass(frozen=True, slots=True)
class VerifiedQuote:
    """A quote whose signature chain leads, link by link, to the pinned Intel root.

    ``pck_not_after`` is when the first certificate of its PCK chain ends (UTC). Says nothing of revocation, dates or TCB
    status: those are rows of their own. ``tcb`` is None while they are unknown.
    """

    quote: TdxQuote
    pck: PckExtension
    pck_not_after: datetime
    tcb: PlatformTcb | None
    seal: InitVar[_Seal | None] = None

    def __post_init__(self, seal: _Seal | None) -> None:
        if seal is not SEAL:
            raise TypeError("a VerifiedQuote is made by voltage_attest.verify and by nothing else")
