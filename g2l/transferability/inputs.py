"""What the scores are given: responses and labels of one target, checked, in float64."""

from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from g2l.errors import G2LError
from g2l.metrics import Floats, NonFiniteResponsesError, as_responses

Ids = NDArray[np.int64]


class SingleImageClassError(G2LError):
    """A class with one image cannot be both learned and tested."""

    code: ClassVar[str] = "single-image-class"
    title: ClassVar[str] = "A class has a single image"


class BadLabelsError(G2LError):
    """Labels that do not fit the responses."""

    code: ClassVar[str] = "bad-labels"
    title: ClassVar[str] = "The labels are not usable"


def checked_responses(responses: ArrayLike) -> Floats:
    """(N, D) in float64.

    Raises:
        BadResponsesError: not a matrix of real numbers.
        NonFiniteResponsesError: NaN or infinity.
    """
    values = as_responses(responses).astype(np.float64)
    if not np.isfinite(values).all():
        row = int(np.argmin(np.isfinite(values).all(1)))
        raise NonFiniteResponsesError(f"response {row} (counted from 0) holds NaN or infinity")
    return values


def checked_labels(labels: ArrayLike, n: int) -> Ids:
    """(N,) numbers from 0 for the classes that occur, in sorted order; a class that is missing has none.

    Args:
        labels: (N,) classes, of any kind that sorts.
        n: how many are wanted.

    Raises:
        BadLabelsError: not N of them, or a single class (field="labels").
    """
    given = np.asarray(labels)
    if given.shape != (n,):
        raise BadLabelsError(f"{n} responses need {n} labels; got shape {given.shape}", field="labels")
    names, ids = np.unique(given, return_inverse=True)
    if len(names) < 2:
        raise BadLabelsError(f"at least two classes are needed; all labels are {names[0]!r}", field="labels")
    return ids.astype(np.int64)


def thin_svd(values: Floats, *, size: float | None = None) -> tuple[Floats, Floats]:
    """Left singular vectors and singular values, without those that are rounding.

    Args:
        values: (N, D).
        size: Frobenius norm of what `values` were made of, if something was subtracted; its rounding counts.

    Returns:
        (N, R) and (R,), largest first, R the numerical rank.
    """
    u, s, _ = np.linalg.svd(values, full_matrices=False)
    noise = max(values.shape) * np.finfo(np.float64).eps * (np.linalg.norm(values) if size is None else size)
    rank = int((s > noise).sum())
    return u[:, :rank], s[:rank]


def sums_by_class(values: Floats, classes: Ids) -> Floats:
    """(C, D) sums of the rows of each class."""
    order = np.argsort(classes, kind="stable")
    starts = np.searchsorted(classes[order], np.arange(int(classes.max()) + 1))
    return np.add.reduceat(values[order], starts, axis=0)
