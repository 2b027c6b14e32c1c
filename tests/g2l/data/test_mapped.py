"""Mapped files are written where there is room for them."""

import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from g2l.data.mapped import create_npy


@pytest.fixture
def most() -> Iterator[int]:
    """The bytes that a file of this process may have for a while."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, hard))
    yield 1 << 16
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    signal.signal(signal.SIGXFSZ, before)


@pytest.mark.parametrize("shape", [(3, 4, 5), (0, 4), (7,)])
def test_what_is_written_is_read(tmp_path: Path, shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).random(shape, np.float32)
    array = create_npy(tmp_path / "a.npy", np.float32, shape)
    array[:] = values
    array.flush()
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), values)


def test_the_room_is_taken_at_once(tmp_path: Path) -> None:
    create_npy(tmp_path / "a.npy", np.uint8, (1 << 20,))
    assert (tmp_path / "a.npy").stat().st_blocks * 512 >= 1 << 20  # no sparse file


def test_a_file_that_may_not_grow_is_an_error_and_not_the_end(tmp_path: Path, most: int) -> None:
    with pytest.raises(OSError, match="large"):
        create_npy(tmp_path / "a.npy", np.uint8, (2 * most,))
