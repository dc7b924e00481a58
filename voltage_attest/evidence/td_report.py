"""TD report bodies: 1.0 (584 bytes), 1.5 (648) and 1.5ex (885), as a quote carries them.

Source: Intel TDX DCAP Quoting Library API, A.3.2 and A.3.3; ``sgx_quote_5.h``. All fields are raw bytes; multi-byte
integers inside them (attributes, XFAM) are little-endian.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from typing import Final

from voltage_attest.errors import EvidenceFormatError

__all__ = ["BodyType", "TdReport", "TdReport15", "TdReport15Ex", "parse_td_report"]


class BodyType(IntEnum):
    """Quote v5 body types (``sgx_quote_5.h``); a v4 quote's body is :attr:`TD_REPORT_10` or an SGX report."""

    SGX_REPORT = 1
    TD_REPORT_10 = 2
    TD_REPORT_15 = 3
    TD_REPORT_15_EX = 4


@dataclass(frozen=True, slots=True)
class TdReport:
    """TD report 1.0, 584 bytes.

    ``tee_tcb_svn`` (16): [0] TDX module ISVSVN, [1] module major version, [2] SEAM loader. ``mr_*``, ``mrtd``, ``rtmr*``: 48
    bytes each. ``seam_attributes``, ``td_attributes``, ``xfam``: 8, little-endian. ``report_data``: 64.
    """

    tee_tcb_svn: bytes
    mr_seam: bytes
    mr_signer_seam: bytes
    seam_attributes: bytes
    td_attributes: bytes
    xfam: bytes
    mrtd: bytes
    mr_config_id: bytes
    mr_owner: bytes
    mr_owner_config: bytes
    rtmr0: bytes
    rtmr1: bytes
    rtmr2: bytes
    rtmr3: bytes
    report_data: bytes


@dataclass(frozen=True, slots=True)
class TdReport15(TdReport):
    """TD report 1.5, 648 bytes: adds ``tee_tcb_svn2`` (16, the SVN now running) and ``mr_service_td`` (48)."""

    tee_tcb_svn2: bytes
    mr_service_td: bytes


@dataclass(frozen=True, slots=True)
class TdReport15Ex(TdReport15):
    """TD report 1.5ex, 885 bytes: adds VM and device identity and the service-TD history.

    ``vm_id`` 1, ``td_id`` 32, ``dev_info`` 48, ``init_servtd_hash`` 48, ``init_servtd_attr`` 8, ``init_cpu_svn`` 16,
    ``init_tee_tcb_svn`` 16, ``init_fmspc`` 12, ``cur_servtd_hash`` 48, ``cur_servtd_attr`` 8.
    """

    vm_id: bytes
    td_id: bytes
    dev_info: bytes
    init_servtd_hash: bytes
    init_servtd_attr: bytes
    init_cpu_svn: bytes
    init_tee_tcb_svn: bytes
    init_fmspc: bytes
    cur_servtd_hash: bytes
    cur_servtd_attr: bytes


def _consecutive(*sizes: int) -> Struct:
    """Byte strings of the given sizes, one after the other."""
    return Struct("".join([f"{size}s" for size in sizes]))


_SIZES_10: Final = (16, 48, 48, 8, 8, 8, 48, 48, 48, 48, 48, 48, 48, 48, 64)
_SIZES_15: Final = (*_SIZES_10, 16, 48)
_SIZES_15_EX: Final = (*_SIZES_15, 1, 32, 48, 48, 8, 16, 16, 12, 48, 8)

_LAYOUTS: Final[dict[BodyType, tuple[type[TdReport], Struct]]] = {
    BodyType.TD_REPORT_10: (TdReport, _consecutive(*_SIZES_10)),
    BodyType.TD_REPORT_15: (TdReport15, _consecutive(*_SIZES_15)),
    BodyType.TD_REPORT_15_EX: (TdReport15Ex, _consecutive(*_SIZES_15_EX)),
}

TD_REPORT_SIZES: Final[dict[BodyType, int]] = {kind: layout.size for kind, (_, layout) in _LAYOUTS.items()}
"""Bytes of each TD report: 584, 648, 885."""


def parse_td_report(body_type: BodyType, body: bytes) -> TdReport:
    """Read a TD report of that type; :class:`EvidenceFormatError` unless ``body`` has exactly its size."""
    model, layout = _LAYOUTS[body_type]
    if len(body) != layout.size:
        raise EvidenceFormatError(
            f"a TD report of type {int(body_type)} with {len(body)} bytes", expected=f"{layout.size} bytes"
        )
    return model(*layout.unpack(body))
