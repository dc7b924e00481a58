"""Policies of two git revisions, and their differences for a terminal or a pull request's comment."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from voltage_attest.cli.exits import CannotUse
from voltage_attest.report.markdown import code, escaped
from voltage_attest.report.plain import Paint, hanging, printable

if TYPE_CHECKING:
    from voltage_attest.policy.change import Change
    from voltage_attest.policy.model import Policy

__all__ = ["changes_as_markdown", "changes_as_text", "policy_of"]

_REVISION: Final = re.compile(r"(?P<revision>[A-Za-z0-9][\w./~^@{}-]*):(?P<path>[^:]+)", re.ASCII)
_SECONDS: Final = 30
_LONG_HEX: Final = re.compile(r"\b[0-9a-f]{16,}\b")
_SIGNS: Final = {"loosened": "🔴 **loosened**", "tightened": "🟢 tightened", "changed": "⚪ changed"}
_COLUMN: Final = 11


def policy_of(name: str) -> Policy:
    """The policy in the file of that name, else in ``REVISION:PATH`` of the git repository here; CannotUse if it is none."""
    from voltage_attest.errors import PolicyError
    from voltage_attest.policy.load import load_policy, parse_policy

    found = None if Path(name).exists() else _REVISION.fullmatch(name)
    try:
        if found is None:
            return load_policy(Path(name))
        return parse_policy(_of_revision(found["revision"], found["path"]), path=Path(name))
    except PolicyError as error:
        raise CannotUse(f"the policy cannot be used. {error}") from None


def _of_revision(revision: str, path: str) -> str:
    git = shutil.which("git")
    if git is None:
        raise CannotUse(f"{revision}:{path} names a revision, and git is not installed here. Name two files.")
    # A path that begins with ./ is relative to this folder; git takes any other from the top of the repository.
    relative = path if path.startswith(("./", "../")) else f"./{path}"
    command = [git, "-c", "core.quotePath=off", "show", "--end-of-options", f"{revision}:{relative}"]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=_SECONDS)  # noqa: S603 - no shell, checked words
    except (OSError, subprocess.TimeoutExpired):
        raise CannotUse(f"git did not answer for {revision}:{path}. Name two files.") from None
    if done.returncode:
        why = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise CannotUse(f"{revision}:{path} cannot be had from git ({why[-1] if why else 'it does not say why'}).")
    try:
        return done.stdout.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CannotUse(f"{revision}:{path}: byte {error.start} is not UTF-8. Save the policy as UTF-8.") from None


def changes_as_text(changes: Sequence[Change], new: Policy, *, width: int, color: bool) -> Iterator[str]:
    """What was loosened first, then the exceptions in force, then the count."""
    paint = Paint(color)
    paints = {"loosened": paint.bad, "tightened": paint.good}
    for change in changes:
        word = "LOOSENED" if change.effect.value == "loosened" else change.effect.value
        first, *rest = hanging(word, f"{change.key}: {change.text}", _COLUMN, width)
        yield first.replace(word, paints.get(change.effect.value, str)(word), 1)
        yield from rest
    for said in _exceptions(new):
        yield from hanging("  in force", f"exception for {said}", _COLUMN + 2, width)
    yield f"{_counted(changes)}." if changes else "Both accept the same."


def changes_as_markdown(changes: Sequence[Change], new: Policy) -> str:
    """The same for a comment: a table, and the exceptions in force with their last day."""
    lines = [f"### Policy {code(new.name)}: {_counted(changes) if changes else 'both accept the same'}", ""]
    if changes:
        lines += ["| | rule | change |", "|---|---|---|"]
        lines += [f"| {_SIGNS[change.effect.value]} | {code(change.key)} | {_shown(change.text)} |" for change in changes]
        lines.append("")
    exceptions = [_shown(said) for said in _exceptions(new)]
    if exceptions:
        lines += ["Exceptions in force:", "", *[f"- {said}" for said in exceptions], ""]
    if any(change.effect.value == "loosened" for change in changes):
        lines += [
            "What is loosened lets in evidence that was refused before. Compare values with those their publisher signed.",
            "",
        ]
    return "\n".join(lines)


def _counted(changes: Sequence[Change]) -> str:
    return ", ".join(
        f"{sum(change.effect.value == effect for change in changes)} {effect}"
        for effect in ("loosened", "changed", "tightened")
    )


def _exceptions(policy: Policy) -> Iterator[str]:
    for exception in () if policy.tdx is None else policy.tdx.tcb.exceptions:
        advisories = ", ".join(sorted(exception.advisories)) or "no advisories"
        yield f"{exception.status} with {advisories}, until {exception.until}: {exception.reason}"


def _shown(text: str) -> str:
    """Measurements as code, all else as text; within a table's cell."""
    plain, shown, end = printable(text), "", 0
    for found in _LONG_HEX.finditer(plain):
        shown += escaped(plain[end : found.start()]) + code(found[0])
        end = found.end()
    return shown + escaped(plain[end:])
