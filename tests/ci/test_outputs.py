"""``verify -o``: several reports of one result, each in the form that its name tells."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run, collateral, policy, quote, verify
from voltage_attest.cli.reports import Output, outputs_of

__all__ = ["collateral", "policy", "quote", "verify"]


@pytest.mark.parametrize(
    ("text", "form", "output"),
    [
        ("r.html", None, Output("html", "r.html")),
        ("r.HTML", None, Output("html", "r.HTML")),
        ("r.sarif", "json", Output("sarif", "r.sarif")),
        ("sarif=r.json", None, Output("sarif", "r.json")),
        ("a=b.md", None, Output("markdown", "a=b.md")),
        ("html=", None, Output("html", "")),
        ("result", "junit", Output("junit", "result")),
        ("result", None, Output("text", "result")),
        ("-", "json", Output("json", "-")),
    ],
)
def test_the_form_is_the_one_named_else_the_suffixs_else_the_option(text: str, form: str | None, output: Output) -> None:
    assert outputs_of([text], form) == [output]


def test_two_reports_never_go_to_one_file(verify: Run, folder: Path) -> None:
    assert verify("-o", "r.json", "-o", "html=r.json").exit_code == 2
    assert not (folder / "r.json").exists()


def test_several_files_are_written_at_once_and_the_verdict_printed(verify: Run, folder: Path) -> None:
    result = verify("-o", "r.json", "-o", "r.html", "-o", "junit=r.any")
    assert result.exit_code == 0
    assert result.stdout.startswith("VERIFIED")
    assert result.stdout.count("\n") == 1
    assert json.loads((folder / "r.json").read_text("utf-8"))["schema"] == "voltage-attest/result/1"
    assert "<h1>Verified" in (folder / "r.html").read_text("utf-8")
    assert (folder / "r.any").read_text("utf-8").startswith("<?xml")


@pytest.mark.parametrize("form", ["junit", "sarif", "github", "html", "markdown"])
def test_every_form_goes_to_standard_output_and_to_a_file_alike(verify: Run, folder: Path, form: str) -> None:
    verify("--format", form, "-o", "report")
    assert (folder / "report").read_text("utf-8") == verify("--format", form).stdout


def test_quiet_and_a_form_exclude_each_other_unless_it_goes_to_a_file(verify: Run) -> None:
    assert verify("-q", "--format", "html").exit_code == 2
    assert verify("-q", "--format", "html", "-o", "r").exit_code == 0
