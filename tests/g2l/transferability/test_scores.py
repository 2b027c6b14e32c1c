"""LogME, LEEP, NCE, shrunk H-score and GBC against their dense definitions, and what must not change them."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group
from sklearn.covariance import ledoit_wolf_shrinkage

from g2l.errors import G2LError
from g2l.metrics import NonFiniteResponsesError
from g2l.transferability.gbc import gbc
from g2l.transferability.h_score import h_score
from g2l.transferability.inputs import BadLabelsError, SingleImageClassError
from g2l.transferability.logme import NOISE_RANGE, logme
from g2l.transferability.source_labels import BadProbabilitiesError, leep, nce
from tests.g2l.transferability import reference
from tests.g2l.transferability.reference import Floats, Ids

Score = Callable[[Floats, Ids], float]
OF_RESPONSES: tuple[Score, ...] = (logme, h_score, gbc)
SHAPES = [(20, 50), (30, 30), (31, 30), (30, 31), (40, 12), (48, 30), (12, 1)]
seeds = st.integers(0, 2**32 - 1)
scores = pytest.mark.parametrize("score", OF_RESPONSES)


def target(n: int, dims: int, *, seed: int = 0, n_classes: int = 4) -> tuple[Floats, Ids]:
    """Classes with means of their own, two images or more each."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.concatenate([np.arange(2 * n_classes), rng.integers(n_classes, size=n)])[:n])
    labels %= n_classes
    return rng.normal(size=(n, dims)) + 1.5 * rng.normal(size=(n_classes, dims))[labels], labels


def source(n: int, n_source: int, *, seed: int = 0) -> tuple[Floats, Ids]:
    """A source's probabilities, some of them near 0, and labels that go with them in part."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(n_source, 0.2), size=n)
    labels = np.where(rng.random(n) < 0.6, p.argmax(1) % 3, rng.integers(3, size=n))
    labels[:3] = range(3)
    return p, labels


def spoilt(responses: Floats, labels: Ids, fault: str) -> tuple[Floats, Ids]:
    x, y = responses.copy(), labels.copy()
    if fault == "constant features":
        x = np.concatenate([x, np.tile([5.0, 0.0], (len(x), 1))], axis=1)
    elif fault == "repeated features":
        x = np.concatenate([x, x[:, :3]], axis=1)
    elif fault == "a class missing from the budget":
        y[y == 2] = 3
    elif fault == "a class with one image":
        y[0] = 9
    elif fault == "tiny and positive":
        x = 1e-6 * np.maximum(x, 0)
    return x, y


@pytest.mark.parametrize(("n", "dims"), SHAPES)
@pytest.mark.parametrize(
    "fault",
    [
        "none",
        "constant features",
        "repeated features",
        "a class missing from the budget",
        "a class with one image",
        "tiny and positive",
    ],
)
def test_scores_of_responses_equal_their_definitions(n: int, dims: int, fault: str) -> None:
    x, y = spoilt(*target(n, dims, seed=n), fault)
    assert logme(x, y) == pytest.approx(reference.logme(x, y), rel=1e-8, abs=1e-8)
    assert h_score(x, y) == pytest.approx(reference.h_score(x, y), rel=1e-8)
    assert gbc(x, y) == pytest.approx(reference.gbc(x, y), rel=1e-8)


@given(seed=seeds, n=st.integers(6, 40), n_source=st.integers(1, 12))
@settings(max_examples=30, deadline=None)
def test_scores_of_source_labels_equal_their_definitions(seed: int, n: int, n_source: int) -> None:
    p, y = source(n, n_source, seed=seed)
    assert leep(p, y) == pytest.approx(reference.leep(p, y), rel=1e-8, abs=1e-12)
    assert nce(p.argmax(1), y) == pytest.approx(reference.nce(p.argmax(1), y), rel=1e-8, abs=1e-12)


@given(seed=seeds)
@settings(max_examples=20, deadline=None)
def test_no_alpha_and_beta_have_more_evidence(seed: int) -> None:
    x, y = target(24, 10 + seed % 30, seed=seed)
    rng = np.random.default_rng(seed)
    for _ in range(20):
        tried = [
            reference.log_evidence(x, (y == c).astype(float), *np.exp(rng.uniform(-6, 6, size=2)))
            for c in np.unique(y)
        ]
        assert np.mean(tried) <= logme(x, y) + 1e-9


def test_labels_that_fit_without_error_have_bounded_evidence() -> None:
    x, y = np.repeat(np.eye(3), 10, axis=0), np.repeat(np.arange(3), 10)
    # 27 directions without signal shrink with alpha / beta, to its bound, and the one with signal does not
    assert logme(x, y) == pytest.approx(27 / 60 * math.log(NOISE_RANGE), abs=2.0)
    assert logme(x, y) > logme(*target(30, 3, n_classes=3)) + 5


@scores
@given(seed=seeds, wide=st.booleans())
@settings(max_examples=15, deadline=None)
def test_rotations_scale_and_the_names_of_classes_do_not_matter(score: Score, seed: int, wide: bool) -> None:
    dims = 40 if wide else 6
    x, y = target(25, dims, seed=seed)
    expected = pytest.approx(score(x, y), rel=1e-7, abs=1e-9)
    assert score(x @ ortho_group.rvs(dims, random_state=seed % 2**31), y) == expected
    assert score(1e3 * x, y) == expected
    assert score(x, np.array([7, 3, 5, 1])[y]) == expected
    order = np.random.default_rng(seed).permutation(len(x))
    assert score(x[order], y[order]) == expected


@pytest.mark.parametrize("score", [h_score, gbc])
@given(seed=seeds)
@settings(max_examples=15, deadline=None)
def test_where_the_origin_lies_does_not_matter(score: Score, seed: int) -> None:
    x, y = target(25, 8, seed=seed)
    assert score(x + 100.0, y) == pytest.approx(score(x, y), rel=1e-7)


@scores
def test_classes_that_lie_apart_score_higher(score: Score) -> None:
    x, y = target(40, 20)
    means = np.stack([x[y == c].mean(0) for c in range(4)])[y]
    near, far = means + 2 * (x - means), means + 0.5 * (x - means)
    shuffled = np.random.default_rng(1).permutation(y)
    assert score(x, shuffled) < score(near, y) < score(x, y) < score(far, y)


@given(seed=seeds)
@settings(max_examples=20, deadline=None)
def test_ranges(seed: int) -> None:
    x, y = target(10 + seed % 50, 1 + seed % 37, seed=seed)
    assert 0 <= h_score(x, y) <= 3
    assert -12 <= gbc(x, y) <= 0
    p, y = source(30, 8, seed=seed)
    entropy = -sum(share * math.log(share) for share in np.bincount(y) / len(y))
    assert -entropy - 1e-12 <= nce(p.argmax(1), y) <= 0
    assert leep(p, y) <= 0


@given(seed=seeds)
@settings(max_examples=20, deadline=None)
def test_leep_of_a_source_without_doubt_is_nce(seed: int) -> None:
    p, y = source(30, 6, seed=seed)
    z = p.argmax(1)
    assert leep(np.eye(6)[z], y) == pytest.approx(nce(z, y), abs=1e-12)


def test_source_labels_that_give_the_target_away_or_tell_nothing() -> None:
    y = np.arange(40) % 4
    assert nce(9 - y, y) == 0.0
    assert nce(np.zeros(40), y) == pytest.approx(-math.log(4))
    assert leep(np.full((40, 5), 0.2), y) == pytest.approx(-math.log(4))


@given(seed=seeds)
@settings(max_examples=15, deadline=None)
def test_the_order_of_source_classes_and_those_never_seen_do_not_matter(seed: int) -> None:
    p, y = source(25, 6, seed=seed)
    assert leep(p[:, ::-1], y) == pytest.approx(leep(p, y))
    assert leep(np.pad(p, [(0, 0), (2, 3)]), y) == pytest.approx(leep(p, y))


@given(seed=seeds)
@settings(max_examples=15, deadline=None)
def test_several_softmaxes_count_as_one_of_which_one_is_drawn(seed: int) -> None:
    first, y = source(25, 6, seed=seed)
    second, _ = source(25, 3, seed=seed + 1)
    both = np.stack([first.argmax(1), second.argmax(1)], axis=1)
    mean = (nce(both[:, 0], y) + nce(both[:, 1], y)) / 2
    assert nce(both, y) == pytest.approx(mean)
    sides = np.concatenate([first, second], axis=1) / 2
    assert leep(sides, y) >= (leep(first, y) + leep(second, y)) / 2 - 1e-12


@given(seed=seeds, n=st.integers(3, 40), dims=st.integers(1, 40))
@settings(max_examples=20, deadline=None)
def test_the_shrinkage_is_that_of_ledoit_and_wolf(seed: int, n: int, dims: int) -> None:
    x = np.random.default_rng(seed).normal(size=(n, dims)) @ np.diag(np.arange(1.0, dims + 1))
    assert reference.ledoit_wolf(x)[1] == pytest.approx(ledoit_wolf_shrinkage(x), rel=1e-9)


@scores
def test_a_source_that_sees_no_difference_scores_lowest(score: Score) -> None:
    x, y = target(30, 7)
    blind = score(np.full_like(x, 0.1), y)
    assert np.isfinite(blind)
    assert blind < score(x, y)
    assert (h_score(np.full_like(x, 0.1), y), gbc(np.full_like(x, 0.1), y)) == (0.0, -12.0)


@scores
def test_unusable_responses_and_labels_are_refused(score: Score) -> None:
    x, y = target(20, 5)
    with pytest.raises(BadLabelsError, match="two classes"):
        score(x, np.zeros(20, dtype=np.int64))
    with pytest.raises(BadLabelsError, match="20 responses"):
        score(x, y[:-1])
    x[3, 2] = np.nan
    with pytest.raises(NonFiniteResponsesError, match="response 3"):
        score(x, y)


def test_unusable_probabilities_are_refused() -> None:
    p, y = source(20, 5)
    with pytest.raises(SingleImageClassError):
        gbc(np.random.default_rng(0).normal(size=(4, 3)), np.arange(4))
    bad: list[tuple[Callable[[], float], type[G2LError]]] = [
        (lambda: leep(2 * p, y), BadProbabilitiesError),
        (lambda: leep(p - 0.5, y), BadProbabilitiesError),
        (lambda: leep(p[0], y), BadProbabilitiesError),
        (lambda: leep(p, y[1:]), BadLabelsError),
        (lambda: nce(p[:, :0], y), BadProbabilitiesError),
        (lambda: nce(p.argmax(1), y[1:]), BadLabelsError),
    ]
    for call, error in bad:
        with pytest.raises(error):
            call()
