"""NVIDIA's services over real sockets and TLS 1.3 on loopback: what no mock can show."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

from tests.collateral_fetch.fake_nvidia import DRIVER, NONCE, FakeNvidia, question
from tests.collateral_fetch.loopback import Received, answer, serving_requests
from tests.collateral_fetch.nvidia_fetching import NvidiaFetcher, reason
from voltage_attest.collateral.cache import CollateralCache
from voltage_attest.collateral.http import Limits
from voltage_attest.collateral.nvidia_service import NvidiaEndpoints, NvidiaService, combined
from voltage_attest.testing.tls import TlsIdentity

QUICK = Limits(connect=5.0, read=5.0, attempts=2, backoff=0.01)


def service_at(base: str, *, cache: Path | None = None, tls_ca: Path | None = None, deadline: float = 20.0) -> NvidiaService:
    """All of NVIDIA's services at one address."""
    return NvidiaService(
        NvidiaEndpoints.at(base),
        cache=None if cache is None else CollateralCache(cache),
        tls_ca=tls_ca,
        limits=QUICK,
        deadline=deadline,
    )


def test_everything_comes_over_tls_from_one_server(
    nvidia: NvidiaFetcher, identity: TlsIdentity, ca_file: Path, tmp_path: Path
) -> None:
    fake, body = FakeNvidia(), b'{"nonce":"' + b"5" * 100_000 + b'"}'
    with serving_requests(fake.script, identity.context) as server:
        service = service_at(server.base, tls_ca=ca_file, cache=tmp_path / "cache")
        for requests in (5, 6):
            fetched = combined(
                nvidia.rims(service, DRIVER),
                nvidia.revocation(service, question()),
                nvidia.jwks(service),
                nvidia.nras(service, body),
            )
            assert fetched.is_complete
            assert len(server.received) == requests
    assert sorted(server.targets) == sorted(
        ["/", "/.well-known/jwks.json", "/crl/l2-gh100.crl", f"/v1/rim/{DRIVER}", *["/v4/attest/gpu"] * 2]
    )
    posted = [request for request in server.received if request.method == "POST"]
    assert [request.body for request in posted] == [question().ocsp_request, body, body]
    assert "content-type: application/ocsp-request\r\n" in posted[0].head.lower()


def test_a_service_of_an_unknown_ca_is_not_talked_to(nvidia: NvidiaFetcher, identity: TlsIdentity) -> None:
    with serving_requests(FakeNvidia().script, identity.context) as server:
        fetched = nvidia.nras(service_at(server.base), b"{}")
    assert "no trusted CA issued" in reason(fetched, "nras")
    assert server.received == []


def test_a_responder_that_hangs_leaves_time_for_the_crls(nvidia: NvidiaFetcher) -> None:
    fake, stop = FakeNvidia(), threading.Event()

    def script(connection: socket.socket, request: Received) -> None:
        if request.method == "POST":
            stop.wait(20)
        else:
            fake.script(connection, request)

    with serving_requests(script) as server:
        service = service_at(server.base, deadline=2.0)
        questions = [question(1, NONCE), question(2, NONCE)]
        fetched = nvidia.revocation(service, *questions, mode="online")
        stop.set()
    assert len(fetched.collateral.crls) == 1
    assert {failure.kind for failure in fetched.failures} == {"nvidia-ocsp"}
    assert "s allowed for it do not suffice" in reason(fetched, f"ocsp:{questions[0].certificate_sha256.hex()}")


def test_an_answer_that_breaks_off_is_asked_for_again_with_the_whole_body(nvidia: NvidiaFetcher) -> None:
    fake = FakeNvidia()

    def script(connection: socket.socket, request: Received) -> None:
        if fake.asked:
            fake.script(connection, request)
        else:
            fake.find(request.method, request.target, request.body)
            connection.sendall(answer(b"0", content_type="application/ocsp-response", length=999))

    asked = question(1, NONCE)
    with serving_requests(script) as server:
        assert nvidia.revocation(service_at(server.base), asked, mode="online").is_complete
    assert [request.body for request in server.received] == [asked.ocsp_request] * 2


def test_a_redirect_of_evidence_is_not_followed(nvidia: NvidiaFetcher) -> None:
    def script(connection: socket.socket, _request: Received) -> None:
        connection.sendall(answer(b"", ("Location", "/elsewhere"), status="307 Temporary Redirect"))

    with serving_requests(script) as server:
        fetched = nvidia.nras(service_at(server.base), b"{}")
    assert "redirects are not followed" in reason(fetched, "nras")
    assert [request.target for request in server.received] == ["/v4/attest/gpu"]


def test_what_is_posted_and_kept_never_holds_a_nonce_on_the_disk(nvidia: NvidiaFetcher, tmp_path: Path) -> None:
    with serving_requests(FakeNvidia().script) as server:
        service = service_at(server.base, cache=tmp_path / "cache")
        nvidia.revocation(service, question(1, NONCE), question(2), mode="cached")
    assert any(NONCE in request.body for request in server.received)
    kept = [path.read_bytes() for path in (tmp_path / "cache").iterdir()]
    assert len(kept) == 2
    assert not any(NONCE in content or NONCE.hex().encode() in content for content in kept)
