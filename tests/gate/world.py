"""A pod behind a name, its twin, a clock to turn, and one way to call through all four kinds of gated clients."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

import httpx
import pytest

from voltage_attest.gate import AttestationGate, Lifecycle, attested_async_http_client, attested_http_client
from voltage_attest.gate.engine import Ask
from voltage_attest.gate.model import EventKind, GateEvent, Guard, RequestHook
from voltage_attest.gate.pace import Pace
from voltage_attest.gate.transport import Refuse
from voltage_attest.policy import parse_policy
from voltage_attest.testing import INFERENCE, HostileTwin, SimulatedPod

__all__ = ["BODY", "KINDS", "NO_HOLD", "PHI", "Caller", "Clock", "Kind", "Scene", "calling"]

PHI: Final = "Jane Doe, born 1971-03-02, is HIV positive"
BODY: Final[Mapping[str, object]] = {
    "model": "m",
    "messages": [{"role": "user", "content": PHI}],
    "confidential": True,
    "no_log": True,
}
NO_HOLD: Final = Lifecycle(hold=timedelta(0), drain=timedelta(seconds=30))


class Clock:
    """Both clocks of a gate, turned by hand. They begin at the present: what the pod signs is dated now."""

    def __init__(self) -> None:
        self.wall = time.time()
        self.steady = 1000.0

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.wall += seconds
        self.steady += seconds

    def pace(self, *, background: bool = False, spawn: Callable[[Callable[[], None]], None] | None = None) -> Pace:
        """A pace by these clocks: nothing happens by itself unless asked for, and chance is always one half."""
        with_spawn = {} if spawn is None else {"spawn": spawn}
        return Pace(wall=lambda: self.wall, steady=lambda: self.steady, draw=lambda: 0.5, background=background, **with_spawn)


class Scene:
    """``door`` is the address that clients are told; it leads to ``pod`` until ``door.divert_to`` lets it lead elsewhere.

    The pod is asked for evidence at its own address, so that all the twin could receive are requests not meant for it.
    """

    def __init__(self, tmp_path: Path) -> None:
        self._stack = ExitStack()
        self.pod = self._stack.enter_context(SimulatedPod())
        self.door = self._stack.enter_context(SimulatedPod(authority=self.pod.authority))
        self.door.divert_to(self.pod)
        self.twin = self._stack.enter_context(HostileTwin(self.pod))
        self.ca = tmp_path / "ca.pem"
        self.ca.write_bytes(self.pod.ca_pem)
        self.events: list[GateEvent] = []
        self.clock = Clock()

    def gate(
        self,
        *,
        channel: str = 'binding = "voltage-attest/1"',
        pace: Pace | None = None,
        lifecycle: Lifecycle = NO_HOLD,
        audit: RequestHook | None = None,
        guards: Sequence[Guard] = (),
        origin: str | None = None,
        api_base: str | None = None,
        ask: Ask | None = None,
        tls_ca: bool = True,
    ) -> AttestationGate:
        """A gate for the pod behind the door, closed with the scene. Without ``tls_ca`` clients do not trust the door's CA."""
        asking = None if tls_ca else self.gate().open
        gate = AttestationGate(
            self.pod.pod_id,
            parse_policy(self.pod.policy_toml(channel=channel)),
            self.pod.api_key,
            api_base or self.pod.api_base,
            self.pod.pccs_base,
            self.pod.roots,
            self.ca if tls_ca else None,
            origin=origin or self.door.base,
            cache=None,
            pace=pace or Pace(),
            lifecycle=lifecycle,
            audit=audit,
            guards=guards,
            listener=self.events.append,
            ask=ask or asking,
        )
        return self._stack.enter_context(gate)

    @property
    def url(self) -> str:
        """Where a request goes."""
        return f"{self.door.base}/v1/confidential/chat/completions"

    @property
    def inferences(self) -> int:
        """How many the pod itself was asked for."""
        return self.pod.traffic.requests_below(INFERENCE)

    def count(self, kind: EventKind) -> int:
        """How often that happened."""
        return sum(event.kind is kind for event in self.events)

    def close(self) -> None:
        """Close everything."""
        self._stack.close()


class Caller(Protocol):
    """A gated client, whatever its kind."""

    def request(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, follow: bool = False, body: object = BODY
    ) -> tuple[int, bytes]:
        """Send, and read the whole answer: its status and body."""

    def close(self) -> None:
        """Close the client."""

    def __enter__(self) -> Self:
        """The caller itself."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close it."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Which client: of httpx or httpx2, for threads or for asyncio."""

    library: str
    is_async: bool

    def __str__(self) -> str:
        return f"{self.library}-{'async' if self.is_async else 'sync'}"


KINDS: Final = tuple(Kind(library, is_async) for library in ("httpx", "httpx2") for is_async in (False, True))


def client_of(kind: Kind, gate: AttestationGate, refuse: Refuse | None, key: str | None) -> httpx.Client | httpx.AsyncClient:
    """Make the client; httpx2's are typed as httpx's, whose interface is the same."""
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    if kind.library == "httpx":
        make = attested_async_http_client if kind.is_async else attested_http_client
        return make(gate, headers=headers, refuse=refuse)
    pytest.importorskip("httpx2", reason="httpx2 is not installed: it comes with openai 3")
    from voltage_attest.gate import attested_async_httpx2_client, attested_httpx2_client

    make2 = attested_async_httpx2_client if kind.is_async else attested_httpx2_client
    return make2(gate, headers=headers, refuse=refuse)  # type: ignore[return-value]


def calling(kind: Kind, gate: AttestationGate, *, refuse: Refuse | None = None, key: str | None = "simulated-key") -> Caller:
    """A caller of that kind."""
    client = client_of(kind, gate, refuse, key)
    return _AsyncCaller(client) if isinstance(client, httpx.AsyncClient) or kind.is_async else _SyncCaller(client)


class _SyncCaller:
    def __init__(self, client: httpx.Client | httpx.AsyncClient) -> None:
        self._client: httpx.Client = client  # type: ignore[assignment]

    def request(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, follow: bool = False, body: object = BODY
    ) -> tuple[int, bytes]:
        answer = self._client.request(method, url, json=body, headers=dict(headers or {}), follow_redirects=follow)
        return answer.status_code, answer.content

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class _AsyncCaller:
    """Runs each request to its end in one event loop of its own."""

    def __init__(self, client: httpx.Client | httpx.AsyncClient) -> None:
        self._client: httpx.AsyncClient = client  # type: ignore[assignment]
        self._runner = asyncio.Runner()

    def request(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, follow: bool = False, body: object = BODY
    ) -> tuple[int, bytes]:
        async def send() -> tuple[int, bytes]:
            answer = await self._client.request(method, url, json=body, headers=dict(headers or {}), follow_redirects=follow)
            return answer.status_code, answer.content

        return self._runner.run(send())

    def close(self) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
