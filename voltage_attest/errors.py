"""Every exception of voltage-attest, and what each one means.

::

    InputError (ValueError)          what was handed in cannot be read: say what, and how to mend it
    ├── EvidenceFormatError          bytes that should be evidence (a quote, a certificate chain) are malformed
    ├── CollateralFormatError        a document that should be collateral is malformed
    ├── ResultFormatError            a saved result is malformed
    ├── PolicyError                  the policy file is absent, malformed, or promises nothing
    └── TrustRootError               a certificate offered as root of trust is unusable
    TrustError                       the answer is no: never retried, never downgraded
    ├── VerificationError            an attestation was refused or undecided; carries the result
    ├── AuditError                   the audit log cannot be written, or is not what was written: nothing is sent
    └── GateRefused                  a gate let no request pass, or let an answer go on no longer; may carry the result

    TransportError                   it could not be had: the network, a service, or being offline; may be tried again
    ├── FetchError                   a request failed; carries what was asked, the status, and when to try again
    ├── OfflineError                 a document is needed that is not at hand, and the network was ruled out
    └── StreamTruncated              a streamed answer ended without its terminator: what is there may mean the opposite

The three trees share no parent on purpose: ``except TransportError`` around a call must not swallow a refusal, and code that
retries what could not be had must not, by catching a common base, retry a "no". ``InputError``, ``TrustError`` and
``TransportError`` head their trees and are never raised themselves.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voltage_attest.result import AttestationResult

__all__ = [
    "AuditError",
    "CollateralFormatError",
    "EvidenceFormatError",
    "FetchError",
    "GateRefused",
    "InputError",
    "OfflineError",
    "PolicyError",
    "ResultFormatError",
    "StreamTruncated",
    "TransportError",
    "TrustError",
    "TrustRootError",
    "VerificationError",
]


class InputError(ValueError):
    """What was handed in cannot be read. Head of its tree, never raised itself.

    The text has three parts: what was found, what was expected, and what to do.
    """

    def __init__(self, found: str, *, expected: str, remedy: str) -> None:
        self.found = found
        self.expected = expected
        self.remedy = remedy
        super().__init__(found, expected, remedy)

    def __str__(self) -> str:
        return f"{self.found}; expected {self.expected}. {self.remedy}"


class EvidenceFormatError(InputError):
    """Bytes that should be evidence do not have evidence's shape.

    ``offset`` is the position of the first byte that does not fit, counted from the start of the whole
    input, or None where no single byte is to blame.
    """

    def __init__(
        self,
        found: str,
        *,
        expected: str,
        remedy: str = "Fetch the evidence again and pass its bytes unchanged.",
        offset: int | None = None,
    ) -> None:
        self.offset = offset
        super().__init__(found, expected=expected, remedy=remedy)


class CollateralFormatError(InputError):
    """A document that should be collateral does not have its shape. ``document`` is its key in the nine-key JSON."""

    def __init__(
        self,
        found: str,
        *,
        expected: str,
        document: str,
        remedy: str = "Fetch the collateral again and keep its bytes unchanged.",
    ) -> None:
        self.document = document
        super().__init__(found, expected=expected, remedy=remedy)


class PolicyError(InputError):
    """The policy cannot be used: absent, malformed, unknown key, or a pin that could never match.

    ``path``, ``key`` (dotted) and ``line`` (1-based) say where; each may be None when it is not known.
    """

    def __init__(
        self,
        found: str,
        *,
        expected: str,
        remedy: str,
        path: Path | None = None,
        key: str | None = None,
        line: int | None = None,
    ) -> None:
        self.path = path
        self.key = key
        self.line = line
        super().__init__(found, expected=expected, remedy=remedy)

    def __str__(self) -> str:
        where = ":".join(str(part) for part in (self.path, self.line) if part is not None)
        subject = f"{self.key}: " if self.key else ""
        return f"{where + ': ' if where else ''}{subject}{super().__str__()}"


class ResultFormatError(InputError):
    """Text that should be a rendered attestation result does not have the shape of its schema."""


class TrustRootError(InputError):
    """A certificate offered in place of a pinned root is not a self-signed CA certificate."""


class TrustError(Exception):
    """The answer is no. Head of its tree, never raised itself."""


class VerificationError(TrustError):
    """An attestation did not verify. ``result`` holds every check; the text names those that failed."""

    def __init__(self, result: AttestationResult) -> None:
        self.result = result
        super().__init__(result)

    def __str__(self) -> str:
        rows = [row for row in self.result.checks if row.status.closes_gate]
        named = "; ".join(f"{row.id}: {row.reason}" for row in rows[:3])
        more = f" (and {len(rows) - 3} more)" if len(rows) > 3 else ""
        return f"attestation {self.result.verdict.value}: {named}{more}"


class AuditError(TrustError):
    """The audit log cannot be written, or is not what was written. Nothing is sent. Three parts, as in :class:`InputError`."""

    def __init__(self, found: str, *, expected: str, remedy: str) -> None:
        self.found = found
        self.expected = expected
        self.remedy = remedy
        super().__init__(found, expected, remedy)

    def __str__(self) -> str:
        return f"{self.found}; expected {self.expected}. {self.remedy}"


class GateRefused(TrustError):
    """A gate let no request pass, or let an answer go on no longer. Never holds a header, key or body.

    ``found``, ``expected`` and ``remedy`` say why and what to do. ``result`` is the attestation that shut the gate, or that a
    request was judged by; None where no attestation is to blame. The text names its checks that failed.
    """

    def __init__(self, found: str, *, expected: str, remedy: str, result: AttestationResult | None = None) -> None:
        self.found = found
        self.expected = expected
        self.remedy = remedy
        self.result = result
        super().__init__(found)

    @property
    def failed_checks(self) -> tuple[str, ...]:
        """Ids of the checks that shut the gate, in the order of the result; empty where no check is to blame."""
        rows = () if self.result is None else self.result.checks
        return tuple(dict.fromkeys(row.id for row in rows if row.status.closes_gate))

    def __str__(self) -> str:
        return f"the gate is shut: {self.found}; expected {self.expected}. {self.remedy}"


class TransportError(Exception):
    """It could not be had. Head of its tree, never raised itself. The text says what was wanted, what happened, what to do."""

    def __init__(self, wanted: str, *, happened: str, remedy: str) -> None:
        self.wanted = wanted
        self.happened = happened
        self.remedy = remedy
        super().__init__(wanted, happened, remedy)

    def __str__(self) -> str:
        return f"{self.wanted}: {self.happened}. {self.remedy}"


class FetchError(TransportError):
    """A request did not bring what it should. Never holds a header, key or body.

    ``status`` is the HTTP status or None where no answer came; ``retry_after`` is in seconds where the server named a time.
    ``refused`` is True where the answer itself is unacceptable (a redirect, the wrong content): trying again cannot help, and
    the verdict is refused rather than undecided.
    """

    def __init__(
        self,
        wanted: str,
        *,
        happened: str,
        remedy: str,
        status: int | None = None,
        retry_after: float | None = None,
        refused: bool = False,
    ) -> None:
        self.status = status
        self.retry_after = retry_after
        self.refused = refused
        super().__init__(wanted, happened=happened, remedy=remedy)


class OfflineError(TransportError):
    """A document is needed that is neither in the cache nor given, and the network was ruled out."""


class StreamTruncated(TransportError):
    """A streamed answer ended without its terminator. What was received may mean the opposite of the whole."""
