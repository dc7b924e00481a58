"""JSON from outside, read strictly: no duplicate keys, no NaN, no surprises of type.

A field is taken out with the type and range it must have; whatever does not fit is a :class:`CollateralFormatError` that names
the document and the key.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final, NoReturn

from voltage_attest.errors import CollateralFormatError

__all__ = [
    "JsonObject",
    "parse_strict_json",
    "take_hex",
    "take_int",
    "take_list",
    "take_object",
    "take_text",
    "take_time",
]

JsonObject = dict[str, object]

_TIME: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")


class _DuplicateKeyError(ValueError):
    pass


def _unique(pairs: list[tuple[str, object]]) -> JsonObject:
    found = dict(pairs)
    if len(found) != len(pairs):
        counted = Counter([key for key, _ in pairs])
        raise _DuplicateKeyError(next(key for key, count in counted.items() if count > 1))
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"the number {name}")


def _refuse_infinity(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"the number {text[:40]}")
    return number


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_refuse_infinity)
_LENIENT: Final = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_refuse_infinity)
"""The same, but of a key that occurs twice the last value is kept."""

KnownParts = Callable[[JsonObject], tuple[list[object], Iterable[str]]]
"""Objects of a document, each named once, and texts in them that hold colons; any LookupError or TypeError if it has others."""


def parse_strict_json(text: str | bytes, document: str, known: KnownParts | None = None) -> JsonObject:
    """Read one JSON object (UTF-8); duplicate keys at any depth, NaN and infinities are refused.

    ``known`` makes that faster for documents whose objects it can name: see :func:`_is_accounted_for`.
    """
    try:
        text = text.decode("utf-8") if isinstance(text, bytes) else text
        if known is not None and "\\" not in text:
            lenient = _LENIENT.decode(text)
            if isinstance(lenient, dict) and _is_accounted_for(text, lenient, known):
                return lenient
        parsed = _DECODER.decode(text)
    except _DuplicateKeyError as error:
        raise _malformed(document, f"the key {str(error)!r} occurs twice", "every key once") from None
    except RecursionError:
        raise _malformed(document, "JSON nested too deeply", "a document of Intel's shape") from None
    except ValueError as error:
        raise _malformed(document, f"not JSON ({error})", "JSON in UTF-8") from None
    if not isinstance(parsed, dict):
        raise _malformed(document, f"a JSON {type(parsed).__name__}", "a JSON object")
    return parsed


def _is_accounted_for(text: str, parsed: JsonObject, known: KnownParts) -> bool:
    """Whether every colon of ``text`` stands behind a key that was kept, or in a string that was: then no key was dropped.

    For text without a backslash, whose strings therefore stand in it as they were read. For whatever ``known`` leaves out, a
    colon too few is counted, so the answer errs on the side of the strict reading.
    """
    try:
        objects, texts = known(parsed)
        colons = "".join(texts).count(":")
    except (LookupError, TypeError, AttributeError):
        return False
    return {*map(type, objects)} == {dict} and sum(map(len, objects)) + colons == text.count(":")  # type: ignore[arg-type]


def take_text(found: JsonObject, key: str, document: str) -> str:
    """A string."""
    value = found.get(key)
    if not isinstance(value, str):
        raise _wrong(document, key, value, "a string")
    return value


def take_int(found: JsonObject, key: str, document: str, limit: int) -> int:
    """An integer from 0 to ``limit``; neither a boolean nor a float."""
    value = found.get(key)
    if type(value) is not int or not 0 <= value <= limit:
        raise _wrong(document, key, value, f"an integer from 0 to {limit}")
    return value


def take_object(found: JsonObject, key: str, document: str) -> JsonObject:
    """An object."""
    value = found.get(key)
    if not isinstance(value, dict):
        raise _wrong(document, key, value, "an object")
    return value


def take_list(found: JsonObject, key: str, document: str, limit: int) -> list[object]:
    """A list of 1 to ``limit`` members."""
    value = found.get(key)
    if not isinstance(value, list) or not 1 <= len(value) <= limit:
        raise _wrong(document, key, value, f"a list of 1 to {limit} members")
    return value


def take_hex(found: JsonObject, key: str, document: str, size: int) -> bytes:
    """Hex text, upper or lower case, of exactly ``size`` bytes."""
    value = found.get(key)
    if isinstance(value, str) and len(value) == 2 * size:
        try:
            octets = bytes.fromhex(value)
        except ValueError:
            octets = b""
        if len(octets) == size:  # fromhex skips white space: a text with any comes out short
            return octets
    raise _wrong(document, key, value, f"{2 * size} hex digits")


def take_time(found: JsonObject, key: str, document: str) -> datetime:
    """A time in UTC as Intel writes it, ``2026-10-08T00:09:46Z``."""
    value = found.get(key)
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise _wrong(document, key, value, "a time like 2026-10-08T00:09:46Z")
    try:
        return datetime.fromisoformat(value)  # Z is read as UTC
    except ValueError:
        raise _wrong(document, key, value, "a time that exists") from None


def _wrong(document: str, key: str, value: object, expected: str) -> CollateralFormatError:
    shown = "is absent" if value is None else f"is {repr(value)[:80]}"
    return _malformed(document, f"{key} {shown}", expected)


def _malformed(document: str, found: str, expected: str) -> CollateralFormatError:
    return CollateralFormatError(f"{document}: {found}", expected=expected, document=document)
