"""Pins of boot loader, kernel and command line: met by digests alone, on real boots and against pods that relabel."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.event_log.logs import BOOT, Boot, Record, booted, ccel, cos, dstack_log, near, needs_vectors, sealed
from tests.workload.workloads import HEAD, appraise, failing
from voltage_attest.appraise.boot_chain import command_line_digests, pinned_registers
from voltage_attest.evidence.event_log import BootEvent, EventType, sha384
from voltage_attest.policy import TdxPolicy, parse_policy
from voltage_attest.result import Status
from voltage_attest.verify.event_log import VerifiedEventLog

FOREIGN = "cd" * 48


def listed(*digests: bytes) -> str:
    return json.dumps([digest.hex() for digest in dict.fromkeys(digests)])


class TestCos:
    """Google's Container-Optimized OS: shim, GRUB, a kernel from a disk."""

    pytestmark = needs_vectors

    @pytest.fixture
    def log(self) -> VerifiedEventLog:
        return sealed(cos().case())

    @staticmethod
    def pins(log: VerifiedEventLog) -> dict[str, str]:
        """A line for every key, with the values of the log."""
        images = [event.digest for event in log.log.of(1) if event.event_type == EventType.EFI_BOOT_SERVICES_APPLICATION]
        (kernel,) = [event.digest for event in log.log.of(2) if event.payload == b"/syslinux/vmlinuz.A\0"]
        (line,) = [event.measured for event in log.log.of(2) if event.payload.startswith(b"kernel_cmdline: ")]
        files = [event.digest for event in log.log.of(2) if event.measured is None and event.digest != kernel]
        (table,) = [event.digest for event in log.log.of(1) if event.event_type == EventType.EFI_GPT_EVENT]
        return {
            "secure_boot": "secure_boot = false",
            "boot_loader": f"boot_loader = {listed(*images)}",
            "partition_table": f"partition_table = {listed(table)}",
            "kernel": f"kernel = {listed(kernel)}",
            "kernel_cmdline": f"kernel_cmdline = [{json.dumps((line or b'').decode())}]",
            "boot_files": f"boot_files = {listed(*files)}",
        }

    def test_its_own_values_are_accepted(self, log: VerifiedEventLog) -> None:
        findings = appraise(log, "\n".join(self.pins(log).values()))
        passed = {name for name, finding in findings.items() if finding.status is Status.PASSED}
        assert passed == {"secure_boot", "boot_loader", "partition_table", "kernel", "kernel_cmdline"}
        assert failing(log, "\n".join(self.pins(log).values())) == set()

    @pytest.mark.parametrize(
        ("key", "line", "refused"),
        [
            ("secure_boot", "secure_boot = true", {"secure_boot"}),
            ("boot_loader", f'boot_loader = ["{FOREIGN}"]', {"boot_loader", "partition_table", "kernel", "kernel_cmdline"}),
            ("partition_table", f'partition_table = ["{FOREIGN}"]', {"partition_table"}),
            ("kernel", f'kernel = ["{FOREIGN}"]', {"kernel", "kernel_cmdline"}),
            ("kernel_cmdline", 'kernel_cmdline = ["ro"]', {"kernel", "kernel_cmdline"}),
            ("boot_files", f'boot_files = ["{FOREIGN}"]', {"kernel", "kernel_cmdline"}),
        ],
    )
    def test_another_value_is_refused(self, log: VerifiedEventLog, key: str, line: str, refused: set[str]) -> None:
        """And what it no longer explains makes the register's other pins doubtful."""
        assert failing(log, "\n".join((self.pins(log) | {key: line}).values())) == refused

    def test_a_boot_loader_that_is_not_named_is_refused(self, log: VerifiedEventLog) -> None:
        first = log.log.of(1)[3]
        finding = appraise(log, f"boot_loader = {listed(first.digest)}")["boot_loader"]
        assert finding.status is Status.FAILED
        assert "only claimed, and meets no pin" in (finding.reason or "")

    def test_a_register_that_tdx_pins_explains_itself(self, log: VerifiedEventLog) -> None:
        pins = self.pins(log)
        lines = f"{pins['kernel']}\n{pins['kernel_cmdline']}"
        assert failing(log, lines) == {"kernel", "kernel_cmdline"}
        assert failing(log, lines, pinned=frozenset({1, 2})) == set()

    def test_a_register_may_be_pinned_through_its_events(self, log: VerifiedEventLog) -> None:
        """Beside its other pins, or instead of them."""
        events = "\n".join(
            f"rtmr{register} = {listed(*[event.digest for event in log.log.of(register)])}" for register in (0, 1, 2)
        )
        pins = self.pins(log)
        assert failing(log, f"{pins['kernel']}\n{pins['kernel_cmdline']}\n[workload.events]\n{events}") == set()
        fewer = listed(*[event.digest for event in log.log.of(0)[1:]])
        assert failing(log, f"[workload.events]\nrtmr0 = {fewer}") == {"events"}
        assert failing(log, f'[workload.events]\nrtmr3 = ["{FOREIGN}"]') == {"events"}


@needs_vectors
@pytest.mark.parametrize("role", ["gateway", "model"])
def test_a_direct_boot_is_accepted_by_its_own_values(role: str) -> None:
    """dstack: the firmware starts the kernel; Secure Boot is off; the command line is pinned by its digest."""
    log = sealed(near(role).case())
    kernel, (line, initrd) = log.log.of(1)[0].digest, [event.digest for event in log.log.of(2)]
    lines = f"kernel = {listed(kernel)}\ninitrd = {listed(initrd)}\nboot_files = {listed(line)}\nsecure_boot = false"
    assert failing(log, lines) == set()
    assert failing(log, lines.replace(kernel.hex(), FOREIGN)) == {"kernel", "initrd"}
    assert failing(log, lines.replace(initrd.hex(), FOREIGN)) == {"initrd"}
    assert failing(log, lines.replace("false", "true")) == {"secure_boot"}


KERNEL, INITRD = sha384(b"kernel"), sha384(b"initrd")
DIRECT = f'kernel = {listed(KERNEL)}\ninitrd = {listed(INITRD)}\nkernel_cmdline = ["ro"]'


def direct(*records: Record) -> VerifiedEventLog:
    return sealed(Boot(dstack_log(records or BOOT), booted(records or BOOT)).case())


class TestDirectBoot:
    def test_it_is_accepted(self) -> None:
        findings = appraise(direct(), DIRECT)
        assert {name for name, finding in findings.items() if finding.status is Status.PASSED} == {
            "kernel",
            "initrd",
            "kernel_cmdline",
        }

    @pytest.mark.parametrize(
        ("old", "new", "refused"),
        [
            ('["ro"]', '["ro debug"]', {"kernel_cmdline", "initrd"}),
            (KERNEL.hex(), FOREIGN, {"kernel", "initrd", "kernel_cmdline"}),
            (INITRD.hex(), FOREIGN, {"initrd", "kernel_cmdline"}),
        ],
    )
    def test_another_value_is_refused(self, old: str, new: str, refused: set[str]) -> None:
        assert failing(direct(), DIRECT.replace(old, new)) == refused

    def test_a_second_kernel_cannot_hide_behind_the_first(self) -> None:
        """Under whatever type and name the pod gives it."""
        for kind in (
            EventType.EFI_BOOT_SERVICES_APPLICATION,
            EventType.EFI_ACTION,
            EventType.SEPARATOR,
            EventType.EFI_GPT_EVENT,
        ):
            records = (*BOOT, Record(1, kind, b"EFI PART", digest=sha384(b"evil")))
            assert failing(direct(*records), DIRECT) == {"kernel", "initrd", "kernel_cmdline"}

    def test_a_second_command_line_cannot_hide_behind_the_first(self) -> None:
        records = (*BOOT, Record(2, EventType.EVENT_TAG, b"TPM", digest=sha384("evil\0".encode("utf-16-le"))))
        assert failing(direct(*records), DIRECT) == {"initrd", "kernel_cmdline"}


GRUB_LINE = "/vmlinuz ro"


def words(text: str, prefix: str = "grub_cmd: ") -> Record:
    return Record(2, EventType.IPL, f"{prefix}{text}\0".encode(), digest=sha384(text.encode()))


def file(name: str, content: bytes) -> Record:
    return Record(2, EventType.IPL, f"{name}\0".encode(), digest=sha384(content))


GRUB = (
    Record(1, EventType.EFI_BOOT_SERVICES_APPLICATION, b"path", digest=sha384(b"shim")),
    file("/grub.cfg", b"config"),
    words("set root=hd0,1"),
    words("linux /vmlinuz ro"),
    file("/vmlinuz", b"kernel"),
    words(GRUB_LINE, "kernel_cmdline: "),
    words("initrd /initrd"),
    file("/initrd", b"initrd"),
)
GRUB_PINS = (
    f"boot_loader = {listed(sha384(b'shim'))}\nkernel = {listed(KERNEL)}\ninitrd = {listed(INITRD)}\n"
    f'boot_files = {listed(sha384(b"config"))}\nkernel_cmdline = ["{GRUB_LINE}"]'
)


def grub(records: Sequence[Record]) -> VerifiedEventLog:
    return sealed(Boot(ccel(records), booted(records)).case())


class TestPodsThatRelabel:
    """GRUB's configuration is the host's, the log is the pod's: a pinned command line must be the one that was used."""

    def test_an_honest_boot_is_accepted(self) -> None:
        assert failing(grub(GRUB), GRUB_PINS) == set()

    def test_the_labels_play_no_part(self) -> None:
        relabelled = [replace(record, payload=record.payload.replace(b"kernel_cmdline: ", b"grub_cmd: ")) for record in GRUB]
        assert failing(grub(relabelled), GRUB_PINS) == set()

    def evil(self, line: str) -> list[Record]:
        """The pinned line is run as a command, which fails; then the kernel is started with another one."""
        start = [*GRUB[:3], words(GRUB_LINE, "kernel_cmdline: ")]
        return [*start, words(f"linux {line}"), GRUB[4], words(line), *GRUB[6:]]

    @pytest.mark.parametrize("line", ["/vmlinuz evil", "(hd1)/vmlinuz evil", "2048+4096 evil", "vmlinuz evil", "$kernel evil"])
    def test_a_decoy_does_not_cover_another_command_line(self, line: str) -> None:
        assert "kernel_cmdline" in failing(grub(self.evil(line)), GRUB_PINS)

    @pytest.mark.parametrize("line", ["/vmlinuz evil", "vmlinuz evil"])
    def test_what_is_shown_as_a_bare_digest_is_not_believed(self, line: str) -> None:
        records = [
            Record(2, EventType.IPL, b"/grub/module.mod\0", digest=record.extended) if b"evil" in record.payload else record
            for record in self.evil(line)
        ]
        assert failing(grub(records), GRUB_PINS) == {"kernel", "initrd", "kernel_cmdline"}

    @pytest.mark.parametrize("content", [b"MZ\0\0evil kernel", b"MZ\xff\xfeevil kernel", b"070701\0initrd"])
    def test_a_file_shown_as_a_command_is_not_believed(self, content: bytes) -> None:
        """Its bytes are no text."""
        hidden = Record(2, EventType.IPL, b"grub_cmd: " + content + b"\0", digest=sha384(content))
        assert failing(grub([*GRUB, hidden]), GRUB_PINS) == {"kernel", "initrd", "kernel_cmdline"}

    def test_a_start_of_a_kernel_without_a_command_line_after_it_is_refused(self) -> None:
        assert failing(grub([*GRUB, words("linux /vmlinuz x"), GRUB[4]]), GRUB_PINS) == {"kernel_cmdline"}

    def test_another_boot_loader_makes_all_it_measured_doubtful(self) -> None:
        records = [replace(GRUB[0], digest=sha384(b"evil")), *GRUB[1:]]
        assert failing(grub(records), GRUB_PINS) == {"boot_loader", "kernel", "initrd", "kernel_cmdline"}


def variable(content: bytes, name: str = "SecureBoot", vendor: str = "61dfe48bca93d211aa0d00e098032b8c") -> bytes:
    head = bytes.fromhex(vendor) + len(name).to_bytes(8, "little") + len(content).to_bytes(8, "little")
    return head + name.encode("utf-16-le") + content


SECURE = Record(0, EventType.EFI_VARIABLE_DRIVER_CONFIG, variable(b"\x01"))
SEPARATOR = Record(0, EventType.SEPARATOR, bytes(4))


class TestSecureBoot:
    def test_on_is_told_from_off(self) -> None:
        assert failing(grub([SECURE, SEPARATOR]), "secure_boot = true") == set()
        for content in (b"\0", b""):
            off = Record(0, EventType.EFI_VARIABLE_DRIVER_CONFIG, variable(content))
            assert failing(grub([off, SEPARATOR]), "secure_boot = false") == set()
            assert failing(grub([off, SEPARATOR]), "secure_boot = true") == {"secure_boot"}

    @pytest.mark.parametrize(
        "records",
        [
            [SEPARATOR, SECURE],
            [replace(SECURE, payload=b"hidden", digest=SECURE.extended), SEPARATOR],
            [replace(SECURE, digest=sha384(variable(b"\0"))), SEPARATOR],
            [SECURE, SECURE, SEPARATOR],
            [Record(0, SECURE.kind, variable(b"\x01", "SecureBoots")), SEPARATOR],
            [Record(0, SECURE.kind, variable(b"\x01", vendor="00" * 16)), SEPARATOR],
            [Record(0, SECURE.kind, variable(b"\x02")), SEPARATOR],
            [replace(SECURE, register=1), SEPARATOR],
        ],
        ids=["after the separator", "hidden", "forged", "twice", "other name", "other vendor", "odd value", "other register"],
    )
    def test_what_is_not_the_firmwares_variable_meets_no_pin(self, records: list[Record]) -> None:
        assert failing(grub(records), "secure_boot = true") == {"secure_boot"}


class TestPartitionTable:
    TABLE = Record(1, EventType.EFI_GPT_EVENT, b"EFI PART table")
    LINES = f"partition_table = {listed(sha384(b'EFI PART table'))}"

    def test_it_is_met_by_its_digest(self) -> None:
        assert failing(grub([self.TABLE]), self.LINES) == set()

    def test_a_second_table_is_refused(self) -> None:
        assert failing(grub([self.TABLE, Record(1, EventType.EFI_GPT_EVENT, b"EFI PART evil")]), self.LINES) == {
            "partition_table"
        }


def test_the_registers_that_tdx_pins_are_known() -> None:
    text = HEAD.replace('rtmr1 = { unpinned = "the event log decides" }', f'rtmr1 = ["{FOREIGN}"]')
    assert pinned_registers(parse_policy(text).tdx or TdxPolicy({})) == {1}


def test_a_command_line_is_known_as_grub_and_as_the_efi_stub_measure_it() -> None:
    assert command_line_digests("ro é") == {sha384("ro é".encode()), sha384("ro é\0".encode("utf-16-le"))}


def test_the_register_of_an_event_is_the_one_it_replays_in() -> None:
    events: tuple[BootEvent, ...] = direct().log.events
    assert [event.register for event in events] == [record.register for record in BOOT]
