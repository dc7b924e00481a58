"""What Intel says about TCBs: TCB info (TDX, version 3) and QE identity (TD_QE, version 2), as compact JSON.

Key names, their order and the compact form are Intel's. Nothing is checked here: a document with a wrong id, an
unknown status or too few components is exactly what a test needs. Hex is upper case, as Intel's mostly is; times are
UTC, in seconds.

Source: Intel PCS API v4, TCB Info V3 and Enclave Identity V2.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, TypeAlias

from voltage_attest.testing.intel.world import COLLATERAL_LIFE, ISSUED_AT

__all__ = ["IsvLevel", "QeIdentity", "TcbInfo", "TcbLevel", "TdxModule", "TdxModuleIdentity", "pad_components"]

_Json: TypeAlias = "str | int | Sequence[_Json] | Mapping[str, _Json]"


def pad_components(*svns: int) -> tuple[int, ...]:
    """Return the SVNs followed by zeros, 16 in all."""
    return svns + (0,) * (16 - len(svns))


@dataclass(frozen=True, slots=True, kw_only=True)
class TcbLevel:
    """One level of TCB info: 16 SGX components, PCESVN, 16 TDX components (None: an SGX level), and its worth."""

    sgx: tuple[int, ...]
    pce_svn: int
    tdx: tuple[int, ...] | None
    date: datetime
    status: str
    advisory_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class IsvLevel:
    """One level of a TDX module's or quoting enclave's identity: the least ISVSVN, and its worth."""

    isv_svn: int
    date: datetime
    status: str
    advisory_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TdxModule:
    """Who signs the TDX module: ``mr_signer`` 48 bytes, ``attributes`` and their mask 8."""

    mr_signer: bytes = bytes(48)
    attributes: bytes = bytes(8)
    attributes_mask: bytes = b"\xff" * 8


@dataclass(frozen=True, slots=True, kw_only=True)
class TdxModuleIdentity:
    """One major version of the TDX module; ``id`` is ``TDX_`` and the version in two hex digits."""

    id: str
    levels: tuple[IsvLevel, ...]
    module: TdxModule = TdxModule()


def _day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


_SA_2025: Final = ("INTEL-SA-01192", "INTEL-SA-01245", "INTEL-SA-01312", "INTEL-SA-01313")
_SA_2024: Final = ("INTEL-SA-01036", "INTEL-SA-01079", "INTEL-SA-01099", *_SA_2025)
_SA_2023: Final = ("INTEL-SA-00837", *_SA_2024)

_UP_TO_DATE: Final = TcbLevel(
    sgx=pad_components(4, 4, 2, 2, 4, 1, 0, 5),
    pce_svn=11,
    tdx=pad_components(5, 0, 4),
    date=_day("2025-08-13"),
    status="UpToDate",
)
_OUT_OF_DATE: Final = TcbLevel(
    sgx=pad_components(3, 3, 2, 2, 4, 1, 0, 5),
    pce_svn=11,
    tdx=pad_components(5, 0, 3),
    date=_day("2025-05-14"),
    status="OutOfDate",
    advisory_ids=_SA_2025,
)
_OLDER: Final = TcbLevel(
    sgx=pad_components(2, 2, 2, 2, 3, 1, 0, 5),
    pce_svn=11,
    tdx=pad_components(5, 0, 2),
    date=_day("2024-03-13"),
    status="OutOfDate",
    advisory_ids=_SA_2024,
)
_LEVELS: Final = (
    _UP_TO_DATE,
    _OUT_OF_DATE,
    _OLDER,
    replace(_OLDER, pce_svn=5, date=_day("2018-01-04"), advisory_ids=_SA_2023),
)
_MODULES: Final = (
    TdxModuleIdentity(
        id="TDX_03",
        levels=(
            IsvLevel(isv_svn=5, date=_day("2025-08-13"), status="UpToDate"),
            IsvLevel(isv_svn=3, date=_day("2025-05-14"), status="OutOfDate", advisory_ids=_SA_2025[1:3]),
        ),
    ),
    TdxModuleIdentity(
        id="TDX_01",
        levels=(
            IsvLevel(isv_svn=11, date=_day("2025-08-13"), status="UpToDate"),
            IsvLevel(isv_svn=6, date=_day("2025-05-14"), status="OutOfDate", advisory_ids=_SA_2025[:3]),
            IsvLevel(isv_svn=4, date=_day("2024-03-13"), status="OutOfDate", advisory_ids=_SA_2024[:1] + _SA_2025[:3]),
        ),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TcbInfo:
    """TCB info of one platform family. The defaults are Intel's levels for Emerald Rapids in November 2026.

    ``fmspc`` 6 bytes, ``pce_id`` 2. None for ``module``, ``module_identities`` or a level's ``tdx`` leaves the key out.
    """

    id: str = "TDX"
    version: int = 3
    issue_date: datetime = ISSUED_AT
    next_update: datetime = ISSUED_AT + COLLATERAL_LIFE
    fmspc: bytes = bytes.fromhex("b0c06f000000")
    pce_id: bytes = bytes(2)
    tcb_type: int = 0
    tcb_evaluation_data_number: int = 20
    module: TdxModule | None = TdxModule()
    module_identities: tuple[TdxModuleIdentity, ...] | None = _MODULES
    levels: tuple[TcbLevel, ...] = _LEVELS

    def to_json(self) -> str:
        """Return the document, the exact text that Intel would sign."""
        document: dict[str, _Json] = {
            "id": self.id,
            "version": self.version,
            "issueDate": _instant(self.issue_date),
            "nextUpdate": _instant(self.next_update),
            "fmspc": _hex(self.fmspc),
            "pceId": _hex(self.pce_id),
            "tcbType": self.tcb_type,
            "tcbEvaluationDataNumber": self.tcb_evaluation_data_number,
        }
        if self.module is not None:
            document["tdxModule"] = _module(self.module)
        if self.module_identities is not None:
            document["tdxModuleIdentities"] = [
                {"id": identity.id, **_module(identity.module), "tcbLevels": _isv_levels(identity.levels)}
                for identity in self.module_identities
            ]
        document["tcbLevels"] = [_tcb_level(level) for level in self.levels]
        return _compact(document)


@dataclass(frozen=True, slots=True, kw_only=True)
class QeIdentity:
    """The identity of the TD quoting enclave. The defaults are Intel's of November 2026.

    ``misc_select`` and its mask 4 bytes, ``attributes`` and their mask 16, ``mr_signer`` 32. The default mask leaves
    out bit 2 (MODE64BIT) and XFRM, and so covers DEBUG (bit 1).
    """

    id: str = "TD_QE"
    version: int = 2
    issue_date: datetime = ISSUED_AT
    next_update: datetime = ISSUED_AT + COLLATERAL_LIFE
    tcb_evaluation_data_number: int = 20
    misc_select: bytes = bytes(4)
    misc_select_mask: bytes = b"\xff" * 4
    attributes: bytes = bytes.fromhex("11000000000000000000000000000000")
    attributes_mask: bytes = bytes.fromhex("fbffffffffffffff0000000000000000")
    mr_signer: bytes = bytes.fromhex("dc9e2a7c6f948f17474e34a7fc43ed030f7c1563f1babddf6340c82e0e54a8c5")
    isv_prod_id: int = 2
    levels: tuple[IsvLevel, ...] = (IsvLevel(isv_svn=4, date=_day("2025-08-13"), status="UpToDate"),)

    def to_json(self) -> str:
        """Return the document, the exact text that Intel would sign."""
        return _compact(
            {
                "id": self.id,
                "version": self.version,
                "issueDate": _instant(self.issue_date),
                "nextUpdate": _instant(self.next_update),
                "tcbEvaluationDataNumber": self.tcb_evaluation_data_number,
                "miscselect": _hex(self.misc_select),
                "miscselectMask": _hex(self.misc_select_mask),
                "attributes": _hex(self.attributes),
                "attributesMask": _hex(self.attributes_mask),
                "mrsigner": _hex(self.mr_signer),
                "isvprodid": self.isv_prod_id,
                "tcbLevels": _isv_levels(self.levels),
            }
        )


_SGX_ROLES: Final = (
    ("BIOS", "Early Microcode Update"),
    ("OS/VMM", "SGX Late Microcode Update"),
    ("OS/VMM", "TXT SINIT"),
    ("BIOS", None),
    ("BIOS", None),
    ("BIOS", None),
    None,
    ("OS/VMM", "SEAMLDR ACM"),
)
_TDX_ROLES: Final = (
    ("OS/VMM", "TDX Module"),
    ("OS/VMM", "TDX Module"),
    ("OS/VMM", "TDX Late Microcode Update"),
)


def _tcb_level(level: TcbLevel) -> dict[str, _Json]:
    tcb: dict[str, _Json] = {
        "sgxtcbcomponents": _components(level.sgx, _SGX_ROLES),
        "pcesvn": level.pce_svn,
    }
    if level.tdx is not None:
        tcb["tdxtcbcomponents"] = _components(level.tdx, _TDX_ROLES)
    return {"tcb": tcb, **_worth(level)}


def _components(svns: tuple[int, ...], roles: Sequence[tuple[str, str | None] | None]) -> list[_Json]:
    components: list[_Json] = []
    for position, svn in enumerate(svns):
        component: dict[str, _Json] = {"svn": svn}
        role = roles[position] if position < len(roles) else None
        if role is not None:
            category, kind = role
            component["category"] = category
            if kind is not None:
                component["type"] = kind
        components.append(component)
    return components


def _isv_levels(levels: tuple[IsvLevel, ...]) -> list[_Json]:
    return [{"tcb": {"isvsvn": level.isv_svn}, **_worth(level)} for level in levels]


def _worth(level: TcbLevel | IsvLevel) -> dict[str, _Json]:
    worth: dict[str, _Json] = {"tcbDate": _instant(level.date), "tcbStatus": level.status}
    if level.advisory_ids:
        worth["advisoryIDs"] = list(level.advisory_ids)
    return worth


def _module(module: TdxModule) -> dict[str, _Json]:
    return {
        "mrsigner": _hex(module.mr_signer),
        "attributes": _hex(module.attributes),
        "attributesMask": _hex(module.attributes_mask),
    }


def _hex(octets: bytes) -> str:
    return octets.hex().upper()


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _compact(document: Mapping[str, _Json]) -> str:
    return json.dumps(document, separators=(",", ":"))
