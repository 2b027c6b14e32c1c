"""Transfers as a study might give them, to try ways to forecast on; no result about any method.

Spreads are after a screening of 13 arms on 3 to 11 targets (sources 3 to 9 points apart, targets 40) and
docs/results/scores.md: kNN accuracy below the transfer's and off by another amount on each target and for
each source; H-score, NCE and LEEP moved most by the number of classes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from g2l.figures import Figures
from g2l.forecast.records import Candidate, PastTransfer

CLASSES = (3, 30)
SIZES = (12_000, 24_000)
TEST_IMAGES = 400


@dataclass(frozen=True)
class World:
    """How transfers come about; spreads are standard deviations of logit accuracy.

    Attributes:
        targets: number of targets.
        sources: number of recipes.
        budgets: images a class.
        seeds: of each recipe.
        hardness: spread over targets.
        merit: spread over sources.
        affinity: spread of a source's luck with a target.
        knn_off: spread over targets of what kNN accuracy gets wrong.
    """

    targets: int = 12
    sources: int = 13
    budgets: Sequence[int] = (10,)
    seeds: int = 2
    hardness: float = 0.9
    merit: float = 0.15
    affinity: float = 0.15
    knn_off: float = 0.15


def simulated(world: World, *, seed: int = 0) -> list[PastTransfer]:
    """The transfers of each source to each target."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(*CLASSES, world.targets)
    hard = world.hardness * rng.normal(size=world.targets) - 0.25 * (np.log(classes) - 2)
    merit = world.merit * rng.normal(size=world.sources)
    affinity = world.affinity * rng.normal(size=(world.targets, world.sources))
    off_target = world.knn_off * rng.normal(size=world.targets)
    off_source = 0.25 * rng.normal(size=world.sources)
    far_target, far_source = 0.1 * rng.random(world.targets), 0.03 * rng.random(world.sources)
    sizes = rng.choice(SIZES, world.sources)
    records = []
    grid = product(range(world.targets), range(world.sources), world.budgets, range(world.seeds))
    for t, s, budget, k in grid:
        more = 0.5 * math.log(budget / 10)
        truth = _share(float(hard[t] + merit[s] + affinity[t, s] + more + 0.08 * rng.normal()))
        seen = 0.9 * (hard[t] + off_target[t]) - 0.7 + off_source[s] + 0.8 * more
        seen += 0.6 * (merit[s] + affinity[t, s]) + 0.1 * rng.normal()
        distance = far_target[t] + far_source[s] - 0.02 * affinity[t, s] + 0.01 * rng.normal()
        figures = _figures(rng, float(seen), float(np.maximum(distance, 0)), int(classes[t]), s)
        known = Candidate(f"s{s}-{k}", int(sizes[s]), figures, f"s{s}")
        accuracy = rng.binomial(TEST_IMAGES, truth) / TEST_IMAGES
        records.append(PastTransfer(f"t{t}", known, int(classes[t]), budget, accuracy))
    return records


def _figures(rng: np.random.Generator, seen: float, distance: float, n_classes: int, source: int) -> Figures:
    noise, bits = rng.normal(size=7), math.log(n_classes)
    return {
        "knn": _share(seen),
        "logme": 0.3 * seen - 0.1 * bits + 0.05 * noise[0],
        "h_score": (n_classes - 1) * _share(0.5 * seen + 0.3 + 0.05 * noise[1]),
        "leep": 0.2 * seen - 0.8 * bits - 0.1 * (source % 3) + 0.1 * noise[2],
        "nce": 0.1 * (source % 4) - 0.6 * bits + 0.1 * noise[3],
        "gbc": -0.2 * n_classes * math.exp(0.1 * noise[4] - 0.5 * seen),
        "jensen_shannon": distance,
        "frechet": 0.5 + 3 * distance + 0.05 * abs(noise[5]),
        "energy_distance": 0.2 + distance + 0.02 * abs(noise[6]),
    }


def _share(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))
