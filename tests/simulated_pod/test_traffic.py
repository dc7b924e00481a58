"""The server as a server: keep-alive, many clients, rotation, a twin at its port, exact counters, and nothing left behind."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.simulated_pod.client import NONCE, ask, attestation_path, chat, connected, get, peer_spki, post, spki_of
from voltage_attest.pods.voltagegpu import parse_voltagegpu
from voltage_attest.testing import INFERENCE, HostileTwin, SimulatedPod, WebAuthority

CHAT = "/v1/confidential/chat/completions"
SHARED = 50
"""Threads that ask one pod at once."""


def connection_numbers(pod: SimulatedPod) -> list[int]:
    return [request.connection for request in pod.received]


def test_one_connection_carries_many_requests(pod: SimulatedPod) -> None:
    with connected(pod) as connection:
        for _ in range(5):
            assert ask(connection, CHAT, body=chat()).status == 200
    assert (pod.traffic.connections, pod.traffic.handshakes) == (1, 1)
    assert connection_numbers(pod) == [1] * 5


def test_a_client_that_asks_to_close_is_heard(pod: SimulatedPod) -> None:
    with connected(pod) as connection:
        ask(connection, CHAT, body=chat(), headers={"Connection": "close"})
        ask(connection, CHAT, body=chat())
    assert connection_numbers(pod) == [1, 2]


def test_fifty_threads_get_fifty_right_answers(pod: SimulatedPod) -> None:
    nonces = [number.to_bytes(32, "big") for number in range(SHARED)]

    def attest_and_chat(nonce: bytes) -> bytes | None:
        with connected(pod) as connection:
            evidence = parse_voltagegpu(ask(connection, attestation_path(pod, nonce)).body)
            for _ in range(10):
                assert ask(connection, CHAT, body=chat()).status == 200
        return evidence.nonce

    with ThreadPoolExecutor(SHARED) as pool:
        assert list(pool.map(attest_and_chat, nonces)) == nonces
    assert pod.wait_until_idle()
    assert pod.traffic.requests[CHAT] == 10 * SHARED
    assert pod.traffic.requests_below("/v1/pods/") == SHARED
    assert pod.traffic.connections == pod.traffic.handshakes == SHARED


def test_several_pods_run_side_by_side() -> None:
    with contextlib.ExitStack() as stack:
        pods = [stack.enter_context(SimulatedPod(pod_id=f"pod_{number}")) for number in range(5)]
        assert len({pod.port for pod in pods}) == len({pod.spki_sha256 for pod in pods}) == 5
        for pod in pods:
            assert get(pod, attestation_path(pod)).status == 200
        with pytest.raises(ssl.SSLCertVerificationError):
            pods[0].client_context().wrap_socket(
                stack.enter_context(socket.create_connection(("127.0.0.1", pods[1].port))), server_hostname="localhost"
            )


def test_rotation_changes_new_connections_and_new_quotes_only(pod: SimulatedPod) -> None:
    before, port, e2ee = pod.spki_sha256, pod.port, pod.e2ee_public_key
    with connected(pod) as connection:
        assert ask(connection, CHAT, body=chat()).status == 200
        after = pod.rotate_key()
        assert ask(connection, CHAT, body=chat()).status == 200
        assert spki_of(connection.sock) == before
    evidence = parse_voltagegpu(get(pod, attestation_path(pod)).body)
    assert peer_spki(pod) == after == evidence.tls_spki_sha256 == pod.spki_sha256 != before
    assert evidence.e2ee_public_key == pod.e2ee_public_key != e2ee
    assert pod.port == port


def test_rotation_under_load_loses_no_request(pod: SimulatedPod) -> None:
    rotated = threading.Event()

    def keep_asking(_: int) -> int:
        with connected(pod) as connection:
            statuses = [ask(connection, CHAT, body=chat()).status]
            rotated.wait(20)
            connection.close()
            statuses += [ask(connection, CHAT, body=chat()).status for _ in range(3)]
        return statuses.count(200)

    with ThreadPoolExecutor(20) as pool:
        asked = pool.map(keep_asking, range(20))
        pod.rotate_key()
        rotated.set()
        assert list(asked) == [4] * 20


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "pod.voltage-attest.test"])
def test_certificate_is_good_for_every_name_of_the_pod(pod: SimulatedPod, name: str) -> None:
    assert peer_spki(pod, name) == pod.spki_sha256


def test_certificate_is_good_for_no_other_name(pod: SimulatedPod) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        peer_spki(pod, "api.voltagegpu.com")


def test_a_strict_client_accepts_the_certificates(pod: SimulatedPod) -> None:
    context = pod.client_context()
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    with (
        socket.create_connection(("127.0.0.1", pod.port)) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        assert connection.version() == "TLSv1.3"


def test_older_tls_is_refused(pod: SimulatedPod) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=pod.ca_pem.decode())
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection(("127.0.0.1", pod.port)) as plain, pytest.raises(ssl.SSLError):
        context.wrap_socket(plain, server_hostname="localhost")


def test_a_client_that_leaves_after_the_handshake_has_sent_nothing(pod: SimulatedPod) -> None:
    with HostileTwin(pod) as twin:
        for _ in range(20):
            assert peer_spki(twin) == twin.spki_sha256 != pod.spki_sha256
        assert twin.wait_until_idle()
        assert (twin.traffic.connections, twin.traffic.handshakes, twin.traffic.application_bytes) == (20, 20, 0)


def test_a_client_that_distrusts_the_ca_completes_no_handshake(pod: SimulatedPod) -> None:
    stranger = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    stranger.load_verify_locations(cadata=WebAuthority.create().ca_pem.decode())
    with socket.create_connection(("127.0.0.1", pod.port)) as plain, pytest.raises(ssl.SSLCertVerificationError):
        stranger.wrap_socket(plain, server_hostname="localhost")
    assert pod.wait_until_idle()
    assert (pod.traffic.connections, pod.traffic.application_bytes) == (1, 0)


def test_every_byte_inside_tls_is_counted(pod: SimulatedPod) -> None:
    sent = b"GET /v1/confidential/models HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with (
        socket.create_connection(("127.0.0.1", pod.port)) as plain,
        pod.client_context().wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.sendall(sent)
        assert connection.recv(4096).startswith(b"HTTP/1.1 401")
        assert pod.traffic.application_bytes == len(sent)


def test_bytes_in_flight_at_the_end_are_counted() -> None:
    with contextlib.ExitStack() as stack:
        pod = stack.enter_context(SimulatedPod())
        plain = stack.enter_context(socket.create_connection(("127.0.0.1", pod.port)))
        connection = stack.enter_context(pod.client_context().wrap_socket(plain, server_hostname="localhost"))
        connection.sendall(b"POST")
        pod.close()
        assert pod.traffic.application_bytes == 4
        assert pod.traffic.requests == {}


def test_twin_passes_on_genuine_evidence_for_a_key_it_does_not_have(pod: SimulatedPod) -> None:
    with HostileTwin(pod) as twin:
        evidence = parse_voltagegpu(get(twin, attestation_path(pod), api_key=None).body)
        assert (evidence.nonce, evidence.tls_spki_sha256) == (NONCE, pod.spki_sha256)
        assert post(twin, CHAT, chat("PHI")).status == 200
        assert get(twin, "/IntelSGXRootCA.der").body == get(pod, "/IntelSGXRootCA.der").body
        assert twin.traffic.requests_below(INFERENCE) == 1


def test_a_diverted_pod_hands_new_connections_to_the_twin(pod: SimulatedPod) -> None:
    twin = HostileTwin(pod)
    with connected(pod) as kept:
        ask(kept, CHAT, body=chat())
        pod.divert_to(twin)
        assert peer_spki(pod) == twin.spki_sha256
        assert ask(kept, CHAT, body=chat()).status == 200
        pod.divert_to(None)
    assert peer_spki(pod) == pod.spki_sha256
    assert pod.wait_until_idle()
    assert (twin.traffic.handshakes, twin.traffic.application_bytes) == (1, 0)
    assert pod.traffic.handshakes == 2


def test_two_instances_behind_one_name_attest_their_own_keys(pod: SimulatedPod) -> None:
    second = SimulatedPod(authority=pod.authority)
    for instance in (pod, second):
        pod.divert_to(None if instance is pod else instance)
        with connected(pod) as connection:
            connection.connect()
            met = spki_of(connection.sock)
            evidence = parse_voltagegpu(ask(connection, attestation_path(pod)).body)
        assert met == evidence.tls_spki_sha256 == instance.spki_sha256
    assert pod.traffic.requests_below("/v1/pods/") == second.traffic.requests_below("/v1/pods/") == 1


def test_dropped_connections_end_and_the_port_stays(pod: SimulatedPod) -> None:
    with connected(pod) as connection:
        ask(connection, CHAT, body=chat())
        assert pod.open_connections == 1
        pod.drop_connections()
        assert pod.wait_until_idle()
        with pytest.raises((http.client.HTTPException, OSError)):
            ask(connection, CHAT, body=chat())
    assert get(pod, attestation_path(pod)).status == 200


def test_the_api_key_is_kept_nowhere_that_is_shown(pod: SimulatedPod) -> None:
    response = post(pod, CHAT, chat())
    assert b"simulated-key" not in response.body
    assert "simulated-key" not in repr(pod.received)
    assert pod.received[0].headers["authorization"] == "Bearer (withheld)"
    assert pod.received[0].api_key == "simulated-key"


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/2\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n",
    ],
)
def test_what_is_no_http_is_answered_with_400(pod: SimulatedPod, sent: bytes) -> None:
    with (
        socket.create_connection(("127.0.0.1", pod.port)) as plain,
        pod.client_context().wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.sendall(sent)
        assert connection.recv(4096).startswith(b"HTTP/1.1 400")
    assert pod.wait_until_idle()


@pytest.mark.parametrize(
    "sent", [b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf", b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n"]
)
def test_a_client_that_leaves_in_mid_request_is_no_event(pod: SimulatedPod, sent: bytes) -> None:
    with (
        socket.create_connection(("127.0.0.1", pod.port)) as plain,
        pod.client_context().wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.sendall(sent)
    assert pod.wait_until_idle()
    assert pod.traffic.requests == {}
    assert pod.traffic.application_bytes == len(sent)


def test_closing_leaves_no_thread_and_no_port() -> None:
    before = set(threading.enumerate())
    with SimulatedPod() as pod, HostileTwin(pod) as twin, connected(pod) as kept:
        ask(kept, CHAT, body=chat())
        with socket.create_connection(("127.0.0.1", twin.port)):  # never begins its handshake
            port = pod.port
            pod.close()
            twin.close()
            pod.close()
    assert set(threading.enumerate()) == before
    assert pod.port == port
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=5)
    assert pod.traffic.requests[CHAT] == 1


def test_a_pod_that_was_not_started_says_so() -> None:
    with pytest.raises(RuntimeError, match="with statement"):
        _ = SimulatedPod().port


def test_a_whole_life_prints_and_warns_nothing() -> None:
    program = """
from voltage_attest.testing import Fault, HostileTwin, SimulatedPod
from tests.simulated_pod.client import *
import socket, ssl
with SimulatedPod() as pod, HostileTwin(pod) as twin:
    get(pod, attestation_path(pod)); post(twin, "/v1/confidential/chat/completions", chat(stream=True))
    with socket.create_connection(("127.0.0.1", pod.port)) as plain:
        plain.sendall(b"GET / HTTP/1.1\\r\\n\\r\\n")
    pod.wait_until_idle()
    pod.rotate_key()
    peer_spki(pod)
"""
    ran = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", program], check=False, capture_output=True, text=True, timeout=60
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
