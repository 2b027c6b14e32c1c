"""Published ways to compute the scores that go wrong, by their formulas; docs/scores.md says whose."""

import numpy as np

from tests.g2l.transferability.reference import Floats, Ids


def log_evidence(responses: Floats, y: Floats, alpha: float, beta: float, *, directions: int) -> float:
    """The evidence an image by the posterior mean m of the weights, its determinant over some directions.

    D/2 log alpha + N/2 log beta - 1/2 sum log(alpha + beta s^2) - beta/2 |y - F m|^2 - alpha/2 |m|^2
    - N/2 log 2 pi. The sum has D terms, of which D - rank are log alpha.
    """
    n, dims = responses.shape
    precision = alpha * np.eye(dims) + beta * responses.T @ responses
    mean = beta * np.linalg.solve(precision, responses.T @ y)
    squares = np.zeros(dims)
    singular = np.linalg.svd(responses, compute_uv=False)
    squares[: len(singular)] = singular**2
    evidence = dims * np.log(alpha) + n * np.log(beta) - n * np.log(2 * np.pi)
    evidence -= np.log(alpha + beta * squares[:directions]).sum()
    evidence -= beta * ((y - responses @ mean) ** 2).sum() + alpha * (mean**2).sum()
    return float(evidence / (2 * n))


def fixed_point(responses: Floats, y: Floats, *, steps: int, guard: float = 0.0) -> tuple[float, float]:
    """Alpha and beta by so many steps of MacKay's iteration, `guard` added to its denominators."""
    n = len(y)
    u, singular, _ = np.linalg.svd(responses, full_matrices=False)
    squares, inside = singular**2, (u.T @ y) ** 2
    outside = float(y @ y - inside.sum())
    alpha = beta = 1.0
    for _ in range(steps):
        ratio = alpha / beta
        known = (squares / (squares + ratio)).sum()
        alpha = known / ((squares * inside / (squares + ratio) ** 2).sum() + guard)
        beta = (n - known) / ((inside / (1 + squares / ratio) ** 2).sum() + outside + guard)
    return float(alpha), float(beta)


def inverse_h_score(responses: Floats, labels: Ids) -> float:
    """tr(S^+ B) by the pseudo-inverse, without shrinkage."""
    covariance, between = _covariances(responses, labels, divisor=len(labels) - 1)
    return float(np.trace(np.linalg.pinv(covariance, rcond=1e-15) @ between))


def entrywise_h_score(responses: Floats, labels: Ids) -> float:
    """The same with the two matrices multiplied entry by entry."""
    covariance, between = _covariances(responses, labels, divisor=len(labels) - 1)
    return float(np.trace(np.linalg.pinv(covariance, rcond=1e-5) * between))


def mixed_h_score(responses: Floats, labels: Ids, share: float) -> float:
    """Shrunk by `share`, S by N and B by N - 1."""
    n, dims = responses.shape
    covariance, _ = _covariances(responses, labels, divisor=n)
    _, between = _covariances(responses, labels, divisor=n - 1)
    shrunk = (1 - share) * covariance + share * np.trace(covariance) / dims * np.eye(dims)
    return float(np.trace(np.linalg.solve(shrunk, (1 - share) * between)))


def unguarded_leep(probabilities: Floats, labels: Ids) -> float:
    """P(y | z) by a division that nothing guards."""
    joint = np.stack([probabilities[labels == y].sum(0) for y in np.unique(labels)])
    with np.errstate(invalid="ignore"):
        predicted = probabilities @ (joint / joint.sum(0)).T
    return float(np.log(predicted[np.arange(len(labels)), labels]).mean())


def floored_gbc(responses: Floats, labels: Ids, floor: float = 1e-4) -> float:
    """Spherical Gaussians on the responses as they come, with a floor in the responses' own units."""
    groups = [responses[labels == c] for c in np.unique(labels)]
    variances = [float(np.maximum(group.var(0), floor).mean()) for group in groups]
    score = 0.0
    for i, a in enumerate(groups):
        for j, b in enumerate(groups):
            middle = (variances[i] + variances[j]) / 2
            gap = ((a.mean(0) - b.mean(0)) ** 2).sum() / (8 * middle)
            excess = np.log(middle) - (np.log(variances[i]) + np.log(variances[j])) / 2
            score -= float(np.exp(-gap - responses.shape[1] / 2 * excess)) if i != j else 0.0
    return score


def _covariances(responses: Floats, labels: Ids, *, divisor: int) -> tuple[Floats, Floats]:
    x = responses - responses.mean(0)
    means = np.array([responses[labels == y].mean(0) for y in labels]) - responses.mean(0)
    return x.T @ x / divisor, means.T @ means / divisor
