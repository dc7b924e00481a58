"""Keccak-256 as Ethereum and dstack use it: the padding of the Keccak submission, not that of SHA-3.

``hashlib`` has SHA-3 only, and the two differ in one byte of padding (0x01 here, 0x06 there). For public values only: this is
not made to run in constant time.

Source: Keccak reference, version 3.0; FIPS 202, section 3.
"""

from __future__ import annotations

from typing import Final

__all__ = ["keccak_256"]

_RATE: Final = 136
_LANES: Final = 25
_MASK: Final = (1 << 64) - 1


def _round_constants() -> tuple[int, ...]:
    """Bits of a linear feedback shift register, placed at the powers of two less one."""
    state, constants = 1, []
    for _ in range(24):
        constant = 0
        for power in range(7):
            if state & 1:
                constant |= 1 << ((1 << power) - 1)
            state = (state << 1) ^ (0x171 if state & 0x80 else 0)
        constants.append(constant)
    return tuple(constants)


def _rotations() -> tuple[int, ...]:
    offsets, column, row = [0] * _LANES, 1, 0
    for step in range(24):
        offsets[column + 5 * row] = (step + 1) * (step + 2) // 2 % 64
        column, row = row, (2 * column + 3 * row) % 5
    return tuple(offsets)


_CONSTANTS: Final = _round_constants()
_ROTATIONS: Final = _rotations()


def keccak_256(data: bytes) -> bytes:
    """32 bytes."""
    return _sponge(data, 0x01)


def _sponge(data: bytes, padding: int) -> bytes:
    padded = bytearray(data) + bytes(_RATE - len(data) % _RATE)
    padded[len(data)] ^= padding
    padded[-1] ^= 0x80
    lanes = [0] * _LANES
    for start in range(0, len(padded), _RATE):
        for lane in range(_RATE // 8):
            lanes[lane] ^= int.from_bytes(padded[start + 8 * lane : start + 8 * lane + 8], "little")
        lanes = _permute(lanes)
    return b"".join([lane.to_bytes(8, "little") for lane in lanes[:4]])


def _permute(lanes: list[int]) -> list[int]:
    for constant in _CONSTANTS:
        columns = [lanes[x] ^ lanes[x + 5] ^ lanes[x + 10] ^ lanes[x + 15] ^ lanes[x + 20] for x in range(5)]
        mixed = [columns[x - 1] ^ _rotate(columns[(x + 1) % 5], 1) for x in range(5)]
        moved = [0] * _LANES
        for lane in range(_LANES):
            column, row = lane % 5, lane // 5
            moved[row + 5 * ((2 * column + 3 * row) % 5)] = _rotate(lanes[lane] ^ mixed[column], _ROTATIONS[lane])
        lanes = [
            moved[lane] ^ (~moved[lane - lane % 5 + (lane + 1) % 5] & moved[lane - lane % 5 + (lane + 2) % 5] & _MASK)
            for lane in range(_LANES)
        ]
        lanes[0] ^= constant
    return lanes


def _rotate(lane: int, bits: int) -> int:
    return (lane << bits | lane >> (64 - bits)) & _MASK
