"""Anchors: named source domains as mean responses, given or discovered, with one metric between them."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from g2l.discovery import Candidates, find_candidates, nearest_rows, pick_by_content
from g2l.distances import IDENTICAL
from g2l.energy import SampledAnchors
from g2l.errors import G2LError
from g2l.metrics import Floats, Metric, as_responses, batch_slices, fit_metric
from g2l.words import nouns

Ints = NDArray[np.int64]

SAMPLES = 256
"""Responses kept of one anchor, and at most this many ..."""
ALL_SAMPLES = 4096
"""... of all anchors together: the energy metric and the labels of datasets compare with them."""
NEAREST = 16
"""Images kept to show what a discovered anchor is."""


class AnchorError(G2LError):
    """Anchors that cannot be made from what was given."""

    code: ClassVar[str] = "bad-anchors"
    title: ClassVar[str] = "The anchors are not usable"


class DuplicateAnchorsError(AnchorError):
    """Two anchors at distance zero."""

    code: ClassVar[str] = "duplicate-anchors"
    title: ClassVar[str] = "Two anchors are the same"


class TooFewDistinctImagesError(AnchorError):
    """More anchors wanted than there are distinct images."""

    code: ClassVar[str] = "too-few-distinct-images"
    title: ClassVar[str] = "Too few distinct images"


@dataclass(frozen=True)
class AnchorSet:
    """K anchors in one embedding with one metric.

    Attributes:
        names: K unique names of [A-Za-z0-9_]+.
        metric: the fitted metric.
        means: (K, D) mean prepared responses (see `Metric.prepare`); the energy metric measures to samples.
        squared_distances: (K, K), in squared units of the metric.
        counts: (K,) images behind each mean.
        samples: (S, D) float32 seeded draws of the anchors' responses as they came, at most 256 an anchor.
        sample_anchors: (S,) whose they are, ascending.
        nearest: (K, 16) indices of the images nearest to each discovered anchor, -1 where there are fewer;
            (K, 0) for given anchors.
    """

    names: tuple[str, ...]
    metric: Metric
    means: Floats
    squared_distances: Floats
    counts: Ints
    samples: NDArray[np.float32]
    sample_anchors: Ints
    nearest: Ints

    def distances_to(self, responses: ArrayLike) -> Floats:
        """Squared distances of images to the anchors.

        Args:
            responses: (N, D), as the embedder gives them.

        Returns:
            (N, K) float64.

        Raises:
            BadResponsesError: the wrong shape or kind.
            NonFiniteResponsesError: NaN or infinity.
        """
        return np.concatenate([part for _, part in self.batches(responses)])

    def batches(self, responses: ArrayLike) -> Iterator[tuple[slice, Floats]]:
        """`distances_to` a bounded number of rows at a time: (rows, squared distances)."""
        values = as_responses(responses, dims=self.means.shape[1])
        measure = self._measure()
        for rows in batch_slices(values):
            yield rows, measure(self.metric.prepare(values[rows]))

    def save(self, path: Path | str) -> None:
        """Write the set as one .npz file that `load_anchor_set` reads; nothing in it is pickled."""
        metric = {_OF_METRIC + key: value for key, value in self.metric.to_arrays().items()}
        arrays = {key: getattr(self, key) for key in _ARRAYS}
        with Path(path).open("wb") as file:  # a name without .npz stays as it is
            np.savez(file, allow_pickle=False, names=np.array(self.names), **metric, **arrays)

    def _measure(self) -> Callable[[Floats], Floats]:
        """What takes (N, D) prepared responses to (N, K) squared distances."""
        if self.metric.compares_samples:
            return _sampled(self.metric, self.samples, self.sample_anchors).to_points
        return lambda prepared: self.metric.between(prepared, self.means)


_OF_METRIC = "metric_"
_ARRAYS = ("means", "squared_distances", "counts", "samples", "sample_anchors", "nearest")


def load_anchor_set(path: Path | str) -> AnchorSet:
    """Read what `AnchorSet.save` wrote.

    Raises:
        AnchorError: not such a file.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
        metric = Metric.from_arrays(
            {key.removeprefix(_OF_METRIC): arrays[key] for key in arrays if key.startswith(_OF_METRIC)}
        )
        return AnchorSet(tuple(map(str, arrays["names"])), metric, **{key: arrays[key] for key in _ARRAYS})
    except (KeyError, ValueError, EOFError) as error:
        raise AnchorError(f"{Path(path).name} is not a saved anchor set") from error


def clean_names(names: Iterable[str]) -> tuple[str, ...]:
    """Names of [A-Za-z0-9_]+ only, other characters become _, and unique: a repeated one gets _2, _3 ..."""
    cleaned: dict[str, None] = {}
    for name in names:
        base = re.sub(r"[^A-Za-z0-9_]", "_", name) or "_"
        unique, turn = base, 2
        while unique in cleaned:
            unique, turn = f"{base}_{turn}", turn + 1
        cleaned[unique] = None
    return tuple(cleaned)


def fit_anchors(
    responses: Mapping[str, ArrayLike],
    metric: str | Metric = "euclidean",
    *,
    fit_on: ArrayLike | None = None,
    seed: int = 0,
) -> AnchorSet:
    """Anchors from named source domains: each the mean response of its images.

    Args:
        responses: name to (N_k, D) responses, N_k >= 1, in the order the anchors shall have.
        metric: a name of `METRICS` to fit, or a metric already fitted.
        fit_on: (M, D) responses to fit the metric on; those of all anchors if None.
        seed: draws the samples that are kept.

    Raises:
        AnchorError: no anchors, or one without images (field="anchors").
        DuplicateAnchorsError: two have the same mean; it names them (field="anchors").
        BadResponsesError, NonFiniteResponsesError, DegenerateResponsesError: as `fit_metric`.
        UnknownMetricError: as `fit_metric`.
    """
    if not responses:
        raise AnchorError("an anchor set needs at least one anchor", field="anchors")
    groups = {name: np.asarray(values) for name, values in responses.items()}
    for name, values in groups.items():
        if not values.size:
            raise AnchorError(f"anchor {name!r} has no images; give at least one", field="anchors")
        as_responses(values)
    if isinstance(metric, str):
        metric = fit_metric(metric, np.concatenate(list(groups.values())) if fit_on is None else fit_on)
    # Each draw begins anew, so that two anchors of the same images have the same samples, at distance zero.
    samples = [
        group[_draw(np.arange(len(group)), len(groups), np.random.default_rng(seed))]
        for group in groups.values()
    ]
    metric = metric.evening(samples)
    means = np.stack([sum(part.sum(0) for part in metric.batches(v)) / len(v) for v in groups.values()])
    counts = np.array([len(group) for group in groups.values()])
    return _anchor_set(clean_names(groups), metric, means, samples=samples, counts=counts)


def discover_anchors(
    responses: ArrayLike,
    k: int,
    metric: str | Metric = "euclidean",
    *,
    names: Sequence[str] | None = None,
    seed: int = 0,
) -> AnchorSet:
    """Anchors from unlabelled images: k-means, then the candidates of greatest content among themselves.

    Below 64 anchors three candidates an anchor are clustered (each of ten images or more on average), and the
    k that greedy growth takes stay, in that order; from 64 on, or where k exceeds the dimensions and no
    simplex has content, k-means makes k candidates and growth only orders them **[ours]**. A metric that
    evens the spread of anchors clusters without, and evens that of the candidates.

    Args:
        responses: (N, D).
        k: anchors wanted, 1 to the number of distinct images.
        metric: a name of `METRICS` to fit on the responses, or a metric already fitted.
        names: k names for the anchors; words of a fixed list if None.
        seed: draws the clustering's sample and seeding, and the samples that are kept.

    Raises:
        TooFewDistinctImagesError: k is not between 1 and the number of distinct images (field="k").
        AnchorError: not k names (field="names").
        BadResponsesError, NonFiniteResponsesError, DegenerateResponsesError: as `fit_metric`.
        UnknownMetricError: as `fit_metric`.
    """
    values = as_responses(responses)
    if not 1 <= k <= len(values):
        raise TooFewDistinctImagesError(f"k is 1 to the number of images, {len(values)}; got {k}", field="k")
    if names is not None and len(names) != k:
        raise AnchorError(f"{k} anchors need {k} names; got {len(names)}", field="names")
    if isinstance(metric, str):
        metric = fit_metric(metric, values)
    metric, rng = replace(metric, spread=None), np.random.default_rng(seed)
    found = find_candidates(metric, values, k, rng)
    if len(found.means) < k:
        raise TooFewDistinctImagesError(
            f"only {len(found.means)} of {len(values)} images are distinct; k must not exceed that, got {k}",
            field="k",
        )
    if metric.evens:
        metric, found = _evened(metric, values, found, rng)
    chosen = pick_by_content(_candidate_distances(metric, values, found, rng), found.counts, k)
    anchors = _anchor_set(
        clean_names(nouns(k) if names is None else names),
        metric,
        found.means[chosen],
        samples=[values[_draw(np.flatnonzero(found.clusters == cluster), k, rng)] for cluster in chosen],
        counts=found.counts[chosen],
    )
    return replace(anchors, nearest=nearest_rows(anchors.batches(values), k, NEAREST))


def _anchor_set(
    names: tuple[str, ...],
    metric: Metric,
    means: Floats,
    *,
    samples: Sequence[NDArray[np.generic]],
    counts: Ints,
) -> AnchorSet:
    """Measure the anchors against each other and put the set together."""
    drawn = np.concatenate(samples).astype(np.float32)
    owners = np.repeat(np.arange(len(samples)), [len(sample) for sample in samples])
    sampled = metric.compares_samples
    distances = _sampled(metric, drawn, owners).between() if sampled else _between_means(metric, means)
    np.fill_diagonal(distances, np.inf)
    i, j = np.unravel_index(int(distances.argmin()), distances.shape)
    if distances[i, j] <= IDENTICAL:
        raise DuplicateAnchorsError(
            f"anchors {names[i]!r} and {names[j]!r} are the same point; drop one, or give it other images",
            field="anchors",
        )
    np.fill_diagonal(distances, 0.0)
    return AnchorSet(
        names=names,
        metric=metric,
        means=means,
        squared_distances=distances,
        counts=counts,
        samples=drawn,
        sample_anchors=owners,
        nearest=np.empty((len(names), 0), dtype=np.int64),
    )


def _candidate_distances(
    metric: Metric, values: NDArray[np.generic], found: Candidates, rng: np.random.Generator
) -> Floats:
    """(M, M) between candidates for anchors."""
    if not metric.compares_samples:
        return _between_means(metric, found.means)
    draws = _candidate_draws(found, rng)
    owners = np.repeat(np.arange(len(draws)), [len(rows) for rows in draws])
    return _sampled(metric, values[np.concatenate(draws)], owners).between()


def _evened(
    metric: Metric, values: NDArray[np.generic], found: Candidates, rng: np.random.Generator
) -> tuple[Metric, Candidates]:
    """The metric by the spread of the candidates' images, and their means as it sees them."""
    metric = metric.evening([values[rows] for rows in _candidate_draws(found, rng)])
    means = found.means if metric.spread is None else metric.spread.evened(found.means)
    return metric, replace(found, means=means)


def _candidate_draws(found: Candidates, rng: np.random.Generator) -> list[Ints]:
    m = len(found.means)
    return [_draw(np.flatnonzero(found.clusters == cluster), m, rng) for cluster in range(m)]


def _between_means(metric: Metric, means: Floats) -> Floats:
    """(K, K) squared distances, symmetric with a zero diagonal."""
    distances = metric.between(means, means)
    distances = (distances + distances.T) / 2
    np.fill_diagonal(distances, 0.0)
    return distances


def _sampled(metric: Metric, samples: NDArray[np.generic], owners: Ints) -> SampledAnchors:
    """The anchors as their samples."""
    return SampledAnchors.of(metric.prepare(samples), owners)


def _draw(rows: Ints, n_anchors: int, rng: np.random.Generator) -> Ints:
    """The rows of one anchor's images to keep as samples, in order."""
    keep = max(1, min(SAMPLES, ALL_SAMPLES // n_anchors))
    return np.sort(rng.permutation(rows)[:keep])
