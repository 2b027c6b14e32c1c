"""Divergences between datasets, from the responses of one embedder to both."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from g2l.metrics import Floats, Metric, as_responses, batch_slices, fit_distribution_rule


def jensen_shannon(responses_p: ArrayLike, responses_q: ArrayLike) -> float:
    """Jensen-Shannon divergence between the mean responses of two datasets.

    Each mean response becomes a distribution by the rule of docs/method.md, "Metrics", fitted on both
    datasets together: r / sum r if no response is negative, else the softmax of r standardized.

    Args:
        responses_p: (N, D) of one dataset.
        responses_q: (M, D) of the other.

    Returns:
        In nats, 0 to ln 2; symmetric; 0 for a dataset and itself.

    Raises:
        BadResponsesError, NonFiniteResponsesError: either.
    """
    p = as_responses(responses_p)
    q = as_responses(responses_q, dims=p.shape[1])
    rule = fit_distribution_rule("jensen-shannon", p, q)
    between = rule.between(_mean_distribution(rule, p), _mean_distribution(rule, q))
    return float(min(between[0, 0], np.log(2)))


def _mean_distribution(rule: Metric, responses: NDArray[np.generic]) -> Floats:
    """(1, D) the mean response as a distribution."""
    total = sum(responses[rows].astype(np.float64).sum(0) for rows in batch_slices(responses))
    return rule.prepare(np.asarray(total / len(responses))[None])
