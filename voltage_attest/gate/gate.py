"""The gate: nothing is sent to a pod before it has proven what it is.

::

    with AttestationGate("pod_...", "voltage-attest.toml") as gate, attested_http_client(gate) as http:
        http.post(f"{gate.base_url}/chat/completions", json={...})      # attests first, then sends

A gate attests when it is first needed, once for all threads and tasks, renews ahead of time in the background, and shuts when
it cannot. One gate serves any number of clients. It holds no connection itself.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self
from weakref import WeakSet

from voltage_attest.attest import Attester, Connections, open_attester
from voltage_attest.collateral.cache import CollateralCache
from voltage_attest.errors import GateRefused, PolicyError
from voltage_attest.gate.core import GateCore, RequestFacts, judge_request
from voltage_attest.gate.courses import drive, drive_async
from voltage_attest.gate.engine import Ask, Engine
from voltage_attest.gate.exchange import Desk
from voltage_attest.gate.model import GateStatus, Guard, Lifecycle, Listener, Open, Origin, RequestHook
from voltage_attest.gate.pace import Pace
from voltage_attest.gate.pin import pinned_context, proxy_context
from voltage_attest.gate.rules import Rules
from voltage_attest.gate.transport import Refuse, Wiring
from voltage_attest.pods.credentials import ApiKey, find_api_key
from voltage_attest.pods.voltagegpu import DEFAULT_BASE
from voltage_attest.policy import ChannelPolicy, Pin, Policy, load_policy
from voltage_attest.result import AttestationResult
from voltage_attest.trust import TrustRoots

__all__ = ["AttestationGate"]

_CONFIDENTIAL: Final = "/v1/confidential"
_LIFECYCLE: Final = Lifecycle()
_PACE: Final = Pace()
_GATES: Final[WeakSet[AttestationGate]] = WeakSet()


class AttestationGate:
    """Opens for one pod at one origin, by a policy; made from it, clients of httpx and httpx2 send nothing while it is shut.

    ``policy`` is a file or a :class:`Policy`; it must pin MRTD and have ``[channel]``. ``api_key`` (default: the environment's
    VOLTAGEGPU_API_KEY or VOLT_API_KEY) and ``api_base`` (VoltageGPU) are asked for evidence, ``pccs`` for collateral.
    ``roots`` replace the pinned roots; ``tls_ca`` is a PEM file of CAs trusted for TLS besides the public ones. ``origin`` is
    the one origin that may be reached, by default that of ``api_base``.

    Each request is announced to ``audit`` before its first byte, and ``guards`` are asked before; ``listener`` is told of every
    event. All three go beside what [models], [compliance] and [audit] of the policy ask for. ``lifecycle`` says when to renew
    and how long answers may go on, ``cache`` where collateral is kept, ``nvidia_base`` what stands in for NVIDIA's services.
    ``pace`` and ``ask`` replace time and attestation.

    :class:`PolicyError` on a policy that opens no gate; ValueError where a key, an address or a file cannot be used.
    """

    def __init__(  # noqa: PLR0917 - the first seven are a contract
        self,
        pod_id: str,
        policy: Policy | Path | str,
        api_key: ApiKey | str | None = None,
        api_base: str | None = None,
        pccs: str | Sequence[str] | None = None,
        roots: TrustRoots | None = None,
        tls_ca: Path | str | None = None,
        *,
        origin: str | None = None,
        audit: RequestHook | None = None,
        guards: Sequence[Guard] = (),
        listener: Listener | None = None,
        lifecycle: Lifecycle = _LIFECYCLE,
        cache: CollateralCache | Literal["user"] | None = "user",
        nvidia_base: str | None = None,
        pace: Pace = _PACE,
        ask: Ask | None = None,
    ) -> None:
        self.pod_id = pod_id
        self.policy = policy if isinstance(policy, Policy) else load_policy(Path(policy))
        channel = _channel_of(self.policy)
        self.origin = Origin.of(origin or api_base or DEFAULT_BASE)
        self._tls_ca = tls_ca
        self._proxy = channel.proxy
        self._webpki = channel.webpki == "require"
        if ask is None:
            how = Connections(api_key=_key(api_key), api_base=api_base, roots=roots, tls_ca=tls_ca, cache=cache)
            if pccs is not None:
                how["pccs"] = [pccs] if isinstance(pccs, str) else list(pccs)
            if nvidia_base is not None:
                how["nvidia_base"] = nvidia_base
            ask = _Asker(pod_id, self.policy, how)
        rules = Rules.of(self.policy, pace.wall)
        core = GateCore(self.origin, channel.max_age, lifecycle, pace.draw)
        self._engine = Engine(
            core, ask, lifecycle=lifecycle, pace=pace, guards=rules.guards(guards), listener=rules.listener(listener)
        )
        self._desk = Desk(pod_id, self._engine, rules.hook(audit))
        _GATES.add(self)

    @property
    def base_url(self) -> str:
        """The pod's OpenAI-compatible API at this gate's origin."""
        return f"{self.origin}{_CONFIDENTIAL}"

    @property
    def result(self) -> AttestationResult | None:
        """The newest attestation that holds the gate open; None while it is shut, and before the first."""
        decision = self._engine.decide()
        return decision.result if isinstance(decision, Open) else None

    def status(self) -> GateStatus:
        """The state of this moment, for health checks and metrics."""
        return self._engine.status()

    def open(self) -> AttestationResult:
        """Attest now unless the gate is open, and wait for it; :class:`GateRefused` if it stays shut."""
        self._engine.check_guards()
        return drive(self._engine.admission()).result

    async def open_async(self) -> AttestationResult:
        """As :meth:`open`, awaited."""
        self._engine.check_guards()
        return (await drive_async(self._engine.admission())).result

    def refusal_of_url(self, url: str) -> GateRefused | None:
        """Why nothing may be sent to this address, whatever is attested; None if it is of this gate's origin."""
        try:
            origin = Origin.of(url)
        except ValueError as error:
            return GateRefused("an address that is no https URL", expected=f"one of {self.origin}", remedy=str(error))
        refusal = judge_request(RequestFacts(origin.scheme, origin.host, origin.port, "GET", None), self.origin)
        return None if refusal is None else refusal.error()

    def tend(self) -> float | None:
        """Do what is due, where nothing happens in the background; seconds until there is more, None if nothing is foreseen."""
        return self._engine.tend()

    def wiring(self, refuse: Refuse | None = None) -> Wiring:
        """What a transport needs of this gate; ``refuse`` makes the exceptions that its callers see."""
        return Wiring(self._desk, self._context, self._proxy, self._proxy_context, refuse)

    @cached_property
    def _context(self) -> ssl.SSLContext:
        engine = self._engine
        return pinned_context(engine.judge, engine.flights.pinned, webpki=self._webpki, tls_ca=self._tls_ca)

    @cached_property
    def _proxy_context(self) -> ssl.SSLContext | None:
        has_tls = self._proxy is not None and self._proxy.startswith("https")
        return proxy_context(self._tls_ca) if has_tls else None

    def close(self) -> None:
        """Shut for good. Clients made from this gate refuse from now on, and what is under way ends with an error."""
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<AttestationGate {self.pod_id} at {self.origin}, epoch {self._engine.core.epoch}>"


class _Asker:
    """Attests one pod whenever it is called. What it has opened is opened anew in a forked child."""

    def __init__(self, pod_id: str, policy: Policy, how: Connections) -> None:
        self._pod_id = pod_id
        self._policy = policy
        self._how = how
        self._opened: tuple[int, ExitStack, Attester] | None = None
        self._attester()  # an address or a file that cannot be used is said at once

    def __call__(self) -> AttestationResult:
        return self._attester().attest(self._pod_id).result

    def _attester(self) -> Attester:
        pid = os.getpid()
        if self._opened is None or self._opened[0] != pid:
            # It keeps no connection between attestations, and goes with this object; its Verifier remembers signatures.
            stack = ExitStack()
            self._opened = pid, stack, stack.enter_context(open_attester(self._policy, **self._how))
        return self._opened[2]


def _key(api_key: ApiKey | str | None) -> ApiKey:
    if isinstance(api_key, str):
        return ApiKey(api_key)
    found = api_key or find_api_key(None, os.environ)  # noqa: TID251 - the key of the caller's environment, by contract
    if found is None:
        raise ValueError("there is no API key to ask the pod with: pass api_key, or set VOLTAGEGPU_API_KEY or VOLT_API_KEY.")
    return found


def _channel_of(policy: Policy) -> ChannelPolicy:
    path = None if policy.path is None else Path(policy.path)
    tdx = policy.tdx
    if tdx is None or not isinstance(tdx.pins.get("mrtd"), Pin):
        raise PolicyError(
            "a policy that pins no MRTD",
            expected="the measurements of the images that may see data",
            remedy="Pin mrtd in [tdx] to what the image's publisher says; `voltage-attest inspect` shows what a quote holds.",
            path=path,
            key="tdx.mrtd",
        )
    if policy.channel is None:
        raise PolicyError(
            "a policy without [channel]",
            expected="the rule that binds evidence to the TLS key",
            remedy='Add [channel] with binding = "voltage-attest/1".',
            path=path,
            key="channel",
        )
    return policy.channel


def _after_fork() -> None:
    for gate in tuple(_GATES):
        gate._engine.after_fork()  # noqa: SLF001 - of the same class


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
