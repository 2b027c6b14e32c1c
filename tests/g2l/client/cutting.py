"""A TCP proxy on loopback that cuts connections after so many bytes of what the service answers."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class CuttingProxy:
    """The proxy, as a test sees it.

    Attributes:
        url: where it listens.
        cuts: after how many bytes of answers the coming connections are cut; later ones are left whole.
        made: how many connections were cut.
    """

    url: str
    cuts: list[int]
    made: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def next_cut(self) -> int | None:
        with self._lock:
            return self.cuts.pop(0) if self.cuts else None


@contextmanager
def cutting(url: str, cuts: list[int]) -> Iterator[CuttingProxy]:
    """Run one in front of a service."""
    target = urlsplit(url)
    address = (target.hostname or "", target.port or 80)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = CuttingProxy(f"http://127.0.0.1:{listener.getsockname()[1]}", cuts)
        acceptor = threading.Thread(target=_accept, args=(listener, address, proxy))
        acceptor.start()
        try:
            yield proxy
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            acceptor.join()


def _accept(listener: socket.socket, address: tuple[str, int], proxy: CuttingProxy) -> None:
    relays: list[threading.Thread] = []
    ends: list[socket.socket] = []
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            break
        server = socket.create_connection(address)
        ends += [client, server]
        relays.append(threading.Thread(target=_relay, args=(client, server, proxy)))
        relays[-1].start()
    _hang_up(*ends)  # connections that are kept alive
    for relay in relays:
        relay.join()


def _relay(client: socket.socket, server: socket.socket, proxy: CuttingProxy) -> None:
    with client, server:
        questions = threading.Thread(target=_pump, args=(client, server))
        questions.start()
        left = proxy.next_cut()
        with suppress(OSError):
            while chunk := server.recv(65536 if left is None else min(left, 65536)):
                client.sendall(chunk)
                left = None if left is None else left - len(chunk)
                if left == 0:
                    proxy.made += 1
                    break
        _hang_up(client, server)
        questions.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(65536):
            sink.sendall(chunk)
        sink.shutdown(socket.SHUT_WR)


def _hang_up(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
