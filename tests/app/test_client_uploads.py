"""Large files from both clients to the real service: cut anywhere, they arrive whole and go on."""

import hashlib
import json
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app import resumable
from app.api.uploads import VERSION
from g2l.cli.main import build
from g2l.client import ApiError, Client, PackingError, pieces
from tests.app.conftest import Api
from tests.fixtures.clients import Connect
from tests.g2l.client.cutting import cutting

MIB = 1 << 20
RECORDED_EVERY = MIB // 2
Progress = list[tuple[int, int]]


class Stopped(Exception):
    """What stops a client in the middle, as Ctrl-C does."""


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    return {"G2L_MAX_UPLOAD_BYTES": str(64 * MIB)}


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(pieces, "RESUMABLE_FROM", MIB)
    monkeypatch.setattr(resumable, "RECORDED_EVERY", RECORDED_EVERY)
    monkeypatch.setenv("G2L_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def archive(folder: Path, size: int, seed: int = 0, name: str = "pool.zip") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(random.Random(seed).randbytes(size))
    return folder / name


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def arrived(job: Any) -> list[str]:
    return [upload["sha256"] for upload in job.body["spec"]["uploads"]]


def stopping(told: Progress, at: int, first: Callable[[], None] | None = None) -> Callable[[int, int], None]:
    def on_progress(sent: int, total: int) -> None:
        told.append((sent, total))
        if sent >= at:
            if first is not None:
                first()
            raise Stopped

    return on_progress


def stop_halfway(api: Api, connect: Connect, path: Path) -> str:
    """The id of an upload of which the service has some bytes."""
    client, size = connect(api.url), path.stat().st_size
    with pytest.raises(Stopped):
        client.datasets.upload(path, on_progress=stopping([], size // 2))
    (record,) = (Path(os.environ["G2L_CACHE"]) / "uploads").iterdir()
    upload_id = str(json.loads(record.read_text())["upload"])
    deadline = time.monotonic() + 10
    while api.client.get(f"/v1/uploads/{upload_id}").json()["offset"] < size // 4:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return upload_id


def test_cut_anywhere_it_arrives_whole(api: Api, connect: Connect, tmp_path: Path, cache: Path) -> None:
    path = archive(tmp_path, 16 * MIB)
    dice = random.Random(1)
    cuts = [MIB, *(dice.randrange(1, 2 * MIB) for _ in range(23))]
    told: Progress = []
    with cutting(api.url, [], list(cuts)) as network:
        client = connect(network.url, retry_for=20)
        job = client.datasets.upload(path, on_progress=lambda *here: told.append(here))
        assert network.made > 10
        assert network.asked <= 16 * MIB + network.made * RECORDED_EVERY
    assert arrived(job) == [digest(path)]
    assert (told[0], told[-1]) == ((0, 16 * MIB), (16 * MIB, 16 * MIB))
    assert list((cache / "uploads").iterdir()) == []


def test_lost_answers_make_one_dataset(api: Api, connect: Connect, tmp_path: Path) -> None:
    path = archive(tmp_path, 2 * MIB)
    before = len(api.client.get("/v1/jobs?limit=200").json()["items"])
    with cutting(api.url, [1, 400, 250, 600]) as network:
        job = connect(network.url, retry_for=20).datasets.upload(path)
        assert network.made == 4
    assert arrived(job) == [digest(path)]
    assert len(api.client.get("/v1/jobs?limit=200").json()["items"]) == before + 1


def test_another_client_goes_on(api: Api, connect: Connect, tmp_path: Path, cache: Path) -> None:
    path = archive(tmp_path, 8 * MIB)
    stop_halfway(api, connect, path)
    assert len(list((cache / "uploads").iterdir())) == 1
    told: Progress = []
    with cutting(api.url, []) as network:  # it has an address of its own, and so another service
        assert connect(network.url).datasets.upload(path, on_progress=lambda *here: told.append(here))
        assert told[0] == (0, 8 * MIB)
    told.clear()
    job = connect(api.url).datasets.upload(path, on_progress=lambda *here: told.append(here))
    assert arrived(job) == [digest(path)]
    assert 2 * MIB <= told[0][0] < 6 * MIB
    assert told[-1] == (8 * MIB, 8 * MIB)
    assert list((cache / "uploads").iterdir()) == []
    connect(api.url).datasets.upload(path, on_progress=lambda *here: told.append(here))
    assert told.count((0, 8 * MIB)) == 1  # taken in is forgotten


def test_a_second_client_beside_it_sends_its_own(api: Api, connect: Connect, tmp_path: Path) -> None:
    path = archive(tmp_path, 4 * MIB)
    beside: list[list[str]] = []

    def upload_too() -> None:
        with Client(api.url) as other:
            beside.append(arrived(other.datasets.upload(path)))

    with pytest.raises(Stopped):
        connect(api.url).datasets.upload(path, on_progress=stopping([], 2 * MIB, upload_too))
    assert beside == [[digest(path)]]
    assert arrived(connect(api.url).datasets.upload(path)) == [digest(path)]


def test_a_file_that_changed_begins_anew(api: Api, connect: Connect, tmp_path: Path) -> None:
    path = archive(tmp_path, 4 * MIB)
    old = stop_halfway(api, connect, path)
    archive(tmp_path, 4 * MIB, seed=1)
    os.utime(path, (1, 1))
    told: Progress = []
    job = connect(api.url).datasets.upload(path, on_progress=lambda *here: told.append(here))
    assert told[0] == (0, 4 * MIB)
    assert arrived(job) == [digest(path)]
    assert not api.store.upload(old).exists()


def test_a_file_that_changes_meanwhile_is_refused(api: Api, connect: Connect, tmp_path: Path) -> None:
    path = archive(tmp_path, 4 * MIB)

    def on_progress(sent: int, total: int) -> None:
        if sent == total:
            os.utime(path, (1, 1))

    with pytest.raises(PackingError, match="changed while it was uploaded"):
        connect(api.url).datasets.upload(path, on_progress=on_progress)


def test_an_upload_that_is_gone_begins_anew(api: Api, connect: Connect, tmp_path: Path) -> None:
    path = archive(tmp_path, 4 * MIB)
    gone = stop_halfway(api, connect, path)
    headers = {"Tus-Resumable": VERSION}
    assert api.client.delete(f"/v1/uploads/{gone}", headers=headers).status_code == 204
    assert arrived(connect(api.url).datasets.upload(path)) == [digest(path)]


def test_a_refused_request_does_not_cost_the_upload(api: Api, connect: Connect, tmp_path: Path) -> None:
    path = archive(tmp_path, 2 * MIB)
    told: Progress = []
    with pytest.raises(ApiError):
        connect(api.url).datasets.upload(path, extends="ds_nothing")
    connect(api.url).datasets.upload(path, on_progress=lambda *here: told.append(here))
    assert told == [(2 * MIB, 2 * MIB)] * len(told)


def test_shards_and_their_names(api: Api, connect: Connect, tmp_path: Path) -> None:
    names = [f"train-{i}-of-3.parquet" for i in range(3)]
    paths = [archive(tmp_path / "Zoë", MIB - i, i, name) for i, name in enumerate(names)]
    folder = paths[0].parent
    with pytest.raises(Stopped):
        connect(api.url).datasets.upload(folder, on_progress=stopping([], 3 * MIB // 2))
    told: Progress = []
    job = connect(api.url).datasets.upload(
        folder, label_by="kind", on_progress=lambda *here: told.append(here)
    )
    assert MIB <= told[0][0] <= 2 * MIB
    assert arrived(job) == [digest(path) for path in paths]
    spec = job.body["spec"]
    assert [upload["filename"] for upload in spec["uploads"]] == names
    assert (spec["name"], spec["label_by"]) == ("Zoë", "kind")


def test_a_network(api: Api, connect: Connect, tmp_path: Path) -> None:
    path = archive(tmp_path, 2 * MIB, name="net.onnx")
    job = connect(api.url).models.import_file(path, preprocessing={"image_mean": [0.5], "image_size": 64})
    spec = job.body["spec"]
    assert (spec["objective"], spec["name"]) == ("import", "net")
    assert (spec["upload"]["sha256"], spec["upload"]["filename"]) == (digest(path), "net.onnx")
    assert spec["preprocessing"]["image_mean"] == [0.5]


def test_a_cache_that_cannot_be_written_costs_nothing_else(
    api: Api, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = archive(tmp_path, 2 * MIB)
    monkeypatch.setenv("G2L_CACHE", str(path))
    assert arrived(connect(api.url).datasets.upload(path)) == [digest(path)]


def test_a_damaged_record_begins_anew(api: Api, connect: Connect, tmp_path: Path, cache: Path) -> None:
    path = archive(tmp_path, 2 * MIB)
    stop_halfway(api, connect, path)
    (record,) = (cache / "uploads").iterdir()
    record.write_bytes(b"\xff\n" + record.read_bytes()[:20])
    assert arrived(connect(api.url).datasets.upload(path)) == [digest(path)]


def test_the_same_command_goes_on(api: Api, connect: Connect, tmp_path: Path) -> None:
    path = archive(tmp_path, 4 * MIB)
    stop_halfway(api, connect, path)
    words = ["datasets", "create", str(path), "--url", api.url, "--no-wait"]
    done = CliRunner().invoke(build(), words)
    assert done.exit_code == 0, done.output
    assert "upload pool.zip: going on at " in done.stderr
    archive(tmp_path, 4 * MIB, seed=1)
    assert "going on" not in CliRunner().invoke(build(), words).stderr
