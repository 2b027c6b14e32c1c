"""Where published code for the scores goes wrong: each claim of docs/scores.md, and that ours does not."""

import math

import numpy as np
import pytest
from scipy.stats import ortho_group

from g2l.transferability.gbc import gbc
from g2l.transferability.h_score import h_score
from g2l.transferability.logme import logme
from g2l.transferability.source_labels import leep
from tests.g2l.transferability import published, reference
from tests.g2l.transferability.test_scores import source, target


@pytest.mark.parametrize(("n", "dims", "dead"), [(20, 60, 0), (30, 40, 0), (60, 40, 15), (60, 40, 0)])
def test_evidence_without_the_directions_that_no_response_has(n: int, dims: int, dead: int) -> None:
    x, labels = target(n, dims)
    x[:, :dead] = 0.0
    y, alpha, beta = (labels == 0).astype(float), 3.0, 7.0
    exact = reference.log_evidence(x, y, alpha, beta)
    assert published.log_evidence(x, y, alpha, beta, directions=dims) == pytest.approx(exact, rel=1e-9)
    rank = min(n, dims - dead)
    short = published.log_evidence(x, y, alpha, beta, directions=rank)
    assert short - exact == pytest.approx((dims - rank) / 2 * math.log(alpha) / n, rel=1e-6, abs=1e-9)


def test_that_error_changes_which_source_ranks_first() -> None:
    narrow, labels = target(40, 30, seed=3)
    rng = np.random.default_rng(0)
    wide = np.concatenate([narrow, rng.normal(size=(40, 300))], axis=1)  # the same, and noise
    assert logme(wide, labels) < logme(narrow, labels)
    short = {}
    for x in (narrow, wide):
        evidences = []
        for c in range(4):
            y = (labels == c).astype(float)
            alpha, beta = published.fixed_point(x, y, steps=11)
            evidences.append(published.log_evidence(x, y, alpha, beta, directions=min(x.shape)))
        short[x.shape[1]] = float(np.mean(evidences))
    assert short[330] > short[30]


def test_eleven_steps_of_the_fixed_point_may_not_arrive() -> None:
    x, labels = target(60, 20)
    y = np.random.default_rng(1).permutation(labels == 0).astype(float)
    y -= y.mean()
    x -= x.mean(0)
    best = reference.largest_log_evidence(x, y)
    after = [reference.log_evidence(x, y, *published.fixed_point(x, y, steps=s)) for s in (11, 200)]
    assert best - after[0] > 1e-4
    assert after[0] < after[1] <= best + 1e-9


def test_a_class_that_is_missing_has_evidence_without_bound() -> None:
    x, labels = target(40, 20)
    alpha, beta = published.fixed_point(x, np.zeros(40), steps=11, guard=1e-5)
    missing = published.log_evidence(x, np.zeros(40), alpha, beta, directions=20)
    y = (labels == 0).astype(float)
    assert missing > reference.largest_log_evidence(x, y) + 5
    assert logme(x, np.where(labels > 1, labels + 1, labels)) == pytest.approx(logme(x, labels))


def test_the_h_score_by_a_pseudo_inverse_says_nothing_of_few_images() -> None:
    x, labels = target(20, 40)
    noise = np.random.default_rng(1).normal(size=x.shape)
    for responses in (x, noise):
        assert published.inverse_h_score(responses, labels) == pytest.approx(3.0)
    assert h_score(noise, labels) < h_score(x, labels) - 0.5


def test_matrices_multiplied_entry_by_entry_see_the_axes() -> None:
    x, labels = target(60, 12)
    turned = x @ ortho_group.rvs(12, random_state=0)
    assert published.inverse_h_score(turned, labels) == pytest.approx(published.inverse_h_score(x, labels))
    assert abs(published.entrywise_h_score(turned, labels) - published.entrywise_h_score(x, labels)) > 0.1


def test_two_divisors_give_more_than_there_is() -> None:
    labels = np.arange(12) % 4
    x = np.eye(4)[labels]
    share = reference.ledoit_wolf(x)[1]
    assert published.mixed_h_score(x, labels, share) == pytest.approx(h_score(x, labels) * 12 / 11)


def test_a_source_class_never_seen_makes_leep_no_number() -> None:
    p, labels = source(30, 5)
    never = np.concatenate([p, np.zeros((30, 1))], axis=1)
    assert published.unguarded_leep(p, labels) == pytest.approx(leep(p, labels))
    assert math.isnan(published.unguarded_leep(never, labels))
    assert leep(never, labels) == pytest.approx(leep(p, labels))


def test_a_floor_in_the_responses_units_sees_their_scale() -> None:
    x, labels = target(60, 12)
    assert published.floored_gbc(x, labels) == pytest.approx(gbc(x, labels))
    assert published.floored_gbc(1e-3 * x, labels) < published.floored_gbc(x, labels) - 1
    assert gbc(1e-3 * x, labels) == pytest.approx(gbc(x, labels))
