"""TDX TCB info, version 3: Intel's levels for one platform family (PCS v4, ``/tdx/certification/v4/tcb``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from operator import itemgetter
from typing import Any, Final, NamedTuple, cast

from voltage_attest.collateral.strict_json import (
    JsonObject,
    parse_strict_json,
    take_hex,
    take_int,
    take_list,
    take_object,
    take_text,
    take_time,
)
from voltage_attest.errors import CollateralFormatError
from voltage_attest.tcb_status import COMPONENT_STATUSES, PLATFORM_STATUSES, TcbStatus

__all__ = [
    "ComponentLevel",
    "TcbInfo",
    "TcbLevel",
    "TdxModule",
    "TdxModuleIdentity",
    "parse_tcb_info",
    "take_component_levels",
]

_DOCUMENT: Final = "tcb_info"
_COMPONENTS: Final = 16
_COMPONENT_TYPES: Final = [int] * _COMPONENTS
_svn: Final = itemgetter("svn")
_MAX_LEVELS: Final = 256
_MAX_MODULES: Final = 64
_PLATFORM_STATUSES: Final = {status.value: status for status in PLATFORM_STATUSES}
_COMPONENT_STATUSES: Final = {status.value: status for status in COMPONENT_STATUSES}


class TcbLevel(NamedTuple):
    """One level: 16 SGX and 16 TDX component SVNs (one byte each), PCESVN, and what Intel says of platforms that reach it."""

    sgx_components: bytes
    pce_svn: int
    tdx_components: bytes
    tcb_date: datetime
    status: TcbStatus
    advisory_ids: tuple[str, ...]


class ComponentLevel(NamedTuple):
    """One level of a TDX module or quoting enclave, by ISVSVN."""

    isv_svn: int
    tcb_date: datetime
    status: TcbStatus
    advisory_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TdxModule:
    """Who must have signed the TDX module: MRSIGNERSEAM (48 bytes), SEAMATTRIBUTES and their mask (8 bytes each)."""

    mr_signer: bytes
    attributes: bytes
    attributes_mask: bytes


@dataclass(frozen=True, slots=True)
class TdxModuleIdentity(TdxModule):
    """The same for one major version of the module (``id`` is ``TDX_%02X``), with its levels, highest ISVSVN first."""

    id: str
    levels: tuple[ComponentLevel, ...]


@dataclass(frozen=True, slots=True)
class TcbInfo:
    """TCB info for one FMSPC (6 bytes) and PCEID (2). ``levels`` are sorted highest SVN first, whatever the JSON's order."""

    issue_date: datetime
    next_update: datetime
    fmspc: bytes
    pce_id: bytes
    tcb_evaluation_data_number: int
    module: TdxModule
    module_identities: tuple[TdxModuleIdentity, ...]
    levels: tuple[TcbLevel, ...]


def parse_tcb_info(text: str) -> TcbInfo:
    """Read TDX TCB info V3; :class:`CollateralFormatError` if it is SGX's, of another version, incomplete or ambiguous."""
    found = parse_strict_json(text, _DOCUMENT, _known_parts)
    kind, version = take_text(found, "id", _DOCUMENT), take_int(found, "version", _DOCUMENT, 0xFFFF)
    if (kind, version) != ("TDX", 3):
        raise CollateralFormatError(
            f"TCB info with id {kind!r}, version {version}",
            expected="id 'TDX', version 3",
            document=_DOCUMENT,
            remedy="Fetch TCB info from /tdx/certification/v4/tcb, not from the SGX path or an older API.",
        )
    if take_int(found, "tcbType", _DOCUMENT, 0xFFFF) != 0:
        raise CollateralFormatError(f"tcbType {found['tcbType']}", expected="0", document=_DOCUMENT)
    levels = [_level(entry) for entry in _objects(found, "tcbLevels", _MAX_LEVELS)]
    levels.sort(key=_rank, reverse=True)
    if any(_rank(level) == _rank(below) for level, below in pairwise(levels)):
        raise CollateralFormatError("two TCB levels with the same SVNs", expected="one level each", document=_DOCUMENT)
    identities = () if "tdxModuleIdentities" not in found else _module_identities(found)
    return TcbInfo(
        take_time(found, "issueDate", _DOCUMENT),
        take_time(found, "nextUpdate", _DOCUMENT),
        take_hex(found, "fmspc", _DOCUMENT, 6),
        take_hex(found, "pceId", _DOCUMENT, 2),
        take_int(found, "tcbEvaluationDataNumber", _DOCUMENT, 0xFFFFFFFF),
        TdxModule(*_module(take_object(found, "tdxModule", _DOCUMENT))),
        identities,
        tuple(levels),
    )


def _known_parts(found: JsonObject) -> tuple[list[object], list[str]]:
    """All objects of a TCB info, by their places, and the times in it: what Intel's documents consist of."""
    document = cast("dict[str, Any]", found)
    identities = document.get("tdxModuleIdentities", [])
    levels = [*document["tcbLevels"], *[level for identity in identities for level in identity["tcbLevels"]]]
    objects = [document, document["tdxModule"], *identities, *levels]
    for level in levels:
        tcb = level["tcb"]
        objects += (tcb, *tcb.get("sgxtcbcomponents", ()), *tcb.get("tdxtcbcomponents", ()))
    return objects, [document["issueDate"], document["nextUpdate"], *[level["tcbDate"] for level in levels]]


def take_component_levels(found: JsonObject, document: str) -> tuple[ComponentLevel, ...]:
    """Read ``tcbLevels`` keyed by ISVSVN, sorted highest first; equal ISVSVNs are refused."""
    levels = []
    for entry in _objects(found, "tcbLevels", _MAX_LEVELS, document):
        isv_svn = take_int(take_object(entry, "tcb", document), "isvsvn", document, 0xFFFF)
        levels.append(ComponentLevel(isv_svn, *_judgement(entry, _COMPONENT_STATUSES, document)))
    levels.sort(key=lambda level: level.isv_svn, reverse=True)
    if len({level.isv_svn for level in levels}) != len(levels):
        raise CollateralFormatError(f"{document}: an ISVSVN has two levels", expected="one level each", document=document)
    return tuple(levels)


def _objects(found: JsonObject, key: str, limit: int, document: str = _DOCUMENT) -> list[JsonObject]:
    members = take_list(found, key, document, limit)
    if set(map(type, members)) != {dict}:
        raise CollateralFormatError(f"{document}: {key} holds other than objects", expected="objects", document=document)
    return cast("list[JsonObject]", members)


def _rank(level: TcbLevel) -> tuple[bytes, int, bytes]:
    return level.sgx_components, level.pce_svn, level.tdx_components


def _level(entry: JsonObject) -> TcbLevel:
    tcb = take_object(entry, "tcb", _DOCUMENT)
    return TcbLevel(
        _components(tcb, "sgxtcbcomponents"),
        take_int(tcb, "pcesvn", _DOCUMENT, 0xFFFF),
        _components(tcb, "tdxtcbcomponents"),
        *_judgement(entry, _PLATFORM_STATUSES, _DOCUMENT),
    )


def _components(tcb: JsonObject, key: str) -> bytes:
    members = tcb.get(key)
    try:
        svns = list(map(_svn, cast("list[JsonObject]", members)))  # judged by the except below
        if list(map(type, svns)) == _COMPONENT_TYPES:
            return bytes(svns)
    except (TypeError, KeyError, ValueError):
        pass  # not a list of objects with an svn from 0 to 255: refused with all the rest
    raise CollateralFormatError(
        f"{key} is {repr(members)[:80]}", expected=f"{_COMPONENTS} components with an svn from 0 to 255", document=_DOCUMENT
    )


def _judgement(
    entry: JsonObject, allowed: Mapping[str, TcbStatus], document: str
) -> tuple[datetime, TcbStatus, tuple[str, ...]]:
    status = allowed.get(take_text(entry, "tcbStatus", document))
    if status is None:
        raise CollateralFormatError(
            f"{document}: tcbStatus {entry['tcbStatus']!r}", expected=", ".join(sorted(allowed)), document=document
        )
    advisories = entry.get("advisoryIDs", [])
    if not isinstance(advisories, list) or not {*map(type, advisories)} <= {str}:
        raise CollateralFormatError(f"{document}: advisoryIDs is no list of strings", expected="one", document=document)
    return take_time(entry, "tcbDate", document), status, tuple(advisories)


def _module(found: JsonObject) -> tuple[bytes, bytes, bytes]:
    return (
        take_hex(found, "mrsigner", _DOCUMENT, 48),
        take_hex(found, "attributes", _DOCUMENT, 8),
        take_hex(found, "attributesMask", _DOCUMENT, 8),
    )


def _module_identities(found: JsonObject) -> tuple[TdxModuleIdentity, ...]:
    identities = [
        TdxModuleIdentity(*_module(entry), take_text(entry, "id", _DOCUMENT), take_component_levels(entry, _DOCUMENT))
        for entry in _objects(found, "tdxModuleIdentities", _MAX_MODULES)
    ]
    if len({identity.id.upper() for identity in identities}) != len(identities):
        raise CollateralFormatError("a TDX module identity occurs twice", expected="one each", document=_DOCUMENT)
    return tuple(identities)
