"""Artifacts are whole, in their place once, and named by what they hold."""

from hashlib import sha256
from pathlib import Path

import pytest

from core.artifacts import Published, Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def publish(store: Store, files: dict[str, bytes], job_id: str = "job_1") -> Published:
    with store.staging(job_id, 1) as staged:
        for name, data in files.items():
            (staged / "made" / name).parent.mkdir(parents=True, exist_ok=True)
            (staged / "made" / name).write_bytes(data)
        return store.publish(staged / "made")


def test_a_published_folder_lies_under_its_digest(store: Store) -> None:
    published = publish(store, {"a.txt": b"one", "sub/b.txt": b"two"})
    assert {name: (entry.sha256, entry.bytes) for name, entry in published.files.items()} == {
        "a.txt": (sha256(b"one").hexdigest(), 3),
        "sub/b.txt": (sha256(b"two").hexdigest(), 3),
    }
    assert (store.path(published.digest) / "sub/b.txt").read_bytes() == b"two"


def test_equal_content_is_kept_once_and_other_names_are_other_content(store: Store) -> None:
    first = publish(store, {"a": b"one", "b": b"two"})
    assert publish(store, {"b": b"two", "a": b"one"}).digest == first.digest
    assert publish(store, {"a": b"two", "b": b"one"}).digest != first.digest
    assert len(list((store.root / "artifacts").glob("*/*"))) == 2


def test_staging_leaves_nothing_when_its_block_raises(store: Store) -> None:
    def interrupted() -> None:
        with store.staging("job_1", 1) as staged:
            (staged / "half").write_bytes(b"x")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    store.discard_staged("job_1", 1)
    assert list((store.root / "work").iterdir()) == []


def test_what_is_half_made_goes_and_checkpoints_and_later_attempts_stay(store: Store) -> None:
    work = store.work("job_1")
    for name in ("staged-1-abc", "staged-2-def", "staged-10-ghi"):
        (work / name).mkdir()
    (work / "checkpoint.pt").write_bytes(b"x")
    store.discard_staged("job_1", 2)
    assert sorted(path.name for path in work.iterdir()) == ["checkpoint.pt", "staged-10-ghi"]
    store.discard_work("job_1")
    assert not work.exists()
    store.discard_staged("job_1", 2)
