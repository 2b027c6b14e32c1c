"""Transferability scores: their time and that of their dense definitions, and how far published ones are off.

Run: OMP_NUM_THREADS=1 python -m benchmarks.scores
"""

import time
from collections.abc import Callable
from functools import partial

import numpy as np

from benchmarks.machine import describe
from g2l.divergence import divergences
from g2l.transferability.gbc import gbc
from g2l.transferability.h_score import h_score
from g2l.transferability.knn import knn_accuracy
from g2l.transferability.logme import logme
from g2l.transferability.ridge import ridge_accuracy
from g2l.transferability.scores import transferability_scores
from g2l.transferability.source_labels import leep, nce
from tests.g2l.transferability import published, reference
from tests.g2l.transferability.reference import Floats, Ids

N_CLASSES, N_SOURCE = 10, 64
SHAPES = [(100, 256), (256, 256), (500, 256)]
LARGE = 2000
BUDGETS = (5, 10, 50)
DIMS = 512


def target(n: int, dims: int) -> tuple[Floats, Ids]:
    """Non-negative responses, as pooled activations are, with a mean for each class."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % N_CLASSES
    means = rng.normal(size=(N_CLASSES, dims))
    return np.maximum(0.5 * means[labels] + rng.normal(size=(n, dims)) + 0.5, 0.0), labels


def source(n: int) -> tuple[Floats, Ids]:
    p = np.random.default_rng(1).dirichlet(np.full(N_SOURCE, 0.1), size=n)
    return p, p.argmax(1)


def seconds(work: Callable[[], float]) -> tuple[float, float]:
    """Least processor time of up to three runs, whatever else the machine does; and what came out."""
    times: list[float] = []
    value = 0.0
    while len(times) < 3 and sum(times) < 10:
        start = time.process_time()
        value = work()
        times.append(time.process_time() - start)
    return min(times), value


def main() -> None:
    print(f"{describe()}, numpy {np.__version__}")
    print("| score | N x D | ms | dense definition, ms | relative difference |\n|---|---|---|---|---|")
    for n, dims in SHAPES:
        x, y = target(n, dims)
        p, z = source(n)
        for name, ours, dense in (
            ("logme", partial(logme, x, y), partial(reference.logme, x, y)),
            ("h_score", partial(h_score, x, y), partial(reference.h_score, x, y)),
            ("gbc", partial(gbc, x, y), partial(reference.gbc, x, y)),
            ("ridge", partial(ridge_accuracy, x, y), partial(reference.ridge, x, y)),
            ("leep", partial(leep, p, y), partial(reference.leep, p, y)),
            ("nce", partial(nce, z, y), partial(reference.nce, z, y)),
        ):
            (fast, value), (slow, exact) = seconds(ours), seconds(dense)
            difference = abs(value - exact) / max(abs(exact), 1e-12)
            print(f"| {name} | {n} x {dims} | {1e3 * fast:.1f} | {1e3 * slow:.0f} | {difference:.0e} |")
    print(f"\n| D, {LARGE} images | kNN, s | all scores, s | divergences, s |\n|---|---|---|---|")
    for dims in (256, 512, 2048):
        x, y = target(LARGE, dims)
        p, _ = source(LARGE)
        knn, _ = seconds(partial(knn_accuracy, x, y))
        every, _ = seconds(partial(all_scores, x, y, p))
        apart, _ = seconds(partial(all_divergences, x))
        print(f"| {dims} | {knn:.2f} | {every:.2f} | {apart:.2f} |")
    compare_evidence()


def all_scores(x: Floats, y: Ids, p: Floats) -> float:
    return transferability_scores(x, y, source_probabilities=lambda picked: [p[picked]]).logme


def all_divergences(x: Floats) -> float:
    return divergences(x, x + 0.1)["frechet"]


def compare_evidence() -> None:
    """Mean evidence of the classes at the same alpha and beta, with and without all directions."""
    print("\n| images a class | N | D | evidence | published formula | too large by |")
    print("|---|---|---|---|---|---|")
    for budget in BUDGETS:
        x, labels = target(budget * N_CLASSES, DIMS)
        found = []
        for c in range(N_CLASSES):
            y = (labels == c).astype(np.float64)
            alpha, beta = published.fixed_point(x, y, steps=11, guard=1e-5)
            directions = (DIMS, min(x.shape))
            found.append([published.log_evidence(x, y, alpha, beta, directions=d) for d in directions])
        exact, short = np.mean(found, axis=0)
        print(f"| {budget} | {len(x)} | {DIMS} | {exact:.3f} | {short:.3f} | {short - exact:.3f} |")


if __name__ == "__main__":
    main()
