"""Images that lie in a folder."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Self

from g2l.data.dicom import HEAD_BYTES, is_dicom
from g2l.data.entries import Entry, Rejected, SortedNameCheck, image_path, nameless_path
from g2l.data.limits import MAX_ITEM_BYTES, check_entry_count


class FolderImages:
    """The images below a folder, sorted by path; symbolic links are not followed.

    Attributes:
        has_folders: True: labels and splits are read from the folders of the paths.
        size: bytes of all images.
        position: bytes of them read so far.
        n_images: how many there are.

    Raises:
        HostileArchiveError: it has too many entries.
    """

    has_folders: ClassVar[bool] = True

    def __init__(self, folder: Path) -> None:
        self.size = 0
        self.position = 0
        self._images: list[tuple[str, str]] = []
        n_entries = 0
        for place, folders, files in os.walk(folder):
            n_entries += len(folders) + len(files)
            check_entry_count(n_entries)
            for name in files:
                file = os.path.join(place, name)
                path = _listed_path(file, os.path.relpath(file, folder))
                if path is not None:
                    self._images.append((path, file))
                    self.size += os.lstat(file).st_size
        self._images.sort()
        self.n_images = len(self._images)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __iter__(self) -> Iterator[Entry | Rejected]:
        """The images; files that cannot be read are rejected one by one."""
        names = SortedNameCheck()
        for path, file in self._images:
            reason = names.reason(path)
            if reason is None:
                try:
                    data = _read_file(file)
                except OSError as error:
                    reason = f"it cannot be read ({error.strerror})"
                else:
                    self.position += len(data)
                    yield Entry(path, data)
                    continue
            yield Rejected(path, reason)


def _listed_path(file: str, name: str) -> str | None:
    """The path of a regular file that is named like an image, or is DICOM without an ending."""
    path = image_path(name) or nameless_path(name)
    if path is None or os.path.islink(file) or not os.path.isfile(file):
        return None
    return path if image_path(name) or _is_dicom(file) else None


def _is_dicom(file: str) -> bool:
    try:
        with open(file, "rb") as opened:
            return is_dicom(opened.read(HEAD_BYTES))
    except OSError:
        return False


def _read_file(file: str) -> bytes:
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW)  # it may have become a link since it was listed
    with os.fdopen(descriptor, "rb") as opened:
        if os.fstat(descriptor).st_size > MAX_ITEM_BYTES:
            raise OSError(0, f"more than {MAX_ITEM_BYTES:,} bytes, too many for one image")
        return opened.read()
