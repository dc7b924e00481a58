"""The ledger: runs checks in their registered order of dependence and keeps one row for each.

A check is a function ``case -> Finding``. It runs when everything it ``requires`` has passed, or was skipped because it has no
subject; otherwise its row says ``not_run`` and why. A row is written once and never changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import compress
from typing import Final, Generic, TypeVar

from voltage_attest.checks import REGISTRY
from voltage_attest.result import CheckResult, Finding, Status

__all__ = ["CheckTable", "Ledger"]

Case = TypeVar("Case")

_PASSED: Final = Status.PASSED
_SKIPPED: Final = Status.SKIPPED
_CHECKS: Final = tuple(REGISTRY.values())
_POSITION: Final = {check_id: position for position, check_id in enumerate(REGISTRY)}


class CheckTable(Generic[Case]):
    """Registered checks with the functions that make them, in the order in which they run."""

    __slots__ = ("steps",)

    def __init__(self, functions: Mapping[str, Callable[[Case], Finding]]) -> None:
        steps: list[tuple[str, int, frozenset[str], Callable[[Case], Finding]]] = []
        shared: dict[frozenset[str], frozenset[str]] = {}
        for check_id, judge in functions.items():
            requires = frozenset(REGISTRY[check_id].requires)
            steps.append((check_id, _POSITION[check_id], shared.setdefault(requires, requires), judge))
        self.steps = tuple(steps)

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids, in order."""
        return tuple([check_id for check_id, *_ in self.steps])


class Ledger:
    """Rows of one subject, one a check. Each of several devices has a ledger of its own, with its name (``gpu[0]``)."""

    __slots__ = ("_device", "_findings", "_holding")

    def __init__(self, device: str | None = None) -> None:
        self._device = device
        self._findings: list[Finding | None] = [None] * len(_CHECKS)
        self._holding: set[str] = set()

    def run(self, table: CheckTable[Case], case: Case) -> None:
        """Run every check whose prerequisites hold; record the others as ``not_run``."""
        holding, findings = self._holding, self._findings
        asked: frozenset[str] | None = None
        met = False
        for check_id, position, requires, judge in table.steps:
            if requires is not asked:  # neighbours share one set: what one of them found, met or not, holds for the next
                asked, met = requires, requires <= holding
            if met:
                finding = judge(case)
                if findings[position] is not None:
                    raise RuntimeError(f"{check_id} was judged twice")
                findings[position] = finding
                if finding.status is _PASSED or finding.status is _SKIPPED:
                    holding.add(check_id)
            else:
                self._leave(check_id)

    def leave(self, check_ids: Iterable[str]) -> None:
        """Record checks that cannot run because their subject could not be read: each must have a failed prerequisite."""
        for check_id in check_ids:
            self._leave(check_id)

    def skip(self, check_ids: Iterable[str], finding: Finding) -> None:
        """Record checks that the policy leaves out, whatever they require."""
        for check_id in check_ids:
            self.record(check_id, finding)

    def gather(self, ledgers: Iterable[Ledger]) -> None:
        """Count as holding, without a row, what holds on each of ``ledgers``: for checks of all subjects together."""
        self._holding |= frozenset.intersection(*[frozenset(ledger._holding) for ledger in ledgers])  # noqa: SLF001

    def record(self, check_id: str, finding: Finding) -> None:
        """Write the row of a check; a second row for the same check is a bug."""
        position = _POSITION[check_id]
        if self._findings[position] is not None:
            raise RuntimeError(f"{check_id} was judged twice")
        self._findings[position] = finding
        if finding.status is _PASSED or finding.status is _SKIPPED:
            self._holding.add(check_id)

    def holds(self, *check_ids: str) -> bool:
        """Whether all these checks passed, or were skipped for want of a subject."""
        return self._holding.issuperset(check_ids)

    def rows(self) -> tuple[CheckResult, ...]:
        """All rows in the registry's order."""
        return CheckResult.of_all(compress(_CHECKS, self._findings), filter(None, self._findings), self._device)

    def _leave(self, check_id: str) -> None:
        for required in REGISTRY[check_id].requires:
            if required not in self._holding:
                self.record(check_id, Finding(Status.NOT_RUN, reason=f"needs {required}"))
                return
        raise RuntimeError(f"{check_id} was left although everything it requires holds")
