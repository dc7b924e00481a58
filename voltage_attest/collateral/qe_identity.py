"""The TD quoting enclave's identity, version 2 (PCS v4, ``/tdx/certification/v4/qe/identity``)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from voltage_attest.collateral.strict_json import parse_strict_json, take_hex, take_int, take_text, take_time
from voltage_attest.collateral.tcb_info import ComponentLevel, take_component_levels
from voltage_attest.errors import CollateralFormatError

__all__ = ["QeIdentity", "parse_qe_identity"]

_DOCUMENT: Final = "qe_identity"


@dataclass(frozen=True, slots=True)
class QeIdentity:
    """What Intel's TD quoting enclave looks like: MISCSELECT (4 bytes), ATTRIBUTES (16), masks, MRSIGNER (32), ISVPRODID."""

    issue_date: datetime
    next_update: datetime
    tcb_evaluation_data_number: int
    misc_select: bytes
    misc_select_mask: bytes
    attributes: bytes
    attributes_mask: bytes
    mr_signer: bytes
    isv_prod_id: int
    levels: tuple[ComponentLevel, ...]


def parse_qe_identity(text: str) -> QeIdentity:
    """Read a TD_QE identity V2; :class:`CollateralFormatError` if it is another enclave's, another version, or incomplete."""
    found = parse_strict_json(text, _DOCUMENT)
    kind, version = take_text(found, "id", _DOCUMENT), take_int(found, "version", _DOCUMENT, 0xFFFF)
    if (kind, version) != ("TD_QE", 2):
        raise CollateralFormatError(
            f"enclave identity with id {kind!r}, version {version}",
            expected="id 'TD_QE', version 2",
            document=_DOCUMENT,
            remedy="Fetch the identity from /tdx/certification/v4/qe/identity, not the SGX QE's or the QvE's.",
        )
    return QeIdentity(
        take_time(found, "issueDate", _DOCUMENT),
        take_time(found, "nextUpdate", _DOCUMENT),
        take_int(found, "tcbEvaluationDataNumber", _DOCUMENT, 0xFFFFFFFF),
        take_hex(found, "miscselect", _DOCUMENT, 4),
        take_hex(found, "miscselectMask", _DOCUMENT, 4),
        take_hex(found, "attributes", _DOCUMENT, 16),
        take_hex(found, "attributesMask", _DOCUMENT, 16),
        take_hex(found, "mrsigner", _DOCUMENT, 32),
        take_int(found, "isvprodid", _DOCUMENT, 0xFFFF),
        take_component_levels(found, _DOCUMENT),
    )
