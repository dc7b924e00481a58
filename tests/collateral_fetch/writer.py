"""A process of its own that writes to a cache until it is killed.

``python -m tests.collateral_fetch.writer DIRECTORY BYTES named|unnamed`` writes four entries of that size over and over, and
says ``writing`` once it has begun; ``named`` does it the way of systems that have no files without a name.
"""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path
from unittest import mock

from voltage_attest.collateral import cache
from voltage_attest.collateral.cache import CachedAnswer, CollateralCache


def main(directory: str, size: str) -> None:
    kept = CollateralCache(Path(directory))
    for number in itertools.count():
        kept.write(CachedAnswer("pck-crl", f"https://pccs.example.org/{number % 4}", {}, os.urandom(int(size))), sys.exit)
        if number == 0:
            sys.stdout.write("writing\n")
            sys.stdout.flush()


if __name__ == "__main__":
    if sys.argv[3] == "named":
        with mock.patch.object(cache, "_write_unnamed", return_value=False):
            main(*sys.argv[1:3])
    else:
        main(*sys.argv[1:3])
