"""A TOML table that is read key by key: every key is taken once with its type, and what is left over is unknown."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

from voltage_attest.errors import PolicyError
from voltage_attest.policy.locate import locate_keys
from voltage_attest.result import Location

__all__ = ["Table"]

_HEX: Final = re.compile(r"[0-9a-fA-F]*")
_DURATION: Final = re.compile(r"([0-9]{1,6})([smhd])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Table:
    """One table under its dotted name. Taking a key removes it; :meth:`finish` refuses what nobody took."""

    def __init__(self, found: dict[str, object], name: str, lines: Mapping[str, int], path: Path | None) -> None:
        self._found = dict(found)
        self._known: list[str] = []
        self._name = name
        self._lines = lines
        self._path = path

    @staticmethod
    def top(found: dict[str, object], text: str, path: Path | None) -> Table:
        """The whole file."""
        return Table(found, "", locate_keys(text), path)

    def __contains__(self, key: str) -> bool:
        return key in self._found

    def holds_table(self, key: str) -> bool:
        """Whether ``key`` is written as a table."""
        return isinstance(self._found.get(key), dict)

    def error(self, key: str | None, found: str, expected: str, remedy: str) -> PolicyError:
        """An error about ``key`` of this table (None: about the table itself)."""
        dotted = self._dotted(key) if key else self._name or None
        line = self._lines.get(dotted or "") or self._lines.get(self._name)
        return PolicyError(found, expected=expected, remedy=remedy, path=self._path, key=dotted, line=line)

    def location(self, key: str) -> Location | None:
        """Where ``key`` is written; None for a policy that came from no file."""
        if self._path is None:
            return None
        return Location(str(self._path), self._lines.get(self._dotted(key)))

    def locations(self) -> dict[str, Location]:
        """Where each key taken so far is written."""
        found = {key: self.location(key) for key in self._known}
        return {key: location for key, location in found.items() if location is not None}

    def take(self, key: str, kind: type, shape: str) -> object:
        """Take a mandatory key of that type; ``shape`` says in words what to write."""
        value = self.optional(key, kind, shape)
        if value is None:
            raise self.error(None, f"{self._dotted(key)} is missing", shape, f"Add {key} = {shape}.")
        return value

    def optional(self, key: str, kind: type, shape: str) -> object | None:
        """Take a key of that type, or return None where it is absent."""
        if key not in self._known:
            self._known.append(key)
        value = self._found.pop(key, None)
        if value is not None and type(value) is not kind:
            raise self.error(key, f"a TOML {_toml_name(value)}", shape, f"Write {key} = {shape}.")
        return value

    def text(self, key: str) -> str:
        """A mandatory, non-empty string."""
        value = self.take(key, str, '"text"')
        if not isinstance(value, str) or not value.strip():
            raise self.error(key, "an empty string", "text", f"Say what {key} is.")
        return value

    def optional_text(self, key: str, example: str) -> str | None:
        """A string that is not empty, or None where absent."""
        value = self.optional(key, str, f'"{example}"')
        if isinstance(value, str) and not value.strip():
            raise self.error(key, "an empty string", "text", f'Write {key} = "{example}", or remove it.')
        return None if value is None else str(value)

    def optional_date(self, key: str) -> date | None:
        """A day such as 2027-03-31, without time."""
        value = self.optional(key, date, "2027-03-31")
        return value if isinstance(value, date) and not isinstance(value, datetime) else None

    def optional_int(self, key: str) -> int | None:
        """A non-negative integer."""
        value = self.optional(key, int, "17")
        if isinstance(value, int) and value < 0:
            raise self.error(key, str(value), "0 or more", f"Write {key} = 17.")
        return value if isinstance(value, int) else None

    def optional_choice(self, key: str, choices: Sequence[str]) -> str | None:
        """One of the given words, or None where absent."""
        value = self.optional(key, str, f'"{choices[0]}"')
        return None if value is None else self._chosen(key, str(value), choices)

    def optional_choices(self, key: str, choices: Sequence[str]) -> frozenset[str] | None:
        """A list of some of the given words, or None where absent."""
        values = self.optional_texts(key, choices[0])
        return None if values is None else frozenset([self._chosen(key, value, choices) for value in values])

    def optional_duration(self, key: str, example: str) -> timedelta | None:
        """A positive duration such as 90s, 15m, 12h or 30d, or None where absent."""
        value = self.optional(key, str, f'"{example}"')
        if value is None:
            return None
        match = _DURATION.fullmatch(str(value))
        if match is None or not int(match[1]):
            raise self.error(key, repr(value), "a number with s, m, h or d", f'Write {key} = "{example}".')
        return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])

    def flag(self, key: str) -> bool:
        """A boolean; absent is false."""
        return self.optional(key, bool, "true") is True

    def optional_texts(self, key: str, example: str) -> tuple[str, ...] | None:
        """A list of distinct, non-empty strings with at least one member, or None where absent."""
        value = self.optional(key, list, f'["{example}"]')
        if value is None:
            return None
        members = value if isinstance(value, list) else []
        if not members:
            raise self.error(key, "an empty list", "at least one value", "List what is accepted.")
        for member in members:
            if not isinstance(member, str) or not member:
                raise self.error(key, f"a list holding {member!r}", "strings", f'Write {key} = ["{example}"].')
        counted = Counter([member.lower() for member in members])
        doubled = next((member for member, count in counted.items() if count > 1), None)
        if doubled is not None:
            raise self.error(key, f"{doubled} stands twice", "each value once", "Remove one of them.")
        return tuple(members)

    def hex_bytes(self, key: str, value: str, size: int) -> bytes:
        """The ``size`` bytes that ``value``, found under ``key``, writes in hex."""
        if len(value) != 2 * size or not _HEX.fullmatch(value):
            found = f"{value[:16]!r}... with {len(value)} characters" if len(value) > 16 else repr(value)
            raise self.error(
                key,
                found,
                f"{2 * size} hex digits ({size} bytes) without 0x",
                "Copy the whole value from `voltage-attest inspect`.",
            )
        return bytes.fromhex(value)

    def remaining(self) -> tuple[str, ...]:
        """The keys that are left to take, in the order of the file."""
        return tuple(self._found)

    def table(self, key: str) -> Table:
        """A mandatory sub-table."""
        value = self.take(key, dict, f"[{self._dotted(key)}]")
        return self._child(value, self._dotted(key))

    def tables(self, key: str) -> list[Table]:
        """An array of tables; absent is empty."""
        value = self.optional(key, list, f"[[{self._dotted(key)}]]")
        members = value if isinstance(value, list) else []
        for member in members:
            if not isinstance(member, dict):
                raise self.error(key, "a list of values", f"[[{self._dotted(key)}]]", "Write it as an array of tables.")
        return [self._child(member, f"{self._dotted(key)}.{number}") for number, member in enumerate(members)]

    def expect(self, *keys: str) -> None:
        """Say which keys this table may have, and refuse any other before a missing one is complained of."""
        self._known += [key for key in keys if key not in self._known]
        self._refuse(key for key in self._found if key not in keys)

    def finish(self) -> None:
        """Refuse the first key that nobody took, with the nearest known name."""
        self._refuse(self._found)

    def _chosen(self, key: str, value: str, choices: Sequence[str]) -> str:
        if value not in choices:
            near = difflib.get_close_matches(value, choices, 1)
            remedy = f'Did you mean "{near[0]}"?' if near else f'Write {key} = "{choices[0]}".'
            raise self.error(key, repr(value), f"one of {', '.join(choices)}", remedy)
        return value

    def _refuse(self, keys: Iterable[str]) -> None:
        for key in keys:
            near = difflib.get_close_matches(key, self._known, 1)
            remedy = f"Did you mean {near[0]}?" if near else "Remove it."
            raise self.error(key, f"the unknown key {key!r}", f"one of {', '.join(sorted(set(self._known)))}", remedy)

    def _child(self, value: object, name: str) -> Table:
        found = {str(key): member for key, member in value.items()} if isinstance(value, dict) else {}
        return Table(found, name, self._lines, self._path)

    def _dotted(self, key: str) -> str:
        return f"{self._name}.{key}" if self._name else key


def _toml_name(value: object) -> str:
    names = {str: "string", int: "integer", bool: "boolean", float: "float", list: "array", dict: "table"}
    return names.get(type(value), "date or time")
