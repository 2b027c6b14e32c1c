"""The API behind nginx, as deploy/nginx.conf sets it up."""

import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from app.problems import TABLE
from tests.app.conftest import Api
from tests.app.made import Maker

CONF = Path(__file__).parents[2] / "deploy/nginx.conf"
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/bin") or shutil.which("nginx")
pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")


def adapted(folder: Path, replicas: list[str], port: int) -> str:
    """The configuration for replicas at fixed addresses, with all that nginx keeps in a folder."""
    text = CONF.read_text()
    for given, wanted in {
        "resolver 127.0.0.11 valid=5s;": "".join(
            f"{part}_temp_path {folder}/{part}; "
            for part in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        ),
        "server api:8000 resolve max_fails=1": "server "
        + " max_fails=1 fail_timeout=2s; server ".join(replicas)
        + " max_fails=1",
        "listen 8080;": f"listen 127.0.0.1:{port};",
        "/tmp/nginx.pid": f"{folder}/nginx.pid",
        "/dev/stdout": f"{folder}/access.log",
        "/dev/stderr": f"{folder}/error.log",
        "worker_processes auto;": "worker_processes 1; daemon off;",
    }.items():
        assert text.count(given) == 1, given
        text = text.replace(given, wanted)
    return text


@pytest.fixture(scope="module")
def proxied(api: Api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where nginx listens."""
    with serving(tmp_path_factory.mktemp("nginx"), api.url.removeprefix("http://")) as url:
        yield url


@contextmanager
def serving(folder: Path, replica: str) -> Iterator[str]:
    """Nginx before one replica."""
    assert NGINX is not None
    folder.chmod(0o777)  # as root, its workers are another account's
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "nginx.conf").write_text(adapted(folder, [replica], port))
    process = subprocess.Popen([NGINX, "-c", folder / "nginx.conf", "-p", folder, "-e", folder / "error.log"])
    url = f"http://127.0.0.1:{port}"
    try:
        with httpx.Client(transport=httpx.HTTPTransport(retries=8)) as client:
            client.get(f"{url}/healthz")
        yield url
    finally:
        process.terminate()
        process.wait()


def test_where_no_replica_answers_that_is_a_problem_too(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"127.0.0.1:{free.getsockname()[1]}"
    with serving(tmp_path, nobody) as url:
        answer = httpx.get(f"{url}/v1/datasets")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "2"
    problem = answer.json()
    entry = TABLE[problem["type"].removeprefix("/problems/")]
    assert (problem["status"], problem["title"]) == (entry.status, entry.title)


def test_an_upload_reaches_the_api_while_it_is_sent(api: Api, proxied: str) -> None:
    """Each piece is in the store before the next one is sent: nothing is held back, on disk or in memory."""
    arrived, piece = threading.Event(), b"x" * (1 << 20)
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": str(3 * len(piece))}
    created = httpx.post(f"{proxied}/v1/uploads", headers=headers)
    upload = f"{proxied}{created.headers['location']}"

    def body() -> Iterator[bytes]:
        for number in range(3):
            yield piece
            while _held(api) <= number * len(piece):
                arrived.wait(0.02)

    sent = httpx.patch(
        upload,
        content=body(),
        headers={
            "Tus-Resumable": "1.0.0",
            "Upload-Offset": "0",
            "Content-Type": "application/offset+octet-stream",
        },
        timeout=60,
    )
    assert sent.status_code == 204, sent.text
    assert sent.headers["upload-offset"] == str(3 * len(piece))


def _held(api: Api) -> int:
    return sum(path.stat().st_size for path in (api.store.root / "uploads").rglob("*") if path.is_file())


def test_events_come_while_the_job_waits(api: Api, make: Maker, proxied: str) -> None:
    body = {"discover": {"dataset_id": make.dataset(), "k": 4}}
    job = httpx.post(f"{proxied}/v1/anchor-sets", json=body).json()
    with httpx.stream("GET", f"{proxied}/v1/jobs/{job['id']}/events", timeout=60) as answer:
        assert next(line for line in answer.iter_lines() if line.startswith("data: "))


def test_parts_of_a_download(make: Maker, proxied: str) -> None:
    weights = bytes(range(256)) * 20_000
    url = f"{proxied}/v1/models/{make.model(weights)}/weights"
    part = httpx.get(url, headers={"Range": "bytes=4000000-"})
    assert part.status_code == 206
    assert part.content == weights[4_000_000:]
    assert httpx.get(url).content == weights
