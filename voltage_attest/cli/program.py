"""The program: its commands, and the last line of defence against our own bugs."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from voltage_attest._version import __version__
from voltage_attest.cli.exits import Exit
from voltage_attest.cli.explain import explain
from voltage_attest.cli.inspect import inspect
from voltage_attest.cli.verify import verify

__all__ = ["DEBUG_VARIABLE", "Program", "main"]

DEBUG_VARIABLE: Final = "VOLTAGE_ATTEST_DEBUG"
"""Set to 1, an internal error is raised with its traceback, which may hold evidence."""

_PACKAGE: Final = Path(__file__).resolve().parent.parent


class Program(click.Group):
    """A group that ends in our exit codes, whatever happens inside it."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = "voltage-attest",
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: FBT001, FBT002 - click's signature
        windows_expand_args: bool = True,  # noqa: FBT001, FBT002 - click's signature
        **extra: object,
    ) -> object:
        """Run a command and end the process with its code; with ``standalone_mode`` False return it instead."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, False, windows_expand_args, **extra)
        sys.exit(self._exit_code(args, prog_name, complete_var, windows_expand_args, extra))

    def _exit_code(
        self,
        args: Sequence[str] | None,
        prog_name: str | None,
        complete_var: str | None,
        windows_expand_args: bool,
        extra: dict[str, object],
    ) -> int:
        try:
            code = super().main(args, prog_name, complete_var, False, windows_expand_args, **extra)
        except click.ClickException as error:
            error.show()
            return error.exit_code
        except click.Abort:
            click.echo("Interrupted: nothing was decided.", err=True)
            return Exit.INTERRUPTED
        except Exception as error:
            if os.environ.get(DEBUG_VARIABLE) == "1":
                raise
            click.echo(_bug_report(error), err=True)
            return Exit.BUG
        return code if isinstance(code, int) else Exit.BUG


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


main.add_command(verify)
main.add_command(inspect)
main.add_command(explain)
