"""Real logs of real machines: all four registers replay, and what is bound of them is told from what is said."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.event_log.logs import Boot, acpi_table, cos, fixture, judge, near, needs_vectors, sealed
from voltage_attest.evidence.event_log import Binding, EventType, LogFormat
from voltage_attest.evidence.event_log_ccel import parse_ccel
from voltage_attest.evidence.event_log_text import parse_event_log
from voltage_attest.result import Status

pytestmark = needs_vectors

DSTACK = ("dstack-verifier-fixture-tdx-v4", "dstack-examples-rtmr3-tdx-v4-b0c06f")


@pytest.fixture(params=["cos", *DSTACK, "gateway", "model"])
def boot(request: pytest.FixtureRequest) -> Boot:
    """Each of the five."""
    name: str = request.param
    if name == "cos":
        return cos()
    return fixture(name) if name in DSTACK else near(name)


def test_every_check_of_a_real_log_holds(boot: Boot) -> None:
    findings = judge(boot.case())
    assert len(findings) == 9
    assert {finding.status for finding in findings.values()} <= {Status.PASSED, Status.SKIPPED}
    for register in range(4):
        finding = findings[f"tdx.event_log.rtmr{register}"]
        assert finding.status is Status.PASSED
        assert (finding.actual or "").startswith(getattr(boot.quote.td_report, f"rtmr{register}").hex())


def test_a_real_log_is_sealed(boot: Boot) -> None:
    assert sealed(boot.case()).compose == boot.compose


def test_every_runtime_event_of_a_real_log_is_recomputed(boot: Boot) -> None:
    runtime = [event for event in parse_event_log(boot.text).events if event.is_runtime]
    assert {event.binding for event in runtime} <= {Binding.EVENT}
    assert {event.register for event in runtime} <= {3}


def test_the_cos_log_binds_13_of_43_events_by_their_data_and_18_by_a_part_of_it() -> None:
    """GRUB hashes the text without its prefix, the firmware a boot variable without its name."""
    log = parse_event_log(cos().text)
    assert (log.format, len(log.events), log.unextended) == (LogFormat.CCEL, 43, 0)
    assert Counter(event.binding for event in log.events) == {Binding.PAYLOAD: 13, Binding.PART: 18, Binding.NONE: 12}
    line = next(event for event in log.events if event.payload.startswith(b"kernel_cmdline: "))
    assert line.measured == line.payload.removeprefix(b"kernel_cmdline: ").removesuffix(b"\0")
    assert Counter(event.event_type for event in log.events if event.binding is Binding.PART) == {
        EventType.IPL: 15,
        EventType.EFI_VARIABLE_BOOT: 3,
    }


def test_the_cos_log_reads_the_same_with_its_acpi_table() -> None:
    alone = parse_ccel(cos().text)
    assert parse_ccel(cos().text, acpi_table()) == alone
    assert parse_ccel(acpi_table() + cos().text) == alone
    assert parse_event_log(acpi_table() + cos().text) == alone


@pytest.mark.parametrize("name", DSTACK)
def test_boot_events_of_dstack_bind_no_name(name: str) -> None:
    events = [event for event in parse_event_log(fixture(name).text).events if event.register < 3]
    assert Counter(event.binding for event in events)[Binding.EVENT] == 0
    assert len(events) == 20


@pytest.mark.parametrize("role", ["gateway", "model"])
def test_the_real_compose_document_and_mrconfigid_are_those_measured(role: str) -> None:
    findings = judge(near(role).case())
    assert findings["tdx.event_log.compose"].status is Status.PASSED
    assert findings["tdx.event_log.mr_config_id"].status is Status.PASSED
    assert (findings["tdx.event_log.mr_config_id"].actual or "").startswith("01")
