"""What the TDX module reports about a TD: TD report 1.0 (584 bytes), 1.5 (648) and 1.5ex (885).

Source: Intel TDX DCAP Quoting Library API, A.3.2 and A.3.3; ``sgx_quote_5.h``.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256, sha384, sha512

__all__ = ["TdReportFields", "encode_td_report"]


def _measured(what: str) -> bytes:
    """Stand in for a measurement: SHA-384, 48 bytes, never zero, the same on every machine."""
    return sha384(b"voltage-attest simulated TD/" + what.encode()).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class TdReportFields:
    """One TD. The default runs on an updated module, without debug, with SEPT_VE_DISABLE, and nothing optional set.

    Bytes: ``tee_tcb_svn``, ``tee_tcb_svn2`` 16; ``mr_*``, ``mrtd``, ``rtmr*`` 48; ``seam_attributes``,
    ``td_attributes``, ``xfam`` 8, little-endian; ``report_data`` 64. ``tee_tcb_svn2`` (None: as ``tee_tcb_svn``) and
    ``mr_service_td`` exist from report 1.5 on. The rest exists in 1.5ex only: ``vm_id`` 1, ``td_id`` 32,
    ``dev_info``, ``init_servtd_hash`` and ``cur_servtd_hash`` 48, ``init_servtd_attr`` and ``cur_servtd_attr`` 8,
    ``init_cpu_svn`` and ``init_tee_tcb_svn`` 16, ``init_fmspc`` 12.
    """

    tee_tcb_svn: bytes = bytes.fromhex("0b010400000000000000000000000000")
    mr_seam: bytes = _measured("mr_seam")
    mr_signer_seam: bytes = bytes(48)
    seam_attributes: bytes = bytes(8)
    td_attributes: bytes = bytes.fromhex("0000001000000000")
    xfam: bytes = bytes.fromhex("e702060000000000")
    mrtd: bytes = _measured("mrtd")
    mr_config_id: bytes = bytes(48)
    mr_owner: bytes = bytes(48)
    mr_owner_config: bytes = bytes(48)
    rtmr0: bytes = _measured("rtmr0")
    rtmr1: bytes = _measured("rtmr1")
    rtmr2: bytes = _measured("rtmr2")
    rtmr3: bytes = _measured("rtmr3")
    report_data: bytes = sha512(b"voltage-attest simulated TD/report_data").digest()
    tee_tcb_svn2: bytes | None = None
    mr_service_td: bytes = bytes(48)
    vm_id: bytes = bytes(1)
    td_id: bytes = sha256(b"voltage-attest simulated TD/td_id").digest()
    dev_info: bytes = bytes(48)
    init_servtd_hash: bytes = bytes(48)
    init_servtd_attr: bytes = bytes(8)
    init_cpu_svn: bytes = bytes(16)
    init_tee_tcb_svn: bytes = bytes(16)
    init_fmspc: bytes = bytes(12)
    cur_servtd_hash: bytes = bytes(48)
    cur_servtd_attr: bytes = bytes(8)


def encode_td_report(td: TdReportFields, size: int) -> bytes:
    """Lay out the fields in the order of the specification and cut at 584, 648 or 885 bytes.

    Each later report is the earlier one with fields appended, so a shorter body is a prefix. ValueError if a field has
    not its size, for then every later one would move.
    """
    whole = b"".join(
        (
            td.tee_tcb_svn,
            td.mr_seam,
            td.mr_signer_seam,
            td.seam_attributes,
            td.td_attributes,
            td.xfam,
            td.mrtd,
            td.mr_config_id,
            td.mr_owner,
            td.mr_owner_config,
            td.rtmr0,
            td.rtmr1,
            td.rtmr2,
            td.rtmr3,
            td.report_data,
            td.tee_tcb_svn if td.tee_tcb_svn2 is None else td.tee_tcb_svn2,
            td.mr_service_td,
            td.vm_id,
            td.td_id,
            td.dev_info,
            td.init_servtd_hash,
            td.init_servtd_attr,
            td.init_cpu_svn,
            td.init_tee_tcb_svn,
            td.init_fmspc,
            td.cur_servtd_hash,
            td.cur_servtd_attr,
        )
    )
    if len(whole) != _LARGEST:
        raise ValueError(f"the TD report's fields have {len(whole)} bytes together, expected {_LARGEST}")
    return whole[:size]


_LARGEST = 885
