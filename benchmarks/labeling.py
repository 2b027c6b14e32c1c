"""Labels for 100,000 embeddings, and how much faster than one determinant a candidate.

Run: python -m benchmarks.labeling
"""

import time
from collections.abc import Callable
from functools import partial

import numpy as np

from benchmarks.machine import describe
from g2l.anchors import discover_anchors
from g2l.geometry import PREFERENCES, greedy_simplices
from g2l.labeling import label, soft_targets
from g2l.metrics import Floats
from tests.g2l.reference import greedy_orders

N, DIMS, K, LENGTH = 100_000, 512, 14, 4
BRUTE = 100
"""Images that the determinants are timed on."""


def seconds(work: Callable[[], object], *, repeats: int = 3) -> float:
    """The least of a few runs: what is left is other work on the machine."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(50, DIMS))
    responses = (centres[rng.integers(50, size=N)] + rng.normal(size=(N, DIMS))).astype(np.float32)
    print(f"{describe()}, numpy {np.__version__}")
    print(f"{N:,} x {DIMS} embeddings, K = {K}, L = {LENGTH}; seconds")
    anchors = discover_anchors(responses, K)
    report("discover anchors, euclidean", partial(discover_anchors, responses, K), repeats=1)
    for prefer in PREFERENCES:
        report(
            f"label, euclidean, {prefer}", partial(label, responses, anchors, length=LENGTH, prefer=prefer)
        )
    report("soft targets, near, length 1", partial(soft_targets, responses, anchors))
    for metric in ("hellinger", "jensen-shannon"):
        other = discover_anchors(responses[:20_000], K, metric)
        report(f"label, {metric}, far", partial(label, responses, other, length=LENGTH), repeats=1)
    compare(anchors.distances_to(responses), anchors.squared_distances)


def compare(distances: Floats, between: Floats) -> None:
    """Growth alone against determinants, on the same distances."""
    few = distances[:BRUTE]
    growth = seconds(partial(greedy_simplices, distances, between, LENGTH)) / N
    brute = seconds(partial(greedy_orders, few, between, LENGTH, "far"), repeats=1) / BRUTE
    same = np.array_equal(
        greedy_simplices(few, between, LENGTH).order, greedy_orders(few, between, LENGTH, "far")[0]
    )
    print(f"growth alone: {growth * 1e6:.2f} us an image; determinants: {brute * 1e6:.0f} us")
    print(f"ratio {brute / growth:.0f}; the same sequences on {BRUTE} images: {same}")


def report(name: str, work: Callable[[], object], *, repeats: int = 3) -> None:
    print(f"{name}: {seconds(work, repeats=repeats):.2f}")


if __name__ == "__main__":
    main()
