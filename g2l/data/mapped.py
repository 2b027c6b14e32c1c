"""Arrays that are written through memory, on a disk that is known to have room for them."""

import os
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike


def create_npy(path: Path, dtype: DTypeLike, shape: tuple[int, ...]) -> np.memmap[Any, Any]:
    """A new .npy file, mapped.

    Raises:
        OSError: there is no room. Without asking first, the process would be ended by SIGBUS as it writes.
    """
    array: np.memmap[Any, Any] = np.lib.format.open_memmap(
        path, mode="w+", dtype=np.dtype(dtype), shape=shape
    )
    with path.open("r+b") as file:
        reserve(file, path.stat().st_size)
    return array


def reserve(file: IO[bytes], size: int) -> None:
    """Have the disk keep room for so many bytes of a file, which then has at least that size.

    Raises:
        OSError: there is not so much.
    """
    if size == 0:
        return
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
    elif os.fstat(file.fileno()).st_size < size:
        os.truncate(file.fileno(), size)
