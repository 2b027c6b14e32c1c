"""Slow and obvious: every score by its definition, with dense matrices and loops, in float64."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]


def log_evidence(responses: Floats, y: Floats, alpha: float, beta: float) -> float:
    """log N(y; 0, I / beta + F F' / alpha) / N."""
    n = len(y)
    covariance = np.eye(n) / beta + responses @ responses.T / alpha
    _, determinant = np.linalg.slogdet(covariance)
    return float(-(n * np.log(2 * np.pi) + determinant + y @ np.linalg.solve(covariance, y)) / (2 * n))


def largest_log_evidence(responses: Floats, y: Floats, reach: float = 1e12) -> float:
    """The same at the best alpha and beta, alpha / beta within `reach` of the largest eigenvalue of F F'."""
    largest = float(np.linalg.eigvalsh(responses @ responses.T)[-1])

    def loss(log_ratio: float) -> float:
        ratio = largest * math.exp(log_ratio)
        correlation = np.eye(len(y)) + responses @ responses.T / ratio
        beta = len(y) / float(y @ np.linalg.solve(correlation, y))
        return -log_evidence(responses, y, ratio * beta, beta)

    grid = np.linspace(-math.log(reach), math.log(reach), 80)
    losses = [loss(float(x)) for x in grid]
    best = int(np.argmin(losses))
    bounds = (grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)])
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-8})
    return -min(float(found.fun), losses[best])


def logme(responses: Floats, labels: Ids) -> float:
    """The mean over the classes that occur."""
    indicators = [(labels == c).astype(np.float64) for c in np.unique(labels)]
    return float(np.mean([largest_log_evidence(responses, y) for y in indicators]))


def leep(probabilities: Floats, labels: Ids) -> float:
    """Image by image, class by class."""
    n, n_source = probabilities.shape
    joint = {(y, z): 0.0 for y in set(labels.tolist()) for z in range(n_source)}
    for i in range(n):
        for z in range(n_source):
            joint[int(labels[i]), z] += float(probabilities[i, z]) / n
    total = [sum(share for (_, other), share in joint.items() if other == z) for z in range(n_source)]
    logs = []
    for i in range(n):
        known = [z for z in range(n_source) if total[z] > 0]
        logs.append(
            math.log(sum(joint[int(labels[i]), z] / total[z] * float(probabilities[i, z]) for z in known))
        )
    return float(np.mean(logs))


def nce(source_labels: Ids, labels: Ids) -> float:
    """Sum over pairs of P(y, z) log P(y | z)."""
    score, n = 0.0, len(labels)
    for z in set(source_labels.tolist()):
        for y in set(labels.tolist()):
            both = int(((source_labels == z) & (labels == y)).sum())
            if both:
                score += both / n * math.log(both / int((source_labels == z).sum()))
    return score


def ledoit_wolf(responses: Floats) -> tuple[Floats, float]:
    """Covariance (N dividing) and shrinkage, image by image."""
    n, dims = responses.shape
    x = responses - responses.mean(0)
    covariance = x.T @ x / n
    target = np.trace(covariance) / dims * np.eye(dims)
    error = sum(((np.outer(row, row) - covariance) ** 2).sum() for row in x) / n**2
    spread = ((covariance - target) ** 2).sum()
    if dims == 1:
        return covariance, 0.0
    return covariance, float(min(error, spread) / spread)


def h_score(responses: Floats, labels: Ids) -> float:
    """With D x D matrices and an inverse."""
    n, dims = responses.shape
    covariance, share = ledoit_wolf(responses)
    means = np.array([responses[labels == y].mean(0) for y in labels]) - responses.mean(0)
    shrunk = (1 - share) * covariance + share * np.trace(covariance) / dims * np.eye(dims)
    return float(np.trace(np.linalg.inv(shrunk) @ ((1 - share) * means.T @ means / n)))


def gbc(responses: Floats, labels: Ids, *, components: int = 64, floor: float = 1e-4) -> float:
    """By eigenvectors of the covariance, Gaussian by Gaussian, pair by pair."""
    centred = responses - responses.mean(0)
    values, vectors = np.linalg.eigh(centred.T @ centred)
    kept = [i for i in np.argsort(values)[::-1] if values[i] > 1e-12 * values.max()][:components]
    points, dims = centred @ vectors[:, kept], len(kept)
    groups = [points[labels == c] for c in np.unique(labels)]
    several = [group for group in groups if len(group) > 1]
    shared = sum(((g - g.mean(0)) ** 2).sum() for g in several) / (dims * sum(map(len, several)))
    gaussians = []
    for group in groups:
        variance = ((group - group.mean(0)) ** 2).mean() if len(group) > 1 else shared
        gaussians.append((group.mean(0), max(variance, floor * (points**2).mean()) * np.eye(dims)))
    return -sum(_coefficient(*a, *b) for a in gaussians for b in gaussians if a is not b)


def _coefficient(mean_a: Floats, cov_a: Floats, mean_b: Floats, cov_b: Floats) -> float:
    """The Bhattacharyya coefficient of two Gaussians with any covariances."""
    middle, gap = (cov_a + cov_b) / 2, mean_a - mean_b
    dets = [np.linalg.slogdet(matrix)[1] for matrix in (middle, cov_a, cov_b)]
    distance = gap @ np.linalg.solve(middle, gap) / 8 + (dets[0] - (dets[1] + dets[2]) / 2) / 2
    return math.exp(-distance)


def ridge(x: Floats, y: Ids) -> float:
    """Each image by a dense fit on all others, the penalty by the residuals of all."""
    z = x - x.mean(0)
    z = np.column_stack([z / np.sqrt((z**2).sum(1).mean()), np.ones(len(x))])
    wanted = np.eye(y.max() + 1)[y]
    found = []
    for strength in (1e-4, 1e-3, 1e-2, 1e-1, 1.0):
        said = np.empty_like(wanted)
        for i in range(len(x)):
            rest = np.delete(np.arange(len(x)), i)
            gram = z[rest].T @ z[rest] + strength * len(x) * np.eye(z.shape[1])
            said[i] = z[i] @ np.linalg.solve(gram, z[rest].T @ wanted[rest])
        found.append((float(((said - wanted) ** 2).sum()), float((said.argmax(1) == y).mean())))
    return min(found)[1]
