"""Which files may come together as one dataset."""

from collections import Counter
from collections.abc import Sequence

from core.errors import InvalidRequestError
from g2l.data.entries import IMAGE_ENDINGS
from g2l.data.shards import PARQUET_ENDINGS, TAR_ENDINGS

_LONGEST_NAME = 255
_KINDS = (PARQUET_ENDINGS, TAR_ENDINGS, tuple(sorted(IMAGE_ENDINGS)))


def check_files(names: Sequence[str]) -> None:
    """Refuse several files that are not all parquet files, all tars or all images, or two of one name.

    Raises:
        InvalidRequestError: at `#/file`; a single file may be of any kind, its content tells.
    """
    if len(names) == 1:
        return
    kinds = {next((kind for kind in _KINDS if name.lower().endswith(kind)), None) for name in names}
    if None in kinds:
        odd = next(n for n in names if not n.lower().endswith(tuple(e for kind in _KINDS for e in kind)))
        raise InvalidRequestError.at(
            "file",
            f"Several files are the shards of one dataset: .parquet or .tar files (or single images); got "
            f"{odd!r}. Send it as a dataset of its own.",
        )
    if len(kinds) > 1:
        raise InvalidRequestError.at(
            "file", "The files are of several kinds: send only .parquet, only .tar files, or only images."
        )
    name, count = Counter(name.lower() for name in names).most_common(1)[0]
    if count > 1:
        raise InvalidRequestError.at("file", f"There are {count} files named {name!r}; name each as its own.")
    if any(len(name.encode()) > _LONGEST_NAME for name in names):
        raise InvalidRequestError.at("file", f"A file's name may have {_LONGEST_NAME} bytes.")
