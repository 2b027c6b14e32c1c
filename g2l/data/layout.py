"""Labels and splits from folders: `train/cat/x.png`, `cat/x.png`, or flat."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

TRAIN, TEST = "train", "test"
_TRAIN_NAMES = frozenset({"train", "training"})
_TEST_NAMES = frozenset({"test", "testing"})
_HELD_OUT_NAMES = frozenset({"val", "valid", "validation"})


@dataclass(frozen=True)
class Layout:
    """How the folders of one archive are to be read.

    Attributes:
        n_wrappers: leading folders that all images share and that mean nothing.
        splits: folder name -> "train" or "test"; empty where the archive has no splits.
    """

    n_wrappers: int
    splits: Mapping[str, str]

    def place(self, path: str) -> tuple[str | None, str | None]:
        """(label, split) of an image; None where its folders do not tell."""
        folders = path.split("/")[self.n_wrappers : -1]
        if not self.splits:
            return (folders[0] if folders else None), None
        if not folders:
            return None, TRAIN
        return (folders[1] if len(folders) > 1 else None), self.splits[folders[0]]


def infer_layout(folders: Collection[str], stem: str) -> Layout:
    """The layout of an archive whose images lie in these folders.

    A single folder around everything is dropped: where all images lie deeper in it, or where it has the
    archive's own name (`pool.zip` with `pool/x.png`). Otherwise it is the one class. Splits are read only if
    every top folder is a split's name, so that a class may be called `train`; `val` is taken as test where
    there is no test, else as train.

    Args:
        folders: "/"-separated, "" for the top.
        stem: the archive's file name without its ending.
    """
    paths = {tuple(folder.split("/")) if folder else () for folder in folders}
    n_wrappers = 0
    while (top := _only_top(paths)) is not None and not _split_names({top}):
        if top != stem and not all(len(path) > 1 for path in paths):
            break
        paths = {path[1:] for path in paths}
        n_wrappers += 1
    return Layout(n_wrappers, _split_names({path[0] for path in paths if path}))


def _only_top(paths: Collection[tuple[str, ...]]) -> str | None:
    tops = {path[0] if path else None for path in paths}
    return tops.pop() if len(tops) == 1 else None


def _split_names(tops: Collection[str]) -> dict[str, str]:
    lower = {top: top.lower() for top in tops}
    names = set(lower.values())
    if not names & (_TRAIN_NAMES | _TEST_NAMES) or names - (_TRAIN_NAMES | _TEST_NAMES | _HELD_OUT_NAMES):
        return {}
    held_out = TRAIN if names & _TEST_NAMES else TEST
    side = {**dict.fromkeys(_TRAIN_NAMES, TRAIN), **dict.fromkeys(_TEST_NAMES, TEST)}
    return {top: side.get(name, held_out) for top, name in lower.items()}
