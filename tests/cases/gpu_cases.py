"""Cases of one GPU: its evidence, its chain and report, and what the policy pins."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta
from typing import Final

from tests.cases.devices import GPU, OTHER_NVIDIA, answered, changed_gpu, device_case, group, refused_on, with_item
from tests.cases.model import NVIDIA, Case, case, case_family
from voltage_attest.evidence.model import DeviceEvidence
from voltage_attest.testing import APPRAISED_AT, GB100_GPU, Chip, GpuMode
from voltage_attest.testing.nvidia.world import Addresses, provisioner_ca

_A_SECOND: Final = timedelta(seconds=1)


@case
def one_gpu() -> Case:
    """One GPU, its manifests, and NVIDIA's word that nothing is revoked: verified."""
    return device_case()


@case
def eight_gpus_and_four_switches() -> Case:
    """A whole node in protected PCIe mode, each device by itself and all together: verified."""
    return device_case(group().gpus, group().switches)


@case
def a_blackwell_gpu() -> Case:
    """Blackwell has another firmware identity, other names and other manifests: verified."""
    return device_case([NVIDIA.gpu(GB100_GPU)])


@case
def evidence_without_gpus() -> Case:
    """The policy expects a GPU and the answer speaks of none."""
    good = device_case()
    return replace(good, claims=replace(good.claims, gpu_evidence=()), failed=frozenset({"evidence.gpu_present"}))


@case_family("no_json", "no_device", "two_architectures", "too_many")
def gpu_evidence_malformed(how: str) -> Case:
    """The evidence of GPUs is in none of the shapes that it may have: no device is judged."""
    good = device_case()
    given = good.claims.gpu_evidence[0].json
    documents = {
        "no_json": given[:-1],
        "no_device": '{"arch": "HOPPER", "evidence_list": []}',
        "two_architectures": given.replace('"evidence":', '"arch": "LS10", "evidence":'),
        "too_many": '{"arch": "HOPPER", "evidence_list": [' + ", ".join(["{}"] * 65) + "]}",
    }
    claims = replace(good.claims, gpu_evidence=(DeviceEvidence(documents[how]),))
    return replace(good, claims=claims, failed=frozenset({"gpu.evidence.parse"}))


@case
def report_with_a_trailing_byte() -> Case:
    """A byte follows the report's signature."""

    def longer(item: dict[str, str]) -> dict[str, str]:
        return item | {"evidence": base64.b64encode(base64.b64decode(item["evidence"]) + b"\0").decode()}

    return refused_on("gpu[0]", "gpu.report.parse", with_item(device_case(), longer))


@case
def chain_without_its_root() -> Case:
    """Four certificates, which all are genuine: the root is missing."""

    def shorter(item: dict[str, str]) -> dict[str, str]:
        four = "".join([signer.pem for signer in GPU.leaf.chain[:4]])
        return item | {"certificate": base64.b64encode(four.encode()).decode()}

    return refused_on("gpu[0]", "gpu.chain.parse", with_item(device_case(), shorter))


@case
def gpu_of_a_look_alike() -> Case:
    """Equal to NVIDIA's in every name, and ending in another root key."""
    return refused_on("gpu[0]", "gpu.chain", device_case([OTHER_NVIDIA.gpu()], nvidia=answered([GPU])))


@case_family("expired", "not_yet_valid")
def provisioner_out_of_date(how: str) -> Case:
    """The certificate under which the GPU was provisioned is not valid at the appraisal time."""
    fields = provisioner_ca(Chip.GH100, Addresses())
    expired = replace(fields, not_after=APPRAISED_AT - _A_SECOND)
    fields = expired if how == "expired" else replace(fields, not_before=APPRAISED_AT + _A_SECOND)
    return refused_on("gpu[0]", "gpu.chain_validity", device_case([NVIDIA.gpu(provisioner=NVIDIA.family().issue(fields))]))


@case
def gpu_labelled_as_blackwell() -> Case:
    """The evidence says BLACKWELL, the certificates GH100."""
    good = device_case()
    relabelled = good.claims.gpu_evidence[0].json.replace('"HOPPER"', '"BLACKWELL"')
    claims = replace(good.claims, gpu_evidence=(DeviceEvidence(relabelled),))
    return refused_on("gpu[0]", "gpu.architecture", replace(good, claims=claims))


@case
def report_of_another_device() -> Case:
    """The report is signed by another GPU's key than the certificates beside it hold."""
    other = NVIDIA.gpu(replace(GB100_GPU, chip=Chip.GH100, label="another"))
    stranger = replace(GPU, leaf=replace(GPU.leaf, key=other.leaf.key))
    return refused_on("gpu[0]", "gpu.report.signature", device_case([stranger], nvidia=answered([GPU])))


@case_family("another", "none")
def firmware_not_the_certified(which: str) -> Case:
    """The firmware identity in the report is not the certified one, or a driver that must report it does not."""
    return refused_on(
        "gpu[0]", "gpu.fwid", device_case([changed_gpu(GPU, records={20: bytes(48) if which == "another" else None})])
    )


@case_family("another", "contradicts_itself")
def mode_not_allowed(how: str) -> Case:
    """The GPU runs in another mode than the policy allows, or says two things of it."""
    if how == "another":
        return refused_on("gpu[0]", "gpu.mode", device_case(keys={"modes": '["mpt"]'}))
    return refused_on("gpu[0]", "gpu.mode", device_case([changed_gpu(GPU, records={36: GpuMode.MPT.flag, 21: b"\xaa"})]))


_PINS: Final = {
    "min_driver": ("gpu.policy.min_driver", '"590.13"'),
    "min_vbios": ("gpu.policy.min_vbios", '"96.00.A5.00.02"'),
    "chips": ("gpu.policy.chip", '["GB100"]'),
    "boards": ("gpu.policy.board", '["G520_0280_895"]'),
    "ueids": ("gpu.policy.ueid", '["4809"]'),
    "measurements": ("gpu.policy.measurements", f'{{ 35 = ["{"00" * 48}"] }}'),
}


@case_family(*_PINS)
def gpu_not_the_pinned(key: str) -> Case:
    """The policy names another GPU, board or firmware than this one."""
    check_id, value = _PINS[key]
    return refused_on("gpu[0]", check_id, device_case(keys={key: value}))


@case
def gpu_as_pinned_in_every_respect() -> Case:
    """Every pin holds: verified."""
    pins = {
        "min_driver": '"590.12"',
        "min_vbios": '"96.00.a5.00.01"',
        "chips": '["GH100"]',
        "boards": '["G520_0200_885"]',
        "modes": '["spt"]',
        "ueids": f'["{GPU.ueid}"]',
        "measurements": f'{{ 35 = ["{GPU.fields.measured[35].hex()}"] }}',
    }
    return device_case(keys=pins)
