"""What is done to each request before the SDK builds it, and what is told to the layers below while it is sent."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, cast

from openai import Omit

from voltage_attest.attested_openai.errors import GateRefused
from voltage_attest.gate.request_rules import NAMED_MODEL
from voltage_attest.gate.stream_hooks import EXPECTS_EVENTS

__all__ = ["ALWAYS_SET", "outgoing"]

ALWAYS_SET: Final = ("confidential", "no_log")
"""Members of every JSON body, always true: run in the attested TD only, and keep nothing."""

_FORM: Final = "multipart/form-data"


@contextmanager
def outgoing(options: Any, *, stream: bool) -> Iterator[Any]:
    """The SDK's request options as they may go out; within the block the gate knows which model and kind of answer is asked.

    :class:`GateRefused` where a JSON body would switch off what is always set, or cannot carry it.
    """
    prepared = copy.copy(options)
    body = _body_of(prepared)
    if body is not None and not _is_form(prepared):
        prepared.extra_json = {**(prepared.extra_json or {}), **_always_set(body)}
    model = None if body is None else body.get("model")
    tokens = NAMED_MODEL.set(model if isinstance(model, str) else None), EXPECTS_EVENTS.set(stream)
    try:
        yield prepared
    finally:
        EXPECTS_EVENTS.reset(tokens[1])
        NAMED_MODEL.reset(tokens[0])


def _body_of(options: Any) -> Mapping[str, object] | None:
    """The members of the body, as the SDK will merge them; None where there is no body, or one declared not to be JSON."""
    given, extra = options.json_data, options.extra_json
    if given is None and extra is None:
        content = getattr(options, "content", None)
        if content is not None and not _is_declared_otherwise(options):
            raise _refused("a body of bytes that is not declared to be anything else than JSON")
        return None
    if given is not None and not isinstance(given, Mapping):
        raise _refused("a JSON body that is no object")
    return {**cast("Mapping[str, object]", given or {}), **(extra or {})}


def _always_set(body: Mapping[str, object]) -> dict[str, object]:
    for name in ALWAYS_SET:
        if body.get(name, True) is not True:
            raise GateRefused(
                f"a request that sets {name} to something else than true",
                expected=f"{name} to be true, which it always is",
                remedy="Remove it from extra_body; where data may be kept, use a client that is not gated.",
            )
    return dict.fromkeys(ALWAYS_SET, True)


def _headers_of(options: Any) -> dict[str, object]:
    return dict(options.headers) if isinstance(options.headers, Mapping) else {}


def _content_type(options: Any) -> str | None:
    """The content type that the caller asked for; None if that is the client's default, JSON."""
    for name, value in _headers_of(options).items():
        if name.lower() == "content-type" and not isinstance(value, Omit):
            return str(value).lower()
    return None


def _is_form(options: Any) -> bool:
    return bool(options.files) or (_content_type(options) or "").startswith(_FORM)


def _is_declared_otherwise(options: Any) -> bool:
    declared = _content_type(options)
    return declared is not None and "json" not in declared


def _refused(found: str) -> GateRefused:
    return GateRefused(
        found,
        expected=f"a JSON object, which can carry {' and '.join(ALWAYS_SET)}",
        remedy="Send an object, or name the content type of what is no JSON.",
    )
