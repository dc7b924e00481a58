"""``policy diff`` between revisions and as Markdown; ``policy check`` of several files, as the pre-commit hook calls it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.test_policy import EXCEPTION, OTHER, VALUE, policy_text

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed here")


@pytest.fixture
def repository(folder: Path) -> Path:
    """A git repository with two revisions of a policy; what is in the folder differs from both."""

    def git(*words: str) -> None:
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)

    git("init", "-q", "-b", "main")
    (folder / "sub").mkdir()
    (folder / "sub" / "p.toml").write_text(policy_text(), "utf-8")
    (folder / "p.toml").write_text(policy_text(), "utf-8")
    git("add", ".")
    git("commit", "-qm", "one")
    (folder / "p.toml").write_text(policy_text(more=EXCEPTION, mrtd=f'["{VALUE}", "{OTHER}"]'), "utf-8")
    git("commit", "-qam", "two")
    (folder / "p.toml").write_text(policy_text(rtmr3='{ unpinned = "why not" }'), "utf-8")
    return folder


def test_two_revisions_are_compared(run: Run, repository: Path) -> None:
    assert repository.is_dir()
    result = run("policy", "diff", "HEAD~1:p.toml", "HEAD:p.toml")
    assert result.exit_code == 0
    assert f"LOOSENED tdx.mrtd: also accepts {OTHER}" in " ".join(result.stdout.split())
    assert "2 loosened, 0 changed, 0 tightened." in result.stdout
    assert "in force   exception for SWHardeningNeeded with INTEL-SA-00615, until 2026-11-30: ticket 4711" in result.stdout


def test_a_revision_is_compared_with_a_file(run: Run, repository: Path) -> None:
    assert repository.is_dir()
    assert "tdx.rtmr3: no longer pinned" in run("policy", "diff", "HEAD:p.toml", "p.toml").stdout


def test_a_path_is_relative_to_the_folder(run: Run, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository / "sub")
    assert run("policy", "diff", "main:p.toml", "p.toml").stdout == "Both accept the same.\n"
    assert run("policy", "diff", "main:../p.toml", "p.toml").exit_code == 0


def test_markdown_shows_what_is_loosened_first_and_measurements_as_code(run: Run, repository: Path) -> None:
    assert repository.is_dir()
    text = run("policy", "diff", "HEAD~1:p.toml", "HEAD:p.toml", "--format", "markdown").stdout
    assert text.startswith("### Policy `ward`: 2 loosened, 0 changed, 0 tightened\n")
    assert f"| 🔴 **loosened** | `tdx.mrtd` | also accepts `{OTHER}` |" in text
    assert "- SWHardeningNeeded with INTEL\\-SA\\-00615, until 2026\\-11\\-30\\: ticket 4711" in text
    back = run("policy", "diff", "HEAD:p.toml", "HEAD~1:p.toml", "--format", "markdown").stdout
    assert "🔴" not in back
    assert "🟢 tightened" in back


def test_markdown_of_equal_policies_says_so(run: Run, repository: Path) -> None:
    assert repository.is_dir()
    text = run("policy", "diff", "HEAD:p.toml", "HEAD:p.toml", "--format", "markdown").stdout
    assert text.startswith("### Policy `ward`: both accept the same\n")


def test_what_a_policy_says_stays_text_in_markdown(run: Run, repository: Path) -> None:
    hostile = EXCEPTION.replace("ticket 4711", "<img src=x> @everyone | [a](https://evil.example)")
    (repository / "hostile.toml").write_text(policy_text(more=hostile), "utf-8")
    text = run("policy", "diff", "HEAD~1:p.toml", "hostile.toml", "--format", "markdown").stdout
    assert "evil" in text
    assert not re.search(r"(?<!\\)<img|@everyone|(?<!\\)\]\(", text)


@pytest.mark.parametrize(
    ("old", "message"),
    [
        ("nowhere:p.toml", "nowhere:p.toml cannot be had from git"),
        ("HEAD:absent.toml", "HEAD:absent.toml cannot be had from git"),
        ("--output=x:p.toml", "No such option"),
        ("absent.toml", "the policy cannot be used"),
    ],
)
def test_what_cannot_be_had_ends_in_a_message(run: Run, repository: Path, old: str, message: str) -> None:
    result = run("policy", "diff", old, "p.toml")
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (repository / "x").exists()


def test_check_takes_several_files_and_ends_with_the_worst(run: Run, folder: Path) -> None:
    (folder / "good.toml").write_text(policy_text(), "utf-8")
    (folder / "bad.toml").write_text(policy_text(unsafe_allow_debug="true"), "utf-8")
    at = ("--at", "2026-11-24T00:00:00Z")
    assert run("policy", "check", "good.toml", "good.toml", *at).exit_code == 0
    result = run("policy", "check", "bad.toml", "good.toml", *at)
    assert result.exit_code == 1
    assert "bad.toml: 1 problem" in result.stdout
    assert "good.toml: nothing to remark." in result.stdout
    assert run("policy", "check", "absent.toml", "good.toml").exit_code == 2
