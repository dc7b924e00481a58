"""MRCONFIGID as dstack's host sets it at launch, compared with what the guest measured.

::

    V1   01 || compose hash                                                                                    || 15 zero bytes
    V2   02 || Keccak-256(compose hash || app id || u8 kind of key provider || its id)                         || 15 zero bytes
    V3   03 || SHA-256("dstack-mr-config-v3:" 00 || document)                                                  || 15 zero bytes

The kinds are 0 none, 1 local, 2 kms, 3 tpm. The document of V3 is JSON with ``compose_hash``, ``app_id``, ``instance_id``,
``key_provider`` and ``key_provider_id``; its bytes are hashed as they are. Source: dstack ``dstack-types/src/mr_config.rs``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

from voltage_attest.crypto.keccak import keccak_256
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.json_text import JsonObject, maybe, parse_json
from voltage_attest.evidence.key_provider import KeyProvider, parse_hex, parse_key_provider
from voltage_attest.result import Finding, failed, undecided

__all__ = ["mr_config_id_v1", "mr_config_id_v2", "mr_config_id_v3", "why_mr_config_id_differs"]

_SIZE: Final = 48
_DOMAIN: Final = b"dstack-mr-config-v3:\0"
_KINDS: Final = {"none": 0, "local-sgx": 1, "local": 1, "kms": 2, "tpm": 3}
_MAX_DOCUMENT: Final = 64 * 1024


def mr_config_id_v1(compose_hash: bytes) -> bytes:
    """48 bytes."""
    return (b"\x01" + compose_hash).ljust(_SIZE, b"\0")


def mr_config_id_v2(compose_hash: bytes, app_id: bytes, provider: KeyProvider) -> bytes:
    """48 bytes; KeyError for a provider of another kind."""
    return (b"\x02" + keccak_256(compose_hash + app_id + bytes((_KINDS[provider.name],)) + provider.id)).ljust(_SIZE, b"\0")


def mr_config_id_v3(document: bytes) -> bytes:
    """48 bytes."""
    return (b"\x03" + hashlib.sha256(_DOMAIN + document).digest()).ljust(_SIZE, b"\0")


def why_mr_config_id_differs(value: bytes, measured: Callable[[str], bytes | None], document: bytes | None) -> Finding | None:
    """None if ``value`` (not zero) is what the measured events make; ``measured`` gives a runtime event's payload by name."""
    compose_hash, app_id = measured("compose-hash"), measured("app-id")
    if compose_hash is None or app_id is None:
        return _differs(value, "the app-id and compose-hash that it stands for", "the guest did not measure both")
    match value[0]:
        case 1:
            return _compare(value, mr_config_id_v1(compose_hash))
        case 2:
            return _why_v2_differs(value, measured, compose_hash, app_id)
        case 3:
            return _why_v3_differs(value, measured, document)
    return _differs(value, "a form that dstack defines (01, 02 or 03)", "what was configured at launch is not known")


def _why_v2_differs(
    value: bytes, measured: Callable[[str], bytes | None], compose_hash: bytes, app_id: bytes
) -> Finding | None:
    try:
        expected = mr_config_id_v2(compose_hash, app_id, parse_key_provider(measured("key-provider") or b""))
    except (EvidenceFormatError, KeyError):
        return _differs(value, "a measured key provider of a known kind", "the key-provider event cannot be read")
    return _compare(value, expected)


def _why_v3_differs(value: bytes, measured: Callable[[str], bytes | None], document: bytes | None) -> Finding | None:
    if document is None:
        wanted = "dstack's mr_config document"
        return undecided("MRCONFIGID is the hash of a document that was not given", expected=wanted, actual=value.hex())
    return _compare(value, mr_config_id_v3(document)) or _why_document_differs(value, measured, document)


def _why_document_differs(value: bytes, measured: Callable[[str], bytes | None], document: bytes) -> Finding | None:
    try:
        fields = parse_json(document, "the mr_config document", limit=_MAX_DOCUMENT).as_object()
        provider = parse_key_provider(measured("key-provider") or b"")
        stated = KeyProvider(fields.required("key_provider").as_text(64), _member(fields, "key_provider_id"))
        same_provider = _KINDS.get(stated.name) == _KINDS.get(provider.name) and stated.id == provider.id
        named = {
            "compose_hash": measured("compose-hash") == _member(fields, "compose_hash"),
            "app_id": measured("app-id") == _member(fields, "app_id"),
            "instance_id": (measured("instance-id") or b"") == _member(fields, "instance_id"),
            "key_provider": same_provider,
        }
    except EvidenceFormatError as error:
        return _differs(value, error.expected, error.found)
    other = [key for key, is_same in named.items() if not is_same]
    return _differs(value, "a document that names what was measured", f"another {', '.join(other)}") if other else None


def _member(fields: JsonObject, key: str) -> bytes:
    return maybe(fields.optional(key), parse_hex) or b""


def _compare(value: bytes, expected: bytes) -> Finding | None:
    return None if value == expected else _differs(value, expected.hex(), "it stands for another application")


def _differs(value: bytes, expected: str, reason: str) -> Finding:
    return failed(expected=expected, actual=value.hex(), reason=f"MRCONFIGID, set at launch, and the events differ: {reason}")
