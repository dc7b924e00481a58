"""The sample repository: its workflow run as a script, and the files of other CI servers kept in step with the program."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from voltage_attest.cli import main

BASH = shutil.which("bash")


@pytest.mark.skipif(BASH is None, reason="the action's script is run by bash")
def test_the_workflow_passes_fails_with_annotations_and_ends_undecided(repository: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(repository / "examples" / "ci" / "try_it.py")],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    passed, refused, undecided = done.stdout.split("\n== ")
    assert "::notice title=voltage-attest::1 result: 1 verified" in passed
    assert "::error title=pod_7%3A tdx.policy.mrtd failed,file=voltage-attest.toml,line=" in refused
    assert "1 result: 1 undecided. UNDECIDED" in undecided
    assert re.findall(r"^exit code (\d)$", done.stdout, re.MULTILINE) == ["0", "1", "3"]


@pytest.mark.skipif(BASH is None, reason="the action's script is run by bash")
def test_no_input_becomes_an_option_or_a_command(repository: Path, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > words\nexit 3\n', "utf-8")
    program.chmod(0o755)
    inputs = {
        "POLICY": "$(touch owned).toml",
        "PODS": "pod_1\n--trust-root=evil.pem\n; touch owned\n",
        "PODS_FROM": "",
        "BUNDLES": "proofs/*.json\r\nmore.json",
        "RETRY_UNDECIDED": "2",
        "WARN_EXPIRING": "14d",
        "REPORTS": "out put",
        "ARGUMENTS": "",
    }
    environment = {f"INPUT_{name}": text for name, text in inputs.items()}
    environment |= {"PATH": os.environ["PATH"], "VOLTAGE_ATTEST": str(program), "GITHUB_OUTPUT": str(tmp_path / "outputs")}
    done = subprocess.run(["bash", str(repository / ".ci" / "action")], cwd=tmp_path, env=environment, check=False)
    assert done.returncode == 3
    words = (tmp_path / "words").read_text("utf-8").splitlines()
    assert words[words.index("--") + 1 :] == ["pod_1", "--trust-root=evil.pem", "; touch owned"]
    assert words[words.index("--policy") + 1] == "$(touch owned).toml"
    assert [words[place + 1] for place, word in enumerate(words) if word == "--bundle"] == ["proofs/*.json", "more.json"]
    assert not (tmp_path / "owned").exists()
    outputs = (tmp_path / "outputs").read_text("utf-8").splitlines()
    assert outputs[:3] == ["verdict=undecided", "exit-code=3", "sarif=out put/report.sarif"]


def test_the_action_hands_every_input_to_the_script_and_declares_every_output(repository: Path) -> None:
    action, script = ((repository / name).read_text("utf-8") for name in ("action.yml", ".ci/action"))
    declared = re.findall(r"^  ([a-z-]+):\n    description: .+\n    default:", action, re.MULTILINE)
    handed = {
        name: variable for variable, name in re.findall(r"^ +(\w+): \$\{\{ inputs\.([a-z-]+) \}\}$", action, re.MULTILINE)
    }
    assert sorted(handed) == sorted(declared)
    for name, variable in handed.items():
        assert variable == ("VOLTAGEGPU_API_KEY" if name == "api-key" else f"INPUT_{name.upper().replace('-', '_')}")
        assert variable in script
    assert "inputs." not in re.sub(r"^ +\w+: \$\{\{.*$", "", action, flags=re.MULTILINE), "no input is text of a script"
    for output in re.findall(r"steps\.gate\.outputs\.([a-z-]+)", action):
        assert f'echo "{output}=' in script


@pytest.mark.parametrize("file", [".gitlab-ci.yml", "Jenkinsfile", ".github/workflows/attest.yml"])
def test_every_command_in_the_examples_has_the_options_it_uses(repository: Path, file: str) -> None:
    text = (repository / "examples" / "ci" / file).read_text("utf-8")
    commands = re.findall(r"voltage-attest (ci|policy diff) ([^'\n>]+)", text)
    for command, words in commands:
        known = CliRunner().invoke(main, [*command.split(), "--help"]).output
        for option in re.findall(r"(?<!\S)--?[a-z][a-z-]*", words):
            assert option in known
    assert commands


def test_the_hook_checks_policies_and_nothing_else(repository: Path) -> None:
    hook = (repository / ".pre-commit-hooks.yaml").read_text("utf-8")
    entry, files = (re.search(rf"^  {key}: (.+)$", hook, re.MULTILINE) for key in ("entry", "files"))
    assert entry is not None
    assert files is not None
    assert CliRunner().invoke(main, [*entry[1].split()[1:], "--help"]).exit_code == 0
    assert re.search(files[1], "deploy/voltage-attest.toml")
    assert re.search(files[1], "voltage-attest.staging.toml")
    assert not re.search(files[1], "pyproject.toml")
