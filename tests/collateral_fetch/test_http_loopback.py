"""Both clients over real sockets and TLS 1.3 on loopback: what no mock can show."""

from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path

import pytest

from tests.collateral_fetch.clients import Getter
from tests.collateral_fetch.loopback import Script, answer, serving
from voltage_attest.collateral.http import BoundedClient, HttpRequest, Limits
from voltage_attest.errors import FetchError
from voltage_attest.testing.tls import TlsIdentity, WebAuthority

QUICK = Limits(connect=5.0, read=5.0, attempts=2, backoff=0.01)


def request(base: str) -> HttpRequest:
    return HttpRequest(f"{base}/thing?nonce=5ec3e7", "the thing", 4096, ("application/json",))


def says(content: bytes) -> Script:
    def script(connection: socket.socket, _target: str) -> None:
        connection.sendall(content)

    return script


def refusal(get: Getter, script: Script, identity: TlsIdentity, ca_file: Path, *, deadline: float = 10.0) -> FetchError:
    with serving(script, identity.context) as server, pytest.raises(FetchError) as caught:
        get(request(server.base), deadline=deadline, tls_ca=ca_file, limits=QUICK)
    assert "5ec3e7" not in str(caught.value)
    return caught.value


def test_an_answer_comes_over_tls(get: Getter, identity: TlsIdentity, ca_file: Path) -> None:
    with serving(says(answer(b'{"a":1}')), identity.context) as server:
        assert get(request(server.base), tls_ca=ca_file).body == b'{"a":1}'
    assert server.targets == ["/thing?nonce=5ec3e7"]


def test_an_answer_in_many_pieces_is_put_together(get: Getter, identity: TlsIdentity, ca_file: Path) -> None:
    def script(connection: socket.socket, _target: str) -> None:
        for octet in answer(b'{"a":1}'):
            connection.sendall(bytes([octet]))

    with serving(script, identity.context) as server:
        assert get(request(server.base), tls_ca=ca_file).body == b'{"a":1}'


def test_a_chunked_answer_is_put_together(get: Getter, identity: TlsIdentity, ca_file: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    with serving(says(head + b'3\r\n{"a\r\n4\r\n":1}\r\n0\r\n\r\n'), identity.context) as server:
        assert get(request(server.base), tls_ca=ca_file).body == b'{"a":1}'


def test_a_certificate_of_an_unknown_ca_is_not_trusted(get: Getter, identity: TlsIdentity) -> None:
    with serving(says(answer(b"{}")), identity.context) as server, pytest.raises(FetchError) as caught:
        get(request(server.base), limits=QUICK)
    assert "no trusted CA issued" in str(caught.value)
    assert server.targets == []


def test_a_certificate_for_another_host_is_not_trusted(get: Getter, authority: WebAuthority, ca_file: Path) -> None:
    other = authority.issue("other.example")
    with serving(says(answer(b"{}")), other.context) as server, pytest.raises(FetchError, match="no trusted CA issued"):
        get(request(server.base), tls_ca=ca_file, limits=QUICK)
    assert server.targets == []


@pytest.mark.parametrize("cut", [20, 90, -1])
def test_an_answer_that_breaks_off_is_told_as_that(get: Getter, identity: TlsIdentity, ca_file: Path, cut: int) -> None:
    error = refusal(get, says(answer(b'{"a":' + b" " * 500 + b"1}")[:cut]), identity, ca_file)
    assert "breaks off" in str(error) or "broke the connection off" in str(error)
    assert not error.refused


def test_a_chunked_answer_that_breaks_off_is_told_as_that(get: Getter, identity: TlsIdentity, ca_file: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert "breaks off" in str(refusal(get, says(head + b"2\r\n{}\r\n"), identity, ca_file))


def test_an_endless_answer_is_refused(get: Getter, identity: TlsIdentity, ca_file: Path) -> None:
    def script(connection: socket.socket, _target: str) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        while True:
            connection.sendall(bytes(65536))

    error = refusal(get, script, identity, ca_file)
    assert error.refused
    assert "more than 4096 bytes" in str(error)


def test_what_is_not_http_is_told(get: Getter, identity: TlsIdentity, ca_file: Path) -> None:
    assert not refusal(get, says(b"SSH-2.0-OpenSSH_9.9\r\n"), identity, ca_file).refused


def drips(*, in_header: bool) -> Script:
    """One byte now and then, for ever: no wait for bytes is ever long."""

    def script(connection: socket.socket, _target: str) -> None:
        end = "\r\n\r\n" if not in_header else "\r\nX: "
        connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Type: application/json{end}".encode())
        while True:
            connection.sendall(b" ")
            time.sleep(0.05)

    return script


@pytest.mark.parametrize("in_header", [True, False], ids=["header", "body"])
def test_an_answer_that_drips_ends_with_the_deadline(
    get: Getter, identity: TlsIdentity, ca_file: Path, *, in_header: bool
) -> None:
    error = refusal(get, drips(in_header=in_header), identity, ca_file, deadline=1.0)
    assert "did not answer in full; the 1 s allowed for it do not suffice" in str(error)


def test_silence_ends_with_the_read_time_out(get: Getter, identity: TlsIdentity, ca_file: Path) -> None:
    def script(connection: socket.socket, _target: str) -> None:
        with contextlib.suppress(OSError):
            connection.recv(1)

    with serving(script, identity.context) as server, pytest.raises(FetchError, match="fell silent, 2 times"):
        get(request(server.base), tls_ca=ca_file, limits=Limits(read=0.2, attempts=2, backoff=0.0))


def test_silence_in_the_handshake_ends_with_the_connect_time_out(get: Getter, ca_file: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(FetchError, match="did not accept a connection"):
        get(
            request(f"https://127.0.0.1:{listener.getsockname()[1]}"),
            tls_ca=ca_file,
            limits=Limits(connect=0.2, attempts=1),
        )


def test_a_closed_port_is_told(get: Getter) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(FetchError, match="could not be reached, 2 times"):
        get(request(f"https://127.0.0.1:{port}"), limits=QUICK)


def test_plain_http_is_spoken_on_loopback(get: Getter) -> None:
    with serving(says(answer(b"{}"))) as server:
        assert get(request(server.base)).body == b"{}"


def test_no_connection_is_kept(identity: TlsIdentity, ca_file: Path) -> None:
    with serving(says(answer(b"{}")), identity.context) as server, BoundedClient(tls_ca=ca_file) as client:
        for _ in range(3):
            client.get(request(server.base), deadline=10.0)
    assert len(server.targets) == 3
