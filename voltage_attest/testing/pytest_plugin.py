"""A pytest plugin: a simulated pod for your own tests, as fixtures. Installed with the package (entry point ``pytest11``).

::

    def test_my_code_refuses_a_debug_machine(simulated_pod: SimulatedPod, attestation_policy: Path) -> None:
        with simulated_pod.faulty(Fault.DEBUG_TD):
            ...

Nothing but pytest is imported until a test asks for one of the fixtures.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from typing import Unpack

    from voltage_attest.testing.pod import PodOptions, SimulatedPod

__all__ = ["PodFactory", "attestation_policy", "simulated_pod", "simulated_pod_ca", "simulated_pod_factory"]


class PodFactory(Protocol):
    """Makes running pods; what it takes is what :class:`~voltage_attest.testing.SimulatedPod` takes."""

    def __call__(self, **options: Unpack[PodOptions]) -> SimulatedPod:
        """Start one more pod."""


@pytest.fixture
def simulated_pod_factory() -> Iterator[PodFactory]:
    """A function that starts a simulated pod; all of them are closed after the test."""
    from voltage_attest.testing.pod import SimulatedPod

    with ExitStack() as running:

        def start(**options: Unpack[PodOptions]) -> SimulatedPod:
            return running.enter_context(SimulatedPod(**options))

        yield start


@pytest.fixture
def simulated_pod(simulated_pod_factory: PodFactory) -> SimulatedPod:
    """A running simulated pod with nothing wrong with it yet."""
    return simulated_pod_factory()


@pytest.fixture
def simulated_pod_ca(simulated_pod: SimulatedPod, tmp_path: Path) -> Path:
    """The path of a PEM file: the CA that certified ``simulated_pod``, for whatever takes a CA file."""
    path = tmp_path / "simulated-pod-ca.pem"
    path.write_bytes(simulated_pod.ca_pem)
    return path


@pytest.fixture
def attestation_policy(simulated_pod: SimulatedPod, tmp_path: Path) -> Path:
    """The path of a policy file, ``voltage-attest.toml``, that accepts ``simulated_pod`` as it was made."""
    path = tmp_path / "voltage-attest.toml"
    path.write_text(simulated_pod.policy_toml(), "utf-8")
    return path
