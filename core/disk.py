"""A disk without room, by whatever name it comes."""

import errno
import re
from collections.abc import Iterator

# Libraries that write by themselves keep only the words; numpy's `tofile` not even those.
_WORDS = re.compile(r"No space left on device|Disk quota exceeded|\d+ requested and \d+ written")


def is_full(error: BaseException) -> bool:
    """Whether an error, or one that it came of, says that nothing more can be written."""
    return any(_says_so(each) for each in _origins(error))


def _says_so(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return bool(_WORDS.search(str(error)))


def _origins(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
