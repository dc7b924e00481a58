"""Devices of one node together: what eight genuine GPUs and four switches must agree on, and each way of not agreeing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.gpu.fake_nvidia import DeviceShape, gpu_records, node, pdi
from tests.gpu.judging import REAL, failing, judge_node, verified, verified_node
from tests.gpu.real_devices import chutes_nodes, near_node, needs_vectors, nvattest_items, vector_item
from voltage_attest.evidence.gpu_report import Architecture
from voltage_attest.result import Status
from voltage_attest.verify.gpu_node import NODE_CHECKS, NodeCase

Shapes = tuple[list[DeviceShape], list[DeviceShape]]


def changed(shapes: list[DeviceShape], place: int, **records: bytes | None) -> list[DeviceShape]:
    """The shapes with records of one of them set (``t36=...``) or left out (``t36=None``)."""
    named = {int(name[1:]): value for name, value in records.items()}
    kept = {kind: data for kind, data in (shapes[place].records | named).items() if data is not None}  # type: ignore[operator]
    return [*shapes[:place], replace(shapes[place], records=kept), *shapes[place + 1 :]]


def test_eight_gpus_and_four_switches_pass_every_check() -> None:
    findings = judge_node(verified_node(*node()))
    assert {finding.status for finding in findings.values()} == {Status.PASSED}
    assert list(findings) == list(NODE_CHECKS)
    assert findings["gpu.topology"].actual == "8 GPUs and 4 switches name each other"


def _links(names: list[bytes]) -> bytes:
    return b"".join([names[link % len(names)][::-1] if link < 16 else bytes(8) for link in range(18)])


def _copies(shapes: Shapes) -> Shapes:
    gpus, switches = shapes
    return [gpus[0]] * 8, switches


def _other_switches(shapes: Shapes) -> Shapes:
    """All GPUs name a switch that is not in the evidence."""
    gpus, switches = shapes
    links = _links([pdi("switch 0"), pdi("switch 1"), pdi("switch 2"), pdi("elsewhere")])
    return [replace(gpu, records=gpu_records(t22=links)) for gpu in gpus], switches


def _other_gpu(shapes: Shapes) -> Shapes:
    """A ninth GPU takes the eighth's place, wired to the same switches: they do not name it."""
    gpus, switches = shapes
    return [*gpus[:7], replace(gpus[7], label="gpu 9")], switches


REFUSALS: dict[str, tuple[Callable[[Shapes], Shapes], set[str]]] = {
    "a_gpu_is_missing": (lambda s: (s[0][:7], s[1]), {"gpu.node.count", "gpu.topology"}),
    "a_switch_is_missing": (lambda s: (s[0], s[1][:3]), {"gpu.node.count", "gpu.topology"}),
    "no_switch_evidence": (lambda s: (s[0], []), {"gpu.node.count", "gpu.topology"}),
    "d8_eight_copies_of_one_gpu": (_copies, {"gpu.node.distinct"}),
    "d8_four_copies_of_one_switch": (lambda s: (s[0], [s[1][0]] * 4), {"gpu.node.distinct"}),
    "d8_one_pdi_under_two_leaves": (
        lambda s: (
            [*s[0][:7], replace(s[0][7], label="copy", links={1: {"serial": int.from_bytes(b"\x41" + pdi("gpu 0"))}})],
            s[1],
        ),
        {"gpu.node.distinct"},
    ),
    "d9_one_gpu_with_another_nonce": (lambda s: ([*s[0][:7], replace(s[0][7], nonce=bytes(32))], s[1]), {"gpu.node.nonce"}),
    "d9_one_switch_with_another_nonce": (lambda s: (s[0], [*s[1][:3], replace(s[1][3], nonce=bytes(32))]), {"gpu.node.nonce"}),
    "d13_one_gpu_in_another_mode": (
        lambda s: (changed(s[0], 3, t36=b"\0\0", t21=b"\x55"), s[1]),
        {"gpu.node.mode", "gpu.node.ppcie"},
    ),
    "d13_protected_pcie_off_everywhere": (
        lambda s: ([replace(gpu, records={**gpu.records, 36: b"\0\0", 21: b"\x55"}) for gpu in s[0]], s[1]),
        {"gpu.node.ppcie"},
    ),
    "d13_a_mode_that_contradicts_the_status": (
        lambda s: ([replace(gpu, records={**gpu.records, 36: b"\0\0"}) for gpu in s[0]], s[1]),
        {"gpu.node.ppcie"},
    ),
    "d13_protected_pcie_status_absent_on_one": (lambda s: (changed(s[0], 3, t21=None), s[1]), {"gpu.node.ppcie"}),
    "d13_a_switch_is_not_locked": (lambda s: (s[0], changed(s[1], 2, t25=b"\0\0")), {"gpu.node.switch_lock"}),
    "d13_a_switch_without_lock_status": (lambda s: (s[0], changed(s[1], 2, t25=None)), {"gpu.node.switch_lock"}),
    "e_a_gpu_names_other_switches": (
        lambda s: (changed(s[0], 5, t22=_links([pdi(f"other {number}") for number in range(4)])), s[1]),
        {"gpu.topology.links"},
    ),
    "e_a_gpu_names_three_switches": (
        lambda s: (changed(s[0], 0, t22=_links([pdi(f"switch {number}") for number in range(3)])), s[1]),
        {"gpu.topology.links"},
    ),
    "e_a_gpu_names_no_switch": (lambda s: (changed(s[0], 0, t22=None), s[1]), {"gpu.topology.links"}),
    "e_switches_of_another_node": (_other_switches, {"gpu.topology"}),
    "e_a_gpu_the_switches_do_not_name": (_other_gpu, {"gpu.topology"}),
    "e_a_switch_that_lists_another_gpu": (
        lambda s: (s[0], changed(s[1], 1, t26=pdi("elsewhere") + s[1][1].records[26][8:])),
        {"gpu.topology"},
    ),
    "e_a_switch_that_lists_one_gpu_twice": (
        lambda s: (s[0], changed(s[1], 1, t26=pdi("gpu 1") + s[1][1].records[26][8:])),
        {"gpu.topology"},
    ),
    "e_a_switch_that_claims_another_pdi": (lambda s: (s[0], changed(s[1], 1, t22=pdi("switch 0"))), {"gpu.topology"}),
    "e_a_switch_without_pdi": (lambda s: (s[0], changed(s[1], 1, t22=None)), {"gpu.topology"}),
    "e_a_switch_without_gpu_list": (lambda s: (s[0], changed(s[1], 1, t26=None)), {"gpu.topology"}),
    "d11_a_further_switch_among_the_gpus": (
        lambda s: ([*s[0], replace(s[1][0], label="switch 9")], s[1]),
        {"gpu.node.count", "gpu.topology"},
    ),
    "d11_switches_in_the_place_of_gpus": (lambda s: ([*s[0], s[1][0]], s[1][1:]), {"gpu.node.count", "gpu.topology"}),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refuses(name: str) -> None:
    change, checks = REFUSALS[name]
    assert failing(judge_node(verified_node(*change(node())))) == checks


def test_every_node_check_has_a_case_that_fails_only_it() -> None:
    """Outside a group for the two that a group never fails alone: ``test_the_count_is_exact``, ``test_d13_spt_and_mpt...``."""
    alone = {next(iter(checks)) for _, checks in REFUSALS.values() if len(checks) == 1}
    assert alone | {"gpu.node.count", "gpu.node.mode"} == set(NODE_CHECKS)


def test_three_switches_are_no_group() -> None:
    """Even where GPUs, switches and policy all agree on three."""
    assert failing(judge_node(verified_node(*node(8, 3), count=(8, 3)))) == {"gpu.topology.links"}


def single(label: str, *, mode: bytes = b"\0\0") -> DeviceShape:
    return DeviceShape(label=label, records=gpu_records(t36=mode, t21=b"\x55"))


def test_gpus_without_switches_are_no_group() -> None:
    findings = judge_node(verified_node([single("a"), single("b")], [], count=(2, None)))
    skipped = {check_id for check_id, finding in findings.items() if finding.status is Status.SKIPPED}
    assert failing(findings) == set()
    assert skipped == {"gpu.node.ppcie", "gpu.topology.links", "gpu.topology", "gpu.node.switch_lock"}


def test_d13_spt_and_mpt_do_not_mix() -> None:
    case = verified_node([single("a"), single("b", mode=b"\1\0")], [], count=(2, None))
    assert failing(judge_node(case)) == {"gpu.node.mode"}


@pytest.mark.parametrize(("count", "refuses"), [((1, None), True), ((2, 0), False), ((2, None), False), ((3, None), True)])
def test_the_count_is_exact(count: tuple[int, int | None], *, refuses: bool) -> None:
    findings = judge_node(verified_node([single("a"), single("b")], [], count=count))
    assert failing(findings) == ({"gpu.node.count"} if refuses else set())


def test_switches_that_the_policy_excludes_are_refused() -> None:
    assert failing(judge_node(verified_node(*node(), count=(8, 0)))) == {"gpu.node.count"}


def test_an_empty_node_is_refused() -> None:
    assert failing(judge_node(NodeCase((), (), 1))) == {"gpu.node.count", "gpu.node.nonce", "gpu.node.mode"}


@needs_vectors
@pytest.mark.parametrize("number", range(5))
def test_a_real_node_of_eight_gpus_agrees_on_its_switches(number: int) -> None:
    """NEAR and Chutes publish no switch evidence: the GPUs' side holds, the rest is skipped, and a policy can require it."""
    items = (near_node(), *chutes_nodes())[number]
    gpus = tuple([verified(item, f"gpu[{place}]", REAL) for place, item in enumerate(items)])
    findings = judge_node(NodeCase(gpus, (), 8))
    assert failing(findings) == set()
    assert findings["gpu.topology.links"].status is findings["gpu.node.ppcie"].status is Status.PASSED
    assert findings["gpu.topology"].status is Status.SKIPPED
    assert failing(judge_node(NodeCase(gpus, (), 8, 4))) == {"gpu.node.count", "gpu.topology"}
    assert failing(judge_node(NodeCase((*gpus[:7], gpus[0]), (), 8))) == {"gpu.node.distinct"}


@needs_vectors
def test_gpus_of_two_real_nodes_are_not_one() -> None:
    first, second = chutes_nodes()[:2]
    mixed = [*first[:7], second[7]]
    gpus = tuple([verified(item, f"gpu[{place}]", REAL) for place, item in enumerate(mixed)])
    assert failing(judge_node(NodeCase(gpus, (), 8))) == {"gpu.node.nonce", "gpu.topology.links"}


@needs_vectors
def test_a_real_switch_is_of_another_node_than_these_gpus() -> None:
    gpus = tuple([verified(item, f"gpu[{place}]", REAL) for place, item in enumerate(nvattest_items("asdk-multi-gpu-hopper"))])
    switch = verified(vector_item("asdk-switch-ls10", "report", "chain", Architecture.LS10), "switch[0]", REAL)
    assert switch.report.switch is not None
    assert switch.report.switch.device_pdi == switch.chain.pdi
    findings = judge_node(NodeCase(gpus, (switch,), 4))
    assert failing(findings) == {"gpu.node.nonce", "gpu.topology"}
