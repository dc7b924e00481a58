"""How an attester reaches the network, or does without: what :func:`~voltage_attest.attest.open_attester` is told."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict

from voltage_attest.collateral.cache import CollateralCache
from voltage_attest.collateral.intel import IntelCollateral
from voltage_attest.collateral.nvidia import NvidiaCollateral
from voltage_attest.collateral.service import CollateralRequest, CollateralService, FetchedCollateral, pccs_endpoint
from voltage_attest.limits import NONCE_SIZE
from voltage_attest.nvidia_origin import NvidiaOrigin
from voltage_attest.pods.credentials import ApiKey
from voltage_attest.policy.model import CollateralPolicy, Policy
from voltage_attest.trust import TrustRoots

if TYPE_CHECKING:
    from voltage_attest.attest_course import Progress
    from voltage_attest.collateral.nvidia_service import OcspMode

__all__ = ["NONCE_SIZE", "Connections", "collateral_origin", "draw_nonce", "nvidia_arguments", "proxy_of"]


def draw_nonce() -> bytes:
    """Draw a nonce, to be used once."""
    return secrets.token_bytes(NONCE_SIZE)


class Connections(TypedDict, total=False):
    """How :func:`open_attester` reaches the network; every key may be left out.

    ``api_key`` is the environment's where absent; None asks no pod. ``api_base`` and ``pccs`` (in order) are where to ask; by
    default VoltageGPU, and what the policy names or Intel. ``tls_ca`` is a PEM file of CAs trusted for TLS besides the public
    ones, ``proxy`` the policy's where absent. ``roots`` replace the pinned roots. ``cache`` is the user's own where absent;
    None keeps nothing. ``collateral`` at hand is used in place of any that would be fetched. ``offline`` takes documents from
    the cache alone and asks no pod. ``nvidia_base`` stands in for all of NVIDIA's services. ``nvidia`` are its documents at
    hand: a kind of which one is there is not fetched. ``ocsp_mode`` says how revocation is asked for (see ``OcspMode``).
    """

    api_key: ApiKey | str | None
    api_base: str | None
    pccs: Sequence[str]
    roots: TrustRoots | None
    tls_ca: Path | str | None
    cache: CollateralCache | Literal["user"] | None
    collateral: IntelCollateral | None
    offline: bool
    proxy: str | None
    nvidia_base: str | None
    nvidia: NvidiaCollateral | None
    ocsp_mode: OcspMode
    progress: Progress | None


def proxy_of(policy: Policy, how: Connections) -> str | None:
    """The proxy to use: the caller's, else the policy's."""
    return how.get("proxy") or (None if policy.channel is None else policy.channel.proxy)


class NvidiaArguments(TypedDict):
    """The attester's arguments about NVIDIA."""

    nvidia: NvidiaOrigin | None
    nvidia_at_hand: NvidiaCollateral | None
    draw_ocsp_nonce: Callable[[], bytes] | None


def nvidia_arguments(policy: Policy, how: Connections) -> NvidiaArguments:
    """Where NVIDIA's documents come from; nowhere if the policy expects no GPU."""
    at_hand, mode = how.get("nvidia"), how.get("ocsp_mode", "online")
    draw = draw_nonce if mode == "online" and not how.get("offline") else None
    if policy.gpu is None:
        return NvidiaArguments(nvidia=None, nvidia_at_hand=at_hand, draw_ocsp_nonce=draw)
    from voltage_attest.collateral.nvidia_requests import NVIDIA, NvidiaEndpoints
    from voltage_attest.collateral.nvidia_service import NvidiaService
    from voltage_attest.nvidia_origin import NvidiaNetwork

    base, cache = how.get("nvidia_base"), how.get("cache", "user")
    service = NvidiaService(
        NVIDIA if base is None else NvidiaEndpoints.at(base),
        cache=CollateralCache.for_user() if cache == "user" else cache,
        offline=how.get("offline", False),
        tls_ca=how.get("tls_ca"),
        proxy=proxy_of(policy, how),
    )
    mode = "cached" if how.get("offline") and mode == "online" else mode
    return NvidiaArguments(nvidia=NvidiaNetwork(service, mode), nvidia_at_hand=at_hand, draw_ocsp_nonce=draw)


def collateral_origin(policy: Policy, how: Connections) -> CollateralService | _AtHand:
    """Where Intel's documents come from; ValueError where an address cannot be used."""
    at_hand = how.get("collateral")
    if at_hand is not None:
        return _AtHand(at_hand)
    rules = CollateralPolicy() if policy.tdx is None else policy.tdx.collateral
    cache = how.get("cache", "user")
    return CollateralService(
        [pccs_endpoint(url) for url in how.get("pccs") or rules.pccs],
        cache=CollateralCache.for_user() if cache == "user" else cache,
        offline=how.get("offline", False),
        max_age=rules.max_age,
        tls_ca=how.get("tls_ca"),
        proxy=proxy_of(policy, how),
    )


@dataclass(frozen=True, slots=True)
class _AtHand:
    """An origin that has one platform's documents, whatever is asked for; the Verifier tells whether they fit."""

    collateral: IntelCollateral

    def fetch(
        self, request: CollateralRequest, *, now: datetime, refresh: bool = False, progress: Progress | None = None
    ) -> FetchedCollateral:
        """The documents."""
        del request, now, refresh, progress
        return FetchedCollateral(self.collateral, ())

    async def fetch_async(
        self, request: CollateralRequest, *, now: datetime, refresh: bool = False, progress: Progress | None = None
    ) -> FetchedCollateral:
        """The documents."""
        return self.fetch(request, now=now, refresh=refresh, progress=progress)
