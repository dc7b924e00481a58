"""``voltage-attest ci``: every item judged, the worst verdict as the exit code, reports in every form."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import jsonschema
import pytest
from lxml import etree
from referencing import Registry, Resource

import voltage_attest.report
from tests.cli.conftest import Run
from voltage_attest.cli.reports import FORMAT_NAMES
from voltage_attest.report.formats import FORMATS
from voltage_attest.testing import COLLATERAL, Answers, Fault, SimulatedPod

SCHEMAS: Final = Path(voltage_attest.report.__file__).parent / "schema"
RESULT, RUN = (json.loads((SCHEMAS / name).read_text("utf-8")) for name in ("result-1.json", "run-1.json"))
VALIDATOR: Final = jsonschema.Draft202012Validator(
    RUN, registry=Registry().with_resource(RESULT["$id"], Resource.from_contents(RESULT))
)
ROOT: Final = ("--trust-root", "root.pem")


def test_the_names_of_the_formats_are_those_of_the_table() -> None:
    assert tuple(FORMATS) == FORMAT_NAMES


def test_the_worst_verdict_is_the_exit_code(run: Run, bundles: Path) -> None:
    assert run("ci", "--bundle", bundles / "a.json", *ROOT).exit_code == 0
    assert run("ci", "--bundle", bundles / "a.json", "--bundle", bundles / "c.json", *ROOT).exit_code == 3
    assert run("ci", "--bundle", "proofs/*.json", *ROOT).exit_code == 1


def test_the_summary_names_what_is_not_verified_first_and_why(run: Run, bundles: Path) -> None:
    assert bundles.is_dir()
    lines = run("ci", "--bundle", "proofs/*.json", *ROOT).stdout.splitlines()
    assert lines[0].startswith("REFUSED       proofs/b.json  tdx.tcb_info.signature: ")
    assert any(line.startswith("UNDECIDED     proofs/c.json  tdx.tcb_info.") for line in lines)
    assert any(line.startswith("reservations  proofs/a.json  holds until ") for line in lines)
    assert lines[-2] == "3 results: 1 verified, 1 undecided, 1 refused. REFUSED"
    assert run("ci", "--bundle", "proofs/*.json", "-q", *ROOT).stdout == f"{lines[-2]}\n"


def test_every_form_is_written_at_once_and_each_is_what_it_says(run: Run, bundles: Path, folder: Path) -> None:
    assert bundles.is_dir()
    files = ("r.json", "r.xml", "r.sarif", "r.html", "r.md", "r.txt", "github=r.annotations", "sarif=other.json")
    run("ci", "--bundle", "proofs/*.json", *ROOT, *[word for file in files for word in ("-o", file)])
    VALIDATOR.validate(json.loads((folder / "r.json").read_text("utf-8")))
    assert etree.parse(folder / "r.xml").getroot().get("tests") is not None
    assert (folder / "r.sarif").read_text("utf-8") == (folder / "other.json").read_text("utf-8")
    assert json.loads((folder / "r.sarif").read_text("utf-8"))["version"] == "2.1.0"
    assert (folder / "r.html").read_text("utf-8").startswith("<!DOCTYPE html>")
    assert (folder / "r.md").read_text("utf-8").startswith("## ")
    assert "\nREFUSED: " in (folder / "r.txt").read_text("utf-8")
    assert "::error title=proofs/b.json" in (folder / "r.annotations").read_text("utf-8")
    assert sorted(path.name for path in folder.iterdir() if path.name.startswith(".")) == []


def test_output_is_the_same_however_many_work_at_it(
    run: Run, bundles: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["voltage_attest.cli.ci"], "WORTH_PROCESSES", 40)
    first = (bundles / "a.json").read_bytes()
    for place in range(40):
        (bundles / f"d{place:02}.json").write_bytes(first)
    at = ("--at", f"{json.loads(first)['created_at']}")
    written = []
    for jobs in ("1", "2"):
        result = run("ci", "--bundle", "proofs/*.json", *ROOT, *at, "--jobs", jobs, "-o", "r.json", "-o", "r.html")
        assert result.exit_code == 1
        written.append(((folder / "r.json").read_text("utf-8"), (folder / "r.html").read_text("utf-8"), result.stdout))
    assert written[0] == written[1]
    names = [found["name"] for found in json.loads(written[0][0])["results"]]
    assert names == sorted(names)
    assert len(names) == 43


def test_pods_are_asked_and_named_in_order(live: Run, pod: SimulatedPod, folder: Path) -> None:
    (folder / "pods.txt").write_text("# the fleet\npod_7\n\nnope # not there\npod_7\n", "utf-8")
    result = live("ci", "--pods-from", "pods.txt", "--api-base", pod.api_base, "-o", "r.json")
    document = json.loads((folder / "r.json").read_text("utf-8"))
    assert [found["name"] for found in document["results"]] == ["pod_7", "nope"]
    assert document["results"][0]["result"]["verdict"] == "verified"
    assert result.exit_code != 0
    assert "REFUSED" in result.stdout or "UNDECIDED" in result.stdout


def test_an_undecided_pod_is_asked_again(live: Run, pod: SimulatedPod, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voltage_attest.many.time.sleep", lambda _seconds: pod.set_faults())
    pod.set_faults(Answers(status=404, on=COLLATERAL))
    assert live("ci", "pod_7", "--no-cache").exit_code == 3
    assert live("ci", "pod_7", "--no-cache", "--retry-undecided", "1").exit_code == 0


def test_a_refusal_is_not_asked_for_again(live: Run, pod: SimulatedPod, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(_seconds: float) -> None:
        raise AssertionError("a refusal is final")

    monkeypatch.setattr("voltage_attest.many.time.sleep", never)
    pod.set_faults(Fault.DEBUG_TD)
    assert live("ci", "pod_7", "--retry-undecided", "3").exit_code == 1


def test_what_ends_soon_is_named(live: Run, pod: SimulatedPod, folder: Path) -> None:
    text, until = (folder / "voltage-attest.toml").read_text("utf-8"), (datetime.now(UTC) + timedelta(days=10)).date()
    (folder / "voltage-attest.toml").write_text(text.replace("\n[tdx]", f"\nvalid_until = {until}\n[tdx]", 1), "utf-8")
    assert pod.pod_id == "pod_7"
    soon = live("ci", "pod_7", "--warn-expiring", "14d", "--format", "github")
    assert f"warning: ends soon: the policy ends on {until}" in soon.stderr
    assert f"::warning title=voltage-attest%3A ends soon::the policy ends on {until}" in soon.stdout
    assert "ends soon" not in live("ci", "pod_7", "--warn-expiring", "2d").stderr


def test_github_gets_annotations_and_a_summary(run: Run, bundles: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert bundles.is_dir()
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(folder / "summary.md"))
    (folder / "summary.md").write_text("before\n", "utf-8")
    result = run("ci", "--bundle", "proofs/*.json", "--format", "github", *ROOT)
    assert result.stdout.startswith("::")
    assert "3 results" in result.stderr
    summary = (folder / "summary.md").read_text("utf-8")
    assert summary.startswith("before\n## ❌ voltage-attest: 3 results")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "there is nothing to verify"),
        (("--bundle", "none/*.json"), "nothing matches none/*.json"),
        (("--pods-from", "empty.txt"), "names no pod"),
        (("--pods-from", "absent.txt"), "cannot be read"),
        (("../up",), "POD_ID"),
        (("pod_7", "--offline"), "--offline does not go with pods"),
        (("pod_7", "--policy", "absent.toml"), "the policy cannot be used"),
        (("--bundle", "x.json", "-o", "no_folder/r.json"), "cannot be written"),
        (("--bundle", "x.json", "--policy", "-", "--pods-from", "-"), "both name standard input"),
    ],
)
def test_what_cannot_be_used_ends_in_a_message(live: Run, folder: Path, words: tuple[str, ...], message: str) -> None:
    (folder / "empty.txt").write_text("# nobody\n", "utf-8")
    result = live("ci", *words)
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_bundle_that_is_not_there_is_undecided_and_one_that_is_none_is_refused(live: Run, folder: Path) -> None:
    (folder / "none.json").write_text("{}", "utf-8")
    assert live("ci", "--bundle", "absent.json").exit_code == 3
    assert live("ci", "--bundle", "none.json").exit_code == 1
