"""Archives come in without ever sitting in memory, and what goes wrong leaves nothing."""

import hashlib
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from core.db.jobs import IdempotencyKey, Job
from core.db.session import transaction
from tests.app.conftest import MAX_UPLOAD, Api

BOUNDARY = "a-boundary"
HEADERS = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
NAME = b'--a-boundary\r\nContent-Disposition: form-data; name="name"\r\n\r\npool\r\n'
FILE = b'--a-boundary\r\nContent-Disposition: form-data; name="file"; filename="p.zip"\r\n\r\nbytes\r\n'
END = b"--a-boundary--\r\n"


@pytest.fixture(autouse=True)
def nothing_else_stays(api: Api) -> Iterator[None]:
    """Whatever happened, the store has the uploads of jobs and no others."""
    yield
    with transaction() as session:
        specs = [job.spec for job in session.query(Job) if job.kind in ("dataset", "model")]
    kept = {u["id"] for spec in specs for u in [spec.get("upload"), *spec.get("uploads", ())] if u}
    assert {path.name for path in (api.store.root / "uploads").iterdir()} == kept


@pytest.mark.parametrize("path", ["/v1/datasets", "/v1/models"])
def test_an_upload_lies_in_the_store_with_its_digest(api: Api, path: str) -> None:
    content = bytes(range(256)) * 8192  # 2 MiB
    answer = api.client.post(path, data={"name": "pool"}, files={"file": ("a b.zip", content)})
    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert int(answer.headers["retry-after"]) >= 1
    assert job == api.client.get(f"/v1/jobs/{job['id']}").json()
    assert job["state"] == "queued"
    assert job["spec"]["name"] == "pool"
    [upload] = [job["spec"]["upload"]] if path == "/v1/models" else job["spec"]["uploads"]
    assert upload["sha256"] == hashlib.sha256(content).hexdigest()
    assert upload["bytes"] == len(content)
    assert upload["filename"] == "a b.zip"
    assert api.store.upload(upload["id"]).read_bytes() == content


def test_the_order_of_the_parts_does_not_matter(api: Api) -> None:
    for body in (NAME + FILE + END, FILE + NAME + END):
        job = api.client.post("/v1/datasets", content=body, headers=HEADERS).json()
        assert job["spec"]["name"] == "pool"
        assert api.store.upload(job["spec"]["uploads"][0]["id"]).read_bytes() == b"bytes"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (FILE + END, "#/name"),
        (NAME + END, "#/file"),
        (END, "#/file"),
        (NAME + NAME + FILE + END, "#/name"),
        (NAME + FILE + FILE + END, "#/file"),
        (NAME + FILE.replace(b'"file"', b'"archive"') + END, "#/file"),
        (NAME.replace(b"pool", b" ") + FILE + END, "#/name"),
        (NAME.replace(b"pool", b"x" * 201) + FILE + END, "#/name"),
        (NAME.replace(b"pool", b"x" * 70_000) + FILE + END, "#/name"),
        (NAME.replace(b"pool", b"a\0b") + FILE + END, "#/name"),
        (NAME + FILE + NAME.replace(b'"name"', b'"nmae"') + END, "#/nmae"),
    ],
)
def test_fields_are_pointed_at(api: Api, body: bytes, pointer: str) -> None:
    problem = api.problem("POST", "/v1/datasets", content=body, headers=HEADERS)
    assert problem["status"] == 422
    assert [error["pointer"] for error in problem["errors"]] == [pointer]


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (NAME + FILE, HEADERS),
        (NAME + FILE[:-3], HEADERS),
        (b"", HEADERS),
        (b"no multipart", HEADERS),
        (NAME + FILE + END, {"content-type": "multipart/form-data"}),
        (NAME + FILE + END, {"content-type": "multipart/form-data; boundary=" + "x" * 300}),
    ],
)
def test_a_broken_body_is_a_400(api: Api, body: bytes, headers: dict[str, str]) -> None:
    assert api.problem("POST", "/v1/datasets", content=body, headers=headers)["status"] == 400


def test_a_file_name_is_only_a_name(api: Api) -> None:
    body = NAME + FILE.replace(b"p.zip", b"..\\\\..\\\\etc/x\xff.zip") + END
    job = api.client.post("/v1/datasets", content=body, headers=HEADERS).json()
    assert job["spec"]["uploads"][0]["filename"] == "x\N{REPLACEMENT CHARACTER}.zip"


def test_too_large_is_a_413(api: Api) -> None:
    files = {"file": ("p.zip", b"\0" * (MAX_UPLOAD + 1))}
    assert api.problem("POST", "/v1/datasets", data={"name": "pool"}, files=files)["status"] == 413
    exact = {"file": ("p.zip", b"\0" * MAX_UPLOAD)}
    assert api.client.post("/v1/datasets", data={"name": "pool"}, files=exact).status_code == 202


def test_a_dead_connection_leaves_nothing_and_frees_its_key(api: Api) -> None:
    address = urlsplit(api.url)
    head = (
        "POST /v1/datasets HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000000\r\n"
        f"Idempotency-Key: dies\r\nContent-Type: {HEADERS['content-type']}\r\n\r\n"
    )
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(head.encode() + NAME + FILE + b"\0" * 2_000_000)
        _until(_held)
        keyed = {"Idempotency-Key": "dies"}
        busy = api.problem("POST", "/v1/datasets", content=NAME + FILE + END, headers=HEADERS | keyed)
        assert busy["type"] == "/problems/idempotency-in-flight"
    _until(
        lambda: (
            api.client.post("/v1/datasets", content=NAME + FILE + END, headers=HEADERS | keyed).status_code
            == 202
        )
    )


def test_a_uri_below_an_allowed_folder(api: Api) -> None:
    (api.images / "my pool").mkdir()
    uri = f"file://{api.images}/my%20pool"
    answer = api.client.post("/v1/datasets", json={"name": "pool", "uri": uri})
    assert answer.status_code == 202
    spec = answer.json()["spec"]
    assert (spec["name"], spec["uri"], spec["uploads"]) == ("pool", uri, [])


@pytest.mark.parametrize(
    "uri",
    [
        "file:///etc",
        "file:///etc/passwd",
        "http://x/y.zip",
        "s3://bucket/x",
        "",
        "x",
        "file://host/x",
        "file://\0",
        "//[",
    ],
)
def test_other_uris_are_refused(api: Api, uri: str) -> None:
    assert api.pointers("/v1/datasets", {"name": "pool", "uri": uri}) == ["#/uri"]


def test_a_uri_does_not_climb_or_follow_links_out(api: Api, tmp_path: Path) -> None:
    (api.images / "link").symlink_to(tmp_path)
    for uri in (f"file://{api.images}/../x", f"file://{api.images}/link", f"file://{api.images}/none"):
        assert api.pointers("/v1/datasets", {"name": "pool", "uri": uri}) == ["#/uri"]


def test_json_is_checked_as_everywhere(api: Api) -> None:
    assert api.pointers("/v1/datasets", {"name": "pool", "uri": "file:///x", "more": 1}) == ["#/more"]
    assert api.pointers("/v1/datasets", {}) == ["#/name"]
    refused = api.problem("POST", "/v1/datasets", content=b"{", headers={"content-type": "application/json"})
    assert refused["status"] == 422
    assert json.dumps(refused)


def _held() -> bool:
    with transaction() as session:
        return session.query(IdempotencyKey).filter_by(key="dies").count() == 1


def _until(condition: object, patience: float = 30.0) -> None:
    deadline = time.monotonic() + patience
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def shards(*names: str) -> list[tuple[str, tuple[str, bytes]]]:
    return [("file", (name, f"content of {name}".encode())) for name in names]


def test_several_files_are_the_shards_of_one_dataset(api: Api) -> None:
    names = ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet", "test.PARQUET"]
    answer = api.client.post("/v1/datasets", data={"name": "pool", "label_by": "kind"}, files=shards(*names))
    assert answer.status_code == 202
    spec = answer.json()["spec"]
    assert [upload["filename"] for upload in spec["uploads"]] == names
    assert spec["label_by"] == "kind"
    for upload in spec["uploads"]:
        content = f"content of {upload['filename']}".encode()
        assert api.store.upload(upload["id"]).read_bytes() == content
        assert (upload["sha256"], upload["bytes"]) == (hashlib.sha256(content).hexdigest(), len(content))


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["a.parquet", "b.tar"], "several kinds"),
        (["a.zip", "b.zip"], "a.zip"),
        (["a.tar", "notes.txt"], "notes.txt"),
        (["a.tar", "A.TAR"], "2 files named"),
        (["a.tar", "é" * 200 + ".tar"], "255 bytes"),
    ],
)
def test_files_that_are_no_dataset_together_are_refused(api: Api, names: list[str], says: str) -> None:
    problem = api.problem("POST", "/v1/datasets", data={"name": "pool"}, files=shards(*names))
    assert problem["status"] == 422
    assert [error["pointer"] for error in problem["errors"]] == ["#/file"]
    assert says in problem["errors"][0]["detail"]


def test_the_limit_is_of_all_files_together(api: Api) -> None:
    half = b"\0" * (MAX_UPLOAD // 2)
    two = [("file", (name, half)) for name in ("a.tar", "b.tar")]
    assert api.client.post("/v1/datasets", data={"name": "pool"}, files=two).status_code == 202
    three = [*two, ("file", ("c.tar", b"one byte more"))]
    assert api.problem("POST", "/v1/datasets", data={"name": "pool"}, files=three)["status"] == 413


def test_a_model_is_one_file(api: Api) -> None:
    problem = api.problem("POST", "/v1/models", data={"name": "mine"}, files=shards("a.zip", "b.zip"))
    assert [error["pointer"] for error in problem["errors"]] == ["#/file"]
