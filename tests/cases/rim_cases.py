"""Cases of NVIDIA's manifests, of measurements against them, and of revocation."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final

from tests.cases.devices import (
    GPU,
    OTHER_NVIDIA,
    answered,
    changed_gpu,
    changed_switch,
    device_case,
    gpu_fields,
    group,
    refused_on,
)
from tests.cases.model import NVIDIA, Case, case, case_family
from voltage_attest.collateral.nvidia import NvidiaCollateral
from voltage_attest.testing import APPRAISED_AT, Chip, NvidiaSigner, OcspFields, OcspStatus, RimFields, RimKind
from voltage_attest.testing.nvidia.rim import rim_id_of
from voltage_attest.testing.nvidia.world import Addresses, rim_intermediate, rim_signer

_A_SECOND: Final = timedelta(seconds=1)
_IDS: Final = {kind: rim_id_of(kind, GPU.fields) for kind in (RimKind.DRIVER, RimKind.VBIOS)}


def _documents(rim: bytes, kind: RimKind = RimKind.DRIVER, signer: NvidiaSigner | None = None) -> NvidiaCollateral:
    """NVIDIA's documents for the GPU with one manifest in place of its own."""
    return answered([GPU], NVIDIA.rims([GPU]) | {_IDS[kind]: rim}, signer=signer)


def _fields(kind: RimKind) -> RimFields:
    return NVIDIA.rim_fields(kind, GPU)


@case_family("no_xml", "doctype", "second_signature", "wrapped")
def manifest_of_another_shape(how: str) -> Case:
    """The driver's manifest is no XML, or more than the one signed document that it must be."""
    good = NVIDIA.rim(RimKind.DRIVER, GPU)
    signature = good[good.index(b"<ds:Signature") : good.index(b"</SoftwareIdentity>")]
    shapes = {
        "no_xml": b"{}",
        "doctype": b"<!DOCTYPE SoftwareIdentity>" + good,
        "second_signature": good.replace(signature, signature * 2),
        "wrapped": b"<Bag>" + good + b"</Bag>",
    }
    return refused_on("gpu[0]", "gpu.rim.parse", device_case(nvidia=_documents(shapes[how])))


@case
def manifest_signed_by_a_look_alike() -> Case:
    """Signed by a chain that equals NVIDIA's in every name and ends in another root."""
    signer = OTHER_NVIDIA.rim_signer()
    rim = NVIDIA.rim(RimKind.VBIOS, GPU, signer=signer)
    return refused_on("gpu[0]", "gpu.rim.chain", device_case(nvidia=_documents(rim, RimKind.VBIOS)))


@case
def manifest_of_an_expired_signer() -> Case:
    """The signer's certificate has expired; nobody has revoked it."""
    fields = replace(rim_signer(Chip.GH100, Addresses()), not_after=APPRAISED_AT - _A_SECOND)
    ca = NVIDIA.rim_signer().issuer
    assert ca is not None
    signer = ca.issue(fields)
    rims = {_IDS[kind]: NVIDIA.rim(kind, GPU, signer=signer) for kind in _IDS}
    return refused_on("gpu[0]", "gpu.rim.chain_validity", device_case(nvidia=answered([GPU], rims, signer=signer)))


@case_family("measurement", "version", "signature")
def manifest_altered_after_signing(what: str) -> Case:
    """One character of the manifest, or of its signature, was changed after NVIDIA signed it."""
    good = NVIDIA.rim(RimKind.DRIVER, GPU)
    value = _fields(RimKind.DRIVER).golden[7][0].hex().encode()
    start = good.index(b"<ds:SignatureValue>") + len(b"<ds:SignatureValue>")
    signature = good[start : start + 8]
    changes = {
        "measurement": (value, value[:-1] + (b"0" if value[-1:] != b"0" else b"1")),
        "version": (b'colloquialVersion="590.12"', b'colloquialVersion="590.13"'),
        "signature": (signature, signature[::-1]),
    }
    return refused_on("gpu[0]", "gpu.rim.signature", device_case(nvidia=_documents(good.replace(*changes[what], 1))))


@case_family("version", "product", "edition")
def manifest_of_another_driver(what: str) -> Case:
    """NVIDIA's own manifest, for another driver or chip than the report names."""
    other = {
        "version": replace(_fields(RimKind.DRIVER), version="590.13"),
        "product": replace(_fields(RimKind.DRIVER), product="GB100"),
        "edition": replace(_fields(RimKind.DRIVER), edition="SWITCH"),
    }
    rim = NVIDIA.rim(RimKind.DRIVER, GPU, fields=other[what])
    return refused_on("gpu[0]", "gpu.rim.driver", device_case(nvidia=_documents(rim)))


@case
def manifest_of_another_vbios() -> Case:
    """NVIDIA's own manifest, for another VBIOS than the report names."""
    rim = NVIDIA.rim(RimKind.VBIOS, GPU, fields=replace(_fields(RimKind.VBIOS), version="96.00.A5.00.02"))
    return refused_on("gpu[0]", "gpu.rim.vbios", device_case(nvidia=_documents(rim, RimKind.VBIOS)))


@case_family("driver", "vbios", "nvdec0")
def gpu_measured_otherwise(which: str) -> Case:
    """One measurement is none of those that NVIDIA lists; index 35 counts although the report calls its engine disabled."""
    index = {"driver": 25, "vbios": 0, "nvdec0": 35}[which]
    return refused_on("gpu[0]", "gpu.measurements", device_case([changed_gpu(GPU, measurements={index: bytes(48)})]))


@case
def switch_measured_otherwise() -> Case:
    """The third switch runs another BIOS than its manifest says."""
    switches = list(group().switches)
    switches[2] = changed_switch(switches[2], measurements={9: bytes(48)})
    return refused_on("switch[2]", "gpu.measurements", device_case(group().gpus, switches))


@case
def manifests_that_contradict_each_other() -> Case:
    """Driver and VBIOS manifest both claim one index."""
    driver = _fields(RimKind.DRIVER)
    golden = {**driver.golden, 0: _fields(RimKind.VBIOS).golden[0]}
    rim = NVIDIA.rim(RimKind.DRIVER, GPU, fields=replace(driver, golden=golden))
    return refused_on("gpu[0]", "gpu.measurements", device_case(nvidia=_documents(rim)))


@case
def firmware_below_the_security_version() -> Case:
    """A security version in opaque data is lower than the VBIOS manifest demands."""
    gpu = NVIDIA.gpu(replace(gpu_fields(GPU), versioned=True, fsp_ucode_svn=0))
    return refused_on("gpu[0]", "gpu.measurements", device_case([gpu]))


@case_family("revoked", "hold", "unknown", "stale")
def provisioner_not_good(how: str) -> Case:
    """NVIDIA's answer about the certificate that the GPU was provisioned under is not a current good."""
    nvidia = answered([GPU], about=NVIDIA.provisioner(), ocsp=_status(how))
    return refused_on("gpu[0]", "gpu.revocation", device_case(nvidia=nvidia))


@case_family("revoked", "hold", "unknown", "stale")
def manifests_signer_not_good(how: str) -> Case:
    """NVIDIA's answer about the signer of its manifests is not a current good."""
    nvidia = answered([GPU], about=NVIDIA.rim_signer(), ocsp=_status(how))
    return refused_on("gpu[0]", "gpu.rim.revocation", device_case(nvidia=nvidia))


def _status(how: str) -> OcspFields:
    if how == "stale":
        return OcspFields(this_update=APPRAISED_AT - timedelta(hours=24, seconds=1))
    return OcspFields(status=OcspStatus(how))


@case
def provisioner_on_the_crl() -> Case:
    """The family's CRL names the provisioner, while the OCSP answer still says good."""
    crl = NVIDIA.crl(NVIDIA.family(), NVIDIA.provisioner())
    return refused_on("gpu[0]", "gpu.revocation", device_case(nvidia=replace(answered([GPU]), crls=(crl,))))


@case
def hold_that_the_policy_accepts() -> Case:
    """The provisioner is on hold, and the policy accepts that for devices: verified."""
    nvidia = answered([GPU], about=NVIDIA.provisioner(), ocsp=OcspFields(status=OcspStatus.HOLD))
    return device_case(nvidia=nvidia, keys={"certificate_hold": '{ device = "accept" }'})


@case
def manifests_absent() -> Case:
    """No manifest is at hand: undecided, and what rests on them is not made."""
    nvidia = replace(answered([GPU]), rims=())
    return replace(device_case(nvidia=nvidia), errors=frozenset({"gpu.rim.parse"}), on=frozenset({"gpu[0]"}))


@case
def revocation_absent() -> Case:
    """Neither OCSP answer nor CRL is at hand: undecided for the GPU's certificates and for the manifests'."""
    nvidia = replace(answered([GPU]), ocsp=())
    errors = frozenset({"gpu.revocation", "gpu.rim.revocation"})
    return replace(device_case(nvidia=nvidia), errors=errors, on=frozenset({"gpu[0]"}))


@case
def safeguards_left_out_by_the_policy() -> Case:
    """The policy compares no measurements and asks nobody about revocation, loudly: verified with nothing of NVIDIA at hand."""
    keys = {"unsafe_skip_rim": '"a test"', "unsafe_skip_revocation": '"a test"'}
    return device_case(nvidia=NvidiaCollateral(), keys=keys)


@case
def intermediate_of_manifests_out_of_place() -> Case:
    """A CA stands where the signer belongs: a key that certifies signs no manifest."""
    ca = NVIDIA.rim_signer().issuer
    assert ca is not None
    signer = ca.issue(replace(rim_intermediate(Chip.GH100, Addresses()), common_name="HCC RIM L4 Signer"))
    rim = NVIDIA.rim(RimKind.DRIVER, GPU, signer=signer)
    return refused_on("gpu[0]", "gpu.rim.chain", device_case(nvidia=_documents(rim)))
