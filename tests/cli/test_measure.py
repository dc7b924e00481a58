"""``voltage-attest measure``: what the library computes, in text for a policy and in JSON, and messages for what it cannot."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.event_log.logs import near, needs_vectors
from tests.measure.firmware import BFV, CFV, TEMPORARY, firmware
from tests.measure.test_linux import KERNEL
from voltage_attest.evidence.event_log_text import parse_event_log
from voltage_attest.measure import DirectBoot, PageOrder, measure_direct_boot, measure_mrtd
from voltage_attest.policy import parse_policy

IMAGE = firmware(BFV, CFV, TEMPORARY)
COMPOSE = b'{"name": "ward"}'
DIRECT = ("--kernel", "kernel", "--initrd", "initrd", "--cmdline", "console=hvc0 ro", "--memory", "8G")
EVENTS = ("--event", f"instance-id={'11' * 20}", "--event", 'key-provider={"name":"none","id":""}')


@pytest.fixture(autouse=True)
def files(folder: Path) -> None:
    """A firmware, a kernel, an initrd and a compose document in the working folder."""
    for name, data in {"firmware": IMAGE, "kernel": KERNEL, "initrd": b"initrd", "compose": COMPOSE}.items():
        (folder / name).write_bytes(data)


def test_all_registers_are_computed_as_the_library_does(run: Run) -> None:
    result = run("measure", "--firmware", "firmware", *DIRECT, "--compose", "compose", *EVENTS, "--format", "json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    boot = measure_direct_boot(DirectBoot(KERNEL, b"initrd", "console=hvc0 ro", 8 << 30))
    assert found["mrtd"] == {order.value: measure_mrtd(IMAGE, order).hex() for order in PageOrder}
    assert [item["value"] for item in found["registers"][:2]] == [register.value.hex() for register in boot]
    assert found["registers"][2]["register"] == "rtmr3"
    assert found["compose_sha256"] == hashlib.sha256(COMPOSE).hexdigest()
    assert found["missing_events"] == []


def test_the_text_ends_in_lines_for_a_policy_that_load(run: Run) -> None:
    text = run("measure", "--firmware", "firmware", *DIRECT, "--compose", "compose", *EVENTS).stdout
    tdx, _, workload = text.partition("[tdx]\n")[2].partition("[workload]\n")
    opened = "".join(f'{key} = {{ unpinned = "not computed" }}\n' for key in ("rtmr0", "rtmr3"))
    policy = parse_policy(f'schema = "voltage-attest/policy/1"\nname = "x"\n[tdx]\n{tdx}{opened}[workload]\n{workload}')
    assert policy.workload is not None
    assert policy.workload.compose_sha256 == frozenset({hashlib.sha256(COMPOSE).digest()})


def test_one_page_order_can_be_named(run: Run) -> None:
    found = run("measure", "--firmware", "firmware", "--page-order", "two-pass", "--format", "json")
    assert list(json.loads(found.stdout)["mrtd"]) == ["two-pass"]


def test_without_the_instances_events_the_document_is_still_hashed(run: Run) -> None:
    result = run("measure", "--compose", "compose")
    assert result.exit_code == 0
    assert "RTMR3 is not computed: it needs --event instance-id=... and --event key-provider=...." in result.stdout
    assert hashlib.sha256(COMPOSE).hexdigest() in result.stdout


def test_a_kernel_that_is_not_patched_needs_no_memory(run: Run) -> None:
    result = run("measure", "--kernel", "kernel", "--unpatched", "--format", "json")
    rtmr1, _ = measure_direct_boot(DirectBoot(KERNEL, None, "", 0, patched=False))
    assert json.loads(result.stdout)["registers"][0]["value"] == rtmr1.value.hex()


@needs_vectors
@pytest.mark.parametrize("role", ["gateway", "model"])
def test_rtmr3_of_a_real_quote_is_computed_from_its_compose_file(run: Run, folder: Path, role: str) -> None:
    boot = near(role)
    (folder / "compose").write_bytes(boot.compose or b"")
    runtime = {event.name: event.payload for event in parse_event_log(boot.text).events if event.is_runtime}
    texts = ("key-provider", "storage-fs")
    names = (*texts, "instance-id", "app-id", "rootfs-hash", "mr-kms", "os-image-hash")
    words: list[str] = []
    for name in names:
        if name in runtime:
            words += ["--event", f"{name}={runtime[name].decode() if name in texts else f'hex:{runtime[name].hex()}'}"]
    result = run("measure", "--compose", "compose", *words, "--format", "json")
    assert json.loads(result.stdout)["registers"][0]["value"] == boot.quote.td_report.rtmr3.hex()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "Name what is to be measured"),
        (("--initrd", "initrd", "--firmware", "firmware"), "--initrd says nothing without --kernel FILE"),
        (("--page-order", "two-pass", "--compose", "compose"), "--page-order says nothing without --firmware FILE"),
        (("--event", "app-id=00", "--firmware", "firmware"), "--event says nothing without --compose FILE"),
        (("--kernel", "kernel"), "--kernel goes with --memory SIZE"),
        (("--kernel", "kernel", "--memory", "8G", "--unpatched"), "--kernel goes with --memory SIZE"),
        (("--kernel", "kernel", "--memory", "much"), "--memory: 'much' is no size"),
        (("--kernel", "initrd", "--memory", "8G"), "a file without a Linux setup header"),
        (("--kernel", "nowhere", "--unpatched"), "--kernel: nowhere cannot be read"),
        (("--kernel", "kernel", "--unpatched", "--cmdline", "\udcff"), "--cmdline: not UTF-8"),
        (("--firmware", "kernel"), "an image without a table of GUIDs"),
        (("--compose", "kernel"), "--compose: "),
        (("--compose", "compose", "--event", "app-id"), "names none of these"),
        (("--compose", "compose", "--event", "other=00"), "names none of these"),
        (("--compose", "compose", "--event", "app-id=0g"), "--event app-id: '0g' is no hex"),
        (("--compose", "compose", "--event", "app-id=00", "--event", "app-id=00"), "--event app-id is given twice"),
        (("--compose", "-", "--firmware", "-"), "both name standard input"),
    ],
)
def test_what_cannot_be_measured_ends_in_a_message(run: Run, words: tuple[str, ...], message: str) -> None:
    result = run("measure", *words)
    assert (result.exit_code, message in " ".join(result.stderr.split())) == (2, True), result.stderr
