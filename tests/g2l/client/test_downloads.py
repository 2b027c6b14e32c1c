"""Downloads: gone on with after a cut, checked, and never half there."""

import base64
import fcntl
import hashlib
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from g2l.client import ApiError, Client, DigestError
from tests.fixtures.clients import Connect
from tests.g2l.client.cutting import cutting
from tests.g2l.client.scripted import Answer, Scripted, Seen, as_json, problem

WEIGHTS = bytes(range(256)) * 400


def digest(content: bytes) -> str:
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def serving(
    content: bytes, *, cuts: int = 0, ranges: bool = True, said: bytes | None = None
) -> Callable[[Seen], Answer]:
    """A service that cuts the first so many downloads after a third of what it was to send."""
    left = cuts

    def answer(seen: Seen) -> Answer:
        nonlocal left
        etag = f'"{hashlib.sha256(content).hexdigest()}"'
        headers = {
            "ETag": etag,
            "Repr-Digest": f"sha-256=:{digest(said or content)}:",
            "Accept-Ranges": "bytes",
        }
        body, status = content, 200
        if ranges and seen.headers.get("if-range") == etag:
            first = int(seen.headers["range"].removeprefix("bytes=").removesuffix("-"))
            body, status = content[first:], 206
            headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
        if seen.method == "GET" and left:
            left -= 1
            return Answer(body, status, headers, cut_after=len(body) // 3)
        return Answer(body, status, headers)

    return answer


def ranges_of(service: Scripted) -> list[str | None]:
    return [seen.headers.get("range") for seen in service.seen if seen.method == "GET"]


def pull(client: Client, folder: Path) -> Path:
    return client.models.download("mdl_1", "model.safetensors", folder / "model.safetensors")


def test_a_cut_download_goes_on_where_it_stopped(client: Client, service: Scripted, tmp_path: Path) -> None:
    service.answer = serving(WEIGHTS, cuts=2)
    told: list[tuple[str, int, int]] = []
    path = client.models.download(
        "mdl_1", "model.safetensors", tmp_path / "new" / "w", on_progress=lambda *at: told.append(at)
    )
    assert path.read_bytes() == WEIGHTS
    third = len(WEIGHTS) // 3
    assert ranges_of(service) == [None, f"bytes={third}-", f"bytes={third + (len(WEIGHTS) - third) // 3}-"]
    assert told[-1] == ("model.safetensors", len(WEIGHTS), len(WEIGHTS))
    assert list((tmp_path / "new").iterdir()) == [path]


def test_a_download_through_a_network_that_cuts_at_random(
    connect: Connect, service: Scripted, tmp_path: Path
) -> None:
    service.answer = serving(WEIGHTS)
    rng = random.Random(5)
    cuts = [rng.randrange(1, len(WEIGHTS) // 9) for _ in range(8)]
    with cutting(service.url, list(cuts)) as network:
        path = pull(connect(network.url, timeout=5), tmp_path)
        assert network.made == len(cuts)
    assert path.read_bytes() == WEIGHTS
    begun = [int(at.removeprefix("bytes=").removesuffix("-")) for at in ranges_of(service) if at]
    assert begun == sorted(begun)
    assert begun[-1] > 0
    assert list(tmp_path.iterdir()) == [path]


def test_two_downloads_of_one_file_do_not_mix(client: Client, service: Scripted, tmp_path: Path) -> None:
    service.answer = serving(WEIGHTS)
    other = tmp_path / f".model.safetensors.{hashlib.sha256(WEIGHTS).hexdigest()[:16]}.part"
    with other.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(b"what another process has so far")
        file.flush()
        assert pull(client, tmp_path).read_bytes() == WEIGHTS
    assert other.read_bytes() == b"what another process has so far"


def test_a_file_that_changes_meanwhile_is_noticed(client: Client, service: Scripted, tmp_path: Path) -> None:
    old, new = serving(WEIGHTS, cuts=1), serving(WEIGHTS[::-1])
    service.answer = lambda seen: (old if len(service.seen) <= 2 else new)(seen)
    with pytest.raises(DigestError):
        pull(client, tmp_path)
    assert pull(client, tmp_path).read_bytes() == WEIGHTS[::-1]


def test_a_later_process_goes_on_too(client: Client, service: Scripted, tmp_path: Path) -> None:
    service.answer = serving(WEIGHTS)
    pull(client, tmp_path)
    name = f".model.safetensors.{hashlib.sha256(WEIGHTS).hexdigest()[:16]}.part"
    (tmp_path / name).write_bytes(WEIGHTS[:1000])
    service.seen.clear()
    assert pull(client, tmp_path).read_bytes() == WEIGHTS
    assert ranges_of(service) == ["bytes=1000-"]


def test_a_service_without_ranges_begins_again(client: Client, service: Scripted, tmp_path: Path) -> None:
    service.answer = serving(WEIGHTS, cuts=1, ranges=False)
    assert pull(client, tmp_path).read_bytes() == WEIGHTS


def test_damaged_bytes_are_not_kept(client: Client, service: Scripted, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"the old ones")
    service.answer = serving(WEIGHTS, said=b"other weights")
    with pytest.raises(DigestError, match="try again"):
        pull(client, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]
    assert (tmp_path / "model.safetensors").read_bytes() == b"the old ones"


def test_a_damaged_beginning_is_noticed_and_mended(client: Client, service: Scripted, tmp_path: Path) -> None:
    service.answer = serving(WEIGHTS)
    part = tmp_path / f".model.safetensors.{hashlib.sha256(WEIGHTS).hexdigest()[:16]}.part"
    part.write_bytes(b"\xff" * 1000)
    with pytest.raises(DigestError):
        pull(client, tmp_path)
    assert pull(client, tmp_path).read_bytes() == WEIGHTS


def test_an_empty_file(client: Client, service: Scripted, tmp_path: Path) -> None:
    service.answer = serving(b"")
    assert pull(client, tmp_path).read_bytes() == b""


def test_nothing_is_left_of_what_does_not_exist(client: Client, service: Scripted, tmp_path: Path) -> None:
    service.in_turn(problem(404, "not-found"))
    with pytest.raises(ApiError):
        client.models.download("mdl_1", "nope", tmp_path / "nope")
    assert list(tmp_path.iterdir()) == []


def test_labels_that_are_cut_begin_again(client: Client, service: Scripted, tmp_path: Path) -> None:
    service.in_turn(Answer(b"a,b\n1,2\n", cut_after=4), Answer(b"a,b\n1,2\n"))
    path = client.labelings.labels("lab_1").save(tmp_path / "labels.csv")
    assert path.read_bytes() == b"a,b\n1,2\n"
    assert service.seen[0].path == "/v1/labelings/lab_1/labels?format=csv"
    assert list(tmp_path.iterdir()) == [path]


def listing(*files: str) -> dict[str, object]:
    return {"id": "mdl_2", "name": "a/b", "files": [{"path": file} for file in files]}


def test_a_name_means_the_newest_model_of_it(client: Client, service: Scripted, tmp_path: Path) -> None:
    files = serving(b"content")
    found = [listing("config.json", "model.safetensors", "onnx/a b.onnx"), {"id": "mdl_1"}]

    def answer(seen: Seen) -> Answer:
        if seen.path.startswith("/v1/models?"):
            return as_json({"items": found, "next_cursor": None})
        return files(seen)

    service.answer = answer
    client.models.pull("a/b", tmp_path)
    assert (tmp_path / "onnx" / "a b.onnx").read_bytes() == b"content"
    assert [seen.path for seen in service.seen if seen.method == "GET"] == [
        "/v1/models?limit=200&name=a%2Fb",
        "/v1/models/mdl_2/files/config.json",
        "/v1/models/mdl_2/files/onnx/a%20b.onnx",
        "/v1/models/mdl_2/files/model.safetensors",
    ]


@pytest.mark.parametrize("file", ["../evil", "/etc/evil", "a/../../evil"])
def test_files_stay_inside_their_folder(client: Client, service: Scripted, tmp_path: Path, file: str) -> None:
    service.in_turn(as_json(listing(file)))
    with pytest.raises(ApiError, match="outside of the folder"):
        client.models.pull("mdl_2", tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_a_name_of_no_model(client: Client, service: Scripted) -> None:
    service.in_turn(Answer(b'{"items": [], "next_cursor": null}'))
    with pytest.raises(ApiError, match="no model is named 'nobody'"):
        client.models.pull("nobody")
