"""Both clients against pytest-httpx: what they ask, when they ask again, and what becomes of each kind of failure."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from pytest_httpx import HTTPXMock, IteratorStream

from tests.collateral_fetch.clients import Clockwork, Getter
from voltage_attest.collateral.http import AsyncBoundedClient, BoundedClient, HttpRequest, Limits, Post
from voltage_attest.errors import FetchError, TrustRootError

URL = "https://api.example.org/v1/thing?nonce=5ec3e7"
REQUEST = HttpRequest(URL, "the thing", 64, ("application/json",), (("Authorization", "Bearer sk-5ec3e7"),))


def refusal(get: Getter, clockwork: Clockwork, limits: Limits | None = None) -> FetchError:
    """The error that a get ends in; nothing secret is in it, nor in what it came from."""
    with pytest.raises(FetchError) as caught:
        get(REQUEST, pace=clockwork.pace, limits=limits)
    error: BaseException | None = caught.value
    while error is not None:
        assert "5ec3e7" not in str(error) + repr(error)
        error = error.__cause__ or error.__context__
    return caught.value


def test_asks_once_with_its_headers_and_without_compression(get: Getter, httpx_mock: HTTPXMock) -> None:
    httpx_mock.add_response(json={"a": 1}, headers={"X-Chain": "abc"})
    answer = get(REQUEST)
    (request,) = httpx_mock.get_requests()
    assert (request.method, str(request.url)) == ("GET", URL)
    assert request.headers["Authorization"] == "Bearer sk-5ec3e7"
    assert request.headers["Accept"] == "application/json"
    assert request.headers["Accept-Encoding"] == "identity"
    assert request.headers["User-Agent"].startswith("voltage-attest/")
    assert (answer.status, answer.body, answer.header("x-chain")) == (200, b'{"a":1}', "abc")


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_asks_again_after_a_temporary_error(get: Getter, httpx_mock: HTTPXMock, clockwork: Clockwork, status: int) -> None:
    httpx_mock.add_response(status_code=status)
    httpx_mock.add_response(json={})
    assert get(REQUEST, pace=clockwork.pace).status == 200
    assert clockwork.slept == [0.25]


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("x"),
        httpx.ConnectTimeout("x"),
        httpx.ReadTimeout("x"),
        httpx.ReadError("x"),
        httpx.RemoteProtocolError("x"),
        httpx.ProxyError("x"),
        httpx.PoolTimeout("x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_asks_again_after_trouble_with_the_network(
    get: Getter, httpx_mock: HTTPXMock, clockwork: Clockwork, error: Exception
) -> None:
    httpx_mock.add_exception(error)
    httpx_mock.add_response(json={})
    assert get(REQUEST, pace=clockwork.pace).status == 200


def test_gives_up_after_the_last_attempt_and_says_how_often(get: Getter, httpx_mock: HTTPXMock, clockwork: Clockwork) -> None:
    httpx_mock.add_response(status_code=503, is_reusable=True)
    error = refusal(get, clockwork, Limits(attempts=3))
    assert (error.status, error.refused) == (503, False)
    assert "answered 503, an error of its own, 3 times" in str(error)
    assert len(httpx_mock.get_requests()) == 3


def test_waits_as_long_as_retry_after_says(get: Getter, httpx_mock: HTTPXMock, clockwork: Clockwork) -> None:
    httpx_mock.add_response(status_code=429, headers={"Retry-After": "4"})
    httpx_mock.add_response(json={})
    get(REQUEST, pace=clockwork.pace)
    assert clockwork.slept == [4.0]


def test_does_not_wait_beyond_the_deadline(get: Getter, httpx_mock: HTTPXMock, clockwork: Clockwork) -> None:
    httpx_mock.add_response(status_code=429, headers={"Retry-After": "3600"})
    error = refusal(get, clockwork)
    assert (error.status, error.retry_after) == (429, 3600.0)
    assert clockwork.slept == []


@pytest.mark.parametrize(
    ("status", "words"),
    [(400, "understand"), (401, "key"), (403, "key"), (404, "nothing there"), (410, "no longer"), (418, "answered 418")],
)
def test_does_not_ask_again_after_an_error_of_ours(
    get: Getter, httpx_mock: HTTPXMock, clockwork: Clockwork, status: int, words: str
) -> None:
    httpx_mock.add_response(status_code=status, text="5ec3e7")
    error = refusal(get, clockwork)
    assert (error.status, error.refused) == (status, False)
    assert words in str(error)
    assert len(httpx_mock.get_requests()) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_follows_no_redirect(get: Getter, httpx_mock: HTTPXMock, clockwork: Clockwork, status: int) -> None:
    httpx_mock.add_response(status_code=status, headers={"Location": "https://elsewhere.example/5ec3e7"})
    error = refusal(get, clockwork)
    assert (error.status, error.refused) == (status, True)
    assert "redirects are not followed" in str(error)
    assert len(httpx_mock.get_requests()) == 1


def test_stops_reading_a_body_that_is_too_large(get: Getter, httpx_mock: HTTPXMock, clockwork: Clockwork) -> None:
    httpx_mock.add_response(
        stream=IteratorStream([bytes(60)] * 1000), headers={"Content-Type": "application/json", "Content-Length": "2"}
    )
    error = refusal(get, clockwork)
    assert error.refused
    assert "more than 64 bytes" in str(error)


def test_asks_again_after_a_body_that_breaks_off(get: Getter, httpx_mock: HTTPXMock, clockwork: Clockwork) -> None:
    httpx_mock.add_response(stream=IteratorStream([b"{"]), headers={"Content-Type": "application/json", "Content-Length": "20"})
    httpx_mock.add_response(json={})
    assert get(REQUEST, pace=clockwork.pace).body == b"{}"


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"Content-Type": "text/html"}, "an HTML page instead of JSON"),
        ({"Content-Type": "application/json"}, "an HTML page instead of JSON"),
        ({"Content-Type": "image/png"}, "of type image/png"),
        ({"Content-Type": "application/json", "Content-Encoding": "x-own"}, "compressed"),
    ],
)
def test_refuses_content_of_another_kind(
    get: Getter, httpx_mock: HTTPXMock, clockwork: Clockwork, headers: dict[str, str], words: str
) -> None:
    httpx_mock.add_response(headers=headers, content=b"<!doctype html>5ec3e7")
    error = refusal(get, clockwork)
    assert error.refused
    assert words in str(error)


def test_the_environment_plays_no_part(
    get: Getter, httpx_mock: HTTPXMock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text("machine api.example.org login user password word\n")
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://proxy.invalid:1")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "absent.pem"))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    httpx_mock.add_response(json={})
    request = HttpRequest(URL, "the thing", 64)
    get(request)
    assert "Authorization" not in httpx_mock.get_requests()[0].headers
    with BoundedClient() as client:
        assert client._client._mounts == {}


def test_a_proxy_is_used_when_it_is_named(httpx_mock: HTTPXMock) -> None:
    httpx_mock.add_response(json={}, proxy_url="http://proxy.example:3128/")
    with BoundedClient(proxy="http://proxy.example:3128") as client:
        assert client.get(REQUEST, deadline=5.0).status == 200


@pytest.mark.parametrize("client", [BoundedClient, AsyncBoundedClient])
def test_an_unusable_proxy_is_said_without_its_password(client: type[BoundedClient | AsyncBoundedClient]) -> None:
    with pytest.raises(ValueError, match="the proxy's address cannot be used") as caught:
        client(proxy="socks9://user:5ec3e7@proxy.example")
    assert "5ec3e7" not in str(caught.value)


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_an_unusable_ca_file_is_said(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TrustRootError, match="holds no certificates, or cannot be read"):
        BoundedClient(tls_ca=path)


def test_certificates_and_host_names_are_checked() -> None:
    with BoundedClient() as client:
        context = client._client._transport._pool._ssl_context  # type: ignore[attr-defined]
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_a_cancelled_task_stops_in_the_middle_of_a_wait(httpx_mock: HTTPXMock, clockwork: Clockwork) -> None:
    httpx_mock.add_response(status_code=503)

    async def cancel() -> None:
        waiting = asyncio.Event()

        async def wait_for_ever(_seconds: float) -> None:
            waiting.set()
            await asyncio.Event().wait()

        async with AsyncBoundedClient(pace=replace(clockwork.pace, sleep_async=wait_for_ever)) as client:
            task = asyncio.create_task(client.get(REQUEST, deadline=60.0))
            await waiting.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(cancel())


def test_an_own_transport_takes_the_place_of_the_network(get: Getter) -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json={"path": request.url.path}))
    assert get(REQUEST, transport=transport).body == b'{"path":"/v1/thing"}'


ASKING = Post(b"body-5ec3e7", "application/ocsp-request", may_be_repeated=True)


def test_a_post_carries_its_body_and_type_and_is_sent_once(get: Getter, httpx_mock: HTTPXMock, clockwork: Clockwork) -> None:
    httpx_mock.add_response(json={})
    assert get(replace(REQUEST, post=ASKING), pace=clockwork.pace).body == b"{}"
    (sent,) = httpx_mock.get_requests()
    assert (sent.method, sent.content, sent.headers["Content-Type"]) == ("POST", ASKING.body, ASKING.content_type)


def test_a_post_that_only_asks_is_repeated_whole(get: Getter, httpx_mock: HTTPXMock, clockwork: Clockwork) -> None:
    httpx_mock.add_response(status_code=503)
    httpx_mock.add_response(json={})
    assert get(replace(REQUEST, post=ASKING), pace=clockwork.pace).body == b"{}"
    assert [sent.content for sent in httpx_mock.get_requests()] == [ASKING.body] * 2


@pytest.mark.parametrize("status", [429, 500, 503])
def test_another_post_is_not_repeated(get: Getter, httpx_mock: HTTPXMock, clockwork: Clockwork, status: int) -> None:
    httpx_mock.add_response(status_code=status)
    with pytest.raises(FetchError) as caught:
        get(replace(REQUEST, post=replace(ASKING, may_be_repeated=False)), pace=clockwork.pace)
    assert caught.value.status == status
    assert len(httpx_mock.get_requests()) == 1


def test_a_redirected_post_is_not_sent_on(get: Getter, httpx_mock: HTTPXMock, clockwork: Clockwork) -> None:
    httpx_mock.add_response(status_code=307, headers={"Location": "https://elsewhere.example/"})
    with pytest.raises(FetchError, match="redirects are not followed") as caught:
        get(replace(REQUEST, post=ASKING), pace=clockwork.pace)
    assert len(httpx_mock.get_requests()) == 1
    assert "5ec3e7" not in f"{caught.value!r}{ASKING!r}"


def test_a_media_type_with_line_breaks_is_not_sent() -> None:
    with pytest.raises(ValueError, match="the header Content-Type cannot be sent"):
        replace(REQUEST, post=Post(b"", "text/plain\r\nX: y"))
