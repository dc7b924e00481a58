"""Event logs to judge: real ones beside the repository, and ones written record by record, with quotes that agree with them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from tests.support.real_evidence import DCAP_QVL, REPOSITORY
from voltage_attest.checks.event_log import EVENT_LOG_CHECKS as REGISTERED
from voltage_attest.checks.tdx import AUTHENTIC_QUOTE
from voltage_attest.evidence.event_log import EventType, sha384
from voltage_attest.evidence.event_log_dstack import runtime_preimage
from voltage_attest.evidence.quote import TdxQuote, parse_quote
from voltage_attest.result import Finding, Status
from voltage_attest.verify import types
from voltage_attest.verify.event_log import EVENT_LOG_CHECKS, EventLogCase, VerifiedEventLog, seal_event_log

__all__ = [
    "BOOT",
    "COMPOSE_HASH",
    "NEAR_ANSWER",
    "SHARED",
    "Boot",
    "Record",
    "acpi_table",
    "altered",
    "booted",
    "ccel",
    "cos",
    "dstack_log",
    "failing",
    "fixture",
    "judge",
    "near",
    "needs_vectors",
    "registers",
    "runtime",
    "sealed",
    "verified_quote",
]

SHARED: Final = REPOSITORY.parent / "shared" / "vectors"
needs_vectors: Final = pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/vectors is not beside this repository")

NEAR_ANSWER: Final = (
    SHARED / "gpu/teep-nearcloud_qwen_qwen3.5-122b-a10b_20260424_020614/0001_cloud-api.near.ai_v1_attestation_report.body"
)
"""An answer of NEAR AI's of 2026-04-24: a gateway and a model, with their compose documents."""
_HEADER_SIZE: Final = 48
_OFFSETS: Final = {"mr_config_id": 184, "rtmr0": 328, "rtmr1": 376, "rtmr2": 424, "rtmr3": 472}
"""In the TD report (Intel TDX DCAP Quoting Library API, A.3.2)."""
_HOLDING: Final = (Status.PASSED, Status.SKIPPED)
_REQUIRES: Final = {check.id: frozenset(check.requires) for check in REGISTERED}


@dataclass(frozen=True)
class Boot:
    """One boot of a TD: its log as it travels, its quote, and dstack's compose document."""

    text: bytes
    quote: TdxQuote
    compose: bytes | None = None

    def case(self) -> EventLogCase:
        """The log before its quote, which counts as verified."""
        return EventLogCase(self.text, verified_quote(self.quote), self.compose)

    def under(self, text: bytes) -> EventLogCase:
        """Another log before the same quote."""
        return replace(self, text=text).case()


@cache
def cos() -> Boot:
    """Google's Container-Optimized OS, booted by GRUB: a CCEL."""
    folder = SHARED / "tdx" / "gotdx-cos113-ccel-tdx-v4-00806f"
    return Boot((folder / "ccel.bin").read_bytes(), parse_quote((folder / "quote.bin").read_bytes()))


def acpi_table() -> bytes:
    """The ACPI table of the same machine."""
    return (SHARED / "tdx" / "gotdx-cos113-ccel-tdx-v4-00806f" / "ccel_acpi_table.bin").read_bytes()


@cache
def fixture(name: str) -> Boot:
    """A dstack log of the vectors."""
    folder: Path = SHARED / "tdx" / name
    return Boot((folder / "event_log.json").read_bytes(), parse_quote((folder / "quote.bin").read_bytes()))


@cache
def near(role: str) -> Boot:
    """The gateway or the model of one recorded NEAR answer, with its compose document."""
    answer = json.loads(NEAR_ANSWER.read_bytes())
    report = answer["gateway_attestation"] if role == "gateway" else answer["model_attestations"][0]
    log = report["event_log"]
    return Boot(
        (log if isinstance(log, str) else json.dumps(log)).encode(),
        parse_quote(bytes.fromhex(report["intel_quote"])),
        report["info"]["tcb_info"]["app_compose"].encode(),
    )


@dataclass(frozen=True)
class Record:
    """One extension. Without a digest it is that of the payload, or by dstack's rule that of name and payload."""

    register: int
    kind: int
    payload: bytes
    name: str = ""
    digest: bytes | None = None
    version: int = 1

    @property
    def extended(self) -> bytes:
        """The digest that is extended."""
        if self.digest is not None:
            return self.digest
        is_runtime = self.kind == EventType.DSTACK_RUNTIME
        return sha384(runtime_preimage(self.name, self.payload, self.version) if is_runtime else self.payload)


def runtime(name: str, payload: bytes = b"", *, version: int = 1) -> Record:
    """A runtime event of dstack's."""
    return Record(3, EventType.DSTACK_RUNTIME, payload, name, version=version)


COMPOSE_HASH: Final = hashlib.sha256(b"compose").digest()
BOOT: Final = (
    Record(0, EventType.EFI_VARIABLE_DRIVER_CONFIG, b"variable"),
    Record(0, EventType.SEPARATOR, bytes(4)),
    Record(1, EventType.EFI_BOOT_SERVICES_APPLICATION, b"device path", digest=sha384(b"kernel")),
    Record(2, EventType.EVENT_TAG, b"LOADED_IMAGE::LoadOptions", digest=sha384("ro\0".encode("utf-16-le"))),
    Record(2, EventType.EVENT_TAG, b"Linux initrd", digest=sha384(b"initrd")),
    runtime("system-preparing"),
    runtime("app-id", COMPOSE_HASH[:20]),
    runtime("compose-hash", COMPOSE_HASH),
    runtime("instance-id", b"\x11" * 20),
    runtime("boot-mr-done"),
    runtime("key-provider", b'{"name":"kms","id":"aabb"}'),
    runtime("storage-fs", b"zfs"),
    runtime("system-ready"),
    runtime("greeting", b"hello"),
)
"""A small boot of a dstack guest, started directly by its firmware."""


def verified_quote(quote: TdxQuote) -> types.VerifiedQuote:
    """The quote, sealed without being verified: its log is what is tested."""
    return types.VerifiedQuote(quote, None, None, None, types.SEAL)  # type: ignore[arg-type]


def booted(records: Iterable[Record], *, mr_config_id: bytes = bytes(48)) -> TdxQuote:
    """A quote whose registers hold what the records extend."""
    return altered((DCAP_QVL / "tdx_quote").read_bytes(), **registers(records), mr_config_id=mr_config_id)


def registers(records: Iterable[Record]) -> dict[str, bytes]:
    """What the records extend, by the register's name."""
    values = {f"rtmr{number}": bytes(48) for number in range(4)}
    for record in records:
        name = f"rtmr{record.register}"
        values[name] = sha384(values[name] + record.extended)
    return values


def altered(quote: bytes, **fields: bytes) -> TdxQuote:
    """A quote of version 4 with other values in its TD report; its signature does not hold any more."""
    raw = bytearray(quote)
    for name, value in fields.items():
        start = _HEADER_SIZE + _OFFSETS[name]
        raw[start : start + len(value)] = value
    return parse_quote(bytes(raw))


def dstack_log(records: Sequence[Record], *, strip: bool = False) -> bytes:
    """The records as dstack writes them; ``strip`` leaves out what it leaves out to save space."""
    return json.dumps([_entry(record, strip=strip) for record in records]).encode()


def _entry(record: Record, *, strip: bool) -> Mapping[str, object]:
    is_runtime = record.kind == EventType.DSTACK_RUNTIME
    return {
        "imr": record.register,
        "event_type": int(record.kind),
        "digest": "" if strip and is_runtime else record.extended.hex(),
        "event": record.name,
        "event_payload": "" if strip and not is_runtime else record.payload.hex(),
    } | ({"version": record.version} if record.version != 1 else {})


def ccel(records: Iterable[Record], *, padding: int = 64) -> bytes:
    """The records as a TCG2 log with SHA-384 alone."""
    spec = b"Spec ID Event03\0" + bytes((0, 0, 0, 0, 0, 2, 0, 2)) + (1).to_bytes(4, "little") + b"\x0c\0\x30\0" + b"\0"
    log = [(1).to_bytes(4, "little") + (3).to_bytes(4, "little") + bytes(20) + len(spec).to_bytes(4, "little") + spec]
    for record in records:
        head = (record.register + 1).to_bytes(4, "little") + int(record.kind).to_bytes(4, "little") + b"\1\0\0\0\x0c\0"
        log.append(head + record.extended + len(record.payload).to_bytes(4, "little") + record.payload)
    return b"".join(log) + b"\xff" * padding


def judge(case: EventLogCase) -> dict[str, Finding]:
    """The findings of the checks that could run, as the ledger will run them behind an authentic quote."""
    findings: dict[str, Finding] = {}
    for check_id, check in EVENT_LOG_CHECKS.items():
        holding = {*AUTHENTIC_QUOTE, *[found for found, finding in findings.items() if finding.status in _HOLDING]}
        if _REQUIRES[check_id] <= holding:
            findings[check_id] = check(case)
    return findings


def failing(case: EventLogCase) -> set[str]:
    """The last parts of the ids of the checks that refuse."""
    return {check_id.rpartition(".")[2] for check_id, finding in judge(case).items() if finding.status is Status.FAILED}


def sealed(case: EventLogCase) -> VerifiedEventLog:
    """The log, verified; the test fails if it is not."""
    findings = judge(case)
    log = seal_event_log(case, lambda *ids: all(found in findings and findings[found].status in _HOLDING for found in ids))
    assert log is not None, findings
    return log
