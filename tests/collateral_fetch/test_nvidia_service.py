"""From ids to NVIDIA's documents: what is asked, how often, what is kept, and what is said of what is missing."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from tests.collateral_fetch.fake_nvidia import (
    CRL_PATH,
    CRL_URL,
    DRIVER,
    NONCE,
    VBIOS,
    FakeNvidia,
    certificate,
    question,
    rim_answer,
)
from tests.collateral_fetch.fake_pcs import AT, Wire
from tests.collateral_fetch.nvidia_fetching import NvidiaFetcher, cached, nvidia_over, reason
from voltage_attest.collateral.nvidia_service import NvidiaEndpoints, NvidiaKind, combined
from voltage_attest.errors import CollateralFormatError, FetchError, OfflineError

RIM_URL = f"https://rim.attestation.nvidia.com/v1/rim/{DRIVER}"


def test_manifests_are_fetched_by_id_each_once_and_kept(nvidia: NvidiaFetcher, tmp_path: Path) -> None:
    fake = FakeNvidia()
    first = nvidia.rims(nvidia_over(fake.transport, cache=tmp_path / "cache"), DRIVER, VBIOS, DRIVER)
    assert fake.urls == [RIM_URL, RIM_URL.replace(DRIVER, VBIOS)]
    assert [rim.rim_id for rim in first.collateral.rims] == [DRIVER, VBIOS]
    assert first.is_complete
    again = nvidia.rims(nvidia_over(fake.transport, cache=tmp_path / "cache"), DRIVER, VBIOS)
    assert len(fake.asked) == 2
    assert again.collateral == first.collateral
    assert cached(again) == [("nvidia-rim", True), ("nvidia-rim", True)]
    assert again.warnings == ()


def test_a_source_names_the_document_its_hash_its_address_and_its_window(nvidia: NvidiaFetcher) -> None:
    fake = FakeNvidia({f"/v1/rim/{DRIVER}": Wire(rim_answer(DRIVER, certificate(1), certificate(2, life=timedelta(days=3))))})
    fetched = nvidia.rims(nvidia_over(fake.transport), DRIVER)
    (source,), (rim,) = fetched.sources, fetched.collateral.rims
    assert (source.kind, source.name, source.url) == (NvidiaKind.RIM, DRIVER, RIM_URL)
    assert source.sha256 == rim.sha256
    begin = AT - timedelta(hours=12)
    assert (source.issued, source.next_update) == (begin, begin + timedelta(days=3))


def test_a_manifest_that_nvidia_does_not_publish_is_absent_by_its_id(nvidia: NvidiaFetcher) -> None:
    fetched = nvidia.rims(nvidia_over(FakeNvidia({f"/v1/rim/{DRIVER}": Wire(status=404)}).transport), DRIVER, VBIOS)
    assert f"NVIDIA publishes no RIM {DRIVER} (HTTP 404): there are no reference values for this version" in reason(
        fetched, DRIVER
    )
    assert [rim.rim_id for rim in fetched.collateral.rims] == [VBIOS]
    assert [(failure.kind, failure.name) for failure in fetched.failures] == [("nvidia-rim", DRIVER)]
    assert not fetched.is_complete


@pytest.mark.parametrize(
    ("wire", "words", "error", "asked"),
    [
        (Wire(status=401), "answered 401", FetchError, 1),
        (Wire(status=429, headers=(("Retry-After", "7200"),)), "asks to wait 7200 s", FetchError, 1),
        (Wire(status=503), "answered 503, an error of its own, 2 times", FetchError, 2),
        (Wire(status=302, headers=(("Location", "https://x.example"),)), "redirects are not followed", FetchError, 1),
        (Wire(b"<html>", "text/html"), "an HTML page instead of JSON", FetchError, 1),
        (Wire(b"<html>"), "an HTML page instead of JSON", FetchError, 1),
        (Wire(b"{}", "text/plain"), "of type text/plain", FetchError, 1),
        (Wire(b'{"x":"' + bytes(1 << 20) + b'"}'), "sent more than", FetchError, 1),
        (Wire(b"{}"), f"sent no usable answer for the RIM {DRIVER}", CollateralFormatError, 1),
        (Wire(rim_answer(VBIOS)), f"the id {VBIOS!r}", CollateralFormatError, 1),
        (Wire(rim_answer(DRIVER).replace(b'"sha256": "', b'"sha256": "00')), "sha256", CollateralFormatError, 1),
    ],
)
def test_what_cannot_be_had_is_absent_with_its_reason(
    nvidia: NvidiaFetcher, wire: Wire, words: str, error: type[Exception], asked: int
) -> None:
    fake = FakeNvidia({f"/v1/rim/{DRIVER}": wire})
    fetched = nvidia.rims(nvidia_over(fake.transport), DRIVER)
    assert words in reason(fetched, DRIVER)
    assert fetched.collateral.rims == ()
    assert [type(failure.error) for failure in fetched.failures] == [error]
    assert len(fake.asked) == asked


@pytest.mark.parametrize("rim_id", ["", "../ids", "NV_x", "NV_GPU/..", "NV_GPU?x", f"{DRIVER}\n", "NV_" + "A" * 200])
def test_an_id_that_is_none_is_never_asked_for(nvidia: NvidiaFetcher, rim_id: str) -> None:
    fake = FakeNvidia()
    assert "is no RIM id" in reason(nvidia.rims(nvidia_over(fake.transport), rim_id), rim_id)
    assert fake.asked == []


def test_now_needs_a_time_zone(nvidia: NvidiaFetcher) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        nvidia.rims(nvidia_over(FakeNvidia().transport), DRIVER, now=AT.replace(tzinfo=None))


def test_refresh_asks_although_the_cache_has_it_and_replaces_it(nvidia: NvidiaFetcher, tmp_path: Path) -> None:
    nvidia.rims(nvidia_over(FakeNvidia().transport, cache=tmp_path / "cache"), DRIVER)
    newer = FakeNvidia({f"/v1/rim/{DRIVER}": Wire(rim_answer(DRIVER, more="newer"))})
    service = nvidia_over(newer.transport, cache=tmp_path / "cache")
    assert b"newer" not in nvidia.rims(service, DRIVER).collateral.rims[0].data
    assert b"newer" in nvidia.rims(service, DRIVER, refresh=True).collateral.rims[0].data
    assert b"newer" in nvidia.rims(service, DRIVER).collateral.rims[0].data
    assert len(newer.asked) == 1


@pytest.mark.parametrize(
    ("answer", "keeps"),
    [
        (rim_answer(DRIVER, certificate(life=timedelta(hours=1))), False),  # its signer has expired
        (rim_answer(DRIVER).replace(b'"rim": "', b'"rim_format": "TCG", "rim": "'), True),
        (rim_answer(DRIVER, certificate(begin=AT + timedelta(seconds=30))), True),  # our clock may be behind
    ],
)
def test_a_manifest_is_handed_on_whatever_its_dates_and_kept_unless_it_has_ended(
    nvidia: NvidiaFetcher, tmp_path: Path, answer: bytes, keeps: object
) -> None:
    fake = FakeNvidia({f"/v1/rim/{DRIVER}": Wire(answer)})
    fetched = nvidia.rims(nvidia_over(fake.transport, cache=tmp_path / "cache"), DRIVER)
    assert len(fetched.collateral.rims) == 1
    assert (tmp_path / "cache").exists() is keeps


def test_a_manifest_without_readable_certificates_is_handed_on_and_not_kept(nvidia: NvidiaFetcher, tmp_path: Path) -> None:
    body = json.dumps({"id": DRIVER, "rim": base64.b64encode(b"<a><X509Certificate>AAAA</X509Certificate></a>").decode()})
    fake = FakeNvidia({f"/v1/rim/{DRIVER}": Wire(body.encode())})
    fetched = nvidia.rims(nvidia_over(fake.transport, cache=tmp_path / "cache"), DRIVER)
    assert len(fetched.collateral.rims) == 1
    assert fetched.sources[0].issued is None
    assert not (tmp_path / "cache").exists()


def test_offline_asks_nobody_and_takes_what_the_cache_has(nvidia: NvidiaFetcher, tmp_path: Path) -> None:
    fake = FakeNvidia()
    nvidia.rims(nvidia_over(fake.transport, cache=tmp_path / "cache"), DRIVER)
    offline = nvidia_over(fake.transport, cache=tmp_path / "cache", offline=True)
    fetched = combined(
        nvidia.rims(offline, DRIVER, VBIOS, refresh=True),
        nvidia.revocation(offline, question(), question(2, NONCE), mode="online"),
        nvidia.jwks(offline),
        nvidia.nras(offline, b"{}"),
    )
    assert len(fake.asked) == 1
    assert [rim.rim_id for rim in fetched.collateral.rims] == [DRIVER]
    assert "not in the cache and --offline was given" in reason(fetched, VBIOS)
    assert "asked for anew each time and --offline was given" in reason(fetched, f"ocsp:{question().certificate_sha256.hex()}")
    assert {name.partition(":")[0] for name, _ in fetched.collateral.absences} == {VBIOS, "ocsp", "crl", "jwks", "nras"}
    assert all(isinstance(failure.error, OfflineError) for failure in fetched.failures)


@pytest.mark.parametrize("url", ["http://rim.attestation.nvidia.com", "https://x.example?y", "x", "https://u:p@x.example"])
def test_an_unusable_endpoint_is_refused_when_it_is_named(url: str) -> None:
    for make in (NvidiaEndpoints.at, lambda url: NvidiaEndpoints(crl=url)):
        with pytest.raises(ValueError, match="service cannot be used"):
            make(url)


def test_requests_are_made_at_the_same_time_and_never_more_than_eight(nvidia: NvidiaFetcher) -> None:
    """Eight wait for one another; a ninth at the same time would show."""
    fake, together, turnstile = FakeNvidia(), threading.Barrier(8), asyncio.Barrier(8)
    lock, counts = threading.Lock(), [0, 0]

    def count(change: int) -> None:
        with lock:
            counts[0] += change
            counts[1] = max(counts)

    class Waiting(httpx.MockTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            count(1)
            together.wait(20)
            count(-1)
            return super().handle_request(request)

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            count(1)
            async with asyncio.timeout(20):
                await turnstile.wait()
            count(-1)
            return await super().handle_async_request(request)

    ids = [f"{DRIVER}.{number}" for number in range(16)]
    fetched = nvidia.rims(nvidia_over(Waiting(fake._respond)), *ids, *ids)
    assert [rim.rim_id for rim in fetched.collateral.rims] == ids
    assert counts == [0, 8]


def test_nothing_is_asked_where_nothing_is_wanted(nvidia: NvidiaFetcher) -> None:
    fake = FakeNvidia()
    service = nvidia_over(fake.transport)
    fetched = combined(nvidia.rims(service), *[nvidia.revocation(service, mode=mode) for mode in ("online", "cached", "off")])
    assert (fake.asked, fetched.is_complete, fetched.sources) == ([], True, ())


def test_a_certificates_name_steers_no_terminal(nvidia: NvidiaFetcher) -> None:
    hostile = replace(question(), name="\x1b[2J" + "x" * 500)
    told: list[str] = []
    fake = FakeNvidia({"/": Wire(status=404)})
    fetched = nvidia_over(fake.transport).fetch_revocation(
        [hostile], now=AT, mode="online", progress=lambda _kind, words: told.append(words)
    )
    assert told[0].startswith("\\x1b[2Jxxx")
    assert not any("\x1b" in text or len(text) > 400 for text in [*told, *[failure.reason for failure in fetched.failures]])
    assert nvidia.revocation(nvidia_over(fake.transport), hostile, mode="online").failures


def test_progress_is_told_by_kind(tmp_path: Path) -> None:
    told: list[tuple[str, str]] = []
    service = nvidia_over(FakeNvidia({CRL_PATH: Wire(status=404)}).transport, cache=tmp_path / "cache")
    for _ in range(2):
        service.fetch_rims([DRIVER], now=AT, progress=lambda kind, words: told.append((kind, words)))
    service.fetch_revocation([question()], now=AT, mode="off", progress=lambda kind, words: told.append((kind, words)))
    assert told == [
        ("nvidia-rim", f"{DRIVER}: asking"),
        ("nvidia-rim", f"{DRIVER}: fetched"),
        ("nvidia-rim", f"{DRIVER}: from the cache"),
        ("nvidia-crl", f"{CRL_URL}: asking"),
        ("nvidia-crl", f"{CRL_URL}: not available"),
    ]
