"""A CONNECT proxy on loopback, plain or over TLS, that keeps what clients send through it."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from types import TracebackType
from typing import Self

__all__ = ["ConnectProxy"]


class ConnectProxy:
    """``heads`` are the requests made to the proxy itself, ``passed`` all bytes that clients sent through its tunnels."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.heads: list[bytes] = []
        self.passed = bytearray()
        self._tls = tls
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._ends: list[socket.socket] = [self._socket]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()
        scheme = "http" if tls is None else "https"
        self.url = f"{scheme}://localhost:{self._socket.getsockname()[1]}"

    def _accept(self) -> None:
        while True:
            try:
                raw, _ = self._socket.accept()
                client = raw if self._tls is None else self._tls.wrap_socket(raw, server_side=True)
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        self._ends.append(client)
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(65536)
        self.heads.append(head)
        host, _, port = head.split()[1].decode().rpartition(":")
        with socket.create_connection((host, int(port))) as server:
            self._ends.append(server)
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=self._pump, args=(server, client), daemon=True)
            back.start()
            self._pump(client, server, self.passed)
            back.join()
        client.close()

    @staticmethod
    def _pump(source: socket.socket, target: socket.socket, kept: bytearray | None = None) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if kept is not None:
                    kept += data
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(end, socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for end in tuple(self._ends):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(end, socket.SHUT_RDWR)
        for thread in tuple(self._threads):
            thread.join(10)
        for end in self._ends:
            end.close()
