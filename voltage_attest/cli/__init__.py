"""The command line, ``voltage-attest``. The only room that prints and reads the environment.

Exit codes: 0 verified, 1 refused, 2 usage or policy unusable, 3 undecided, 70 a bug of ours, 130 interrupted.
"""

from __future__ import annotations

from voltage_attest.cli.program import main

__all__ = ["main"]
