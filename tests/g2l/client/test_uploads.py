"""Uploads: one streamed body of known length, the same at every try."""

import email
import io
import tarfile
from email.message import Message
from pathlib import Path

import pytest

from g2l.client import Client, PackingError
from g2l.client.packing import default_name
from tests.g2l.client.scripted import Cut, Scripted, Seen, as_json, problem

JOB = {"id": "job_1", "kind": "dataset", "state": "queued", "spec": {"name": "pool"}}


def parts(seen: Seen) -> dict[str, Message]:
    head = f"Content-Type: {seen.headers['content-type']}\r\n\r\n".encode()
    message = email.message_from_bytes(head + seen.body)
    return {
        str(part.get_param("name", header="content-disposition")): part
        for part in message.get_payload()
        if isinstance(part, Message)
    }


def test_an_archive_is_sent_as_it_is(client: Client, service: Scripted, tmp_path: Path) -> None:
    (tmp_path / "pool.zip").write_bytes(bytes(range(256)) * 10)
    service.in_turn(as_json(JOB, 202))
    told: list[tuple[int, int]] = []
    job = client.datasets.upload(
        tmp_path / "pool.zip", "pool", on_progress=lambda sent, total: told.append((sent, total))
    )
    assert (job.id, job.state) == ("job_1", "queued")
    [seen] = service.seen
    sent = parts(seen)
    assert sent["file"].get_filename() == "pool.zip"
    assert sent["file"].get_payload(decode=True) == (tmp_path / "pool.zip").read_bytes()
    assert sent["name"].get_payload() == "pool"
    assert "transfer-encoding" not in seen.headers
    assert told[-1] == (2560, 2560)


def test_a_folder_is_packed_on_the_way(client: Client, service: Scripted, tmp_path: Path) -> None:
    folder = tmp_path / "my photos"
    folder.mkdir()
    (folder / "1.png").write_bytes(b"one")
    service.in_turn(as_json(JOB, 202))
    client.datasets.upload(folder)
    sent = parts(service.seen[0])
    assert sent["name"].get_payload() == "my photos"
    assert sent["file"].get_filename() == "my photos.tar"
    with tarfile.open(fileobj=io.BytesIO(sent["file"].get_payload(decode=True))) as tar:  # type: ignore[arg-type]
        assert tar.getnames() == ["1.png"]


def test_a_cut_upload_is_sent_again_with_the_same_key_and_bytes(
    client: Client, service: Scripted, tmp_path: Path
) -> None:
    (tmp_path / "pool.zip").write_bytes(b"x" * 1000)
    service.in_turn(Cut(), problem(409, "idempotency-in-flight"), as_json(JOB, 202))
    assert client.datasets.upload(tmp_path / "pool.zip").id == "job_1"
    assert len(service.seen) == 3
    assert len({seen.headers["idempotency-key"] for seen in service.seen}) == 1
    assert len({seen.body for seen in service.seen}) == 1


def test_names_are_quoted_as_forms_do(client: Client, service: Scripted, tmp_path: Path) -> None:
    path = tmp_path / 'pictures "of" Zoë.zip'
    path.write_bytes(b"x")
    service.in_turn(as_json(JOB, 202))
    client.datasets.upload(path, "Zoë")
    assert 'filename="pictures %22of%22 Zoë.zip"'.encode() in service.seen[0].body
    assert "\r\n\r\nZoë\r\n".encode() in service.seen[0].body


def test_what_is_not_there_is_refused_before_anything_is_sent(client: Client, service: Scripted) -> None:
    with pytest.raises(PackingError, match="neither a file nor a folder"):
        client.datasets.upload("nowhere.zip")
    assert service.seen == []


def test_a_model_folder_is_sent_whole(client: Client, service: Scripted, tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes(b"x")
    service.in_turn(as_json({**JOB, "kind": "model"}, 202))
    client.models.import_folder(tmp_path, "mine")
    [seen] = service.seen
    assert seen.path == "/v1/models"
    with tarfile.open(fileobj=io.BytesIO(parts(seen)["file"].get_payload(decode=True))) as tar:  # type: ignore[arg-type]
        assert tar.getnames() == ["config.json", "model.safetensors"]


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("pool.zip", "pool"),
        ("pool.tar.gz", "pool"),
        ("v1.2.tar", "v1.2"),
        ("a.b.npz", "a.b"),
        ("plain", "plain"),
    ],
)
def test_default_names(tmp_path: Path, file: str, name: str) -> None:
    (tmp_path / file).touch()
    assert default_name(tmp_path / file) == name


def test_default_name_of_a_folder_keeps_its_dots(tmp_path: Path) -> None:
    (tmp_path / "v1.2").mkdir()
    assert default_name(tmp_path / "v1.2") == "v1.2"
