"""Uploads: one streamed body of known length, the same at every try."""

import email
import hashlib
import io
import tarfile
from email.message import Message
from pathlib import Path

import pytest

from g2l.client import Client, DigestError, PackingError
from g2l.client.packing import default_name
from tests.fixtures.clients import Connect
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


def test_bytes_that_were_damaged_on_the_way_are_noticed(
    client: Client, service: Scripted, tmp_path: Path
) -> None:
    (tmp_path / "pool.zip").write_bytes(b"x" * 1000)
    other = {**JOB, "spec": {"name": "pool", "upload": {"sha256": "0" * 64}}}
    service.in_turn(as_json(other, 202))
    with pytest.raises(DigestError, match="got 0000"):
        client.datasets.upload(tmp_path / "pool.zip")
    assert [seen.path for seen in service.seen] == ["/v1/datasets", "/v1/jobs/job_1/cancel"]


def test_an_upload_that_the_service_still_reads_is_waited_for(
    service: Scripted, connect: Connect, tmp_path: Path
) -> None:
    (tmp_path / "pool.zip").write_bytes(b"x" * 1000)
    service.in_turn(*[problem(409, "idempotency-in-flight")] * 4, as_json(JOB, 202))
    client = connect(service.url, retry_for=0.2)  # no patience with anything else
    assert client.datasets.upload(tmp_path / "pool.zip").id == "job_1"


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
    client.models.import_file(tmp_path, "mine")
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


def files_of(seen: Seen) -> dict[str, bytes]:
    head = f"Content-Type: {seen.headers['content-type']}\r\n\r\n".encode()
    message = email.message_from_bytes(head + seen.body)
    return {
        str(part.get_filename()): bytes(part.get_payload(decode=True))
        for part in message.get_payload()
        if isinstance(part, Message) and part.get_filename()
    }


def shards(folder: Path) -> dict[str, bytes]:
    content = {f"train-0000{i}-of-00002.parquet": bytes([i]) * 1000 for i in range(2)}
    folder.mkdir(parents=True)
    for name, data in content.items():
        (folder / name).write_bytes(data)
    return content


def test_several_files_are_parts_of_one_request(client: Client, service: Scripted, tmp_path: Path) -> None:
    content = shards(tmp_path / "pool")
    service.in_turn(as_json(JOB, 202))
    told: list[tuple[int, int]] = []
    client.datasets.upload(
        [tmp_path / "pool" / name for name in content],
        label_by="kind",
        on_progress=lambda sent, total: told.append((sent, total)),
    )
    [seen] = service.seen
    assert files_of(seen) == content
    sent = parts(seen)
    assert (sent["name"].get_payload(), sent["label_by"].get_payload()) == ("pool", "kind")
    assert int(seen.headers["content-length"]) == len(seen.body)
    assert told[-1] == (2000, 2000)


def test_a_folder_of_shards_is_sent_as_its_files(client: Client, service: Scripted, tmp_path: Path) -> None:
    content = shards(tmp_path / "pool" / "data")
    (tmp_path / "pool" / "README.md").write_text("shards")
    service.in_turn(as_json(JOB, 202))
    client.datasets.upload(tmp_path / "pool")
    assert files_of(service.seen[0]) == {f"data-{name}": data for name, data in content.items()}


def test_a_folder_among_several_paths_is_refused(client: Client, service: Scripted, tmp_path: Path) -> None:
    content = shards(tmp_path / "pool")
    with pytest.raises(PackingError, match="a folder is sent alone"):
        client.datasets.upload([tmp_path / "pool", *(tmp_path / "pool" / name for name in content)])
    assert service.seen == []


def test_a_file_that_arrives_as_another_is_told(client: Client, service: Scripted, tmp_path: Path) -> None:
    content = shards(tmp_path / "pool")
    digests = [hashlib.sha256(data).hexdigest() for data in content.values()]
    got = [{"sha256": digests[0]}, {"sha256": "0" * 64}]
    service.in_turn(as_json({**JOB, "spec": {"uploads": got}}, 202), as_json(JOB, 202))
    with pytest.raises(DigestError):
        client.datasets.upload([tmp_path / "pool" / name for name in content])
    assert service.seen[1].path == "/v1/jobs/job_1/cancel"
