"""The API in a real server, over real PostgreSQL and Redis; no worker runs, tests write what one would."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from app.main import create_app
from core.artifacts import Store
from tests.app.made import Maker
from tests.fixtures.environment import environment

MAX_UPLOAD = 4 << 20


@dataclass(frozen=True)
class Api:
    """A running server, a client of it, and the store behind it."""

    url: str
    client: httpx.Client
    store: Store
    images: Path  # a folder below which URIs are allowed

    def problem(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        """A refusal's body, once it is seen to be a problem as RFC 9457 has it."""
        answer = self.client.request(method, path, **request)
        assert answer.headers["content-type"] == "application/problem+json", answer.text
        body: dict[str, Any] = answer.json()
        assert body["status"] == answer.status_code
        assert body["type"].startswith("/problems/")
        assert {"title", "detail", "instance"} <= body.keys()
        assert body["status"] != 422 or body["errors"]
        assert "Traceback" not in answer.text
        return body

    def pointers(self, path: str, body: Any, **request: Any) -> list[str]:
        """Where a POST is refused."""
        refused = self.problem("POST", path, json=body, **request)
        assert refused["status"] == 422, refused
        return [error["pointer"] for error in refused["errors"]]


@contextmanager
def serving(url_of: str = "127.0.0.1") -> Iterator[str]:
    """A server of this process's settings in a thread."""
    handlers, level = logging.root.handlers[:], logging.root.level
    config = uvicorn.Config(create_app(), host=url_of, port=0, log_config=None, timeout_graceful_shutdown=2)
    logging.root.handlers[:] = handlers  # the application's own would write to a captured stream
    logging.root.setLevel(level)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield f"http://{url_of}:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    """What a module sets beside the engines."""
    return {}


@pytest.fixture(scope="module")
def api(
    database_url: str, redis_url: str, settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Api]:
    """A server over a database, a Redis and a store of this module's own."""
    home, images = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("images")
    variables = {
        "G2L_DATABASE_URL": database_url,
        "G2L_REDIS_URL": redis_url,
        "G2L_HOME": str(home),
        "G2L_URI_ROOTS": str(images),
        "G2L_MAX_UPLOAD_BYTES": str(MAX_UPLOAD),
    }
    with (
        environment(**(variables | settings)),
        serving() as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        yield Api(url, client, Store(home / "store"), images)


@pytest.fixture(scope="module")
def make(api: Api) -> Maker:
    """Writes what workers would have made."""
    return Maker(api.store)
