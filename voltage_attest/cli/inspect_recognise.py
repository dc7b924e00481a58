"""What is this file? Told by content, never by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from voltage_attest.cli.inspect_boot import inspect_event_log, is_ccel, is_dstack_log
from voltage_attest.cli.inspect_certificates import inspect_der, inspect_pem
from voltage_attest.cli.inspect_devices import (
    REPORT_START,
    inspect_eat,
    inspect_gpu_evidence,
    inspect_jwks,
    inspect_ocsp,
    inspect_report,
    inspect_rim,
    inspect_rim_answer,
)
from voltage_attest.cli.inspect_documents import COLLATERAL_KEYS, inspect_collateral, inspect_document
from voltage_attest.cli.inspect_own import inspect_policy, inspect_result
from voltage_attest.cli.inspect_quote import QUOTE_VERSIONS, inspect_quote
from voltage_attest.cli.inspect_tree import Inspection
from voltage_attest.collateral.strict_json import parse_strict_json
from voltage_attest.errors import InputError
from voltage_attest.evidence.encoding import strict_base64
from voltage_attest.policy.model import POLICY_SCHEMA
from voltage_attest.result import RESULT_SCHEMA

__all__ = ["KINDS", "inspect_bytes"]

KINDS: Final = (
    "a TDX or SGX quote (raw, hex, base64), Intel's collateral (nine-key JSON), TCB info or QE identity (JSON), "
    "a CRL (DER, PEM, hex), certificates (PEM, DER), a policy (TOML), a saved result (JSON), an attestation report of a GPU or "
    "switch (raw, hex, base64) or NRAS's request with several (JSON), a reference integrity manifest (XML, JSON), an answer of "
    "NRAS and its keys (JSON), an OCSP answer (DER), a boot log (CCEL as raw bytes, hex or base64, dstack's JSON)"
)
"""What is looked for, in words."""

_WHITE_SPACE: Final = b" \t\r\n"
_BETWEEN_DIGITS: Final = _WHITE_SPACE + b","
_HEX: Final = re.compile(rb"(?:(?:0[xX])?[0-9a-fA-F]{2})+")
_DER_SEQUENCE: Final = b"\x30"


def inspect_bytes(data: bytes) -> Inspection | None:
    """Recognise and decode; None if nothing fits, InputError if it is recognised but malformed."""
    found = _inspect_binary(data)
    if found is not None:
        return found
    text = data.strip(_WHITE_SPACE)
    for beginning, inspect_text in _TEXTS.items():
        if text.startswith(beginning):
            return inspect_text(data)
    if POLICY_SCHEMA.encode() in data:
        return inspect_policy(data.decode("utf-8", "replace"))
    decoded = _decode_text(text)
    return None if decoded is None else _inspect_binary(decoded)


def _inspect_binary(data: bytes) -> Inspection | None:
    if is_ccel(data):
        return inspect_event_log(data)
    if data.startswith(QUOTE_VERSIONS):
        return inspect_quote(data)
    if data.startswith(REPORT_START):
        return inspect_report(data)
    return inspect_der(data) or inspect_ocsp(data) if data.startswith(_DER_SEQUENCE) else None


def _inspect_list(data: bytes) -> Inspection:
    """A list is dstack's log, NRAS's answer, or the devices of its request; the error of its answer where it is none."""
    if is_dstack_log(data):
        return inspect_event_log(data)
    try:
        return inspect_eat(data)
    except InputError as error:
        try:
            return inspect_gpu_evidence(data)
        except InputError:
            raise error from None


def _inspect_json(data: bytes) -> Inspection | None:
    found = parse_strict_json(data, "the file")
    if found.get("schema") == RESULT_SCHEMA:
        return inspect_result(data, found)
    known = next((draw for key, draw in _DRAWN_BY_KEY.items() if key in found), None)
    if known is not None:
        return known(data)
    if COLLATERAL_KEYS.intersection(found):
        return inspect_collateral(data)
    return inspect_document(found)


_TEXTS: Final[Mapping[bytes, Callable[[bytes], Inspection | None]]] = {
    b"-----BEGIN ": inspect_pem,
    b"<": inspect_rim,
    b"[": _inspect_list,
    b"{": _inspect_json,
}

_DRAWN_BY_KEY: Final[Mapping[str, Callable[[bytes], Inspection]]] = {
    "evidence_list": inspect_gpu_evidence,
    "rim": inspect_rim_answer,
    "keys": inspect_jwks,
}


def _decode_text(text: bytes) -> bytes | None:
    packed = text.translate(None, _BETWEEN_DIGITS)
    if _HEX.fullmatch(packed):
        return bytes.fromhex(re.sub(rb"0[xX]", b"", packed).decode("ascii"))
    try:
        return strict_base64(packed, "the file")
    except InputError:
        return None
