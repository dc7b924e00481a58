"""What a policy asks of each request before its first byte: a model out of ``[models]``, a record in the ``[audit]`` log."""

from __future__ import annotations

import json
from contextlib import suppress
from contextvars import ContextVar
from datetime import datetime
from pathlib import Path
from typing import Final

from voltage_attest.errors import AuditError, GateRefused
from voltage_attest.gate.audit import AuditLog
from voltage_attest.gate.audit_record import AuditEvent, AuditKind, KeyedDigest
from voltage_attest.gate.model import EventKind, GateEvent, RequestEnd, RequestRecord, RequestWatch
from voltage_attest.policy import Policy

__all__ = ["NAMED_MODEL", "RequestRules", "hook_for", "named_models"]

NAMED_MODEL: ContextVar[str | None] = ContextVar("voltage_attest_named_model", default=None)
"""The model of the request that is being sent, as the client above knows it: a form's body does not show it beforehand."""

_RUNS_A_MODEL: Final = frozenset(
    {
        "completions",
        "responses",
        "embeddings",
        "moderations",
        "speech",
        "transcriptions",
        "translations",
        "generations",
        "edits",
        "variations",
        "messages",
    }
)
"""Last segments of paths where a POST makes a model read what is sent."""

_NO_NEWS: Final = frozenset({EventKind.ATTESTING, EventKind.REQUEST_PASSED, EventKind.REQUEST_ENDED, EventKind.CLOSED})
"""Events of which the log has a better record, or needs none."""


def hook_for(policy: Policy) -> RequestRules | None:
    """The rules of the policy; None where it has neither section. The log is begun with the first record."""
    models = None if policy.models is None else frozenset(policy.models.allow)
    log = None if policy.audit is None else AuditLog(Path(policy.audit.path))
    if models is None and log is None:
        return None
    reference = None if policy.compliance is None else policy.compliance.baa_reference
    return RequestRules(models, log, baa_reference=reference)


class RequestRules:
    """A ``RequestHook``: refuses other models than those of ``models``, then writes to ``log``. Either may be None."""

    def __init__(self, models: frozenset[str] | None, log: AuditLog | None, *, baa_reference: str | None = None) -> None:
        self._models = models
        self._log = log
        self._baa_reference = baa_reference

    def announce(self, record: RequestRecord) -> RequestWatch:
        """GateRefused for a model that is not allowed, and where no record can be written."""
        models = named_models(record)
        if self._models is not None:
            refusal = _why_not_allowed(record, models, self._models)
            if refusal is not None:
                raise refusal
        if self._log is None:
            return _NoWatch()
        try:
            return self._write(self._log, record, "+".join(models) or None)
        except AuditError as error:
            raise GateRefused(error.found, expected=error.expected, remedy=error.remedy, result=record.result) from error

    @property
    def listens(self) -> bool:
        """Whether there is a log that would be told of events."""
        return self._log is not None

    def told(self, event: GateEvent, at: datetime) -> None:
        """Note what happened to the gate itself; AuditError where that cannot be done."""
        if self._log is not None and event.kind not in _NO_NEWS:
            self._log.append(AuditEvent(kind=AuditKind.GATE, outcome=event.kind.value), at=at, durable=False)

    def _write(self, log: AuditLog, record: RequestRecord, model: str | None) -> RequestWatch:
        digest = log.digest()
        if record.content is not None:
            digest.update(record.content)
        result = record.result
        receipt = log.append(
            AuditEvent(
                kind=AuditKind.REQUEST,
                request=record.request_id,
                attempt=record.attempt,
                pod=record.pod_id,
                provider=result.subject.provider,
                method=record.method,
                path=record.path,
                policy_sha256=None if result.policy is None else result.policy.sha256,
                evidence_sha256=tuple([item.sha256 for item in result.evidence]),
                verdict=result.verdict.value,
                spki_sha256=record.keys,
                generation=record.generation,
                model=model,
                baa_reference=self._baa_reference,
                request_bytes=None if record.content is None else digest.size,
                request_hmac=None if record.content is None else digest.hexdigest(),
            ),
            at=record.at,
        )
        return _Watch(log, record, receipt.seq)


class _NoWatch:
    """Watches nothing."""

    def sent(self, chunk: bytes) -> None:
        """Nothing to do."""

    def received(self, chunk: bytes) -> None:
        """Nothing to do."""

    def ended(self, end: RequestEnd) -> None:
        """Nothing to do."""


class _Watch:
    """Digests what passes by, and writes how it ended: durable with the next request, since nothing depends on it."""

    def __init__(self, log: AuditLog, record: RequestRecord, seq: int) -> None:
        self._log = log
        self._record = record
        self._seq = seq
        self._known = record.content is not None
        self._request: KeyedDigest = log.digest()
        self._response: KeyedDigest = log.digest()

    def sent(self, chunk: bytes) -> None:
        """A part of the request's body goes out."""
        if not self._known:
            self._request.update(chunk)

    def received(self, chunk: bytes) -> None:
        """A part of the answer's body came in."""
        self._response.update(chunk)

    def ended(self, end: RequestEnd) -> None:
        """Write the outcome."""
        self._log.append(
            AuditEvent(
                kind=AuditKind.OUTCOME,
                request=end.request_id,
                attempt=end.attempt,
                request_seq=self._seq,
                outcome=end.outcome.value,
                status=end.status,
                spki_sha256=() if end.key is None else (end.key,),
                request_bytes=end.bytes_sent,
                request_hmac=None if self._known else self._request.hexdigest(),
                response_bytes=end.bytes_received,
                response_hmac=self._response.hexdigest(),
                error=end.error,
            ),
            at=end.at,
            durable=False,
        )


def named_models(record: RequestRecord) -> tuple[str, ...]:
    """The models that a request names; one who reads it may take another of two, so all of them are told."""
    found: list[str] = []

    def note(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found[:] = [str(value) for name, value in pairs if name == "model"]  # the outermost object is read last
        return {}

    if record.content and (record.content_type or "").partition(";")[0].strip().lower() == "application/json":
        with suppress(ValueError, RecursionError):
            json.loads(record.content, object_pairs_hook=note)
        return tuple(found)
    seen = NAMED_MODEL.get()
    return () if seen is None else (seen,)


def _why_not_allowed(record: RequestRecord, models: tuple[str, ...], allowed: frozenset[str]) -> GateRefused | None:
    expected = f"one of {', '.join(sorted(allowed))}"
    if not models and record.method == "POST" and record.path.rstrip("/").rpartition("/")[2] in _RUNS_A_MODEL:
        return GateRefused(
            "a request that shows no model",
            expected=expected,
            remedy="Name the model in a JSON body, or send forms through AttestedOpenAI, which reads them.",
            result=record.result,
        )
    if all(model in allowed for model in models):
        return None
    return GateRefused(
        "a request for a model that [models] does not allow",
        expected=expected,
        remedy="Ask for one of these, or have the other reviewed and added to [models].",
        result=record.result,
    )
