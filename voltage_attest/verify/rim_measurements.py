"""Measurements against golden values: those of the driver's and the firmware's manifest together, index by index.

RIM index = SPDM index - 1. Every active index of either manifest is compared; none may be active in both. Index 35 (the NVDEC0
engine) is compared whether the report calls the engine enabled or not: NVIDIA's C++ verifier skips it when the report says
disabled, and its Python verifier, by an oversight, never does. Comparing always is the stricter of the two and holds on real
reports, since manifests list an alternative for either state.

Sources: NVIDIA nvtrust ``verifier.py``; attestation-sdk 2.0.0 ``gpu/verify.cpp`` (``compare_opaque_data``,
``check_opaque_records_conflict``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from voltage_attest.collateral.rim_content import GoldenMeasurement, MinimumSvn, RimContent
from voltage_attest.result import Finding, failed, passed

__all__ = ["OpaqueField", "judge_measurements"]

_MIN_SVN_TYPE: Final = 0x87
"""The value type of a security version number in versioned opaque data ("NVIDIA Opaque Data Format")."""
_SVN_SIZE: Final = 2
_SHOWN: Final = 4
"""Mismatches shown with both values; the others are named by index."""


class OpaqueField(NamedTuple):
    """A field of versioned opaque data as reported: its value type and its bytes (numbers little-endian)."""

    value_type: int
    data: bytes


class _Mismatch(NamedTuple):
    """``where`` names index and manifest; ``expected`` and ``actual`` are the two values."""

    where: str
    expected: str
    actual: str


def judge_measurements(
    manifests: Sequence[tuple[str, RimContent]], measured: Mapping[int, bytes], opaque: Mapping[int, OpaqueField]
) -> Finding:
    """Compare all golden values of ``manifests`` (name and content) with what was measured.

    ``measured``: SPDM index (1 to 64) to value, 48 bytes each; ``opaque``: type to field, empty where the report has
    legacy opaque data. Measurements that no manifest lists are not judged.
    """
    conflicts = _conflicts(manifests)
    if conflicts:
        return failed(
            expected="each index active in one manifest",
            actual="; ".join(conflicts[:_SHOWN]),
            reason="the manifests contradict each other, so neither value can be relied on",
        )
    mismatches = [
        mismatch
        for name, content in manifests
        for mismatch in (
            *[_compare(name, golden, measured.get(golden.index + 1)) for golden in content.measurements],
            *[_compare_svn(name, floor, opaque.get(floor.opaque_type)) for floor in content.minimum_svns],
        )
        if mismatch is not None
    ]
    count = sum(len(content.measurements) + len(content.minimum_svns) for _, content in manifests)
    if not mismatches:
        shares = ", ".join(f"{len(content.measurements) + len(content.minimum_svns)} {name}" for name, content in manifests)
        return passed(f"{count} of {count} ({shares})")
    shown = mismatches[:_SHOWN]
    others = f"; also {', '.join(mismatch.where for mismatch in mismatches[_SHOWN:])}" if len(mismatches) > _SHOWN else ""
    return failed(
        expected="; ".join(f"{mismatch.where}: {mismatch.expected}" for mismatch in shown),
        actual="; ".join(f"{mismatch.where}: {mismatch.actual}" for mismatch in shown),
        reason=f"{len(mismatches)} of {count} golden values are not what was measured"
        f" ({', '.join(mismatch.where for mismatch in shown)}{others})",
    )


def _conflicts(manifests: Sequence[tuple[str, RimContent]]) -> list[str]:
    """Indexes, opaque types and opaque names that two manifests both claim."""
    claimed: dict[str, str] = {}
    conflicts: list[str] = []
    for name, content in manifests:
        claims = [f"index {golden.index}" for golden in content.measurements]
        claims += [f"opaque type {floor.opaque_type}" for floor in content.minimum_svns]
        claims += [f"opaque name {floor.name}" for floor in content.minimum_svns]
        conflicts += [f"{claim} is active in the {claimed[claim]} and the {name} RIM" for claim in claims if claim in claimed]
        claimed |= dict.fromkeys(claims, name)
    return conflicts


def _compare(name: str, golden: GoldenMeasurement, value: bytes | None) -> _Mismatch | None:
    if value is not None and len(value) == golden.size and value in golden.alternatives:
        return None
    return _Mismatch(
        f"index {golden.index} of the {name} RIM",
        " or ".join(alternative.hex() for alternative in golden.alternatives),
        "not measured" if value is None else value.hex(),
    )


def _compare_svn(name: str, floor: MinimumSvn, field: OpaqueField | None) -> _Mismatch | None:
    where, expected = f"opaque type {floor.opaque_type} ({floor.name}) of the {name} RIM", f"at least {floor.minimum}"
    if field is None:
        return _Mismatch(where, expected, "not reported")
    if field.value_type != _MIN_SVN_TYPE or len(field.data) != _SVN_SIZE:
        return _Mismatch(where, expected, f"value type {field.value_type:#04x} with {field.data[:16].hex()}")
    actual = int.from_bytes(field.data, "little")
    return None if actual >= floor.minimum else _Mismatch(where, expected, str(actual))
