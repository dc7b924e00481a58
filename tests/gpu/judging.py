"""Runs the GPU checks as the ledger will: in order, each only where everything it requires passed or had no subject."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, TypeVar

from tests.gpu.fake_nvidia import DeviceShape, fake_item, fake_root_spki_sha256
from voltage_attest.checks.gpu import AUTHENTIC_DEVICE, GPU_CHECKS
from voltage_attest.evidence.nras_request import DeviceItem
from voltage_attest.result import Finding, Status
from voltage_attest.trust import TrustRoots
from voltage_attest.verify.gpu import DEVICE_CHECKS, seal_device
from voltage_attest.verify.gpu_case import DeviceCase, DeviceExpectations, GpuWorkshop, VerifiedDevice
from voltage_attest.verify.gpu_node import NODE_CHECKS, NodeCase

__all__ = ["AT", "FAKE", "REAL", "failing", "judge", "judge_device", "judge_node", "verified", "verified_node"]

Case = TypeVar("Case")

AT: Final = datetime(2026, 11, 24, tzinfo=UTC)
REAL: Final = GpuWorkshop.under(TrustRoots.default())
FAKE: Final = GpuWorkshop(fake_root_spki_sha256())
_REQUIRES: Final = {check.id: frozenset(check.requires) for check in GPU_CHECKS}
_HOLDING: Final = (Status.PASSED, Status.SKIPPED)


def judge(
    checks: Mapping[str, Callable[[Case], Finding]], case: Case, holding: frozenset[str] = frozenset()
) -> dict[str, Finding]:
    """The findings of the checks that could run, by id; ``holding`` are checks that passed elsewhere."""
    findings: dict[str, Finding] = {}
    for check_id, judged in checks.items():
        passed = holding | {found for found, finding in findings.items() if finding.status in _HOLDING}
        if _REQUIRES[check_id] <= passed:
            findings[check_id] = judged(case)
    return findings


def failing(findings: Mapping[str, Finding]) -> set[str]:
    """The ids of the checks that refuse."""
    return {check_id for check_id, finding in findings.items() if finding.status is Status.FAILED}


def judge_device(
    item: DeviceItem, expected: DeviceExpectations, workshop: GpuWorkshop = REAL, at: datetime = AT
) -> dict[str, Finding]:
    """Judge one device."""
    return judge(DEVICE_CHECKS, DeviceCase(item, expected, workshop, at))


def verified(item: DeviceItem, name: str, workshop: GpuWorkshop = REAL) -> VerifiedDevice:
    """The device, sealed; the test fails if it does not verify."""
    case = DeviceCase(item, DeviceExpectations(), workshop, AT)
    findings = judge(DEVICE_CHECKS, case)
    device = seal_device(case, name, lambda *ids: all(findings[check_id].status in _HOLDING for check_id in ids))
    assert device is not None, findings
    return device


def verified_node(
    gpus: Sequence[DeviceShape], switches: Sequence[DeviceShape], *, count: tuple[int, int | None] = (8, 4)
) -> NodeCase:
    """The node of those shapes, each device verified under the stand-in's root."""
    return NodeCase(
        tuple([verified(fake_item(shape), f"gpu[{place}]", FAKE) for place, shape in enumerate(gpus)]),
        tuple([verified(fake_item(shape), f"switch[{place}]", FAKE) for place, shape in enumerate(switches)]),
        *count,
    )


def judge_node(case: NodeCase) -> dict[str, Finding]:
    """Judge a node, each of whose devices is authentic."""
    return judge(NODE_CHECKS, case, frozenset({"gpu.evidence.parse", *AUTHENTIC_DEVICE}))
