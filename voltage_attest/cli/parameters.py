"""Values on the command line: times and check ids."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

import click
from click.shell_completion import CompletionItem

from voltage_attest.report.plain import printable

__all__ = ["CheckId", "Rfc3339"]

_SHAPE: Final = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?(?P<zone>[Zz]|[+-]\d{2}:\d{2})?", re.ASCII)
_EXAMPLE: Final = "2026-11-24T17:00:00Z"


class Rfc3339(click.ParamType[datetime]):
    """A time with its zone (RFC 3339), turned to UTC."""

    name = "rfc3339"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read the time, or end in a usage error that says what is missing."""
        text = printable(str(value))
        shape = _SHAPE.fullmatch(str(value))
        if shape is None:
            self.fail(f"{text!r} is no time; write date, time and zone, such as {_EXAMPLE}.", param, ctx)
        if shape["zone"] is None:
            self.fail(
                f"{text!r} has no time zone; add Z for UTC ({text}Z) or an offset ({text}+01:00).",
                param,
                ctx,
            )
        try:
            return datetime.fromisoformat(str(value).upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(f"{text!r} does not exist as a time in UTC, years 1 to 9999.", param, ctx)


class CheckId(click.ParamType[str]):
    """A check's id, completed by the shell."""

    name = "check_id"

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        param: click.Parameter,  # noqa: ARG002 - click's signature
        incomplete: str,
    ) -> list[CompletionItem]:
        """The registered ids that begin so, with their titles."""
        from voltage_attest.checks import REGISTRY

        return [CompletionItem(check.id, help=check.title) for check in REGISTRY.values() if check.id.startswith(incomplete)]
