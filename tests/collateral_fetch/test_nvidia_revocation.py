"""OCSP answers and CRLs: which mode asks whom, what is kept, and whose word says where to ask."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.collateral_fetch.fake_nvidia import (
    CRL_PATH,
    CRL_URL,
    NONCE,
    FakeNvidia,
    crl,
    ocsp_answer,
    question,
)
from tests.collateral_fetch.fake_pcs import AT, Wire
from tests.collateral_fetch.nvidia_fetching import NvidiaFetcher, cached, nvidia_over, reason
from voltage_attest.collateral.nvidia_service import NvidiaEndpoints

CRL_HTTPS = "https://crl.ndis.nvidia.com/crl/l2-gh100.crl"
OCSP_URL = "https://ocsp.ndis.nvidia.com"


def test_online_asks_with_the_nonce_each_time_keeps_nothing_and_needs_no_crl(nvidia: NvidiaFetcher, tmp_path: Path) -> None:
    fake, asked = FakeNvidia(), question(1, NONCE)
    service = nvidia_over(fake.transport, cache=tmp_path / "cache")
    fetched = [nvidia.revocation(service, asked, mode="online") for _ in range(2)][-1]
    assert fake.asked == [("POST", OCSP_URL, asked.ocsp_request)] * 2
    (found,) = fetched.collateral.ocsp
    assert (found.certificate_sha256, found.nonce) == (asked.certificate_sha256, NONCE)
    assert NONCE in found.der
    assert fetched.collateral.crls == ()
    assert fetched.sources[0].url == OCSP_URL
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("wire", "words"),
    [
        (Wire(status=503), "answered 503"),
        (Wire(b"<html>", "text/html"), "an HTML page instead of the document"),
        (Wire(bytes(20000), "application/ocsp-response"), "more than 16384 bytes"),
        (Wire(bytes.fromhex("30030a0106"), "application/ocsp-response"), "the error unauthorized (6)"),
        (Wire(ocsp_answer(question(2).ocsp_request), "application/ocsp-response"), "about another certificate"),
        (Wire(b"\x30\x00", "application/ocsp-response"), "no OCSPResponse"),
    ],
)
def test_online_the_crl_is_fetched_where_ocsp_fails(nvidia: NvidiaFetcher, wire: Wire, words: str) -> None:
    fake = FakeNvidia({"/": wire})
    fetched = nvidia.revocation(nvidia_over(fake.transport), question(1, NONCE), mode="online")
    assert fake.asked[-1][:2] == ("GET", CRL_HTTPS)
    assert len(fetched.collateral.crls) == 1
    assert fetched.collateral.ocsp == ()
    assert words in reason(fetched, f"ocsp:{question().certificate_sha256.hex()}")
    assert [source.name for source in fetched.sources] == [f"crl:{CRL_URL}"]


def test_online_only_what_ocsp_did_not_answer_needs_a_crl(nvidia: NvidiaFetcher) -> None:
    fake = FakeNvidia()
    other = "http://crl.ndis.nvidia.com/crl/l1-root.crl"
    nvidia.revocation(nvidia_over(fake.transport), question(1, NONCE), question(2, None, other, ocsp_url=None), mode="online")
    assert fake.urls == ["https://crl.ndis.nvidia.com/crl/l1-root.crl", OCSP_URL]


def test_cached_asks_once_without_nonce_and_keeps_answers_and_crls(nvidia: NvidiaFetcher, tmp_path: Path) -> None:
    fake, questions = FakeNvidia(), [question(serial) for serial in (1, 2, 3, 1)]
    first = nvidia.revocation(nvidia_over(fake.transport, cache=tmp_path / "cache"), *questions)
    assert fake.urls == [CRL_HTTPS, OCSP_URL, OCSP_URL, OCSP_URL]
    assert len(first.collateral.ocsp) == 3
    again = nvidia.revocation(nvidia_over(fake.transport, cache=tmp_path / "cache"), *questions)
    assert len(fake.asked) == 4
    assert again.collateral == first.collateral
    assert cached(again) == [("nvidia-crl", True), *[("nvidia-ocsp", True)] * 3]
    assert all(answer.nonce is None for answer in again.collateral.ocsp)


def test_cached_an_answer_to_a_nonce_is_not_kept(nvidia: NvidiaFetcher, tmp_path: Path) -> None:
    fake = FakeNvidia()
    service = nvidia_over(fake.transport, cache=tmp_path / "cache")
    for _ in range(2):
        nvidia.revocation(service, question(1, NONCE), mode="cached")
    assert fake.urls == [CRL_HTTPS, OCSP_URL, OCSP_URL]
    for path in (tmp_path / "cache").iterdir():
        assert NONCE not in path.read_bytes()
        assert NONCE.hex().encode() not in path.read_bytes()


def test_off_asks_for_crls_alone(nvidia: NvidiaFetcher, tmp_path: Path) -> None:
    fake = FakeNvidia()
    service = nvidia_over(fake.transport, cache=tmp_path / "cache")
    fetched = [nvidia.revocation(service, question(1), question(2, NONCE), mode="off") for _ in range(2)][-1]
    assert fake.asked == [("GET", CRL_HTTPS, b"")]
    assert len(fetched.collateral.crls) == 1
    assert fetched.is_complete


@pytest.mark.parametrize(
    ("later", "asked"),
    [
        (timedelta(hours=11), []),
        (timedelta(hours=13), [OCSP_URL]),  # the answer lived a day, from half a day before
        (timedelta(days=8), [CRL_HTTPS, OCSP_URL]),
        (timedelta(days=-1), [CRL_HTTPS, OCSP_URL]),
    ],
)
def test_the_cache_is_not_used_outside_a_documents_window(
    nvidia: NvidiaFetcher, tmp_path: Path, later: timedelta, asked: list[str]
) -> None:
    fake = FakeNvidia()
    nvidia.revocation(nvidia_over(fake.transport, cache=tmp_path / "cache"), question())
    fake.asked.clear()
    nvidia.revocation(nvidia_over(fake.transport, cache=tmp_path / "cache"), question(), now=AT + later)
    assert fake.urls == asked


def test_an_ocsp_answer_without_an_end_is_used_for_an_hour(nvidia: NvidiaFetcher, tmp_path: Path) -> None:
    fake = FakeNvidia({"/": Wire(ocsp_answer(question().ocsp_request, AT, None), "application/ocsp-response")})
    service = nvidia_over(fake.transport, cache=tmp_path / "cache")
    for minutes in (0, 59, 61):
        nvidia.revocation(service, question(), now=AT + timedelta(minutes=minutes))
    assert [method for method, _, _ in fake.asked].count("POST") == 2


@pytest.mark.parametrize(
    "url",
    [
        "http://crl.example.org/crl/l1-root.crl",
        "http://nvidia.com.example.org/crl/l1-root.crl",
        "http://evilnvidia.com/crl/l1-root.crl",
        "http://crl.nvidia.com:8080/crl/l1-root.crl",
        "http://user@crl.nvidia.com/crl/l1-root.crl",
        "http://127.0.0.1/crl/l1-root.crl",
        "http://a b.nvidia.com/crl/l1-root.crl",
        "http://crl.nvidia.com/../x",
        "http://crl.nvidia.com/x?y",
        "http://crl.nvidia.com/x#y",
        "http://crl.nvidia.com",
        "file:///crl.nvidia.com/x",
        "ldap://crl.nvidia.com/x",
        "",
        "http://[",
        "http://\u0440.nvidia.com/x",
        "http://crl.nvidia.com/x\r\nX: y",
    ],
)
@pytest.mark.parametrize("endpoints", [NvidiaEndpoints(), NvidiaEndpoints.at("https://mirror.example.org")])
def test_an_address_that_a_certificate_names_is_followed_to_nvidia_alone(
    nvidia: NvidiaFetcher, url: str, endpoints: NvidiaEndpoints
) -> None:
    fake = FakeNvidia()
    fetched = nvidia.revocation(nvidia_over(fake.transport, endpoints=endpoints), question(1, None, url), mode="off")
    assert fake.asked == []
    assert "no plain address of a host of nvidia.com" in reason(fetched, f"crl:{url}")


@pytest.mark.parametrize(
    ("named", "asked"),
    [
        ("http://ocsp.ndis.nvidia.com", OCSP_URL),
        ("http://ocsp.ndis.nvidia.com/", OCSP_URL),
        ("http://ocsp2.nvidia.com/x/y", "https://ocsp2.nvidia.com/x/y"),
        ("https://collector.example.org/x", OCSP_URL),
        ("http://127.0.0.1:1/x", OCSP_URL),
        ("http://ocsp.nvidia.com:8080", OCSP_URL),
    ],
)
def test_an_ocsp_address_that_a_certificate_names_is_followed_to_nvidia_alone(
    nvidia: NvidiaFetcher, named: str, asked: str
) -> None:
    fake, mirrored = FakeNvidia(), FakeNvidia()
    nvidia.revocation(nvidia_over(fake.transport), question(ocsp_url=named), mode="online")
    assert fake.asked[0][1] == asked
    mirror = NvidiaEndpoints(ocsp="https://mirror.example.org/ocsp")
    nvidia.revocation(nvidia_over(mirrored.transport, endpoints=mirror), question(ocsp_url=named), mode="online")
    assert mirrored.asked[0][1] == mirror.ocsp


@pytest.mark.parametrize(
    ("endpoints", "crls_at"),
    [
        (NvidiaEndpoints.at("https://mirror.example.org/nv/"), "https://mirror.example.org/nv/crl/l2-gh100.crl"),
        (NvidiaEndpoints(ocsp="http://127.0.0.1:7"), "http://127.0.0.1:7/crl/l2-gh100.crl"),
        (NvidiaEndpoints(crl="https://crls.example.org"), "https://crls.example.org/crl/l2-gh100.crl"),
        (NvidiaEndpoints(rim="https://rims.example.org"), CRL_HTTPS),
    ],
)
def test_whoever_stands_in_for_ocsp_stands_in_for_crls(nvidia: NvidiaFetcher, endpoints: NvidiaEndpoints, crls_at: str) -> None:
    fake = FakeNvidia()
    nvidia.revocation(nvidia_over(fake.transport, endpoints=endpoints), question(), mode="off")
    assert fake.urls == [crls_at]


def test_evicted_documents_are_fetched_again(nvidia: NvidiaFetcher, tmp_path: Path) -> None:
    fake = FakeNvidia()
    service = nvidia_over(fake.transport, cache=tmp_path / "cache")
    first, again = nvidia.revocation(service, question()), nvidia.revocation(service, question())
    service.evict(first.sources)  # came from the network: nothing to forget
    assert all(source.from_cache for source in nvidia.revocation(service, question()).sources)
    service.evict(again.sources)
    assert not any(source.from_cache for source in nvidia.revocation(service, question()).sources)


@pytest.mark.parametrize("body", [crl(), crl().hex().encode()])
def test_a_crl_is_handed_on_in_der(nvidia: NvidiaFetcher, body: bytes) -> None:
    fake = FakeNvidia({CRL_PATH: Wire(body, "application/octet-stream")})
    assert nvidia.revocation(nvidia_over(fake.transport), question(), mode="off").collateral.crls == (crl(),)
