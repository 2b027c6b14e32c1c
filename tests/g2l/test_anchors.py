"""Anchors given and discovered, their names, and the file they are kept in."""

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from g2l.anchors import (
    ALL_SAMPLES,
    NEAREST,
    SAMPLES,
    AnchorError,
    AnchorSet,
    DuplicateAnchorsError,
    TooFewDistinctImagesError,
    clean_names,
    discover_anchors,
    fit_anchors,
    load_anchor_set,
)
from g2l.clusters import k_means, nearest_centres
from g2l.discovery import pick_by_content
from g2l.geometry import simplex_content
from g2l.metrics import METRICS, DegenerateResponsesError, NonFiniteResponsesError, fit_metric
from g2l.words import NOUNS, nouns
from tests.g2l.reference import Floats

approx = pytest.approx
every_metric = pytest.mark.parametrize("metric", METRICS)


def blobs(n_blobs: int, each: int = 40, *, seed: int = 0, dims: int = 16) -> Floats:
    """Rows of blob 0, then of blob 1 ..."""
    rng = np.random.default_rng(seed)
    centres = 4.0 * rng.normal(size=(n_blobs, dims))
    return np.repeat(centres, each, axis=0) + 0.3 * rng.normal(size=(n_blobs * each, dims))


def domains(n: int = 4) -> dict[str, Floats]:
    return {f"domain_{i}": rows for i, rows in enumerate(np.split(blobs(n), n))}


@every_metric
def test_given_anchors_are_mean_responses(metric: str) -> None:
    anchors = fit_anchors(domains(), metric)
    fitted = fit_metric(metric, blobs(4)).evening(list(domains().values()))
    assert anchors.names == ("domain_0", "domain_1", "domain_2", "domain_3")
    assert anchors.means == approx(np.stack([fitted.prepare(rows).mean(0) for rows in domains().values()]))
    assert anchors.counts.tolist() == [40] * 4
    if metric != "energy":  # which measures between the anchors' images: test_energy.py
        assert anchors.squared_distances == approx(fitted.between(anchors.means, anchors.means), abs=1e-12)
    assert np.array_equal(anchors.squared_distances, anchors.squared_distances.T)
    assert (np.diagonal(anchors.squared_distances) == 0).all()
    assert (anchors.distances_to(blobs(4)).argmin(1) == np.repeat(np.arange(4), 40)).all()


def test_one_image_makes_an_anchor_and_one_anchor_a_set() -> None:
    rows = blobs(2)
    pair = fit_anchors({"a": rows[:1], "b": rows[40:41]})
    assert pair.counts.tolist() == [1, 1]
    assert fit_anchors({"only": rows}).squared_distances.tolist() == [[0.0]]


def test_fit_on_decides_the_metric() -> None:
    pool = blobs(6, seed=5)
    anchors = fit_anchors(domains(), "euclidean", fit_on=pool)
    assert anchors.metric.mean == approx(fit_metric("euclidean", pool).mean)
    assert fit_anchors(domains(), anchors.metric).metric is anchors.metric


def test_anchors_without_images_and_no_anchors_are_refused() -> None:
    with pytest.raises(AnchorError, match="'empty' has no images") as caught:
        fit_anchors({"a": blobs(1), "empty": np.empty((0, 16))})
    assert caught.value.field == "anchors"
    with pytest.raises(AnchorError, match="at least one anchor"):
        fit_anchors({})


def test_duplicate_anchors_are_named() -> None:
    rows = domains()
    with pytest.raises(DuplicateAnchorsError, match="'domain_1' and 'copy'"):
        fit_anchors({**rows, "copy": rows["domain_1"]})


@given(st.lists(st.text(max_size=8), max_size=12))
def test_names_are_clean_unique_and_as_many(names: list[str]) -> None:
    cleaned = clean_names(names)
    assert len(cleaned) == len(set(cleaned)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9_]+", name) for name in cleaned)


def test_other_characters_become_underscores() -> None:
    assert clean_names(["sea-lion", "café au lait", "ok_1", "sea lion", ""]) == (
        "sea_lion",
        "caf__au_lait",
        "ok_1",
        "sea_lion_2",
        "_",
    )


def test_words_are_enough_plain_and_unique() -> None:
    assert len(NOUNS) == len(set(NOUNS)) >= 256
    assert all(re.fullmatch(r"[a-z]{3,10}", noun) for noun in NOUNS)
    many = nouns(4096)
    assert len(set(many)) == 4096
    assert many[len(NOUNS)] == f"{NOUNS[0]}_2"
    assert clean_names(many) == many


@every_metric
def test_discovery_finds_the_blobs(metric: str) -> None:
    responses = blobs(6)
    anchors = discover_anchors(responses, 6, metric)
    assert anchors.names == nouns(6)
    assert anchors.means.shape == (6, 16)
    nearest = anchors.distances_to(responses).argmin(1).reshape(6, 40)
    assert (nearest == nearest[:, :1]).mean() > 0.95  # images of a blob share their nearest anchor
    assert len(set(nearest[:, 0].tolist())) >= 5


def test_the_same_seed_gives_the_same_anchors() -> None:
    responses = blobs(5, seed=3)
    a, b = discover_anchors(responses, 5, seed=7), discover_anchors(responses, 5, seed=7)
    assert np.array_equal(a.means, b.means)
    assert np.array_equal(a.samples, b.samples)


def test_nearest_images_are_the_nearest() -> None:
    responses = blobs(5)
    anchors = discover_anchors(responses, 4)
    distances = anchors.distances_to(responses)
    for k, rows in enumerate(anchors.nearest):
        assert rows.tolist() == np.argsort(distances[:, k], kind="stable")[:NEAREST].tolist()
    few = discover_anchors(responses[::20], 3)
    assert few.nearest.shape == (3, NEAREST)
    assert (np.sort(few.nearest, axis=1)[:, -10:] == np.arange(10)).all()
    assert (few.nearest[:, 10:] == -1).all()


def test_samples_are_the_anchors_own_and_bounded() -> None:
    responses = blobs(3, each=400).astype(np.float32)
    anchors = fit_anchors(dict(zip("abc", np.split(responses, 3), strict=True)))
    assert np.bincount(anchors.sample_anchors).tolist() == [SAMPLES] * 3
    assert {row.tobytes() for row in anchors.samples} <= {row.tobytes() for row in responses}
    many = discover_anchors(np.random.default_rng(0).normal(size=(300, 8)), 200)
    assert len(many.samples) <= max(ALL_SAMPLES, 200)


def test_picking_finds_the_simplex_of_greatest_content_among_corners() -> None:
    rng = np.random.default_rng(4)
    corners = np.abs(rng.normal(size=(4, 5))) + 2.0 * np.eye(5)[:4]
    mixtures = rng.dirichlet(np.full(4, 5.0), size=6) @ corners
    metric = fit_metric("euclidean", np.concatenate([corners, mixtures]))
    means = metric.prepare(np.concatenate([mixtures, corners]))
    chosen = pick_by_content(metric.between(means, means), np.ones(10, dtype=np.int64), 4)

    def content(subset: tuple[int, ...]) -> float:
        return simplex_content(metric.between(means[list(subset)], means[list(subset)]))

    best = max(combinations(range(10), 4), key=content)
    assert sorted(chosen.tolist()) == sorted(best) == [6, 7, 8, 9]


def test_small_clusters_are_not_picked() -> None:
    responses = np.concatenate([blobs(4, each=100), 50.0 * np.eye(16)[:3]])
    anchors = discover_anchors(responses, 4)
    assert anchors.counts.min() >= 10


def test_as_many_anchors_as_distinct_images() -> None:
    distinct = blobs(5, each=1)
    anchors = discover_anchors(np.repeat(distinct, 30, axis=0), 5)
    assert anchors.counts.tolist() == [30] * 5
    with pytest.raises(TooFewDistinctImagesError, match="only 5 of 150") as caught:
        discover_anchors(np.repeat(distinct, 30, axis=0), 6)
    assert caught.value.field == "k"


@pytest.mark.parametrize("k", [0, 81])
def test_k_beyond_the_images_is_refused(k: int) -> None:
    with pytest.raises(TooFewDistinctImagesError) as caught:
        discover_anchors(blobs(2), k)
    assert caught.value.field == "k"


def test_more_anchors_than_dimensions() -> None:
    anchors = discover_anchors(np.random.default_rng(0).normal(size=(500, 3)), 20)
    assert len(anchors.names) == 20
    off_diagonal = anchors.squared_distances[~np.eye(20, dtype=bool)]
    assert (off_diagonal > 0).all()


def test_names_may_be_given() -> None:
    assert discover_anchors(blobs(3), 2, names=["é", "b"]).names == ("_", "b")
    with pytest.raises(AnchorError, match="2 names") as caught:
        discover_anchors(blobs(3), 2, names=["a"])
    assert caught.value.field == "names"


def test_constant_and_broken_responses_are_refused() -> None:
    with pytest.raises(DegenerateResponsesError):
        discover_anchors(np.ones((10, 4)), 2)
    with pytest.raises(NonFiniteResponsesError):
        fit_anchors({"a": np.full((2, 4), np.nan), "b": np.ones((2, 4))})


@every_metric
def test_a_saved_set_is_the_same_set(metric: str, tmp_path: Path) -> None:
    anchors = discover_anchors(blobs(4), 3, metric)
    anchors.save(tmp_path / "anchors.npz")
    again = load_anchor_set(tmp_path / "anchors.npz")
    assert isinstance(again, AnchorSet)
    assert again.names == anchors.names
    for field in ("means", "squared_distances", "counts", "samples", "sample_anchors", "nearest"):
        assert np.array_equal(getattr(again, field), getattr(anchors, field))
    assert np.array_equal(again.distances_to(blobs(2)), anchors.distances_to(blobs(2)))


@pytest.mark.parametrize("bytes_", [b"", b"not a zip", b"PK\x05\x06" + bytes(18)])
def test_other_files_are_refused(bytes_: bytes, tmp_path: Path) -> None:
    path = tmp_path / "anchors.npz"
    path.write_bytes(bytes_)
    with pytest.raises(AnchorError, match=r"anchors\.npz"):
        load_anchor_set(path)


@given(seed=st.integers(0, 2**32 - 1), distinct=st.integers(1, 12), data=st.data())
@settings(max_examples=40)
def test_k_means_leaves_no_cluster_empty(seed: int, distinct: int, data: st.DataObject) -> None:
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(distinct, 3))[rng.permutation(np.repeat(np.arange(distinct), 3))]
    k = data.draw(st.integers(1, distinct))
    ids, _ = nearest_centres(points, k_means(points, k, rng))
    assert len(np.unique(ids)) == k
