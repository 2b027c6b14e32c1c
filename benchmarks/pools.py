"""Pools made of others: more images without labels, or fewer with them.

What is unlabelled costs nothing to add: labels by geometry, clusters and self-supervision may learn from more
images than anybody has labelled, and from those of the targets' own domains.
"""

import zipfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path


def write_quarter(path: Path, to: Path) -> None:
    """Copy every fourth file of each class under `train/`, in the order of their names.

    Args:
        path: a zip of `train/CLASS/FILE`; nothing else of it is copied.
        to: the zip to write; whole or not there.
    """
    unfinished = to.with_suffix(".part")
    with zipfile.ZipFile(path) as images, zipfile.ZipFile(unfinished, "w", zipfile.ZIP_STORED) as pool:
        of_class: dict[str, list[str]] = defaultdict(list)
        for name in _training_files(images):
            of_class[name.rsplit("/", 1)[0]].append(name)
        for names in of_class.values():
            for name in names[::4]:
                pool.writestr(name, images.read(name))
    unfinished.rename(to)


def write_unlabelled(sets: Sequence[Path], to: Path) -> None:
    """Copy the files under `train/` of each zip into one, named by set and number alone: nobody's labels.

    Args:
        sets: zips of `train/CLASS/FILE` and `test/CLASS/FILE`; nothing of `test/` is copied.
        to: the zip to write; whole or not there.
    """
    unfinished = to.with_suffix(".part")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_STORED) as pool:
        for path in sets:
            with zipfile.ZipFile(path) as images:
                for number, name in enumerate(_training_files(images)):
                    pool.writestr(f"{path.stem}-{number:06d}{Path(name).suffix}", images.read(name))
    unfinished.rename(to)


def _training_files(images: zipfile.ZipFile) -> list[str]:
    return sorted(n for n in images.namelist() if n.startswith("train/") and not n.endswith("/"))
