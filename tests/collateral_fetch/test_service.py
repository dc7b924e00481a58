"""From a request to nine documents: how many requests it takes, who is asked next, and what is said of what is missing."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest

from tests.collateral_fetch.fake_pcs import AT, INTEL, PCCS, PLATFORM, REQUEST, FakePcs, Wire, wire_of
from tests.collateral_fetch.fetching import Fetcher, kinds, service_over
from tests.collateral_fetch.loopback import serving
from tests.support.outcomes import open_policy
from voltage_attest.collateral.intel import parse_intel_collateral
from voltage_attest.collateral.service import (
    INTEL_PCS,
    CollateralRequest,
    CollateralService,
    DocumentKind,
    FetchedCollateral,
    pccs_endpoint,
)
from voltage_attest.errors import CollateralFormatError, FetchError, OfflineError
from voltage_attest.result import AttestationResult, Verdict
from voltage_attest.testing import FakeIntel
from voltage_attest.trust import TrustRoots
from voltage_attest.verifier import Evidence, Verifier

ALL = sorted(kind.value for kind in DocumentKind)
VERIFIER = Verifier(open_policy(), roots=TrustRoots.from_pem(intel=INTEL.root_pem))
QUOTE = PLATFORM.quote()


def judge(fetched: FetchedCollateral, at: datetime = AT) -> AttestationResult:
    return VERIFIER.examine(Evidence(quote=QUOTE), fetched.collateral, at=at)


def reason(fetched: FetchedCollateral, key: str = "tcb_info") -> str:
    return fetched.collateral.why_absent(key) or ""


def test_a_first_run_takes_four_requests_and_what_it_brings_verifies(fetch: Fetcher, tmp_path: Path) -> None:
    pcs = FakePcs()
    fetched = fetch(service_over(pcs.transport, cache=tmp_path / "cache"))
    assert len(pcs.asked) == len(set(pcs.asked)) == 4
    assert kinds(fetched, from_cache=False) == ALL
    assert fetched.is_complete
    assert fetched.collateral == parse_intel_collateral(pcs.documents.to_json())
    assert judge(fetched).verdict is Verdict.VERIFIED


def test_a_second_run_takes_none_and_verifies_as_well(fetch: Fetcher, tmp_path: Path) -> None:
    pcs = FakePcs()
    first = fetch(service_over(pcs.transport, cache=tmp_path / "cache"))
    pcs.asked.clear()
    again = fetch(service_over(pcs.transport, cache=tmp_path / "cache"))
    assert pcs.asked == []
    assert kinds(again, from_cache=True) == ALL
    assert again.collateral == first.collateral
    assert again.warnings == ()
    assert judge(again).checks == judge(first).checks


def test_another_family_needs_its_own_tcb_info_and_nothing_else(fetch: Fetcher, tmp_path: Path) -> None:
    pcs = FakePcs()
    fetch(service_over(pcs.transport, cache=tmp_path / "cache"))
    pcs.asked.clear()
    fetch(service_over(pcs.transport, cache=tmp_path / "cache"), CollateralRequest(bytes(6), "platform"))
    assert [url for url in pcs.asked if "fmspc=000000000000" not in url] == []


def test_without_a_cache_every_run_asks(fetch: Fetcher) -> None:
    pcs = FakePcs()
    service = service_over(pcs.transport)
    fetch(service)
    fetch(service)
    assert len(pcs.asked) == 8


def test_refresh_asks_although_the_cache_has_it_and_replaces_it(fetch: Fetcher, tmp_path: Path) -> None:
    pcs = FakePcs()
    fetch(service_over(pcs.transport, cache=tmp_path / "cache"))
    newer = FakePcs(FakeIntel(issued_at=INTEL.issued_at + timedelta(days=7)).collateral(PLATFORM))
    fetch(service_over(newer.transport, cache=tmp_path / "cache"), refresh=True)
    assert len(newer.asked) == 4
    kept = fetch(service_over(newer.transport, cache=tmp_path / "cache"))
    assert kept.collateral.tcb_info == newer.documents.tcb_info
    assert len(newer.asked) == 4


def test_the_four_requests_are_made_at_the_same_time(fetch: Fetcher) -> None:
    """Each waits until all four have been made: one after the other they would wait for ever."""
    pcs, together = FakePcs(), threading.Barrier(4)

    class Waiting(httpx.MockTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            together.wait(20)
            return super().handle_request(request)

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            import asyncio

            await asyncio.to_thread(together.wait, 20)
            return await super().handle_async_request(request)

    assert fetch(service_over(Waiting(pcs._respond))).is_complete


@pytest.mark.parametrize(
    ("wire", "words", "error"),
    [
        (Wire(status=404), "Intel has no TDX TCB info for FMSPC b0c06f000000 (HTTP 404)", FetchError),
        (Wire(status=410), "Intel no longer serves TDX TCB info", FetchError),
        (Wire(status=400), "Intel does not accept the request for TDX TCB info", FetchError),
        (Wire(status=401), "answered 401", FetchError),
        (Wire(status=403), "answered 403", FetchError),
        (Wire(status=429, headers=(("Retry-After", "7200"),)), "asks to wait 7200 s", FetchError),
        (Wire(status=500), "answered 500", FetchError),
        (Wire(status=503), "answered 503, an error of its own, 2 times", FetchError),
        (Wire(status=302, headers=(("Location", "https://x.example"),)), "redirects are not followed", FetchError),
        (Wire(b"<html>", "text/html"), "an HTML page instead of JSON", FetchError),
        (Wire(b"{}", "text/plain"), "of type text/plain", FetchError),
        (Wire(b'{"x":"' + bytes(1 << 20) + b'"}'), "more than 524288 bytes", FetchError),
        (Wire(b"{}"), "sent no usable TDX TCB info", CollateralFormatError),
        (
            replace(wire_of(DocumentKind.TCB_INFO, INTEL.collateral(PLATFORM)), headers=()),
            "issuer chain",
            CollateralFormatError,
        ),
    ],
)
def test_what_cannot_be_had_is_absent_with_its_reason_and_ends_undecided(
    fetch: Fetcher, wire: Wire, words: str, error: type[Exception]
) -> None:
    pcs = FakePcs(instead={DocumentKind.TCB_INFO: wire})
    fetched = fetch(service_over(pcs.transport))
    assert words in reason(fetched)
    assert set(fetched.collateral.missing()) == {"tcb_info", "tcb_info_signature", "tcb_info_issuer_chain"}
    assert [(failure.kind, type(failure.error)) for failure in fetched.failures] == [("tdx-tcb-info", error)]
    result = judge(fetched)
    assert result.verdict is Verdict.UNDECIDED
    assert any(words in (row.reason or "") for row in result.checks)


@pytest.mark.parametrize("kind", DocumentKind)
def test_each_document_can_be_missing_alone(fetch: Fetcher, kind: DocumentKind) -> None:
    fetched = fetch(service_over(FakePcs(instead={kind: Wire(status=404)}).transport))
    assert [failure.kind for failure in fetched.failures] == [kind]
    assert kinds(fetched, from_cache=False) == sorted({*ALL} - {kind.value})
    assert judge(fetched).verdict is Verdict.UNDECIDED


def test_a_network_that_is_down_is_undecided_and_says_so(fetch: Fetcher) -> None:
    def down(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no route")

    fetched = fetch(service_over(httpx.MockTransport(down)))
    assert len(fetched.failures) == 4
    assert "could not be reached" in reason(fetched)
    assert judge(fetched).verdict is Verdict.UNDECIDED


def route(**hosts: FakePcs) -> httpx.MockTransport:
    """Several servers, by the first letters of their hosts."""

    def respond(request: httpx.Request) -> httpx.Response:
        pcs = next(pcs for name, pcs in hosts.items() if request.url.host.startswith(name))
        return pcs._respond(request)

    return httpx.MockTransport(respond)


def without(*changes: tuple[DocumentKind, Wire]) -> FakePcs:
    return FakePcs(instead=dict(changes))


STALE = FakeIntel(issued_at=INTEL.issued_at - timedelta(days=60)).collateral(PLATFORM)
OTHER_FAMILY = INTEL.collateral(PLATFORM, tcb_info=replace(INTEL.tcb_info(PLATFORM), fmspc=bytes(6)))


@pytest.mark.parametrize(
    "wire",
    [
        Wire(status=404),
        Wire(status=503),
        Wire(status=301),
        Wire(b"<html>", "text/html"),
        Wire(b"{}"),
        wire_of(DocumentKind.TCB_INFO, STALE),
        wire_of(DocumentKind.TCB_INFO, OTHER_FAMILY),
    ],
    ids=["404", "503", "redirect", "HTML", "malformed", "stale", "another family's"],
)
def test_the_next_endpoint_is_asked_for_what_the_first_does_not_have(fetch: Fetcher, wire: Wire) -> None:
    first, second = without((DocumentKind.TCB_INFO, wire)), FakePcs()
    fetched = fetch(service_over(route(pccs=first, api=second, cert=second), PCCS, INTEL_PCS))
    assert [source.url.split("?")[0] for source in fetched.sources if source.kind is DocumentKind.TCB_INFO] == [
        "https://api.trustedservices.intel.com/tdx/certification/v4/tcb"
    ]
    assert len(second.asked) == 1
    assert judge(fetched).verdict is Verdict.VERIFIED


def test_an_endpoint_that_hangs_leaves_time_for_the_next(fetch: Fetcher) -> None:
    def hang(connection: socket.socket, _target: str) -> None:
        connection.recv(1)

    pcs = FakePcs()
    with serving(hang) as silent, serving(pcs.script) as speaking:
        service = CollateralService((pccs_endpoint(silent.base), pccs_endpoint(speaking.base)), deadline=2.0)
        assert fetch(service).is_complete
    assert len(silent.targets) == 4


def test_the_second_endpoint_is_not_asked_where_the_first_has_all(fetch: Fetcher) -> None:
    first, second = FakePcs(), FakePcs()
    fetch(service_over(route(pccs=first, api=second, cert=second), PCCS, INTEL_PCS))
    assert (len(first.asked), second.asked) == (4, [])


def test_what_the_second_endpoint_had_is_taken_from_the_cache_before_the_first_is_asked(fetch: Fetcher, tmp_path: Path) -> None:
    first, second = without((DocumentKind.TCB_INFO, Wire(status=404))), FakePcs()
    transport = route(pccs=first, api=second, cert=second)
    fetch(service_over(transport, PCCS, INTEL_PCS, cache=tmp_path / "cache"))
    first.asked.clear()
    second.asked.clear()
    assert fetch(service_over(transport, PCCS, INTEL_PCS, cache=tmp_path / "cache")).is_complete
    assert (first.asked, second.asked) == ([], [])


def test_the_reasons_of_all_endpoints_are_told(fetch: Fetcher) -> None:
    first, second = without((DocumentKind.TCB_INFO, Wire(status=404))), without((DocumentKind.TCB_INFO, Wire(b"{}")))
    fetched = fetch(service_over(route(pccs=first, api=second, cert=second), PCCS, INTEL_PCS))
    assert "https://pccs.example.org:8081 has no TDX TCB info" in reason(fetched)
    assert "Intel sent no usable TDX TCB info" in reason(fetched)


def test_a_document_that_has_ended_is_handed_on_for_the_verifier_to_refuse_and_not_kept(fetch: Fetcher, tmp_path: Path) -> None:
    pcs = without((DocumentKind.TCB_INFO, wire_of(DocumentKind.TCB_INFO, STALE)))
    service = service_over(pcs.transport, cache=tmp_path / "cache")
    result = judge(fetch(service))
    assert result.verdict is Verdict.REFUSED
    assert [row.id for row in result.checks if row.status.value == "failed"] == ["tdx.tcb_info.validity"]
    assert len(list((tmp_path / "cache").iterdir())) == 3


def test_another_number_than_the_one_asked_for_is_not_taken(fetch: Fetcher) -> None:
    fetched = fetch(service_over(FakePcs().transport), replace(REQUEST, tcb_evaluation_data_number=12))
    assert "evaluation data number 20 instead of TDX TCB info for FMSPC b0c06f000000 with evaluation data number 12" in reason(
        fetched
    )
    assert reason(fetched, "qe_identity")


def test_offline_never_touches_the_network_and_says_what_is_missing(fetch: Fetcher, tmp_path: Path) -> None:
    def fail(_request: httpx.Request) -> httpx.Response:
        raise AssertionError

    fetched = fetch(service_over(httpx.MockTransport(fail), cache=tmp_path / "cache", offline=True))
    assert len(fetched.failures) == 4
    assert all(isinstance(failure.error, OfflineError) for failure in fetched.failures)
    assert "the TDX TCB info for FMSPC b0c06f000000: a current one is not in the cache and --offline was given" in reason(
        fetched
    )
    assert judge(fetched).verdict is Verdict.UNDECIDED
    assert not (tmp_path / "cache").exists()


def test_offline_uses_what_the_cache_has_even_where_a_refresh_is_asked_for(fetch: Fetcher, tmp_path: Path) -> None:
    fetch(service_over(FakePcs().transport, cache=tmp_path / "cache"))
    offline = service_over(
        FakePcs(instead=dict.fromkeys(DocumentKind, Wire(status=500))).transport, cache=tmp_path / "cache", offline=True
    )
    for refresh in (False, True):
        assert judge(fetch(offline, refresh=refresh)).verdict is Verdict.VERIFIED


@pytest.mark.parametrize(
    ("now", "asked"),
    [
        (AT.replace(year=2025), ["pckcrl", "root", "identity", "tcb"]),  # before they were issued
        (AT + timedelta(days=20), ["pckcrl", "identity", "tcb"]),  # the root's CRL lasts a year
        (AT + timedelta(days=400), ["pckcrl", "root", "identity", "tcb"]),
    ],
)
def test_the_cache_is_not_used_outside_a_documents_window(
    fetch: Fetcher, tmp_path: Path, now: datetime, asked: list[str]
) -> None:
    pcs = FakePcs()
    fetch(service_over(pcs.transport, cache=tmp_path / "cache"))
    pcs.asked.clear()
    fetch(service_over(pcs.transport, cache=tmp_path / "cache"), now=now)
    assert sorted(next(name for name in asked if name in url.lower()) for url in pcs.asked) == sorted(asked)


def test_a_maximum_age_applies_to_tcb_info_and_qe_identity(fetch: Fetcher, tmp_path: Path) -> None:
    pcs = FakePcs()
    fetch(service_over(pcs.transport, cache=tmp_path / "cache"))
    for days, requests in ((15, 0), (14, 2)):  # they were issued fourteen and a half days before
        pcs.asked.clear()
        fetch(service_over(pcs.transport, cache=tmp_path / "cache", max_age=timedelta(days=days)))
        assert len(pcs.asked) == requests


def test_evicted_documents_are_fetched_again(fetch: Fetcher, tmp_path: Path) -> None:
    pcs = FakePcs()
    service = service_over(pcs.transport, cache=tmp_path / "cache")
    fresh = fetch(service)
    service.evict(fresh.sources)  # came from the network: nothing to forget
    cached = fetch(service)
    assert kinds(cached, from_cache=True) == ALL
    service.evict(cached.sources)
    assert kinds(fetch(service), from_cache=False) == ALL


def test_now_needs_a_time_zone(fetch: Fetcher) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        fetch(service_over(FakePcs().transport), now=AT.replace(tzinfo=None))


def test_progress_is_told_of_each_document(tmp_path: Path) -> None:
    told: list[tuple[str, str]] = []
    say: Callable[[DocumentKind, str], None] = lambda kind, words: told.append((kind.value, words))  # noqa: E731
    pcs = FakePcs(instead={DocumentKind.QE_IDENTITY: Wire(status=404)})
    for _ in range(2):
        service_over(pcs.transport, cache=tmp_path / "cache").fetch(REQUEST, now=AT, progress=say)
    assert ("tdx-tcb-info", "asking Intel") in told
    assert ("tdx-tcb-info", "fetched") in told
    assert ("tdx-tcb-info", "from the cache") in told
    assert told.count(("td-qe-identity", "not available")) == 2
