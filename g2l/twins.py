"""Twins: images that two sets share, also after another coding, another size or a mirror.

A perceptual hash kept as numbers: the low frequencies of the image's cosine transform. As bits they would
be compared by counting, here they are compared by products, which is as fast and loses nothing.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

SIDE = 32  # pixels that suffice; larger images only take longer
FREQUENCIES = 12  # kept in each direction
COARSE = 8  # of them, what all pairs are compared by
LIKE = 0.95  # cosine of two images' coarse frequencies, each frequency of equal weight
SAME = 0.95  # correlation of the two images, without what is finer than the frequencies kept
FLAT = 2.0  # grey levels of contrast, below which an image is like any other that is flat
NOISE = 1.0  # grey levels that coding and resizing change a frequency by
_PAIRS_AT_ONCE = 1 << 23

Signatures = NDArray[np.float16]  # (N, FREQUENCIES, FREQUENCIES), grey levels
_Waves = NDArray[np.float32]


@dataclass(frozen=True)
class Twins:
    """Of two sets, the items of the second that are in the first too, each with its nearest there.

    Attributes:
        items: (n,) of the second set, ascending.
        others: (n,) their twins in the first.
        similarities: (n,) cosine by which they are twins, LIKE to 1.
        mirrored: (n,) whether left and right are exchanged.
    """

    items: NDArray[np.int64]
    others: NDArray[np.int64]
    similarities: NDArray[np.float64]
    mirrored: NDArray[np.bool_]


def signatures(images: NDArray[np.uint8 | np.uint16]) -> Signatures:
    """What images are told apart by: the lowest frequencies of the mean of their channels.

    Args:
        images: (N, H, W, C), SIDE pixels or more wide and high to be told apart well.

    Returns:
        amplitudes, vertical frequencies before horizontal ones, in 255ths of white also of 16 bits; their
        squares but the first sum to the variance of the image, less what is finer.
    """
    grey = images.mean(axis=-1, dtype=np.float32)
    if images.dtype == np.uint16:
        grey /= 257
    _, height, width = grey.shape
    made: Signatures = (_cosines(height) @ grey @ _cosines(width).T).astype(np.float16)
    return made


def find_twins(pool: Signatures, test: Signatures) -> Twins:
    """The items of `test` that `pool` has too, by their signatures.

    Nearly all pairs are told apart by their coarse frequencies, each divided by its root mean square in both
    sets: what all images of a kind share, as X-rays do, makes no twins. The rest is told by the correlation.

    Args:
        pool: (N, ...), may be mapped from disk.
        test: (M, ...).
    """
    scale = _scale(pool, test)
    wanted = test.astype(np.float32)
    even_wanted, odd_wanted = _directions(wanted, scale)
    best = np.full(len(test), -1.0)
    others, mirrored = np.zeros(len(test), np.int64), np.zeros(len(test), bool)
    columns, rows = np.arange(len(test)), max(1, _PAIRS_AT_ONCE // max(1, len(test)))
    for start in range(0, len(pool), rows):
        part = pool[start : start + rows].astype(np.float32)
        even, odd = _directions(part, scale)
        evens, odds = even @ even_wanted.T, odd @ odd_wanted.T
        scores = evens + np.abs(odds)  # of the image or of its mirror image, whose odd waves are negative
        nearest = scores.argmax(axis=0)
        score, flipped = scores[nearest, columns], odds[nearest, columns] < 0
        found = (score >= LIKE) & (score > best)
        found[found] = _correlations(part[nearest[found]], wanted[found], flipped[found]) >= SAME
        best[found], mirrored[found] = score[found], flipped[found]
        others[found] = start + nearest[found]
    items = np.flatnonzero(best >= LIKE)
    return Twins(items, others[items], np.minimum(best[items], 1.0), mirrored[items])


@cache
def _cosines(n: int) -> _Waves:
    """(FREQUENCIES, n): rows average n pixels against each wave; waves finer than the pixels are 0."""
    waves, pixels = np.arange(FREQUENCIES)[:, None], np.arange(n)
    table = np.cos(np.pi * (pixels + 0.5) * waves / n) * np.where(waves == 0, 1, np.sqrt(2)) / n
    return np.where(waves < n, table, 0).astype(np.float32)


def _scale(pool: Signatures, test: Signatures) -> _Waves:
    """(COARSE, COARSE): what each frequency is multiplied with; 0 for the brightness."""
    power = np.zeros((COARSE, COARSE))
    rows = _PAIRS_AT_ONCE // FREQUENCIES**2
    for whole in (pool, test):
        for start in range(0, len(whole), rows):
            power += np.square(whole[start : start + rows, :COARSE, :COARSE], dtype=np.float64).sum(axis=0)
    scale = 1 / np.sqrt(power / max(1, len(pool) + len(test)) + NOISE**2)
    scale[0, 0] = 0
    return scale.astype(np.float32)


def _directions(images: _Waves, scale: _Waves) -> tuple[_Waves, _Waves]:
    """(N, COARSE**2 / 2) twice: even and odd horizontal waves of unit vectors, of 0 for flat images."""
    waves = images[:, :COARSE, :COARSE] * scale
    contrast = np.sqrt(np.square(images).sum(axis=(1, 2)) - np.square(images[:, 0, 0]))
    length = np.where(contrast < FLAT, np.inf, np.sqrt(np.square(waves).sum(axis=(1, 2))))
    waves /= length[:, None, None]
    half = (len(images), COARSE * COARSE // 2)
    return waves[:, :, ::2].reshape(half), waves[:, :, 1::2].reshape(half)


def _correlations(ours: _Waves, theirs: _Waves, flipped: NDArray[np.bool_]) -> _Waves:
    """(n,) of images with images, of which some are flipped."""
    ours, theirs = ours.copy(), theirs.copy()
    ours[:, 0, 0] = theirs[:, 0, 0] = 0
    theirs[flipped, :, 1::2] *= -1
    products = (ours * theirs).sum(axis=(1, 2))
    correlations: _Waves = products / np.sqrt(
        np.square(ours).sum(axis=(1, 2)) * np.square(theirs).sum(axis=(1, 2))
    )
    return correlations
