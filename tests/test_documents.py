"""What the documents show is what happens: every example of README and docs is run and its output compared.

* A ``console`` block holds commands (``$ command``) and what they print, stdout and stderr as a terminal mixes them.
  Each block runs in one shell, in a fresh folder that holds copies of ``examples/`` and ``fixtures/real/``. ``...`` in
  a line stands for any text, alone on a line for any lines. A command that fails is followed by ``$ echo $?``.
* A ``python`` block runs as a program in such a folder; a ``text`` block directly below it is its output.
* A ``toml`` block that begins with ``schema =`` is a policy that loads.
* An ``sh`` block sets up an environment. It is not run here but by ``.ci/run``.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from voltage_attest.policy import load_policy

REPOSITORY = Path(__file__).resolve().parent.parent
PAGES = [REPOSITORY / "README.md", REPOSITORY / "SECURITY.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: its language, text and first line, and the text of a ``text`` block right below it."""

    page: Path
    line: int
    language: str
    text: str
    output: str

    @property
    def name(self) -> str:
        """For the test's id."""
        return f"{self.page.relative_to(REPOSITORY).as_posix()}:{self.line}"


def blocks_of(page: Path) -> Iterator[Block]:
    """The page's fenced blocks, in order."""
    text = page.read_text("utf-8")
    fences = list(FENCE.finditer(text))
    for fence, after in itertools.zip_longest(fences, fences[1:]):
        follows = after is not None and after[1] == "text" and not text[fence.end() : after.start()].strip()
        yield Block(page, text.count("\n", 0, fence.start()) + 1, fence[1], fence[2], after[2] if follows and after else "")


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def written_in(language: str) -> list[Block]:
    """All blocks of that language."""
    return [block for block in BLOCKS if block.language == language]


def block_name(block: Block) -> str:
    return block.name


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as a reader has it before the first command."""
    shutil.copytree(REPOSITORY / "examples", tmp_path / "examples")
    shutil.copytree(REPOSITORY / "fixtures" / "real", tmp_path / "fixtures" / "real")
    return tmp_path


def environment() -> dict[str, str]:
    """The reader's environment: this interpreter's commands on PATH, a terminal of 120 columns without colour."""
    bin_folder = str(Path(sys.executable).parent)
    kept = {name: os.environ[name] for name in ("HOME", "TMPDIR", "SYSTEMROOT") if name in os.environ}
    path = os.pathsep.join((bin_folder, os.environ["PATH"]))
    return kept | {"PATH": path, "COLUMNS": "120", "NO_COLOR": "1", "TERM": "dumb", "LC_ALL": "C.UTF-8"}


def matches(expected: str, actual: str) -> bool:
    """Whether ``actual`` is ``expected``; ``...`` stands for any text in its line, alone on a line for any lines.

    How wide a gap between two columns is does not count, nor do spaces at line ends and empty lines at either end.
    """
    return re.fullmatch("".join(map(_line_pattern, _lines(expected))), "".join(_lines(actual))) is not None


def _lines(text: str) -> list[str]:
    return [f"{re.sub(' {2,}', '  ', line.rstrip())}\n" for line in text.strip("\n").splitlines()]


def _line_pattern(line: str) -> str:
    if line == "...\n":
        return r"(?:.*\n)*"
    return ".*".join(re.escape(part) for part in line.split("..."))


def commands_of(block: Block) -> list[tuple[str, str]]:
    """The block's commands (a trailing backslash continues one) and what each is said to print."""
    commands: list[tuple[str, str]] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            commands.append((line[2:], ""))
        elif not commands:
            raise ValueError(f"{block.name}: the block does not begin with a command")
        elif commands[-1][0].endswith("\\"):
            commands[-1] = (f"{commands[-1][0]}\n{line.removeprefix('> ')}", "")
        else:
            commands[-1] = (commands[-1][0], f"{commands[-1][1]}{line}\n")
    return commands


def run_console(commands: list[str], folder: Path) -> list[tuple[str, int]]:
    """Run the commands in one shell; return what each printed and its exit status."""
    mark = "---end of command---"
    report = f"status=$?; printf '%s %s\\n' '{mark}' $status; (exit $status)"
    script = "\n".join(f"{command}\n{report}" for command in commands)
    ran = subprocess.run(
        ["bash", "-c", f"exec 2>&1\n{script}"],
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    pieces = re.split(rf"{mark} (\d+)\n", ran.stdout)
    return [(output, int(status)) for output, status in zip(pieces[:-1:2], pieces[1::2], strict=True)]


@pytest.mark.parametrize("block", written_in("console"), ids=block_name)
def test_console_example_prints_what_the_page_shows(block: Block, folder: Path) -> None:
    commands = commands_of(block)
    results = run_console([command for command, _ in commands], folder)
    for position, ((command, expected), (actual, status)) in enumerate(zip(commands, results, strict=True)):
        assert matches(expected, actual), f"{block.name}: $ {command}\nexpected:\n{expected}\nactual:\n{actual}"
        following = commands[position + 1][0] if position + 1 < len(commands) else ""
        assert status == 0 or following == "echo $?", f"{block.name}: $ {command}\nexits {status}, and nothing says so"


@pytest.mark.parametrize("block", written_in("python"), ids=block_name)
def test_python_example_runs_as_shown(block: Block, folder: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", block.text],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    assert matches(block.output, ran.stdout), f"{block.name}: printed\n{ran.stdout}"


@pytest.mark.parametrize("block", [block for block in written_in("toml") if block.text.startswith("schema =")], ids=block_name)
def test_policy_example_loads(block: Block, tmp_path: Path) -> None:
    path = tmp_path / "voltage-attest.toml"
    path.write_text(block.text, "utf-8")
    load_policy(path)


def test_set_up_commands_are_those_that_ci_runs(repository: Path) -> None:
    readme = [block.text for block in written_in("sh") if block.page.name == "README.md"]
    verifies = [text for text in readme if "voltage-attest verify" in text]
    tests = [text for text in readme if "pytest" in text]
    assert len(verifies) == len(tests) == 1
    ci = (repository / ".ci" / "run").read_text("utf-8")
    assert "readme_command 'voltage-attest verify'" in ci
    assert "readme_command pytest" in ci


def test_the_set_up_command_runs_the_example_that_is_tested() -> None:
    def words(text: str) -> str:
        return " ".join(text.replace("\\\n", " ").split())

    (set_up,) = (block for block in written_in("sh") if "voltage-attest verify" in block.text)
    shown = [command for block in written_in("console") for command, _ in commands_of(block) if " verify " in command]
    assert words(set_up.text).endswith(words(f".venv/bin/{shown[0]}"))


def anchors_of(page: Path) -> set[str]:
    """The anchors that GitHub gives the page's headings."""
    headings = HEADING.findall(FENCE.sub("", page.read_text("utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [*PAGES, REPOSITORY / "CHANGELOG.md"], ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(FENCE.sub("", page.read_text("utf-8"))):
        if target.startswith(("https://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in anchors_of(file), f"{page.name}: {target}"
