"""Checks of NVIDIA GPUs and NVSwitches: one device at a time, then all devices of a node together.

A row about one device carries it (``gpu[0]``, ``switch[3]``). Node rows look at all devices of the evidence together, so they
are made only if what they require passed for every one of them.
"""

from __future__ import annotations

from typing import Final

from voltage_attest.checks.model import Actor, Check

__all__ = ["AUTHENTIC_DEVICE", "GPU_BINDING_CHECKS", "GPU_CHECKS"]

_SPDM = "DMTF DSP0274 1.1, section 10.11 (GET_MEASUREMENTS, MEASUREMENTS)"
_DICE = "TCG DICE Attestation Architecture 1.1, section 6.1"
_TOPOLOGY = "nvtrust, ppcie/verifier/src/topology/validate_topology.py"
_SUSPECT = "Do not send anything to this pod. Ask the provider for fresh evidence; if it fails again, treat the pod as hostile."
_RETRY = "Ask for fresh evidence with a new nonce. A report that still carries another is a recording, or another machine's."

AUTHENTIC_DEVICE: Final = ("gpu.chain", "gpu.chain_validity", "gpu.architecture", "gpu.report.signature", "gpu.fwid")
"""What must hold before anything that a device's report says is believed."""

_SIGNED: Final = ("gpu.report.signature",)
_ALL_DEVICES: Final = ("gpu.evidence.parse", *AUTHENTIC_DEVICE)

_EVIDENCE = (
    Check(
        "evidence.gpu_present",
        "Evidence of GPUs is there where the policy expects it",
        "The evidence holds at least one GPU's report, as the policy's [gpu] section asks. Without that section no GPU is "
        "expected, and none is judged.",
        "That any of it is true.",
        "voltage-attest, DESIGN section 5",
        "Ask the provider for the GPUs' attestation reports, made for your nonce. To do without, remove [gpu] from the policy: "
        "then nothing is proven about GPUs.",
        Actor.PROVIDER,
    ),
    Check(
        "gpu.evidence.parse",
        "The evidence of GPUs and switches is well formed",
        "It has the shape that NVIDIA's attestation service defined: per device one report and one certificate chain, of one "
        "architecture per request.",
        "That any of its content is true.",
        "NVIDIA NRAS API v3 and v4, POST /attest/gpu and /attest/switch",
        "Pass the evidence as the provider sent it. If it did, ask the provider to mend its answer.",
        Actor.PROVIDER,
        ("evidence.gpu_present",),
    ),
)

_DEVICE = (
    Check(
        "gpu.report.parse",
        "The device's attestation report is well formed",
        "Request and response nest exactly, nothing follows the signature, and indices and types occur once. Known records "
        "have their sizes and values, by the table of the stated device class.",
        "That any of its content is true.",
        _SPDM,
        "Pass the report's bytes unchanged, with the architecture it was collected under. If the driver is newer than this "
        "version, update voltage-attest.",
        Actor.YOU,
    ),
    Check(
        "gpu.chain.parse",
        "The device brings a certificate chain of exactly five certificates",
        "Five X.509 v3 certificates with P-384 keys and ECDSA-SHA384 signatures can be read, and the leaf's firmware identity.",
        "That NVIDIA issued them.",
        "RFC 5280; RFC 7468",
        "Ask the provider for the device's whole chain in PEM, leaf first, as NVIDIA's driver returns it.",
        Actor.PROVIDER,
    ),
    Check(
        "gpu.chain",
        "The device's chain leads to NVIDIA's pinned device root key",
        "Each certificate is signed by the next, the last one holds the pinned key and signs itself. Issuers are CAs, the leaf "
        "is none, and all names are of one chip and in their places.",
        "That no certificate was revoked or has expired: separate checks do.",
        "RFC 5280, section 6.1; NVIDIA attestation-sdk, nv_x509.cpp",
        _SUSPECT,
        Actor.PROVIDER,
        ("gpu.chain.parse",),
    ),
    Check(
        "gpu.chain_validity",
        "The device's certificates are valid at the appraisal time",
        "The appraisal time lies between notBefore and notAfter of all five certificates.",
        "That none was revoked. Nearly all are valid to the year 9999, so expiry is not what retires a device.",
        "RFC 5280, section 4.1.2.5",
        "Compare the appraisal time with your clock, and ask the provider for the device's current certificates.",
        Actor.PROVIDER,
        ("gpu.chain",),
    ),
    Check(
        "gpu.architecture",
        "The device is of the architecture that the evidence states",
        "HOPPER is GH100, BLACKWELL is GB and three digits, LS10 is LS_10 in the certificates, and a chip named in the report "
        "is the same.",
        "Which product was rented: the H100 and the H200 are both GH100. The board number tells them apart.",
        "NVIDIA attestation-sdk, gpu/evidence.cpp and switch/evidence.cpp",
        "Collect the evidence under its real architecture. If it is right, the pod holds another device than was promised.",
        Actor.PROVIDER,
        ("gpu.report.parse", "gpu.chain"),
    ),
    Check(
        "gpu.report.signature",
        "The report is signed by the key of the device's leaf certificate",
        "ECDSA P-384 over SHA-384 of request and response verifies, all bytes but the signature itself.",
        "When it was made: binding.gpu_nonce proves that.",
        _SPDM,
        _SUSPECT,
        Actor.PROVIDER,
        ("gpu.report.parse", "gpu.chain"),
    ),
    Check(
        "gpu.fwid",
        "The firmware identity in the report is the certified one",
        "The SHA-384 FWID in the report equals the one in the leaf certificate (DICE). Drivers from 550 on must report it.",
        "That the firmware is a good one: its measurements are compared separately. Switches report no FWID.",
        _DICE,
        "Ask the provider to update driver and firmware together. If it fails again, treat the device as hostile.",
        Actor.PROVIDER,
        _SIGNED,
    ),
    Check(
        "gpu.mode",
        "The GPU runs in a confidential computing mode that the policy allows",
        "The signed mode (spt, mpt or ppcie) is among gpu.modes, and agrees with the protected PCIe status.",
        "That development tools are off: no field of the report says so; measurements may show it.",
        "NVIDIA attestation-sdk, gpu/verify.cpp (FEATURE_FLAG)",
        "Ask the provider for the right mode, or name this one in gpu.modes. Drivers before 580 cannot tell spt from mpt.",
        Actor.PROVIDER,
        _SIGNED,
    ),
    Check(
        "gpu.policy.min_driver",
        "The GPU's driver is not older than the policy allows",
        "The signed driver version, compared number by number, reaches gpu.min_driver.",
        "That this driver is unaltered: its reference values prove that.",
        "voltage-attest, DESIGN section 5",
        "Ask the provider to update the driver, or lower gpu.min_driver after a review.",
        Actor.PROVIDER,
        _SIGNED,
    ),
    Check(
        "gpu.policy.min_vbios",
        "The GPU's VBIOS is not older than the policy allows",
        "The signed VBIOS version, compared byte by byte, reaches gpu.min_vbios.",
        "That this VBIOS is unaltered: its reference values prove that.",
        "voltage-attest, DESIGN section 5",
        "Ask the provider to update the VBIOS, or lower gpu.min_vbios after a review.",
        Actor.PROVIDER,
        _SIGNED,
    ),
)

_NODE = (
    Check(
        "gpu.node.count",
        "As many GPUs and switches verified as the policy expects",
        "The number of genuine GPUs equals gpu.count, and that of switches gpu.switches where the policy names it.",
        "That the machine has no other devices.",
        "voltage-attest, DESIGN section 5",
        "Compare gpu.count and gpu.switches with what you rented. If they are right, devices are missing: ask the provider.",
        Actor.YOU,
        _ALL_DEVICES,
    ),
    Check(
        "gpu.node.distinct",
        "No device was given twice",
        "Every leaf serial number (ueid) and every PDI is that of one device only.",
        "That the devices share one machine.",
        "trustee, deps/verifier/src/nvidia (repeated ueid)",
        _SUSPECT,
        Actor.PROVIDER,
        _ALL_DEVICES,
    ),
    Check(
        "gpu.node.nonce",
        "All reports were made for one request",
        "The nonce in every signed SPDM request is the same.",
        "That it is the expected one: binding.gpu_nonce does.",
        _SPDM,
        _RETRY,
        Actor.PROVIDER,
        _ALL_DEVICES,
    ),
    Check(
        "gpu.node.mode",
        "All GPUs run in one mode",
        "No two GPUs report different confidential computing modes.",
        "That the mode is an allowed one: gpu.mode does.",
        "nv-local-gpu-verifier 2.7.3, cc_admin.py",
        "Ask the provider to bring all GPUs into one mode.",
        Actor.PROVIDER,
        _ALL_DEVICES,
    ),
    Check(
        "gpu.node.ppcie",
        "Protected PCIe is on for every GPU of a group with switches",
        "PROTECTED_PCIE_STATUS is AA on every GPU, and no GPU reports another mode.",
        "That the switches are genuine: their own rows do.",
        _TOPOLOGY,
        "Ask the provider to enable protected PCIe on all GPUs of the node.",
        Actor.PROVIDER,
        _ALL_DEVICES,
    ),
    Check(
        "gpu.topology.links",
        "All GPUs of the group are wired to the same four switches",
        "Each GPU's signed list of link partners names exactly four switches, and all lists name the same.",
        "That these switches are genuine, or agree.",
        _TOPOLOGY,
        _SUSPECT,
        Actor.PROVIDER,
        _ALL_DEVICES,
    ),
    Check(
        "gpu.topology",
        "GPUs and switches name each other, by the identities in their certificates",
        "Each switch's own PDI is its certificate's. The switches are exactly those the GPUs name, and each names exactly the "
        "GPUs of the evidence.",
        "That the group sits in the machine of the CPU's quote.",
        f"{_TOPOLOGY}; PDI = low 8 bytes of the BROM certificate's serial number",
        _SUSPECT,
        Actor.PROVIDER,
        (*_ALL_DEVICES, "gpu.node.distinct", "gpu.topology.links"),
    ),
    Check(
        "gpu.node.switch_lock",
        "Every switch is locked",
        "SWITCH_LOCK_STATUS is 0100: the switch's routes are fixed until it is reset.",
        "Which routes they are.",
        "NVIDIA attestation-sdk, switch/evidence.cpp",
        "Ask the provider to start the node in protected PCIe mode, which locks the switches.",
        Actor.PROVIDER,
        _ALL_DEVICES,
    ),
)

_BINDING = (
    Check(
        "binding.gpu_nonce",
        "The devices' reports were made for this request, and for this CPU's quote",
        "The nonce in every device's signed request, all 32 bytes, is what the policy's binding derives from the verifier's "
        "nonce or from the quote's REPORTDATA.",
        "That the GPUs sit in the machine of the CPU's quote: a remote GPU can sign any nonce.",
        f"{_SPDM}; docs/bindings.md",
        _RETRY,
        Actor.PROVIDER,
        ("binding.report_data", *_ALL_DEVICES, "gpu.node.nonce"),
    ),
)

GPU_CHECKS: Final = (*_EVIDENCE, *_DEVICE, *_NODE)
"""All of them but the binding, in the order in which they are made and shown."""
GPU_BINDING_CHECKS: Final = _BINDING
"""They follow the checks of the quote's binding."""
