"""The one place where evidence is sliced: every length is checked before a byte is taken.

Python's slices clamp silently (``b"ab"[:9] == b"ab"``), so a declared length that runs past the input would yield
short fields instead of an error. Nothing in :mod:`voltage_attest.evidence` slices input by a declared length itself.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from voltage_attest.errors import EvidenceFormatError

__all__ = ["Cursor"]

_U16: Final = Struct("<H")
_U32: Final = Struct("<I")


class Cursor:
    """A read position inside ``data[start:end]``. Integers are unsigned; ``what`` names the structure in errors."""

    __slots__ = ("_data", "_end", "_what", "position")

    def __init__(self, data: bytes, what: str, start: int = 0, end: int | None = None) -> None:
        self._data = data
        self._what = what
        self._end = len(data) if end is None else end
        self.position = start
        if not 0 <= start <= self._end <= len(data):
            raise RuntimeError(f"cursor over {what}: {start}..{self._end} of {len(data)} bytes")

    @property
    def remaining(self) -> int:
        """Bytes not yet taken."""
        return self._end - self.position

    def take(self, size: int, field: str) -> bytes:
        """Take exactly ``size`` bytes; :class:`EvidenceFormatError` if fewer remain."""
        start = self.position
        stop = start + size
        if stop > self._end:
            raise EvidenceFormatError(
                f"{self._what}: {field} needs {size} bytes at offset {start}, {self._end - start} are left",
                expected="a complete structure",
                offset=start,
            )
        self.position = stop
        return self._data[start:stop]

    def u8(self, field: str) -> int:
        """One byte."""
        return self.take(1, field)[0]

    def u16(self, field: str) -> int:
        """Two bytes, little-endian."""
        number: int = _U16.unpack(self.take(2, field))[0]
        return number

    def u32(self, field: str) -> int:
        """Four bytes, little-endian."""
        number: int = _U32.unpack(self.take(4, field))[0]
        return number

    def nested(self, size: int, what: str) -> Cursor:
        """A cursor over the next ``size`` bytes, which are thereby taken; its owner must :meth:`finish` it."""
        start = self.position
        self.take(size, what)
        return Cursor(self._data, what, start, start + size)

    def finish(self) -> None:
        """Require that nothing is left: nesting is exact or it is refused."""
        if self.position != self._end:
            raise EvidenceFormatError(
                f"{self._what}: {self._end - self.position} bytes are left over at offset {self.position}",
                expected="lengths that nest exactly",
                offset=self.position,
            )
