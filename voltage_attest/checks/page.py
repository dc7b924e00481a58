"""The page of checks: the registry as Markdown. ``python -m voltage_attest.checks.page > docs/checks.md``."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from voltage_attest.checks import REGISTRY
from voltage_attest.checks.model import Check

__all__ = ["render_checks_page"]

_HEAD = """\
# The checks

Every judgement voltage-attest makes, in the order in which it makes them. An id is stable: it stands in results and
logs, and `voltage-attest explain ID` prints its entry. This page is made from the registry; do not edit it.

A check is `passed`, `failed`, `error` (could not be decided), `skipped` (the policy left it open, or there is nothing
to judge) or `not_run` (something it requires did not pass). `failed` and `error` close the gate; `not_run` follows from
one of them and never counts as passed.
"""


def render_checks_page(registry: Mapping[str, Check]) -> str:
    """Return the page: a table of contents, then one section for each check, in the registry's order."""
    checks = registry.values()
    contents = "\n".join(f"| [`{check.id}`](#{_anchor(check.id)}) | {_cell(check.title)} |" for check in checks)
    sections = "\n".join(_section(check) for check in checks)
    return f"{_HEAD}\n| check | claim |\n|---|---|\n{contents}\n\n{sections}"


def _section(check: Check) -> str:
    required = ", ".join(f"[`{name}`](#{_anchor(name)})" for name in check.requires) or "nothing"
    return f"""\
## `{check.id}`

**{check.title}.**

- **Proves:** {check.proves}
- **Does not prove:** {check.does_not_prove}
- **When it fails:** {check.remedy}
- **Who can mend it:** {check.actor.value}
- **Requires:** {required}
- **Source:** {check.spec}
"""


def _anchor(check_id: str) -> str:
    """The anchor that GitHub gives a heading: lower case, dots dropped."""
    return check_id.lower().replace(".", "")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(render_checks_page(REGISTRY))
