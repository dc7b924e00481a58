"""Answers of Intel PCS and PCCS, read into documents with their windows. Bytes in, text as signed out; nothing is believed.

What Intel signs is the text of the object under ``tcbInfo`` or ``enclaveIdentity``, as it stands: it is cut out of the body and
never serialised again. CRLs come as DER, PEM or hex, whatever was asked for. Issuer chains come URL-encoded in a header.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NoReturn
from urllib.parse import unquote_to_bytes

from voltage_attest.collateral.pcs import KEYS_OF, CollateralRequest, DocumentKind, describe
from voltage_attest.collateral.strict_json import take_hex, take_int, take_time
from voltage_attest.collateral.windows import crl_der, crl_window
from voltage_attest.errors import CollateralFormatError, EvidenceFormatError
from voltage_attest.evidence.pem import parse_pem_chain

__all__ = ["CHAIN_HEADERS", "PcsDocument", "parse_answer", "why_not_asked_for"]

CHAIN_HEADERS: Final = {
    DocumentKind.ROOT_CA_CRL: (),
    DocumentKind.PCK_CRL: ("sgx-pck-crl-issuer-chain",),
    DocumentKind.TCB_INFO: ("tcb-info-issuer-chain", "sgx-tcb-info-issuer-chain"),
    DocumentKind.QE_IDENTITY: ("sgx-enclave-identity-issuer-chain",),
}
"""Headers that hold the issuer chain, lower case, newest name first. TCB info's second is that of API v3 and some PCCS."""

_SIGNED_MEMBER: Final = {DocumentKind.TCB_INFO: "tcbInfo", DocumentKind.QE_IDENTITY: "enclaveIdentity"}
_OPENING: Final = re.compile(r'[ \t\n\r]*\{[ \t\n\r]*"(\w+)"[ \t\n\r]*:[ \t\n\r]*', re.ASCII)
_BETWEEN: Final = re.compile(r'[ \t\n\r]*,[ \t\n\r]*"(\w+)"[ \t\n\r]*:[ \t\n\r]*', re.ASCII)
_CLOSING: Final = re.compile(r"[ \t\n\r]*\}[ \t\n\r]*")
_SIGNATURE: Final = re.compile(r"[0-9a-fA-F]{128}")


@dataclass(frozen=True, slots=True)
class PcsDocument:
    """One document: its texts by key of :class:`~voltage_attest.collateral.intel.IntelCollateral`, and its own window (UTC).

    ``fmspc`` (TCB info) and ``tcb_evaluation_data_number`` (TCB info, QE identity) are what the document says.
    """

    kind: DocumentKind
    texts: tuple[tuple[str, str], ...]
    issued: datetime
    next_update: datetime
    fmspc: bytes | None = None
    tcb_evaluation_data_number: int | None = None

    def is_current(self, now: datetime) -> bool:
        """Whether ``now`` lies in the document's window, both ends included."""
        return self.issued <= now <= self.next_update


def parse_answer(kind: DocumentKind, body: bytes, headers: Mapping[str, str]) -> PcsDocument:
    """Read an answer with status 200; ``headers`` by lower-case name. :class:`CollateralFormatError` names the document."""
    key = KEYS_OF[kind][0]
    try:
        if kind in _SIGNED_MEMBER:
            return _parse_signed(kind, key, body, headers)
        der = crl_der(body, key)
        issued, next_update = crl_window(der, key)
        chain = () if kind is DocumentKind.ROOT_CA_CRL else ((KEYS_OF[kind][-1], _issuer_chain(kind, headers)),)
        return PcsDocument(kind, ((key, der.hex()), *chain), issued, next_update)
    except EvidenceFormatError as error:
        raise CollateralFormatError(error.found, expected=error.expected, document=key) from None


def why_not_asked_for(document: PcsDocument, request: CollateralRequest) -> str | None:
    """Why that document answers another question than the one asked, or None: a PCCS may ignore what it does not know."""
    fmspc, number, wanted_number = document.fmspc, document.tcb_evaluation_data_number, request.tcb_evaluation_data_number
    if fmspc is not None and fmspc != request.fmspc:
        return f"TCB info for FMSPC {fmspc.hex()} instead of {describe(document.kind, request)}"
    if number is not None and wanted_number is not None and number != wanted_number:
        return f"evaluation data number {number} instead of {describe(document.kind, request)}"
    return None


def _parse_signed(kind: DocumentKind, key: str, body: bytes, headers: Mapping[str, str]) -> PcsDocument:
    member = _SIGNED_MEMBER[kind]
    found = _two_members(body, (member, "signature"), key)
    (content, signed), (_, quoted) = found[member], found["signature"]
    signature = quoted[1:-1]  # as received: an escape in it would be a second spelling
    if not isinstance(content, dict):
        raise EvidenceFormatError(f"{member} is no object", expected="an object")
    if quoted[:1] != '"' or not _SIGNATURE.fullmatch(signature):
        raise EvidenceFormatError(f"the signature of {key} is malformed", expected="128 hex digits (r||s)")
    return PcsDocument(
        kind,
        tuple(zip(KEYS_OF[kind], (signed, signature, _issuer_chain(kind, headers)), strict=True)),
        take_time(content, "issueDate", key),
        take_time(content, "nextUpdate", key),
        take_hex(content, "fmspc", key, 6) if kind is DocumentKind.TCB_INFO else None,
        take_int(content, "tcbEvaluationDataNumber", key, 0xFFFF_FFFF),
    )


def _two_members(body: bytes, names: tuple[str, str], key: str) -> dict[str, tuple[object, str]]:
    """Split a JSON object with exactly these two members: (value, its text as received) of each.

    Inside the values the JSON is read, not judged: whoever verifies the document reads it strictly, key by key.
    """
    found: dict[str, tuple[object, str]] = {}
    position = 0
    try:
        text = body.decode("utf-8")
        for separator in (_OPENING, _BETWEEN):
            match = separator.match(text, position)
            if match is None or match[1] not in names or match[1] in found:
                break
            value, position = _DECODER.raw_decode(text, match.end())
            found[match[1]] = (value, text[match.end() : position])
    except (ValueError, RecursionError):  # not UTF-8, not JSON, a number of thousands of digits, nested without end
        raise EvidenceFormatError(f"the answer with {key} is not JSON", expected=_shape(names)) from None
    if len(found) != 2 or not _CLOSING.fullmatch(text, position):
        raise EvidenceFormatError(f"the answer with {key} has another shape", expected=_shape(names))
    return found


def _shape(names: tuple[str, str]) -> str:
    return f'{{"{names[0]}": {{...}}, "{names[1]}": "..."}} and nothing else'


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant)


def _issuer_chain(kind: DocumentKind, headers: Mapping[str, str]) -> str:
    """The issuer chain in PEM, percent-decoded; plus signs are base64's own and stay."""
    names = CHAIN_HEADERS[kind]
    value = next((headers[name] for name in names if name in headers), None)
    if value is None:
        raise EvidenceFormatError("the answer came without its issuer chain", expected=f"the header {' or '.join(names)}")
    pem = unquote_to_bytes(value)
    parse_pem_chain(pem, f"the header {names[0]}")
    return pem.decode("ascii")
