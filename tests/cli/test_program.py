"""The program as a whole: help, version, completion, ``explain``, and what happens when we have made a mistake."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from tests.cli.conftest import Run
from tests.report.samples import REFUSED
from voltage_attest import __version__
from voltage_attest.checks import REGISTRY
from voltage_attest.cli import files, main, terminal
from voltage_attest.cli.exits import CannotUse
from voltage_attest.report import render_text
from voltage_attest.verifier import Verifier


def test_version(run: Run) -> None:
    result = run("--version")
    assert result.exit_code == 0
    assert result.output.endswith(f" {__version__}\n")


@pytest.mark.parametrize("words", [("-h",), ("--help",), ("verify", "-h"), ("inspect", "-h"), ("explain", "-h")], ids=" ".join)
def test_help_tells_the_exit_codes_or_the_arguments(run: Run, words: tuple[str, ...]) -> None:
    result = run(*words)
    assert result.exit_code == 0
    assert "Usage:" in result.stdout


@pytest.mark.parametrize(
    ("words", "sentence"),
    [(("verfy",), "Did you mean verify?"), (("bogus",), "No such command"), (("verify", "--qoute", "f"), "--quote")],
)
def test_a_mistyped_word_is_a_usage_error_that_names_the_nearest(run: Run, words: tuple[str, ...], sentence: str) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert sentence in result.stderr


def test_explain_tells_about_a_check(run: Run) -> None:
    result = run("explain", "tdx.pck.chain")
    assert result.exit_code == 0
    assert REGISTRY["tdx.pck.chain"].title in result.stdout


def test_explain_alone_lists_every_check(run: Run) -> None:
    result = run("explain")
    assert result.exit_code == 0
    assert all(check_id in result.stdout for check_id in REGISTRY)


@pytest.mark.parametrize(
    ("check_id", "hint"),
    [("tdx.pk.chain", "Did you mean tdx.pck.chain"), ("zzz", "`voltage-attest explain` lists all"), ("\x1b[2J", "lists all")],
)
def test_explain_names_the_nearest_check(run: Run, check_id: str, hint: str) -> None:
    result = run("explain", check_id)
    assert result.exit_code == 2
    assert hint in result.stderr
    assert "\x1b" not in result.stderr


def test_check_ids_complete() -> None:
    found = ShellComplete(main, {}, "voltage-attest", "_VOLTAGE_ATTEST_COMPLETE").get_completions(["explain"], "tdx.td.")
    assert [item.value for item in found] == [check_id for check_id in REGISTRY if check_id.startswith("tdx.td.")]


class OurMistakeError(Exception):
    """What no code of ours should raise."""


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A verifier that fails in a way nobody foresaw, with evidence in its message."""

    def examine(*_: object, **__: object) -> None:
        raise OurMistakeError("secret evidence")

    monkeypatch.setattr(Verifier, "examine", examine)


@pytest.mark.usefixtures("broken")
def test_a_bug_ends_in_70_and_tells_nothing_of_the_evidence(verify: Run) -> None:
    result = verify()
    assert result.exit_code == 70
    assert result.stdout == ""
    assert "internal error: OurMistakeError at verify_sources.py:" in result.stderr
    assert "please report" in result.stderr
    assert "secret" not in result.output
    assert result.stderr.count("\n") == 1


@pytest.mark.usefixtures("broken")
def test_a_bug_is_raised_for_those_who_debug(verify: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOLTAGE_ATTEST_DEBUG", "1")
    assert isinstance(verify().exception, OurMistakeError)


def test_a_command_that_says_nothing_has_not_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(main.commands, "silent", click.Command("silent", callback=lambda: None))
    assert CliRunner().invoke(main, ["silent"]).exit_code == 70


def test_an_interruption_has_a_code_of_its_own(verify: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def examine(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Verifier, "examine", examine)
    result = verify()
    assert result.exit_code == 130
    assert "nothing was decided" in result.stderr


def test_a_result_replaces_the_file_that_was_there(folder: Path) -> None:
    (folder / "result").write_text("old and longer than the new one", "utf-8")
    files.write_output("result", "new\n")
    assert (folder / "result").read_text("utf-8") == "new\n"
    assert [path.name for path in folder.iterdir()] == ["result"]


def test_a_result_goes_where_a_link_leads(folder: Path) -> None:
    (folder / "target").write_text("old", "utf-8")
    (folder / "link").symlink_to("target")
    files.write_output("link", "new")
    assert (folder / "link").is_symlink()
    assert (folder / "target").read_text("utf-8") == "new"


def test_a_result_can_go_to_a_device(folder: Path) -> None:
    assert folder.is_dir()
    files.write_output("/dev/null", "text")
    assert Path("/dev/null").is_char_device()


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "result").write_text("old", "utf-8")

    def fsync(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fsync)
    with pytest.raises(CannotUse, match="No space left on device"):
        files.write_output("result", "new")
    assert (folder / "result").read_text("utf-8") == "old"
    assert [path.name for path in folder.iterdir()] == ["result"]


class Terminal(io.TextIOWrapper):
    """A stream that says it is a terminal."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding=encoding)

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("environment", [{}, {"NO_COLOR": ""}, {"TERM": "xterm"}])
def test_colour_is_for_terminals(environment: dict[str, str]) -> None:
    assert terminal.wants_color(Terminal(), environment)
    assert not terminal.wants_color(io.StringIO(), environment)


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colour_can_be_declined(environment: dict[str, str]) -> None:
    assert not terminal.wants_color(Terminal(), environment)


@pytest.mark.parametrize(("columns", "width"), [("20", 60), ("80", 80), ("500", 120)])
def test_width_follows_the_terminal_within_reason(monkeypatch: pytest.MonkeyPatch, columns: str, width: int) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert terminal.output_width(Terminal()) == width
    assert terminal.output_width(io.StringIO()) == 100


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_text_reaches_a_terminal_of_any_encoding(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    stream = Terminal(encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    terminal.emit("Köln \u2713 \ud800\n")
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    assert buffer.getvalue().startswith(b"K")


def test_a_full_disk_behind_standard_output_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def echo(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(click, "echo", echo)
    with pytest.raises(CannotUse, match="No space left"):
        terminal.emit(render_text(REFUSED))
