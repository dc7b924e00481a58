"""Cases of the boot log and of ``[workload]``: a small dstack guest, of which one thing at a time is not as it must be."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from tests.cases.model import PLATFORM, Case, case, case_family, policy_text
from tests.event_log.logs import BOOT, Record, dstack_log, registers, runtime
from voltage_attest.evidence.event_log import EventType, sha384
from voltage_attest.evidence.model import Evidence
from voltage_attest.testing import TdReportFields
from voltage_attest.verify.mr_config import mr_config_id_v1, mr_config_id_v3

__all__ = ["BOOTED", "COMPOSE", "MR_CONFIG", "Booted", "boot_policy"]

_IMAGE: Final = "ab" * 32
_OTHER: Final = "cd" * 32
COMPOSE: Final = json.dumps(
    {
        "name": "ward",
        "runner": "docker-compose",
        "docker_compose_file": f"services:\n  web:\n    image: registry.example/web@sha256:{_IMAGE}\n",
    }
).encode()
"""The application's document; its one image is pinned by digest."""

_COMPOSE_HASH: Final = hashlib.sha256(COMPOSE).digest()
_GLOBAL_VARIABLE: Final = bytes.fromhex("61dfe48bca93d211aa0d00e098032b8c")
_SECURE_BOOT: Final = (
    _GLOBAL_VARIABLE + (10).to_bytes(8, "little") + (1).to_bytes(8, "little") + "SecureBoot".encode("utf-16-le") + b"\x01"
)
_PARTITIONS: Final = b"EFI PART, as it was read from the disk"
_MODEL: Final = f"ward-model sha256:{_IMAGE}"
_OPEN: Final = '{ unpinned = "its events are judged" }'


def _extended() -> tuple[Record, ...]:
    """The small boot, as the application of :data:`COMPOSE`, with what pins can be about."""
    payloads = {"app-id": _COMPOSE_HASH[:20], "compose-hash": _COMPOSE_HASH}
    found: list[Record] = [Record(0, EventType.EFI_VARIABLE_DRIVER_CONFIG, _SECURE_BOOT)]
    for record in BOOT[1:]:
        if record.name == "key-provider":
            found.append(runtime("os-image-hash", bytes.fromhex(_IMAGE)))
        found.append(replace(record, payload=payloads.get(record.name, record.payload)))
        if record.register == 1:
            found.append(Record(1, EventType.EFI_GPT_EVENT, _PARTITIONS))
    return (*found, runtime("model-digest", _MODEL.encode()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Booted:
    """One boot: what was measured, what the log says of it, and what the guest sends along."""

    records: tuple[Record, ...] = field(default_factory=_extended)
    log: str | None = None
    compose: bytes = COMPOSE
    mr_config_id: bytes = bytes(48)
    mr_config: bytes | None = None
    registers: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def quote(self) -> bytes:
        """A genuine quote of this boot, or of one that differs in ``registers``."""
        held = registers(self.records) | dict(self.registers)
        td = TdReportFields(
            rtmr0=held["rtmr0"],
            rtmr1=held["rtmr1"],
            rtmr2=held["rtmr2"],
            rtmr3=held["rtmr3"],
            mr_config_id=self.mr_config_id,
        )
        return PLATFORM.quote(td)

    @property
    def evidence(self) -> Evidence:
        """The log and dstack's ``info``, as a provider's answer carries them."""
        config = {} if self.mr_config is None else {"vm_config": json.dumps({"mr_config": self.mr_config.decode()})}
        info = {"tcb_info": {"app_compose": self.compose.decode()}, **config}
        log = dstack_log(self.records).decode() if self.log is None else self.log
        return Evidence(event_log=log, binding_inputs=(("dstack_info", json.dumps(info).encode()),))

    def case(self, *failing: str, workload: str | None = None) -> Case:
        """This boot before a policy; the checks named must fail, and no others."""
        return Case(failed=frozenset(failing), quote=self.quote, claims=self.evidence, policy=boot_policy(workload))


def boot_policy(workload: str | None = None) -> str:
    """A policy that pins this application by its events, or ``workload`` in place of that; registers are left open."""
    opened = {f"rtmr{register}": _OPEN for register in range(4)}
    section = f'compose_sha256 = ["{_COMPOSE_HASH.hex()}"]' if workload is None else workload
    return f"{policy_text(tdx=opened)}\n[workload]\n{section}\n"


BOOTED: Final = Booted()
"""The boot that every other one differs from in one thing."""

MR_CONFIG: Final = json.dumps(
    {
        "app_id": _COMPOSE_HASH[:20].hex(),
        "compose_hash": _COMPOSE_HASH.hex(),
        "instance_id": "11" * 20,
        "key_provider": "kms",
        "key_provider_id": "aabb",
        "version": 3,
    }
).encode()
"""dstack's document for the third form of MRCONFIGID, of this application and one instance."""

_BROKEN: Final = {
    "parse": Booted(log="no log"),
    **{f"rtmr{register}": Booted(registers={f"rtmr{register}": b"\x01" * 48}) for register in range(4)},
    "runtime": Booted(records=(*BOOTED.records, runtime("a:b"))),
    "order": Booted(records=(*BOOTED.records, runtime("compose-hash", bytes(32)))),
    "compose": Booted(compose=COMPOSE.replace(b"ward", b"wark")),
    "mr_config_id": Booted(mr_config_id=mr_config_id_v1(bytes(32))),
}
_KERNEL, _CMDLINE, _INITRD = sha384(b"kernel").hex(), "ro", sha384(b"initrd").hex()
_GPT: Final = sha384(_PARTITIONS).hex()
_FILES: Final = f'boot_files = ["{_KERNEL}", "{sha384("ro".encode("utf-16-le") + bytes(2)).hex()}", "{_INITRD}"]\n'
_OTHER_FILE: Final = _OTHER + "00" * 16

_PINS: Final = {
    "compose": (f'compose_sha256 = ["{_COMPOSE_HASH.hex()}"]', f'compose_sha256 = ["{_OTHER}"]'),
    "images": (f'image_digests = ["sha256:{_IMAGE}"]', f'image_digests = ["sha256:{_OTHER}"]'),
    "app_id": (f'app_id = ["{_COMPOSE_HASH[:20].hex()}"]', f'app_id = ["{"00" * 20}"]'),
    "os_image": (f'os_image_hash = ["{_IMAGE}"]', f'os_image_hash = ["{_OTHER}"]'),
    "key_provider": ('key_provider = ["kms:aabb"]', 'key_provider = ["kms:aabbcc"]'),
    "sealed_storage": ("sealed_storage = true", ""),
    "models": (f'models = {{ ward-model = ["{_IMAGE}"] }}', f'models = {{ ward-model = ["{_OTHER}"] }}'),
    "require_events": ('require_events = { storage-fs = ["zfs"] }', 'require_events = { storage-fs = ["ext4"] }'),
    "forbid_events": ('forbid_events = ["debug-shell"]', 'forbid_events = ["greeting"]'),
    "secure_boot": ("secure_boot = true", "secure_boot = false"),
    "boot_loader": (f'boot_loader = ["{_KERNEL}"]', f'{_FILES}boot_loader = ["{_OTHER_FILE}"]'),
    "partition_table": (f'{_FILES}partition_table = ["{_GPT}"]', f'{_FILES}partition_table = ["{_OTHER_FILE}"]'),
    "kernel": (f'kernel = ["{_KERNEL}"]', f'{_FILES}kernel = ["{_OTHER_FILE}"]'),
    "initrd": (f'{_FILES}initrd = ["{_INITRD}"]', f'{_FILES}initrd = ["{_OTHER_FILE}"]'),
    "kernel_cmdline": (f'{_FILES}kernel_cmdline = ["{_CMDLINE}"]', f'{_FILES}kernel_cmdline = ["{_CMDLINE} debug"]'),
    "events": (
        f'events = {{ rtmr1 = ["{_KERNEL}", "{_GPT}"] }}',
        f'events = {{ rtmr1 = ["{_KERNEL}", "{_OTHER_FILE}"] }}',
    ),
}
"""By the last part of a check's id: a pin that this boot meets, and one that it does not."""


@case
def boot_as_pinned() -> Case:
    """A boot whose log replays, of the application that the policy names."""
    return BOOTED.case()


@case_family(*_BROKEN)
def log_refused(name: str) -> Case:
    """A boot of the pinned application whose log cannot be read, does not replay, or says what was not measured."""
    return _BROKEN[name].case(f"tdx.event_log.{name}")


@case
def log_absent() -> Case:
    """A policy about the workload, and no event log: undecided, for the pod may send one later."""
    case = BOOTED.case()
    return replace(case, errors=frozenset({"tdx.event_log.parse"}), claims=replace(case.claims, event_log=None))


@case
def log_unasked() -> Case:
    """Without [workload] a log is not even read, however broken."""
    return Case(claims=Evidence(event_log="no log"))


@case
def configured_at_launch() -> Case:
    """MRCONFIGID is the form of the measured application that takes its document along."""
    return Booted(mr_config_id=mr_config_id_v3(MR_CONFIG), mr_config=MR_CONFIG).case()


@case
def images_unknown() -> Case:
    """Images are pinned, and the compose document that names them was not sent: undecided."""
    case = BOOTED.case(workload=_PINS["images"][0])
    return replace(case, errors=frozenset({"workload.images"}), claims=replace(case.claims, binding_inputs=()))


@case_family(*_PINS)
def workload_met(name: str) -> Case:
    """The boot meets a pin."""
    return BOOTED.case(workload=_PINS[name][0])


@case_family(*_PINS)
def workload_missed(name: str) -> Case:
    """The boot meets every condition of its log, and not this pin."""
    if name == "sealed_storage":
        records = tuple(record for record in BOOTED.records if record.name != "storage-fs")
        return Booted(records=records).case("workload.sealed_storage", workload=_PINS[name][0])
    return BOOTED.case(f"workload.{name}", workload=_PINS[name][1])


@case_family("measured", "not_measured")
def model_that_may_be_asked_for(name: str) -> Case:
    """Requests may name one model, or one more, of which this machine measured none."""
    asked = ["ward-model"] if name == "measured" else ["ward-model", "other-model"]
    workload = f'models = {{ ward-model = ["{_IMAGE}"], other-model = ["{_OTHER}"] }}\n\n[models]\nallow = {json.dumps(asked)}'
    return BOOTED.case(*([] if name == "measured" else ["workload.models"]), workload=workload)
