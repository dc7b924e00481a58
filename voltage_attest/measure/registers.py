"""A register and what was extended into it."""

from __future__ import annotations

from dataclasses import dataclass

from voltage_attest.evidence.event_log import DIGEST_SIZE, sha384

__all__ = ["Measurement"]


@dataclass(frozen=True, slots=True)
class Measurement:
    """One RTMR (1 to 3): the digests extended into it in order (48 bytes each), each with what it is of."""

    register: int
    events: tuple[tuple[str, bytes], ...]

    @property
    def value(self) -> bytes:
        """What the register holds afterwards: 48 bytes."""
        value = bytes(DIGEST_SIZE)
        for _, digest in self.events:
            value = sha384(value + digest)
        return value
