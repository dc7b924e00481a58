"""``voltage-attest pin``: what is written, when nothing is, and how a rollout is added."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from voltage_attest.cli import verify_sources
from voltage_attest.policy import Pin, load_policy
from voltage_attest.testing import ATTESTATION, COLLATERAL, Answers, Disturbance, Fault, SimulatedPod

POLICY = "voltage-attest.toml"


@pytest.fixture
def unpinned(live: Run, folder: Path) -> Run:
    """As ``live``, where there is no policy yet."""
    (folder / POLICY).unlink()
    return live


def test_pin_then_verify(unpinned: Run, folder: Path) -> None:
    pinned = unpinned("pin", "pod_7")
    assert pinned.exit_code == 0
    assert pinned.stdout.startswith(f"{POLICY} written: it accepts what pod pod_7 measures now, and nothing else.\n")
    assert "This is trust on first use." in pinned.stdout
    assert "compare each value with what its publisher announces" in " ".join(pinned.stdout.split())
    assert load_policy(folder / POLICY).name == "pod_7"
    assert unpinned("verify", "pod_7", "-q").exit_code == 0


def test_what_was_pinned_refuses_another_image(unpinned: Run, pod: SimulatedPod) -> None:
    unpinned("pin", "pod_7")
    with pod.faulty(Fault.OTHER_MRTD):
        assert unpinned("verify", "pod_7", "-q").stdout.startswith("REFUSED: tdx.policy.mrtd failed.")


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        (Fault.DEBUG_TD, 1),
        (Fault.WRONG_KEY, 1),
        (Fault.STALE_NONCE, 1),
        (Fault.REVOKED_PCK, 1),
        (Fault.NO_QUOTE, 1),
        (Answers(status=404, on=ATTESTATION), 3),
        (Answers(status=404, on=COLLATERAL), 3),
    ],
    ids=str,
)
def test_what_is_not_genuine_is_not_pinned(
    unpinned: Run, pod: SimulatedPod, folder: Path, trouble: Fault | Disturbance, code: int
) -> None:
    pod.set_faults(trouble)
    result = unpinned("pin", "pod_7")
    assert result.exit_code == code
    assert result.stdout.startswith("REFUSED" if code == 1 else "UNDECIDED")
    assert "Nothing was written: only genuine evidence is pinned." in result.stderr
    assert not (folder / POLICY).exists()


def test_a_policy_that_is_there_is_not_replaced(live: Run, pod: SimulatedPod, folder: Path) -> None:
    before = (folder / POLICY).read_bytes()
    result = live("pin", "pod_7")
    assert result.exit_code == 2
    assert "--add appends to its lists, --force replaces it" in result.stderr
    assert (folder / POLICY).read_bytes() == before
    assert pod.traffic.connections == 0


def test_force_replaces_it(live: Run, folder: Path) -> None:
    assert live("pin", "pod_7", "--force", "--name", 'ward "7"').exit_code == 0
    assert load_policy(folder / POLICY).name == 'ward "7"'


@pytest.mark.parametrize(("binding", "written"), [(None, "voltage-attest/1"), ("voltage-attest/1", "voltage-attest/1")])
def test_the_binding_is_written(unpinned: Run, folder: Path, binding: str | None, written: str) -> None:
    assert unpinned("pin", "pod_7", *(() if binding is None else ("--binding", binding))).exit_code == 0
    channel = load_policy(folder / POLICY).channel
    assert channel is not None
    assert channel.binding == written


def test_without_a_binding_there_is_no_channel(unpinned: Run, folder: Path) -> None:
    assert unpinned("pin", "pod_7", "--binding", "none").exit_code == 0
    assert load_policy(folder / POLICY).channel is None


def test_a_binding_that_the_pod_does_not_keep_is_refused(unpinned: Run, folder: Path) -> None:
    assert unpinned("pin", "pod_7", "--binding", "chutes").exit_code == 3
    assert not (folder / POLICY).exists()


def test_the_policy_can_go_to_standard_output(unpinned: Run, folder: Path) -> None:
    result = unpinned("pin", "pod_7", "-o", "-")
    assert result.stdout.startswith("# Pinned by voltage-attest")
    assert not (folder / POLICY).exists()


def test_add_appends_what_is_new_and_says_what(live: Run, pod: SimulatedPod, folder: Path) -> None:
    (folder / POLICY).write_text(f"# keep this\n{(folder / POLICY).read_text('utf-8')}", "utf-8")
    known = pod.machine.td.mrtd
    with pod.faulty(Fault.OTHER_MRTD):
        result = live("pin", "pod_7", "--add")
        assert result.exit_code == 0
        assert result.stdout.startswith(f"{POLICY}: 1 value added, measured by pod pod_7.\n  tdx.mrtd   ")
        assert live("verify", "pod_7", "-q").exit_code == 0
    assert live("verify", "pod_7", "-q").exit_code == 0
    tdx = load_policy(folder / POLICY).tdx
    assert tdx is not None
    pin = tdx.pins["mrtd"]
    assert isinstance(pin, Pin)
    assert (pin.values[0], len(pin.values)) == (known, 2)
    assert (folder / POLICY).read_text("utf-8").startswith("# keep this\n")


def test_nothing_to_add_is_fine(live: Run, folder: Path) -> None:
    before = (folder / POLICY).read_bytes()
    result = live("pin", "pod_7", "--add")
    assert result.exit_code == 0
    assert "nothing was added" in result.stdout
    assert (folder / POLICY).read_bytes() == before


def test_add_says_what_the_policy_refuses_all_the_same(live: Run, pod: SimulatedPod, folder: Path) -> None:
    text = (folder / POLICY).read_text("utf-8").replace("[channel]", 'xfam = ["0000000000000000"]\n\n[channel]', 1)
    (folder / POLICY).write_text(text, "utf-8")
    result = live("pin", "pod_7", "--add")
    assert result.exit_code == 0
    assert "The policy refuses this machine as it stands, by tdx.policy.xfam." in result.stdout
    assert pod.traffic.connections > 0


def test_an_outdated_platform_is_pinned_and_said_to_be_refused(unpinned: Run, pod: SimulatedPod, folder: Path) -> None:
    with pod.faulty(Fault.OUT_OF_DATE_TCB):
        result = unpinned("pin", "pod_7")
        assert result.exit_code == 0
        assert "The policy refuses this machine as it stands, by tdx.policy.tcb." in result.stdout
        assert "# [[tdx.tcb.exception]]" in (folder / POLICY).read_text("utf-8")
        assert unpinned("verify", "pod_7", "-q").exit_code == 1


@pytest.fixture
def in_2025(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time at which the real quote's collateral was current."""
    monkeypatch.setattr(verify_sources, "present", lambda: datetime(2025, 6, 19, 12, tzinfo=UTC))


@pytest.mark.usefixtures("in_2025")
def test_a_quote_in_a_file_can_be_pinned(run: Run, folder: Path, quote: Path, collateral: Path) -> None:
    files = ("--quote", quote, "--collateral", collateral)
    assert run("pin", *files).exit_code == 0
    assert load_policy(folder / POLICY).channel is None
    assert run("verify", *files, "--at", "2025-06-19T12:00:00Z", "-q").exit_code == 0


@pytest.mark.usefixtures("in_2025")
def test_a_binding_may_be_asked_for_that_a_file_cannot_show(run: Run, folder: Path, quote: Path, collateral: Path) -> None:
    assert run("pin", "--quote", quote, "--collateral", collateral, "--binding", "near").exit_code == 0
    channel = load_policy(folder / POLICY).channel
    assert channel is not None
    assert channel.binding == "near"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "Name what is to be pinned"),
        (("pod_7", "--quote", "q"), "One of the two"),
        (("pod_7", "--add", "--force"), "--add changes nothing but the accepted values"),
        (("pod_7", "--add", "-o", "-"), "--add needs the policy's file"),
        (("pod_7", "--add", "-o", "absent.toml"), "absent.toml"),
        (("pod_7", "--offline"), "asking takes the network"),
        (("pod_7", "--binding", "nonsense"), "nonsense"),
        (("pod 7", "-o", "new.toml"), "1 to 128 letters"),
    ],
)
@pytest.mark.usefixtures("live")
def test_what_cannot_be_pinned_is_a_usage_error(run: Run, pod: SimulatedPod, words: tuple[str, ...], sentence: str) -> None:
    result = run("pin", *words)
    assert result.exit_code == 2
    assert sentence in " ".join(result.stderr.split())
    assert pod.traffic.connections == 0
