"""GPUs and switches for cases: evidence by the fake NVIDIA, what NVIDIA has to say of them, and a policy that accepts them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Final, TypedDict, Unpack

from tests.cases.model import NVIDIA, Case
from voltage_attest.collateral.nvidia import NvidiaCollateral
from voltage_attest.evidence.model import DeviceEvidence, Evidence
from voltage_attest.testing import (
    FakeNvidia,
    GpuMode,
    NvGpuFields,
    NvidiaDevice,
    NvidiaNode,
    NvidiaSigner,
    NvSwitchFields,
    OcspFields,
)
from voltage_attest.testing.nvidia.collateral import collect
from voltage_attest.testing.nvidia.ocsp import read_ocsp_question

__all__ = [
    "GPU",
    "NONCE",
    "OTHER_NVIDIA",
    "answered",
    "changed_gpu",
    "changed_switch",
    "device_case",
    "device_policy",
    "evidence_of",
    "gpu_fields",
    "group",
    "pair",
    "refused_on",
    "with_item",
]

NONCE: Final = bytes(range(32))
OTHER_NVIDIA: Final = FakeNvidia("look-alike")
GPU: Final = NVIDIA.gpu()
"""An H100 in SPT mode."""


def device_policy(keys: Mapping[str, str] | None = None) -> str:
    """A policy for GPU evidence alone: one GPU, unless the values given (TOML, by key) say otherwise."""
    lines = "\n".join([f"{key} = {value}" for key, value in {"count": "1", **(keys or {})}.items()])
    return f'schema = "voltage-attest/policy/1"\nname = "case"\n\n[gpu]\n{lines}\n'


def evidence_of(gpus: Sequence[NvidiaDevice], switches: Sequence[NvidiaDevice] = (), nonce: bytes = NONCE) -> Evidence:
    """The devices' evidence for that nonce."""
    node = NvidiaNode(tuple(gpus), tuple(switches))
    shown = node.switch_evidence(nonce)
    return Evidence(
        gpu_evidence=(DeviceEvidence(node.gpu_evidence(nonce)),),
        switch_evidence=() if shown is None else (DeviceEvidence(shown),),
    )


def device_case(
    gpus: Sequence[NvidiaDevice] = (GPU,),
    switches: Sequence[NvidiaDevice] = (),
    *,
    keys: Mapping[str, str] | None = None,
    nvidia: NvidiaCollateral | None = None,
) -> Case:
    """The devices judged without a quote, by a policy that names how many they are; ``keys`` join it."""
    counted = {"count": str(len(gpus)), **({"switches": str(len(switches))} if switches else {}), **(keys or {})}
    return Case(
        quote=None,
        claims=evidence_of(gpus, switches),
        policy=device_policy(counted),
        nonce=NONCE,
        nvidia=_good_documents((*gpus, *switches)) if nvidia is None else nvidia,
    )


def refused_on(device: str, check_id: str, case: Case) -> Case:
    """The case, of which one check must refuse, on one device."""
    return replace(case, failed=frozenset({check_id}), on=frozenset({device}))


@cache
def group() -> NvidiaNode:
    """Eight GPUs and four switches in protected PCIe mode."""
    return NVIDIA.node(8, 4)


@cache
def pair() -> tuple[NvidiaDevice, NvidiaDevice]:
    """Two GPUs of one machine, in MPT mode."""
    first, second = NVIDIA.node(2, 0).gpus
    return first, second


class _GpuChanges(TypedDict, total=False):
    mode: GpuMode
    switch_pdis: tuple[bytes, ...]
    measurements: Mapping[int, bytes]
    records: Mapping[int, bytes | None]


class _SwitchChanges(TypedDict, total=False):
    locked: bool
    measurements: Mapping[int, bytes]


def changed_gpu(device: NvidiaDevice, **changes: Unpack[_GpuChanges]) -> NvidiaDevice:
    """The same GPU with the same certificates, reporting something else; all of it genuinely signed."""
    return replace(device, fields=replace(gpu_fields(device), **changes))


def changed_switch(device: NvidiaDevice, **changes: Unpack[_SwitchChanges]) -> NvidiaDevice:
    """The same of a switch."""
    if not isinstance(device.fields, NvSwitchFields):
        raise TypeError("a GPU has no switch's fields")
    return replace(device, fields=replace(device.fields, **changes))


def gpu_fields(device: NvidiaDevice) -> NvGpuFields:
    """The fields of a GPU; TypeError of a switch."""
    if not isinstance(device.fields, NvGpuFields):
        raise TypeError("a switch has no GPU's fields")
    return device.fields


def with_item(case: Case, change: Callable[[dict[str, str]], dict[str, str]], place: int = 0) -> Case:
    """The case with one GPU's report and chain (base64, as NRAS takes them) changed."""
    document = json.loads(case.claims.gpu_evidence[0].json)
    document["evidence_list"][place] = change(document["evidence_list"][place])
    return replace(case, claims=replace(case.claims, gpu_evidence=(DeviceEvidence(json.dumps(document)),)))


def answered(
    devices: Sequence[NvidiaDevice],
    rims: Mapping[str, bytes] | None = None,
    *,
    signer: NvidiaSigner | None = None,
    about: NvidiaSigner | None = None,
    ocsp: OcspFields | None = None,
) -> NvidiaCollateral:
    """NVIDIA's documents: ``rims`` in place of its own, signed by ``signer``; ``ocsp`` is what it answers ``about`` one."""

    def answer(request: bytes) -> bytes:
        asked = about is not None and read_ocsp_question(request).serial == about.serial
        return NVIDIA.ocsp_answer(request, ocsp if asked else None)

    signers = [signer or NVIDIA.rim_signer(chip) for chip in dict.fromkeys([device.chip for device in devices])]
    return collect(devices, NVIDIA.rims(devices) if rims is None else rims, signers, answer)


@cache
def _good_documents(devices: tuple[NvidiaDevice, ...]) -> NvidiaCollateral:
    return answered(devices)
