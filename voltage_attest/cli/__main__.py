"""``python -m voltage_attest.cli``: the same program where its script is not on the path."""

from __future__ import annotations

from voltage_attest.cli.program import main

main(prog_name="voltage-attest")
