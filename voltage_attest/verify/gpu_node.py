"""Checks of all devices of one node together: nothing in NVIDIA's tools stops eight copies of one GPU's report.

They look at verified devices alone. A device that did not verify is missing here, and so fails the count as well as its own
row. Protected PCIe (PPCIE) is the mode in which eight Hopper GPUs and four NVSwitches form one trusted group. That all of them
sit in the machine of the CPU's quote is proven by none of this: no GPU of today measures where it is plugged in.

Sources: nvtrust ``ppcie/verifier/src/topology/validate_topology.py``; what it leaves out (PDIs against certificates, copies,
nonces and modes across devices) is added.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Final

from voltage_attest.evidence.gpu_fields import FeatureFlag, GpuFields, SwitchFields
from voltage_attest.result import Finding, failed, passed, skipped
from voltage_attest.verify.gpu import reported_mode
from voltage_attest.verify.gpu_case import VerifiedDevice

__all__ = ["NODE_CHECKS", "NodeCase"]

_SWITCHES_PER_GPU: Final = 4
"""NVSwitches that each GPU of a protected PCIe group is wired to."""


@dataclass(frozen=True)
class NodeCase:
    """The verified devices of one node, and how many the policy expects. ``expected_switches`` None leaves switches open."""

    gpus: tuple[VerifiedDevice, ...]
    switches: tuple[VerifiedDevice, ...]
    expected_gpus: int
    expected_switches: int | None = None

    @property
    def devices(self) -> tuple[VerifiedDevice, ...]:
        """All of them, GPUs first."""
        return (*self.gpus, *self.switches)

    @cached_property
    def gpu_fields(self) -> tuple[tuple[str, GpuFields], ...]:
        """Name and fields of each GPU."""
        return tuple([(device.name, device.report.gpu) for device in self.gpus if device.report.gpu is not None])

    @cached_property
    def switch_fields(self) -> tuple[tuple[str, SwitchFields], ...]:
        """Name and fields of each switch."""
        return tuple([(device.name, device.report.switch) for device in self.switches if device.report.switch is not None])

    @cached_property
    def is_protected_group(self) -> bool:
        """Whether the node has, or should have, switches, or any of its GPUs says that it is in protected PCIe mode."""
        modes = [reported_mode(gpu) for _, gpu in self.gpu_fields]
        return bool(self.switches or self.expected_switches) or FeatureFlag.PPCIE in modes


def count(case: NodeCase) -> Finding:
    """gpu.node.count."""
    gpus, switches = len(case.gpu_fields), len(case.switch_fields)
    wanted = case.expected_switches
    expected = f"{case.expected_gpus} GPUs" + ("" if wanted is None else f", {wanted} switches")
    actual = f"{gpus} GPUs, {switches} switches"
    misplaced = gpus != len(case.gpus) or switches != len(case.switches)
    if gpus == case.expected_gpus and wanted in (None, switches) and not misplaced:
        return passed(actual)
    return failed(
        expected=f"{expected}, each genuine and in its place",
        actual=actual,
        reason="devices are missing, did not verify, or more are there than the policy names",
    )


def distinct(case: NodeCase) -> Finding:
    """gpu.node.distinct."""
    names: dict[str, list[str]] = {}
    for device in case.devices:
        for identity in (f"ueid {device.chain.ueid}", f"PDI {device.chain.pdi.hex()}"):
            names.setdefault(identity, []).append(device.name)
    for identity, holders in names.items():
        if len(holders) > 1:
            return failed(
                expected="one device to each ueid and PDI",
                actual=f"{identity} in {', '.join(holders)}",
                reason="one device's evidence was given for several",
            )
    return passed(f"{len(case.devices)} devices")


def one_nonce(case: NodeCase) -> Finding:
    """gpu.node.nonce."""
    nonces = Counter([device.report.exchange.nonce.hex() for device in case.devices])
    if len(nonces) == 1:
        return passed(next(iter(nonces)))
    return failed(
        expected="one nonce in all reports",
        actual=", ".join([f"{nonce} ({times})" for nonce, times in nonces.items()]) or "no reports",
        reason="the reports were made for different requests",
    )


def one_mode(case: NodeCase) -> Finding:
    """gpu.node.mode."""
    modes = Counter([str(reported_mode(gpu) or "not reported") for _, gpu in case.gpu_fields])
    if len(modes) == 1:
        return passed(next(iter(modes)))
    return failed(
        expected="one mode on all GPUs",
        actual=", ".join([f"{mode} ({times})" for mode, times in modes.items()]) or "no GPUs",
        reason="the GPUs do not form one trusted group",
    )


def protected_pcie(case: NodeCase) -> Finding:
    """gpu.node.ppcie."""
    if not case.is_protected_group:
        return skipped("no switches, and no GPU in protected PCIe mode")
    bare = [name for name, gpu in case.gpu_fields if not gpu.protected_pcie or reported_mode(gpu) is not FeatureFlag.PPCIE]
    if not bare:
        return passed(f"on for {len(case.gpu_fields)} GPUs")
    return failed(
        expected="protected PCIe on for every GPU",
        actual=f"not on for {', '.join(bare)}",
        reason="traffic between these GPUs and the switches is not protected",
    )


def links(case: NodeCase) -> Finding:
    """gpu.topology.links."""
    if not case.is_protected_group:
        return skipped("no switches, and no GPU in protected PCIe mode")
    named = {name: _named_switches(gpu) for name, gpu in case.gpu_fields}
    first = next(iter(named.values()), frozenset())
    for name, switches in named.items():
        if len(switches) != _SWITCHES_PER_GPU or switches != first:
            return failed(
                expected=f"{_SWITCHES_PER_GPU} switches, the same for every GPU: {_hex(first)}",
                actual=f"{name}: {_hex(switches)}",
                reason="the GPUs are not wired to one set of switches",
            )
    return passed(_hex(first))


def topology(case: NodeCase) -> Finding:
    """gpu.topology."""
    if not case.switches and not case.expected_switches:
        return skipped("no switch evidence was given, and the policy requires none: only the GPUs' side could be compared")
    reason = _why_switches_fail(case) or _why_gpus_fail(case)
    if reason is None:
        return passed(f"{len(case.gpus)} GPUs and {len(case.switches)} switches name each other")
    return failed(
        expected="switches that are those the GPUs name, and that name exactly these GPUs, by the PDIs in their certificates",
        actual=reason,
        reason="a device outside the evidence is wired into the group, or evidence of another node was given",
    )


def _why_switches_fail(case: NodeCase) -> str | None:
    """Each switch names itself as its certificate does, and together they are what the GPUs name."""
    certified = {device.name: device.chain.pdi for device in case.switches}
    for name, switch in case.switch_fields:
        if switch.device_pdi != certified[name]:
            return f"{name} calls itself {_text(switch.device_pdi)}, its certificate {certified[name].hex()}"
    named = frozenset().union(*[_named_switches(gpu) for _, gpu in case.gpu_fields])
    present = frozenset(certified.values())
    return None if named == present else f"GPUs name {_hex(named)}; evidence is of {_hex(present)}"


def _why_gpus_fail(case: NodeCase) -> str | None:
    """Each switch names all GPUs of the evidence, by their certificates, and no other."""
    present = frozenset([device.chain.pdi for device in case.gpus])
    for name, switch in case.switch_fields:
        if frozenset(switch.gpu_pdis) != present:
            return f"{name} names {_hex(frozenset(switch.gpu_pdis))}; evidence is of {_hex(present)}"
    return None


def switch_lock(case: NodeCase) -> Finding:
    """gpu.node.switch_lock."""
    if not case.switches:
        return skipped("no switch evidence was given")
    unlocked = [name for name, switch in case.switch_fields if not switch.locked]
    if not unlocked:
        return passed(f"{len(case.switch_fields)} locked")
    return failed(
        expected="lock status 0100 on every switch",
        actual=f"not locked: {', '.join(unlocked)}",
        reason="the routes of an unlocked switch can be changed under running work",
    )


def _named_switches(gpu: GpuFields) -> frozenset[bytes]:
    return frozenset([pdi for pdi in gpu.switch_pdis if pdi is not None])


def _hex(pdis: frozenset[bytes]) -> str:
    return ", ".join(sorted([pdi.hex() for pdi in pdis])) or "none"


def _text(pdi: bytes | None) -> str:
    return "nothing" if pdi is None else pdi.hex()


NODE_CHECKS: Final[Mapping[str, Callable[[NodeCase], Finding]]] = MappingProxyType(
    {
        "gpu.node.count": count,
        "gpu.node.distinct": distinct,
        "gpu.node.nonce": one_nonce,
        "gpu.node.mode": one_mode,
        "gpu.node.ppcie": protected_pcie,
        "gpu.topology.links": links,
        "gpu.topology": topology,
        "gpu.node.switch_lock": switch_lock,
    }
)
"""The checks of one node, in order."""
