"""Uploads that break off go on where they stopped; a stock tus client works against them."""

import base64
import hashlib
import io
import random
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from tusclient.client import TusClient

from app import resumable
from tests.app.conftest import MAX_UPLOAD, Api

TUS = {"Tus-Resumable": "1.0.0"}
OCTETS = "application/offset+octet-stream"


def announce(api: Api, size: int, filename: str = "pool.zip") -> str:
    metadata = f"filename {base64.b64encode(filename.encode()).decode()}"
    answer = api.client.post(
        "/v1/uploads", headers=TUS | {"Upload-Length": str(size), "Upload-Metadata": metadata}
    )
    assert answer.status_code == 201, answer.text
    return answer.headers["location"]


def offset_of(api: Api, url: str) -> int:
    answer = api.client.head(url, headers=TUS)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    return int(answer.headers["upload-offset"])


def patch(api: Api, url: str, offset: int, data: bytes, **headers: str) -> httpx.Response:
    given = TUS | {"Upload-Offset": str(offset), "Content-Type": OCTETS} | headers
    return api.client.patch(url, headers=given, content=data)


def stored(api: Api, url: str) -> bytes:
    return api.store.upload(url.rpartition("/")[2]).read_bytes()


def cut(api: Api, url: str, offset: int, data: bytes, after: int) -> None:
    """A PATCH of all the rest, whose connection breaks after so many bytes of it."""
    unfinished(api, url, offset, data, after).close()


def unfinished(api: Api, url: str, offset: int, data: bytes, after: int) -> socket.socket:
    """The connection of a PATCH of all the rest, when so many bytes of it are sent."""
    host, port = httpx.URL(api.url).host, httpx.URL(api.url).port
    head = (
        f"PATCH {url} HTTP/1.1\r\nHost: {host}\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: {offset}\r\n"
        f"Content-Type: {OCTETS}\r\nContent-Length: {len(data) - offset}\r\n\r\n"
    )
    connection = socket.create_connection((host, port or 80), timeout=10)
    connection.sendall(head.encode() + data[offset : offset + after])
    return connection


def settled(api: Api, url: str) -> int:
    """The offset once the broken request is over: it holds the upload until then."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        offset = offset_of(api, url)
        if patch(api, url, offset, b"").status_code == 204:
            return offset
        time.sleep(0.01)
    raise AssertionError("the broken request never ended")


def test_a_client_learns_what_is_spoken(api: Api) -> None:
    answer = api.client.options("/v1/uploads")
    assert answer.status_code == 204
    assert answer.headers["tus-version"] == "1.0.0"
    assert answer.headers["tus-max-size"] == str(MAX_UPLOAD)
    assert {"creation", "checksum", "termination"} <= set(answer.headers["tus-extension"].split(","))


def test_a_file_in_three_pieces(api: Api) -> None:
    data = random.Random(0).randbytes(300_000)
    url = announce(api, len(data), "pictures of plants.zip")
    for start, end in ((0, 1), (1, 200_000), (200_000, 300_000)):
        assert patch(api, url, start, data[start:end]).headers["upload-offset"] == str(end)
        assert offset_of(api, url) == end
    assert stored(api, url) == data
    told = api.client.get(url).json()
    assert (told["filename"], told["bytes"], told["offset"]) == ("pictures of plants.zip", 300_000, 300_000)


def test_the_first_piece_may_come_with_the_announcement(api: Api) -> None:
    headers = TUS | {"Upload-Length": "10", "Content-Type": OCTETS}
    answer = api.client.post("/v1/uploads", headers=headers, content=b"first")
    assert (answer.status_code, answer.headers["upload-offset"]) == (201, "5")
    assert patch(api, answer.headers["location"], 5, b"final").status_code == 204
    assert stored(api, answer.headers["location"]) == b"firstfinal"


def test_cut_at_any_byte_it_goes_on_where_it_stopped(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resumable, "RECORDED_EVERY", 64 << 10)
    monkeypatch.setattr(resumable, "_READ", 16 << 10)
    dice = random.Random(1)
    data = dice.randbytes(1_000_000)
    url = announce(api, len(data))
    for _ in range(12):
        offset = offset_of(api, url)
        cut(api, url, offset, data, dice.randrange(min(150_000, len(data) - offset)))
        arrived = settled(api, url)
        assert offset <= arrived <= len(data)
        assert stored(api, url)[:arrived] == data[:arrived]
    while patch(api, url, (arrived := settled(api, url)), data[arrived:]).status_code != 204:
        pass  # a broken request that was late
    assert hashlib.sha256(stored(api, url)).digest() == hashlib.sha256(data).digest()


def test_a_tail_that_was_never_recorded_is_cut_off(api: Api) -> None:
    url = announce(api, 6)
    patch(api, url, 0, b"abc")
    with api.store.upload(url.rpartition("/")[2]).open("ab") as file:
        file.write(b"half of a piece")  # as a crash between writing and recording leaves it
    assert patch(api, url, 3, b"def").status_code == 204
    assert stored(api, url) == b"abcdef"


def test_pieces_that_begin_elsewhere_or_are_too_long(api: Api) -> None:
    url = announce(api, 10)
    patch(api, url, 0, b"0123")
    for offset in (0, 3, 5):
        assert patch(api, url, offset, b"x").json()["type"] == "/problems/upload-offset"
    refused = patch(api, url, 4, b"4567890")
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "#/header/Upload-Length"
    assert offset_of(api, url) == 4
    assert patch(api, url, 4, b"456789").status_code == 204


def test_a_piece_with_a_checksum_counts_whole_or_not_at_all(api: Api) -> None:
    url = announce(api, 4)
    digest = base64.b64encode(hashlib.sha256(b"good").digest()).decode()
    broken = patch(api, url, 0, b"goad", **{"Upload-Checksum": f"sha256 {digest}"})
    assert (broken.status_code, offset_of(api, url)) == (460, 0)
    assert patch(api, url, 0, b"good", **{"Upload-Checksum": f"sha256 {digest}"}).status_code == 204
    assert patch(api, announce(api, 1), 0, b"x", **{"Upload-Checksum": "crc32 AAAA"}).status_code == 422


def test_two_requests_do_not_write_one_upload(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resumable, "RECORDED_EVERY", 1)
    monkeypatch.setattr(resumable, "_READ", 1)
    url = announce(api, 1_000)
    done = threading.Event()

    def slowly() -> Iterator[bytes]:
        yield b"a" * 10
        done.wait(10)
        yield b"a" * 10

    with ThreadPoolExecutor() as pool:
        headers = TUS | {"Upload-Offset": "0", "Content-Type": OCTETS}
        first = pool.submit(httpx.patch, f"{api.url}{url}", headers=headers, content=slowly())
        deadline = time.monotonic() + 10
        while offset_of(api, url) != 10 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert patch(api, url, 10, b"b").status_code == 423
        done.set()
        assert first.result().headers["upload-offset"] == "20"


def test_a_connection_that_falls_silent_lets_go(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resumable, "SILENCE", 0.2)
    url = announce(api, 1_000)
    with unfinished(api, url, 0, b"a" * 1_000, 600) as connection:  # open, as one that a lost network leaves
        assert b" 408 " in connection.recv(1_000)
        assert settled(api, url) == 600
    assert patch(api, url, 600, b"a" * 400).status_code == 204


def test_what_is_no_request_of_the_protocol(api: Api) -> None:
    url = announce(api, 4)
    assert api.problem("POST", "/v1/uploads", headers={"Upload-Length": "4"})["status"] == 412
    assert api.client.head(url).status_code == 412
    assert api.problem("POST", "/v1/uploads", headers=TUS)["status"] == 422
    too_long = {"Upload-Length": str(MAX_UPLOAD + 1)}
    assert api.problem("POST", "/v1/uploads", headers=TUS | too_long)["status"] == 413
    assert patch(api, url, 0, b"data", **{"Content-Type": "text/plain"}).status_code == 415
    metadata = TUS | {"Upload-Length": "4", "Upload-Metadata": "filename ?"}
    assert api.problem("POST", "/v1/uploads", headers=metadata)["status"] == 422
    for missing in ("/v1/uploads/upl_0", "/v1/uploads/..%2fjobs", "/v1/uploads/upl_%00"):
        assert patch(api, missing, 0, b"x").status_code == 404


def test_a_dataset_takes_in_what_is_whole_and_only_once(api: Api) -> None:
    url, half = announce(api, 5, "a.tar"), announce(api, 5, "b.tar")
    patch(api, url, 0, b"bytes")
    patch(api, half, 0, b"by")
    upload_id, half_id = url.rpartition("/")[2], half.rpartition("/")[2]
    for ids, pointer in (([half_id], 0), ([upload_id, "upl_0"], 1), ([upload_id, upload_id], 1)):
        body = {"name": "pool", "upload_ids": ids}
        assert api.pointers("/v1/datasets", body) == [f"#/upload_ids/{pointer}"]
    body = {"name": "pool", "upload_ids": [upload_id]}
    job = api.client.post("/v1/datasets", json=body, headers={"Idempotency-Key": "mine"}).json()
    (upload,) = job["spec"]["uploads"]
    digest = hashlib.sha256(b"bytes").hexdigest()
    assert upload == {"id": upload_id, "filename": "a.tar", "sha256": digest, "bytes": 5}
    assert api.client.head(url, headers=TUS).status_code == 404
    again = api.client.post("/v1/datasets", json=body, headers={"Idempotency-Key": "mine"})
    assert again.json()["id"] == job["id"]
    assert api.pointers("/v1/datasets", body) == ["#/upload_ids/0"]
    assert stored(api, url) == b"bytes"  # it is the job's now
    assert api.pointers("/v1/datasets", {"name": "pool"}) == ["#"]
    assert api.pointers("/v1/datasets", body | {"uri": "file:///x"}) == ["#"]


def test_a_model_is_imported_from_an_upload(api: Api) -> None:
    url = announce(api, 5, "net.onnx")
    body = {"objective": "import", "name": "net", "upload_id": url.rpartition("/")[2], "image_size": 64}
    assert api.pointers("/v1/models", body) == ["#/upload_id"]
    patch(api, url, 0, b"bytes")
    job = api.client.post("/v1/models", json=body).json()
    assert job["spec"]["upload"]["filename"] == "net.onnx"
    assert job["spec"]["preprocessing"]["image_size"] == 64


def test_an_upload_is_forgotten_with_its_bytes(api: Api) -> None:
    url = announce(api, 4)
    patch(api, url, 0, b"da")
    assert api.client.delete(url, headers=TUS).status_code == 204
    assert api.client.head(url, headers=TUS).status_code == 404
    assert not api.store.upload(url.rpartition("/")[2]).exists()
    assert patch(api, url, 2, b"ta").status_code == 404


def test_a_stock_client(api: Api) -> None:
    data = random.Random(2).randbytes(700_000)
    client = TusClient(f"{api.url}/v1/uploads")
    uploader = client.uploader(
        file_stream=io.BytesIO(data),
        chunk_size=100_000,
        metadata={"filename": "pool.zip"},
        upload_checksum=True,
    )
    uploader.upload(stop_at=300_000)
    again = client.uploader(file_stream=io.BytesIO(data), chunk_size=100_000, url=uploader.url)
    assert again.offset == 300_000
    again.upload()
    assert stored(api, str(uploader.url)) == data
