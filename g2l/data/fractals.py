"""Images by formula, a class an iterated function system: data to train on without any photographs.

Source: C. Anderson, R. Farrell, *Improving Fractal Pre-training*, arXiv 2110.03091: systems of two to four
affine maps whose singular values are neither too small nor too large, drawn in colours on coloured grounds.
Images of a class are of one system whose maps are varied a little. How exactly is decided here.
"""

import io
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from g2l.data.pixels import encode_png
from g2l.data.threads import map_in_order

Floats = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.uint8]
Progress = Callable[[int, int], None]

PARTICLES, BURN_IN = 256, 16  # points that move at once, and steps until they are on the attractor
POINTS_A_PIXEL = 4
SHRUNK = 0.8  # a map of a variant, at least so much of the class's own
UNEVEN = 40.0  # of a ground's colours, of 255
FILLED = 0.05  # share of the pixels that a system must reach; else another is drawn
_TRIED_SIDE, _TOGETHER = 32, 16
_BISECTIONS = 50


@dataclass(frozen=True)
class System:
    """An iterated function system of M maps x -> A x + b, each taken with a probability.

    Attributes:
        matrices: (M, 2, 2).
        shifts: (M, 2).
        probabilities: (M,) by the area that a map keeps.
    """

    matrices: Floats
    shifts: Floats
    probabilities: Floats


def draw_fractals(
    path: Path,
    *,
    n_classes: int,
    n_items: int,
    image_size: int,
    seed: int,
    on_progress: Progress = lambda done, total: None,
) -> None:
    """Write a tar of PNG images, a folder a class; the same arguments give the same images.

    Args:
        path: of the tar.
        n_classes: systems; each has as many images as any other, to within one.
        n_items: images, `n_classes` at least.
        image_size: pixels along a side.
        seed: decides systems, variants and colours. A class's images do not depend on how many there are.
        on_progress: called with (done, total) images; may raise.
    """
    sizes = np.full(n_classes, n_items // n_classes)
    sizes[: n_items % n_classes] += 1
    width, done = len(str(n_classes - 1)), 0

    def drawn(part: tuple[int, int, int]) -> list[tuple[str, bytes]]:
        number, start, stop = part
        images = variants(number, range(start, stop), image_size=image_size, seed=seed)
        return [
            (f"fractal-{number:0{width}}/{item:06}.png", encode_png(image))
            for item, image in zip(range(start, stop), images, strict=True)
        ]

    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for files in map_in_order(drawn, _parts(sizes.tolist())):
            for name, data in files:
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
            done += len(files)
            on_progress(done, n_items)


def _parts(sizes: list[int]) -> Iterator[tuple[int, int, int]]:
    for number, size in enumerate(sizes):
        for start in range(0, size, _TOGETHER):
            yield number, start, min(size, start + _TOGETHER)


def variants(number: int, items: range, *, image_size: int, seed: int) -> list[Pixels]:
    """Some images of a class.

    Args:
        number: of the class.
        items: numbers of its images.
        image_size: pixels along a side.
        seed: of the dataset.

    Returns:
        (image_size, image_size, 3) uint8 each.
    """
    system = _system(seed, number)
    return [_image(system, np.random.default_rng([seed, 21, number, item]), image_size) for item in items]


def _system(seed: int, number: int) -> System:
    """The system of a class: the first drawn that fills enough of a small image."""
    rng = np.random.default_rng([seed, 20, number])
    while True:
        system = draw_system(rng)
        if (_density(system, rng, _TRIED_SIDE) > 0).mean() >= FILLED:
            return system


def draw_system(rng: np.random.Generator) -> System:
    """A system by chance.

    Rotations, reflections and shifts are uniform. Singular values s1 >= s2 of the maps are uniform, then
    raised to the one power at which the sum of s1 + 2 s2 over the M maps is a number that is uniform between
    (5 + M) / 2 and (6 + M) / 2, the paper's range of good systems.
    """
    n_maps = int(rng.integers(2, 5))
    values = np.sort(rng.random((n_maps, 2)), axis=1)[:, ::-1]
    wanted = (5 + n_maps + rng.random()) / 2
    low, high = 0.0, 64.0
    for _ in range(_BISECTIONS):  # the sum falls with the power
        power = (low + high) / 2
        low, high = (power, high) if ((values**power) @ (1, 2)).sum() > wanted else (low, power)
    turns = _rotations(rng.random((n_maps, 2)) * 2 * np.pi)
    reflections = rng.choice([-1.0, 1.0], (n_maps, 1, 2))
    scaled = (values**low)[:, None, :] * turns[:, 1].swapaxes(1, 2)
    matrices = turns[:, 0] @ scaled.swapaxes(1, 2) * reflections
    areas = np.maximum(np.abs(np.linalg.det(matrices)), 1e-3)
    return System(matrices, rng.uniform(-1, 1, (n_maps, 2)), areas / areas.sum())


def _rotations(angles: Floats) -> Floats:
    """(…, 2, 2) by angles in radians."""
    cos, sin = np.cos(angles), np.sin(angles)
    return np.stack([np.stack([cos, -sin], axis=-1), np.stack([sin, cos], axis=-1)], axis=-2)


def _density(system: System, rng: np.random.Generator, side: int) -> Floats:
    """(side, side) how often points of the chaos game fall into each pixel, scaled to what they span."""
    steps = BURN_IN + -(-POINTS_A_PIXEL * side * side // PARTICLES)
    chosen = rng.choice(len(system.shifts), (steps, PARTICLES), p=system.probabilities)
    points, path = np.zeros((PARTICLES, 2)), np.empty((steps, PARTICLES, 2))
    for step, maps in enumerate(chosen):
        points = np.einsum("pij,pj->pi", system.matrices[maps], points) + system.shifts[maps]
        path[step] = points
    reached = path[BURN_IN:].reshape(-1, 2)
    low, high = reached.min(axis=0), reached.max(axis=0)
    cells = ((reached - low) / np.maximum(high - low, 1e-9) * (side - 1e-6)).astype(np.int64)
    counts = np.bincount(cells[:, 0] * side + cells[:, 1], minlength=side * side)
    return counts.reshape(side, side).astype(np.float64)


def _image(system: System, rng: np.random.Generator, side: int) -> Pixels:
    """A variant: one map shrunk a little, turned or mirrored, from one colour to another on a soft ground."""
    matrices, shifts = system.matrices.copy(), system.shifts.copy()
    shrunk, by = int(rng.integers(len(shifts))), rng.uniform(SHRUNK, 1)
    matrices[shrunk] *= by
    shifts[shrunk] *= by
    counts = _density(System(matrices, shifts, system.probabilities), rng, side)
    counts = np.rot90(counts[:, ::-1] if rng.random() < 0.5 else counts, int(rng.integers(4)))
    shade = (np.log1p(counts) / np.log1p(counts.max()))[..., None]
    first, last = rng.uniform(0, 255, (2, 3))
    ground = rng.uniform(0, 255, 3) + rng.normal(0, UNEVEN, (4, 4, 3))
    clouds = Image.fromarray(ground.clip(0, 255).astype(np.uint8))
    soft = np.asarray(clouds.resize((side, side), Image.Resampling.BICUBIC))
    drawn = np.where(shade > 0, first + (last - first) * shade, soft)
    return np.rint(drawn).astype(np.uint8)
