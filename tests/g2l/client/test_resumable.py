"""What a client does when a service refuses a piece of a large file."""

import base64
import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from g2l.client import ApiError, Client, DigestError, UnreachableError, pieces
from tests.fixtures.clients import Connect
from tests.g2l.client.scripted import Answer, Cut, Scripted, Seen, as_json, problem

CONTENT = bytes(range(256)) * 40
JOB = {"id": "job_1", "kind": "dataset", "state": "queued"}


@pytest.fixture(autouse=True)
def lowered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pieces, "RESUMABLE_FROM", 1000)
    monkeypatch.setenv("G2L_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "Zoë's.zip").write_bytes(CONTENT)
    return tmp_path / "Zoë's.zip"


@dataclass
class Tus:
    """The protocol, as far as a client can see it; `refusals` are what PATCH answers first."""

    refusals: list[Answer] = field(default_factory=list)
    damaged: bool = False
    uploads: list[bytes] = field(default_factory=list)

    def __call__(self, seen: Seen) -> Answer:
        if seen.path == "/v1/uploads":
            self.uploads.append(b"")
            location = f"https://elsewhere.test/prefix/v1/uploads/upl_{len(self.uploads)}"
            return Answer(status=201, headers={"Location": location})
        if seen.method == "PATCH":
            return self.refusals.pop(0) if self.refusals else self.append(seen)
        if seen.method == "HEAD":
            return Answer(headers={"Upload-Offset": str(len(self.uploads[-1]))})
        digest = hashlib.sha256(self.uploads[-1][: -1 if self.damaged else None]).hexdigest()
        return as_json({**JOB, "spec": {"uploads": [{"sha256": digest}]}}, 202)

    def append(self, seen: Seen) -> Answer:
        assert int(seen.headers["upload-offset"]) == len(self.uploads[-1])
        self.uploads[-1] += seen.body
        return Answer(status=204, headers={"Upload-Offset": str(len(self.uploads[-1]))})


def methods(service: Scripted) -> list[str]:
    return [seen.method for seen in service.seen]


def test_a_large_file_is_announced_sent_and_taken_in(client: Client, service: Scripted, path: Path) -> None:
    service.answer = tus = Tus()
    assert client.datasets.upload(path, "pool", group_by="folder").id == "job_1"
    announced, sent, asked = service.seen
    assert announced.headers["upload-length"] == str(len(CONTENT))
    kind, name = announced.headers["upload-metadata"].split()
    assert (kind, base64.b64decode(name).decode()) == ("filename", "Zoë's.zip")
    assert (sent.path, sent.body) == ("/v1/uploads/upl_1", CONTENT)
    assert {"transfer-encoding"}.isdisjoint(sent.headers)
    assert {seen.headers["tus-resumable"] for seen in (announced, sent)} == {"1.0.0"}
    assert asked.json() == {"name": "pool", "group_by": "folder", "upload_ids": ["upl_1"]}
    assert asked.headers["idempotency-key"]
    assert tus.uploads == [CONTENT]


@pytest.mark.parametrize(
    "refusal",
    [
        Cut(),
        problem(500, "internal-error"),
        problem(503, "unavailable"),
        problem(408, "upload-silent"),
        problem(423, "upload-locked"),
        problem(409, "upload-offset"),
    ],
    ids=["cut", "500", "503", "408", "423", "409"],
)
def test_what_may_pass_is_asked_about_and_gone_on_from(
    client: Client, service: Scripted, path: Path, refusal: Answer
) -> None:
    service.answer = tus = Tus([refusal, refusal])
    client.datasets.upload(path)
    assert methods(service) == ["POST", "PATCH", "HEAD", "PATCH", "HEAD", "PATCH", "PATCH", "POST"]
    # While it is not known whether the upload is free, no byte is sent.
    assert [len(seen.body) for seen in service.seen if seen.method == "PATCH"] == [10240, 0, 0, 10240]
    assert tus.uploads == [CONTENT]


@pytest.mark.parametrize("status", [404, 410])
def test_what_is_gone_begins_anew(client: Client, service: Scripted, path: Path, status: int) -> None:
    tus = Tus()

    def answer(seen: Seen) -> Answer:
        gone = seen.path.endswith("upl_1")
        return problem(status, "not-found") if gone else tus(seen)

    service.answer = answer
    client.datasets.upload(path)
    assert tus.uploads == [b"", CONTENT]


@pytest.mark.parametrize("status", [413, 415, 422, 401])
def test_what_does_not_pass_is_raised(client: Client, service: Scripted, path: Path, status: int) -> None:
    service.answer = Tus([problem(status, "no")])
    with pytest.raises(ApiError) as refused:
        client.datasets.upload(path)
    assert refused.value.status == status
    assert methods(service) == ["POST", "PATCH"]


def test_patience_ends(service: Scripted, connect: Connect, path: Path) -> None:
    service.answer = Tus([problem(423, "upload-locked")] * 1000)
    with pytest.raises(ApiError, match="upload-locked"):
        connect(service.url, retry_for=0.3).datasets.upload(path)
    service.answer = Tus([Cut()] * 1000)
    with pytest.raises(UnreachableError):
        connect(service.url, retry_for=0.3).datasets.upload(path)


def test_other_bytes_than_were_read_are_noticed(client: Client, service: Scripted, path: Path) -> None:
    service.answer = Tus(damaged=True)
    with pytest.raises(DigestError):
        client.datasets.upload(path)
    assert service.seen[-1].path == "/v1/jobs/job_1/cancel"


def test_folders_that_are_packed_and_small_files_are_one_request(
    client: Client, service: Scripted, tmp_path: Path
) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "1.png").write_bytes(CONTENT)
    (tmp_path / "small.zip").write_bytes(b"x" * 999)
    service.in_turn(as_json(JOB, 202))
    client.datasets.upload(tmp_path / "photos")
    client.datasets.upload(tmp_path / "small.zip")
    assert [seen.path for seen in service.seen] == ["/v1/datasets"] * 2
