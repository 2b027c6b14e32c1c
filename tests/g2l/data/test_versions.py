"""Groups stay on one side, and datasets grow without a change for what they had."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from g2l.data.extension import DatasetMismatchError, NothingNewError
from g2l.data.groups import NoGroupsError
from g2l.data.pack import Pack, write_pack
from g2l.data.splits import ClassTooSmallError, TargetSplit, target_split
from tests.fixtures.images import classes_of, encoded, write_tar, write_zip
from tests.g2l.data.test_splits import keys_of, no_splits

CLASSES = [f"c{i}" for i in range(6)]


def pack_of(
    folder: Path,
    files: dict[str, bytes],
    name: str,
    *,
    group_by: str | None = None,
    extends: Pack | None = None,
) -> Pack:
    source = (write_zip if name.endswith("zip") else write_tar)(folder / name, files)
    target = folder / name.partition(".")[0]
    write_pack(source, name, target, group_by=group_by, extends=None if extends is None else extends.folder)
    return Pack(target)


def patients(n_patients: int, *, first: int = 0, prefix: str = "") -> dict[str, bytes]:
    """`class/patient/0.png`: three images a patient, the even ones with a cat as well."""
    files: dict[str, bytes] = {}
    for number in range(first, first + n_patients):
        for kind in ["dog"] + ["cat"] * (number % 2 == 0):
            for image in range(3):
                seed = len(files) + 1000 * first
                files[f"{prefix}{kind}/p{number}/{image}.png"] = encoded("png", seed)
    return files


def in_groups(seed: int, n_items: int, n_groups: int, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    groups = keys_of(rng.integers(0, n_groups, n_items) + 10**6)
    return rng.integers(0, n_classes, n_items), np.where(rng.random(n_items) < 0.9, groups, 0)


SEEDS = st.integers(0, 2**32 - 1)


@given(seed=SEEDS, n_groups=st.integers(4, 60), n_classes=st.integers(1, 6))
def test_a_group_stays_on_one_side_and_classes_near_their_share(
    seed: int, n_groups: int, n_classes: int
) -> None:
    class_ids, groups = in_groups(seed, 300, n_groups, n_classes)
    split = target_split(class_ids, CLASSES, no_splits(300), keys=keys_of(np.arange(300)), groups=groups)
    assert split.derived
    assert sorted([*split.train, *split.test]) == list(range(300))
    assert not set(groups[split.train]) & set(groups[split.test]) - {0}
    largest = np.unique(groups[groups != 0], return_counts=True)[1].max()
    for class_id in range(n_classes):
        n_items, n_test = (class_ids == class_id).sum(), (class_ids[split.test] == class_id).sum()
        assert 0 < n_test < n_items
        assert abs(n_test - 0.3 * n_items) <= max(largest, 5)


@given(seed=SEEDS)
def test_a_split_of_groups_does_not_depend_on_the_order(seed: int) -> None:
    class_ids, groups = in_groups(seed, 200, 20, 3)
    order = np.random.default_rng(seed).permutation(200)
    keys = keys_of(np.arange(200))
    one = target_split(class_ids, CLASSES, no_splits(200), keys=keys, groups=groups)
    other = target_split(class_ids[order], CLASSES, no_splits(200), keys=keys[order], groups=groups[order])
    assert set(one.test) == set(order[other.test])


@given(seed=SEEDS, n_groups=st.sampled_from([0, 12, 40]), more=st.integers(1, 200))
def test_what_a_version_adds_moves_nothing_that_was_there(seed: int, n_groups: int, more: int) -> None:
    n, keys = 120 + more, keys_of(np.arange(120 + more))
    class_ids, drawn = in_groups(seed, n, max(1, n_groups), 3)
    groups = drawn if n_groups else None
    versions = np.repeat([1, 2], [120, more])

    def split(rows: slice) -> TargetSplit:
        part = None if groups is None else groups[rows]
        return target_split(
            class_ids[rows],
            CLASSES,
            no_splits(n)[rows],
            keys=keys[rows],
            groups=part,
            versions=versions[rows],
        )

    before, after = split(slice(0, 120)), split(slice(0, n))
    assert set(after.test[after.test < 120]) == set(before.test)
    if groups is None:  # single images can be dealt out to keep the share
        for class_id in range(3):
            n_items, n_test = (class_ids == class_id).sum(), (class_ids[after.test] == class_id).sum()
            assert abs(n_test - 0.3 * n_items) <= 1
    else:
        assert not set(groups[after.train]) & set(groups[after.test]) - {0}


def test_a_class_that_one_version_could_not_split_is_split_by_the_next() -> None:
    class_ids, keys = np.array([0, 0, 0, 0, 1, 1]), keys_of(np.arange(6))
    with pytest.raises(ClassTooSmallError, match="'c1'"):
        target_split(class_ids[:5], CLASSES, no_splits(5), keys=keys[:5])
    split = target_split(class_ids, CLASSES, no_splits(6), keys=keys, versions=np.array([1, 1, 1, 1, 1, 2]))
    assert len(split.test) == 2


@pytest.mark.parametrize(
    ("class_ids", "groups"),
    [
        ([0, 0, 1, 1, 1], [1, 1, 1, 2, 3]),  # a class of one group
        ([0, 1, 1, 2, 2, 0], [7, 7, 8, 8, 9, 9]),  # three classes, three groups, each class in two of them
    ],
)
def test_a_class_that_groups_keep_on_one_side_is_named(class_ids: list[int], groups: list[int]) -> None:
    n = len(class_ids)
    with pytest.raises(ClassTooSmallError, match=r"groups stay on one side.* 'c[0-2]'"):
        target_split(
            np.array(class_ids),
            CLASSES,
            no_splits(n),
            keys=keys_of(np.arange(n)),
            groups=np.array(groups, np.uint64),
        )


def test_a_copy_goes_where_its_group_goes() -> None:
    keys = keys_of(np.array([*range(40), 0, 1, 2, 3]))  # four more images without a group, copies of grouped
    groups = np.array([*(keys_of(np.arange(40) // 2)), 0, 0, 0, 0], np.uint64)
    class_ids = np.arange(44) % 2
    split = target_split(class_ids, CLASSES, no_splits(44), keys=keys, groups=groups)
    for copy in range(40, 44):
        assert (copy in split.test) == (copy - 40 in split.test)


def test_a_given_test_stays_and_what_is_added_trains_unless_its_group_tests() -> None:
    splits = np.array(["train", "test", "", ""], "U5")
    groups = np.array([1, 2, 2, 3], np.uint64)
    split = target_split(np.zeros(4, int), CLASSES, splits, keys=keys_of(np.arange(4)), groups=groups)
    assert (split.train.tolist(), split.test.tolist(), split.derived) == ([0, 3], [1, 2], False)


@pytest.mark.parametrize("name", ["a.zip", "a.tar"])
@pytest.mark.parametrize("prefix", ["", "all/"])
def test_groups_come_from_folders(name: str, prefix: str, tmp_path: Path) -> None:
    pack = pack_of(tmp_path, patients(10, prefix=prefix), name, group_by="folder")
    assert pack.summary.n_groups == 10
    assert [c["name"] for c in pack.summary.classes] == ["cat", "dog"]
    assert [pack.item(i).group for i in range(len(pack))] == [
        p.split("/")[-2] for p in pack.paths.to_pylist()
    ]
    split = pack.target_split()
    test, train = ({pack.item(int(i)).group for i in side} for side in (split.test, split.train))
    assert test
    assert not test & train
    assert pack.summary.splits == {"train": len(split.train), "test": len(split.test), "derived": True}


def test_without_group_by_folders_below_a_class_mean_nothing(tmp_path: Path) -> None:
    pack = pack_of(tmp_path, patients(4), "a.zip")
    assert (pack.summary.n_groups, pack.groups) == (None, None)


@pytest.mark.parametrize(
    ("group_by", "says"),
    [("folder", "no image lies in a folder below that of its class"), ("patient", "'folder'")],
)
def test_a_group_by_that_names_nothing_is_refused(group_by: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(NoGroupsError, match=f"group_by = '{group_by}'.*{says}") as caught:
        pack_of(tmp_path, classes_of({"cat": 3, "dog": 3}), "a.zip", group_by=group_by)
    assert caught.value.field == "group_by"


def test_groups_come_from_an_array(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 255, (40, 4, 4), np.uint8)
    np.savez(tmp_path / "a.npz", images=images, labels=np.arange(40) % 2, tile=np.arange(40) // 4)
    write_pack(tmp_path / "a.npz", "a.npz", tmp_path / "a", group_by="tile")
    pack = Pack(tmp_path / "a")
    assert (pack.summary.n_groups, pack.item(7).group) == (10, "1")
    with pytest.raises(NoGroupsError, match=r"'tiles': the archive has the .* 'labels', 'tile'"):
        write_pack(tmp_path / "a.npz", "a.npz", tmp_path / "b", group_by="tiles")


def test_a_version_keeps_the_items_and_skips_what_is_there(tmp_path: Path) -> None:
    old = pack_of(tmp_path, classes_of({"cat": 10, "dog": 10}), "old.zip")
    more = classes_of({"dog": 4, "eel": 4}, first_seed=500)
    twice = dict(list(classes_of({"cat": 10}).items())[:3])
    new = pack_of(tmp_path, {f"new-{k}": v for k, v in twice.items()} | more, "new.tar", extends=old)
    assert (len(old), len(new), new.summary.version, new.summary.n_duplicates) == (20, 28, 2, 3)
    assert new.summary.n_rejected == 3
    assert "as item 0" in new.summary.rejected[0]["reason"]
    assert new.table.slice(0, 20).drop(["version"]).equals(old.table.drop(["version"]))
    assert [c["count"] for c in new.summary.classes] == [10, 14, 4]
    for i in (0, 19):
        assert new.encoded(i) == old.encoded(i)
    assert new.encoded(20)[0] == more["dog/0000.png"]
    test = new.target_split().test
    assert set(test[test < 20]) == set(old.target_split().test)
    third = pack_of(tmp_path, classes_of({"eel": 6}, first_seed=900), "third.zip", extends=new)
    assert (len(third), third.summary.version) == (34, 3)
    test = third.target_split().test
    assert set(test[test < 28]) == set(new.target_split().test)


def test_new_images_of_a_known_group_follow_it(tmp_path: Path) -> None:
    old = pack_of(tmp_path, patients(10), "old.zip", group_by="folder")
    new = pack_of(tmp_path, patients(10, first=4), "new.zip", group_by="folder", extends=old)
    assert new.summary.n_groups == 14
    sides = [
        {new.item(int(i)).group for i in side} for side in (new.target_split().train, new.target_split().test)
    ]
    assert not sides[0] & sides[1]


def test_embeddings_grow(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(30, 8)).astype(np.float32)
    np.savez(tmp_path / "a.npz", embeddings=rows[:20], labels=np.arange(20) % 2)
    np.savez(tmp_path / "b.npz", embeddings=rows[15:], labels=np.arange(15) % 2)
    write_pack(tmp_path / "a.npz", "a.npz", tmp_path / "a")
    write_pack(tmp_path / "b.npz", "b.npz", tmp_path / "b", extends=tmp_path / "a")
    pack = Pack(tmp_path / "b")
    np.testing.assert_array_equal(pack.embeddings(), rows)
    assert (pack.summary.n_items, pack.summary.n_duplicates, pack.summary.version) == (30, 5, 2)
    assert pack.paths[20].as_py() == "embeddings/0000025"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("grey png", "png", "has 3 channels, the items of the dataset 1"),
        ("png", "16-bit png", "16 bits"),
    ],
)
def test_items_that_do_not_fit_are_refused(old: str, new: str, says: str, tmp_path: Path) -> None:
    first = pack_of(tmp_path, {"x.png": encoded(old)}, "old.zip")
    with pytest.raises(DatasetMismatchError, match=says):
        pack_of(tmp_path, {"y.png": encoded(new, 1)}, "new.zip", extends=first)
    assert not (tmp_path / "new").exists()


def test_what_mixes_within_an_archive_mixes_over_versions(tmp_path: Path) -> None:
    first = pack_of(tmp_path, {"x.png": encoded("png")}, "old.zip")
    new = pack_of(tmp_path, {"y.png": encoded("grey png", 1)}, "new.zip", extends=first)
    assert (new.summary.channels, new.resized(8, 3).shape) == (3, (2, 8, 8, 3))
    np.savez(tmp_path / "v.npz", embeddings=np.zeros((2, 3), np.float32))
    with pytest.raises(DatasetMismatchError, match="holds images and the archive embeddings"):
        write_pack(tmp_path / "v.npz", "v.npz", tmp_path / "v", extends=first.folder)


def test_nothing_new_is_no_version(tmp_path: Path) -> None:
    first = pack_of(tmp_path, classes_of({"cat": 3}), "old.zip")
    with pytest.raises(NothingNewError, match="all 3 items"):
        pack_of(tmp_path, classes_of({"cat": 3}), "new.zip", extends=first)
