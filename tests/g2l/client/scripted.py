"""A real HTTP server on a free port that answers as a test says, and can cut connections."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Seen:
    """A request that came in."""

    method: str
    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes

    def json(self) -> dict[str, object]:
        parsed: dict[str, object] = json.loads(self.body)
        return parsed


@dataclass(frozen=True)
class Answer:
    """What to send; `cut_after` closes the connection after so many bytes of the body."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None


class Cut(Answer):
    """Close the connection without a word."""


def as_json(body: object, status: int = 200, **headers: str) -> Answer:
    return Answer(json.dumps(body).encode(), status, {"Content-Type": "application/json", **headers})


def problem(status: int, code: str, detail: str = "no", **members: object) -> Answer:
    body = {"type": f"/problems/{code}", "title": code, "status": status, "detail": detail, **members}
    return Answer(json.dumps(body).encode(), status, {"Content-Type": "application/problem+json"})


@dataclass
class Scripted:
    """The server, as a test sees it."""

    url: str
    answer: Callable[[Seen], Answer]
    seen: list[Seen] = field(default_factory=list)

    def in_turn(self, *answers: Answer) -> None:
        """Give these answers, one a request; the last one again and again."""
        left = list(answers)
        self.answer = lambda _: left.pop(0) if len(left) > 1 else left[0]


@contextmanager
def scripted() -> Iterator[Scripted]:
    """Run one."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            seen = Seen(
                self.command,
                self.path,
                {name.lower(): value for name, value in self.headers.items()},
                self.rfile.read(length),
            )
            service.seen.append(seen)
            answer = service.answer(seen)
            if isinstance(answer, Cut):
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "HEAD":
                return
            self.wfile.write(answer.body[: answer.cut_after])
            self.close_connection = self.close_connection or answer.cut_after is not None

        do_GET = do_HEAD = do_POST = do_PATCH = do_DELETE = handle_one  # noqa: N815 (names of http.server)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    service = Scripted(f"http://127.0.0.1:{server.server_port}", lambda _: problem(404, "not-found"))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
