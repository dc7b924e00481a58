"""What the libraries below log is told without what it was about: no body, header, query or text of a server reaches a handler.

openai 2 logs every request's body at DEBUG, httpx every URL at INFO, httpcore the headers of every answer at DEBUG. A
``logging.Filter`` on each of their loggers lets pass the sentence, numbers and the names of methods, and withholds the rest.
It stays for the whole process once a gated client has been made, for other clients of these libraries too: a log that is safe
only for some of them is not safe.
"""

from __future__ import annotations

import logging
import re
from typing import Final
from urllib.parse import urlsplit

__all__ = ["LOGGERS", "keep_content_out_of_logs"]

_OPENAI: Final = (
    "",
    "._base_client",
    "._response",
    "._legacy_response",
    "._websocket_connection",
    ".audio.transcriptions",
    ".lib.parsing",
    ".resources.beta.realtime.realtime",
    ".resources.beta.responses.responses",
    ".resources.live.forks",
    ".resources.live.live",
    ".resources.live.sideband",
    ".resources.realtime.realtime",
    ".resources.realtime.translations.translations",
    ".resources.responses.responses",
    ".resources.uploads.uploads",
)
_HTTPCORE: Final = ("", ".connection", ".http11", ".http2", ".proxy", ".socks")
_TRANSPORT: Final = tuple(f"{library}{name}" for library in ("httpcore", "httpcore2") for name in _HTTPCORE)

LOGGERS: Final = (*(f"openai{name}" for name in _OPENAI), "httpx", "httpx2", *_TRANSPORT)
"""Every logger of the SDK and of the libraries that it sends with."""

_HARMLESS: Final = re.compile(r"[A-Z]{3,7}|HTTP/\d(\.\d)?")
_URL_TYPE: Final = "URL"
_WITHHELD: Final = "(withheld)"


class _WithoutContent(logging.Filter):
    """Lets every record pass, without what it was about."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Withhold the record's arguments, and of an exception all but its kind."""
        args = record.args
        if isinstance(args, tuple):
            record.args = tuple([_withhold(argument) for argument in args])
        elif args:
            record.args = {name: _withhold(value) for name, value in args.items()}
        if record.exc_info:
            kind = record.exc_info[0]
            record.msg = f"{record.msg} ({'an exception' if kind is None else kind.__name__})"
            record.exc_info = record.exc_text = record.stack_info = None
        return True


class _NameOnly(logging.Filter):
    """Lets of each record of httpcore pass which step it is about, its first word."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Cut the message after its first word."""
        record.msg, record.args = str(record.msg).partition(" ")[0], ()
        record.exc_info = record.exc_text = record.stack_info = None
        return True


def keep_content_out_of_logs() -> None:
    """Put the filters in place; nothing happens the second time."""
    for name in LOGGERS:
        logging.getLogger(name).addFilter(_NAME_ONLY if name in _TRANSPORT else _WITHOUT_CONTENT)


_WITHOUT_CONTENT: Final = _WithoutContent()
_NAME_ONLY: Final = _NameOnly()


def _withhold(argument: object) -> object:
    if argument is None or isinstance(argument, int | float):
        return argument
    if isinstance(argument, str) and _HARMLESS.fullmatch(argument):
        return argument
    if type(argument).__name__ == _URL_TYPE:  # of httpx or httpx2: what was asked, without what was asked about
        parts = urlsplit(str(argument))
        return f"{parts.scheme}://{parts.hostname}"
    return _WITHHELD
