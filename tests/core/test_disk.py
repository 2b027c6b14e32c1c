"""A full disk is known by whatever name it comes."""

import errno

import pytest

from core.disk import is_full


def chained() -> Exception:
    try:
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError:
            raise RuntimeError("unexpected pos 64 vs 0")  # noqa: B904 - as torch ends a file that it cannot write
    except RuntimeError as error:
        return error


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(errno.ENOSPC, "x"), True),
        (OSError(errno.EDQUOT, "x"), True),
        (Exception("I/O error: No space left on device (os error 28)"), True),
        (OSError("5000 requested and 1024 written"), True),
        (chained(), True),
        (OSError(errno.EACCES, "x"), False),
        (ValueError("no space left"), False),
    ],
)
def test_what_says_that_a_disk_is_full(error: Exception, full: bool) -> None:
    assert is_full(error) is full
