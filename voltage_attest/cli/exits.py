"""Exit codes, and the one way in which a command gives up."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import click

from voltage_attest.report.plain import printable
from voltage_attest.result import Verdict

__all__ = ["EXIT_OF_VERDICT", "CannotUse", "Exit"]


class Exit(IntEnum):
    """What the process ends with. Only :attr:`VERIFIED` says yes."""

    VERIFIED = 0
    REFUSED = 1
    USAGE = 2
    UNDECIDED = 3
    BUG = 70
    INTERRUPTED = 130


EXIT_OF_VERDICT: Final = {
    Verdict.VERIFIED: Exit.VERIFIED,
    Verdict.REFUSED: Exit.REFUSED,
    Verdict.UNDECIDED: Exit.UNDECIDED,
}


class CannotUse(click.ClickException):
    """What was named on the command line cannot be used: exit code 2, and a message that says what to do."""

    exit_code = int(Exit.USAGE)

    def __init__(self, message: str) -> None:
        super().__init__("\n".join(map(printable, message.split("\n"))))
