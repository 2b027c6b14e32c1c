"""Artifacts are whole, in their place once, and named by what they hold: in a folder, in a bucket."""

import shutil
from hashlib import sha256
from pathlib import Path

import pytest
from pydantic import ValidationError

from core.artifacts import Published, Store
from core.bucket import Bucket, StoreUnavailableError
from core.manifests import MANIFEST, ArtifactBrokenError, ArtifactMissingError
from core.settings import Settings
from tests.fixtures.buckets import age


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    bucket = None
    if request.param == "bucket":
        bucket = Bucket(f"{request.getfixturevalue('bucket_url')}/{tmp_path.name}")
    return Store(tmp_path / "store", bucket)


@pytest.fixture
def here(bucket_url: str, tmp_path: Path) -> Store:
    """A machine that shares a bucket."""
    return Store(tmp_path / "here", Bucket(f"{bucket_url}/{tmp_path.name}"))


@pytest.fixture
def there(here: Store, tmp_path: Path) -> Store:
    """Another one."""
    return Store(tmp_path / "there", here.bucket)


def stored(store: Store, *parts: str) -> list[str]:
    """The keys of what lies in the bucket."""
    assert store.bucket is not None
    return [kept.key for kept in store.bucket.list("/".join(parts))]


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


def test_a_file_that_was_cut_or_lost_is_named(store: Store) -> None:
    published = publish(store, {"a.txt": b"one", "sub/b.txt": b"two"})
    if store.bucket is not None:
        store.bucket.remove("artifacts")  # what lies here is all there is
    file = store.path(published.digest) / "sub/b.txt"
    file.write_bytes(b"tw")
    if store.bucket is None:
        with pytest.raises(ArtifactBrokenError, match=f"{published.digest}/sub/b.txt has 2 bytes"):
            store.path(published.digest)
    file.unlink()
    with pytest.raises(ArtifactMissingError, match=f"{published.digest}/"):
        store.path(published.digest)
    with pytest.raises(ArtifactMissingError, match="0" * 64):
        store.path("0" * 64)


def test_publishing_again_mends_what_was_damaged(store: Store) -> None:
    published = publish(store, {"a.txt": b"one"})
    (store.path(published.digest) / "a.txt").write_bytes(b"")
    publish(store, {"a.txt": b"one"})
    assert (store.path(published.digest) / "a.txt").read_bytes() == b"one"


def test_a_manifest_belongs_to_its_artifact(store: Store) -> None:
    first, second = publish(store, {"a": b"one"}), publish(store, {"a": b"two"})
    if store.bucket is None:
        shutil.copy(store.folder(first.digest) / MANIFEST, store.folder(second.digest) / MANIFEST)
        with pytest.raises(ArtifactBrokenError, match="of another artifact"):
            store.path(second.digest)
        (store.folder(second.digest) / MANIFEST).write_text("{]")
        with pytest.raises(ArtifactBrokenError, match="cannot be read"):
            store.path(second.digest)
    else:  # what lies here is only a copy
        shutil.copy(store.folder(first.digest) / MANIFEST, store.folder(second.digest) / MANIFEST)
        assert (store.path(second.digest) / "a").read_bytes() == b"two"


def test_what_one_machine_publishes_another_one_reads(here: Store, there: Store) -> None:
    files = {"a.txt": b"one", "sub/b.txt": b"two", "empty": b"", "large": b"0123456789" * 1_000_000}
    published = publish(here, files)
    folder = there.path(published.digest)
    assert {name: (folder / name).read_bytes() for name in files} == files
    assert folder.is_relative_to(there.root)
    assert list((there.root / "cache").iterdir()) == []
    (folder / "a.txt").write_bytes(b"")  # only a copy
    assert (there.path(published.digest) / "a.txt").read_bytes() == b"one"


def test_what_was_damaged_or_lost_in_the_bucket_is_never_read(
    here: Store, there: Store, tmp_path: Path
) -> None:
    assert here.bucket is not None
    published = publish(here, {"a.txt": b"one", "b.txt": b"two"})
    (key,) = (key for key in stored(here, "artifacts", published.digest) if key.endswith("/b.txt"))
    (tmp_path / "other").write_bytes(b"owt")
    here.bucket.put(key, tmp_path / "other")
    with pytest.raises(ArtifactBrokenError, match=rf"{published.digest}/b\.txt"):
        there.path(published.digest)
    here.bucket.remove(key)
    with pytest.raises(ArtifactMissingError, match=rf"{published.digest}/b\.txt"):
        there.path(published.digest)
    assert not there.folder(published.digest).exists()
    assert list((there.root / "cache").iterdir()) == []


def test_a_copy_without_its_manifest_is_not_there(here: Store, there: Store) -> None:
    assert here.bucket is not None
    published = publish(here, {"a.txt": b"one"})
    (manifest,) = (key for key in stored(here, "artifacts", published.digest) if key.endswith(MANIFEST))
    here.bucket.remove(manifest)  # as where the machine died before it wrote it
    with pytest.raises(ArtifactMissingError):
        there.path(published.digest)
    publish(here, {"a.txt": b"one"})
    assert (there.path(published.digest) / "a.txt").read_bytes() == b"one"


def test_a_copy_that_may_be_collected_is_not_relied_on(here: Store, bucket_url: str, tmp_path: Path) -> None:
    published = publish(here, {"a.txt": b"one"})
    publish(here, {"a.txt": b"one"})
    assert len(stored(here, "artifacts", published.digest)) == 2
    age(bucket_url, 2, tmp_path.name)
    publish(here, {"a.txt": b"one"})
    assert len(stored(here, "artifacts", published.digest)) == 4


def test_an_upload_reaches_the_machine_that_takes_it_in(here: Store, there: Store) -> None:
    here.upload("upl_1").write_bytes(b"zip")
    here.share_upload("upl_1")
    assert there.arrived("upl_1").read_bytes() == b"zip"
    there.discard_upload("upl_1")
    assert stored(here, "uploads") == []
    with pytest.raises(FileNotFoundError):
        there.arrived("upl_1").open("rb")


def test_removing_a_job_removes_no_other(here: Store) -> None:
    assert here.bucket is not None
    for job_id in ("job_1", "job_11"):
        (here.work(job_id) / "training.pt").write_bytes(b"x")
        here.bucket.put(f"work/{job_id}/training.pt", here.work(job_id) / "training.pt")
    here.discard_work("job_1")
    here.discard_work("job_1")
    assert stored(here, "work") == ["work/job_11/training.pt"]


def test_an_upload_that_was_changed_on_its_way_is_refused(here: Store, there: Store) -> None:
    here.upload("upl_1").write_bytes(b"zip")
    here.share_upload("upl_1")
    with pytest.raises(ArtifactBrokenError, match="upl_1 has other bytes"):
        there.arrived("upl_1", sha256(b"zap").hexdigest())
    assert not there.upload("upl_1").exists()
    assert there.arrived("upl_1", sha256(b"zip").hexdigest()).exists()


def test_a_bucket_that_is_away_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    store = Store(tmp_path, Bucket("s3://away"))
    store.upload("upl_1").write_bytes(b"zip")
    store.discard_upload("upl_1")
    assert not store.upload("upl_1").exists()
    with pytest.raises(StoreUnavailableError, match="does not answer"):
        Bucket("s3://away").check()


@pytest.mark.parametrize("url", ["bucket", "s3://", "s3:///prefix", "gs://bucket", "s3://bucket//prefix"])
def test_a_store_url_names_a_bucket(url: str) -> None:
    with pytest.raises(ValidationError, match="give s3://bucket or s3://bucket/prefix"):
        Settings(store_url=url)


def test_an_artifact_without_a_manifest_is_taken_as_it_is_if_it_is_whole(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    published = publish(store, {"a.txt": b"one", "sub/b.txt": b"two"})
    manifest = store.folder(published.digest) / MANIFEST
    manifest.unlink()  # as a version before manifests left it
    assert (store.path(published.digest) / "a.txt").read_bytes() == b"one"
    assert manifest.exists()
    manifest.unlink()
    (store.folder(published.digest) / "a.txt").write_bytes(b"another")
    with pytest.raises(ArtifactMissingError):
        store.path(published.digest)
