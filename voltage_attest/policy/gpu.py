"""``[gpu]`` of a policy: how many devices, of which kind, with which software."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Final

from voltage_attest.limits import MAX_DEVICES
from voltage_attest.policy.model import HOLD_CHAINS, GpuPolicy
from voltage_attest.policy.table import Table
from voltage_attest.result import Location

__all__ = ["GPU_MODES", "NRAS_USES", "driver_order", "is_board", "read_gpu"]

GPU_MODES: Final = ("ppcie", "spt", "mpt")
"""As NVIDIA abbreviates them: protected PCIe, single GPU passthrough, multi GPU passthrough."""
NRAS_USES: Final = ("off", "accept", "require")
"""What is done with tokens of NVIDIA's remote attestation service; the last one alone asks for more than local verification."""

_KEYS: Final = (
    *("count", "chips", "boards", "switches", "modes", "min_driver", "min_vbios", "ueids", "measurements"),
    *("certificate_hold", "nras", "nras_intermediates", "unsafe_skip_rim", "unsafe_skip_revocation"),
)
_INDEXES: Final = 64
_DIGEST_SIZE: Final = 48
_SPKI_HASH_SIZE: Final = 32
_CHIP: Final = re.compile(r"GH100|GB[0-9]{3}")
_BOARD: Final = re.compile(r"[A-Za-z0-9.-]+(?:_[A-Za-z0-9.-]+){2}")
_DRIVER_NUMBERS: Final = 4
_DRIVER: Final = re.compile(r"[0-9]{1,5}(?:\.[0-9]{1,5}){0,3}")
_VBIOS: Final = re.compile(r"[0-9A-Fa-f]{2}(?:\.[0-9A-Fa-f]{2}){4}")
_UEID: Final = re.compile(r"[1-9][0-9]{0,48}")
"""The serial number of a certificate, of 20 bytes at most (RFC 5280, section 4.1.2.2), in decimal."""
_INDEX: Final = re.compile(r"0|[1-9][0-9]?")


def read_gpu(table: Table) -> GpuPolicy:
    """Read ``[gpu]``; ``count`` is required, and what contradicts itself does not load."""
    table.expect(*_KEYS)
    count, switches = _number(table, "count", 1), _number(table, "switches", 0)
    if count is None:
        raise table.error(
            None, "gpu.count is missing", "count = 8", "Say how many GPUs are rented: one more or less is refused."
        )
    chips = _names(table, "chips", "GH100", _CHIP, "GH100 is H100 and H200; Blackwell is GB and three digits.")
    boards = _names(table, "boards", "G520_0280_895", _BOARD, "Join project, project SKU and chip SKU by underscores.")
    modes = _modes(table, switches)
    measurements, places = _read_measurements(table)
    policy = GpuPolicy(
        count=count,
        chips=chips,
        boards=boards,
        switches=switches,
        modes=modes,
        min_driver=_version(table, "min_driver", "570.00", _DRIVER),
        min_vbios=_version(table, "min_vbios", "96.00.74.00.01", _VBIOS),
        ueids=_names(table, "ueids", "480920...", _UEID, "Write it in decimal, as `voltage-attest inspect` does."),
        measurements=MappingProxyType(measurements),
        accept_hold=_read_hold(table),
        nras=table.optional_choice("nras", NRAS_USES) or "off",
        nras_intermediates=frozenset(
            [
                table.hex_bytes("nras_intermediates", text, _SPKI_HASH_SIZE)
                for text in table.optional_texts("nras_intermediates", "<64 hex digits>") or ()
            ]
        ),
        unsafe_skip_rim=table.optional_text("unsafe_skip_rim", "why"),
        unsafe_skip_revocation=table.optional_text("unsafe_skip_revocation", "why"),
        locations=MappingProxyType(table.locations() | places),
    )
    table.finish()
    return policy


def is_board(text: str) -> bool:
    """Whether ``text`` has the shape of a board: a report may leave parts of it empty, and nothing is pinned to those."""
    return _BOARD.fullmatch(text) is not None


def driver_order(version: str) -> tuple[int, ...]:
    """The numbers of a driver version, for comparison: 570 and 570.00 are the same."""
    numbers = tuple([int(part) for part in version.split(".")])
    return numbers + (0,) * (_DRIVER_NUMBERS - len(numbers))


def _number(table: Table, key: str, least: int) -> int | None:
    number = table.optional_int(key)
    if number is not None and not least <= number <= MAX_DEVICES:
        raise table.error(key, str(number), f"a number from {least} to {MAX_DEVICES}", "Write how many are in the machine.")
    return number


def _names(table: Table, key: str, example: str, shape: re.Pattern[str], remedy: str) -> frozenset[str] | None:
    names = table.optional_texts(key, example)
    for name in names or ():
        if not shape.fullmatch(name):
            raise table.error(key, repr(name), f"a value like {example}", remedy)
    return None if names is None else frozenset(names)


def _modes(table: Table, switches: int | None) -> frozenset[str] | None:
    modes = table.optional_choices("modes", GPU_MODES)
    if switches and modes is not None and "ppcie" not in modes:
        raise table.error(
            "modes",
            f"{switches} switches, and modes without ppcie",
            "ppcie among gpu.modes",
            "Add ppcie, or set gpu.switches to 0: GPUs are grouped with switches in protected PCIe mode alone.",
        )
    return modes


def _version(table: Table, key: str, example: str, shape: re.Pattern[str]) -> str | None:
    text = table.optional_text(key, example)
    if text is not None and not shape.fullmatch(text):
        raise table.error(key, repr(text), f"a version like {example}", f'Write {key} = "{example}".')
    return None if text is None else text.upper()


def _read_measurements(table: Table) -> tuple[dict[int, frozenset[bytes]], dict[str, Location]]:
    """Accepted digests by RIM index, and where each is written where that is not the line of the key."""
    if "measurements" not in table:
        return {}, {}
    if not table.holds_table("measurements"):
        shape = f'{{ 35 = ["<{2 * _DIGEST_SIZE} hex digits>"] }}'
        raise table.error("measurements", "a value or a list", shape, f"Write measurements = {shape}.")
    pinned = table.table("measurements")
    pins: dict[int, frozenset[bytes]] = {}
    for key in pinned.remaining():
        if not _INDEX.fullmatch(key) or int(key) >= _INDEXES:
            raise pinned.error(
                key, f"the index {key!r}", f"a RIM index from 0 to {_INDEXES - 1}", "RIM indexes are SPDM indexes less one."
            )
        values = pinned.optional_texts(key, f"<{2 * _DIGEST_SIZE} hex digits>") or ()
        pins[int(key)] = frozenset([pinned.hex_bytes(key, value, _DIGEST_SIZE) for value in values])
    if not pins:
        raise table.error(
            "measurements", "an empty table", "at least one index", "Pin one by its RIM index, or remove the key."
        )
    return pins, {f"measurements.{key}": place for key, place in pinned.locations().items() if place.line is not None}


def _read_hold(table: Table) -> frozenset[str]:
    """``"refuse"``, ``"accept"``, or a table that says either of single chains."""
    words = ("refuse", "accept")
    if not table.holds_table("certificate_hold"):
        return frozenset(HOLD_CHAINS if table.optional_choice("certificate_hold", words) == "accept" else ())
    chains = table.table("certificate_hold")
    if not chains.remaining():
        raise table.error("certificate_hold", "an empty table", "a word for a chain", 'Write certificate_hold = "refuse".')
    accepted = frozenset([chain for chain in HOLD_CHAINS if chains.optional_choice(chain, words) == "accept"])
    chains.finish()
    return accepted
