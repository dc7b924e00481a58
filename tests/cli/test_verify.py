"""``voltage-attest verify``: verdicts, exit codes, formats and options."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cases.all_cases import CASES, Case
from tests.cases.model import INTEL
from tests.cli.conftest import Run
from tests.report.samples import REPOSITORY
from tests.support.outcomes import policy_text
from voltage_attest.cli import verify as verify_module
from voltage_attest.evidence.model import Evidence
from voltage_attest.report import parse_result
from voltage_attest.result import Status, Verdict

EXAMPLE = REPOSITORY / "examples" / "verify" / "voltage-attest.toml"


def told_by_files(case: Case) -> bool:
    """Whether quote, collateral and policy are all there is to the case: the command line takes nothing else."""
    return case.quote is not None and (case.claims, case.nonce, case.fetched) == (Evidence(), None, None)


CASES_IN_FILES = [name for name, make in CASES.items() if told_by_files(make())]


def test_a_genuine_quote_inside_its_window_is_verified(verify: Run) -> None:
    result = verify()
    assert result.exit_code == 0
    assert result.stdout.startswith("VERIFIED: ")
    assert result.stderr == ""


def test_the_example_policy_accepts_the_example_quote(verify: Run) -> None:
    assert verify(policy=EXAMPLE).exit_code == 0


@pytest.mark.parametrize(
    ("offset", "check_id"),
    [
        (200, "tdx.quote.signature"),
        (0, "tdx.quote.parse"),
        (12, "tdx.quote.header"),
        (700, "tdx.quote.signature"),
        (770, "tdx.qe.report_signature"),
        (4930, "tdx.quote.parse"),
    ],
)
def test_one_flipped_bit_refuses_and_names_the_check(
    verify: Run, folder: Path, quote: Path, offset: int, check_id: str
) -> None:
    data = bytearray(quote.read_bytes())
    data[offset] ^= 1
    (folder / "flipped").write_bytes(data)
    result = verify(quote="flipped")
    assert result.exit_code == 1
    assert f"FAILED     {check_id}" in result.stdout or check_id == "tdx.quote.parse"
    assert result.stdout.startswith("REFUSED: ")


def test_without_collateral_it_is_undecided_and_says_what_is_missing(verify: Run) -> None:
    result = verify("--offline", collateral=None)
    assert result.exit_code == 3
    assert result.stdout.startswith("UNDECIDED: ")
    assert "the TDX TCB info for FMSPC b0c06f000000: a current one is not in the cache" in " ".join(result.stdout.split())
    assert all(key in result.stderr for key in ("root_ca_crl", "pck_crl", "tcb_info_signature", "qe_identity"))
    assert "voltage-attest inspect QUOTE" in result.stderr


@pytest.mark.parametrize("name", CASES_IN_FILES)
def test_every_case_ends_in_the_exit_code_of_its_verdict(run: Run, folder: Path, name: str) -> None:
    case = CASES[name]()
    assert case.quote is not None
    files = {"quote": case.quote, "collateral": case.collateral, "policy": case.policy.encode(), "root": INTEL.root_pem}
    for file, content in files.items():
        (folder / file).write_bytes(content)
    named = ("--quote", "quote", "--collateral", "collateral", "--policy", "policy", "--trust-root", "root")
    result = run("verify", *named, "--at", case.at.isoformat(), "--format", "json")
    assert result.exit_code == (1 if case.failed else 3 if case.errors else 0)
    rows = parse_result(result.stdout).by_status()
    assert {row.id for row in rows[Status.FAILED]} == case.failed
    assert {row.id for row in rows[Status.ERROR]} == case.errors


def test_json_is_the_rendered_result_and_nothing_else(verify: Run) -> None:
    result = verify("--format", "json")
    assert parse_result(result.stdout).verdict is Verdict.VERIFIED


def test_quiet_prints_one_line(verify: Run) -> None:
    result = verify("-q")
    assert result.output.count("\n") == 1
    assert result.output.startswith("VERIFIED: ")


def test_quiet_still_says_that_a_root_was_replaced(run: Run, folder: Path) -> None:
    platform = INTEL.platform()
    (folder / "quote").write_bytes(platform.quote())
    (folder / "collateral").write_bytes(INTEL.collateral(platform).to_json())
    (folder / "root").write_bytes(INTEL.root_pem)
    (folder / "voltage-attest.toml").write_text(policy_text(), "utf-8")
    words = ("verify", "--quote", "quote", "--collateral", "collateral", "--trust-root", "root", "--at", "2026-11-15T12:00:00Z")
    for extra in (("-q",), (), ("--format", "json")):
        result = run(*words, *extra)
        assert result.exit_code == 0
        assert "Root of trust 'intel' was replaced" in result.output


def test_verbose_shows_values_and_skipped_rows(verify: Run) -> None:
    plain, verbose = verify(), verify("-v")
    assert "all nine documents" in verbose.output
    assert "all nine documents" not in plain.output
    assert verbose.output.count("not pinned by the policy") > plain.output.count("not pinned by the policy")


@pytest.mark.parametrize("extra", [("-q", "-v"), ("-q", "--format", "json")], ids=" ".join)
def test_options_that_contradict_each_other_are_a_usage_error(verify: Run, extra: tuple[str, ...]) -> None:
    assert verify(*extra).exit_code == 2


@pytest.mark.parametrize("form", ["text", "json"])
def test_output_goes_to_the_file_whole_and_the_verdict_to_the_screen(verify: Run, folder: Path, form: str) -> None:
    result = verify("--format", form, "-o", "result")
    assert result.exit_code == 0
    assert result.output.count("\n") == 1
    assert result.output.startswith("VERIFIED: ")
    written = (folder / "result").read_text("utf-8")
    assert written == verify("--format", form).output
    assert sorted(path.name for path in folder.iterdir()) == ["open.toml", "result"]


def test_a_refusal_is_written_too(verify: Run, folder: Path) -> None:
    assert verify("-o", "result.json", "--format", "json", at="2035-01-01T00:00:00Z").exit_code == 1
    assert json.loads((folder / "result.json").read_text("utf-8"))["verdict"] == "refused"


@pytest.mark.parametrize("option", ["quote", "collateral", "policy"])
def test_one_file_may_come_from_standard_input(verify: Run, quote: Path, collateral: Path, policy: Path, option: str) -> None:
    content = {"quote": quote, "collateral": collateral, "policy": policy}[option].read_bytes()
    assert verify(stdin=content, **{option: "-"}).exit_code == 0


def test_two_files_cannot_both_come_from_standard_input(verify: Run) -> None:
    result = verify(quote="-", collateral="-", stdin=b"")
    assert result.exit_code == 2
    assert "--quote and --collateral both name standard input" in result.stderr


def test_the_policy_defaults_to_the_file_of_its_name_here(verify: Run, folder: Path) -> None:
    (folder / "voltage-attest.toml").write_bytes(EXAMPLE.read_bytes())
    result = verify(policy=None)
    assert result.exit_code == 0
    assert "readme-example, voltage-attest.toml" in result.stdout


def test_without_a_policy_it_shows_how_to_write_one(verify: Run, folder: Path) -> None:
    result = verify(policy=None)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "voltage-attest inspect QUOTE" in result.stderr
    shown = result.stderr[result.stderr.index("schema = ") :].replace("<96 hex digits>", "00" * 48)
    (folder / "voltage-attest.toml").write_text(shown, "utf-8")
    assert verify(policy=None).exit_code == 1, "the policy shown loads, and zeros are not what this quote says"


@pytest.mark.parametrize("text", ["2025-06-19T12:00:00Z", "2025-06-19t12:00:00z", "2025-06-19 14:00:00+02:00"])
def test_the_time_may_be_in_any_zone(verify: Run, text: str) -> None:
    result = verify(at=text)
    assert result.exit_code == 0
    assert "appraised at  2025-06-19 12:00:00 UTC" in result.stdout


def test_without_a_time_it_judges_for_now(verify: Run) -> None:
    result = verify(at=None)
    assert result.exit_code == 1
    assert "ENDED before the appraisal" in " ".join(result.stdout.split())


def test_verify_needs_a_quote(run: Run) -> None:
    result = run("verify")
    assert result.exit_code == 2
    assert "--quote" in result.stderr


def test_the_module_exports_what_it_says() -> None:
    assert verify_module.DEFAULT_POLICY == "voltage-attest.toml"
