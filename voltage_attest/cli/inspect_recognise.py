"""What is this file? Told by content, never by name."""

from __future__ import annotations

import re
from typing import Final

from voltage_attest.cli.inspect_certificates import inspect_der, inspect_pem
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
    "a CRL (DER, PEM, hex), certificates (PEM, DER), a policy (TOML), a saved result (JSON)"
)
"""What is looked for, in words."""

_WHITE_SPACE: Final = b" \t\r\n"
_HEX: Final = re.compile(rb"(?:0[xX])?((?:[0-9a-fA-F]{2})+)")
_DER_SEQUENCE: Final = b"\x30"


def inspect_bytes(data: bytes) -> Inspection | None:
    """Recognise and decode; None if nothing fits, InputError if it is recognised but malformed."""
    found = _inspect_binary(data)
    if found is not None:
        return found
    text = data.strip(_WHITE_SPACE)
    if text.startswith(b"-----BEGIN "):
        return inspect_pem(data)
    if text.startswith(b"{"):
        return _inspect_json(data)
    if POLICY_SCHEMA.encode() in data:
        return inspect_policy(data.decode("utf-8", "replace"))
    decoded = _decode_text(text)
    return None if decoded is None else _inspect_binary(decoded)


def _inspect_binary(data: bytes) -> Inspection | None:
    if data.startswith(QUOTE_VERSIONS):
        return inspect_quote(data)
    return inspect_der(data) if data.startswith(_DER_SEQUENCE) else None


def _inspect_json(data: bytes) -> Inspection | None:
    found = parse_strict_json(data, "the file")
    if found.get("schema") == RESULT_SCHEMA:
        return inspect_result(data, found)
    if COLLATERAL_KEYS.intersection(found):
        return inspect_collateral(data)
    return inspect_document(found)


def _decode_text(text: bytes) -> bytes | None:
    packed = text.translate(None, _WHITE_SPACE)
    digits = _HEX.fullmatch(packed)
    if digits is not None:
        return bytes.fromhex(digits[1].decode("ascii"))
    try:
        return strict_base64(packed, "the file")
    except InputError:
        return None
