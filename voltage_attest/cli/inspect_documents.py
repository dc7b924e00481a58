"""Intel's collateral as it describes itself: the nine-key JSON, and each of its documents alone."""

from __future__ import annotations

import json
from typing import Final

from voltage_attest.cli.inspect_certificates import certificate_rows, crl_members, unreadable
from voltage_attest.cli.inspect_tree import Branch, Inspection, Leaf, Node, Rows, stamp
from voltage_attest.collateral.intel import IntelCollateral, parse_intel_collateral
from voltage_attest.collateral.qe_identity import QeIdentity, parse_qe_identity
from voltage_attest.collateral.strict_json import JsonObject
from voltage_attest.collateral.tcb_info import ComponentLevel, TcbInfo, TcbLevel, TdxModuleIdentity, parse_tcb_info
from voltage_attest.errors import InputError
from voltage_attest.evidence.pem import parse_pem_chain

__all__ = ["COLLATERAL_KEYS", "inspect_collateral", "inspect_document"]

COLLATERAL_KEYS: Final = frozenset(IntelCollateral.__dataclass_fields__)

_WRAPPED: Final = {"tcbInfo": "tcb_info", "enclaveIdentity": "qe_identity"}
"""Intel's answers hold the signed document under these names, beside its ``signature``."""

_TITLES: Final = {"tcb_info": "TCB info", "qe_identity": "QE identity"}
_COMMON: Final = ("id", "version", "issueDate", "nextUpdate", "tcbEvaluationDataNumber", "fmspc", "pceId")


def inspect_collateral(data: bytes) -> Inspection:
    """The nine-key JSON; InputError if it is malformed as a whole. A document that is malformed says so in its place."""
    collateral = parse_intel_collateral(data)
    missing = collateral.missing()
    return Inspection(
        "intel-collateral",
        "Intel collateral (nine-key JSON)",
        (
            Leaf("missing", missing),
            Branch("tcb_info", _text_document("tcb_info", collateral.tcb_info)),
            Branch("qe_identity", _text_document("qe_identity", collateral.qe_identity)),
            Branch("root_ca_crl", _crl(collateral.root_ca_crl)),
            Branch("pck_crl", _crl(collateral.pck_crl)),
            _chain("pck_crl_issuer_chain", collateral.pck_crl_issuer_chain),
            _chain("tcb_info_issuer_chain", collateral.tcb_info_issuer_chain),
            _chain("qe_identity_issuer_chain", collateral.qe_identity_issuer_chain),
            _chain("pck_certificate_chain", collateral.pck_certificate_chain),
            Leaf("tcb_info_signature", collateral.tcb_info_signature, "r||s over tcb_info as it stands"),
            Leaf("qe_identity_signature", collateral.qe_identity_signature, "r||s over qe_identity as it stands"),
        ),
    )


def inspect_document(found: JsonObject) -> Inspection | None:
    """A TCB info or QE identity, bare or in the wrapper of Intel's answers; None if it is neither."""
    for wrapper, name in _WRAPPED.items():
        body = found.get(wrapper)
        if isinstance(body, dict):
            signature = found.get("signature")
            shown = signature if isinstance(signature, str) else None
            return Inspection(name, _TITLES[name], (*_text_document(name, json.dumps(body)), Leaf("signature", shown)))
    if "tcbLevels" not in found or "id" not in found:
        return None
    name = "tcb_info" if "fmspc" in found else "qe_identity"
    return Inspection(name, _TITLES[name], _text_document(name, json.dumps(found)))


def _text_document(name: str, text: str | None) -> tuple[Node, ...]:
    if text is None:
        return (Leaf("document", None),)
    try:
        return _tcb_info(parse_tcb_info(text)) if name == "tcb_info" else _qe_identity(parse_qe_identity(text))
    except InputError as error:
        return (unreadable(error), *_as_found(text))


def _as_found(text: str) -> tuple[Node, ...]:
    """The few fields that say what kind of document it is, where it is not the kind we read."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return ()
    if not isinstance(found, dict):
        return ()
    return tuple([Leaf(key, found[key]) for key in _COMMON if isinstance(found.get(key), str | int)])


def _tcb_info(found: TcbInfo) -> tuple[Node, ...]:
    return (
        Leaf("issue_date", stamp(found.issue_date)),
        Leaf("next_update", stamp(found.next_update)),
        Leaf("fmspc", found.fmspc.hex()),
        Leaf("pce_id", found.pce_id.hex()),
        Leaf("tcb_evaluation_data_number", found.tcb_evaluation_data_number),
        Branch(
            "tdx_module",
            (
                Leaf("mr_signer", found.module.mr_signer.hex()),
                Leaf("attributes", found.module.attributes.hex()),
                Leaf("attributes_mask", found.module.attributes_mask.hex()),
            ),
        ),
        Rows("tdx_module_identities", tuple([_module_identity(identity) for identity in found.module_identities])),
        Rows("tcb_levels", tuple([_tcb_level(level) for level in found.levels])),
    )


def _module_identity(found: TdxModuleIdentity) -> Branch:
    return Branch(
        "tdx_module_identity",
        (
            Leaf("id", found.id),
            Leaf("mr_signer", found.mr_signer.hex()),
            Leaf("attributes", found.attributes.hex()),
            Leaf("attributes_mask", found.attributes_mask.hex()),
            Rows("levels", tuple([_component_level(level) for level in found.levels])),
        ),
    )


def _tcb_level(level: TcbLevel) -> Branch:
    return Branch(
        "tcb_level",
        (
            Leaf("status", level.status.value),
            Leaf("tcb_date", stamp(level.tcb_date)),
            Leaf("sgx_components", tuple(level.sgx_components)),
            Leaf("pce_svn", level.pce_svn),
            Leaf("tdx_components", tuple(level.tdx_components)),
            Leaf("advisory_ids", level.advisory_ids),
        ),
    )


def _component_level(level: ComponentLevel) -> Branch:
    return Branch(
        "level",
        (
            Leaf("isv_svn", level.isv_svn),
            Leaf("status", level.status.value),
            Leaf("tcb_date", stamp(level.tcb_date)),
            Leaf("advisory_ids", level.advisory_ids),
        ),
    )


def _qe_identity(found: QeIdentity) -> tuple[Node, ...]:
    return (
        Leaf("issue_date", stamp(found.issue_date)),
        Leaf("next_update", stamp(found.next_update)),
        Leaf("tcb_evaluation_data_number", found.tcb_evaluation_data_number),
        Leaf("misc_select", found.misc_select.hex()),
        Leaf("misc_select_mask", found.misc_select_mask.hex()),
        Leaf("attributes", found.attributes.hex()),
        Leaf("attributes_mask", found.attributes_mask.hex()),
        Leaf("mr_signer", found.mr_signer.hex()),
        Leaf("isv_prod_id", found.isv_prod_id),
        Rows("levels", tuple([_component_level(level) for level in found.levels])),
    )


def _crl(text: str | None) -> tuple[Node, ...]:
    if text is None:
        return (Leaf("document", None),)
    try:
        return crl_members(bytes.fromhex(text))
    except ValueError as error:
        return (unreadable(error),)


def _chain(name: str, text: str | None) -> Node:
    if text is None:
        return Leaf(name, None)
    try:
        return certificate_rows(name, parse_pem_chain(text.encode("utf-8", "replace").removesuffix(b"\0"), name))
    except InputError as error:
        return Branch(name, (unreadable(error),))
