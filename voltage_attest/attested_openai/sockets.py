"""Websockets are refused: they are connections of another library, which no pin guards and no record announces.

Every resource of the SDK that offers one does so by a method ``connect``, and reads ``client.websocket_base_url`` before it
connects. Both are barred; a test walks the installed SDK for others.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar

from voltage_attest.attested_openai.errors import GateRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["copying", "refuse_websocket", "refuse_websockets", "websocket_base_url"]

_Resource = TypeVar("_Resource")
_COPYING: ContextVar[bool] = ContextVar("voltage_attest_copying_a_client", default=False)
_VIEWS: Final = frozenset({"with_raw_response", "with_streaming_response"})


def refuse_websocket(*_: object, **__: object) -> NoReturn:
    """Stand for every way to open one."""
    raise GateRefused(
        "a websocket",
        expected="plain HTTP requests, streaming ones included",
        remedy="Use responses.create(stream=True) or chat.completions.create(stream=True): a websocket runs over a connection "
        "of another library, on which the attested key is not checked and no request is written to the audit log.",
    )


def refuse_websockets(resource: _Resource) -> _Resource:
    """The same resource, on which and below which ``connect`` refuses."""
    if hasattr(resource, "connect"):
        resource.connect = refuse_websocket
    for name in dir(type(resource)):
        if name not in _VIEWS and isinstance(getattr(type(resource), name), cached_property):
            refuse_websockets(getattr(resource, name))
    return resource


def websocket_base_url() -> None:
    """What a client says when asked where its websockets go: it refuses, unless the SDK asks while it copies the client."""
    if not _COPYING.get():
        refuse_websocket()


@contextmanager
def copying() -> Iterator[None]:
    """A block in which the SDK copies a client."""
    token = _COPYING.set(True)
    try:
        yield
    finally:
        _COPYING.reset(token)
