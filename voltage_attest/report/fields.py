"""JSON of a result, read strictly: every key once, none absent, none unknown, each value of its type and range."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Final, NoReturn

from voltage_attest.errors import ResultFormatError

__all__ = ["Fields", "parse_object", "result_format_error"]

_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{6})?Z")
_HEX: Final = re.compile(r"(?:[0-9a-f]{2})*")
_REMEDY: Final = "Render the result again with the version of voltage-attest that made it; do not edit it."

_NAMES: Final = {dict: "an object", list: "a list", str: "text", bool: "a boolean", int: "an integer", float: "a fraction"}


def result_format_error(found: str, expected: str) -> ResultFormatError:
    """The one error of this reader."""
    return ResultFormatError(f"result: {found}", expected=expected, remedy=_REMEDY)


def parse_object(text: str | bytes) -> Fields:
    """Read one JSON object (UTF-8); duplicate keys at any depth, NaN and infinities are refused."""
    try:
        text = text.decode("utf-8") if isinstance(text, bytes) else text
        found = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except RecursionError:
        raise result_format_error("JSON nested too deeply", "a rendered result") from None
    except ValueError as error:
        raise result_format_error(f"not JSON ({error})", "JSON in UTF-8") from None
    if not isinstance(found, dict):
        raise result_format_error(f"{_name(found)} at the top", "an object")
    return Fields(found, "")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"the number {name}")


class Fields:
    """One object under its dotted name. Taking a key removes it; :meth:`finish` refuses what nobody took.

    Every key must be there; a method named ``optional_*`` accepts null.
    """

    __slots__ = ("_found", "_name")

    def __init__(self, found: dict[str, object], name: str) -> None:
        self._found = dict(found)
        self._name = name

    def text(self, key: str) -> str:
        """A string."""
        value = self._take(key)
        if not isinstance(value, str):
            raise self.error(key, _name(value), "text")
        return value

    def optional_text(self, key: str) -> str | None:
        """A string or null."""
        return None if self._skip_null(key) else self.text(key)

    def number(self, key: str, least: int = 0) -> int:
        """An integer of at least ``least``; neither a boolean nor a fraction."""
        value = self._take(key)
        if type(value) is not int or value < least:
            raise self.error(key, f"{value}"[:40] if type(value) is int else _name(value), f"an integer from {least} on")
        return value

    def optional_number(self, key: str, least: int = 0) -> int | None:
        """An integer or null."""
        return None if self._skip_null(key) else self.number(key, least)

    def flag(self, key: str) -> bool:
        """A boolean."""
        value = self._take(key)
        if not isinstance(value, bool):
            raise self.error(key, _name(value), "true or false")
        return value

    def optional_flag(self, key: str) -> bool | None:
        """A boolean or null."""
        return None if self._skip_null(key) else self.flag(key)

    def hex(self, key: str, size: int) -> str:
        """Lower-case hex of exactly ``size`` bytes."""
        value = self.text(key)
        if len(value) != 2 * size or not _HEX.fullmatch(value):
            raise self.error(key, f"{value[:40]!r}", f"{2 * size} lower-case hex digits")
        return value

    def optional_hex(self, key: str, size: int) -> str | None:
        """The same, or null."""
        return None if self._skip_null(key) else self.hex(key, size)

    def time(self, key: str) -> datetime:
        """A time in UTC (RFC 3339, ``Z``), to the second or microsecond."""
        value = self.text(key)
        if not _TIME.fullmatch(value):
            raise self.error(key, f"{value[:40]!r}", "a time like 2026-10-08T00:09:46Z")
        try:
            return datetime.fromisoformat(value).astimezone(UTC)
        except ValueError:
            raise self.error(key, f"{value!r}", "a time that exists") from None

    def optional_time(self, key: str) -> datetime | None:
        """The same, or null."""
        return None if self._skip_null(key) else self.time(key)

    def member(self, key: str) -> Fields:
        """An object."""
        return self._as_fields(key, self._take(key))

    def optional_member(self, key: str) -> Fields | None:
        """An object or null."""
        return None if self._skip_null(key) else self.member(key)

    def members(self, key: str) -> list[Fields]:
        """A list of objects."""
        return [self._as_fields(f"{key}[{number}]", value) for number, value in enumerate(self._list(key))]

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings."""
        values = self._list(key)
        texts = tuple([value for value in values if isinstance(value, str)])
        if len(texts) != len(values):
            raise self.error(key, "a list that holds other than text", "a list of text")
        return texts

    def finish(self) -> None:
        """Refuse whatever nobody took."""
        for key in self._found:
            raise self.error(key, "an unknown key", "only the keys of this version's schema")

    def error(self, key: str, found: str, expected: str) -> ResultFormatError:
        """An error about ``key``."""
        dotted = f"{self._name}.{key}" if self._name else key
        return result_format_error(f"{dotted[:80]!r} is {found}", expected)

    def _take(self, key: str) -> object:
        if key not in self._found:
            raise self.error(key, "absent", "every key of this version's schema")
        return self._found.pop(key)

    def _skip_null(self, key: str) -> bool:
        if key in self._found and self._found[key] is None:
            del self._found[key]
            return True
        return False

    def _list(self, key: str) -> list[object]:
        value = self._take(key)
        if not isinstance(value, list):
            raise self.error(key, _name(value), "a list")
        return value

    def _as_fields(self, key: str, value: object) -> Fields:
        if not isinstance(value, dict):
            raise self.error(key, _name(value), "an object")
        return Fields(value, f"{self._name}.{key}" if self._name else key)


def _name(value: object) -> str:
    return _NAMES.get(type(value), "null")
