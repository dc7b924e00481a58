"""Cases of several devices together, and of their binding to the quote."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from tests.cases.devices import NONCE, answered, changed_gpu, changed_switch, device_case, evidence_of, gpu_fields, group, pair
from tests.cases.model import NVIDIA, PLATFORM, Case, case, case_family, policy_text
from voltage_attest.appraise.binding import (
    chutes_report_data,
    near_report_data,
    voltage_attest_report_data,
    voltage_verify_report_data,
)
from voltage_attest.evidence.bundle_voltage_verify import manifest_for
from voltage_attest.evidence.model import Evidence
from voltage_attest.testing import GpuMode, NvidiaDevice, TdReportFields
from voltage_attest.testing.nvidia.device import gpu_nonce

_SPKI: Final = bytes(range(32, 64))
_OTHER_NONCE: Final = bytes(32)

Change = Callable[[list[NvidiaDevice], list[NvidiaDevice]], None]
"""Alters the lists of GPUs and switches in place."""


def _refused(check_id: str, subject: Case) -> Case:
    return replace(subject, failed=frozenset({check_id}))


def _group(check_id: str, change: Change) -> Case:
    """The node of eight GPUs and four switches, changed; that check alone must refuse it."""
    gpus, switches = list(group().gpus), list(group().switches)
    change(gpus, switches)
    return _refused(check_id, device_case(gpus, switches))


@case_family("one_more", "one_fewer")
def gpus_in_another_number(how: str) -> Case:
    """The policy counts other GPUs than are there."""
    return _refused("gpu.node.count", device_case(pair(), keys={"count": "1" if how == "one_more" else "3"}))


@case
def one_gpu_shown_twice() -> Case:
    """The evidence of one GPU stands for two."""
    return _refused("gpu.node.distinct", device_case((pair()[0], pair()[0])))


@case
def gpus_of_two_requests() -> Case:
    """Each of two reports was made for another nonce."""
    good, (first, second) = device_case(pair()), pair()
    ours, other = evidence_of([first]).gpu_evidence, evidence_of([second], nonce=_OTHER_NONCE).gpu_evidence
    return _refused("gpu.node.nonce", replace(good, claims=replace(good.claims, gpu_evidence=(*ours, *other))))


@case
def gpus_in_two_modes() -> Case:
    """One GPU is in SPT mode, the other in MPT."""
    first, second = pair()
    return _refused("gpu.node.mode", device_case((first, changed_gpu(second, mode=GpuMode.SPT))))


@case
def group_without_protected_pcie() -> Case:
    """All GPUs are wired to the switches and say that protected PCIe is off."""

    def unprotect(gpus: list[NvidiaDevice], switches: list[NvidiaDevice]) -> None:
        del switches
        gpus[:] = [changed_gpu(gpu, mode=GpuMode.MPT) for gpu in gpus]

    return _group("gpu.node.ppcie", unprotect)


@case
def gpu_wired_to_other_switches() -> Case:
    """One GPU names the switches of another machine."""
    elsewhere = gpu_fields(NVIDIA.node(label="elsewhere").gpus[0])

    def rewire(gpus: list[NvidiaDevice], switches: list[NvidiaDevice]) -> None:
        del switches
        gpus[5] = changed_gpu(gpus[5], switch_pdis=elsewhere.switch_pdis)

    return _group("gpu.topology.links", rewire)


@case_family("switch", "gpu")
def device_of_another_machine(which: str) -> Case:
    """A genuine switch or GPU of another node stands in the place of one of this; a GPU claims this node's switches."""
    foreign = NVIDIA.node(label="elsewhere")

    def exchange(gpus: list[NvidiaDevice], switches: list[NvidiaDevice]) -> None:
        if which == "switch":
            switches[3] = foreign.switches[3]
        else:
            gpus[7] = changed_gpu(foreign.gpus[7], switch_pdis=gpu_fields(gpus[0]).switch_pdis)

    return _group("gpu.topology", exchange)


@case
def switch_that_is_not_locked() -> Case:
    """The routes of one switch can be changed."""

    def unlock(gpus: list[NvidiaDevice], switches: list[NvidiaDevice]) -> None:
        del gpus
        switches[1] = changed_switch(switches[1], locked=False)

    return _group("gpu.node.switch_lock", unlock)


@case
def gpus_in_protected_pcie_without_switches() -> Case:
    """Eight GPUs name four switches of which there is no evidence, and the policy asks for none: verified, and said."""
    return device_case(NVIDIA.node(8, 0, mode=GpuMode.PPCIE).gpus)


_MANIFEST: Final = manifest_for(
    NONCE, json.dumps({"format": "voltage-verify-manifest/1", "challenge": "00" * 32, "workload": {}}).encode()
)
_BINDINGS: Final = {
    "voltage-attest/1": (voltage_attest_report_data(NONCE, _SPKI, None), ()),
    "near": (near_report_data(b"address", _SPKI, NONCE), (("signing_address", b"address"),)),
    "chutes": (chutes_report_data(NONCE.hex().encode(), b"a2V5", _SPKI), (("e2e_pubkey_b64", b"a2V5"),)),
    "voltage-verify/1": (voltage_verify_report_data(_MANIFEST), (("manifest", _MANIFEST),)),
}


def _bound(binding: str) -> Case:
    """A quote and a GPU bound to this nonce and key by that binding."""
    report_data, inputs = _BINDINGS[binding]
    return Case(
        quote=PLATFORM.quote(TdReportFields(report_data=report_data)),
        claims=Evidence(nonce=NONCE, tls_spki_sha256=_SPKI, binding_inputs=inputs),
        nonce=NONCE,
        policy=policy_text(channel={"binding": f'"{binding}"'}, gpu={"count": "2"}),
        nvidia=answered(pair()),
    )


def _with_gpus(subject: Case, nonce: bytes) -> Case:
    return replace(subject, claims=replace(subject.claims, gpu_evidence=evidence_of(pair(), nonce=nonce).gpu_evidence))


@case
def gpus_bound_to_the_quote() -> Case:
    """The GPUs signed what voltage-attest/1 derives from the REPORTDATA beside them: verified."""
    return _with_gpus(_bound("voltage-attest/1"), gpu_nonce(_BINDINGS["voltage-attest/1"][0]))


@case_family(*_BINDINGS)
def gpus_of_another_request(binding: str) -> Case:
    """Flawless reports, made for another nonce than the binding derives."""
    return _refused("binding.gpu_nonce", _with_gpus(_bound(binding), bytes(range(1, 33))))


@case_family("verifiers_nonce", "report_data")
def gpus_bound_by_another_rule(rule: str) -> Case:
    """The GPUs signed the verifier's nonce, or the head of REPORTDATA: other bindings' rules, not this one's."""
    nonce = NONCE if rule == "verifiers_nonce" else _BINDINGS["voltage-attest/1"][0][:32]
    return _refused("binding.gpu_nonce", _with_gpus(_bound("voltage-attest/1"), nonce))


@case
def gpus_without_a_quote_for_another_nonce() -> Case:
    """Without [tdx] the GPUs must have signed the verifier's own nonce."""
    good = device_case(pair())
    return _refused("binding.gpu_nonce", replace(good, nonce=_OTHER_NONCE))
