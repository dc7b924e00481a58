"""JSON from outside, read strictly and with its text kept: every value knows where it stands in the document.

Hashes and signatures cover JSON exactly as it was sent, so what must be hashed, or handed on as received, is cut out of the
text and never serialised again. Refused at any depth: a key twice, NaN and infinities (``1e999`` among them), text that is not
Unicode (a lone surrogate), more than 64 levels, bytes that are not UTF-8.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final, NoReturn, TypeVar

from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.encoding import strict_base64

__all__ = ["JsonObject", "JsonView", "maybe", "parse_json"]

Given = TypeVar("Given")
Read = TypeVar("Read")

_MAX_DEPTH: Final = 64
"""Levels of nesting: no document read here has ten, and the decoder, which recurses, must not depend on the caller's depth."""

_SHOWN: Final = 60
_BLANK: Final = re.compile(r"[ \t\n\r]*")
_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")


class _RefusedError(ValueError):
    """What the decoder's hooks refuse, in words of ours."""


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        doubled = next(key for key, count in Counter([key for key, _ in pairs]).items() if count > 1)
        raise _RefusedError(f"the key {_shorten(doubled)} occurs twice")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise _RefusedError(f"the number {name}")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise _RefusedError(f"the number {text[:_SHOWN]}, which no float holds")
    return number


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite)
_MEASURE: Final = json.JSONDecoder()
"""Without hooks and so several times faster: for finding where a value ends in text that the strict decoder has accepted."""


def parse_json(data: bytes, what: str, *, limit: int) -> JsonView:
    """Read one JSON value of at most ``limit`` bytes in UTF-8, white space around it allowed.

    ``what`` names the document in errors, as in "the NEAR answer". :class:`EvidenceFormatError` on anything else.
    """
    if len(data) > limit:
        raise EvidenceFormatError(f"{what} has {len(data)} bytes", expected=f"at most {limit}")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise EvidenceFormatError(f"{what} is not text", expected="JSON in UTF-8", offset=error.start) from None
    start = _after_blank(text, 0)
    if text.startswith("<", start):
        raise EvidenceFormatError(
            f"{what} is HTML or XML",
            expected="JSON",
            remedy="A login page, an error page or a proxy answered: check address and credentials.",
        )
    value, end = _decode(text, start, what)
    if _deeper_than(value, _MAX_DEPTH):
        raise _too_deep(what)
    rest = _after_blank(text, end)
    if rest != len(text):
        raise EvidenceFormatError(f"{what} goes on after its end", expected="one JSON value and nothing else", offset=rest)
    return JsonView(text, start, end, value, what)


def _decode(text: str, start: int, what: str) -> tuple[object, int]:
    """The value that begins at ``start``, and where it ends."""
    try:
        value, end = _DECODER.raw_decode(text, start)
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except _RefusedError as error:
        raise EvidenceFormatError(f"{what} holds {error}", expected="every key once, and finite numbers") from None
    except UnicodeEncodeError:
        raise EvidenceFormatError(f"{what} holds half a surrogate pair", expected="Unicode text") from None
    except RecursionError:
        raise _too_deep(what) from None
    except json.JSONDecodeError as error:
        raise EvidenceFormatError(f"{what} is not JSON ({error.msg})", expected="one JSON value", offset=error.pos) from None
    except ValueError:  # an integer with more digits than Python converts
        raise EvidenceFormatError(f"{what} holds a number of thousands of digits", expected="shorter numbers") from None
    return value, end


@dataclass(frozen=True, slots=True)
class JsonView:
    """One value of a document: ``text[start:end]`` as received, ``value`` as Python reads it, ``where`` for errors."""

    text: str
    start: int
    end: int
    value: object
    where: str

    @property
    def raw(self) -> str:
        """The value's own text, exactly as received."""
        return self.text[self.start : self.end]

    def as_object(self) -> JsonObject:
        """An object."""
        if not isinstance(self.value, dict):
            raise self.wrong("an object")
        members: dict[str, JsonView] = {}
        position = _after_blank(self.text, self.start + 1)
        while self.text[position] != "}":
            key, position = _MEASURE.raw_decode(self.text, position)
            start = _after_blank(self.text, _after_blank(self.text, position) + 1)
            _, end = _MEASURE.raw_decode(self.text, start)
            members[key] = JsonView(self.text, start, end, self.value[key], f"{self.where}: {_named(key)}")
            position = _after_comma(self.text, end)
        return JsonObject(self.where, members)

    def as_list(self, limit: int) -> tuple[JsonView, ...]:
        """A list of at most ``limit`` members."""
        if not isinstance(self.value, list) or len(self.value) > limit:
            raise self.wrong(f"a list of at most {limit} members")
        elements: list[JsonView] = []
        position = _after_blank(self.text, self.start + 1)
        while self.text[position] != "]":
            _, end = _MEASURE.raw_decode(self.text, position)
            number = len(elements)
            elements.append(JsonView(self.text, position, end, self.value[number], f"{self.where}[{number}]"))
            position = _after_comma(self.text, end)
        return tuple(elements)

    def as_text(self, limit: int | None = None) -> str:
        """A string, of at most ``limit`` characters where a limit is given."""
        if not isinstance(self.value, str) or (limit is not None and len(self.value) > limit):
            raise self.wrong("a string" if limit is None else f"a string of at most {limit} characters")
        return self.value

    def as_bool(self) -> bool:
        """True or false."""
        if not isinstance(self.value, bool):
            raise self.wrong("true or false")
        return self.value

    def as_hex(self, *sizes: int, prefix: bool = False) -> bytes:
        """Hex digits, upper or lower case, of as many bytes as one of ``sizes``; ``prefix`` allows ``0x`` before them."""
        if isinstance(self.value, str):
            digits = self.value.removeprefix("0x") if prefix else self.value
            if re.fullmatch(r"(?:[0-9a-fA-F]{2})+", digits) and len(digits) // 2 in sizes:
                return bytes.fromhex(digits)
        raise self.wrong(f"{' or '.join(str(2 * size) for size in sizes)} hex digits")

    def as_base64(self) -> bytes:
        """Padded, canonical base64 (RFC 4648, section 4) without line breaks."""
        if isinstance(self.value, str) and self.value.isascii():
            try:
                return strict_base64(self.value.encode("ascii"), self.where)
            except EvidenceFormatError:
                pass
        raise self.wrong("base64, padded and without line breaks")

    def as_json_text(self) -> str:
        """JSON handed on as text: an object or list as it stands, or the content of a string that holds one."""
        if isinstance(self.value, str):
            return self.value
        if isinstance(self.value, dict | list):
            return self.raw
        raise self.wrong("an object, a list, or JSON in a string")

    def wrong(self, expected: str) -> EvidenceFormatError:
        """Say that this value is not what was expected here."""
        return EvidenceFormatError(f"{self.where} is {_describe(self.value)}", expected=expected)


@dataclass(frozen=True, slots=True)
class JsonObject:
    """The members of an object, by key. A member that is null counts as absent."""

    where: str
    members: Mapping[str, JsonView]

    def optional(self, key: str) -> JsonView | None:
        """The member, or None where it is absent or null."""
        view = self.members.get(key)
        return None if view is None or view.value is None else view

    def required(self, key: str) -> JsonView:
        """The member; :class:`EvidenceFormatError` where it is absent or null."""
        view = self.optional(key)
        if view is None:
            held = ", ".join(_shorten(name) for name in list(self.members)[:8]) or "nothing"
            raise EvidenceFormatError(f"{self.where} has no {key!r} (it holds {held})", expected=f"a member {key!r}")
        return view

    def unknown(self, known: Collection[str]) -> tuple[str, ...]:
        """A warning for every key outside ``known``, at most eight."""
        foreign = [key for key in self.members if key not in known]
        named = [f"{self.where}: the unknown key {_shorten(key)} was ignored" for key in foreign[:8]]
        return (
            (*named, f"{self.where}: {len(foreign) - 8} more unknown keys were ignored") if len(foreign) > 8 else tuple(named)
        )

    def refuse_unknown(self, known: Collection[str]) -> None:
        """:class:`EvidenceFormatError` on a key outside ``known``: for documents whose whole meaning is ours."""
        for key in self.members:
            if key not in known:
                raise EvidenceFormatError(f"{self.where} has the key {_shorten(key)}", expected=f"only {', '.join(known)}")


def maybe(value: Given | None, read: Callable[[Given], Read]) -> Read | None:
    """Read the value if there is one."""
    return None if value is None else read(value)


def _deeper_than(value: object, levels: int) -> bool:
    containers = [value]
    for _ in range(levels):
        groups = [list(outer.values()) if isinstance(outer, dict) else outer for outer in containers]
        members = [inner for group in groups if isinstance(group, list) for inner in group]
        containers = [inner for inner in members if isinstance(inner, dict | list)]
        if not containers:
            return False
    return True


def _too_deep(what: str) -> EvidenceFormatError:
    return EvidenceFormatError(f"{what} is nested too deeply", expected=f"at most {_MAX_DEPTH} levels")


def _after_blank(text: str, position: int) -> int:
    match = _BLANK.match(text, position)
    return position if match is None else match.end()


def _after_comma(text: str, position: int) -> int:
    """Past the comma that separates members, or at the bracket that ends them."""
    position = _after_blank(text, position)
    return _after_blank(text, position + 1) if text[position] == "," else position


def _named(key: str) -> str:
    return key if key.isidentifier() and len(key) <= _SHOWN else _shorten(key)


def _shorten(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")


def _describe(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, str):
        return (
            f"the text {_shorten(value)}" if len(value) <= _SHOWN else f"a text of {len(value)} characters, {_shorten(value)}"
        )
    if isinstance(value, list):
        return f"a list of {len(value)} members"
    return "an object" if isinstance(value, dict) else _shorten(json.dumps(value)).strip("'")
