"""Transferability scores: their time and that of their dense definitions, and how far published ones are off.

Run: python -m benchmarks.scores
"""

import time
from collections.abc import Callable
from functools import partial

import numpy as np

from benchmarks.machine import describe
from g2l.transferability.gbc import gbc
from g2l.transferability.h_score import h_score
from g2l.transferability.knn import knn_accuracy
from g2l.transferability.logme import logme
from g2l.transferability.scores import transferability_scores
from g2l.transferability.source_labels import leep, nce
from tests.g2l.transferability import published, reference
from tests.g2l.transferability.reference import Floats, Ids

N_CLASSES, N_SOURCE = 10, 64
SHAPES = [(100, 256), (256, 256), (500, 256)]
LARGE = (2000, 512)
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
    """Least time of up to three runs, and what came out."""
    times: list[float] = []
    value = 0.0
    while len(times) < 3 and sum(times) < 10:
        start = time.perf_counter()
        value = work()
        times.append(time.perf_counter() - start)
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
            ("leep", partial(leep, p, y), partial(reference.leep, p, y)),
            ("nce", partial(nce, z, y), partial(reference.nce, z, y)),
        ):
            (fast, value), (slow, exact) = seconds(ours), seconds(dense)
            difference = abs(value - exact) / max(abs(exact), 1e-12)
            print(f"| {name} | {n} x {dims} | {1e3 * fast:.1f} | {1e3 * slow:.0f} | {difference:.0e} |")
    x, y = target(*LARGE)
    p, _ = source(LARGE[0])
    knn, _ = seconds(partial(knn_accuracy, x, y))
    every, _ = seconds(lambda: transferability_scores(x, y, source_probabilities=lambda i: [p[i]]).logme)
    print(f"\nAll six on {LARGE[0]} x {LARGE[1]}: {every:.2f} s, kNN alone {knn:.2f} s")
    compare_evidence()


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
