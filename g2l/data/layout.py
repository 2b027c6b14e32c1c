"""Labels and splits from folders: `train/cat/x.png`, `cat/x.png`, or flat."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

TRAIN, TEST = "train", "test"
_TRAIN_NAMES = frozenset({"train", "training"})
_TEST_NAMES = frozenset({"test", "testing"})
_HELD_OUT_NAMES = frozenset({"val", "valid", "validation"})
_ALL_NAMES = _TRAIN_NAMES | _TEST_NAMES | _HELD_OUT_NAMES


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

    def group(self, path: str) -> str | None:
        """The folder just above an image, where that is not the folder of its class or split."""
        folders = path.split("/")[self.n_wrappers : -1]
        return folders[-1] if len(folders) > (2 if self.splits else 1) else None


def infer_layout(folders: Iterable[str], stem: str) -> Layout:
    """The layout of an archive whose images lie in these folders; see `LayoutScan.layout`."""
    scan = LayoutScan()
    for folder in folders:
        scan.add(folder)
    return scan.layout(stem)


class LayoutScan:
    """Takes the folders of an archive one by one, and keeps of them only what decides their layout."""

    def __init__(self) -> None:
        self._shared: tuple[str, ...] | None = None  # the folders that all lie in, from the top
        self._shallowest = 0
        self._below: set[str] = set()  # names just below the shared ones, as far as they may be splits
        self._others_below = False

    def add(self, folder: str) -> None:
        """Note a folder that has images: "/"-separated, "" for the top."""
        path = tuple(folder.split("/")) if folder else ()
        if self._shared is None:
            self._shared, self._shallowest = path, len(path)
            return
        n_shared = next(
            (i for i, (a, b) in enumerate(zip(self._shared, path, strict=False)) if a != b),
            min(len(self._shared), len(path)),
        )
        if n_shared < len(self._shared):
            self._below, self._others_below = set(), False
            self._note_below(self._shared[n_shared])
            self._shared = self._shared[:n_shared]
        if len(path) > n_shared:
            self._note_below(path[n_shared])
        self._shallowest = min(self._shallowest, len(path))

    def _note_below(self, name: str) -> None:
        if name.lower() in _ALL_NAMES:
            self._below.add(name)
        else:
            self._others_below = True

    def layout(self, stem: str) -> Layout:
        """How the folders are to be read.

        A single folder around everything is dropped: where all images lie deeper in it, or where it has the
        archive's own name (`pool.zip` with `pool/x.png`). Otherwise it is the one class. Splits are read only
        if every top folder is a split's name, so that a class may be called `train`; `val` is taken as test
        where there is no test, else as train.

        Args:
            stem: the archive's file name without its ending.
        """
        shared = self._shared or ()
        n_wrappers = 0
        while n_wrappers < len(shared) and not split_names({shared[n_wrappers]}):
            if shared[n_wrappers] != stem and self._shallowest == n_wrappers + 1:
                break
            n_wrappers += 1
        if n_wrappers < len(shared):
            return Layout(n_wrappers, split_names({shared[n_wrappers]}))
        return Layout(n_wrappers, {} if self._others_below else split_names(self._below))


def split_names(tops: Collection[str]) -> dict[str, str]:
    """The side of each name, if all are names of splits and train or test is among them; else {}."""
    lower = {top: top.lower() for top in tops}
    names = set(lower.values())
    if not names & (_TRAIN_NAMES | _TEST_NAMES) or names - _ALL_NAMES:
        return {}
    held_out = TRAIN if names & _TEST_NAMES else TEST
    side = {**dict.fromkeys(_TRAIN_NAMES, TRAIN), **dict.fromkeys(_TEST_NAMES, TEST)}
    return {top: side.get(name, held_out) for top, name in lower.items()}
