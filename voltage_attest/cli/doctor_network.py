"""Who can be reached, and what time it is there: Intel or the PCCS, NVIDIA, and the pod's API.

Two documents that do not depend on a platform are asked for, past the cache. Their dates are what Intel signed: a clock that
lies before the day of issue is slow, whatever anybody else says. The ``Date`` of an answer is signed by nobody and only a hint.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from voltage_attest.cli.doctor_model import Level, Observation, Surroundings
from voltage_attest.report.plain import printable, utc

if TYPE_CHECKING:
    from voltage_attest.collateral.http import BoundedClient, HttpAnswer
    from voltage_attest.collateral.pcs import PcsEndpoint

__all__ = ["hinted", "see_network"]

_SECONDS: Final = 10.0
_TOLERATED: Final = timedelta(minutes=2)
_LARGEST: Final = 1024 * 1024
_SET_CLOCK: Final = "Set this machine's clock, by NTP: every window of every document is judged by it."


def see_network(around: Surroundings) -> Iterator[Observation]:
    """Everything that a verification by this policy would ask."""
    from voltage_attest.collateral.http import BoundedClient, Limits
    from voltage_attest.collateral.pcs import pccs_endpoint
    from voltage_attest.errors import TrustRootError

    policy, network = around.policy, around.network
    if network["offline"]:
        yield Observation("network", Level.NOTE, "not looked at: --offline was given")
        return
    channel = None if policy is None else policy.channel
    proxy = network["proxy"] or (None if channel is None else channel.proxy)
    rules = None if policy is None or policy.tdx is None else policy.tdx.collateral
    try:
        endpoints = [pccs_endpoint(url) for url in network["pccs"] or (() if rules is None else rules.pccs)] or [_intel()]
        client = BoundedClient(proxy=proxy, tls_ca=network["tls_ca"], limits=Limits(attempts=1))
    except TrustRootError as error:
        yield Observation("network", Level.PROBLEM, error.found, error.remedy)
        return
    except ValueError as error:
        yield Observation("network", Level.PROBLEM, str(error), "Correct the address.")
        return
    with client:
        for endpoint in endpoints:
            yield from _ask_intel(client, endpoint, around.now)
        yield from _ask_others(client, around)


def _intel() -> PcsEndpoint:
    from voltage_attest.collateral.pcs import INTEL_PCS

    return INTEL_PCS


def _ask_intel(client: BoundedClient, endpoint: PcsEndpoint, now: datetime) -> Iterator[Observation]:
    from voltage_attest.collateral.pcs import CollateralRequest, DocumentKind, http_request
    from voltage_attest.collateral.pcs_answers import parse_answer
    from voltage_attest.errors import CollateralFormatError, FetchError

    area = "Intel" if endpoint.name == "Intel" else "PCCS"
    # Neither depends on the platform: any FMSPC will do.
    for kind in (DocumentKind.QE_IDENTITY, DocumentKind.ROOT_CA_CRL):
        request = http_request(kind, endpoint, CollateralRequest(bytes(6), "platform"))
        try:
            answer = client.get(request, deadline=_SECONDS)
            document = parse_answer(kind, answer.body, answer.headers)
        except FetchError as error:
            yield Observation(area, Level.PROBLEM, f"{error.wanted}: {error.happened}", error.remedy)
            continue
        except CollateralFormatError as error:
            remedy = "See whether a proxy answers in its place; try another PCCS."
            yield Observation(area, Level.PROBLEM, f"{kind.value} from {endpoint.base}: {error.found}", remedy)
            continue
        yield Observation(area, Level.GOOD, f"{kind.value} from {endpoint.base} in {answer.elapsed * 1000:.0f} ms")
        yield from _compare(kind.value, document.issued, document.next_update, now)
        yield from hinted(endpoint.base, answer, now)


def _compare(kind: str, issued: datetime, next_update: datetime, now: datetime) -> Iterator[Observation]:
    if now < issued - _TOLERATED:
        text = f"this machine's clock is at least {_told(issued - now)} slow: {kind}, just fetched, was issued {utc(issued)}"
        yield Observation("clock", Level.PROBLEM, text, _SET_CLOCK)
    elif now > next_update:
        text = (
            f"{kind}, just fetched, ended {utc(next_update)}: this machine's clock is fast, or the server keeps old documents"
        )
        yield Observation("clock", Level.PROBLEM, text, f"{_SET_CLOCK} If it is right, refresh the PCCS.")
    else:
        yield Observation("clock", Level.GOOD, f"within the window of {kind}, {utc(issued)} to {utc(next_update)}")


def hinted(base: str, answer: HttpAnswer, now: datetime) -> Iterator[Observation]:
    """That the server's time is another, by the ``Date`` of its answer."""
    try:
        said = parsedate_to_datetime(answer.header("date") or "").astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return
    apart = abs(said - now)
    if apart > _TOLERATED:
        yield Observation(
            "clock", Level.NOTE, f"{base} says it is {utc(said)}, {_told(apart)} from this machine's clock", _SET_CLOCK
        )


def _told(time: timedelta) -> str:
    return f"{time.days} days" if time.days else f"{time.seconds // 60} minutes"


def _ask_others(client: BoundedClient, around: Surroundings) -> Iterator[Observation]:
    """Whether they answer at all: any status will do, for none of these has a page at its root."""
    from voltage_attest.collateral.nvidia_requests import NVIDIA, NvidiaEndpoints
    from voltage_attest.pods.voltagegpu import DEFAULT_BASE

    places = [("pod API", around.network["api_base"] or DEFAULT_BASE)]
    if around.policy is not None and around.policy.gpu is not None:
        nvidia = NVIDIA if around.nvidia_base is None else NvidiaEndpoints.at(around.nvidia_base)
        places += [("NVIDIA", url) for url in dict.fromkeys((nvidia.rim, nvidia.ocsp))]
        if around.policy.gpu.nras != "off":
            places.append(("NVIDIA", nvidia.nras))
    for area, url in places:
        yield _knock(client, area, url, around.now)


def _knock(client: BoundedClient, area: str, url: str, now: datetime) -> Observation:
    from voltage_attest.collateral.http import HttpRequest, why_unusable_url
    from voltage_attest.errors import FetchError

    why = why_unusable_url(url)
    if why is not None:
        return Observation(area, Level.PROBLEM, f"{printable(url)} cannot be used: {why}", "Correct the address.")
    try:
        client.get(HttpRequest(f"{url.rstrip('/')}/", area, _LARGEST, ()), deadline=_SECONDS)
    except FetchError as error:
        if error.status is None and not error.refused:
            return Observation(area, Level.PROBLEM, f"{url}: {error.happened}", error.remedy)
    return Observation(area, Level.GOOD, f"{url} answers, at {utc(now)}")
