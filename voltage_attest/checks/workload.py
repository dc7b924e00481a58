"""Checks of a verified event log against ``[workload]``: which software runs, as far as the log binds it."""

from __future__ import annotations

from typing import Final

from voltage_attest.checks.event_log import AUTHENTIC_LOG
from voltage_attest.checks.model import Actor, Check

__all__ = ["WORKLOAD_CHECKS"]

_DSTACK: Final = "dstack, dstack-util/src/system_setup.rs"
_TCG: Final = "TCG PC Client Platform Firmware Profile 1.06, sections 3.3 and 10"
_GRUB: Final = "GRUB, grub-core/commands/tpm.c and loader/i386/linux.c; Linux, drivers/firmware/efi/libstub"
_GUEST: Final = (
    "That the guest's software tells the truth: pin MRTD and RTMR0 to RTMR2 as well, or boot_loader, kernel and kernel_cmdline."
)
_REVIEW: Final = (
    "If the provider announced a new version, compare the value with the publisher's, review, and add it to the policy. "
    "Otherwise do not use the pod."
)


def _check(  # noqa: PLR0917 - in the order of Check
    check_id: str, title: str, proves: str, does_not_prove: str, spec: str, remedy: str = _REVIEW
) -> Check:
    return Check(f"workload.{check_id}", title, proves, does_not_prove, spec, remedy, Actor.YOU, AUTHENTIC_LOG)


WORKLOAD_CHECKS: Final = (
    _check(
        "compose",
        "The application is a compose document that the policy names",
        "The bound compose-hash event is among workload.compose_sha256.",
        _GUEST,
        _DSTACK,
    ),
    Check(
        "workload.images",
        "Every container runs an image that the policy names",
        "In the compose document whose hash was measured, each service's image is given by digest, and each digest is among "
        "workload.image_digests. Whatever else could bring in an image (build, extends, include, variables) is refused.",
        "How the images are run: commands, environment, volumes and scripts of the document can do harm with good images, and "
        "a container that is given the Docker socket can start others. workload.compose_sha256 pins all of the document.",
        "The Compose Specification, services; OCI image specification, digests",
        _REVIEW,
        Actor.YOU,
        (*AUTHENTIC_LOG, "tdx.event_log.compose"),
    ),
    _check(
        "app_id",
        "The application's id is one that the policy names",
        "The bound app-id event is among workload.app_id.",
        f"Which version of the application it is: workload.compose_sha256 pins that. {_GUEST}",
        _DSTACK,
    ),
    _check(
        "os_image",
        "The guest states an operating system image that the policy names",
        "The bound os-image-hash event is among workload.os_image_hash.",
        "That this image was booted: the hash is the guest's own word. MRTD and RTMR0 to RTMR2, computed from the image, "
        "prove it.",
        _DSTACK,
    ),
    _check(
        "key_provider",
        "Keys come from a provider that the policy names",
        "The name, and where pinned the id, in the bound key-provider event is among workload.key_provider.",
        f"That the provider gives the keys to nobody else. {_GUEST}",
        _DSTACK,
    ),
    _check(
        "sealed_storage",
        "The disk's keys, its file system and the root file system are measured",
        "There are bound events that name a key provider other than none, the file system of the data disk (storage-fs), and "
        "the root file system (rootfs-hash or os-image-hash).",
        "That the data disk is encrypted: a kernel command line can turn that off in dstack, so pin kernel_cmdline or RTMR2 "
        "too.",
        _DSTACK,
        "Ask the provider for a guest with encrypted storage whose keys come from a key provider. Otherwise store nothing "
        "there.",
    ),
    _check(
        "models",
        "The model is the one that the policy names",
        "There is a bound model-digest event for each model that [models] lets requests name (for one at least, without that "
        "section), and every such event is among workload.models.",
        "That answers come from that model: that is the word of the application, whose image and compose document are to be "
        "pinned.",
        "voltage-attest, docs/measured-boot.md: NAME sha256:DIGEST",
    ),
    _check(
        "require_events",
        "Every runtime event that the policy requires was measured",
        "Each name of workload.require_events has bound events, all of them with a payload that is accepted for it.",
        "What the events stand for: that is decided when they are pinned.",
        "dstack, cc-eventlog/src/runtime_events.rs",
    ),
    _check(
        "forbid_events",
        "No runtime event that the policy forbids was measured",
        "None of workload.forbid_events is among the bound names in RTMR3, and RTMR3 holds no event whose name is only "
        "claimed.",
        "That what the event would have said did not happen unmeasured, or after the quote was made.",
        "dstack, cc-eventlog/src/runtime_events.rs",
    ),
    _check(
        "secure_boot",
        "Secure Boot is in the state that the policy names",
        "The one SecureBoot variable that the firmware measured into RTMR0 before its separator, recomputed from its content, "
        "is "
        "on or off as workload.secure_boot says.",
        "Which keys it trusts: pin RTMR0, or its events, for PK, KEK, db and dbx.",
        f"{_TCG}; UEFI specification, section 3.3",
    ),
    _check(
        "boot_loader",
        "Nothing but boot loaders that the policy names was started",
        "A digest of workload.boot_loader was extended into RTMR1, and every other event of RTMR1 is a word of the firmware, a "
        "partition table, or pinned too. What an event is said to be plays no part.",
        "What the boot loader then does: kernel, initrd and kernel_cmdline pin that.",
        _TCG,
    ),
    _check(
        "partition_table",
        "The boot disk is partitioned as the policy names",
        "A digest of workload.partition_table was extended into RTMR1, no other partition table, and nothing that is not "
        "explained.",
        "What the partitions hold.",
        _TCG,
    ),
    _check(
        "kernel",
        "The kernel is one that the policy names",
        "A digest of workload.kernel was extended into RTMR1 (Authenticode, where firmware starts it) or RTMR2 (the file, "
        "where "
        "GRUB does), and every other event there is explained: no other kernel can hide among claims.",
        "How it was told to run: pin kernel_cmdline and initrd as well.",
        f"{_TCG}; {_GRUB}",
    ),
    _check(
        "initrd",
        "The initrd is one that the policy names",
        "A digest of workload.initrd was extended into RTMR2, and every other event of RTMR1 and RTMR2 is explained.",
        "What it mounts: that is for kernel_cmdline and the runtime events.",
        _GRUB,
    ),
    _check(
        "kernel_cmdline",
        "The kernel's command line is one that the policy names",
        "The digest of a text in workload.kernel_cmdline was extended into RTMR2, every other event of RTMR1 and RTMR2 is "
        "explained, and none of them can be another command line.",
        "That the kernel heeds it: pin the kernel as well.",
        _GRUB,
    ),
    _check(
        "events",
        "Registers hold nothing but events that the policy names",
        "Every digest extended into a register of workload.events is in its list, and there is one at least.",
        "Their order and number: pin the register in [tdx] for those.",
        "Intel TDX Module ABI specification, TDG.MR.RTMR.EXTEND",
    ),
)
"""In order; they follow the checks of ``checks/event_log.py``."""
