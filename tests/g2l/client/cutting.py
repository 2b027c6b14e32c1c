"""A TCP proxy on loopback that cuts connections after so many bytes of answers, or of questions."""

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
        question_cuts: likewise, of what is sent to the service.
        made: how many connections were cut.
        asked: how many bytes were sent to the service.
    """

    url: str
    cuts: list[int]
    question_cuts: list[int]
    made: int = 0
    asked: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def next_cuts(self) -> tuple[int | None, int | None]:
        with self._lock:
            return next_of(self.question_cuts), next_of(self.cuts)

    def count(self, *, asked: int = 0, made: int = 0) -> None:
        with self._lock:
            self.asked += asked
            self.made += made


def next_of(cuts: list[int]) -> int | None:
    return cuts.pop(0) if cuts else None


@contextmanager
def cutting(url: str, cuts: list[int], question_cuts: list[int] | None = None) -> Iterator[CuttingProxy]:
    """Run one in front of a service."""
    target = urlsplit(url)
    address = (target.hostname or "", target.port or 80)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = CuttingProxy(f"http://127.0.0.1:{listener.getsockname()[1]}", cuts, question_cuts or [])
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
        of_questions, of_answers = proxy.next_cuts()
        questions = threading.Thread(target=_ask, args=(client, server, proxy, of_questions))
        questions.start()
        for _ in _pump(server, client, proxy, of_answers):
            pass
        _hang_up(client, server)
        questions.join()


def _ask(client: socket.socket, server: socket.socket, proxy: CuttingProxy, cut: int | None) -> None:
    sent = 0
    for length in _pump(client, server, proxy, cut):
        proxy.count(asked=length)
        sent += length
    if sent == cut:
        _hang_up(client, server)
    with suppress(OSError):
        server.shutdown(socket.SHUT_WR)


def _pump(source: socket.socket, sink: socket.socket, proxy: CuttingProxy, left: int | None) -> Iterator[int]:
    """The lengths of what is passed on, until the source ends or the cut comes."""
    with suppress(OSError):
        while chunk := source.recv(65536 if left is None else min(left, 65536)):
            sink.sendall(chunk)
            yield len(chunk)
            left = None if left is None else left - len(chunk)
            if left == 0:
                proxy.count(made=1)
                break


def _hang_up(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
