"""A running pod for each test, whether or not the plugin is installed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from voltage_attest.testing import SimulatedPod


@pytest.fixture
def pod() -> Iterator[SimulatedPod]:
    with SimulatedPod() as running:
        yield running
