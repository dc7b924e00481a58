"""What all tests share: where the evidence lies, and one reproducible way of drawing examples."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

REPOSITORY = Path(__file__).resolve().parent.parent

# The same examples on every machine in CI; new ones at each run by hand. No deadline: a busy machine is no failure.
settings.register_profile("by-hand", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "by-hand")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the repository."""
    return REPOSITORY


@pytest.fixture(scope="session")
def real() -> Path:
    """Real hardware evidence that ships with the repository; PROVENANCE.md there says what each file is."""
    return REPOSITORY / "fixtures" / "real"


@pytest.fixture(scope="session")
def vectors() -> Path:
    """More real evidence, beside the repository and no part of it; tests that need it are skipped where it is not."""
    folder = REPOSITORY.parent / "shared" / "vectors"
    if not folder.is_dir():
        pytest.skip("../shared/vectors is not beside this repository")
    return folder
