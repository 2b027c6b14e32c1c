"""Pseudo-labels: greedy simplices as names, rare ones backed off, with the figures that judge them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from g2l.anchors import AnchorSet
from g2l.backoff import back_off
from g2l.errors import G2LError
from g2l.geometry import Prefer, greedy_simplices, step_gaps
from g2l.known_classes import KnownClasses
from g2l.metrics import Floats, as_responses

Ints = NDArray[np.int64]
Progress = Callable[[int, int], None]

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
FEW_BITS = 0.5
TEMPERATURE = 0.25
"""Softmax temperature in standard deviations of the gaps (docs/method.md, "Soft targets")."""


class LabelingError(G2LError):
    """Options that no labeling of these images can meet."""

    code: ClassVar[str] = "bad-labeling"
    title: ClassVar[str] = "The labeling is not possible"


@dataclass(frozen=True)
class Labeling:
    """Pseudo-labels of N images.

    Attributes:
        names: the K anchors' names.
        classes: C names like "plant-sport-tool", in the order of their anchors' indices.
        class_ids: (N,) index into `classes`.
        counts: (C,) images a class.
        anchors: (N, L) anchors as used: after back-off, sorted if not ordered, -1 beyond the label's end.
        full: (N, L) anchors before back-off, in the order grown; -1 from a degenerate stop on.
        log_content: (N, L) natural log of the contents grown, -inf where flat or stopped.
        margin: (N,) how clear the choices were, in [0, 1].
        degenerate_share: share of images whose sequence ended early or lies flat.
        negative_share: share of images with a clamped negative squared height (metric not embeddable).
        entropy: of the classes, in bits.
        bits_per_position: L figures, the bits that each name of the full labels adds to those before it.
        largest_share: share of the largest class.
        margin_quantiles: quantile ("0.05" to "0.95") to margin.
        warnings: sentences for people.
        unmatched_share: share of images of which no beginning is a class, where the classes were given.
    """

    names: tuple[str, ...]
    classes: tuple[str, ...]
    class_ids: Ints
    counts: Ints
    anchors: Ints
    full: Ints
    log_content: Floats
    margin: Floats
    degenerate_share: float
    negative_share: float
    entropy: float
    bits_per_position: tuple[float, ...]
    largest_share: float
    margin_quantiles: dict[str, float]
    warnings: tuple[str, ...]
    unmatched_share: float = 0.0

    def known_classes(self) -> KnownClasses:
        """The classes, to label further images with."""
        return KnownClasses.of(self.classes, self.class_ids, anchors=self.anchors, full=self.full)


def label(
    responses: ArrayLike,
    anchors: AnchorSet,
    *,
    length: int = 2,
    prefer: Prefer = "far",
    project: bool = False,
    ordered: bool = True,
    min_class_size: int = 1,
    max_classes: int | None = None,
    known: KnownClasses | None = None,
    on_progress: Progress | None = None,
) -> Labeling:
    """Give every image a pseudo-label.

    Source: docs/method.md, "Rules".

    Args:
        responses: (N, D) as the embedder gives them; a memory map is read batch by batch.
        anchors: the anchor set.
        length: names a label, 1 to K.
        prefer: "far", "near" or "explain" (see `greedy_simplices`).
        project: measure inside the affine hull of the anchors.
        ordered: "a-b" and "b-a" are two classes; if not, labels are sorted after back-off.
        min_class_size: labels of fewer images lose their last name, rarest first, never the first name.
        max_classes: as many classes at most, by the same back-off before `min_class_size`'s.
        known: the classes of a labeling made with the same anchors, length, prefer and project. They take the
            place of `ordered`, `min_class_size` and `max_classes`: ids and names are theirs, also of those
            that get no image; see `KnownClasses.assign`.
        on_progress: called with (images done, N); what it raises ends the work.

    Returns:
        The labeling; it does not depend on how the rows are batched beyond ties within rounding (1e-12).

    Raises:
        GeometryError: length or prefer.
        LabelingError: `min_class_size` < 1, or `max_classes` below the number of first names in use.
        BadResponsesError, NonFiniteResponsesError: the responses.
    """
    if min_class_size < 1:
        raise LabelingError(f"min_class_size is at least 1; got {min_class_size}", field="min_class_size")
    values = as_responses(responses, dims=anchors.means.shape[1])
    n = len(values)
    full, contents = np.empty((n, length), dtype=np.int64), np.empty((n, length))
    margin, negative = np.empty(n), np.empty(n, dtype=bool)
    known_ids, n_unmatched = np.empty(n, dtype=np.int64), 0
    for rows, distances in anchors.batches(values):
        grown = greedy_simplices(distances, anchors.squared_distances, length, prefer, project=project)
        if known is not None:
            known_ids[rows], unmatched = known.assign(grown.order, distances, prefer)
            n_unmatched += len(unmatched)
        full[rows], contents[rows], margin[rows] = grown.order, grown.log_content, grown.margin
        negative[rows] = grown.negative
        if on_progress:
            on_progress(rows.stop, n)
    if known is None:
        used = _shortened(full, min_class_size=min_class_size, max_classes=max_classes)
        if not ordered:
            used = _sorted_names(used)
        rows_of_classes, class_ids, counts = np.unique(used, axis=0, return_inverse=True, return_counts=True)
        classes = tuple("-".join(anchors.names[a] for a in row if a >= 0) for row in rows_of_classes)
    else:
        used, class_ids, classes = known.anchors[known_ids], known_ids, known.names
        counts = np.bincount(known_ids, minlength=len(classes))
    bits = bits_per_position(full)
    largest = float(counts.max() / n)
    return Labeling(
        names=anchors.names,
        classes=classes,
        class_ids=class_ids.reshape(-1).astype(np.int64),
        counts=counts.astype(np.int64),
        anchors=used,
        full=full,
        log_content=contents,
        margin=margin,
        degenerate_share=float(np.isneginf(contents[:, -1]).mean()),
        negative_share=float(negative.mean()),
        entropy=_entropy(counts[counts > 0]),
        bits_per_position=bits,
        largest_share=largest,
        margin_quantiles={str(q): float(np.quantile(margin, q)) for q in QUANTILES},
        warnings=_warnings(bits, float(negative.mean())),
        unmatched_share=n_unmatched / n,
    )


def soft_targets(
    responses: ArrayLike,
    anchors: AnchorSet,
    *,
    length: int = 1,
    prefer: Prefer = "near",
    project: bool = False,
    temperature: float | Sequence[float] | None = None,
    on_progress: Progress | None = None,
) -> NDArray[np.float32]:
    """A distribution over the anchors at every step of growth, instead of the one name.

    Step j is the softmax of -gap / temperature, the gap being how far a candidate's squared height (at step 1
    its squared distance) is behind the chosen one's **[ours]**. Length 1 and "near" is soft k-means.

    Args:
        responses: (N, D) as the embedder gives them.
        anchors: the anchor set.
        length: steps, 1 to K.
        prefer: as for `label`.
        project: as for `label`.
        temperature: in squared units of the metric, one for all steps or one a step; if None, by
            `step_temperatures` of these responses.
        on_progress: called with (images done, N); what it raises ends the work.

    Returns:
        (N, L, K) float32; each step sums to 1, or is all 0 where the sequence has ended: nothing to learn.

    Raises:
        LabelingError: a temperature that is not positive, or not one a step (field="temperature").
        GeometryError, BadResponsesError, NonFiniteResponsesError: as `label`.
    """
    if temperature is None:
        temperature = step_temperatures(responses, anchors, length=length, prefer=prefer, project=project)
    steps = np.asarray(temperature, dtype=np.float64)
    if steps.shape not in {(), (length,)} or not np.all(steps > 0) or not np.all(np.isfinite(steps)):
        raise LabelingError(f"temperature is one positive number, or {length} of them", field="temperature")
    values = as_responses(responses, dims=anchors.means.shape[1])
    targets = np.empty((len(values), length, len(anchors.names)), dtype=np.float32)
    for rows, distances in anchors.batches(values):
        gaps = step_gaps(distances, anchors.squared_distances, length, prefer, project=project)
        weights = np.exp(-gaps / np.broadcast_to(steps, length)[None, :, None])
        totals = weights.sum(2, keepdims=True)
        targets[rows] = weights / np.where(totals > 0, totals, 1.0)
        if on_progress:
            on_progress(rows.stop, len(values))
    return targets


def step_temperatures(
    responses: ArrayLike, anchors: AnchorSet, *, length: int, prefer: Prefer, project: bool = False
) -> tuple[float, ...]:
    """The default softmax temperature of every step: a quarter of the standard deviation of all gaps.

    Source: docs/method.md, "Soft targets"; 1.0 where there is but one candidate.

    Raises:
        GeometryError, BadResponsesError, NonFiniteResponsesError: as `label`.
    """
    count, total, squares = np.zeros(length), np.zeros(length), np.zeros(length)
    for _, distances in anchors.batches(responses):
        gaps = step_gaps(distances, anchors.squared_distances, length, prefer, project=project)
        usable = np.isfinite(gaps)
        gaps = np.where(usable, gaps, 0.0)
        count += usable.sum((0, 2))
        total += gaps.sum((0, 2))
        squares += (gaps * gaps).sum((0, 2))
    mean = total / np.maximum(count, 1)
    spread = np.sqrt(np.maximum(squares / np.maximum(count, 1) - mean * mean, 0.0))
    return tuple(float(s) for s in np.where(spread > 0, TEMPERATURE * spread, 1.0))


def agreement(a: Labeling, b: Labeling) -> float:
    """Share of images with the same label in two labelings, e.g. of images and of their mirror images.

    Raises:
        LabelingError: not the same number of images.
    """
    if len(a.class_ids) != len(b.class_ids):
        raise LabelingError(
            f"both labelings need the same images; got {len(a.class_ids)} and {len(b.class_ids)}"
        )
    ids = {name: i for i, name in enumerate(a.classes)}
    translated = np.array([ids.get(name, -1) for name in b.classes])
    return float((a.class_ids == translated[b.class_ids]).mean())


def bits_per_position(full: Ints) -> tuple[float, ...]:
    """Bits that each position of (N, L) labels adds to the positions before it."""
    heads = (full[:, :length] for length in range(1, full.shape[1] + 1))
    entropies = [_entropy(np.unique(head, axis=0, return_counts=True)[1]) for head in heads]
    return tuple(max(0.0, after - before) for before, after in pairwise([0.0, *entropies]))


def _shortened(full: Ints, *, min_class_size: int, max_classes: int | None) -> Ints:
    """The labels after back-off."""
    sequences, inverse, counts = np.unique(full, axis=0, return_inverse=True, return_counts=True)
    lengths = back_off(sequences, counts, min_class_size=min_class_size, max_classes=max_classes)
    kept = np.arange(full.shape[1])[None, :] < lengths[inverse.reshape(-1)][:, None]
    return np.where(kept, full, -1)


def _sorted_names(used: Ints) -> Ints:
    """Each row's anchors in the order of their indices, the padding behind them."""
    padded = np.where(used < 0, np.iinfo(np.int64).max, used)
    padded.sort(axis=1)
    return np.where(padded == np.iinfo(np.int64).max, -1, padded)


def _entropy(counts: Ints) -> float:
    shares = counts / counts.sum()
    return float(max(0.0, -(shares * np.log2(shares)).sum()))


def _warnings(bits: tuple[float, ...], negative_share: float) -> tuple[str, ...]:
    warnings = [
        f"Position {j} of the labels adds {added:.2f} bits, under {FEW_BITS}: labels without it say as much."
        for j, added in enumerate(bits, 1)
        if added < FEW_BITS
    ]
    if negative_share > 0:
        warnings.append(
            f"{negative_share:.1%} of the images met anchors of negative squared content, which were set "
            "aside: this metric does not embed."
        )
    return tuple(warnings)
