"""Pseudo-labels of whole datasets."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from g2l.anchors import AnchorSet, fit_anchors, load_anchor_set
from g2l.dataset_labels import DATASET_ROWS, label_dataset
from g2l.energy import SampledAnchors
from g2l.geometry import GeometryError
from g2l.metrics import METRICS, BadResponsesError, NonFiniteResponsesError, unit_norm
from tests.g2l import reference
from tests.g2l.reference import Floats

approx = pytest.approx
NAMES = ("animal", "plant", "texture", "tool", "sport")


def domain(number: int, n: int = 60, *, seed: int = 0) -> Floats:
    rng = np.random.default_rng([seed, number])
    centre = np.random.default_rng([99, number]).normal(size=12)
    return np.asarray(centre + 0.5 * rng.normal(size=(n, 12)))


def anchor_set(metric: str = "euclidean") -> AnchorSet:
    return fit_anchors({name: domain(number) for number, name in enumerate(NAMES)}, metric)


@pytest.mark.parametrize("metric", METRICS)
def test_a_dataset_is_called_what_it_is_like_whatever_the_metric(metric: str) -> None:
    for number, name in enumerate(NAMES):
        made = label_dataset(domain(number, seed=1), anchor_set(metric))
        assert made.anchors[0] == name
        assert made.names[int(made.squared_distances.argmin())] == name
        assert made.label == "-".join(made.anchors)
        assert len(made.anchors) <= 2


def test_a_mixture_names_both_of_its_parts() -> None:
    mixed = np.concatenate([domain(2, 200, seed=1), domain(1, 120, seed=1)])
    made = label_dataset(mixed, anchor_set())
    assert made.label == "texture-plant"
    assert made.margin > 0.0


@pytest.mark.parametrize("prefer", ["far", "near"])
@given(seed=st.integers(0, 2**32 - 1), length=st.integers(1, 4))
@settings(max_examples=10)
def test_it_is_grown_as_an_image_is(prefer: str, seed: int, length: int) -> None:
    anchors = anchor_set()
    data = np.random.default_rng(seed).normal(size=(30, 12))
    made = label_dataset(data, anchors, length=length, prefer=prefer)  # type: ignore[arg-type]
    owners = np.append(anchors.sample_anchors, np.full(30, len(NAMES)))  # the dataset as one more anchor
    together = SampledAnchors.of(unit_norm(np.concatenate([anchors.samples, data])), owners).between()
    assert made.squared_distances == approx(together[-1, :-1], abs=1e-9)
    orders, squares = reference.greedy_orders(together[-1:, :-1], together[:-1, :-1], length, prefer)
    assert made.anchors == tuple(NAMES[k] for k in orders[0] if k >= 0)
    assert made.log_content == approx(np.log(squares[0, -1]) / 2, abs=1e-6)


def test_the_dataset_of_an_anchor_ends_with_its_name() -> None:
    for responses in (domain(3), domain(3, 500, seed=1), domain(3, 40, seed=2)):
        for prefer in ("near", "explain"):
            assert label_dataset(responses, anchor_set(), length=3, prefer=prefer).label == "tool"
            assert label_dataset(responses, anchor_set(), length=3, prefer=prefer).margin > 0.5
    exactly = label_dataset(domain(3), anchor_set())
    assert exactly.squared_distances[3] == approx(0.0, abs=1e-6)  # samples are kept in single precision
    assert label_dataset(domain(3), anchor_set(), length=3, prefer="far").anchors[0] != "tool"


def test_rows_are_looked_at_evenly_and_a_file_labels_the_same(tmp_path: Path) -> None:
    data = np.repeat(domain(1, DATASET_ROWS, seed=1), 2, axis=0)
    data[1::2] += 1e-9
    anchors = anchor_set()
    anchors.save(tmp_path / "anchors.npz")
    made = label_dataset(data, load_anchor_set(tmp_path / "anchors.npz"))
    few = label_dataset(data[::2], anchors)
    assert made.label == few.label
    assert made.squared_distances == approx(few.squared_distances, rel=1e-2)


def test_what_cannot_be_served_is_refused() -> None:
    with pytest.raises(GeometryError) as caught:
        label_dataset(domain(0), anchor_set(), length=6)
    assert caught.value.field == "length"
    with pytest.raises(BadResponsesError):
        label_dataset(np.ones((3, 5)), anchor_set())
    with pytest.raises(NonFiniteResponsesError):
        label_dataset(np.full((3, 12), np.nan), anchor_set())
