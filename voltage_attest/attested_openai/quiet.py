"""Errors of the SDK without what servers and models said: they may repeat the prompt, and exceptions end up in logs.

The server's words stay where a program can ask for them (``error.body``), and leave the text.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar, get_args, get_origin

import openai
from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError

__all__ = ["QuietAsyncStream", "QuietStream", "quiet_error", "quiet_stream_class", "quietly"]

_Item = TypeVar("_Item")
_WORD: Final = re.compile(r"[a-z][a-z0-9_]{1,39}")


def quiet_error(error: Exception) -> Exception:
    """The same error, or one of its kind, whose text repeats nothing of request or answer."""
    if isinstance(error, openai.APIError):
        words = [word for word in (error.type, error.code) if isinstance(word, str) and _WORD.fullmatch(word)]
        status = f"Error code: {error.status_code}" if isinstance(error, openai.APIStatusError) else "The answer is an error"
        kinds = f" ({', '.join(words)})" if words else ""
        error.message = f"{status}{kinds}. What the server says may repeat the prompt; it is in `.body`, and not shown."
        error.args = (error.message,)
        return error
    if isinstance(error, ValidationError):
        details = [
            InitErrorDetails(type=PydanticCustomError(row["type"], "the answer does not fit; it is not shown"), input=None)
            for row in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        return ValidationError.from_exception_data(error.title, details, hide_input=True)
    return error


@contextmanager
def quietly() -> Iterator[None]:
    """Make every error of the SDK that leaves the block quiet; an APIConnectionError is, and keeps its cause."""
    try:
        yield
    except openai.APIConnectionError:
        raise
    except (openai.APIError, ValidationError) as error:
        raise quiet_error(error) from None


class QuietStream(openai.Stream[_Item]):
    """The SDK's stream, whose errors are quiet."""

    def __next__(self) -> _Item:
        with quietly():
            return super().__next__()

    def __iter__(self) -> Iterator[_Item]:
        with quietly():
            yield from super().__iter__()


class QuietAsyncStream(openai.AsyncStream[_Item]):
    """The SDK's asynchronous stream, whose errors are quiet."""

    async def __anext__(self) -> _Item:
        with quietly():
            return await super().__anext__()

    async def __aiter__(self) -> AsyncIterator[_Item]:
        with quietly():
            async for item in super().__aiter__():
                yield item


def quiet_stream_class(given: Any) -> Any:
    """The quiet counterpart of ``Stream[X]`` or ``AsyncStream[X]``; whatever else is given, as it is."""
    counterparts: dict[object, Callable[..., Any]] = {openai.Stream: QuietStream, openai.AsyncStream: QuietAsyncStream}
    quiet: Any = counterparts.get(get_origin(given))
    return given if quiet is None else quiet[get_args(given)]
