"""One pool of the training images of several sets, without their labels.

What is unlabelled costs nothing to add: so labels by geometry, clusters and self-supervision may learn from
images of the targets' own domains, as a user with many images of one has, where human labels end at the
labelled pool.
"""

import zipfile
from collections.abc import Sequence
from pathlib import Path


def write_mixed_pool(sets: Sequence[Path], to: Path) -> None:
    """Copy the files under `train/` of each zip into one, named by set and number alone.

    Args:
        sets: zips of `train/CLASS/FILE` and `test/CLASS/FILE`; nothing of `test/` is copied.
        to: the zip to write; whole or not there.
    """
    unfinished = to.with_suffix(".part")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_STORED) as pool:
        for path in sets:
            with zipfile.ZipFile(path) as images:
                names = sorted(name for name in images.namelist() if name.startswith("train/"))
                files = [name for name in names if not name.endswith("/")]
                for number, name in enumerate(files):
                    pool.writestr(f"{path.stem}-{number:06d}{Path(name).suffix}", images.read(name))
    unfinished.rename(to)
