"""One bounded GET or POST, decided without I/O: what may be asked, what is taken in of an answer, and whether to ask again.

The shells in :mod:`voltage_attest.collateral.http` move bytes and time; everything that is decided is decided here.

::

    HttpRequest ──► Exchange ──(attempt)──► Intake ──► HttpAnswer | Failure ──► Exchange.decide
                       ▲                                                          │
                       └────────────────── RetryAfter ◄───────────────────────────┼──► Accept, GiveUp

No text made here holds a header's value, a query, or a byte of a body: keys and nonces travel there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from voltage_attest.errors import FetchError

__all__ = [
    "OUT_OF_TIME",
    "Accept",
    "Decision",
    "Exchange",
    "Failure",
    "GiveUp",
    "HttpAnswer",
    "HttpRequest",
    "Intake",
    "Limits",
    "Post",
    "RetryAfter",
    "why_unusable_url",
]

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_URL: Final = re.compile(r"[!-~]+")
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE: Final = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_SECONDS: Final = re.compile(r"\d{1,9}", re.ASCII)
_HTML: Final = re.compile(rb"\s*<(?:!doctype\s+html|html)\b", re.IGNORECASE)
_MOST_SAID: Final = 60


def why_unusable_url(url: str) -> str | None:
    """Return why nothing is fetched from that address, or None if it may be: https, or http to this very machine.

    http is for simulators and a PCCS on the same host, and only to a literal loopback name (127.0.0.1, ::1, localhost).
    A user name or password in an address would end up in logs, so it is refused.
    """
    if not _URL.fullmatch(url):
        return "it holds spaces, control or non-ASCII characters"
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        return "host or port are malformed"
    faults = (
        (parts.scheme not in {"https", "http"}, "it does not begin with https://"),
        (not host, "it names no host"),
        (parts.username is not None or parts.password is not None, "it holds a user name or password"),
        ("#" in url, "it holds a fragment (#)"),
        (parts.scheme == "http" and host not in _LOOPBACK, "it is http, not https"),
    )
    return next((words for present, words in faults if present), None)


@dataclass(frozen=True, slots=True)
class Post:
    """The body of a POST, and its media type. ``may_be_repeated`` says that it only asks, as OCSP and NRAS requests do."""

    body: bytes = field(repr=False)
    content_type: str
    may_be_repeated: bool = False


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What to GET, or to POST; ValueError (without the header's value) where it could not be sent as it stands.

    ``what`` names the thing in errors ("the TDX TCB info of FMSPC 90c06f000000"). ``max_bytes`` bounds the answer's body.
    ``content_types`` are the media types accepted, lower case, without parameters; empty means any. ``headers`` are sent and
    never shown. With a ``post`` it is a POST, which is sent once unless it says that it may be repeated.
    """

    url: str
    what: str
    max_bytes: int
    content_types: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    post: Post | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        why = why_unusable_url(self.url)
        if why is not None:
            raise ValueError(f"{self.what}: the address cannot be used: {why}; expected https://. Correct the address.")
        body_type = () if self.post is None else (("Content-Type", self.post.content_type),)
        for name, value in (*body_type, *self.headers):
            if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
                shown = name if _HEADER_NAME.fullmatch(name) else "of malformed name"
                raise ValueError(
                    f"{self.what}: the header {shown} cannot be sent; expected one line of visible ASCII text. "
                    "Look for line breaks or blanks around a key."
                )

    @property
    def place(self) -> str:
        """Scheme, host and path: what may be shown of the address."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}{parts.path}"

    @property
    def method(self) -> str:
        """GET or POST."""
        return "GET" if self.post is None else "POST"

    @property
    def may_be_repeated(self) -> bool:
        """Whether asking again changes nothing but the answer."""
        return self.post is None or self.post.may_be_repeated


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A complete answer with status 200. Header names are lower case; ``elapsed`` is seconds from sending to the last byte."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    elapsed: float = 0.0

    def header(self, name: str) -> str | None:
        """The header's value, whatever the case of its name; several are joined with commas (RFC 9110, section 5.3)."""
        return self.headers.get(name.lower())


@dataclass(frozen=True, slots=True)
class Failure:
    """An attempt that brought nothing usable, in words that continue "https://host/path ...".

    ``transient`` means another attempt may help; ``refused``, that the answer itself is unacceptable.
    """

    happened: str
    remedy: str
    transient: bool = False
    refused: bool = False
    status: int | None = None
    retry_after: float | None = None


OUT_OF_TIME: Final = Failure("did not answer in full", "Try again later, or allow more time.", transient=True)
"""The attempt was cut off because the time allowed for the whole exchange was used up."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds and counts for one exchange; its total deadline is given with each request.

    ``connect`` and ``read`` bound one attempt's connection and each wait for bytes. Waits between attempts are drawn from 0 to
    ``backoff`` doubled each time up to ``longest_backoff`` ("full jitter"), or what ``Retry-After`` asks if that is longer.
    """

    connect: float = 5.0
    read: float = 15.0
    attempts: int = 4
    backoff: float = 0.5
    longest_backoff: float = 8.0


class Accept(NamedTuple):
    """Done."""

    answer: HttpAnswer


class RetryAfter(NamedTuple):
    """Ask again after so many seconds."""

    seconds: float


class GiveUp(NamedTuple):
    """Raise this."""

    error: FetchError


Decision = Accept | RetryAfter | GiveUp


class Exchange:
    """The state of one request: attempts made, time left. Pure: told the time (monotonic seconds), it never looks at a clock.

    ``draw`` yields numbers from 0 to 1 for the jitter.
    """

    def __init__(self, request: HttpRequest, limits: Limits, *, deadline: float, now: float, draw: Callable[[], float]) -> None:
        self.request = request
        self._limits = limits
        self._deadline = deadline
        self._ends = now + deadline
        self._draw = draw
        self._attempts = 0

    def time_left(self, now: float) -> float:
        """Seconds until the total deadline, not below 0."""
        return max(0.0, self._ends - now)

    def timeouts(self, now: float) -> tuple[float, float]:
        """(connect, read) seconds of the next attempt: their limits, or less where less time is left."""
        left = max(0.001, self.time_left(now))
        return min(self._limits.connect, left), min(self._limits.read, left)

    def decide(self, outcome: HttpAnswer | Failure, now: float) -> Decision:
        """Count the attempt and say what follows from its outcome."""
        self._attempts += 1
        if isinstance(outcome, HttpAnswer):
            return Accept(outcome)
        if not outcome.transient or not self.request.may_be_repeated:
            return self._give_up(outcome, "")
        left = self.time_left(now)
        ceiling = min(self._limits.longest_backoff, self._limits.backoff * 2.0 ** (self._attempts - 1))
        wait = max(self._draw() * ceiling, outcome.retry_after or 0.0)
        if self._attempts >= self._limits.attempts:
            return self._give_up(outcome, f", {self._attempts} times" if self._attempts > 1 else "")
        if wait >= left:
            asked = "" if outcome.retry_after is None else f" and asks to wait {outcome.retry_after:.0f} s"
            return self._give_up(outcome, f"{asked}; the {round(self._deadline, 1):g} s allowed for it do not suffice")
        return RetryAfter(wait)

    def _give_up(self, failure: Failure, circumstance: str) -> GiveUp:
        return GiveUp(
            FetchError(
                self.request.what,
                happened=f"{self.request.place} {failure.happened}{circumstance}",
                remedy=failure.remedy,
                status=failure.status,
                retry_after=failure.retry_after,
                refused=failure.refused,
            )
        )


class Intake:
    """Takes in one answer, chunk by chunk and never more than ``max_bytes``; says at the end what it is worth.

    ``headers`` as received; ``wall`` is the present in seconds since 1970, needed where ``Retry-After`` names a date and the
    answer itself none.
    """

    def __init__(self, request: HttpRequest, status: int, headers: Iterable[tuple[str, str]], *, wall: float) -> None:
        self._request = request
        self._status = status
        self._headers: dict[str, str] = {}
        for name, value in headers:
            key = name.lower()
            self._headers[key] = f"{self._headers[key]}, {value}" if key in self._headers else value
        self._failure = self._judge_head(wall)
        self._chunks: list[bytes] = []
        self._size = 0

    @property
    def wants_more(self) -> bool:
        """Whether the shell should go on reading: no body is read of an answer that will not be accepted."""
        return self._failure is None

    def feed(self, chunk: bytes) -> bool:
        """Take a piece of the body, and say whether to go on; Content-Length plays no part in the bound."""
        self._size += len(chunk)
        if self._size > self._request.max_bytes:
            self._failure = Failure(
                f"sent more than {self._request.max_bytes} bytes",
                "What is wanted is far smaller: check that the address is the right one.",
                refused=True,
                status=self._status,
            )
            self._chunks.clear()
            return False
        self._chunks.append(chunk)
        return True

    def finish(self, elapsed: float) -> HttpAnswer | Failure:
        """The body has ended: the answer, or why it is none."""
        if self._failure is not None:
            return self._failure
        body = b"".join(self._chunks)
        declared = self._headers.get("content-length", "")
        if _SECONDS.fullmatch(declared) and len(body) < int(declared):
            return cut_off()
        if not body:
            return Failure("sent an empty answer", "Try again later.", transient=True, status=self._status)
        if _HTML.match(body):
            return self._html()
        return HttpAnswer(self._status, self._headers, body, elapsed)

    def _judge_head(self, wall: float) -> Failure | None:
        if self._status != 200:
            return _judge_status(self._status, _retry_after(self._headers, wall))
        encoding = self._headers.get("content-encoding", "identity").strip().lower()
        if encoding != "identity":
            return Failure(
                "sent a compressed answer although none was asked for",
                "Switch compression off at the proxy or server in between.",
                refused=True,
                status=200,
            )
        media_type = self._headers.get("content-type", "").partition(";")[0].strip().lower()
        if not self._request.content_types or media_type in self._request.content_types:
            return None
        if media_type in {"text/html", "application/xhtml+xml"}:
            return self._html()
        found = "without a content type" if not media_type else f"of type {_media_type_in_words(media_type)}"
        return Failure(
            f"sent content {found}; expected {' or '.join(self._request.content_types)}",
            "Check that the address is the right one.",
            refused=True,
            status=200,
        )

    def _html(self) -> Failure:
        wanted = "JSON" if "application/json" in self._request.content_types else "the document"
        return Failure(
            f"sent an HTML page instead of {wanted}",
            "A login page, a proxy or a web site answers at this address: check it, and what stands in between.",
            refused=True,
            status=self._status,
        )


def cut_off() -> Failure:
    """The failure of an answer that ended before its end."""
    return Failure("sent an answer that breaks off in the middle", "Try again; the connection is unreliable.", transient=True)


def _media_type_in_words(media_type: str) -> str:
    """The media type where it has the shape of one: it is the one header whose value helps, and is never a secret."""
    known = re.fullmatch(r"[a-z]+/[a-z0-9.+-]+", media_type)
    return media_type if known and len(media_type) <= _MOST_SAID else "that is no media type"


def _judge_status(status: int, retry_after: float | None) -> Failure:
    """What a status other than 200 means (RFC 9110, section 15)."""
    if 300 <= status < 400:
        return Failure(
            f"answered {status}, a redirect, and redirects are not followed",
            "Give the address to which it leads, if you trust it.",
            refused=True,
            status=status,
        )
    if status == 429 or status >= 500:
        happened = "answered 429, too many requests" if status == 429 else f"answered {status}, an error of its own"
        return Failure(happened, "Try again later.", transient=True, status=status, retry_after=retry_after)
    if status >= 400:
        words, remedy = _CLIENT_ERRORS.get(status, ("", "Check the address and what is asked for."))
        return Failure(f"answered {status}{words}", remedy, status=status)
    return Failure(f"answered {status} where 200 was expected", "Check the address.", refused=True, status=status)


_CLIENT_ERRORS: Final = {
    400: (": it does not understand the request", "Check the values asked for."),
    401: (": it does not know the key, or none was sent", "Check the API key."),
    403: (": the key does not allow this, or a firewall is in between", "Check the API key and its rights."),
    404: (": there is nothing there", "Check the address and what is asked for."),
    407: (": the proxy asks for a password", "Give the proxy's address with what it demands."),
    410: (": it is no longer there", "Ask for something newer."),
}


def _retry_after(headers: Mapping[str, str], wall: float) -> float | None:
    """Seconds of ``Retry-After`` (RFC 9110, section 10.2.3); a date counts from the answer's own ``Date`` where it has one."""
    text = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    until = _http_date(text)
    if until is None:
        return None
    since = _http_date(headers.get("date", ""))
    return max(0.0, until - (wall if since is None else since))


def _http_date(text: str) -> float | None:
    from email.utils import parsedate_to_datetime  # slow to load, rarely needed

    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
