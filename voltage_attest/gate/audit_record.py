"""One line of the audit log: what it says, and what makes it hold.

A line is one JSON object in ASCII, written by :func:`encode_record` and by nothing else, so that it has one spelling::

    {"schema":"voltage-attest/audit/1","seq":7,"at":"2026-11-24T17:00:00.000000Z","kind":"request",...,
     "prev":"<64 hex: SHA-256 of the line before, without its newline>","mac":"<64 hex>"}

``prev`` chains it: whoever changes, removes or inserts a line changes every line after it. ``mac`` is HMAC-SHA256 under the
log's key over the line's bytes before ``,"mac":``: whoever has no key cannot write the chain anew.

Nothing here can carry what a patient said. Texts that come from outside are let in only if they look like the name they should
be; of a path only words of the API remain. Bodies appear as sizes and keyed digests, so that short ones cannot be guessed.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Final

__all__ = [
    "AUDIT_SCHEMA",
    "GENESIS",
    "WITHHELD",
    "AuditEvent",
    "AuditKeys",
    "AuditKind",
    "AuditRecord",
    "KeyedDigest",
    "encode_record",
    "parse_record",
]

AUDIT_SCHEMA: Final = "voltage-attest/audit/1"

GENESIS: Final = "0" * 64
"""``prev`` of the first line."""

WITHHELD: Final = "(withheld)"
"""Stands for a text that does not look like the name it should be."""

_NAME: Final = re.compile(r"[A-Za-z0-9._:/@+~\[\]-]{1,200}")
_HEX: Final = re.compile(r"[0-9a-f]{64}")
_MAC: Final = re.compile(rb',"mac":"([0-9a-f]{64})"\}')
_MAC_SIZE: Final = len(b',"mac":""}') + 64
_PATH_WORDS: Final = frozenset(
    [
        *("v1", "confidential", "chat", "completions", "responses", "compact", "input_items", "input_tokens", "conversations"),
        *("items", "messages", "embeddings", "models", "moderations", "audio", "speech", "transcriptions", "translations"),
        *("images", "generations", "edits", "variations", "files", "content", "uploads", "parts", "complete", "cancel"),
        *("batches", "vector_stores", "file_batches", "search", "fine_tuning", "jobs", "evals", "runs", "videos", "containers"),
    ]
)


class AuditKind(StrEnum):
    """What a record is about."""

    OPENED = "opened"
    """The first record: which key the log has."""
    REQUEST = "request"
    """A request is about to be sent: on the disk before its first byte is."""
    OUTCOME = "outcome"
    """How a request ended."""
    GATE = "gate"
    """Something happened to the gate itself: an attestation opened it or was refused, or a stranger's key was met."""
    REPAIR = "repair"
    """What stands before this line, as far as it says, was torn by a crash and never acknowledged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """What happened, in the caller's words. Only ``kind`` is required; what does not look like a name is withheld.

    ``request`` is an id that the gate drew, ``path`` may be the request's own, ``model`` what it named, ``error`` the kind of
    an exception. Digests are :meth:`KeyedDigest.hexdigest`. ``request_seq`` is the ``seq`` of the request that ended.
    ``spki_sha256`` holds the keys that a connection might meet, or the one that it met.
    """

    kind: AuditKind
    request: str | None = None
    attempt: int | None = None
    request_seq: int | None = None
    pod: str | None = None
    provider: str | None = None
    method: str | None = None
    path: str | None = None
    policy_sha256: str | None = None
    evidence_sha256: tuple[str, ...] = ()
    verdict: str | None = None
    spki_sha256: tuple[str, ...] = ()
    generation: int | None = None
    model: str | None = None
    baa_reference: str | None = None
    request_bytes: int | None = None
    request_hmac: str | None = None
    response_bytes: int | None = None
    response_hmac: str | None = None
    status: int | None = None
    outcome: str | None = None
    error: str | None = None
    key_id: str | None = None
    torn_offset: int | None = None
    torn_bytes: int | None = None
    torn_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """A line as read: its place in the chain, its time as written, and what it says beyond that."""

    seq: int
    at: str
    kind: AuditKind
    prev: str
    sha256: str
    says: Mapping[str, object]
    line: bytes = field(repr=False)

    def number(self, name: str) -> int:
        """A number that it says, -1 if it does not."""
        found = self.says.get(name)
        return found if isinstance(found, int) else -1


class AuditKeys:
    """The log's secret, 32 bytes, as one key for the lines and another for what is digested. Never shown."""

    __slots__ = ("_content", "_line", "key_id")

    def __init__(self, secret: bytes) -> None:
        self._line = _derive(secret, b"line")
        self._content = _derive(secret, b"content")
        self.key_id = _derive(secret, b"id").hex()
        """Names the key without giving it away, 64 hex."""

    def mac(self, unsealed: bytes) -> bytes:
        """The line's seal, as hex."""
        return hmac.digest(self._line, unsealed, "sha256").hex().encode("ascii")

    def has_sealed(self, line: bytes) -> bool:
        """Whether the line, without its newline, bears this key's seal."""
        found = _MAC.fullmatch(line, max(0, len(line) - _MAC_SIZE))
        return found is not None and hmac.compare_digest(found[1], self.mac(line[:-_MAC_SIZE]))

    def digest(self) -> KeyedDigest:
        """Make a digest for one body."""
        return KeyedDigest(self._content)


class KeyedDigest:
    """HMAC-SHA256 of a body under the log's key, and its size in bytes, as it passes by."""

    __slots__ = ("_hmac", "size")

    def __init__(self, key: bytes) -> None:
        self._hmac = hmac.new(key, digestmod="sha256")
        self.size = 0

    def update(self, content: bytes) -> None:
        """Take the next piece."""
        self._hmac.update(content)
        self.size += len(content)

    def hexdigest(self) -> str:
        """The digest of all pieces so far, 64 hex."""
        return self._hmac.hexdigest()


def encode_record(event: AuditEvent, *, seq: int, at: datetime, prev: str, keys: AuditKeys) -> bytes:
    """The event as the line of that place, without a newline. ``at`` must be aware."""
    head = {"schema": AUDIT_SCHEMA, "seq": seq, "at": f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}", "kind": event.kind.value}
    content = _json({**head, **_what_it_says(event), "prev": prev})[:-1]
    return b'%b,"mac":"%b"}' % (content, keys.mac(content))


def parse_record(line: bytes) -> AuditRecord | None:
    """The line, without its newline, as a record; None if no :func:`encode_record` wrote it. Its seal is not looked at."""
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or content.get("schema") != AUDIT_SCHEMA or _json(content) != line:
        return None
    seq, at, prev = content.get("seq"), content.get("at"), content.get("prev")
    if type(seq) is not int or not isinstance(at, str) or not isinstance(prev, str) or not _HEX.fullmatch(prev):
        return None
    try:
        kind = AuditKind(str(content.get("kind")))
    except ValueError:
        return None
    says = {name: value for name, value in content.items() if name not in {"schema", "seq", "at", "kind", "prev", "mac"}}
    return AuditRecord(seq, at, kind, prev, sha256(line).hexdigest(), says, line)


def _derive(secret: bytes, use: bytes) -> bytes:
    return hmac.digest(secret, b"voltage-attest/audit/1\0" + use, "sha256")


def _json(content: Mapping[str, object]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode("ascii")


def _what_it_says(event: AuditEvent) -> dict[str, object]:
    says: dict[str, object] = {}
    for item in fields(event):
        value = getattr(event, item.name)
        if item.name == "kind" or value is None or value == ():
            continue
        if item.name == "path":
            says["path"] = _path_words(str(value))
        elif isinstance(value, tuple):
            says[item.name] = [_name(text) for text in value]
        else:
            says[item.name] = value if isinstance(value, int) else _name(str(value))
    return says


def _name(text: str) -> str:
    return text if _NAME.fullmatch(text) else WITHHELD


def _path_words(path: str) -> str:
    """The path with every segment that is no word of the API as ``*``: ids, and whatever a caller put there."""
    segments = path.partition("?")[0].strip("/").split("/")
    return "/" + "/".join([segment if segment in _PATH_WORDS else "*" for segment in segments[:12]])
