"""``voltage-attest policy``: show, check and diff."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.policy.gpu_mistakes import GPU_TEXT, SPKI, UEID
from tests.support.outcomes import UNPINNED

VALUE, OTHER = "ab" * 48, "cd" * 48
STRICT = dict.fromkeys(UNPINNED, f'["{VALUE}"]')
AT = "2026-11-24T00:00:00Z"


def policy_text(top: str = "valid_until = 2027-03-31", more: str = "", **tdx: str) -> str:
    """A policy that gives nothing to remark, but for what is changed."""
    keys = "\n".join(f"{key} = {value}" for key, value in {**STRICT, **tdx}.items())
    floor = "[tdx.tcb]\nmin_tcb_evaluation_data_number = 17\n"
    return f'schema = "voltage-attest/policy/1"\nname = "ward"\n{top}\n[tdx]\n{keys}\n{floor}{more}\n[channel]\n'


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text, "utf-8")


EXCEPTION = """
[[tdx.tcb.exception]]
status = "SWHardeningNeeded"
advisories = ["INTEL-SA-00615"]
until = 2026-11-30
reason = "ticket 4711"
"""


def test_show_tells_everything_in_words(run: Run, folder: Path) -> None:
    write(folder, "voltage-attest.toml", policy_text(more=EXCEPTION, rtmr3='{ unpinned = "event log decides" }'))
    result = run("policy", "show")
    assert result.exit_code == 0
    shown = " ".join(result.stdout.split())
    for part in (
        "ward, voltage-attest.toml",
        "in force until 2027-03-31, that UTC day included",
        f"tdx.mrtd {VALUE}",
        "tdx.rtmr3 open: event log decides",
        "TCB accepted UpToDate",
        "SWHardeningNeeded with INTEL-SA-00615, until 2026-11-30: ticket 4711",
        "evaluation number 17 or later",
        "collateral from Intel PCS, update standard",
        "binding voltage-attest/1; an attestation counts for 15m; WebPKI: require",
    ):
        assert part in shown


def test_show_is_loud_about_safeguards(run: Run, folder: Path) -> None:
    write(folder, "loud.toml", policy_text(unsafe_allow_debug="true"))
    assert "UNSAFE              tdx.unsafe_allow_debug = true" in run("policy", "show", "loud.toml").stdout


def test_show_tells_what_is_expected_of_gpus_and_gate(run: Run, folder: Path) -> None:
    write(folder, "ward.toml", GPU_TEXT)
    shown = " ".join(run("policy", "show", "ward.toml").stdout.split())
    for part in (
        "quote none expected: GPUs are judged alone",
        "GPUs exactly 8, 4 switches",
        "gpu.chips GB100 or GH100",
        "gpu.boards G520_0280_895",
        "gpu.modes ppcie",
        f"gpu.ueids {UEID}",
        "gpu.min_driver 570.00 or later",
        "gpu.min_vbios 96.00.CF.00.01 or later",
        f"gpu.measurements index 0: {VALUE}",
        f"gpu.measurements index 35: {VALUE} or {OTHER}",
        "certificate hold accepted in driver_rim",
        "NRAS tokens accept",
        f"NRAS signers also {SPKI}",
        "binding none",
        "models meta-llama/Llama-3.1-70B-Instruct-TEE",
        "BAA required: BAA-2026-014, until 2027-06-30, that UTC day included",
        "audit log audit/voltage-attest.jsonl",
        "UNSAFE gpu.unsafe_skip_rim: a safeguard is switched off: NVIDIA has no manifest yet",
        "UNSAFE gpu.unsafe_skip_revocation: a safeguard is switched off: no network in the ward",
    ):
        assert part in shown


def test_show_tells_what_is_expected_of_the_boot_log(run: Run, folder: Path) -> None:
    digest, program = "ab" * 32, "cd" * 48
    lines = (
        f'compose_sha256 = ["{digest}"]',
        'key_provider = ["kms"]',
        "sealed_storage = true",
        "secure_boot = false",
        f'boot_files = ["{program}"]',
        'kernel_cmdline = ["console=hvc0 ro"]',
        'forbid_events = ["debug-shell"]',
        f'models = {{ small = ["{digest}"] }}',
        'require_events = { greeting = ["*"], storage-fs = ["zfs", "hex:00ff"] }',
        f'events = {{ rtmr1 = ["{program}"] }}',
    )
    write(folder, "ward.toml", policy_text() + "\n[workload]\n" + "\n".join(lines) + "\n")
    shown = " ".join(run("policy", "show", "ward.toml").stdout.split())
    for part in (
        "boot log must explain the quote's registers",
        f"compose_sha256 {digest}",
        "key_provider kms",
        "sealed_storage key provider, file system and root file system must be measured",
        "secure_boot off",
        f"boot_files {program}",
        "kernel_cmdline 'console=hvc0 ro'",
        f"model digest small: {digest}",
        "required event greeting: with any payload",
        "required event storage-fs: 'zfs' or hex:00ff",
        "forbidden events debug-shell",
        f"boot events in RTMR1 nothing but {program}",
    ):
        assert part in shown
    write(folder, "plain.toml", policy_text())
    assert "boot log none expected, none judged" in " ".join(run("policy", "show", "plain.toml").stdout.split())


def test_show_says_what_is_left_open_of_gpus(run: Run, folder: Path) -> None:
    head, _, _ = GPU_TEXT.partition("chips =")
    write(folder, "ward.toml", head)
    shown = " ".join(run("policy", "show", "ward.toml").stdout.split())
    for part in (
        "exactly 8, switches left open",
        "gpu.chips not pinned",
        "gpu.min_driver no floor",
        "certificate hold refused",
    ):
        assert part in shown


def test_show_says_that_no_gpus_are_expected(run: Run, folder: Path) -> None:
    write(folder, "ward.toml", policy_text())
    assert "GPUs none expected, none judged" in " ".join(run("policy", "show", "ward.toml").stdout.split())


def test_a_policy_without_remarks(run: Run, folder: Path) -> None:
    write(folder, "voltage-attest.toml", policy_text())
    result = run("policy", "check", "--at", AT)
    assert (result.exit_code, result.stdout) == (0, "voltage-attest.toml: nothing to remark.\n")


@pytest.mark.parametrize(
    ("text", "code", "sentence"),
    [
        (policy_text(top=""), 0, "remark valid_until: the policy never ends"),
        (
            policy_text(top="valid_until = 2026-12-01"),
            0,
            "remark valid_until (line 3): the policy ends on 2026-12-01, in 7 days",
        ),
        (policy_text(top="valid_until = 2026-11-23"), 1, "PROBLEM valid_until (line 3): the policy ended on 2026-11-23"),
        (policy_text(top="valid_until = 2026-11-24"), 0, "ends on 2026-11-24, in 0 days"),
        (policy_text(more=EXCEPTION), 0, "the exception for SWHardeningNeeded ends on 2026-11-30, in 6 days"),
        (policy_text(more=EXCEPTION.replace("11-30", "11-01")), 1, "the exception for SWHardeningNeeded ended on 2026-11-01"),
        (policy_text(unsafe_allow_debug="true"), 1, "PROBLEM tdx.unsafe_allow_debug"),
        (policy_text(unsafe_allow_sept_ve="true"), 1, "PROBLEM tdx.unsafe_allow_sept_ve"),
        (policy_text(rtmr3='{ unpinned = "later" }'), 0, "tdx.rtmr3 (line 9): is left open: later"),
        (policy_text(more="[gpu]\ncount = 1\n"), 0, "remark gpu.min_driver: no floor"),
        (policy_text(more='[gpu]\ncount = 1\nunsafe_skip_rim = "later"\n'), 1, "PROBLEM gpu.unsafe_skip_rim (line 14)"),
        (policy_text(more="[compliance]\nrequire_baa = true\n"), 1, "PROBLEM compliance.require_baa (line 13)"),
    ],
)
def test_check_names_what_deserves_a_look(run: Run, folder: Path, text: str, code: int, sentence: str) -> None:
    write(folder, "voltage-attest.toml", text)
    result = run("policy", "check", "--at", AT)
    assert result.exit_code == code
    assert sentence in " ".join(result.stdout.split())


@pytest.mark.parametrize(("within", "told"), [("3d", False), ("6d", True), ("1w", True)])
def test_check_warns_as_early_as_asked(run: Run, folder: Path, within: str, told: bool) -> None:  # noqa: FBT001
    write(folder, "voltage-attest.toml", policy_text(more=EXCEPTION))
    assert ("ends on 2026-11-30" in run("policy", "check", "--warn-expiring", within, "--at", AT).stdout) is told


@pytest.mark.parametrize("within", ["", "14", "-1d", "1y", "99999d", "\x1b"])
def test_what_is_no_time_to_warn_is_a_usage_error(run: Run, within: str) -> None:
    result = run("policy", "check", "--warn-expiring", within)
    assert result.exit_code == 2
    assert "write 14d or 2w" in result.stderr
    assert "\x1b" not in result.stderr


@pytest.mark.parametrize("words", [("show",), ("check",), ("diff", "voltage-attest.toml", "voltage-attest.toml")])
@pytest.mark.parametrize("content", [None, "", "schema = 1"])
def test_a_file_that_is_no_policy_is_unusable(run: Run, folder: Path, words: tuple[str, ...], content: str | None) -> None:
    if content is not None:
        write(folder, "voltage-attest.toml", content)
    result = run("policy", *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "the policy cannot be used. voltage-attest.toml" in result.stderr


def test_diff_tells_what_was_loosened_first(run: Run, folder: Path) -> None:
    write(folder, "old.toml", policy_text(rtmr1=f'["{VALUE}", "{OTHER}"]'))
    write(folder, "new.toml", policy_text(more=EXCEPTION, mrtd=f'["{VALUE}", "{OTHER}"]').replace('"ward"', '"ward 2"'))
    result = run("policy", "diff", "old.toml", "new.toml")
    assert result.exit_code == 0
    words = [line.split()[0] for line in result.stdout.splitlines() if not line.startswith(" ")]
    assert words == ["LOOSENED", "LOOSENED", "changed", "tightened", "2"]
    assert f"LOOSENED tdx.mrtd: also accepts {OTHER}" in " ".join(result.stdout.split())
    assert result.stdout.endswith("2 loosened, 1 changed, 1 tightened.\n")


def test_diff_of_comments_and_order_is_none(run: Run, folder: Path) -> None:
    write(folder, "old.toml", policy_text())
    write(folder, "new.toml", f"# reviewed\n{policy_text()}")
    result = run("policy", "diff", "old.toml", "new.toml")
    assert (result.exit_code, result.stdout) == (0, "Both accept the same.\n")


def test_diff_is_red_where_it_loosens_on_a_terminal(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voltage_attest.cli.policy.wants_color", lambda *_: True)
    monkeypatch.setattr("voltage_attest.cli.terminal.wants_color", lambda *_: True)
    write(folder, "old.toml", policy_text())
    write(folder, "new.toml", policy_text(rtmr3='{ unpinned = "later" }'))
    assert "\x1b[1;31mLOOSENED\x1b[0m" in run("policy", "diff", "old.toml", "new.toml").stdout
