"""Energy distances against their definition, and what they promise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from g2l.anchors import DuplicateAnchorsError, discover_anchors, fit_anchors
from g2l.energy import PAIRS, SampledAnchors, mean_length
from g2l.metrics import fit_metric
from tests.g2l.reference import Floats

approx = pytest.approx
seeds = st.integers(0, 2**32 - 1)


def energy(x: Floats, y: Floats) -> float:
    """2 E|x - y| - E|x - x'| - E|y - y'|, pair by pair."""

    def mean(a: Floats, b: Floats) -> float:
        return float(np.mean([[np.linalg.norm(p - q) for q in b] for p in a]))

    return 2 * mean(x, y) - mean(x, x) - mean(y, y)


def samples(seed: int, sizes: tuple[int, ...] = (3, 7, 1, 5), dims: int = 6) -> list[Floats]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=dims) + rng.random() * rng.normal(size=(size, dims)) for size in sizes]


def sampled(groups: list[Floats]) -> SampledAnchors:
    return SampledAnchors.of(
        np.concatenate(groups), np.repeat(np.arange(len(groups)), list(map(len, groups)))
    )


@given(seed=seeds)
@settings(max_examples=25)
def test_distances_are_the_definition(seed: int) -> None:
    groups, others = samples(seed), samples(seed + 1)[1]
    anchors = sampled(groups)
    assert anchors.to_points(others) == approx(
        np.array([[energy(x[None], y) for y in groups] for x in others]), abs=1e-9
    )
    spread = mean_length(others, others)
    assert anchors.to_sample(others, spread) == approx(
        np.array([energy(others, y) for y in groups]), abs=1e-9
    )
    between = anchors.between()
    assert between == approx(np.array([[energy(x, y) for y in groups] for x in groups]), abs=1e-9)
    assert np.array_equal(between, between.T)
    assert (np.diagonal(between) == 0).all()


@given(seed=seeds)
@settings(max_examples=25)
def test_images_and_anchors_embed_together(seed: int) -> None:
    """Schoenberg, for a matrix that mixes single images with samples."""
    groups, images = samples(seed), samples(seed + 1)[1]
    d2 = sampled([*groups, *(image[None] for image in images)]).between()
    centring = np.eye(len(d2)) - 1 / len(d2)
    assert np.linalg.eigvalsh(-centring @ d2 @ centring / 2).min() >= -1e-9


def test_a_sample_is_at_distance_zero_from_itself() -> None:
    group = samples(0)[1]
    spread = mean_length(group, group)
    assert sampled([group]).to_sample(group.copy(), spread) == approx(0.0, abs=1e-9)
    assert (
        sampled([group[:1]]).to_points(group[:1] * (1 + 1e-15))[0, 0] == 0.0
    )  # and not the root of rounding


def test_chance_makes_the_distance_of_samples_of_one_domain() -> None:
    rng = np.random.default_rng(4)
    anchors = sampled([rng.normal(size=(40, 5)) for _ in range(50)])
    more = rng.normal(size=(60, 5))
    spread = mean_length(more, more)
    expected = anchors.by_chance(60, spread).mean()
    assert anchors.to_sample(more, spread).mean() == approx(expected, rel=0.25)


def test_slices_of_pairs_do_not_show() -> None:
    x = np.random.default_rng(0).normal(size=(2000, 3))
    assert len(x) ** 2 > PAIRS
    pairs = np.linalg.norm(x[:, None] - x[None], axis=-1)
    assert mean_length(x, x) == approx(pairs.mean(), rel=1e-9)
    anchors = sampled([x[:500], x[500:]])
    assert anchors.to_points(x)[:, 0] == approx(
        2 * pairs[:, :500].mean(1) - pairs[:500, :500].mean(), abs=1e-9
    )


def test_it_tells_domains_of_one_mean_apart() -> None:
    rng = np.random.default_rng(1)
    centre = np.array([3.0, 0, 0, 0])
    narrow, wide = (centre + width * rng.normal(size=(200, 4)) for width in (0.1, 1.5))
    wide += narrow.mean(0) - wide.mean(0)
    anchors = fit_anchors({"narrow": narrow, "wide": wide}, "energy")
    assert anchors.squared_distances[0, 1] > 0.05
    spread = np.linalg.norm(wide / np.linalg.norm(wide, axis=1, keepdims=True) - centre / 3, axis=1)
    far_out = wide[spread > 1.0]
    assert (anchors.distances_to(far_out).argmin(1) == 1).all()


@pytest.mark.parametrize("made", ["given", "discovered"])
def test_anchor_sets_measure_images_to_the_kept_samples(made: str) -> None:
    rng = np.random.default_rng(2)
    x = np.repeat(3 * rng.normal(size=(4, 8)), 300, axis=0) + rng.normal(size=(1200, 8))
    x = x.astype(np.float32)
    if made == "given":
        anchors = fit_anchors(dict(zip("abcd", np.split(x, 4), strict=True)), "energy")
    else:
        anchors = discover_anchors(x, 4, "energy")
    units = fit_metric("energy", x).prepare(anchors.samples)
    groups = [units[anchors.sample_anchors == k] for k in range(4)]
    assert max(map(len, groups)) <= 256
    images = fit_metric("energy", x).prepare(x[::300])
    assert anchors.distances_to(x[::300])[:, 2] == approx(
        np.array([energy(image[None], groups[2]) for image in images]), abs=1e-6
    )
    assert anchors.squared_distances[0, 3] == approx(energy(groups[0], groups[3]), abs=1e-6)


def test_the_same_images_twice_are_one_anchor() -> None:
    x = np.random.default_rng(3).normal(size=(900, 5))
    with pytest.raises(DuplicateAnchorsError, match="'a' and 'copy'"):
        fit_anchors({"a": x, "b": x + 2, "copy": x.copy()}, "energy")
