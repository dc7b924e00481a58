"""Alter one bit of a real H100's report, or of one of its manifests, judge it whole, and count what became of it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from itertools import islice
from multiprocessing import get_context
from typing import Final

from tests.cases.devices import device_policy
from tests.devices.real import H100_RIMS, IN_WINDOW, NO_QUESTIONS, evidence_of, rim
from tests.gpu.real_devices import H100, H100_NONCE
from voltage_attest.collateral.nvidia import NvidiaCollateral
from voltage_attest.collateral.rim import RimDocument
from voltage_attest.evidence.model import Evidence
from voltage_attest.policy import parse_policy
from voltage_attest.result import AttestationResult, Verdict
from voltage_attest.verifier import Verifier

__all__ = ["TARGETS", "DeviceTarget", "Outcomes", "flip_all", "flip_each"]

_CHUNK: Final = 1000
_BLOCK, _BLOCKS = 55, 64
_RECORD: Final = 45


@dataclass(frozen=True)
class DeviceTarget:
    """The sample H100 with its two manifests, of which one file is altered: the report, or the manifest of that number."""

    manifest: int | None = None

    @property
    def name(self) -> str:
        """For tests."""
        return "report" if self.manifest is None else ("driver manifest", "VBIOS manifest")[self.manifest]

    @cached_property
    def data(self) -> bytes:
        """The file's bytes."""
        return H100.report if self.manifest is None else self._manifests()[self.manifest].data

    @cached_property
    def regions(self) -> dict[str, range]:
        """Parts of the file by name, in order; together they are all of it."""
        return _report_regions(self.data) if self.manifest is None else _manifest_regions(self.data)

    def region_of(self, position: int) -> str:
        """The region in which a bit lies."""
        return next(name for name, octets in self.regions.items() if position // 8 in octets)

    def sample(self, each: int) -> list[int]:
        """``each`` bits of every region, the same on every machine."""
        return [
            position
            for octets in self.regions.values()
            for position in sorted(range(8 * octets.start, 8 * octets.stop), key=_shuffled)[:each]
        ]

    def judged(self, position: int | None = None) -> AttestationResult:
        """What comes of it, with that bit inverted."""
        data, item, manifests = self.data, H100, self._manifests()
        if position is not None:
            data = data[: position // 8] + bytes((data[position // 8] ^ 1 << position % 8,)) + data[position // 8 + 1 :]
        if self.manifest is None:
            item = replace(item, report=data)
        else:
            manifests[self.manifest] = replace(manifests[self.manifest], data=data)
        nvidia = NvidiaCollateral(rims=tuple(manifests))
        evidence = Evidence(gpu_evidence=evidence_of([item]))
        return _verifier().examine(evidence, b"", at=IN_WINDOW, nonce=H100_NONCE, nvidia=nvidia)

    def _manifests(self) -> list[RimDocument]:
        """As NVIDIA's service answers for their ids: whatever they say of themselves, they are judged."""
        return [rim("museop-rims", f"{rim_id}.swidtag", rim_id) for rim_id in H100_RIMS]


TARGETS: Final = tuple(DeviceTarget(manifest) for manifest in (None, 0, 1))


@cache
def _verifier() -> Verifier:
    return Verifier(parse_policy(device_policy(NO_QUESTIONS)))


def _shuffled(position: int) -> bytes:
    return hashlib.sha256(b"device sweep/%d" % position).digest()


def _report_regions(report: bytes) -> dict[str, range]:
    """By the layout in ``voltage_attest/evidence/spdm.py``."""
    record_end = _RECORD + _BLOCK * _BLOCKS
    bounds = {
        "request head": 4,
        "nonce": 36,
        "slot": 37,
        "response head": 41,
        "sizes": _RECORD,
        **{f"block {number}": _RECORD + _BLOCK * (number + 1) for number in range(_BLOCKS)},
        "responder nonce": record_end + 32,
        "opaque size": record_end + 34,
        "opaque data": len(report) - 96,
        "signature": len(report),
    }
    return _between(bounds)


def _manifest_regions(data: bytes) -> dict[str, range]:
    """By the elements that matter, as they follow each other."""
    marks: dict[str, bytes] = {
        "root": b"<ns0:Meta",
        "meta": b"<ns0:Payload",
        "payload": b"<ds:Signature ",
        "signed info": b"<ds:SignatureValue",
        "signature value": b"<ds:KeyInfo",
        "certificates": b"</ds:KeyInfo>",
    }
    found = {name: data.index(mark) for name, mark in marks.items() if mark in data}
    return _between({**found, "end": len(data)})


def _between(ends: dict[str, int]) -> dict[str, range]:
    """Regions of which each begins where the one before it ends."""
    starts = [0, *ends.values()]
    return {name: range(start, end) for (name, end), start in zip(ends.items(), starts, strict=False)}


@dataclass
class Outcomes:
    """What became of the flips: ``failing`` counts (region, first closing check), positions are kept of what must not be."""

    flips: int = 0
    failing: Counter[tuple[str, str]] = field(default_factory=Counter)
    verified: list[int] = field(default_factory=list)
    undecided: list[int] = field(default_factory=list)
    raised: dict[int, str] = field(default_factory=dict)

    def by_check(self) -> dict[str, int]:
        """How many each check refused."""
        counts: Counter[str] = Counter()
        for (_, check), times in self.failing.items():
            counts[check] += times
        return dict(counts)

    def add(self, other: Outcomes) -> None:
        """Take over others."""
        self.flips += other.flips
        self.failing += other.failing
        self.verified += other.verified
        self.undecided += other.undecided
        self.raised |= other.raised


def flip_each(target: DeviceTarget, positions: Iterable[int]) -> Outcomes:
    """Flip each bit alone and judge, with one Verifier for all."""
    found = Outcomes()
    for position in positions:
        found.flips += 1
        try:
            result = target.judged(position)
        except Exception as error:  # noqa: BLE001 - any exception is what the sweep is looking for
            found.raised[position] = f"{type(error).__name__}: {error}"
            continue
        if result.verdict is Verdict.VERIFIED:
            found.verified.append(position)
            continue
        if result.verdict is Verdict.UNDECIDED:
            found.undecided.append(position)
        first = next(row.id for row in result.checks if row.status.closes_gate)
        found.failing[target.region_of(position), first] += 1
    return found


def flip_all(target: DeviceTarget, processes: int = 2) -> Outcomes:
    """Every bit of the file, shared between processes."""
    positions: Iterator[int] = iter(range(8 * len(target.data)))
    take: Callable[[], list[int]] = lambda: list(islice(positions, _CHUNK))  # noqa: E731 - two arguments to iter
    found = Outcomes()
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for pending in [pool.submit(flip_each, target, chunk) for chunk in iter(take, [])]:
            found.add(pending.result())
    return found
