"""A simulated pod: one HTTPS server on loopback that attests, serves Intel's collateral, and infers.

::

    with SimulatedPod() as pod:
        pod.api_base      # https://localhost:PORT, for GET /v1/pods/{pod.pod_id}/attestation with pod.api_key
        pod.pccs_base     # the same origin: Intel PCS v4, signed by the fake Intel, dated now
        pod.nvidia_base   # the same origin: NVIDIA's RIM, OCSP, CRL and attestation services, if the pod has GPUs
        pod.openai_base   # .../v1/confidential, OpenAI-compatible
        pod.ca_pem        # the CA that certified the pod's TLS key; made for this pod alone
        pod.root_pem      # the fake Intel's root, for TrustRoots.from_pem(intel=...)
        pod.policy_toml() # a policy that accepts it
        with pod.faulty(Fault.DEBUG_TD):
            ...

The quotes are real in all but the root of trust: signed for the caller's nonce and bound to the TLS key of the very connection.
"""

from __future__ import annotations

import hmac
import json
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from http import HTTPStatus
from types import TracebackType
from typing import Final, Self, TypedDict

from voltage_attest.testing.intel.authority import FakeIntel
from voltage_attest.testing.intel.collateral import Collateral
from voltage_attest.testing.intel.pck import PckFields
from voltage_attest.testing.intel.quote import QuoteShape
from voltage_attest.testing.intel.td_report import TdReportFields
from voltage_attest.testing.nvidia.authority import FakeNvidia
from voltage_attest.testing.nvidia.fields import NvGpuFields
from voltage_attest.testing.nvidia.node import NvidiaNode
from voltage_attest.testing.nvidia.service import NvidiaService
from voltage_attest.testing.pod_evidence import NONCE_SIZE, Machine, PodKeys, attestation_document, make_e2ee_key
from voltage_attest.testing.pod_faults import EVERYTHING, INFERENCE, Disturbance, Fault, FaultBoard
from voltage_attest.testing.pod_inference import answer_inference
from voltage_attest.testing.pod_intel import PcsService
from voltage_attest.testing.pod_listener import Endpoint, Listener, Traffic, TrafficMeter
from voltage_attest.testing.pod_nvidia import PodDevices
from voltage_attest.testing.pod_wire import Json, Reply, Request, json_reply
from voltage_attest.testing.tls import WebAuthority, client_context, utc_now
from voltage_attest.trust import TrustRoots

__all__ = ["HostileTwin", "PodOptions", "SimulatedPod"]

_ATTESTATION: Final = re.compile(r"/v1/pods/([^/]+)/attestation")
_NONCE: Final = re.compile(rf"[0-9a-fA-F]{{{2 * NONCE_SIZE}}}")
_AN_HOUR: Final = timedelta(hours=1)
_CHANNEL: Final = 'binding = "voltage-attest/1"'
_TD: Final = TdReportFields()
_PCK: Final = PckFields()
_GPU: Final = NvGpuFields()


class PodOptions(TypedDict, total=False):
    """What :class:`SimulatedPod` can be told; for code that passes it on."""

    pod_id: str
    api_key: str
    hostname: str
    td: TdReportFields
    pck: PckFields
    shape: QuoteShape
    tdx_version: str
    attestation_extra: dict[str, Json] | None
    intel: FakeIntel | None
    authority: WebAuthority | None
    e2ee: bool
    gpus: int
    switches: int
    gpu: NvGpuFields
    nvidia: FakeNvidia | None


class _Server:
    """What a pod and its twin have in common: a port, a TLS key, and a meter."""

    def __init__(self, authority: WebAuthority, hosts: tuple[str, ...]) -> None:
        self.authority = authority
        self._hosts = hosts
        self._meter = TrafficMeter()
        self._listener: Listener | None = None
        self._identity = authority.issue(*hosts)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def start(self) -> None:
        """Open the port. Nothing happens if it was opened before; a server starts once."""
        if self._listener is None:
            self._listener = Listener(lambda: self._endpoint)

    def close(self) -> None:
        """Close the port and every connection, and end every thread; the counters stay readable."""
        if self._listener is not None:
            self._listener.close()

    @property
    def _open_listener(self) -> Listener:
        if self._listener is None:
            raise RuntimeError("the simulated server has not been started: use it in a with statement, or call start()")
        return self._listener

    @property
    def _endpoint(self) -> Endpoint:
        return Endpoint(self._identity, self._answer, self._meter)

    def _answer(self, request: Request) -> Reply:
        raise NotImplementedError

    @property
    def port(self) -> int:
        """The TCP port on 127.0.0.1."""
        return self._open_listener.port

    @property
    def base(self) -> str:
        """The origin, without a slash at its end."""
        return f"https://localhost:{self.port}"

    @property
    def tls_certificate(self) -> str:
        """The certificate that new connections see, in PEM."""
        return self._identity.pem

    @property
    def spki_sha256(self) -> bytes:
        """SHA-256 of the TLS key that new connections see, 32 bytes."""
        return self._identity.spki_sha256

    @property
    def ca_pem(self) -> bytes:
        """The web CA's certificate in PEM: what a client must trust to reach this server at all."""
        return self.authority.ca_pem

    def client_context(self) -> ssl.SSLContext:
        """Make a TLS context for a client: TLS 1.3, this CA, host names checked, no pin."""
        return client_context(self.ca_pem)

    @property
    def traffic(self) -> Traffic:
        """What has been received so far."""
        return self._meter.traffic()

    @property
    def received(self) -> tuple[Request, ...]:
        """The latest 10,000 requests, oldest first, without the API key."""
        return self._meter.received()

    @property
    def open_connections(self) -> int:
        """How many connections to the port are open at this moment."""
        return self._open_listener.open_connections

    def wait_until_idle(self, seconds: float = 10.0) -> bool:
        """Wait until no connection is open, so that the counters are final; False if one still is after that time."""
        return self._open_listener.wait_until_idle(seconds)

    def wait_for_requests(self, number: int = 1, *, below: str | tuple[str, ...] = EVERYTHING, seconds: float = 10.0) -> bool:
        """Wait until so many requests below that path prefix have come; False if they have not after that time."""
        return self._meter.wait_for(number, below, seconds)

    def drop_connections(self) -> None:
        """Close every open connection without a word; the port stays open."""
        self._open_listener.drop_connections()


class SimulatedPod(_Server):
    """One pod. Start it with ``with``; start as many as you like.

    ``hostname`` is certified besides localhost and 127.0.0.1. ``td``, ``pck``, ``shape`` and ``tdx_version`` describe the
    machine, ``attestation_extra`` is added to each attestation answer (``event_log``, ...). ``intel`` and ``nvidia`` are fakes
    of your own, such as one whose collateral has expired; the default ones issue an hour before the pod is made. Pods that
    share an ``authority`` are certified by one CA, as instances behind one name are. With ``e2ee`` False no end-to-end key is
    offered.
    ``gpus`` after the pattern ``gpu``, and 4 ``switches`` with 8 of them, attest beside the quote and are bound to it.
    """

    def __init__(
        self,
        *,
        pod_id: str = "pod_simulated",
        api_key: str = "simulated-key",
        hostname: str = "pod.voltage-attest.test",
        td: TdReportFields = _TD,
        pck: PckFields = _PCK,
        shape: QuoteShape = QuoteShape.V4,
        tdx_version: str = "1.5",
        attestation_extra: dict[str, Json] | None = None,
        intel: FakeIntel | None = None,
        authority: WebAuthority | None = None,
        e2ee: bool = True,
        gpus: int = 0,
        switches: int = 0,
        gpu: NvGpuFields = _GPU,
        nvidia: FakeNvidia | None = None,
    ) -> None:
        super().__init__(authority or WebAuthority.create(), ("localhost", hostname, "127.0.0.1", "::1"))
        self.pod_id = pod_id
        self.api_key = api_key
        self.hostname = hostname
        self.nvidia = nvidia or FakeNvidia(issued_at=utc_now() - _AN_HOUR)
        self.machine = Machine(
            intel=intel or FakeIntel(issued_at=utc_now() - _AN_HOUR),
            devices=PodDevices(self.nvidia, self.nvidia.node(gpus, switches, gpu=gpu, label=pod_id)),
            td=td,
            pck=pck,
            shape=shape,
            tdx_version=tdx_version,
            extra=attestation_extra or {},
        )
        self._e2ee_public_key = make_e2ee_key() if e2ee else None
        self._pcs = PcsService(self.machine)
        self._nvidia_service = NvidiaService(
            self.nvidia, self.node, utc_now if nvidia is None else lambda: self.nvidia.issued_at
        )
        self._board = FaultBoard()
        self._diverted_to: SimulatedPod | HostileTwin | None = None

    @property
    def api_base(self) -> str:
        """The provider's API: what ``--api-base`` takes."""
        return self.base

    @property
    def pccs_base(self) -> str:
        """Intel PCS: what ``--pccs`` takes."""
        return self.base

    @property
    def nvidia_base(self) -> str:
        """One server that stands for NVIDIA's services: what ``NvidiaEndpoints.at`` takes."""
        return self.base

    @property
    def openai_base(self) -> str:
        """The OpenAI-compatible API."""
        return f"{self.base}/v1/confidential"

    @property
    def root_pem(self) -> bytes:
        """The fake Intel's root certificate in PEM."""
        return self.machine.intel.root_pem

    @property
    def node(self) -> NvidiaNode:
        """The pod's GPUs and switches; empty if it has none."""
        return self.machine.devices.node

    @property
    def roots(self) -> TrustRoots:
        """The roots under which this pod's evidence verifies."""
        if not self.node.gpus:
            return TrustRoots.from_pem(intel=self.root_pem)
        nvidia = self.nvidia
        return TrustRoots.from_pem(
            intel=self.root_pem, nvidia_device=nvidia.root_pem, nvidia_rim=nvidia.rim_root_pem, nras=nvidia.nras_pem
        )

    @property
    def e2ee_public_key(self) -> bytes | None:
        """The end-to-end key that attestations bind: raw X25519, 32 bytes."""
        return self._e2ee_public_key

    def policy_toml(self, *, name: str = "simulated-pod", channel: str | None = _CHANNEL, more: str = "") -> str:
        """Write a policy that accepts this pod as it was made, whatever is wrong with it at the moment.

        ``channel`` holds the lines of ``[channel]``, None leaves the section out; ``more`` is appended.
        """
        td = self.machine.td
        pins = "\n".join(
            [f'{field} = ["{getattr(td, field).hex()}"]' for field in ("mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3")]
        )
        section = "" if channel is None else f"\n[channel]\n{channel}\n"
        gpu = self.machine.devices.policy_toml()
        return f'schema = "voltage-attest/policy/1"\nname = "{name}"\n\n[tdx]\n{pins}\n{gpu}{section}{more}'

    def attest(self, nonce: bytes) -> bytes:
        """Return the attestation answer for a nonce of 32 bytes, as the API would send it, faults included."""
        document = attestation_document(
            self.machine, nonce, PodKeys(self._identity, self._e2ee_public_key), self._bystander, self._board.faults
        )
        return json.dumps(document).encode()

    def collateral(self) -> Collateral:
        """Return the nine documents that :attr:`pccs_base` serves at this moment."""
        return self._pcs.collateral(self._board.faults)

    def rims(self) -> dict[str, bytes]:
        """Return the manifests for the pod's devices by their ids, as :attr:`nvidia_base` serves them when nothing is wrong."""
        return self._nvidia_service.rims

    def set_faults(self, *troubles: Fault | Disturbance) -> None:
        """Let exactly this be wrong from now on; without arguments the pod is well again."""
        self._board.set(troubles)

    @contextmanager
    def faulty(self, *troubles: Fault | Disturbance) -> Iterator[Self]:
        """Let this be wrong, besides what is already wrong, within a ``with`` statement."""
        before = self._board.current
        self._board.set((*before, *troubles))
        try:
            yield self
        finally:
            self._board.set(before)

    def rotate_key(self) -> bytes:
        """Draw new TLS and end-to-end keys and return the new key's SHA-256, as a restart of the TD's proxy does.

        New connections and new quotes have the new keys; open connections stay with the old one; the port is the same.
        """
        self._identity = self.authority.issue(*self._hosts)
        if self._e2ee_public_key is not None:
            self._e2ee_public_key = make_e2ee_key()
        return self.spki_sha256

    def divert_to(self, other: SimulatedPod | HostileTwin | None) -> None:
        """Let new connections to this pod's port reach another server, as a hijacked name or route does; None ends it.

        The other server answers with its own key and counts, and need not have been started. A second pod that shares the
        ``authority``, ``pod_id`` and ``api_key`` is another instance behind the same name.
        """
        self._diverted_to = other

    @property
    def _endpoint(self) -> Endpoint:
        other = self._diverted_to
        return super()._endpoint if other is None else other._endpoint  # noqa: SLF001 - of the same class

    @cached_property
    def _bystander(self) -> PodKeys:
        return PodKeys(self.authority.issue(*self._hosts), make_e2ee_key())

    def _answer(self, request: Request) -> Reply:
        return self._board.disturb(request, self._answer_well(request))

    def _answer_well(self, request: Request) -> Reply:
        path = request.path
        found = self._answer_vendor(request, self._board.faults)
        if found is not None:
            return found
        if not hmac.compare_digest((request.api_key or "").encode(), self.api_key.encode()):
            return _refuse(HTTPStatus.UNAUTHORIZED, "the API key is missing or unknown")
        if path.startswith(INFERENCE):
            return answer_inference(request, self._board.faults)
        return self._answer_attestation(request)

    def _answer_vendor(self, request: Request, faults: frozenset[Fault]) -> Reply | None:
        """What NVIDIA or Intel answers; None for the provider's own paths."""
        found = self._nvidia_service.answer(request, faults)
        return found if found is not None or request.path.startswith("/v1/") else self._pcs.answer(request, faults)

    def _answer_attestation(self, request: Request) -> Reply:
        found = _ATTESTATION.fullmatch(request.path)
        if found is None or found[1] != self.pod_id:
            return _refuse(HTTPStatus.NOT_FOUND, "no such pod")
        if request.method != "GET":
            return _refuse(HTTPStatus.METHOD_NOT_ALLOWED, "use GET")
        nonce = request.query.get("nonce", "")
        if not _NONCE.fullmatch(nonce):
            return _refuse(HTTPStatus.BAD_REQUEST, f"nonce must be {2 * NONCE_SIZE} hex digits")
        return Reply(body=self.attest(bytes.fromhex(nonce)))


class HostileTwin(_Server):
    """A server under the pod's name with a certificate by the same CA, and another key.

    It passes on the pod's genuine evidence, its collateral too, and would answer any inference with a smile, whatever the API
    key. What it must never be given is counted: ``twin.traffic.application_bytes``. Reach it at :attr:`base`, or at the pod's
    own port after ``pod.divert_to(twin)``.
    """

    def __init__(self, pod: SimulatedPod) -> None:
        super().__init__(pod.authority, pod._hosts)  # noqa: SLF001 - of the same class
        self._pod = pod

    def _answer(self, request: Request) -> Reply:
        if request.path.startswith(INFERENCE):
            return answer_inference(request, frozenset())
        found = self._pod._answer_vendor(request, frozenset())  # noqa: SLF001
        return found or self._pod._answer_attestation(request)  # noqa: SLF001


def _refuse(status: HTTPStatus, message: str) -> Reply:
    return json_reply({"error": {"message": message, "type": "simulated", "param": None, "code": None}}, status=status)
