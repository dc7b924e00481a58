"""Alter one bit of real evidence or collateral, judge it, and count what became of it.

A flip is *refused* if the verdict is anything but verified. Some flips change no value (the case of a hex letter): those are
named by class and position before anything is judged, and nothing else may verify.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache, cached_property
from itertools import islice
from multiprocessing import get_context
from typing import Final, Literal

from tests.support.outcomes import open_policy
from tests.support.quote_layout import Span, lay_out
from tests.support.real_evidence import ACCEPTED_PAIRS, RealPair
from voltage_attest.result import Verdict
from voltage_attest.verifier import Evidence, Verifier

__all__ = ["TARGETS", "Tally", "Target", "judge", "judge_in_parallel", "table"]

_HEX_DOCUMENTS: Final = ("root_ca_crl", "pck_crl", "tcb_info_signature", "qe_identity_signature")
_CASE_BIT: Final = 5
"""The bit that tells 'a' from 'A' in ASCII."""
_CHUNK: Final = 1000


@dataclass(frozen=True)
class Target:
    """One file of a pair that verifies; the other is left as it is."""

    pair: RealPair
    altered: Literal["quote", "collateral"]

    @property
    def name(self) -> str:
        """For tests and tables."""
        return f"{self.pair.name}: {self.altered}"

    @cached_property
    def data(self) -> bytes:
        """The file's bytes."""
        return self.pair.quote if self.altered == "quote" else self.pair.collateral

    @cached_property
    def regions(self) -> dict[str, Span]:
        """Parts of the file by name, without overlaps: fields of the quote, or documents of the collateral.

        What lies in none of them is ``frame``: the syntax of the JSON around the documents.
        """
        if self.altered == "quote":
            return {name: span for name, span in lay_out(self.data).items() if span.start < span.stop}
        return {key: self._literal(key, text) for key, text in json.loads(self.data).items()}

    def _literal(self, key: str, text: str) -> Span:
        literal = json.dumps(text)[1:-1].encode()
        start = self.data.index(f'"{key}": "'.encode()) + len(f'"{key}": "')
        span = Span(start, start + len(literal))
        if span.of(self.data) != literal:
            raise ValueError(f"{key} is not written as json.dumps writes it")
        return span

    def region_of(self, position: int) -> str:
        """The region in which a bit lies."""
        octet = position // 8
        return next((name for name, span in self.regions.items() if span.start <= octet < span.stop), "frame")

    @cached_property
    def equal_by_value(self) -> dict[str, frozenset[int]]:
        """Class to positions of the flips after which every decoded value is the same.

        In a quote there are none. In collateral: the case bit of each hex letter of a CRL or signature.
        """
        if self.altered == "quote":
            return {}
        return {
            f"letter case of hex in {key}": frozenset(
                8 * octet + _CASE_BIT
                for octet in range(self.regions[key].start, self.regions[key].stop)
                if chr(self.data[octet]) in "abcdefABCDEF"
            )
            for key in _HEX_DOCUMENTS
        }

    def positions(self, *regions: str) -> Iterator[int]:
        """Every bit of these regions, or of the whole file."""
        spans = [self.regions[name] for name in regions] or [Span(0, len(self.data))]
        for span in spans:
            yield from range(8 * span.start, 8 * span.stop)

    def sample(self, each: int) -> list[int]:
        """``each`` bits of every region and of the frame, the same on every machine."""
        chosen: dict[str, list[int]] = {}
        for position in sorted(self.positions(), key=_shuffled):
            found = chosen.setdefault(self.region_of(position), [])
            if len(found) < each:
                found.append(position)
        return [position for found in chosen.values() for position in found]


TARGETS: Final = tuple(Target(pair, altered) for pair in ACCEPTED_PAIRS for altered in ("quote", "collateral"))


def _shuffled(position: int) -> bytes:
    return hashlib.sha256(b"sweep/%d" % position).digest()


@dataclass
class Tally:
    """What became of the flips. ``failing`` counts (region, first failing check); positions are kept of what must not be."""

    flips: int = 0
    failing: Counter[tuple[str, str]] = field(default_factory=Counter)
    verified: set[int] = field(default_factory=set)
    undecided: set[int] = field(default_factory=set)
    raised: dict[int, str] = field(default_factory=dict)
    warned: dict[int, str] = field(default_factory=dict)

    @property
    def refused(self) -> int:
        """Flips after which the evidence did not verify."""
        return self.flips - len(self.verified) - len(self.raised)

    @property
    def ids(self) -> set[str]:
        """The checks that failed first, anywhere."""
        return {check_id for _, check_id in self.failing}

    def add(self, other: Tally) -> None:
        """Take over another tally."""
        self.flips += other.flips
        self.failing += other.failing
        self.verified |= other.verified
        self.undecided |= other.undecided
        self.raised |= other.raised
        self.warned |= other.warned


@cache
def _verifier() -> Verifier:
    return Verifier(open_policy())


def judge(target: Target, positions: Iterable[int]) -> Tally:
    """Flip each bit alone and judge, with one Verifier for all: what it remembers, it remembers by all bytes."""
    tally = Tally()
    data, pair = target.data, target.pair
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for position in positions:
            octet = position // 8
            flipped = data[:octet] + bytes((data[octet] ^ 1 << position % 8,)) + data[octet + 1 :]
            quote, collateral = (flipped, pair.collateral) if target.altered == "quote" else (pair.quote, flipped)
            _judge_one(tally, target, position, quote, collateral)
            if caught:
                tally.warned[position] = str(caught[-1].message)
                caught.clear()
    return tally


def _judge_one(tally: Tally, target: Target, position: int, quote: bytes, collateral: bytes) -> None:
    tally.flips += 1
    try:
        result = _verifier().examine(Evidence(quote=quote), collateral, at=target.pair.inside)
    except Exception as error:  # noqa: BLE001 - any exception is what the sweep is looking for
        tally.raised[position] = f"{type(error).__name__}: {error}"
        return
    if result.verdict is Verdict.VERIFIED:
        tally.verified.add(position)
        return
    if result.verdict is Verdict.UNDECIDED:
        tally.undecided.add(position)
    first = next(row.id for row in result.checks if row.status.closes_gate)
    tally.failing[target.region_of(position), first] += 1


def judge_in_parallel(target: Target, processes: int = 2) -> Tally:
    """Every bit of the file, shared between processes."""
    positions = target.positions()
    chunks = iter(lambda: list(islice(positions, _CHUNK)), [])
    tally = Tally()
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for pending in [pool.submit(judge, target, chunk) for chunk in chunks]:
            tally.add(pending.result())
    return tally


def table(target: Target, tally: Tally, seconds: float) -> str:
    """The counts, by region and first failing check."""
    equal = sum(map(len, target.equal_by_value.values()))
    verified = f"{len(tally.verified)} verified ({equal} equal by value)"
    counts = f"{tally.flips} flips, {tally.refused} refused, {verified}, {len(tally.undecided)} undecided"
    lines = [f"{target.name}: {counts}, {len(tally.raised)} raised, {seconds:.0f} s"]
    lines += [f"    {len(positions):7} {name}" for name, positions in target.equal_by_value.items()]
    lines += [f"    {count:7} {region}: {check}" for (region, check), count in sorted(tally.failing.items())]
    return "\n".join(lines)
