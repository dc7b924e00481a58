"""A pod, a policy that accepts it, and the gated clients of the installed SDK, synchronous and asynchronous behind one face."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, TypedDict

import pytest

from voltage_attest.openai import AsyncAttestedOpenAI, AttestedOpenAI
from voltage_attest.testing import SimulatedPod
from voltage_attest.trust import TrustRoots

PHI: Final = "Erika-Mustermann-HIV-positive"
MODEL: Final = "meta-llama/Llama-3.1-70B-Instruct-TEE"
MESSAGES: Final[list[Any]] = [{"role": "user", "content": PHI}]
API_KEY: Final = "key-that-nobody-may-see-7341"


class GateOptions(TypedDict, total=False):
    """What makes the gate of the simulated pod."""

    pod_id: str
    policy: Path
    api_key: str
    api_base: str
    pccs: str
    roots: TrustRoots
    tls_ca: Path


class Clinic:
    """A clinic's program: its pod, its policy file, and the clients that it makes."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.pod = stack.enter_context(SimulatedPod(api_key=API_KEY))
        self.ca = folder / "ca.pem"
        self.ca.write_bytes(self.pod.ca_pem)
        self.policy = folder / "voltage-attest.toml"
        self.write_policy()
        self._stack = stack

    def write_policy(self, more: str = "") -> None:
        """Write the policy anew, with these sections beside the pins."""
        self.policy.write_text(self.pod.policy_toml(more=more), "utf-8")

    @property
    def gate_options(self) -> GateOptions:
        """The arguments of a gate."""
        pod = self.pod
        return {
            "pod_id": pod.pod_id,
            "policy": self.policy,
            "api_key": pod.api_key,
            "api_base": pod.api_base,
            "pccs": pod.pccs_base,
            "roots": pod.roots,
            "tls_ca": self.ca,
        }

    def client(self, **changed: Any) -> AttestedOpenAI:
        """A synchronous client, closed after the test."""
        return self._stack.enter_context(AttestedOpenAI(**{**self.gate_options, **changed}))

    @property
    def inference_requests(self) -> int:
        """How many requests for inference the pod has seen."""
        return sum(path.startswith("/v1/confidential/") for path in self.pod.traffic.requests)


@pytest.fixture
def clinic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clinic]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("VOLTAGEGPU_API_KEY", "VOLT_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with ExitStack() as stack:
        yield Clinic(tmp_path, stack)


Act = Callable[[Any], Any]
Run = Callable[..., Any]


@pytest.fixture(params=["sync", "async"])
def run(request: pytest.FixtureRequest, clinic: Clinic) -> Run:
    """``run(act, **arguments)``: make a client with these arguments, let ``act(client)`` use it, and close it.

    What ``act`` returns is awaited, or a stream read to a list, as the client needs it.
    """

    def run_sync(act: Act, **changed: Any) -> Any:
        with AttestedOpenAI(**{**clinic.gate_options, **changed}) as client:
            found = act(client)
            return list(found) if hasattr(found, "__next__") else found

    def run_async(act: Act, **changed: Any) -> Any:
        async def main() -> Any:
            async with AsyncAttestedOpenAI(**{**clinic.gate_options, **changed}) as client:
                found = act(client)
                if inspect.isawaitable(found):
                    found = await found
                return [item async for item in found] if hasattr(found, "__anext__") else found

        return asyncio.run(main())

    return run_sync if request.param == "sync" else run_async


def chat(client: Any, **arguments: Any) -> Any:
    """Ask with the patient's data."""
    return client.chat.completions.create(**{"model": MODEL, "messages": MESSAGES, **arguments})


async def gather(stream: AsyncIterator[Any]) -> list[Any]:
    """All items of a stream."""
    return [item async for item in stream]


async def settled(found: Awaitable[Any] | Any) -> Any:
    """What was found, awaited if it must be."""
    return await found if inspect.isawaitable(found) else found
