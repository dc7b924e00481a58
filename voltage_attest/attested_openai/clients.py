"""``AttestedOpenAI`` and ``AsyncAttestedOpenAI``: the SDK's clients on top of a gate.

What is theirs is little, and goes through what the SDK documents: the request on its way in ``request``, the default headers, a
property in place of an attribute. Everything else is inherited, and sends by the gated HTTP client that they are made with.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import openai
from openai import AsyncOpenAI, OpenAI

from voltage_attest import gate as gates
from voltage_attest.attested_openai import sockets
from voltage_attest.attested_openai.errors import of_sdk, truncated_of_sdk
from voltage_attest.attested_openai.logs import keep_content_out_of_logs
from voltage_attest.attested_openai.outgoing import outgoing
from voltage_attest.attested_openai.quiet import quiet_stream_class, quietly
from voltage_attest.attested_openai.settings import (
    GateArguments,
    key_or_environment,
    refuse_arguments,
    require_origin,
    restored,
    sdk_arguments,
)
from voltage_attest.gate.gate import AttestationGate
from voltage_attest.gate.stream_hooks import guard_streams
from voltage_attest.policy import Policy
from voltage_attest.trust import TrustRoots

__all__ = ["AsyncAttestedOpenAI", "AttestedOpenAI"]

_USES_HTTPX2: Final = int(openai.__version__.partition(".")[0]) >= 3


@dataclass(frozen=True, slots=True)
class _Family:
    """What a client and its copies share."""

    gate: AttestationGate
    http: Any = field(repr=False)
    owns_gate: bool


class _Gated:
    """What the synchronous and the asynchronous client have in common; stands before the SDK's class."""

    gate: AttestationGate
    _family: _Family
    _http_client_name: ClassVar[str]

    def __init__(
        self,
        *,
        gate: AttestationGate | None = None,
        pod_id: str | None = None,
        policy: Policy | Path | str | None = None,
        api_key: str | Callable[[], str] | Callable[[], Awaitable[str]] | None = None,
        api_base: str | None = None,
        pccs: str | Sequence[str] | None = None,
        roots: TrustRoots | None = None,
        tls_ca: Path | str | None = None,
        base_url: str | None = None,
        organization: str | None = None,
        project: str | None = None,
        unsafe_accept_truncated_streams: bool = False,
        **others: Any,
    ) -> None:
        self._family = others.pop("_family", None) or self._found_family(
            gate,
            GateArguments(pod_id, policy, api_key, api_base, pccs, roots, tls_ca, base_url),
            others,
            watches_streams=not unsafe_accept_truncated_streams,
        )
        self.gate = self._family.gate
        super().__init__(  # type: ignore[call-arg]
            api_key=key_or_environment(api_key),
            organization=organization,
            project=project,
            base_url=require_origin(base_url, self.gate),
            **{**sdk_arguments(others), "http_client": self._family.http},
        )
        self._forget_account(organization, project)

    def _forget_account(self, organization: str | None, project: str | None) -> None:
        """Replace what the SDK may have taken from the environment by what was given."""
        vars(self).update(admin_api_key=None, organization=organization, project=project)

    def _found_family(
        self, gate: AttestationGate | None, arguments: GateArguments, others: Mapping[str, object], *, watches_streams: bool
    ) -> _Family:
        """The gate, made if it was not given, and an HTTP client of the SDK's own library on it."""
        refuse_arguments(others)
        chosen = arguments.gate(gate)
        keep_content_out_of_logs()
        http = getattr(gates, self._http_client_name)(
            chosen,
            timeout=openai.DEFAULT_TIMEOUT,
            limits=openai.DEFAULT_CONNECTION_LIMITS,
            refuse=of_sdk,
            unsafe_accept_truncated_streams=True,  # they are watched all the same, by what raises an error of the SDK
        )
        if watches_streams:
            guard_streams(http, error=truncated_of_sdk)
        return _Family(chosen, http, owns_gate=gate is None)

    if not TYPE_CHECKING:  # type checkers see the SDK's signatures

        def copy(self, *, _extra_kwargs: Mapping[str, Any] | None = None, **changes: Any) -> Any:
            """Make a client with other options, of this class and behind this gate."""
            changes = refuse_arguments(changes)
            with sockets.copying():
                return super().copy(_extra_kwargs={**(_extra_kwargs or {}), "_family": self._family}, **changes)

        with_options = copy

        @property
        def default_headers(self) -> Any:
            """The SDK's, and the caller's; none of OPENAI_CUSTOM_HEADERS."""
            own = {"User-Agent": self.user_agent, **self.platform_headers(), **self.auth_headers}
            return restored(super().default_headers, own)

        @property
        def websocket_base_url(self) -> None:
            """Refused: see :mod:`voltage_attest.attested_openai.sockets`."""
            return sockets.websocket_base_url()

        @websocket_base_url.setter
        def websocket_base_url(self, url: object) -> None:
            if url is not None:
                sockets.refuse_websocket()

        @cached_property
        def beta(self) -> Any:
            """As in the SDK, without websockets."""
            return sockets.refuse_websockets(super().beta)

        if hasattr(OpenAI, "live"):  # since openai 3

            @cached_property
            def live(self) -> Any:
                """As in the SDK, without websockets."""
                return sockets.refuse_websockets(super().live)

        @cached_property
        def realtime(self) -> Any:
            """As in the SDK, without websockets."""
            return sockets.refuse_websockets(super().realtime)

        @cached_property
        def responses(self) -> Any:
            """As in the SDK, without websockets."""
            return sockets.refuse_websockets(super().responses)


class AttestedOpenAI(_Gated, OpenAI):
    """``openai.OpenAI`` behind a gate: every resource, streaming, raw and streamed responses, ``with_options``.

    Made with a ``gate`` that it shares, or with ``pod_id``, ``policy`` and what else
    :class:`~voltage_attest.gate.AttestationGate` takes; then it owns one, and closes it. ``base_url`` is by default the gate's;
    one of another origin is refused. The key comes from VOLTAGEGPU_API_KEY or VOLT_API_KEY unless it is given; nothing that is
    about an account at OpenAI is taken from the environment. The other arguments are the SDK's, without those that lead past
    the gate. With ``unsafe_accept_truncated_streams`` an event stream may end without its terminator.

    :class:`~voltage_attest.openai.GateRefused` on what would lead past the gate; ValueError and
    :class:`~voltage_attest.errors.PolicyError` as the gate raises them.
    """

    _http_client_name = "attested_httpx2_client" if _USES_HTTPX2 else "attested_http_client"

    def request(self, cast_to: Any, options: Any, *, stream: bool = False, stream_cls: Any = None) -> Any:
        """Send one request, as the SDK does, with what is always set."""
        with outgoing(options, stream=stream) as prepared, quietly():
            return super().request(cast_to, prepared, stream=stream, stream_cls=quiet_stream_class(stream_cls))

    def close(self) -> None:
        """Close the connections, and the gate if this client made it."""
        super().close()
        if self._family.owns_gate:
            self.gate.close()


class AsyncAttestedOpenAI(_Gated, AsyncOpenAI):
    """As :class:`AttestedOpenAI`, for asyncio: ``openai.AsyncOpenAI`` behind a gate."""

    _http_client_name = "attested_async_httpx2_client" if _USES_HTTPX2 else "attested_async_http_client"

    async def request(self, cast_to: Any, options: Any, *, stream: bool = False, stream_cls: Any = None) -> Any:
        """Send one request, as the SDK does, with what is always set."""
        with outgoing(options, stream=stream) as prepared, quietly():
            return await super().request(cast_to, prepared, stream=stream, stream_cls=quiet_stream_class(stream_cls))

    async def close(self) -> None:
        """Close the connections, and the gate if this client made it."""
        await super().close()
        if self._family.owns_gate:
            self.gate.close()
