"""The pursuit of one document through the endpoints, in order and without I/O.

Every document is signed, so they may come from different endpoints: each is pursued by itself. One that is not current, or not
what was asked for, counts as none as long as another endpoint is left. One that is not current is handed on at last, for the
Verifier to refuse with its dates.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from datetime import datetime

from voltage_attest.collateral.asking import Question, Reply
from voltage_attest.collateral.cache import CachedAnswer
from voltage_attest.collateral.http_core import HttpAnswer, HttpRequest
from voltage_attest.collateral.pcs import (
    KEYS_OF,
    CollateralRequest,
    DocumentKind,
    PcsEndpoint,
    describe,
    explain_failure,
    http_request,
)
from voltage_attest.collateral.pcs_answers import CHAIN_HEADERS, PcsDocument, parse_answer, why_not_asked_for
from voltage_attest.errors import CollateralFormatError, FetchError, InputError, TransportError

__all__ = ["DocumentSource", "Found", "Missing", "Outcome", "Progress", "Pursuit", "pursue"]

Progress = Callable[[DocumentKind, str], None]
"""Told of each document what is happening with it, in a few words; called from the threads that fetch."""


@dataclass(frozen=True, slots=True)
class DocumentSource:
    """Where one document came from, and its own window. ``kind`` is that of the result's collateral records."""

    kind: DocumentKind
    url: str
    from_cache: bool = False
    issued: datetime | None = None
    next_update: datetime | None = None

    @classmethod
    def of(cls, document: PcsDocument, url: str, *, from_cache: bool) -> DocumentSource:
        """The source of a document as read."""
        return cls(document.kind, url, from_cache, document.issued, document.next_update)


@dataclass(frozen=True, slots=True)
class Found:
    """A document; ``answer`` is what the cache should keep of it, None where nothing."""

    document: PcsDocument
    source: DocumentSource
    answer: CachedAnswer | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """A document that no endpoint had: why, in words of every endpoint, and the last one's error."""

    kind: DocumentKind
    reason: str
    error: TransportError | InputError


Outcome = Found | Missing
Pursuit = Generator[Question, Reply, Outcome]


def pursue(
    kind: DocumentKind, endpoints: Sequence[PcsEndpoint], request: CollateralRequest, *, now: datetime, progress: Progress
) -> Pursuit:
    """Ask one endpoint (there is at least one) after the other until one has a document that is current at ``now``."""
    not_current: Found | None = None
    reasons: list[str] = []
    errors: list[TransportError | InputError] = []
    for position, endpoint in enumerate(endpoints):
        question = Question(http_request(kind, endpoint, request), len(endpoints) - position)
        progress(kind, f"asking {endpoint.name}")
        answer = yield question
        found = answer if isinstance(answer, FetchError) else _accept(kind, question.request, answer, request)
        if isinstance(found, FetchError):
            reasons.append(explain_failure(kind, endpoint, request, found))
            errors.append(found)
        elif isinstance(found, CollateralFormatError):
            reasons.append(f"{endpoint.name} sent no usable {describe(kind, request)}: {found}")
            errors.append(found)
        elif found.document.is_current(now):
            progress(kind, "fetched")
            return found
        else:
            not_current = not_current or Found(found.document, found.source)
    progress(kind, "not available" if not_current is None else "fetched, not current")
    return not_current or Missing(kind, " ".join(reasons), errors[-1])


def _accept(
    kind: DocumentKind, asked: HttpRequest, answer: HttpAnswer, request: CollateralRequest
) -> Found | CollateralFormatError:
    try:
        document = parse_answer(kind, answer.body, answer.headers)
    except CollateralFormatError as error:
        return error
    why = why_not_asked_for(document, request)
    if why is not None:
        return CollateralFormatError(why, expected=f"the {describe(kind, request)}", document=KEYS_OF[kind][0])
    headers = {name: answer.headers[name] for name in CHAIN_HEADERS[kind] if name in answer.headers}
    source = DocumentSource.of(document, asked.url, from_cache=False)
    return Found(document, source, CachedAnswer(kind, asked.url, headers, answer.body))
