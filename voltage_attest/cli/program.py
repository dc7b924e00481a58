"""The program: its commands, and the last line of defence against our own bugs."""

from __future__ import annotations

import difflib
import os
import traceback
from pathlib import Path
from typing import Final

import click

from voltage_attest._version import __version__
from voltage_attest.cli.audit import audit
from voltage_attest.cli.ci import ci
from voltage_attest.cli.collateral import collateral
from voltage_attest.cli.demo import demo
from voltage_attest.cli.doctor import doctor
from voltage_attest.cli.exits import Exit
from voltage_attest.cli.explain import explain
from voltage_attest.cli.inspect import inspect
from voltage_attest.cli.measure import measure
from voltage_attest.cli.pin import pin
from voltage_attest.cli.policy import policy
from voltage_attest.cli.verify import verify

__all__ = ["DEBUG_VARIABLE", "Program", "main"]

DEBUG_VARIABLE: Final = "VOLTAGE_ATTEST_DEBUG"
"""Set to 1, an internal error is raised with its traceback, which may hold evidence."""

_PACKAGE: Final = Path(__file__).resolve().parent.parent


class Program(click.Group):
    """A group whose commands return their exit code, and whose bugs end in a code of their own."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command and leave with its code: a command that says nothing has not verified anything."""
        try:
            code = super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except KeyboardInterrupt:
            click.echo("Interrupted: nothing was decided.", err=True)
            ctx.exit(Exit.INTERRUPTED)
        except Exception as error:
            if os.environ.get(DEBUG_VARIABLE) == "1":
                raise
            click.echo(_bug_report(error), err=True)
            ctx.exit(Exit.BUG)
        ctx.exit(code if isinstance(code, int) else Exit.BUG)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or name the nearest one."""
        near = [] if args[0] in self.commands else difflib.get_close_matches(args[0], self.commands, 1)
        if near and not ctx.resilient_parsing:
            ctx.fail(f"No such command {args[0]!r}. Did you mean {near[0]}?")
        return super().resolve_command(ctx, args)


def _bug_report(error: Exception) -> str:
    """Kind and place of the error, without its text: that may hold what was being verified."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(_PACKAGE)] or list(frames)
    place = f"{Path(ours[-1].filename).name}:{ours[-1].lineno} in {ours[-1].name}" if ours else "an unknown place"
    return (
        f"internal error: {type(error).__name__} at {place} (voltage-attest {__version__}). Nothing was verified; "
        f"please report this line. {DEBUG_VARIABLE}=1 shows the traceback, which may hold your evidence."
    )


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
def main() -> None:
    """Verify that a machine is what it claims to be, before you send it anything.

    Exit codes: 0 verified, 1 refused, 2 usage or policy unusable, 3 undecided, 70 a bug of ours.
    """


for _command in (verify, ci, pin, policy, audit, inspect, measure, explain, collateral, demo, doctor):
    main.add_command(_command)
