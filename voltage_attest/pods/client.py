"""Evidence over the network: the VoltageGPU API by pod id, and every provider by address.

Thin over :class:`~voltage_attest.collateral.http.BoundedClient`, which bounds bytes and time, follows no redirect and retries
what may pass. Its :class:`~voltage_attest.errors.FetchError` is made to say what helps here; the key is in no text.

>>> with BoundedClient(limits=POD_LIMITS) as client:                                  # doctest: +SKIP
...     evidence = PodClient(client, key).fetch("pod_...", secrets.token_bytes(32))
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from voltage_attest.collateral.http import AsyncBoundedClient, BoundedClient
from voltage_attest.collateral.http_core import HttpRequest, Limits
from voltage_attest.errors import FetchError
from voltage_attest.evidence.model import Evidence
from voltage_attest.limits import NONCE_SIZE
from voltage_attest.pods.answer import MAX_ANSWER_SIZE
from voltage_attest.pods.credentials import ENVIRONMENT_NAMES, ApiKey
from voltage_attest.pods.providers import PROVIDERS, Errand, Provider, join_address
from voltage_attest.pods.voltagegpu import DEFAULT_BASE, NAME, attestation_path, parse_voltagegpu

__all__ = ["DEADLINE", "POD_LIMITS", "AsyncPodClient", "PodClient", "fetch_answer", "fetch_answer_async"]

DEADLINE: Final = 120.0
"""Seconds for one errand with all its attempts: a node with eight GPUs takes 20 s to collect its reports."""

POD_LIMITS: Final = Limits(read=60.0, attempts=3)
"""Limits for the client that asks pods, which think longer than Intel's file servers."""

_JSON: Final = ("application/json",)
_NO_GPU: Final = "the SecretVM has no GPU evidence to give"


class PodClient:
    """The VoltageGPU API. ``client`` is the caller's to close; ``base`` is https, or http to this very machine.

    ValueError on a base address that cannot be used.
    """

    def __init__(self, client: BoundedClient, api_key: ApiKey, *, base: str = DEFAULT_BASE, deadline: float = DEADLINE) -> None:
        _check_base(base)
        self._client = client
        self._api_key = api_key
        self._base = base
        self._deadline = deadline

    def fetch(self, pod_id: str, nonce: bytes) -> Evidence:
        """Ask for the pod's evidence, made for this nonce (32 bytes, used once).

        :class:`FetchError` where it could not be had, :class:`EvidenceFormatError` where the answer cannot be read.
        """
        request = _pod_request(self._base, pod_id, nonce, self._api_key)
        try:
            answer = self._client.get(request, deadline=self._deadline)
        except FetchError as error:
            raise _helpful(error, PROVIDERS[NAME], self._api_key, pod_id) from None
        return parse_voltagegpu(answer.body, pod_id=pod_id)


class AsyncPodClient:
    """As :class:`PodClient`, awaited."""

    def __init__(
        self, client: AsyncBoundedClient, api_key: ApiKey, *, base: str = DEFAULT_BASE, deadline: float = DEADLINE
    ) -> None:
        _check_base(base)
        self._client = client
        self._api_key = api_key
        self._base = base
        self._deadline = deadline

    async def fetch(self, pod_id: str, nonce: bytes) -> Evidence:
        """As :meth:`PodClient.fetch`."""
        request = _pod_request(self._base, pod_id, nonce, self._api_key)
        try:
            answer = await self._client.get(request, deadline=self._deadline)
        except FetchError as error:
            raise _helpful(error, PROVIDERS[NAME], self._api_key, pod_id) from None
        return parse_voltagegpu(answer.body, pod_id=pod_id)


def fetch_answer(
    provider: str,
    base: str | None,
    client: BoundedClient,
    *,
    nonce: bytes,
    target: str | None = None,
    api_key: ApiKey | None = None,
    deadline: float = DEADLINE,
) -> tuple[Evidence, ...]:
    """Ask a provider for evidence made for this nonce: one Evidence for each machine that answers.

    ``base`` is the address, None for the provider's own; ``target`` the model, chute or pod where the provider has several.
    ValueError where something is missing or cannot be used; else the errors of :meth:`PodClient.fetch`.
    """
    known, errands = _plan(provider, target, nonce)
    bodies: list[bytes | None] = []
    for errand in errands:
        try:
            bodies.append(client.get(_request(known, base, errand, api_key), deadline=deadline).body)
        except FetchError as error:
            _pass_over(error, errand, known, api_key, target)
            bodies.append(None)
    return _read(known, bodies, nonce, target)


async def fetch_answer_async(
    provider: str,
    base: str | None,
    client: AsyncBoundedClient,
    *,
    nonce: bytes,
    target: str | None = None,
    api_key: ApiKey | None = None,
    deadline: float = DEADLINE,
) -> tuple[Evidence, ...]:
    """As :func:`fetch_answer`, awaited."""
    known, errands = _plan(provider, target, nonce)
    bodies: list[bytes | None] = []
    for errand in errands:
        try:
            bodies.append((await client.get(_request(known, base, errand, api_key), deadline=deadline)).body)
        except FetchError as error:
            _pass_over(error, errand, known, api_key, target)
            bodies.append(None)
    return _read(known, bodies, nonce, target)


def _check_base(base: str) -> None:
    HttpRequest(join_address(base, "/"), "the base address of pods", 1)


def _pod_request(base: str, pod_id: str, nonce: bytes, api_key: ApiKey) -> HttpRequest:
    return HttpRequest(
        join_address(base, attestation_path(pod_id, nonce)),
        f"the evidence of pod {pod_id}",
        MAX_ANSWER_SIZE,
        _JSON,
        (api_key.authorization(),),
    )


def _plan(provider: str, target: str | None, nonce: bytes) -> tuple[Provider, tuple[Errand, ...]]:
    known = PROVIDERS.get(provider)
    if known is None:
        raise ValueError(f"the provider {provider!r} is unknown; expected one of {', '.join(PROVIDERS)}")
    if len(nonce) != NONCE_SIZE:
        raise ValueError(f"a nonce of {len(nonce)} bytes: draw secrets.token_bytes({NONCE_SIZE})")
    if (target is None) != (known.target is None):
        needed = f"a {known.target}" if known.target else "no target: the address names the machine"
        raise ValueError(f"{provider} was given {'no target' if target is None else 'a target'}; expected {needed}.")
    return known, known.plan(target or "", nonce)


def _request(provider: Provider, base: str | None, errand: Errand, api_key: ApiKey | None) -> HttpRequest:
    chosen = base or provider.base
    if chosen is None:
        raise ValueError(f"{provider.name} was given no address; expected https://host of the machine to ask.")
    headers = (api_key.authorization(),) if api_key is not None and provider.takes_key else ()
    return HttpRequest(join_address(chosen, errand.path), errand.what, provider.max_bytes, errand.content_types, headers)


def _read(provider: Provider, bodies: list[bytes | None], nonce: bytes, target: str | None) -> tuple[Evidence, ...]:
    body, companion = bodies[0] or b"", bodies[1] if len(bodies) > 1 else None
    found = provider.read(body, companion, nonce)
    if provider.name == NAME:
        return tuple(replace(evidence, pod_id=target) for evidence in found)
    if None in bodies:
        return tuple(replace(evidence, warnings=(*evidence.warnings, _NO_GPU)) for evidence in found)
    return found


def _pass_over(error: FetchError, errand: Errand, provider: Provider, api_key: ApiKey | None, target: str | None) -> None:
    """Go on without an optional document if the server answered that it has none; else raise."""
    if not (errand.optional and error.status is not None and error.status >= 400 and not error.refused):
        raise _helpful(error, provider, api_key, target) from None


def _helpful(error: FetchError, provider: Provider, api_key: ApiKey | None, target: str | None) -> FetchError:
    """The same failure with what to do about it here, where the client could say it in general only."""
    remedy = error.remedy
    key = "the API key" if api_key is None else f"the API key from {api_key.source}"
    if error.status == 401 and provider.name == NAME:
        remedy = f"{key} was not accepted: check {ENVIRONMENT_NAMES[0]} or --api-key-file."
    elif error.status == 401:
        remedy = f"{provider.name} did not accept {key}, or it needs one: give a key of that provider's."
    elif error.status == 403:
        remedy = f"{key} may not see this: ask the owner of the account, or use a key that may."
    elif error.status == 404 and target is not None:
        remedy = f"There is no {provider.target} {target!r} at this address, or the key may not see it: check both."
    return FetchError(
        error.wanted,
        happened=error.happened,
        remedy=remedy[:1].upper() + remedy[1:],
        status=error.status,
        retry_after=error.retry_after,
        refused=error.refused,
    )
